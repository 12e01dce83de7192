//! The light itself.

use device_shadow::{
    proto::{Delta, Document, Event, Interest, Json, Update},
    tokio::{ConnectionEvent, ConnectionEvents, Events, RequestFailure, Shadow, ShadowClient},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{Result, args::Args, console::say};

pub(crate) struct Device {
    shadow: Shadow,
    property: String,
    mute: bool,
    value: Option<Value>,
    /// Whether the shadow was in step once.
    started: bool,
    events: Events,
    connection: ConnectionEvents,
    /// Reports on their way.
    reports: JoinSet<std::result::Result<(), RequestFailure>>,
}

/// How a device ends.
pub(crate) enum Done {
    Quit,
    Failed(String),
}

impl Device {
    /// Follows the shadow. With the five filters of deltas, gets and updates everything a light
    /// needs is subscribed before the first get.
    pub(crate) fn start(client: &ShadowClient, args: &Args) -> Result<Self> {
        let shadow = client.shadow(args.shadow_id()?)?;
        let events = shadow.events(Interest::DELTA | Interest::UPDATE)?;
        Ok(Self {
            connection: client.connection_events(),
            shadow,
            property: args.property.clone(),
            mute: args.mute,
            value: None,
            started: false,
            events,
            reports: JoinSet::new(),
        })
    }

    /// Handles what happens next.
    pub(crate) async fn step(&mut self) -> Option<Done> {
        tokio::select! {
            event = self.events.next() => match event {
                Some(Ok(event)) => return self.handle(event),
                // Too slow for all events: the next document makes up for it.
                Some(Err(_)) => self.shadow.resync(),
                None => return Some(Done::Failed("the client has stopped".to_owned())),
            },
            Some(event) = self.connection.next() => match event {
                ConnectionEvent::Connected(_) | ConnectionEvent::Stopped => {}
                other => say(&other.to_string()),
            },
            Some(report) = self.reports.join_next() => match report {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => {
                    say(&format!("the report failed: {failure}"));
                    self.shadow.resync();
                }
                Err(panic) => return Some(Done::Failed(panic.to_string())),
            },
        }
        None
    }

    fn handle(&mut self, event: Event) -> Option<Done> {
        match event {
            Event::Ready { document, .. } => {
                self.started = true;
                self.adopt(document.as_deref());
            }
            Event::Delta { delta, .. } => self.apply(&delta),
            Event::Refused { filter, code, .. } => {
                return Some(Done::Failed(format!(
                    "the broker refused the subscription to {filter}: {code}"
                )));
            }
            Event::ResyncFailed { failure, .. } if !self.started => {
                return Some(Done::Failed(format!("could not get the shadow: {failure}")));
            }
            Event::ResyncFailed {
                failure, retry_in, ..
            } => {
                let again =
                    retry_in.map_or_else(String::new, |delay| format!("; again in {delay:.1?}"));
                say(&format!("could not get the shadow: {failure}{again}"));
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

    /// Takes over what the shadow knows, or tells it what is.
    fn adopt(&mut self, document: Option<&Document>) {
        let Some(document) = document else {
            say("there is no shadow yet");
            return self.set_default();
        };
        let find = |section: Option<&Json>| read(section, &self.property);
        if let Some(wanted) = find(document.delta.value()) {
            say(&format!("the shadow wants {} = {wanted}", self.property));
            return self.change(wanted);
        }
        match find(document.reported.value()) {
            Some(reported) => {
                say(&format!(
                    "the shadow has {} = {reported}, as wanted",
                    self.property
                ));
                self.value = Some(reported);
            }
            None => self.set_default(),
        }
    }

    fn set_default(&mut self) {
        say(&format!("nothing known of {}, set to off", self.property));
        self.change(json!("off"));
    }

    fn apply(&mut self, delta: &Delta) {
        match read(Some(&delta.state), &self.property) {
            Some(wanted) if self.value.as_ref() == Some(&wanted) && !self.reports.is_empty() => {
                // Applied already, the report is on its way.
            }
            Some(wanted) => {
                say(&format!("delta: {} = {wanted}", self.property));
                self.change(wanted);
            }
            None => say(&format!("delta without {}: {}", self.property, delta.state)),
        }
    }

    /// Does what was asked, then reports what is: `reported` only.
    fn change(&mut self, value: Value) {
        self.value = Some(value.clone());
        let report = json!({ (self.property.as_str()): value });
        if self.mute {
            return say("mute: not reported");
        }
        let shadow = self.shadow.clone();
        self.reports.spawn(async move {
            shadow.report(&report).await?;
            say(&format!("reported {report}"));
            Ok(())
        });
    }

    /// A line typed at the light: whether that was the last.
    pub(crate) fn typed(&mut self, line: &str) -> bool {
        match line.trim() {
            "" => {}
            "quit" | "exit" => return true,
            "clear_shadow" => {
                self.value = None;
                self.send("cleared the shadow".to_owned(), None);
            }
            "none" => {
                self.value = None;
                self.send(format!("removed {}", self.property), Some(Value::Null));
            }
            value if self.value.as_ref().and_then(Value::as_str) == Some(value) => {
                say(&format!("{} is {value} already", self.property));
            }
            value => {
                self.value = Some(json!(value));
                self.send(
                    format!("set {} = {value}, reported and desired", self.property),
                    Some(json!(value)),
                );
            }
        }
        false
    }

    /// Sets the property in both sections at once: else the old desired value comes straight
    /// back as a delta. `None` clears both sections.
    fn send(&mut self, done: String, value: Option<Value>) {
        let state =
            value.map(|value| Json::from_value(&json!({ (self.property.as_str()): value })));
        let shadow = self.shadow.clone();
        self.reports.spawn(async move {
            match state.transpose().map_err(RequestFailure::Json)? {
                Some(state) => shadow.update(Update::both(&state, &state)).await?,
                None => shadow.update(Update::clear()).await?,
            };
            say(&done);
            Ok(())
        });
    }

    /// Waits for the reports on their way.
    pub(crate) async fn finish(&mut self) {
        while self.reports.join_next().await.is_some() {}
    }
}

fn read(state: Option<&Json>, property: &str) -> Option<Value> {
    let mut state: serde_json::Map<String, Value> = state?.parse().ok()?;
    state.remove(property)
}
