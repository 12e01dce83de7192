//! What a request may cost: its depth is checked in `request`, its rate here.

use crate::{settings::Rate, time::UnixTime};
use alloc::{borrow::ToOwned, collections::BTreeMap, string::String};
use core::time::Duration;

/// One token bucket per thing. A bucket that is full again is forgotten, so memory follows
/// the things that were active lately, not those ever seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    buckets: BTreeMap<String, Bucket>,
    /// How many buckets there may be before the full ones are looked for.
    sweep_at: usize,
}

/// The time by which all requests so far would be paid for, at the steady rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    paid: UnixTime,
}

impl Throttle {
    /// Takes one request of `thing`; `false` if it comes too early.
    pub(crate) fn take(&mut self, thing: &str, rate: Rate, now: UnixTime) -> bool {
        let each = Duration::from_secs(1) / rate.per_second.max(1);
        let ahead = each * (rate.burst.max(1) - 1);
        self.sweep(now, ahead + each);
        let Some(bucket) = self.buckets.get_mut(thing) else {
            let paid = later(now, each);
            self.buckets.insert(thing.to_owned(), Bucket { paid });
            return true;
        };
        // A clock that was set back would block the thing until it catches up: start anew.
        if bucket.paid.saturating_since(now) > ahead + each {
            bucket.paid = later(now, ahead);
        }
        if bucket.paid.saturating_since(now) > ahead {
            return false;
        }
        bucket.paid = later(bucket.paid.max(now), each);
        true
    }

    fn sweep(&mut self, now: UnixTime, longest: Duration) {
        if self.buckets.len() < self.sweep_at.max(1024) {
            return;
        }
        let latest = later(now, longest);
        let running = |bucket: &Bucket| bucket.paid > now && bucket.paid <= latest;
        self.buckets.retain(|_, bucket| running(bucket));
        self.sweep_at = self.buckets.len() * 2;
    }
}

fn later(time: UnixTime, by: Duration) -> UnixTime {
    UnixTime::since_epoch(time.as_duration().saturating_add(by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> UnixTime {
        UnixTime::since_epoch(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_burst_then_the_steady_rate() {
        let mut throttle = Throttle::default();
        let rate = Rate::new(20, 5);
        let mut taken = |ms| throttle.take("a", rate, at(ms));
        assert_eq!((0..7).filter(|_| taken(1000)).count(), 5);
        assert!(!taken(1049));
        assert!(taken(1050));
        assert!(!taken(1050));
        assert_eq!((0..100).filter(|_| taken(60_000)).count(), 5);
        assert!(throttle.take("b", rate, at(60_000)), "things are apart");
    }

    #[test]
    fn a_clock_set_back_does_not_block() {
        let mut throttle = Throttle::default();
        let rate = Rate::new(1, 1);
        assert!(throttle.take("a", rate, at(1_000_000)));
        assert!(throttle.take("a", rate, at(1_000)));
        assert!(!throttle.take("a", rate, at(1_500)));
        assert!(throttle.take("a", rate, at(2_000)));
    }

    #[test]
    fn idle_things_are_forgotten() {
        let mut throttle = Throttle::default();
        for thing in 0..10_000_u64 {
            let name = alloc::format!("thing{thing}");
            assert!(throttle.take(&name, Rate::AWS, at(thing * 100)));
        }
        assert!(throttle.buckets.len() <= 1024);
    }
}
