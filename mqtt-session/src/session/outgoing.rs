//! Publishes: waiting, in flight, released.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::BytesMut;
use shadow_proto::Instant;

use super::{events::Events, packet_ids::PacketIds};
use crate::{
    Event, Limits, NotSent, ProtocolError, PubackCode, Publish, PublishError, PublishOutcome,
    PublishToken, Qos, ServerLimits, Version, codec, options::whole_seconds,
};

/// The sending half of the QoS flows.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Never sent, in the order of the calls.
    queue: VecDeque<Waiting>,
    /// QoS 1 and 2, sent and not answered, in the order they were first sent.
    in_flight: VecDeque<InFlight>,
    /// How many of those, from the front, were sent on this connection. The others are being
    /// sent again, before anything of the queue.
    sent: usize,
    /// QoS 2 between PUBREC and PUBCOMP, in the order of the PUBRECs.
    released: VecDeque<Released>,
    /// Bytes of queue and flight.
    bytes: usize,
    tokens: u64,
    /// No message of the queue expires before this.
    next_expiry: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    token: PublishToken,
    publish: Publish,
    expires: Option<Instant>,
}

#[derive(Debug)]
struct InFlight {
    id: u16,
    token: PublishToken,
    publish: Publish,
    expires: Option<Instant>,
}

#[derive(Debug)]
struct Released {
    id: u16,
    token: PublishToken,
    code: PubackCode,
    reason_string: Option<Box<str>>,
}

/// What writing needs to know of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) version: Version,
    pub(super) server: &'a ServerLimits,
    /// How many may be in flight.
    pub(super) window: usize,
    pub(super) now: Instant,
}

impl Outgoing {
    #[inline]
    pub(super) fn push(
        &mut self,
        publish: Publish,
        limits: &Limits,
        now: Instant,
    ) -> Result<PublishToken, PublishError> {
        if !self.has_room(&publish, limits) {
            return Err(PublishError::QueueFull);
        }
        let expiry = publish
            .properties
            .as_ref()
            .and_then(|all| all.message_expiry);
        let expires = expiry.map(|expiry| now + Duration::from_secs(whole_seconds(expiry)));
        let token = PublishToken(self.tokens);
        self.tokens += 1;
        self.bytes += publish.weight();
        self.next_expiry = earliest(self.next_expiry, expires);
        self.queue.push_back(Waiting {
            token,
            publish,
            expires,
        });
        Ok(token)
    }

    pub(super) fn has_room(&self, publish: &Publish, limits: &Limits) -> bool {
        let count = self.queue.len() + self.in_flight.len() + self.released.len();
        let bytes = self.bytes.saturating_add(publish.weight());
        count < limits.publishes && bytes <= limits.publish_bytes
    }

    pub(super) fn cancel(&mut self, token: PublishToken) -> bool {
        // Tokens ascend along the queue.
        let Ok(at) = self
            .queue
            .binary_search_by_key(&token, |waiting| waiting.token)
        else {
            return false;
        };
        if let Some(waiting) = self.queue.remove(at) {
            self.bytes -= waiting.publish.weight();
        }
        true
    }

    /// Writes what may be sent now: first again what an earlier connection left unanswered, then
    /// the queue, each in its order, as far as the window goes.
    pub(super) fn write(
        &mut self,
        line: Line<'_>,
        ids: &mut PacketIds,
        events: &mut Events,
        output: &mut BytesMut,
    ) {
        while self.sent < self.in_flight.len() && self.has_window(line) {
            let Some(message) = self.in_flight.get_mut(self.sent) else {
                break;
            };
            let expiry = remaining(message.expires, line.now);
            // It was written before, so it can be written again.
            let _ = codec::publish(
                line.version,
                &mut message.publish,
                message.id,
                true,
                expiry,
                output,
            );
            self.sent += 1;
        }
        while self.sent == self.in_flight.len() {
            let Some(first) = self.queue.front() else {
                break;
            };
            let needs_window = first.publish.qos != Qos::AtMostOnce;
            if needs_window && !self.has_window(line) {
                break;
            }
            let Some(waiting) = self.queue.pop_front() else {
                break;
            };
            if !self.write_first(waiting, line, ids, events, output) {
                break;
            }
        }
    }

    /// Writes a message for the first time. `false`: it is back in the queue, there was no packet
    /// identifier.
    fn write_first(
        &mut self,
        mut waiting: Waiting,
        line: Line<'_>,
        ids: &mut PacketIds,
        events: &mut Events,
        output: &mut BytesMut,
    ) -> bool {
        let token = waiting.token;
        if let Err(reason) = sendable(&waiting, line) {
            self.bytes -= waiting.publish.weight();
            end(events, token, PublishOutcome::NotSent(reason));
            return true;
        }
        let expiry = remaining(waiting.expires, line.now);
        let id = match waiting.publish.qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce | Qos::ExactlyOnce => match ids.take() {
                Some(id) => id,
                None => {
                    self.queue.push_front(waiting);
                    return false;
                }
            },
        };
        let written = codec::publish(
            line.version,
            &mut waiting.publish,
            id,
            false,
            expiry,
            output,
        );
        if written.is_err() || id == 0 {
            self.bytes -= waiting.publish.weight();
        }
        match written {
            Err(codec::EncodeError) => {
                if id != 0 {
                    ids.free(id);
                }
                end(events, token, PublishOutcome::NotSent(NotSent::TooLarge));
            }
            Ok(()) if id == 0 => end(events, token, PublishOutcome::Written),
            Ok(()) => {
                self.in_flight.push_back(InFlight {
                    id,
                    token,
                    publish: waiting.publish,
                    expires: waiting.expires,
                });
                self.sent += 1;
            }
        }
        true
    }

    /// Whether [`write`](Self::write) would write something.
    pub(super) fn has_output(&self, line: Line<'_>) -> bool {
        if self.sent < self.in_flight.len() {
            return self.has_window(line);
        }
        self.queue.front().is_some_and(|first| {
            first.publish.qos == Qos::AtMostOnce
                || self.has_window(line)
                || sendable(first, line).is_err()
        })
    }

    /// PUBACK. One that nobody waits for is ignored: it can do no harm, and servers send it after
    /// an identifier was acknowledged twice.
    pub(super) fn handle_puback(
        &mut self,
        ack: codec::Ack,
        ids: &mut PacketIds,
        events: &mut Events,
    ) -> Result<(), ProtocolError> {
        let Some(at) = self.position(ack.id) else {
            return Ok(());
        };
        self.expect(at, Qos::AtLeastOnce, "PUBACK")?;
        self.finish(at, ack, ids, events);
        Ok(())
    }

    /// PUBREC. Returns whether it was expected, which the PUBREL says; `None`: it refused the
    /// message, and no PUBREL follows.
    pub(super) fn handle_pubrec(
        &mut self,
        ack: codec::Ack,
        ids: &mut PacketIds,
        events: &mut Events,
    ) -> Result<Option<bool>, ProtocolError> {
        let Some(at) = self.position(ack.id) else {
            let again = self.released.iter().any(|released| released.id == ack.id);
            return Ok((again || ack.code.is_success()).then_some(again));
        };
        self.expect(at, Qos::ExactlyOnce, "PUBREC")?;
        if !ack.code.is_success() {
            self.finish(at, ack, ids, events);
            return Ok(None);
        }
        // From here on the server owns the message; its payload is not needed any more.
        if let Some(message) = self.remove(at) {
            self.released.push_back(Released {
                id: message.id,
                token: message.token,
                code: ack.code,
                reason_string: ack.reason_string,
            });
        }
        Ok(Some(true))
    }

    /// PUBCOMP. One that nobody waits for is ignored, as with PUBACK.
    pub(super) fn handle_pubcomp(
        &mut self,
        ack: codec::Ack,
        ids: &mut PacketIds,
        events: &mut Events,
    ) {
        let at = self
            .released
            .iter()
            .position(|released| released.id == ack.id);
        let Some(released) = at.and_then(|at| self.released.remove(at)) else {
            return;
        };
        ids.free(released.id);
        let outcome = if ack.code.is_success() {
            PublishOutcome::Acknowledged {
                code: released.code,
                reason_string: released.reason_string,
            }
        } else {
            PublishOutcome::Acknowledged {
                code: ack.code,
                reason_string: ack.reason_string,
            }
        };
        end(events, released.token, outcome);
    }

    /// The server resumed the session: PUBRELs go out again at once, in the order of the PUBRECs;
    /// [`write`](Self::write) does the rest.
    pub(super) fn resume(&self, version: Version, control: &mut BytesMut) {
        for released in &self.released {
            codec::pubrel(version, released.id, true, control);
        }
    }

    /// QoS 0 does not outlive the connection.
    pub(super) fn handle_disconnected(&mut self, events: &mut Events) {
        self.sent = 0;
        let bytes = &mut self.bytes;
        self.queue.retain(|waiting| {
            let keep = waiting.publish.qos != Qos::AtMostOnce;
            if !keep {
                *bytes -= waiting.publish.weight();
                let outcome = PublishOutcome::NotSent(NotSent::Disconnected);
                end(events, waiting.token, outcome);
            }
            keep
        });
    }

    /// What was sent may have been taken or not; what was not sent waits for the next session.
    pub(super) fn handle_session_lost(&mut self, ids: &mut PacketIds, events: &mut Events) {
        self.sent = 0;
        let released = self.released.drain(..);
        let mut lost: Vec<_> = released.map(|gone| (gone.token, gone.id)).collect();
        for gone in self.in_flight.drain(..) {
            self.bytes -= gone.publish.weight();
            lost.push((gone.token, gone.id));
        }
        lost.sort_unstable();
        for (token, id) in lost {
            ids.free(id);
            end(events, token, PublishOutcome::Lost);
        }
    }

    /// Ends the waiting messages whose expiry has passed. Those in flight go on: the flow has to
    /// be finished, and the server drops what is too old.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut Events) {
        if self.next_expiry.is_none_or(|expiry| now < expiry) {
            return;
        }
        let bytes = &mut self.bytes;
        let mut next = None;
        self.queue.retain(|waiting| {
            let keep = waiting.expires.is_none_or(|expires| now < expires);
            if keep {
                next = earliest(next, waiting.expires);
            } else {
                *bytes -= waiting.publish.weight();
                end(
                    events,
                    waiting.token,
                    PublishOutcome::NotSent(NotSent::Expired),
                );
            }
            keep
        });
        self.next_expiry = next;
    }

    /// When [`handle_timeout`](Self::handle_timeout) may have something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_expiry.filter(|_| !self.queue.is_empty())
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.in_flight.len() + self.released.len()
    }

    #[cfg(any(test, fuzzing, debug_assertions))]
    pub(super) fn check_invariants(&self) {
        let queue = self.queue.iter().map(|waiting| waiting.publish.weight());
        let flight = self.in_flight.iter().map(|sent| sent.publish.weight());
        debug_assert_eq!(self.bytes, queue.chain(flight).sum::<usize>());
        debug_assert!(self.sent <= self.in_flight.len());
    }

    fn has_window(&self, line: Line<'_>) -> bool {
        self.sent + self.released.len() < line.window
    }

    fn position(&self, id: u16) -> Option<usize> {
        self.in_flight
            .iter()
            .take(self.sent)
            .position(|message| message.id == id)
    }

    fn expect(&self, at: usize, qos: Qos, packet: &'static str) -> Result<(), ProtocolError> {
        match self.in_flight.get(at) {
            Some(message) if message.publish.qos != qos => Err(ProtocolError::PacketIdUnknown {
                packet,
                id: message.id,
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn finish(&mut self, at: usize, ack: codec::Ack, ids: &mut PacketIds, events: &mut Events) {
        if let Some(message) = self.remove(at) {
            ids.free(message.id);
            let outcome = PublishOutcome::Acknowledged {
                code: ack.code,
                reason_string: ack.reason_string,
            };
            end(events, message.token, outcome);
        }
    }

    fn remove(&mut self, at: usize) -> Option<InFlight> {
        let message = self.in_flight.remove(at)?;
        self.sent -= usize::from(at < self.sent);
        self.bytes -= message.publish.weight();
        Some(message)
    }
}

/// Whether this server takes a message of this size and kind at all.
///
/// Checked when a message is taken, if there is a connection, and again before it is sent.
pub(super) fn check_server(
    publish: &Publish,
    version: Version,
    server: &ServerLimits,
) -> Result<(), PublishError> {
    let size = codec::publish_size(version, publish);
    let limit = server
        .maximum_packet_size
        .map_or(MAX_PACKET, |limit| limit as usize)
        .min(MAX_PACKET);
    if size > limit {
        return Err(PublishError::TooLarge { size, limit });
    }
    if publish.qos > server.maximum_qos {
        return Err(PublishError::QosNotSupported {
            maximum: server.maximum_qos,
        });
    }
    if publish.retain && !server.retain_available {
        return Err(PublishError::RetainNotSupported);
    }
    Ok(())
}

fn sendable(waiting: &Waiting, line: Line<'_>) -> Result<(), NotSent> {
    if waiting.expires.is_some_and(|expires| expires <= line.now) {
        return Err(NotSent::Expired);
    }
    match check_server(&waiting.publish, line.version, line.server) {
        Ok(()) => Ok(()),
        Err(PublishError::QosNotSupported { .. }) => Err(NotSent::QosNotSupported),
        Err(PublishError::RetainNotSupported) => Err(NotSent::RetainNotSupported),
        Err(
            PublishError::TooLarge { .. }
            | PublishError::Topic(_)
            | PublishError::Property(_)
            | PublishError::NotConnected
            | PublishError::QueueFull,
        ) => Err(NotSent::TooLarge),
    }
}

/// What is left of a message's expiry. At least a second: a message sent again has to be sent
/// even when its time is over, and zero has been misread by servers.
fn remaining(expires: Option<Instant>, now: Instant) -> Option<Duration> {
    Some(expires?.saturating_since(now).max(Duration::from_secs(1)))
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn end(events: &mut Events, token: PublishToken, outcome: PublishOutcome) {
    events.push(Event::Published { token, outcome });
}

/// The largest packet MQTT can say: four bytes of remaining length.
const MAX_PACKET: usize = 268_435_455 + 5;
