use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at. Short beside anything a real process does.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `condition` holds, looking every few milliseconds, and says whether it held within `limit`.
///
/// The condition is looked at once even when `limit` is zero, and once more at the end.
#[must_use]
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(POLL.min(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_least_once() {
        assert!(wait_until(Duration::ZERO, || true));
        assert!(!wait_until(Duration::ZERO, || false));
    }

    #[test]
    fn ends_as_soon_as_the_condition_holds() {
        let mut looks = 0;
        let held = wait_until(Duration::from_secs(60), || {
            looks += 1;
            looks == 3
        });
        assert!(held);
        assert_eq!(looks, 3);
    }
}
