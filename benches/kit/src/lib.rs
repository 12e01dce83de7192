//! What the processes of the benchmark `round_trip` share, so that each client counts the same thing in the same way.

pub mod args;
pub mod packets;
pub mod tally;
#[cfg(feature = "workers")]
pub mod workers;

pub use args::Args;
pub use tally::{Measured, Tally};

/// The name of a thing: as long for each.
#[must_use]
pub fn thing(n: usize) -> String {
    format!("bench-{n:02}")
}

/// How many things the outstanding requests are spread over; AWS allows ten in flight for each.
#[must_use]
pub const fn things(outstanding: usize) -> usize {
    outstanding.div_ceil(10)
}

/// What a client says once it is connected, on a line of its own.
pub const CONNECTED: &str = "connected";
