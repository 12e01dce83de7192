//! Time as an input: points on the driver's clock, and the service's document times.

use core::{fmt, num::NonZeroU64, ops::Add, time::Duration};

/// A point on a monotonic clock whose origin the driver picks.
///
/// The core never reads a clock. A driver takes one reading of its own clock as the origin
/// and passes every later reading as the time elapsed since then. It counts nanoseconds; arithmetic
/// saturates at 584 years, so no timeout is too long.
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// One more than the nanoseconds: a point that may be missing takes no more room than one.
    nanos: NonZeroU64,
}

impl Instant {
    /// The driver's origin of time.
    pub const ORIGIN: Self = Self {
        nanos: NonZeroU64::MIN,
    };

    /// The point `elapsed` after the origin.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self {
            nanos: NonZeroU64::MIN.saturating_add(nanos(elapsed)),
        }
    }

    /// How long after the origin this point is.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.saturating_since(Self::ORIGIN)
    }

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos.get().saturating_sub(earlier.nanos.get()))
    }
}

const fn nanos(length: Duration) -> u64 {
    let seconds = length.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(length.subsec_nanos() as u64)
}

/// The origin.
impl Default for Instant {
    fn default() -> Self {
        Self::ORIGIN
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self {
            nanos: self.nanos.saturating_add(nanos(length)),
        }
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.since_origin())
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
        assert_eq!(last + Duration::from_nanos(1), last);
        assert_eq!(last.since_origin(), Duration::from_nanos(u64::MAX - 1));
        let first = Instant::from_origin(Duration::from_nanos(1));
        assert_eq!(first + Duration::MAX, last);
        assert_eq!(first.since_origin(), Duration::from_nanos(1));
        assert_eq!(Instant::default() + Duration::from_nanos(1), first);
        assert_eq!(size_of::<Option<Instant>>(), 8);
    }
}
