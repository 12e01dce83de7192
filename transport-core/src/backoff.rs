//! How long to wait before connecting again.

use core::time::Duration;

use crate::random::mix;

/// The delays between attempts to connect: `base`, doubled with each failure up to `max`.
///
/// The count of failures begins anew once a connection has lasted for `stable`.
///
/// ```
/// use core::time::Duration;
/// use transport_core::{ConnectOptions, PermanentRefusal, Reconnect};
///
/// let mut options = ConnectOptions::from_url("mqtt://127.0.0.1:1883")?;
/// let seconds = Duration::from_secs;
/// options.reconnect = Reconnect::new(seconds(2), seconds(120), seconds(60));
/// options.reconnect.permanent = PermanentRefusal::Stop;
/// # Ok::<(), transport_core::EndpointError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Reconnect {
    /// The delay after the first failure. Default 1 s; zero counts as 1 ms.
    pub base: Duration,
    /// The longest delay, and the one after a permanent refusal. Default 32 s.
    pub max: Duration,
    /// How long a connection must last for the next delay to be `base` again. Default 20 s.
    pub stable: Duration,
    /// By how much of its length, in percent, a delay is shortened at most, at random, so that a
    /// fleet does not come back all at once. Default 50; 0 for none; above 100 counts as 100.
    pub jitter_percent: u8,
    /// What a permanent refusal (bad credentials, client id rejected, version not supported,
    /// certificate errors) leads to. Default [`PermanentRefusal::RetryAtMax`].
    pub permanent: PermanentRefusal,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max: Duration::from_secs(32),
            stable: Duration::from_secs(20),
            jitter_percent: 50,
            permanent: PermanentRefusal::default(),
        }
    }
}

/// What a permanent refusal leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum PermanentRefusal {
    /// Another attempt after the longest delay: someone may mend the policy or the account.
    #[default]
    RetryAtMax,
    /// The client stops.
    Stop,
}

impl Reconnect {
    /// These delays, with the default jitter.
    #[must_use]
    pub fn new(base: Duration, max: Duration, stable: Duration) -> Self {
        Self {
            base,
            max,
            stable,
            ..Self::default()
        }
    }

    /// The delay after `failures` failures in a row (at least one), drawn with `seed`. The same
    /// arguments give the same delay.
    #[must_use]
    pub fn delay(&self, seed: u64, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let full = self.base.saturating_mul(factor).min(self.max);
        self.shortened(full, seed, failures)
    }

    /// The delay after a permanent refusal.
    #[must_use]
    pub fn longest_delay(&self, seed: u64, failures: u32) -> Duration {
        self.shortened(self.max, seed, failures)
    }

    fn shortened(&self, full: Duration, seed: u64, failures: u32) -> Duration {
        let percent = u64::from(self.jitter_percent.min(100));
        let full = u64::try_from(full.as_millis()).unwrap_or(u64::MAX).max(1);
        let most = (u128::from(full) * u128::from(percent) / 100) as u64;
        let drawn = mix(seed ^ mix(u64::from(failures)));
        let cut = drawn.checked_rem(most.saturating_add(1)).unwrap_or(0);
        Duration::from_millis((full - cut.min(full)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_from_base_to_max() {
        let backoff = Reconnect {
            jitter_percent: 0,
            ..Reconnect::default()
        };
        let seconds = [1, 1, 2, 4, 8, 16, 32, 32, 32];
        for (failures, seconds) in (0..).zip(seconds) {
            assert_eq!(backoff.delay(7, failures), Duration::from_secs(seconds));
        }
        assert_eq!(backoff.delay(7, u32::MAX), Duration::from_secs(32));
        assert_eq!(backoff.longest_delay(7, 1), Duration::from_secs(32));
    }

    #[test]
    fn jitter_shortens_by_half_at_most_and_depends_on_the_seed() {
        let backoff = Reconnect::default();
        let delays: Vec<_> = (0..1_000).map(|seed| backoff.delay(seed, 4)).collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(4) && *least < Duration::from_millis(4_100));
        assert!(*most <= Duration::from_secs(8) && *most > Duration::from_millis(7_900));
        assert_eq!(backoff.delay(5, 3), backoff.delay(5, 3));
    }

    #[test]
    fn odd_settings_give_a_delay_all_the_same() {
        let mut backoff = Reconnect::new(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        backoff.jitter_percent = 255;
        assert_eq!(backoff.delay(1, 1), Duration::from_millis(1));
        let endless = Reconnect::new(Duration::MAX, Duration::MAX, Duration::ZERO);
        assert!(endless.delay(1, 40) > Duration::from_secs(u64::from(u32::MAX)));
    }
}
