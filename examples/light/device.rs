//! The light itself.

use std::time::Duration;

use device_shadow::{
    proto::{
        Accepted, Delta, Document, Event, Failure, Field, Interest, Json, Operation, ShadowId,
        Stage, Topic, TopicKind, TopicPrefix, Update,
    },
    tokio::{
        ConnectionEvent, ConnectionEvents, Events, MqttVersion, RequestFailure, Shadow,
        ShadowClient, policy,
    },
};
use serde_json::{Map, Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Result,
    args::Args,
    console::{say, shown},
};

pub(crate) struct Device {
    shadow: Shadow,
    id: ShadowId,
    /// Which right is missing, it can be told the better by what MQTT says.
    version: MqttVersion,
    property: String,
    mute: bool,
    /// `None` until it is known, and once it was removed.
    value: Option<Value>,
    /// Whether the shadow was in step once.
    started: bool,
    /// What the shadow is found to be, until it is adopted or a delta says otherwise.
    found: Option<Found>,
    /// Deltas of other keys, as far as shown.
    others: Map<String, Value>,
    /// Whether the value was typed and the shadow could not be told.
    untold: bool,
    events: Events,
    connection: ConnectionEvents,
    client: ShadowClient,
    /// The keep-alive that the broker chose in place of ours, once it was said.
    keep_alive: Option<Duration>,
    /// Until when the delta of another client's update has to come.
    delta_due: Option<Instant>,
    /// Updates on their way.
    updates: JoinSet<Sent>,
}

/// The answer to a get: the document, if there is one.
struct Found(Option<Box<Document>>);

/// An update that was on its way.
struct Sent {
    /// Whether it told a typed value.
    typed: bool,
    outcome: std::result::Result<(), RequestFailure>,
}

/// How a device ends.
pub(crate) enum Done {
    Quit,
    Failed(String),
}

impl Device {
    /// Follows the shadow. With the five filters of deltas, gets and updates everything a light
    /// needs is subscribed before the first get.
    pub(crate) fn start(client: &ShadowClient, args: &Args, version: MqttVersion) -> Result<Self> {
        let id = args.shadow_id()?;
        let shadow = client.shadow(id.clone())?;
        let events = shadow.events(Interest::DELTA | Interest::UPDATE)?;
        let mut device = Self {
            connection: client.connection_events(),
            client: client.clone(),
            keep_alive: None,
            delta_due: None,
            shadow,
            id,
            version,
            property: args.property.clone(),
            mute: args.mute,
            value: None,
            started: false,
            found: None,
            others: Map::new(),
            untold: false,
            events,
            updates: JoinSet::new(),
        };
        device.show_keep_alive();
        Ok(device)
    }

    /// Says if the broker overrides the keep-alive: once.
    fn show_keep_alive(&mut self) {
        let connack = self.client.connection_info().and_then(|info| info.connack);
        let Some(connack) = connack.filter(|connack| connack.keep_alive_from_server) else {
            return;
        };
        if self.keep_alive.replace(connack.keep_alive) != Some(connack.keep_alive) {
            say(&format!(
                "the broker set the keep-alive to {:?}",
                connack.keep_alive
            ));
        }
    }

    /// Whether it has an ear for what is typed: not before the shadow's first answer, which would
    /// undo it, and not while much is on its way.
    pub(crate) fn listens(&self) -> bool {
        self.started && self.updates.len() < 8
    }

    /// Handles what happens next.
    pub(crate) async fn step(&mut self) -> Option<Done> {
        tokio::select! {
            biased;
            event = self.events.next() => match event {
                Some(Ok(event)) => return self.handle(event),
                // Too slow for all events: the next document makes up for it.
                Some(Err(_)) => self.resync(),
                None => return Some(Done::Failed("the client has stopped".to_owned())),
            },
            // After the events: a delta that came before the answer is one of them, and wins.
            () = std::future::ready(()), if self.found.is_some() => self.adopt(),
            () = until(self.delta_due), if self.delta_due.is_some() => self.miss_delta(),
            Some(event) = self.connection.next() => match event {
                ConnectionEvent::Connecting { .. } | ConnectionEvent::Stopped => {}
                event @ ConnectionEvent::Connected(_) => {
                    say(&event.to_string());
                    self.show_keep_alive();
                }
                other => say(&other.to_string()),
            },
            Some(update) = self.updates.join_next() => match update {
                Ok(sent) => self.told(sent),
                Err(panic) => return Some(Done::Failed(panic.to_string())),
            },
        }
        None
    }

    fn handle(&mut self, event: Event) -> Option<Done> {
        match event {
            Event::Ready { document, .. } => {
                self.delta_due = None;
                self.found = Some(Found(document));
            }
            Event::Delta { delta, .. } => {
                self.delta_due = None;
                self.apply(&delta);
            }
            Event::ForeignAnswer {
                answer: Ok(Accepted::Update(update)),
                ..
            } => self.expect_delta(&update.desired),
            Event::Refused { filter, code, .. } => {
                return Some(Done::Failed(format!(
                    "the broker refused the subscription to {filter}: {code}; {}",
                    policy::missing_for_filter(&filter)
                )));
            }
            Event::ResyncFailed { failure, .. } if !self.started => {
                let mut missing = self.missing(Operation::Get, &failure);
                if failure.stage() == Some(Stage::Acknowledged) {
                    missing = format!(
                        "; does a shadow service run on this broker? If so{}",
                        missing.replacen(';', ",", 1)
                    );
                }
                let failed = format!("could not get the shadow: {failure}{missing}");
                return Some(Done::Failed(failed));
            }
            Event::ResyncFailed {
                failure, retry_in, ..
            } => {
                let again =
                    retry_in.map_or_else(String::new, |delay| format!("; again in {delay:.1?}"));
                let missing = self.missing(Operation::Get, &failure);
                say(&format!(
                    "could not get the shadow: {failure}{again}{missing}"
                ));
            }
            Event::Undecodable { topic, reason, .. } => {
                say(&format!(
                    "cannot read a message on {}: {reason}",
                    topic.suffix()
                ));
            }
            // Answers to updates of others are of no concern to a light.
            _ => {}
        }
        None
    }

    /// Which right may be missing where a request failed so, to follow what is said of it.
    fn missing(&self, operation: Operation, failure: &Failure) -> String {
        let missing = policy::missing_for_request(&self.id, operation, failure, self.version);
        missing.map_or_else(String::new, |missing| format!("; {missing}"))
    }

    /// Another client's update was accepted: if it desires what is not, a delta comes of it.
    fn expect_delta(&mut self, desired: &Field<Json>) {
        let desired = desired.value().and_then(object);
        let wanted = desired.and_then(|mut desired| desired.remove(&self.property));
        if wanted.is_some_and(|wanted| !wanted.is_null() && self.value.as_ref() != Some(&wanted)) {
            self.delta_due
                .get_or_insert_with(|| Instant::now() + DELTA_LIMIT);
        }
    }

    /// It did not come: the document tells what is desired.
    fn miss_delta(&mut self) {
        self.delta_due = None;
        let topic = Topic::new(&self.id, TopicKind::UpdateDelta).spell(&TopicPrefix::default());
        say(&format!(
            "an update asks for a change, and no delta came; {}",
            policy::missing_for_message(&topic)
        ));
        self.resync();
    }

    fn resync(&self) {
        // Deltas are followed, so there is nothing to refuse.
        let _ = self.shadow.resync();
    }

    /// Takes over what the shadow knows, or tells it what is. Comes at the start and after each
    /// loss of the connection.
    fn adopt(&mut self) {
        let Some(Found(document)) = self.found.take() else {
            return;
        };
        let document = document.as_deref();
        let started = std::mem::replace(&mut self.started, true);
        let property = &self.property;
        let find = |section: Option<&Json>| object(section?)?.remove(property);
        if let Some(wanted) = document.and_then(|document| find(document.delta.value())) {
            say(&format!("the shadow wants {property} = {}", shown(&wanted)));
            return self.change(wanted);
        }
        if self.untold {
            return self.tell();
        }
        match document.and_then(|document| find(document.reported.value())) {
            // An update on its way knows better.
            Some(_) if !self.updates.is_empty() => {}
            Some(reported) => {
                if self.value.as_ref() != Some(&reported) {
                    say(&format!("the shadow has {property} = {}", shown(&reported)));
                }
                self.value = Some(reported);
            }
            None => match self.value.clone() {
                None if started => {}
                None => {
                    say(&format!("the shadow has no {property} yet: off"));
                    self.change(json!("off"));
                }
                Some(value) => {
                    say(&format!("the shadow has lost {property}"));
                    self.change(value);
                }
            },
        }
    }

    fn apply(&mut self, delta: &Delta) {
        let mut state = object(&delta.state).unwrap_or_default();
        match state.remove(&self.property) {
            // Applied already, the report is on its way.
            Some(wanted) if self.value.as_ref() == Some(&wanted) && !self.updates.is_empty() => {}
            Some(wanted) => {
                say(&format!("delta: {} = {}", self.property, shown(&wanted)));
                self.change(wanted);
            }
            None => {}
        }
        // Each delta holds all that is left to be done; the light shows once what is not its own.
        for (key, wanted) in &state {
            if self.others.get(key) != Some(wanted) {
                say(&format!("delta: {key} = {}, not mine", shown(wanted)));
            }
        }
        self.others = state;
    }

    /// Does what was asked, then reports what is: `reported` only.
    fn change(&mut self, value: Value) {
        (self.untold, self.started, self.found) = (false, true, None);
        let said = format!("reported {} = {}", self.property, shown(&value));
        match Json::from_value(&json!({ (self.property.as_str()): value })) {
            Ok(state) => self.send(said, false, Update::reported(&state)),
            Err(error) => say(&error.to_string()),
        }
        self.value = Some(value);
    }

    /// A line typed at the light; whether that was the last.
    pub(crate) fn typed(&mut self, line: &str) -> bool {
        match line.trim() {
            "" => {}
            "quit" | "exit" => return true,
            "clear_shadow" => {
                say("clearing the shadow");
                self.value = None;
                self.send("cleared the shadow".to_owned(), false, Update::clear());
            }
            "none" => self.set(None),
            value => self.set(Some(json!(value))),
        }
        false
    }

    fn set(&mut self, value: Option<Value>) {
        let property = &self.property;
        let shown = value.as_ref().map_or_else(|| "none".to_owned(), shown);
        if self.value == value {
            return say(&format!("{property} is {shown} already"));
        }
        say(&format!("{property} is now {shown}"));
        self.value = value;
        self.tell();
    }

    /// Tells the shadow what was typed: in both sections at once, else the old desired value comes
    /// straight back as a delta.
    fn tell(&mut self) {
        self.untold = false;
        let said = match &self.value {
            Some(value) => format!("reported and desired {} = {}", self.property, shown(value)),
            None => format!("removed {}", self.property),
        };
        match Json::from_value(&json!({ (self.property.as_str()): self.value })) {
            Ok(state) => self.send(said, true, Update::both(&state, &state)),
            Err(error) => say(&error.to_string()),
        }
    }

    fn send(&mut self, said: String, typed: bool, update: Update<'_>) {
        if self.mute {
            return say("mute: not reported");
        }
        let update = self.shadow.update(update);
        self.updates.spawn(async move {
            let outcome = update.await.map(|_| say(&said));
            Sent { typed, outcome }
        });
    }

    /// The outcome of an update.
    fn told(&mut self, sent: Sent) {
        let Err(failure) = sent.outcome else { return };
        let missing = match &failure {
            RequestFailure::Failure(failure) => self.missing(Operation::Update, failure),
            _ => String::new(),
        };
        say(&format!("the shadow was not told: {failure}{missing}"));
        match failure {
            // Once more as soon as the shadow is in step.
            RequestFailure::Failure(Failure::TimedOut { .. } | Failure::Disconnected { .. }) => {
                self.untold |= sent.typed;
                self.resync();
            }
            // What was typed does not hold: back to what the shadow has.
            _ if sent.typed => {
                self.value = None;
                self.resync();
            }
            // The same report would be refused again.
            _ => {}
        }
    }

    /// Waits for the updates on their way.
    pub(crate) async fn finish(&mut self) {
        while let Some(update) = self.updates.join_next().await {
            if let Ok(Sent {
                outcome: Err(failure),
                ..
            }) = update
            {
                say(&format!("the shadow was not told: {failure}"));
            }
        }
    }
}

/// How long after an accepted update its delta may come.
const DELTA_LIMIT: Duration = Duration::from_secs(5);

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn object(state: &Json) -> Option<Map<String, Value>> {
    state.parse().ok()
}
