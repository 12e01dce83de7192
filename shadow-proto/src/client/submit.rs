//! From a call to a request: checks, and the payload.

use super::{
    Client,
    requests::{Mergeable, Place, Purpose, Request},
    shadows::answers,
    timers::Timer,
};
use crate::{
    config::Subscriptions,
    error::RequestError,
    event::{RequestId, ShadowHandle},
    failure::{Failure, NotSent, Stage},
    json::is_object,
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
        let latest = mergeable.then(|| Box::new(Mergeable::new(update.desired, update.reported)));
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
        let reserves = ask.options.reserve_token && own_token.is_none();
        let reserved = reserves.then(|| self.requests.next_counter());
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
            reserved,
            counter: 0,
            earlier: Vec::new(),
            deadline,
            retry_at: None,
            place: Place::Waiting,
            stage: Stage::Queued,
            earlier_stage: Stage::Queued,
            acknowledged: false,
            repeated: false,
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
            newest: None,
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
            self.fail(id, |_, stage| Failure::NotSent {
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
}

impl Update<'_> {
    /// The payload of an update, for who sends it by other means: over REST, or by a client of
    /// one's own. It has a client token only if the options hold one, and nothing is checked.
    ///
    /// ```
    /// use shadow_proto::{Json, Update, Version};
    ///
    /// let color = Json::from_text(r#"{"color":"red"}"#)?;
    /// let update = Update::desired(&color).if_version(Version::new(7));
    /// assert_eq!(update.to_payload(), br#"{"state":{"desired":{"color":"red"}},"version":7}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        let mut payload = match self.clear {
            true => body_of_clear(self.version),
            false => body(text(self.desired), text(self.reported), self.version),
        };
        if let Some(token) = self.options.token {
            payload.extend_from_slice(br#","clientToken":"#);
            let quoted = serde_json::to_string(token).unwrap_or_default();
            payload.extend_from_slice(quoted.as_bytes());
        }
        payload.push(b'}');
        payload
    }
}

fn text(section: Section<'_>) -> Option<&str> {
    match section {
        Section::Leave => None,
        Section::Clear => Some("null"),
        Section::Set(state) => Some(state.get()),
    }
}

/// An update's payload without its closing brace.
pub(super) fn body(
    desired: Option<&str>,
    reported: Option<&str>,
    version: Option<Version>,
) -> Vec<u8> {
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
