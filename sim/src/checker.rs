//! The rules a client is held to after each step: what is known of one life of it, and its bounds.

mod outcome;
mod publish;

use crate::{model::Model, world::World};
use shadow_proto::{
    Config, Instant, Operation, PubackCode, PublishId, RequestId, SubackCode, SubscribeId, Topic,
    wire::{self, Message},
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// What is known of a request from the call on.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) shadow: usize,
    pub(crate) operation: Operation,
    pub(crate) publish_only: bool,
    pub(crate) deadline: Instant,
    pub(crate) own_token: Option<String>,
    pub(crate) fails_offline: bool,
    pub(crate) mergeable: bool,
    /// The tokens it was sent with.
    pub(crate) tokens: Vec<String>,
    /// The measurements it reports.
    pub(crate) marks: Vec<u64>,
    pub(crate) published: u32,
    pub(crate) cancelled: bool,
    /// Whether its outcome came.
    pub(crate) over: bool,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            shadow: 0,
            operation: Operation::Get,
            publish_only: false,
            deadline: Instant::ORIGIN,
            own_token: None,
            fails_offline: false,
            mergeable: false,
            tokens: Vec::new(),
            marks: Vec::new(),
            published: 0,
            cancelled: false,
            over: false,
        }
    }
}

/// An answer that was handed to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Accepted(Option<u64>),
    Rejected(u16),
}

/// A try that is on its way, as the window counts it.
#[derive(Clone, Debug)]
struct Flight {
    publish: PublishId,
    thing: String,
    shadow: usize,
    token: Option<String>,
    until: Instant,
}

/// What is known of one life of a client.
#[derive(Debug, Default)]
pub(crate) struct NodeCheck {
    pub(crate) asks: BTreeMap<RequestId, Ask>,
    /// Which request a token was sent with.
    by_token: BTreeMap<String, RequestId>,
    by_publish: BTreeMap<PublishId, RequestId>,
    /// Every token ever published: none is used for two requests.
    answers: BTreeMap<(usize, Operation, String), Vec<Answer>>,
    late: BTreeSet<String>,
    /// The tokens of the life before, if this one was restored.
    inherited: BTreeSet<String>,
    flights: BTreeMap<RequestId, Flight>,
    pending: BTreeMap<SubscribeId, Vec<Rc<str>>>,
    leaving: BTreeMap<SubscribeId, Vec<Rc<str>>>,
    /// The filters that are granted and not given up.
    granted: BTreeSet<Rc<str>>,
    refused: BTreeSet<(Rc<str>, u8)>,
    pubacks: BTreeSet<(RequestId, u8)>,
    send_failed: BTreeSet<RequestId>,
    session_lost: Option<Instant>,
    connected_at: Option<Instant>,
    /// Outcomes that promised that nothing was applied.
    harmless: Vec<(usize, Operation, String)>,
    harmless_marks: Vec<u64>,
    /// Rejections without token that were handed over.
    nameless: u32,
    per_thing: usize,
    per_connection: usize,
    response_timeout: Duration,
    prefix: String,
    /// Requests without outcome.
    pub(crate) open: usize,
    /// Requests made since outputs were taken last.
    pub(crate) unpolled: usize,
}

impl NodeCheck {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            per_thing: config.window.per_thing as usize,
            per_connection: config.window.per_connection as usize,
            response_timeout: config.response_timeout,
            prefix: config.token_prefix.as_str().to_owned(),
            ..Self::default()
        }
    }

    /// Another life ended, and this one goes on from its snapshot.
    pub(crate) fn goes_on_from(&mut self, before: &Self) {
        self.granted = before.granted.clone();
        self.inherited = before.inherited.clone();
        self.inherited.extend(before.by_token.keys().cloned());
    }

    pub(crate) fn asked(&mut self, id: RequestId, ask: Ask) {
        let before = self.asks.insert(id, ask);
        assert!(before.is_none(), "a request id is given twice");
        self.open += 1;
    }

    pub(crate) fn marked(&mut self, id: RequestId, marks: Vec<u64>) {
        if let Some(ask) = self.asks.get_mut(&id) {
            ask.marks = marks;
        }
    }

    pub(crate) fn cancelled(&mut self, id: RequestId) {
        if let Some(ask) = self.asks.get_mut(&id) {
            ask.cancelled = true;
        }
    }

    /// The client's own get for a shadow is over, or may be.
    pub(crate) fn fetched(&mut self, shadow: usize) {
        let asks = &self.asks;
        self.flights.retain(|id, flight| {
            flight.shadow != shadow || asks.get(id).is_some_and(|ask| !ask.over)
        });
    }

    /// Whether a request with that token has no outcome yet, and no answer to it is a duplicate.
    pub(crate) fn is_open(&self, shadow: usize, operation: Operation, token: &str) -> bool {
        let ask = self.by_token.get(token).and_then(|id| self.asks.get(id));
        ask.is_some_and(|ask| !ask.over && (ask.shadow, ask.operation) == (shadow, operation))
    }

    /// The tokens published, of which shadow and operation.
    pub(crate) fn published_tokens(&self) -> Vec<(String, usize, Operation)> {
        let owned = |(token, id): (&String, &RequestId)| {
            let ask = self.asks.get(id)?;
            Some((token.clone(), ask.shadow, ask.operation))
        };
        self.by_token.iter().filter_map(owned).collect()
    }

    pub(crate) fn unfinished(&self) -> impl Iterator<Item = RequestId> {
        let open = self.asks.iter().filter(|(_, ask)| !ask.over);
        open.map(|(id, _)| *id)
    }

    pub(crate) fn subscribes(&mut self, id: SubscribeId, filters: &[Rc<str>]) {
        self.pending.insert(id, filters.to_vec());
    }

    pub(crate) fn unsubscribes(&mut self, id: SubscribeId, filters: &[Rc<str>]) {
        // A SUBACK that comes after this speaks of the time before.
        for asked in self.pending.values_mut().flatten() {
            if filters.contains(asked) {
                *asked = "".into();
            }
        }
        let before = filters.iter().filter(|filter| self.granted.remove(*filter));
        let before = before.cloned().collect();
        self.leaving.insert(id, before);
    }

    /// The driver could not send a SUBSCRIBE or UNSUBSCRIBE: of the latter nothing changed.
    pub(crate) fn subscribe_failed(&mut self, id: SubscribeId) {
        self.granted
            .extend(self.leaving.remove(&id).unwrap_or_default());
    }

    pub(crate) fn suback(&mut self, id: SubscribeId, codes: &[SubackCode]) {
        for (filter, code) in self
            .pending
            .remove(&id)
            .unwrap_or_default()
            .iter()
            .zip(codes)
        {
            if filter.is_empty() {
                continue;
            }
            if code.is_granted() {
                self.granted.insert(filter.clone());
            } else {
                self.refused.insert((filter.clone(), code.number()));
            }
        }
    }

    pub(crate) fn connected(&mut self, session_present: bool, now: Instant) {
        self.connected_at = Some(now);
        self.pending.clear();
        self.leaving.clear();
        if !session_present {
            self.granted.clear();
            self.flights.clear();
            self.session_lost = Some(now);
        }
    }

    pub(crate) fn puback(&mut self, id: PublishId, code: PubackCode) {
        if let Some(request) = self.by_publish.get(&id) {
            self.pubacks.insert((*request, code.number()));
        }
    }

    pub(crate) fn send_failed(&mut self, request: RequestId) {
        self.send_failed.insert(request);
    }

    /// The client is told that a publish was not sent: it is on its way no more.
    pub(crate) fn not_sent(&mut self, id: PublishId) {
        self.flights.retain(|_, flight| flight.publish != id);
    }

    /// A message is handed to the client: the cause of what it says next.
    pub(crate) fn receives(&mut self, topic: &str, payload: &[u8], model: &Model) {
        let topic = Topic::parse(topic).expect("all topics are of shadows");
        let shadow = model.index(&topic.shadow_id().expect("the names are legal"));
        let (token, answer) = match wire::decode(topic.kind(), payload) {
            Ok(Message::GetAccepted(it)) => {
                (it.client_token, Answer::Accepted(Some(it.version.number())))
            }
            Ok(Message::UpdateAccepted(it)) => {
                (it.client_token, Answer::Accepted(Some(it.version.number())))
            }
            Ok(Message::DeleteAccepted(it)) => (
                it.client_token,
                Answer::Accepted(it.version.map(shadow_proto::Version::number)),
            ),
            Ok(Message::Rejected(it)) => (it.client_token, Answer::Rejected(it.code.number())),
            _ => return,
        };
        let Some(token) = token else {
            self.nameless += 1;
            return;
        };
        self.flights
            .retain(|_, flight| flight.token.as_deref() != Some(&*token));
        let key = (shadow, topic.kind().operation(), token.into_owned());
        self.answers.entry(key).or_default().push(answer);
    }

    /// The tokens a request was sent with; of a merged one, those of the request it was merged into.
    fn tokens(&self, ask: &Ask, token: Option<&str>) -> Vec<String> {
        let leader = token.and_then(|token| self.by_token.get(token));
        let leader = leader.and_then(|id| self.asks.get(id)).unwrap_or(ask);
        leader.tokens.iter().chain(&ask.tokens).cloned().collect()
    }

    fn was(&self, ask: &Ask, tokens: &[String], test: impl Fn(Answer) -> bool) -> bool {
        tokens.iter().any(|token| {
            let key = (ask.shadow, ask.operation, token.clone());
            let answers = self.answers.get(&key);
            answers.is_some_and(|answers| answers.iter().any(|answer| test(*answer)))
        })
    }

    /// What was promised not to be applied was not.
    pub(crate) fn check_harmless(&self, model: &Model, node: usize) {
        for mark in &self.harmless_marks {
            assert!(
                !model.marks.contains(mark),
                "client {node}: a report that ended as surely not applied was applied: {mark}"
            );
        }
        for key in &self.harmless {
            let applied = model
                .fates
                .get(key)
                .map_or(0, |fate| fate.applied - fate.excused);
            assert_eq!(
                applied, 0,
                "client {node}: a request that ended as surely not applied was applied: {key:?}"
            );
        }
    }

    pub(crate) fn granted(&self) -> &BTreeSet<Rc<str>> {
        &self.granted
    }
}

impl World {
    /// Memory is bounded.
    pub(crate) fn check_bounds(&self, node: usize) {
        let it = &self.nodes[node];
        let limits = &it.client.config().limits;
        // Each shadow may have one get of the client's own.
        let most = limits.requests + it.held.len();
        assert!(
            it.client.outstanding() <= most,
            "client {node}: {} requests, at most {most} are allowed",
            it.client.outstanding()
        );
        #[cfg(debug_assertions)]
        it.client.check_invariants();
    }

    /// The filters on the broker are within the budget.
    pub(crate) fn check_budget(&self, node: usize) {
        let it = &self.nodes[node];
        let Some(session) = &self.broker.sessions[node] else {
            return;
        };
        let faults = &self.plan.faults;
        if faults.fail_subscribe > 0 || faults.withhold_suback > 0 {
            // What the client could not give up, or does not know of, is there as well.
            return;
        }
        let max = it.client.config().budget.per_connection as usize;
        assert!(
            it.inherited || session.filters.len() <= max,
            "client {node}: {} filters on the broker, {max} are allowed: {:#?}",
            session.filters.len(),
            session.filters
        );
    }

    /// After the last output nothing comes until something happens.
    pub(crate) fn check_silence(&mut self, node: usize) {
        let now = self.now;
        let often = self.net.chance(50);
        let client = &mut self.nodes[node].client;
        assert!(
            client.poll_output().is_none(),
            "client {node}: None was not the last"
        );
        let due = client.poll_timeout();
        if often && due.is_none_or(|due| due > now) {
            client.handle_timeout(now);
            let output = client.poll_output();
            assert!(
                output.is_none(),
                "client {node}: handle_timeout before {due:?} yields {output:?}"
            );
        }
    }
}
