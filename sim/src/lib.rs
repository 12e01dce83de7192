//! Deterministic simulation: real clients and the real service, joined by a faulty network.
//!
//! Everything follows from one number. A seed draws who is there, how each is configured and what goes wrong how
//! often; then time jumps from event to event, and after each step the rules of [`shadow_proto::Client`] are checked
//! against what really happened at the service. At last the network heals, and everything has to come in step.

mod agenda;
mod broker;
mod checker;
mod cloud;
mod device;
pub mod fuzz;
mod heal;
mod held;
mod link;
mod model;
mod net;
mod node;
mod plan;
mod rng;
mod tally;
mod totals;
mod workload;
mod world;

pub use link::{LinkEnd, LinkFault, LinkSum, LinkTotals, LinkWorld};
pub use plan::{Faults, NodePlan, Plan, Role};
pub use rng::Rng;
pub use tally::Count;
pub use totals::{Fault, Happened, Outcome, Reached, Sum, Totals};
pub use world::World;

use std::panic;

/// Runs a seed. What rule was broken, if one was.
///
/// # Errors
/// The message of the check that failed.
pub fn run(seed: u64, trace: bool) -> Result<Totals, String> {
    caught(|| World::new(seed, trace).run())
}

/// Runs a seed of the byte-level simulation.
///
/// # Errors
/// The message of the check that failed.
pub fn run_link(seed: u64, trace: bool) -> Result<LinkTotals, String> {
    caught(|| LinkWorld::new(seed, trace).run())
}

fn caught<T>(run: impl FnOnce() -> T + panic::UnwindSafe) -> Result<T, String> {
    panic::catch_unwind(run).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}
