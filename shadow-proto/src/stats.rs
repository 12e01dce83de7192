//! Counts of what happened.

/// Counts since the client was made. They only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections.
    pub connects: u64,
    /// Connections that found no session of before.
    pub sessions_lost: u64,
    /// Connections lost.
    pub disconnects: u64,
    /// Requests of the application taken.
    pub requests: u64,
    /// Gets made to fetch a followed shadow's document.
    pub resyncs: u64,
    /// Tries of requests handed to the connection.
    pub publishes: u64,
    /// Tries after a rejection.
    pub retries: u64,
    /// Requests accepted.
    pub accepted: u64,
    /// Requests that ended as rejected.
    pub rejected: u64,
    /// Requests whose deadline passed.
    pub timed_out: u64,
    /// Requests that failed in another way.
    pub failed: u64,
    /// Updates merged into a newer one.
    pub merged: u64,
    /// Answers to requests that were over.
    pub late_answers: u64,
    /// Messages with tokens of other clients, or none.
    pub foreign: u64,
    /// Deltas delivered.
    pub deltas: u64,
    /// Messages dropped as duplicates.
    pub duplicates: u64,
    /// Messages dropped as older than what was delivered.
    pub old: u64,
    /// Messages that could not be read.
    pub undecodable: u64,
    /// SUBSCRIBEs sent.
    pub subscribes: u64,
    /// Filters refused.
    pub refused: u64,
}
