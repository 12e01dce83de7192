//! The service's clock reading.

use core::{fmt, time::Duration};
use shadow_proto::Timestamp;

/// A reading of a wall clock: the time since 1970-01-01 00:00:00 UTC, with its fraction.
///
/// Documents hold whole seconds ([`timestamp`](Self::timestamp)); rates need the fraction. The
/// service never reads a clock: every call brings one of these. A reading earlier than the
/// last one is legal (wall clocks are set back); it only delays rates and tombstones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The time `elapsed` after 1970 began.
    #[must_use]
    pub const fn since_epoch(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The time `seconds` after 1970 began.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The time since 1970 began.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// The whole seconds, as documents hold them.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_seconds(self.0.as_secs())
    }

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
