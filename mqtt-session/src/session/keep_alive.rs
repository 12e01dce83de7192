//! Keep-alive from activity in both directions.

use core::time::Duration;

use shadow_proto::Instant;

/// When to ping, and when the silence is too long.
///
/// MQTT asks a client to send something in every interval. A ping also goes out when nothing was
/// received for one: a device that sends often at QoS 0 would else never notice a half-open
/// connection.
#[derive(Debug, Default)]
pub(super) struct KeepAlive {
    /// Zero disables.
    interval: Duration,
    timeout: Duration,
    sent: Instant,
    received: Instant,
    /// When the server must have sent something after a ping.
    answer_due: Option<Instant>,
}

/// What a timeout demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl KeepAlive {
    pub(super) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            timeout,
            sent: now,
            received: now,
            answer_due: None,
        }
    }

    pub(super) fn handle_sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// Any byte proves that the server is there, not only a PINGRESP.
    pub(super) fn handle_received(&mut self, now: Instant) {
        self.received = now;
        self.answer_due = None;
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Due {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Due::Nothing;
        }
        if self.answer_due.is_some() {
            return Due::Dead;
        }
        // Counted as sent although it may wait in the queue, else it would be due again.
        self.sent = now;
        self.answer_due = Some(now + self.timeout);
        Due::Ping
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        self.answer_due
            .or_else(|| Some(self.sent.min(self.received) + self.interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    fn minute() -> KeepAlive {
        KeepAlive::new(Duration::from_secs(60), Duration::from_secs(10), at(0))
    }

    #[test]
    fn a_ping_follows_silence_and_any_byte_answers_it() {
        let mut keep_alive = minute();
        assert_eq!(keep_alive.deadline(), Some(at(60)));
        assert_eq!(keep_alive.handle_timeout(at(59)), Due::Nothing);
        assert_eq!(keep_alive.handle_timeout(at(60)), Due::Ping);
        assert_eq!(keep_alive.deadline(), Some(at(70)));
        assert_eq!(keep_alive.handle_timeout(at(60)), Due::Nothing);
        keep_alive.handle_received(at(61));
        assert_eq!(keep_alive.deadline(), Some(at(120)));
    }

    #[test]
    fn no_answer_is_the_end() {
        let mut keep_alive = minute();
        assert_eq!(keep_alive.handle_timeout(at(60)), Due::Ping);
        assert_eq!(keep_alive.handle_timeout(at(70)), Due::Dead);
    }

    #[test]
    fn sending_without_receiving_pings_too() {
        let mut keep_alive = minute();
        keep_alive.handle_sent(at(59));
        assert_eq!(keep_alive.handle_timeout(at(60)), Due::Ping);
    }

    #[test]
    fn receiving_without_sending_pings_too() {
        let mut keep_alive = minute();
        keep_alive.handle_received(at(59));
        assert_eq!(keep_alive.handle_timeout(at(60)), Due::Ping);
    }

    #[test]
    fn zero_disables() {
        let mut keep_alive = KeepAlive::new(Duration::ZERO, Duration::from_secs(10), at(0));
        assert_eq!(keep_alive.deadline(), None);
        assert_eq!(keep_alive.handle_timeout(at(1_000_000)), Due::Nothing);
    }
}
