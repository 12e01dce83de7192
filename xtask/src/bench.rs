//! `cargo xtask bench`: the benchmarks, as `cargo bench` runs them; and what is made of them.

use crate::exec::Cx;
use crate::workspace::Workspace;
use crate::{Stop, instructions};

pub(crate) const PACKAGE: &str = "benches";

/// A workspace of its own, as `fuzz`.
pub(crate) const BY_HAND: &str = "benches/by-hand/Cargo.toml";

/// Tells the benchmarks that the workspace's binaries are there.
pub(crate) const CLIENTS_ARE_BUILT: &str = "SHADOW_BENCH_CLIENTS_ARE_BUILT";

pub(crate) fn main(args: &[String]) -> Result<(), Stop> {
    let cx = Cx::new()?;
    if !Workspace::load(&cx)?.has(PACKAGE) {
        return Err(Stop::Because(format!(
            "there is no package {PACKAGE} yet, so nothing to measure"
        )));
    }
    if args.iter().any(|arg| arg == "--bless") {
        if args.len() > 1 {
            let why = "bench --bless takes no other arguments";
            return Err(Stop::Usage(why.to_owned()));
        }
        return instructions::bless(&cx);
    }
    if let Some(at) = args.iter().position(|arg| arg == "--report") {
        let mut rest = args.to_vec();
        rest.remove(at);
        if rest.iter().any(|arg| arg != "--quick") {
            let why = "bench --report takes --quick and nothing else";
            return Err(Stop::Usage(why.to_owned()));
        }
        let run = ["run", "--quiet", "--locked", "--profile", "bench"];
        let report = ["--package", PACKAGE, "--bin", "report", "--"];
        cx.cargo(run).args(report).args(rest).run()?;
        return Ok(());
    }
    cx.cargo(["bench", "--locked", "--package", PACKAGE])
        .args(args)
        .run()?;
    Ok(())
}
