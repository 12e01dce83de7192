//! Subscribe and unsubscribe requests: from the call to the answer, across connections.

mod send;

use alloc::collections::VecDeque;

use bytes::BytesMut;

use super::{events::Events, packet_ids::PacketIds};
use crate::{
    Event, Limits, ProtocolError, Qos, RequestError, ServerLimits, SubackCode, SubscribeToken,
    TopicFilter, UnsubackCode, UnsubscribeToken, Version,
    codec::UnsubackCodes,
    subscriptions::{Answer, Ask, Hold, Owner, Release, Restore, Subscriptions},
};

/// Requests without an answer, the packets that ask for them, and the table of who holds what.
#[derive(Debug, Default)]
pub(super) struct Requests {
    table: Subscriptions,
    subscribes: Vec<Subscribing>,
    unsubscribes: Vec<Unsubscribing>,
    /// What the server has to be told, in order. The table decides when it is said whether it is
    /// still needed.
    to_do: VecDeque<ToDo>,
    /// SUBSCRIBE and UNSUBSCRIBE without an answer.
    flights: Vec<Flight>,
    tokens: u64,
}

#[derive(Debug)]
struct Subscribing {
    token: SubscribeToken,
    owner: Owner,
    restore: Restore,
    parts: Vec<SubscribePart>,
}

#[derive(Debug)]
struct SubscribePart {
    filter: TopicFilter,
    qos: Qos,
    /// The SUBSCRIBE it waits for; `None` before it is sent.
    ticket: Option<u64>,
    code: Option<SubackCode>,
}

#[derive(Debug)]
struct Unsubscribing {
    token: UnsubscribeToken,
    owner: Owner,
    parts: Vec<(TopicFilter, Option<UnsubackCode>)>,
}

#[derive(Debug)]
enum ToDo {
    Subscribe(TopicFilter),
    Unsubscribe(TopicFilter),
}

#[derive(Debug)]
struct Flight {
    id: u16,
    filters: Asked,
}

#[derive(Debug)]
enum Asked {
    Subscribe(Vec<(TopicFilter, Ask)>),
    Unsubscribe(Vec<TopicFilter>),
}

/// What sending needs to know of the connection.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    pub(super) version: Version,
    pub(super) server: &'a ServerLimits,
    pub(super) filters_per_packet: usize,
    pub(super) ids: &'a mut PacketIds,
    pub(super) control: &'a mut BytesMut,
    pub(super) events: &'a mut Events,
}

impl Requests {
    pub(super) const fn table(&self) -> &Subscriptions {
        &self.table
    }

    /// Takes a subscribe request; [`send`](Self::send) says the rest to the server.
    pub(super) fn subscribe(
        &mut self,
        owner: Owner,
        filters: &[(TopicFilter, Qos)],
        restore: Restore,
        limits: &Limits,
        events: &mut Events,
    ) -> Result<SubscribeToken, RequestError> {
        self.check_room(filters.len(), limits)?;
        let new = filters
            .iter()
            .filter(|(filter, _)| self.table.status(owner, filter).is_none());
        if self.table.holds() + new.count() > limits.filters {
            return Err(RequestError::TooManyFilters);
        }
        let token = SubscribeToken(self.next_token());
        let parts = filters
            .iter()
            .map(|(filter, qos)| {
                let before = self.table.ticket(owner, filter);
                let code = match self.table.hold(owner, filter, *qos, restore) {
                    Hold::Granted(code) => Some(code),
                    Hold::Unanswered => {
                        self.to_do.push_back(ToDo::Subscribe(filter.clone()));
                        None
                    }
                };
                let ticket = self.table.ticket(owner, filter);
                if let (Some(before), None) = (before, ticket) {
                    // Given up by the owner: whoever waited for that SUBSCRIBE waits for the next.
                    let parts = self.subscribes.iter_mut().flat_map(|r| &mut r.parts);
                    for part in parts {
                        part.ticket.take_if(|ticket| *ticket == before);
                    }
                }
                SubscribePart {
                    filter: filter.clone(),
                    qos: *qos,
                    ticket,
                    code,
                }
            })
            .collect();
        self.subscribes.push(Subscribing {
            token,
            owner,
            restore,
            parts,
        });
        self.report(events);
        Ok(token)
    }

    /// Takes an unsubscribe request; [`send`](Self::send) says the rest to the server.
    pub(super) fn unsubscribe(
        &mut self,
        owner: Owner,
        filters: &[TopicFilter],
        limits: &Limits,
        events: &mut Events,
    ) -> Result<UnsubscribeToken, RequestError> {
        self.check_room(filters.len(), limits)?;
        let token = UnsubscribeToken(self.next_token());
        let parts = filters
            .iter()
            .map(|filter| {
                let code = match self.table.release(owner, filter) {
                    Release::NotHeld => Some(UnsubackCode::NO_SUBSCRIPTION_EXISTED),
                    Release::HeldByOthers | Release::Last { tell_server: false } => {
                        Some(UnsubackCode::SUCCESS)
                    }
                    Release::Last { tell_server: true } => {
                        self.to_do.push_back(ToDo::Unsubscribe(filter.clone()));
                        None
                    }
                };
                (filter.clone(), code)
            })
            .collect();
        self.unsubscribes.push(Unsubscribing {
            token,
            owner,
            parts,
        });
        self.report(events);
        Ok(token)
    }

    pub(super) fn handle_suback(
        &mut self,
        id: u16,
        codes: &[SubackCode],
        wire: &mut Wire<'_>,
    ) -> Result<(), ProtocolError> {
        let packet = "SUBACK";
        let at = self.flights.iter().position(|flight| flight.id == id);
        let Some((at, Asked::Subscribe(asked))) =
            at.and_then(|at| Some((at, &self.flights.get(at)?.filters)))
        else {
            return Err(ProtocolError::PacketIdUnknown { packet, id });
        };
        if asked.len() != codes.len() {
            return Err(ProtocolError::CodeCount {
                packet,
                asked: asked.len(),
                received: codes.len(),
            });
        }
        let above = |((_, ask), code): (&(TopicFilter, Ask), &SubackCode)| {
            code.granted().is_some_and(|granted| granted > ask.qos)
        };
        if asked.iter().zip(codes).any(above) {
            return Err(ProtocolError::GrantedAboveAsked);
        }
        wire.ids.free(id);
        if let Asked::Subscribe(asked) = self.flights.remove(at).filters {
            for ((filter, ask), code) in asked.iter().zip(codes) {
                self.answer(filter, ask.ticket, *code, wire.events);
            }
        }
        self.send(wire);
        Ok(())
    }

    pub(super) fn handle_unsuback(
        &mut self,
        id: u16,
        codes: &UnsubackCodes,
        wire: &mut Wire<'_>,
    ) -> Result<(), ProtocolError> {
        let packet = "UNSUBACK";
        let at = self.flights.iter().position(|flight| flight.id == id);
        let Some((at, Asked::Unsubscribe(asked))) =
            at.and_then(|at| Some((at, &self.flights.get(at)?.filters)))
        else {
            return Err(ProtocolError::PacketIdUnknown { packet, id });
        };
        let codes = match codes {
            UnsubackCodes::All => vec![UnsubackCode::SUCCESS; asked.len()],
            UnsubackCodes::Each(codes) => codes.clone(),
        };
        if asked.len() != codes.len() {
            return Err(ProtocolError::CodeCount {
                packet,
                asked: asked.len(),
                received: codes.len(),
            });
        }
        wire.ids.free(id);
        if let Asked::Unsubscribe(asked) = self.flights.remove(at).filters {
            for (filter, code) in asked.iter().zip(codes) {
                self.settle(filter, code);
            }
        }
        self.send(wire);
        Ok(())
    }

    /// A connection began; call [`send`](Self::send) next. With a lost session
    /// [`handle_session_lost`](Self::handle_session_lost) came before.
    pub(super) fn handle_connected(&mut self) {
        self.to_do.clear();
        let unsettled = self.unsubscribes.iter().flat_map(|request| &request.parts);
        for (filter, code) in unsettled {
            if code.is_none() {
                self.to_do.push_back(ToDo::Unsubscribe(filter.clone()));
            }
        }
        for filter in self.table.unanswered() {
            self.to_do.push_back(ToDo::Subscribe(filter.clone()));
        }
    }

    /// The connection ended: no packet underway is answered any more.
    pub(super) fn handle_disconnected(&mut self, ids: &mut PacketIds, events: &mut Events) {
        for flight in self.flights.drain(..) {
            ids.free(flight.id);
        }
        self.to_do.clear();
        self.table.handle_disconnected();
        for request in &mut self.subscribes {
            for part in &mut request.parts {
                part.ticket = None;
            }
        }
        self.lose_owners_requests(events);
        self.report(events);
    }

    pub(super) fn handle_session_lost(&mut self, events: &mut Events) {
        self.table.handle_session_lost();
        for request in &mut self.unsubscribes {
            for (_, code) in &mut request.parts {
                code.get_or_insert(UnsubackCode::SUCCESS);
            }
        }
        self.report(events);
    }

    /// The server says it kept a session, but it may be another one
    /// ([`Subscriptions::handle_session_doubted`]).
    pub(super) fn handle_session_doubted(&mut self) {
        self.table.handle_session_doubted();
    }

    fn lose_owners_requests(&mut self, events: &mut Events) {
        self.subscribes.retain(|request| {
            let keep = request.restore == Restore::BySession;
            if !keep {
                events.push(Event::SubscribeLost {
                    token: request.token,
                    owner: request.owner,
                });
            }
            keep
        });
    }

    /// The SUBSCRIBE with this ticket is on its way: whoever waits for the filter waits for it.
    fn assign(&mut self, filter: &TopicFilter, ticket: u64) {
        let parts = self.subscribes.iter_mut().flat_map(|r| &mut r.parts);
        for part in parts.filter(|part| part.code.is_none() && part.filter == *filter) {
            part.ticket.get_or_insert(ticket);
        }
    }

    /// One filter of a SUBSCRIBE is answered.
    fn answer(&mut self, filter: &TopicFilter, ticket: u64, code: SubackCode, events: &mut Events) {
        let answers = self.table.answered(filter, ticket, code);
        let mut asked_for = Vec::new();
        for request in &mut self.subscribes {
            for part in &mut request.parts {
                let waits = part.code.is_none() && part.ticket == Some(ticket);
                if waits && part.filter == *filter {
                    part.code = Some(code.min(code.granted().map_or(code, |_| part.qos.into())));
                    asked_for.push(request.owner);
                }
            }
        }
        for Answer {
            owner,
            code,
            restore,
            ..
        } in answers
        {
            // Without a request of its own it is one the session repeats. An owner that keeps its
            // own account has that filter in it, and hears of a refusal only.
            let news = restore == Restore::BySession || !code.is_success();
            if news && !asked_for.contains(&owner) {
                events.push(Event::Restored {
                    owner,
                    filter: filter.clone(),
                    code,
                });
            }
        }
    }

    /// A filter that the owner gave up, or got by another request, before it was asked for is not
    /// asked for any more: its request is answered with how the owner holds it now.
    fn answer_withdrawn(&mut self) {
        for request in &mut self.subscribes {
            for part in &mut request.parts {
                if part.code.is_none() && part.ticket.is_none() {
                    part.code = match self.table.status(request.owner, &part.filter) {
                        Some(Hold::Unanswered) => None,
                        Some(Hold::Granted(code)) => Some(code),
                        None => Some(SubackCode::UNSPECIFIED_ERROR),
                    };
                }
            }
        }
    }

    fn settle(&mut self, filter: &TopicFilter, code: UnsubackCode) {
        let parts = self.unsubscribes.iter_mut().flat_map(|r| &mut r.parts);
        for (_, settled) in parts.filter(|(asked, _)| asked == filter) {
            settled.get_or_insert(code);
        }
    }

    /// Reports the requests of which every filter is answered.
    fn report(&mut self, events: &mut Events) {
        self.answer_withdrawn();
        self.subscribes.retain(|request| {
            let codes: Option<Vec<_>> = request.parts.iter().map(|part| part.code).collect();
            let Some(codes) = codes else {
                return true;
            };
            events.push(Event::Subscribed {
                token: request.token,
                owner: request.owner,
                codes,
            });
            false
        });
        self.unsubscribes.retain(|request| {
            let codes: Option<Vec<_>> = request.parts.iter().map(|(_, code)| *code).collect();
            let Some(codes) = codes else {
                return true;
            };
            events.push(Event::Unsubscribed {
                token: request.token,
                owner: request.owner,
                codes,
            });
            false
        });
    }

    fn check_room(&self, filters: usize, limits: &Limits) -> Result<(), RequestError> {
        if filters == 0 {
            return Err(RequestError::NoFilters);
        }
        if self.subscribes.len() + self.unsubscribes.len() >= limits.requests {
            return Err(RequestError::TooManyRequests);
        }
        Ok(())
    }

    fn next_token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }
}
