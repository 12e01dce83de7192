//! The commands.

mod follow;
mod once;
mod sync;
mod tools;
mod wait;
mod watch;

pub(crate) use tools::{completions, man, policy};

use clap::ArgMatches;

use crate::{context::Context, problem::Problem};

/// Runs a command that talks to a broker or to the REST data plane. The exit code.
pub(crate) async fn run(
    name: &str,
    matches: &ArgMatches,
    context: &Context,
) -> Result<u8, Problem> {
    match name {
        "get" => once::get(matches, context).await,
        "update" => once::update(matches, context).await,
        "delete" => once::delete(matches, context).await,
        "list" => once::list(matches, context).await,
        "diff" => once::diff(matches, context).await,
        "watch" => watch::watch(matches, context).await,
        "wait" => wait::wait(matches, context).await,
        "sync" => sync::sync(matches, context).await,
        other => Err(Problem::Usage(format!("{other} is no command"))),
    }
}
