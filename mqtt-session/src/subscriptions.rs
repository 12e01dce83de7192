//! Who wants which filter, and what the server knows about it.

/// Who holds a filter: an opaque number of the caller's choosing (a shadow client, a stream of
/// the application).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner(u64);

impl Owner {
    /// The owner with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The caller's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Who subscribes again when the server lost the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_enums, reason = "either side does it")]
pub enum Restore {
    /// The session does, at once, and reports each filter as
    /// [`Event::Restored`](crate::Event::Restored). A request made or interrupted while there is
    /// no connection waits for the next one.
    BySession,
    /// The owner does (a shadow client keeps its own account). A lost session forgets the
    /// owner's filters; a request interrupted by the end of the connection is
    /// [`Event::SubscribeLost`](crate::Event::SubscribeLost).
    ByOwner,
}
