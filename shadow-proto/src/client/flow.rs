//! When requests are sent: window, rates, order.

use super::{
    Client,
    requests::{Place, Purpose, Request},
    shadows::answers,
    timers::Timer,
};
use crate::{
    config::Rate,
    document::Accepted,
    event::{Output, PublishId, RequestId},
    failure::{Failure, NotSent, PubackCode, Stage},
    request::{Interest, WhenOffline},
    time::Instant,
    token::ClientToken,
    topic::{Operation, Topic},
};
use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

impl Client {
    /// Moves requests that need not wait any longer to the queue of their thing, oldest first.
    pub(super) fn promote(&mut self) {
        if !self.connected || !core::mem::take(&mut self.promote_due) {
            return;
        }
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|id| {
            let Some(request) = self.requests.get(*id) else {
                return false;
            };
            if request.place != Place::Waiting {
                return false;
            }
            if !self.may_be_sent(request) {
                return true;
            }
            self.make_ready(*id);
            false
        });
        self.waiting = waiting;
    }

    /// Whether everything is there that a request needs besides a connection and its turn.
    fn may_be_sent(&self, request: &Request) -> bool {
        let Some(shadow) = self.shadows.get(request.shadow) else {
            return false;
        };
        if request.needs_gate && !shadow.ready && self.follows(request.shadow).is_some() {
            return false;
        }
        let granted = shadow.granted;
        match request.purpose {
            // Whatever is published after the get is answered must not be missed either.
            Purpose::Resync => {
                let needed = shadow.interest.difference(shadow.refused) | Interest::GET;
                granted.contains(needed)
            }
            Purpose::Application | Purpose::Followers => {
                request.publish_only || granted.contains(answers(request.operation))
            }
        }
    }

    fn make_ready(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        request.place = Place::Ready;
        let (thing, operation) = (request.thing, request.operation);
        let Some(entry) = self.shadows.thing_mut(thing) else {
            return;
        };
        let queues = entry
            .queues
            .get_or_insert_with(|| self.spare_queues.take().unwrap_or_default());
        if queues.urgent.is_empty() && queues.gets.is_empty() {
            self.busy.push_back(thing);
        }
        match operation {
            Operation::Get => queues.gets.push_back(id),
            Operation::Update | Operation::Delete => queues.urgent.push_back(id),
        }
    }

    /// Sends what window and rates allow, one request of each thing in turn.
    pub(super) fn pump(&mut self) {
        self.pump_at = None;
        if self.connected && !self.busy.is_empty() {
            self.pump_busy();
        }
    }

    fn pump_busy(&mut self) {
        // Kept from call to call for its room.
        let mut blocked = core::mem::take(&mut self.blocked);
        while let Some(thing) = self.busy.pop_front() {
            let Some(id) = self.next_of(thing) else {
                continue;
            };
            if self.in_flight >= self.config.window.per_connection.max(1) {
                self.busy.push_front(thing);
                break;
            }
            let publishes = self.config.rates.publishes;
            let at = ready_at(self.bucket, publishes);
            if at > self.now {
                self.pump_at = Some(at);
                self.busy.push_front(thing);
                break;
            }
            match self.thing_ready_at(thing) {
                Some(at) if at <= self.now => {
                    self.send(id);
                    self.busy.push_back(thing);
                }
                Some(at) => {
                    self.pump_at = Some(self.pump_at.map_or(at, |other| other.min(at)));
                    blocked.push_back(thing);
                }
                // Its window is full: an answer will come.
                None => blocked.push_back(thing),
            }
        }
        blocked.append(&mut self.busy);
        self.blocked = core::mem::replace(&mut self.busy, blocked);
        // Whatever waits for the rate of its thing waits for what all share, too.
        if self.in_flight >= self.config.window.per_connection.max(1) {
            self.pump_at = None;
        }
        let all = ready_at(self.bucket, self.config.rates.publishes);
        self.pump_at = self.pump_at.map(|at| at.max(all));
    }

    /// The request of a thing whose turn it is; forgets those that ended meanwhile.
    fn next_of(&mut self, thing: u32) -> Option<RequestId> {
        let entry = self.shadows.thing_mut(thing)?;
        let queues = entry.queues.as_mut()?;
        let requests = &self.requests;
        for queue in [&mut queues.urgent, &mut queues.gets] {
            while let Some(id) = queue.front().copied() {
                if requests
                    .get(id)
                    .is_some_and(|request| request.place == Place::Ready)
                {
                    return Some(id);
                }
                queue.pop_front();
            }
        }
        // Idle things have none; those that are busy take turns with one, unless a burst made it large.
        self.spare_queues = entry.queues.take().filter(|queues| queues.is_small());
        None
    }

    /// When a thing may send; `None` while its window is full.
    fn thing_ready_at(&self, thing: u32) -> Option<Instant> {
        let entry = self.shadows.thing(thing)?;
        if entry.in_flight >= self.config.window.per_thing.max(1) {
            return None;
        }
        let rate = ready_at(entry.bucket, self.config.rates.requests_per_thing);
        Some(rate.max(entry.paused_until))
    }

    fn send(&mut self, id: RequestId) {
        self.refold(id);
        let request = self.requests.get(id);
        // Its first try, however often that was withdrawn before it was sent.
        let first = request.filter(|request| request.earlier.is_empty());
        let reserved = first.and_then(|request| request.reserved);
        let counter = reserved.unwrap_or_else(|| self.requests.next_counter());
        self.take_publish();
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        request.place = Place::Output;
        request.counter = counter;
        request.earlier_stage = request.stage;
        request.acknowledged = false;
        request.repeated = false;
        if request.purpose == Purpose::Resync {
            let deadline = self.now + self.config.response_timeout;
            request.deadline = Some(deadline);
            self.timers.set(deadline, Timer::Deadline(id));
        }
        if let Some(shadow) = self.shadows.get(request.shadow) {
            request.epoch = shadow.versions.epoch;
            request.newest = shadow.versions.known();
        }
        let (operation, thing) = (request.operation, request.thing);
        self.in_flight += 1;
        let (now, rate) = (self.now, self.config.rates.requests_per_thing);
        if let Some(entry) = self.shadows.thing_mut(thing) {
            entry.in_flight += 1;
            take(&mut entry.bucket, rate, now);
            if let Some(queues) = &mut entry.queues {
                let queue = match operation {
                    Operation::Get => &mut queues.gets,
                    Operation::Update | Operation::Delete => &mut queues.urgent,
                };
                debug_assert_eq!(queue.front(), Some(&id), "it was its turn");
                queue.pop_front();
            }
        }
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let Some(shadow) = self.shadows.get(request.shadow) else {
            return;
        };
        let expiry = request
            .deadline
            .filter(|_| self.config.message_expiry)
            .map(|deadline| {
                let left = deadline.saturating_since(self.now);
                Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
            });
        let generates = request.has_token() && request.own_token.is_none();
        let token = generates.then(|| self.generate(counter, id.slot));
        self.outputs.push(Output::Publish {
            id: PublishId {
                counter,
                slot: id.slot,
            },
            request: id,
            topic: Topic::new(&shadow.id, operation.request()).spell(&self.config.topic_prefix),
            payload: payload(request, token.as_ref()),
            qos: request.qos,
            expiry,
        });
        self.requests.launches(id, token.as_ref());
    }

    /// Counts a publish against the connection's rate.
    pub(super) fn take_publish(&mut self) {
        take(&mut self.bucket, self.config.rates.publishes, self.now);
    }

    /// The request whose current try this is.
    pub(super) fn try_of(&self, id: PublishId) -> Option<RequestId> {
        let request = self.requests.by_slot(id.slot)?;
        let flying = matches!(request.place, Place::Output | Place::InFlight);
        (request.counter == id.counter && flying).then_some(request.id)
    }

    pub(super) fn acknowledged(&mut self, id: PublishId, code: PubackCode) {
        let Some(id) = self.try_of(id) else { return };
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        if !code.is_success() {
            self.fail(id, |_, stage| Failure::PublishRefused { stage, code });
            return;
        }
        request.stage = request.stage.max(Stage::Acknowledged);
        request.acknowledged = true;
        if request.publish_only {
            self.finish(id, Ok(Accepted::Published), None);
        }
    }

    /// The driver was given a publish and certainly did not send it.
    pub(super) fn unsent(&mut self, id: PublishId) {
        let Some(id) = self.try_of(id) else { return };
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        request.stage = request.earlier_stage;
        // The connection it was given to is gone; there may be another by now.
        let offline = !self.connected || request.repeated;
        if offline && request.when_offline == WhenOffline::Wait {
            request.repeated = false;
            self.unsend(id);
            self.waiting.sort_unstable();
            return;
        }
        let reason = match offline {
            true => NotSent::Offline,
            false => NotSent::Refused,
        };
        self.fail(id, |_, stage| Failure::NotSent { stage, reason });
    }

    /// Everything not sent goes back to waiting, in its old order.
    pub(super) fn withdraw(&mut self) {
        let mut back = Vec::new();
        self.outputs.withdraw(|output| {
            if let Output::Publish { id, .. } = output {
                back.push(id);
            }
        });
        for id in back {
            if let Some(id) = self.try_of(id) {
                self.unsend(id);
            }
        }
        for request in self.requests.iter_mut() {
            request.repeated |= request.place == Place::InFlight && !request.acknowledged;
        }
        self.ready_to_waiting();
        let offline: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|request| {
                let unsent = matches!(request.place, Place::Waiting | Place::Backoff);
                unsent && request.when_offline == WhenOffline::Fail
            })
            .map(|request| request.id)
            .collect();
        for id in offline {
            self.fail(id, |_, stage| Failure::NotSent {
                stage,
                reason: NotSent::Offline,
            });
        }
    }

    /// Takes back what is queued for the driver; it waits to be sent anew.
    pub(super) fn unsend(&mut self, id: RequestId) {
        self.land(id);
        if let Some(request) = self.requests.get_mut(id) {
            request.place = Place::Waiting;
            request.counter = request.earlier.last().copied().unwrap_or(0);
            if request.purpose == Purpose::Resync {
                request.deadline = None;
            }
        }
        self.waiting.push(id);
        self.promote_due = true;
    }

    fn ready_to_waiting(&mut self) {
        for thing in core::mem::take(&mut self.busy) {
            let Some(queues) = self
                .shadows
                .thing_mut(thing)
                .and_then(|thing| thing.queues.take())
            else {
                continue;
            };
            for id in queues.urgent.into_iter().chain(queues.gets) {
                let request = self.requests.get_mut(id);
                if let Some(request) = request.filter(|request| request.place == Place::Ready) {
                    request.place = Place::Waiting;
                    self.waiting.push(id);
                }
            }
        }
        self.waiting.sort_unstable();
        self.waiting.dedup();
        self.promote_due = true;
    }

    /// The session is lost: with it the subscriptions, and the answers to what was sent.
    pub(super) fn lose_session(&mut self) {
        for entry in self.shadows.iter_mut() {
            entry.granted = Interest::NONE;
            entry.unsure = Interest::NONE;
        }
        self.forget_orphans();
        self.ready_to_waiting();
        let sent: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|request| request.place == Place::InFlight)
            .map(|request| request.id)
            .collect();
        for id in sent {
            self.fail(id, |operation, stage| Failure::Disconnected {
                operation,
                stage,
            });
        }
    }

    /// A request is no longer in flight.
    pub(super) fn land(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        if !matches!(request.place, Place::Output | Place::InFlight) {
            return;
        }
        let thing = request.thing;
        self.requests.landed(id);
        self.in_flight -= 1;
        if let Some(entry) = self.shadows.thing_mut(thing) {
            entry.in_flight -= 1;
        }
    }
}

/// What is published for a request: its token is the caller's own, or the one generated, or there is none.
fn payload(request: &Request, generated: Option<&ClientToken>) -> Box<[u8]> {
    let body = &*request.body;
    let member: &[u8] = match body.is_empty() {
        true => br#"{"clientToken":"#,
        false => br#","clientToken":"#,
    };
    match (&request.own_token, generated) {
        (Some(token), _) => {
            let quoted = serde_json::to_string(token.as_str()).unwrap_or_default();
            joined(&[body, member, quoted.as_bytes(), b"}"])
        }
        (None, Some(token)) => joined(&[body, member, b"\"", token.as_bytes(), b"\"}"]),
        (None, None) if body.is_empty() => Box::default(),
        (None, None) => joined(&[body, b"}"]),
    }
}

/// The parts one after the other, in one piece of memory of their size.
fn joined(parts: &[&[u8]]) -> Box<[u8]> {
    parts.concat().into_boxed_slice()
}

/// When a bucket lets the next one through. It holds the time at which it is full again, so that
/// one number serves for level and time.
fn ready_at(full_at: Instant, rate: Option<Rate>) -> Instant {
    let Some(rate) = rate else {
        return Instant::ORIGIN;
    };
    let room = period(rate).saturating_mul(rate.burst.max(1) - 1);
    Instant::from_origin(full_at.since_origin().saturating_sub(room))
}

fn take(full_at: &mut Instant, rate: Option<Rate>, now: Instant) {
    if let Some(rate) = rate {
        *full_at = (*full_at).max(now) + period(rate);
    }
}

fn period(rate: Rate) -> Duration {
    Duration::from_secs(1) / rate.per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_the_rate() {
        let rate = Some(Rate::new(10, 3));
        let mut bucket = Instant::ORIGIN;
        let start = Instant::from_origin(Duration::from_secs(100));
        let mut now = start;
        let mut sent = Vec::new();
        for _ in 0..6 {
            now = now.max(ready_at(bucket, rate));
            take(&mut bucket, rate, now);
            sent.push(now.saturating_since(start).as_millis());
        }
        assert_eq!(sent, [0, 0, 0, 100, 200, 300]);
    }
}
