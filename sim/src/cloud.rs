//! The shadow service behind the broker: the real one, with what can go wrong around it.

use crate::{
    model::Change,
    totals::{Fault, Sum},
    world::{Happening, World},
};
use shadow_proto::{
    Instant, Operation, ShadowId, Topic, TopicKind,
    wire::{self, Message},
};
use shadow_service::{
    After, AnswerFate, Fate, MemoryStore, Outgoing, Record, Service, Settings, Store, StoreError,
    UnixTime,
};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// When a simulation begins, by the service's clock.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// A request on its way to the service.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) topic: Rc<str>,
    pub(crate) payload: Rc<[u8]>,
    /// By when it is void.
    pub(crate) expires: Option<Instant>,
    /// Whether the broker passes it on twice.
    pub(crate) doubled: bool,
}

/// The service, and whether it is there.
#[derive(Debug)]
pub(crate) struct Cloud {
    service: Service<FaultyStore>,
    fail_store: Rc<Cell<bool>>,
    pub(crate) up: bool,
    /// Counts restarts: what was being served before one is forgotten.
    pub(crate) start: u32,
    backlog: Vec<Request>,
    in_flight: BTreeMap<String, u32>,
}

/// A store that fails when told to.
#[derive(Clone, Debug)]
pub(crate) struct FaultyStore {
    store: MemoryStore,
    fail: Rc<Cell<bool>>,
}

impl FaultyStore {
    fn check(&self) -> Result<(), StoreError> {
        match self.fail.get() {
            true => Err(StoreError::new("out of order")),
            false => Ok(()),
        }
    }
}

impl Store for FaultyStore {
    fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError> {
        self.check()?;
        self.store.load(shadow)
    }

    fn commit(&mut self, shadow: &ShadowId, record: Record) -> Result<(), StoreError> {
        self.check()?;
        self.store.commit(shadow, record)
    }

    fn purge(&mut self, before: shadow_proto::Timestamp) -> Result<(), StoreError> {
        self.store.purge(before)
    }

    fn list(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, StoreError> {
        self.store.list(after, limit)
    }
}

impl Cloud {
    pub(crate) fn new(settings: Settings) -> Self {
        let fail_store = Rc::new(Cell::new(false));
        let store = FaultyStore {
            store: MemoryStore::new(),
            fail: fail_store.clone(),
        };
        Self {
            service: Service::with_store(settings, store),
            fail_store,
            up: true,
            start: 0,
            backlog: Vec::new(),
            in_flight: BTreeMap::new(),
        }
    }

    /// The state of a document as the service has it: desired, reported, delta.
    pub(crate) fn state(&self, id: &ShadowId, now: Instant) -> Option<serde_json::Value> {
        let document = self
            .service
            .document(id, unix(now, 0))
            .expect("it is read")?;
        let json = serde_json::from_str::<serde_json::Value>(&document.to_json());
        Some(json.expect("the service writes JSON"))
    }

    /// Whether desired differs from reported.
    pub(crate) fn differs(&self, id: &ShadowId, now: Instant) -> bool {
        let document = self.service.document(id, unix(now, 0)).expect("it is read");
        let behaviour = &self.service.settings().behaviour;
        document.is_some_and(|document| document.delta(behaviour).is_some())
    }
}

fn unix(now: Instant, ahead: u64) -> UnixTime {
    UnixTime::since_epoch(EPOCH + now.since_origin() + Duration::from_millis(ahead))
}

impl World {
    /// A request reaches the service.
    pub(crate) fn request_arrives(&mut self, request: Request) {
        if !self.cloud.up {
            if self.faults.service_backlog {
                self.totals.note(Fault::ServiceBacklog);
                self.cloud.backlog.push(request);
            } else {
                self.totals.note(Fault::Swallowed);
            }
            return;
        }
        let topic = Topic::parse(&request.topic).expect("only requests come here");
        let thing = topic.thing().to_owned();
        let in_flight = self.cloud.in_flight.entry(thing).or_default();
        if self.plan.in_flight.is_some_and(|max| *in_flight >= max) {
            self.totals.note(Fault::WindowEnforced);
            self.reject(&request, 429, "Too many requests", false);
            return;
        }
        *in_flight += 1;
        let at = self.now + self.net.millis(0, self.plan.serving);
        let start = self.cloud.start;
        self.schedule(at, Happening::Serve { request, start });
    }

    /// The service takes up a request.
    pub(crate) fn serve(&mut self, request: &Request, start: u32) {
        if start != self.cloud.start {
            self.totals.note(Fault::Swallowed);
            return;
        }
        let topic = Topic::parse(&request.topic).expect("only requests come here");
        let (id, operation) = (
            topic.shadow_id().expect("the names are legal"),
            topic.kind().operation(),
        );
        let in_flight = self.cloud.in_flight.get_mut(id.thing());
        *in_flight.expect("it was counted") -= 1;
        let shadow = self.model.index(&id);
        let token = token_of(topic.kind(), &request.payload);
        if let Some(token) = &token {
            self.model.fate(shadow, operation, token).served += 1;
        }
        self.totals.note(Sum::Served);
        let net = &mut self.net;
        match self.faults.service.fate(&id, &mut |end| net.below(end)) {
            Fate::Swallow => {
                self.totals.note(Fault::Swallowed);
                self.log(|| {
                    format!(
                        "service: swallows {} {}",
                        request.topic,
                        text(&request.payload)
                    )
                });
                return;
            }
            Fate::Refuse { error, nameless } => {
                self.totals.note(match error.code() {
                    429 => Fault::InjectedThrottle,
                    _ => Fault::InjectedFailure,
                });
                self.reject(request, error.code(), &error.to_string(), nameless);
                return;
            }
            _ => {}
        }
        let store_fails = self.net.chance(self.faults.fail_store);
        let clocks = &self.plan.clocks;
        let ahead = clocks[self.net.index(clocks.len())];
        if ahead > 0 {
            self.totals.note(Fault::SkewedClock);
        }
        let now = unix(self.now, ahead);
        self.cloud.fail_store.set(store_fails);
        let handled = self
            .cloud
            .service
            .handle_publish(&request.topic, &request.payload, now)
            .expect("it is a request");
        self.cloud.fail_store.set(false);
        self.log(|| {
            format!(
                "service: {} {} -> {:?}",
                request.topic,
                text(&request.payload),
                handled.outcome
            )
        });
        match &handled.outcome {
            Ok(version) => {
                let token = token.as_deref();
                self.accepted(shadow, operation, *version, token, &handled.messages);
                match token {
                    Some(token) if request.doubled => {
                        self.model.fate(shadow, operation, token).excused += 1;
                    }
                    _ if operation == Operation::Update => self.model.applied(&request.payload),
                    _ => {}
                }
            }
            Err(error) if error.code() == 429 => self.totals.note(Fault::RateEnforced),
            Err(error) if error.code() == 500 => self.totals.note(Fault::StoreFailure),
            Err(_) => {}
        }
        let applied = handled.outcome.is_ok();
        let answer = operation.accepted();
        let net = &mut self.net;
        let fate = match applied {
            true => self.faults.service.answer(&mut |end| net.below(end)),
            false => AnswerFate::Send,
        };
        match fate {
            AnswerFate::Fail => {
                self.totals.note(Fault::FailedAfterApply);
                self.reject(request, 500, "Internal failure", false);
                self.publish(handled.messages, Some(answer));
            }
            AnswerFate::Lose => {
                self.totals.note(Fault::AnswerLost);
                self.publish(handled.messages, Some(answer));
            }
            _ => self.publish(handled.messages, None),
        }
    }

    fn accepted(
        &mut self,
        shadow: usize,
        operation: Operation,
        version: u64,
        token: Option<&str>,
        messages: &[Outgoing],
    ) {
        if let Some(token) = token {
            self.model.fate(shadow, operation, token).applied += 1;
        }
        match operation {
            Operation::Get => {}
            Operation::Update => match self.model.updated(shadow, version) {
                Change::Plain => {}
                Change::Recreated => self.totals.note(Fault::Recreated),
                Change::CountedAnew => self.totals.note(Fault::CountedAnew),
            },
            Operation::Delete => {
                self.totals.note(Fault::Deleted);
                self.model.deleted(shadow, version);
            }
        }
        for message in messages {
            let topic = Topic::parse(&message.topic).expect("the service spells topics");
            let kind = topic.kind();
            self.model.learn(shadow, kind, message.payload.as_bytes());
        }
    }

    fn publish(&mut self, messages: Vec<Outgoing>, without: Option<TopicKind>) {
        for message in messages {
            let kind = Topic::parse(&message.topic).map(|topic| topic.kind());
            if without.is_some() && kind == without {
                continue;
            }
            let payload: Rc<[u8]> = message.payload.into_bytes().into();
            self.fan_out(
                &Rc::from(&*message.topic),
                &payload,
                shadow_proto::Qos::AtLeastOnce,
            );
        }
    }

    fn reject(&mut self, request: &Request, code: u16, message: &str, nameless: bool) {
        let topic = Topic::parse(&request.topic).expect("only requests come here");
        let kind = topic.kind();
        let id = topic.shadow_id().expect("the names are legal");
        let mut payload = format!(r#"{{"code":{code},"message":"{message}""#);
        match token_of(kind, &request.payload) {
            Some(token) if !nameless => {
                let quoted = serde_json::to_string(&token).expect("a string is JSON");
                payload += &format!(r#","clientToken":{quoted}"#);
            }
            _ => self.totals.note(Fault::NamelessThrottle),
        }
        payload.push('}');
        let topic = Topic::new(&id, kind.operation().rejected()).to_string();
        self.log(|| format!("service: {topic} {payload}"));
        let payload: Rc<[u8]> = payload.into_bytes().into();
        self.fan_out(&topic.into(), &payload, shadow_proto::Qos::AtLeastOnce);
    }

    /// The service goes away for a while.
    pub(crate) fn service_stops(&mut self) {
        if !self.cloud.up {
            return;
        }
        self.totals.note(Fault::ServiceRestart);
        self.log(|| "service: stops".to_owned());
        self.cloud.up = false;
        self.cloud.start += 1;
        self.cloud.in_flight.clear();
        let away = self.net.millis(50, 4_000);
        self.schedule(self.now + away, Happening::ServiceStarts);
    }

    /// It is back: documents kept, rates forgotten.
    pub(crate) fn service_starts(&mut self) {
        self.log(|| "service: starts".to_owned());
        let store = self.cloud.service.store().clone();
        self.cloud.service = Service::with_store(self.plan.settings.clone(), store);
        self.cloud.up = true;
        for request in std::mem::take(&mut self.cloud.backlog) {
            if request.expires.is_some_and(|end| end <= self.now) {
                self.totals.note(Fault::Expired);
                continue;
            }
            self.request_arrives(request);
        }
    }
}

/// The token of a request that can be read.
pub(crate) fn token_of(kind: TopicKind, payload: &[u8]) -> Option<String> {
    match wire::decode(kind, payload) {
        Ok(Message::Request(request)) => request.client_token.map(Cow::into_owned),
        _ => None,
    }
}

pub(crate) fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}
