//! What a kept session brings before anybody had a chance to ask for it.

use alloc::collections::VecDeque;

use bytes::Bytes;
use shadow_proto::{Instant, Topic, TopicKind};

use super::{State, shadows::interest_in};
use crate::message::Message;

/// Messages of a session that an earlier process began, which come with the CONNACK: before
/// `connect` has returned, so before there can be a handle. They wait for a moment.
#[derive(Default)]
pub(super) struct Unclaimed {
    messages: VecDeque<Message>,
    bytes: usize,
    /// Until when they wait; `None` before the first connect and with a session of our own.
    until: Option<Instant>,
    connected_before: bool,
}

impl Unclaimed {
    /// Only the first connection brings what this process knows nothing of.
    pub(super) fn handle_connected(&mut self, session_present: bool, until: Instant) {
        if session_present && !self.connected_before {
            self.until = Some(until);
        }
        self.connected_before = true;
    }

    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// The oldest give way.
    fn hold(&mut self, message: &Message, most: usize) {
        let length = message.topic.len() + message.payload.len();
        if length > MOST_BYTES || most == 0 {
            return;
        }
        while self.messages.len() >= most || self.bytes + length > MOST_BYTES {
            let Some(gone) = self.messages.pop_front() else {
                break;
            };
            self.bytes -= gone.topic.len() + gone.payload.len();
        }
        self.bytes += length;
        let mut message = message.clone();
        // Not a view into a buffer that is much larger.
        message.payload = Bytes::copy_from_slice(&message.payload);
        self.messages.push_back(message);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.until.filter(|_| !self.messages.is_empty())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if !self.is_open(now) {
            self.messages.clear();
            self.bytes = 0;
        }
    }
}

impl State {
    /// Keeps a message that nobody wants yet; whether it was kept.
    pub(super) fn hold_unclaimed(&mut self, message: &Message, now: Instant) -> bool {
        let held = self.unclaimed.is_open(now) && !self.is_wanted(&message.topic);
        if held {
            let most = self.options.message_buffer;
            self.unclaimed.hold(message, most);
        }
        held
    }

    /// Somebody wants something more: what waited for it arrives now.
    pub(super) fn claim(&mut self, now: Instant) {
        for message in core::mem::take(&mut self.unclaimed.messages) {
            if self.is_wanted(&message.topic) {
                self.unclaimed.bytes -= message.topic.len() + message.payload.len();
                self.take_message(&message, now);
            } else {
                self.unclaimed.messages.push_back(message);
            }
        }
    }

    /// A message for the shadows and the plain subscriptions; whether it was anybody's.
    pub(super) fn take_message(&mut self, message: &Message, now: Instant) -> bool {
        let topic = &message.topic;
        let ours = self.client.handle_publish(topic, &message.payload, now);
        self.deliver(message) || ours.is_ok()
    }

    fn is_wanted(&self, topic: &str) -> bool {
        if self.plain.matches(topic) {
            return true;
        }
        let Some(topic) = Topic::parse_with(&self.topic_prefix, topic) else {
            return false;
        };
        let id = topic.shadow_id().ok();
        let handle = id.and_then(|id| self.client.find_shadow(&id));
        let Some((handle, entry)) = handle.and_then(|it| Some((it, self.shadows.get(&it)?))) else {
            return false;
        };
        let kind = topic.kind();
        let followed = !entry.interest().intersection(interest_in(kind)).is_empty();
        let answer = !matches!(kind, TopicKind::UpdateDelta | TopicKind::UpdateDocuments);
        followed || (answer && self.requests.values().any(|other| other.shadow == handle))
    }
}

/// How many bytes of topics and payloads wait.
const MOST_BYTES: usize = 1 << 20;
