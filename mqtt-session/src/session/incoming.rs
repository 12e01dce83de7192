//! Messages from the server: what is acknowledged when.

use alloc::collections::BTreeMap;

use crate::{ProtocolError, Qos};

/// The receiving half of the QoS 1 and 2 flows.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// QoS 2 messages received and not released by the server yet; part of the session.
    exactly_once: BTreeMap<u16, ExactlyOnce>,
    /// QoS 1 and 2 messages of this connection that are not acknowledged to the end.
    unacknowledged: usize,
}

/// A QoS 2 message between PUBLISH and PUBREL.
#[derive(Debug, Default)]
struct ExactlyOnce {
    /// The consumer has it.
    taken: bool,
    /// A PUBLISH of this connection waits for its PUBREC.
    waiting: bool,
    /// It counts among the unacknowledged of this connection.
    counted: bool,
    /// It may be of an older session of the server than this one.
    doubted: bool,
}

/// What to do with a PUBLISH.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// Hand it to the consumer.
    Deliver,
    /// The consumer had it before: only acknowledge again.
    PubRec,
    /// The consumer is about to get it from before: the acknowledgement follows then.
    Nothing,
}

impl Incoming {
    /// A PUBLISH arrived; `maximum` is our receive maximum, if the server knows one.
    pub(super) fn handle_publish(
        &mut self,
        id: u16,
        qos: Qos,
        dup: bool,
        maximum: Option<u16>,
    ) -> Result<Arrival, ProtocolError> {
        let room = maximum.is_none_or(|maximum| self.unacknowledged < usize::from(maximum));
        match qos {
            Qos::AtMostOnce => Ok(Arrival::Deliver),
            Qos::AtLeastOnce => {
                if !room {
                    return Err(ProtocolError::ReceiveMaximum);
                }
                self.unacknowledged += 1;
                Ok(Arrival::Deliver)
            }
            Qos::ExactlyOnce => {
                // What a server sends again says so; this is another message under the number.
                let stale = |message: &ExactlyOnce| message.doubted && !dup;
                if self.exactly_once.get(&id).is_some_and(stale) {
                    self.exactly_once.remove(&id);
                }
                let known = self.exactly_once.contains_key(&id);
                let message = self.exactly_once.entry(id).or_default();
                if !message.counted {
                    if !room {
                        return Err(ProtocolError::ReceiveMaximum);
                    }
                    message.counted = true;
                    self.unacknowledged += 1;
                }
                message.doubted = false;
                message.waiting = !message.taken;
                Ok(match (known, message.taken) {
                    (false, _) => Arrival::Deliver,
                    (true, true) => Arrival::PubRec,
                    (true, false) => Arrival::Nothing,
                })
            }
        }
    }

    /// The consumer took a QoS 1 message of this connection, whose PUBACK goes out.
    pub(super) fn handle_puback_queued(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// The consumer took a QoS 2 message. Returns whether its PUBREC is to be sent now.
    pub(super) fn handle_taken(&mut self, id: u16) -> bool {
        let Some(message) = self.exactly_once.get_mut(&id) else {
            return false;
        };
        message.taken = true;
        core::mem::take(&mut message.waiting)
    }

    /// A PUBREL arrived. Returns whether the message was known.
    pub(super) fn handle_pubrel(&mut self, id: u16) -> bool {
        let Some(message) = self.exactly_once.remove(&id) else {
            return false;
        };
        if message.counted {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        true
    }

    pub(super) fn handle_disconnected(&mut self) {
        self.unacknowledged = 0;
        for message in self.exactly_once.values_mut() {
            message.waiting = false;
            message.counted = false;
        }
    }

    pub(super) fn handle_session_lost(&mut self) {
        self.exactly_once.clear();
    }

    /// The server says it kept a session, but it may be another one.
    pub(super) fn handle_session_doubted(&mut self) {
        for message in self.exactly_once.values_mut() {
            message.doubted = true;
        }
    }
}
