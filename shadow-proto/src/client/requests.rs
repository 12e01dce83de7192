//! Requests not yet over, by id and by the tokens of their tries; and those just over, so that
//! late answers are known.

use crate::{
    config::Qos,
    document::Rejection,
    event::{RequestId, ShadowHandle},
    failure::Stage,
    request::{Retry, WhenOffline},
    time::Instant,
    token::{ClientToken, TokenPrefix, slot_in},
    topic::Operation,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::num::NonZeroU64;

/// A request from the call to its outcome.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) shadow: ShadowHandle,
    pub(crate) thing: u32,
    pub(crate) operation: Operation,
    pub(crate) purpose: Purpose,
    /// An update's payload up to its token, without the closing brace; empty for the others.
    pub(crate) body: Vec<u8>,
    pub(crate) own_token: Option<Box<ClientToken>>,
    /// The number that the first try will have, if it was chosen with the call.
    pub(crate) reserved: Option<u64>,
    /// The number of the current try, 0 before the first.
    pub(crate) counter: u64,
    /// Those of earlier tries: their answers count too.
    pub(crate) earlier: Vec<u64>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) retry_at: Option<Instant>,
    pub(crate) place: Place,
    /// How far the tries so far got that may have been applied.
    pub(crate) stage: Stage,
    /// The same without the current try.
    pub(crate) earlier_stage: Stage,
    /// Whether the broker has the current try, so that no session repeats it.
    pub(crate) acknowledged: bool,
    /// Whether the connection was lost before that, so that a session may have sent it twice.
    pub(crate) repeated: bool,
    pub(crate) qos: Qos,
    /// Whether it ends with its PUBACK: nothing is subscribed for its answer.
    pub(crate) publish_only: bool,
    pub(crate) needs_gate: bool,
    pub(crate) when_offline: WhenOffline,
    pub(crate) retry: Retry,
    pub(crate) conditional: bool,
    /// What an update that may be merged sets.
    pub(crate) latest: Option<Box<Mergeable>>,
    /// Requests merged into this one.
    pub(crate) followers: Vec<RequestId>,
    /// A rejection without token that may be its answer.
    pub(crate) hint: Option<Box<Rejection>>,
    /// The shadow's epoch when the current try was sent, and its newest version.
    pub(crate) epoch: u32,
    pub(crate) newest: Option<u64>,
}

impl Request {
    /// Whether its tries carry a token. Nothing is subscribed for the answer of one that does not.
    pub(crate) fn has_token(&self) -> bool {
        !self.publish_only || self.own_token.is_some() || self.reserved.is_some()
    }

    /// The number of the last try that the driver took; what it has not polled is not sent.
    pub(crate) fn last_sent(&self) -> Option<u64> {
        match self.place {
            Place::Output => self.earlier.last().copied(),
            Place::Waiting
            | Place::Ready
            | Place::InFlight
            | Place::Backoff
            | Place::Follower(_) => Some(self.counter).filter(|counter| *counter != 0),
        }
    }
}

/// Whom a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The application: it gets a response.
    Application,
    /// The client itself: it fetches the document.
    Resync,
    /// Only those merged into it: the application cancelled it.
    Followers,
}

/// Where a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In the list of those that wait: for a connection, for filters, for the shadow's gate.
    Waiting,
    /// In the queue of its thing.
    Ready,
    /// In the output queue: counted in flight, not sent.
    Output,
    /// Taken by the driver.
    InFlight,
    /// Rejected, to be tried again.
    Backoff,
    /// Merged into another.
    Follower(RequestId),
}

/// The sections of an update that may still be merged with a newer one.
#[derive(Debug)]
pub(crate) struct Mergeable {
    /// What it sets itself.
    pub(crate) own: Parts,
    /// What it sets together with those merged into it.
    pub(crate) merged: Option<Parts>,
    /// Whether one of them has left since.
    pub(crate) stale: bool,
}

/// What an update does to both sections.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) desired: Part,
    pub(crate) reported: Part,
}

/// What an update does to a section; the owned form of [`Section`](crate::Section).
#[derive(Debug)]
pub(crate) enum Part {
    Leave,
    Clear,
    Set(crate::Json),
}

/// Requests of one thing that may be sent: updates and deletes go before gets.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) urgent: VecDeque<RequestId>,
    pub(crate) gets: VecDeque<RequestId>,
}

impl Queues {
    pub(crate) fn is_small(&self) -> bool {
        self.urgent.capacity().max(self.gets.capacity()) <= 64
    }
}

/// Whose token a message carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// Of a request not yet over, one of whose tries was sent.
    Live(RequestId),
    /// Of a request that is over.
    Past(Past),
    /// Somebody else's.
    Foreign,
    /// There is none.
    Nobody,
}

/// A request that is over, as far as it is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Past {
    pub(crate) token: ClientToken,
    /// `None` if it was made before a restart.
    pub(crate) request: Option<RequestId>,
    pub(crate) shadow: ShadowHandle,
    pub(crate) operation: Operation,
    /// Whether its answer came: then another one is a duplicate.
    pub(crate) answered: bool,
}

/// The token of the try in flight of the request in a slot. Apart from the rest, which is many times larger, so
/// that the answer to one of ten thousand requests finds its own in a cache; and as text, so that it is compared
/// and not read.
#[derive(Clone, Copy, Debug, Default)]
struct Flying {
    /// Its last sixteen bytes, the last one lowest.
    end: u128,
    /// `None` if nothing is in flight.
    serial: Option<NonZeroU64>,
    /// How long it is; 0 of a token of the caller's own or of less than sixteen bytes, which are found otherwise.
    length: u8,
}

#[derive(Debug)]
pub(crate) struct Requests {
    slots: Vec<Option<Request>>,
    /// As long as `slots`.
    flying: Vec<Flying>,
    free: Vec<u32>,
    next_serial: NonZeroU64,
    next_counter: u64,
    /// Those of the application, followers included, and those that go on for followers alone.
    pub(crate) asked: usize,
    own_tokens: BTreeMap<ClientToken, RequestId>,
    past: VecDeque<Past>,
    /// How many of `past` do not begin with our prefix.
    past_others: usize,
    max_past: usize,
}

impl Requests {
    pub(crate) fn new(max_past: usize) -> Self {
        Self {
            slots: Vec::new(),
            flying: Vec::new(),
            free: Vec::new(),
            next_serial: NonZeroU64::MIN,
            next_counter: 1,
            asked: 0,
            own_tokens: BTreeMap::new(),
            past: VecDeque::new(),
            past_others: 0,
            max_past,
        }
    }

    /// The id the next request will have.
    pub(crate) fn next_id(&mut self) -> RequestId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.flying.push(Flying::default());
            (self.slots.len() - 1) as u32
        });
        let serial = self.next_serial;
        self.next_serial = serial.saturating_add(1);
        RequestId { serial, slot }
    }

    pub(crate) fn next_counter(&mut self) -> u64 {
        let counter = self.next_counter;
        self.next_counter += 1;
        counter
    }

    pub(crate) fn insert(&mut self, request: Request) {
        if request.purpose != Purpose::Resync {
            self.asked += 1;
        }
        if let Some(token) = &request.own_token {
            self.own_tokens.insert(**token, request.id);
        }
        let slot = request.id.slot as usize;
        if let Some(place) = self.slots.get_mut(slot) {
            debug_assert!(place.is_none(), "the slot was free");
            *place = Some(request);
        }
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Request> {
        self.slots
            .get(id.slot as usize)?
            .as_ref()
            .filter(|request| request.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: RequestId) -> Option<&mut Request> {
        self.slots
            .get_mut(id.slot as usize)?
            .as_mut()
            .filter(|request| request.id == id)
    }

    /// What the current try of a request, which is not in flight yet, is sent with; `None` is a token of the caller's
    /// own, or none.
    pub(crate) fn launches(&mut self, id: RequestId, token: Option<&ClientToken>) {
        let token = token.map(ClientToken::as_bytes).unwrap_or_default();
        if let Some(place) = self.flying.get_mut(id.slot as usize) {
            let end = token.last_chunk();
            *place = end.map_or_else(Flying::default, |end| Flying {
                end: u128::from_be_bytes(*end),
                serial: None,
                length: token.len() as u8,
            });
        }
    }

    /// The driver took the current try of a request.
    pub(crate) fn took_off(&mut self, id: RequestId) {
        if let Some(place) = self.flying.get_mut(id.slot as usize) {
            place.serial = Some(id.serial);
        }
    }

    /// The current try of a request is not in flight any more.
    pub(crate) fn landed(&mut self, id: RequestId) {
        if let Some(place) = self.flying.get_mut(id.slot as usize) {
            *place = Flying::default();
        }
    }

    pub(crate) fn by_slot(&self, slot: u32) -> Option<&Request> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.slots.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Request> {
        self.slots.iter_mut().flatten()
    }

    /// Takes a request out and remembers the tokens it was sent with, `last` of them the last one. Whether it was there.
    pub(crate) fn remove(
        &mut self,
        id: RequestId,
        last: Option<&ClientToken>,
        prefix: &TokenPrefix,
    ) -> bool {
        let place = self.slots.get_mut(id.slot as usize);
        let request = place.and_then(|place| place.take_if(|request| request.id == id));
        let Some(request) = request else {
            return false;
        };
        self.free.push(id.slot);
        if request.purpose != Purpose::Resync {
            self.asked -= 1;
        }
        if let Some(token) = &request.own_token {
            self.own_tokens.remove(token);
        }
        let sent = match request.place {
            Place::InFlight => Some(request.counter),
            Place::Waiting | Place::Ready | Place::Output | Place::Backoff | Place::Follower(_) => {
                None
            }
        };
        let counters = request.earlier.iter().copied().chain(sent);
        let past = |token, answered| Past {
            token,
            request: Some(id),
            shadow: request.shadow,
            operation: request.operation,
            answered,
        };
        if let Some(token) = &request.own_token {
            if counters.count() > 0 {
                self.remember(past(**token, sent.is_none()), true);
            }
        } else if request.has_token() {
            for counter in counters {
                let last = last.filter(|_| sent == Some(counter)).copied();
                let token = last.unwrap_or_else(|| ClientToken::generate(prefix, counter, id.slot));
                // There are earlier tries only because they were rejected.
                self.remember(past(token, Some(counter) != sent), false);
            }
        }
        true
    }

    pub(crate) fn remember(&mut self, past: Past, other: bool) {
        if self.max_past == 0 {
            return;
        }
        if self.past.len() >= self.max_past {
            // Those of others are kept at the front; which of the two ages is given up first
            // does not matter as long as the number is bounded.
            if self.past.pop_front().is_some() {
                self.past_others = self.past_others.saturating_sub(1);
            }
        }
        if other {
            self.past.insert(self.past_others, past);
            self.past_others += 1;
        } else {
            self.past.push_back(past);
        }
    }

    /// Marks a remembered request answered. Whether it was not so before.
    pub(crate) fn mark_answered(&mut self, token: &[u8]) -> bool {
        let mut known = self.past.iter_mut().rev();
        match known.find(|past| past.token.as_bytes() == token) {
            Some(past) => !core::mem::replace(&mut past.answered, true),
            None => false,
        }
    }

    /// Whose token this is. A try that is not sent yet cannot have been answered.
    pub(crate) fn owner(
        &self,
        token: Option<&str>,
        shadow: ShadowHandle,
        prefix: &TokenPrefix,
    ) -> Owner {
        let Some(token) = token else {
            return Owner::Nobody;
        };
        let live = self.live(token, prefix).and_then(|id| self.get(id));
        match live {
            Some(request) if request.shadow == shadow => Owner::Live(request.id),
            Some(_) | None if self.past.is_empty() => Owner::Foreign,
            Some(_) | None if prefix.read(token).is_some() => {
                self.past(token, shadow, self.past_others)
            }
            Some(_) | None if self.past_others == 0 => Owner::Foreign,
            Some(_) | None => self.past(token, shadow, 0),
        }
    }

    /// The request not yet over, one of whose tries was sent with this token.
    #[inline]
    pub(crate) fn live(&self, token: &str, prefix: &TokenPrefix) -> Option<RequestId> {
        let known = self.live_generated(token.as_bytes(), prefix);
        known.or_else(|| self.live_other(token, prefix))
    }

    /// As a rule it is a try in flight with a token that was generated.
    #[inline]
    pub(crate) fn live_generated(&self, token: &[u8], prefix: &TokenPrefix) -> Option<RequestId> {
        let (head, end) = token.split_last_chunk()?;
        let end = u128::from_be_bytes(*end);
        let slot = slot_in(end);
        let flying = self.flying.get(slot)?;
        let serial = flying.serial?;
        let same = flying.end == end && usize::from(flying.length) == token.len();
        let slot = slot as u32;
        (same && prefix.begins(head)).then_some(RequestId { serial, slot })
    }

    #[inline(never)]
    fn live_other(&self, token: &str, prefix: &TokenPrefix) -> Option<RequestId> {
        if let Some((counter, slot)) = prefix.read(token) {
            let request = self.by_slot(slot)?;
            let sent = request.counter == counter && request.place == Place::InFlight;
            return (sent || request.earlier.contains(&counter)).then_some(request.id);
        }
        if self.own_tokens.is_empty() {
            return None;
        }
        let token = ClientToken::new(token).ok()?;
        let request = self.get(*self.own_tokens.get(&token)?)?;
        let sent = request.place == Place::InFlight || !request.earlier.is_empty();
        sent.then_some(request.id)
    }

    /// Checks that the table of tokens in flight agrees with the requests.
    #[cfg(any(test, fuzzing, debug_assertions))]
    pub(crate) fn check_flying(&self, prefix: &TokenPrefix) {
        debug_assert_eq!(self.flying.len(), self.slots.len());
        for (flying, request) in self.flying.iter().zip(&self.slots) {
            let request = request.as_ref();
            let request = request.filter(|request| request.place == Place::InFlight);
            let serial = request.map(|request| request.id.serial);
            debug_assert_eq!(flying.serial, serial, "what is in flight is known");
            if let Some(request) = request.filter(|_| flying.length > 0) {
                let token = ClientToken::generate(prefix, request.counter, request.id.slot);
                let found = self.live_generated(token.as_bytes(), prefix);
                debug_assert_eq!(found, Some(request.id), "and by its token");
            }
        }
    }

    fn past(&self, token: &str, shadow: ShadowHandle, from: usize) -> Owner {
        let known = self.past.iter().skip(from).rev();
        known
            .filter(|past| past.shadow == shadow)
            .find(|past| past.token.as_bytes() == token.as_bytes())
            .map_or(Owner::Foreign, |past| Owner::Past(*past))
    }

    /// Whether a token of the caller's own could be confused with another.
    pub(crate) fn is_taken(&self, token: &ClientToken) -> bool {
        self.own_tokens.contains_key(token) || self.past.iter().any(|past| past.token == *token)
    }

    /// The tokens whose answers may still come.
    pub(crate) fn outstanding(&self, prefix: &TokenPrefix) -> Vec<Past> {
        let mut all: Vec<Past> = self
            .past
            .iter()
            .filter(|past| !past.answered)
            .copied()
            .collect();
        for request in self.iter().filter(|request| request.has_token()) {
            let sent = (request.place == Place::InFlight).then_some(request.counter);
            for counter in request.earlier.iter().copied().chain(sent) {
                let token = request.own_token.as_deref().copied();
                let token = token
                    .unwrap_or_else(|| ClientToken::generate(prefix, counter, request.id.slot));
                all.push(Past {
                    token,
                    request: None,
                    shadow: request.shadow,
                    operation: request.operation,
                    answered: false,
                });
            }
        }
        all
    }
}
