//! From a call to a request: checks, the payload, merging with what waits.

use super::{
    Client, merge,
    requests::{Mergeable, Part, Place, Purpose, Request},
    shadows::answers,
    timers::Timer,
};
use crate::{
    config::Subscriptions,
    error::RequestError,
    event::{RequestId, ShadowHandle},
    failure::{Failure, NotSent, Stage},
    json::{Json, is_object},
    request::{RequestOptions, Section, Update, WhenOffline},
    token::ClientToken,
    topic::Operation,
    wire::Version,
};
use alloc::{boxed::Box, format, vec::Vec};

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    operation: Operation,
    options: RequestOptions<'a>,
    body: Vec<u8>,
    /// Whether it sets or removes something reported.
    reports: bool,
    conditional: bool,
    latest: Option<Box<Mergeable>>,
}

impl<'a> Ask<'a> {
    /// A get or a delete.
    pub(super) fn plain(operation: Operation, options: RequestOptions<'a>) -> Self {
        let body = Vec::new();
        Self {
            operation,
            options,
            body,
            reports: false,
            conditional: false,
            latest: None,
        }
    }

    pub(super) fn update(update: &Update<'a>) -> Result<Self, RequestError> {
        for (section, name) in [(update.desired, "desired"), (update.reported, "reported")] {
            match section {
                Section::Set(state) if !is_object(state) => {
                    return Err(RequestError::NotAnObject { section: name });
                }
                Section::Set(_) | Section::Leave | Section::Clear => {}
            }
        }
        let options = update.options;
        let mergeable =
            options.latest && update.version.is_none() && options.token.is_none() && !update.clear;
        let latest = mergeable.then(|| {
            Box::new(Mergeable {
                desired: part(update.desired),
                reported: part(update.reported),
            })
        });
        Ok(Self {
            operation: Operation::Update,
            options,
            body: match update.clear {
                true => body_of_clear(update.version),
                false => body(text(update.desired), text(update.reported), update.version),
            },
            reports: update.clear || !matches!(update.reported, Section::Leave),
            conditional: update.version.is_some(),
            latest,
        })
    }
}

impl Client {
    /// Takes a request, or says why not; then nothing of it is kept.
    pub(super) fn submit(
        &mut self,
        shadow: ShadowHandle,
        ask: Ask<'_>,
        purpose: Purpose,
    ) -> Result<RequestId, RequestError> {
        let thing = self
            .shadows
            .get(shadow)
            .ok_or(RequestError::UnknownShadow)?
            .thing;
        let limits = &self.config.limits;
        let max = limits.requests.min((1 << 24) - 1);
        if purpose == Purpose::Application && self.requests.asked >= max {
            return Err(RequestError::QueueFull { max });
        }
        if ask.body.len() > limits.state {
            return Err(RequestError::TooLarge {
                length: ask.body.len(),
                max: limits.state,
            });
        }
        let own_token = ask
            .options
            .token
            .map(|token| self.check_token(token))
            .transpose()?;
        let publish_only = self.mode(shadow) == Subscriptions::PublishOnly;
        let operation = ask.operation;
        if !publish_only {
            self.reserve(shadow, answers(operation))
                .map_err(RequestError::Budget)?;
        }
        let id = self.requests.next_id();
        let deadline = match purpose {
            // The client's own gets may wait long for their turn: their time begins when sent.
            Purpose::Resync => None,
            Purpose::Application | Purpose::Followers => {
                let timeout = ask.options.timeout.unwrap_or(self.config.response_timeout);
                Some(self.now + timeout)
            }
        };
        if let Some(deadline) = deadline {
            self.timers.set(deadline, Timer::Deadline(id));
        }
        let offline = !self.connected && ask.options.when_offline == WhenOffline::Fail;
        let merges = ask.latest.is_some();
        self.requests.insert(Request {
            id,
            shadow,
            thing,
            operation,
            purpose,
            body: ask.body,
            own_token,
            counter: 0,
            earlier: Vec::new(),
            deadline,
            retry_at: None,
            place: Place::Waiting,
            stage: Stage::Queued,
            qos: ask.options.qos.unwrap_or_else(|| self.qos(shadow)),
            publish_only,
            needs_gate: ask.reports && self.gates(shadow),
            when_offline: ask.options.when_offline,
            retry: ask.options.retry,
            conditional: ask.conditional,
            latest: ask.latest,
            followers: Vec::new(),
            hint: None,
            epoch: 0,
        });
        self.waiting.push(id);
        self.promote_due = true;
        if !publish_only {
            self.add_user(shadow, operation);
        }
        match purpose {
            Purpose::Application | Purpose::Followers => self.stats.requests += 1,
            Purpose::Resync => self.stats.resyncs += 1,
        }
        if offline {
            self.fail(id, |stage| Failure::NotSent {
                stage,
                reason: NotSent::Offline,
            });
        } else if merges {
            self.merge_with_older(shadow, id);
        }
        Ok(id)
    }

    fn check_token(&self, token: &str) -> Result<Box<ClientToken>, RequestError> {
        let token = ClientToken::new(token).map_err(RequestError::Token)?;
        if token
            .as_str()
            .starts_with(self.config.token_prefix.as_str())
        {
            return Err(RequestError::TokenPrefixed);
        }
        if self.requests.is_taken(&token) {
            return Err(RequestError::TokenInUse);
        }
        Ok(Box::new(token))
    }

    /// Merges the last update of the shadow that waits and may be merged into this newer one,
    /// which then ends both.
    fn merge_with_older(&mut self, shadow: ShadowHandle, newer: RequestId) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        let Some(older) = entry.latest.replace(newer) else {
            return;
        };
        let (Some(old), Some(new)) = (self.requests.get(older), self.requests.get(newer)) else {
            return;
        };
        let unsent = matches!(old.place, Place::Waiting | Place::Ready) && old.counter == 0;
        let alike = old.qos == new.qos && old.publish_only == new.publish_only;
        // The shared outcome comes no later than each of the two may wait.
        if !unsent || !alike || old.deadline > new.deadline || old.when_offline != new.when_offline
        {
            return;
        }
        let (Some(before), Some(after)) = (&old.latest, &new.latest) else {
            return;
        };
        let Some(desired) = merge_parts(&before.desired, &after.desired) else {
            return;
        };
        let Some(reported) = merge_parts(&before.reported, &after.reported) else {
            return;
        };
        let body = body(part_text(&desired), part_text(&reported), None);
        if body.len() > self.config.limits.state {
            return;
        }
        self.stats.merged += 1;
        let Some(old) = self.requests.get_mut(older) else {
            return;
        };
        old.place = Place::Follower(newer);
        old.latest = None;
        old.body = Vec::new();
        let publish_only = old.publish_only;
        let needs_gate = old.needs_gate;
        let mut followers = core::mem::take(&mut old.followers);
        for follower in &followers {
            if let Some(follower) = self.requests.get_mut(*follower) {
                follower.place = Place::Follower(newer);
            }
        }
        followers.push(older);
        if let Some(new) = self.requests.get_mut(newer) {
            new.body = body;
            new.latest = Some(Box::new(Mergeable { desired, reported }));
            new.followers = followers;
            new.needs_gate |= needs_gate;
        }
        if !publish_only {
            self.remove_user(shadow, Operation::Update);
        }
        self.waiting.retain(|waiting| *waiting != older);
    }
}

fn part(section: Section<'_>) -> Part {
    match section {
        Section::Leave => Part::Leave,
        Section::Clear => Part::Clear,
        Section::Set(state) => Part::Set(Json::from_raw(state)),
    }
}

/// What two updates of a section come to together; `None` if no single update does the same.
fn merge_parts(before: &Part, after: &Part) -> Option<Part> {
    Some(match (before, after) {
        (Part::Leave, Part::Leave) => Part::Leave,
        (Part::Clear, Part::Leave) | (_, Part::Clear) => Part::Clear,
        (Part::Leave, Part::Set(state)) | (Part::Set(state), Part::Leave) => {
            Part::Set(state.clone())
        }
        (Part::Set(before), Part::Set(after)) => Part::Set(merge::merge(before, after)?),
        // "Replace the section" cannot be said in one update.
        (Part::Clear, Part::Set(_)) => return None,
    })
}

fn text(section: Section<'_>) -> Option<&str> {
    match section {
        Section::Leave => None,
        Section::Clear => Some("null"),
        Section::Set(state) => Some(state.get()),
    }
}

fn part_text(part: &Part) -> Option<&str> {
    match part {
        Part::Leave => None,
        Part::Clear => Some("null"),
        Part::Set(state) => Some(state.as_str()),
    }
}

/// An update's payload without its closing brace.
fn body(desired: Option<&str>, reported: Option<&str>, version: Option<Version>) -> Vec<u8> {
    let length = desired.map_or(0, str::len) + reported.map_or(0, str::len);
    let mut body = Vec::with_capacity(length + 64);
    body.extend_from_slice(br#"{"state":{"#);
    if let Some(desired) = desired {
        body.extend_from_slice(br#""desired":"#);
        body.extend_from_slice(desired.as_bytes());
    }
    if let Some(reported) = reported {
        if desired.is_some() {
            body.push(b',');
        }
        body.extend_from_slice(br#""reported":"#);
        body.extend_from_slice(reported.as_bytes());
    }
    body.push(b'}');
    push_version(&mut body, version);
    body
}

fn body_of_clear(version: Option<Version>) -> Vec<u8> {
    let mut body = Vec::from(br#"{"state":null"#.as_slice());
    push_version(&mut body, version);
    body
}

fn push_version(body: &mut Vec<u8>, version: Option<Version>) {
    if let Some(version) = version {
        body.extend_from_slice(format!(r#","version":{version}"#).as_bytes());
    }
}
