//! The broker's memory: sessions, what they subscribe, what they have not acknowledged.

use shadow_proto::{Instant, Qos};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A message on its way to one session.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: Rc<str>,
    pub(crate) payload: Rc<[u8]>,
    pub(crate) qos: Qos,
}

/// One client's session. It may outlive connections.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Tells it from the sessions before.
    pub(crate) generation: u64,
    /// The connection it believes to be open.
    pub(crate) conn: Option<u64>,
    pub(crate) filters: BTreeMap<Rc<str>, Qos>,
    /// QoS 1 messages sent and not acknowledged.
    pub(crate) in_flight: Vec<(u64, Message)>,
    /// QoS 1 messages that wait for a connection.
    pub(crate) queue: Vec<Message>,
    /// When the last message of each topic was passed on, and the last of any.
    passed: BTreeMap<Rc<str>, Instant>,
    passed_any: Instant,
}

/// What a delay did to the order of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Kept,
    /// It overtakes a message of another topic.
    Overtakes,
    /// It overtakes a message of its own topic.
    OvertakesOwn,
}

impl Session {
    /// The QoS of the subscription that takes a topic.
    pub(crate) fn takes(&self, topic: &str) -> Option<Qos> {
        let matching = self
            .filters
            .iter()
            .filter(|(filter, _)| matches(filter, topic));
        matching.map(|(_, qos)| *qos).max()
    }

    /// When a message that would be passed on at `at` is, and whom it overtakes.
    pub(crate) fn schedule(
        &mut self,
        topic: &Rc<str>,
        at: Instant,
        overtake: bool,
    ) -> (Instant, Order) {
        let last = self.passed.get(topic).copied().unwrap_or_default();
        let at = if overtake { at } else { at.max(last) };
        let order = if at < last {
            Order::OvertakesOwn
        } else if at < self.passed_any {
            Order::Overtakes
        } else {
            Order::Kept
        };
        self.passed.insert(topic.clone(), at.max(last));
        self.passed_any = self.passed_any.max(at);
        (at, order)
    }
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) sessions: Vec<Option<Session>>,
    /// Filters that are refused, until when.
    pub(crate) refused: BTreeMap<(usize, Rc<str>), Instant>,
    next: u64,
}

impl Broker {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            sessions: (0..nodes).map(|_| None).collect(),
            refused: BTreeMap::new(),
            next: 1,
        }
    }

    /// A number never given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Begins a session anew.
    pub(crate) fn begin(&mut self, node: usize) {
        let generation = self.number();
        self.sessions[node] = Some(Session {
            generation,
            ..Session::default()
        });
    }
}

/// Whether a topic filter takes a topic (MQTT 5, section 4.7).
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if filter == topic {
        return true;
    }
    if !filter.contains(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for level in filter.split('/') {
        match (level, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        assert!(matches("a/b", "a/b"));
        assert!(matches("a/+", "a/b"));
        assert!(!matches("a/+", "a/b/c"));
        assert!(!matches("a/+", "a"));
        assert!(matches("a/#", "a/b/c"));
        assert!(!matches("a/b", "a/bc"));
    }
}
