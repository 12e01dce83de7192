//! Time as an input: points on the driver's clock, and the service's document times.

use core::{fmt, ops::Add, time::Duration};

/// A point on a monotonic clock whose origin the driver picks.
///
/// The core never reads a clock. A driver takes one reading of its own clock as the origin
/// and passes every later reading as the time elapsed since then. Arithmetic saturates, so no
/// timeout is too long.
///
/// ```
/// use core::time::Duration;
/// use shadow_proto::Instant;
///
/// let now = Instant::from_origin(Duration::from_secs(3));
/// let later = now + Duration::from_millis(500);
/// assert_eq!(later.saturating_since(now), Duration::from_millis(500));
/// assert_eq!(now.saturating_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The driver's origin of time.
    pub const ORIGIN: Self = Self(Duration::ZERO);

    /// The point `elapsed` after the origin.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the origin this point is.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A time the service wrote into a document: whole seconds since 1970-01-01 00:00:00 UTC.
///
/// It comes from a wall clock of the service and is never compared with an [`Instant`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time `seconds` after 1970 began.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Whole seconds since 1970 began.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_saturates() {
        let last = Instant::from_origin(Duration::MAX);
        assert_eq!(last + Duration::from_secs(1), last);
    }
}
