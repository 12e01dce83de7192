//! The service: a request in, its answers out.

mod stored;
mod update;

use crate::{
    document::{Document, Record, Tombstone},
    error::{Rejection, ShadowError},
    limits::Throttle,
    random::Random,
    reply::{Answer, Handled, Ignored, Outgoing},
    request::{self, Update},
    said::Said,
    settings::{MessageOrder, Settings},
    store::{MemoryStore, Store, StoreError},
    time::UnixTime,
    write::Members,
};
use alloc::{borrow::Cow, boxed::Box, string::String, string::ToString, vec::Vec};
use shadow_proto::{Operation, ShadowId, Timestamp, Topic, TopicKind};
use stored::Stored;

/// The Device Shadow service of AWS IoT, without IO and without a clock.
///
/// Feed it every MQTT message with [`handle_publish`](Self::handle_publish) and publish what
/// comes back; or call [`get`](Self::get), [`update`](Self::update), [`delete`](Self::delete)
/// and [`list_named`](Self::list_named), as the REST data plane does. Requests are served one
/// after another, each seeing the result of the one before. An accepted change is in the
/// [`Store`] before its answer is returned.
///
/// ```
/// use shadow_service::{Service, Settings, UnixTime};
///
/// let mut service = Service::new(Settings::default());
/// let now = UnixTime::from_seconds(1_767_225_600);
/// let request = br#"{"state": {"desired": {"color": "red"}}, "clientToken": "app-1"}"#;
/// let handled = service.handle_publish("$aws/things/lamp/shadow/update", request, now)?;
///
/// let topics: Vec<_> = handled.messages.iter().map(|message| &*message.topic).collect();
/// assert_eq!(topics, [
///     "$aws/things/lamp/shadow/update/accepted",
///     "$aws/things/lamp/shadow/update/documents",
///     "$aws/things/lamp/shadow/update/delta",
/// ]);
/// assert_eq!(
///     handled.messages[2].payload,
///     concat!(
///         r#"{"version":1,"timestamp":1767225600,"state":{"color":"red"},"#,
///         r#""metadata":{"color":{"timestamp":1767225600}},"clientToken":"app-1"}"#,
///     )
/// );
/// # Ok::<(), shadow_service::Ignored>(())
/// ```
#[derive(Debug)]
pub struct Service<S = MemoryStore> {
    settings: Settings,
    store: S,
    throttle: Throttle,
    shuffle: Random,
    /// Room for reading requests.
    said: Said,
}

impl Service {
    /// A service that keeps its documents in memory.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::with_store(settings, MemoryStore::new())
    }
}

impl<S: Store> Service<S> {
    /// A service over `store`, which may hold documents already.
    #[must_use]
    pub fn with_store(settings: Settings, store: S) -> Self {
        let shuffle = Random::new(match settings.order {
            MessageOrder::Fixed => 0,
            MessageOrder::Shuffled { seed } => seed,
        });
        Self {
            settings,
            store,
            throttle: Throttle::default(),
            shuffle,
            said: Said::default(),
        }
    }

    /// Serves an MQTT message, whatever its topic.
    ///
    /// A rejected request is served too: [`Handled::outcome`] says why, and the messages hold
    /// the answer on the `rejected` topic.
    ///
    /// # Errors
    /// [`Ignored`] if the topic carries no requests; nothing happens then.
    pub fn handle_publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: UnixTime,
    ) -> Result<Handled, Ignored> {
        let (shadow, operation) = self.request(topic)?;
        let answer = match operation {
            Operation::Get => self.get(&shadow, payload, now),
            Operation::Update => self.update(&shadow, payload, now),
            Operation::Delete => self.delete(&shadow, payload, now),
        };
        let (outcome, messages) = match answer {
            Ok(answer) => (
                Ok(answer.version),
                self.messages(&shadow, operation, answer),
            ),
            Err(rejection) => {
                let message = self.rejected(&shadow, operation, &rejection);
                (Err(rejection.error), Vec::from([message]))
            }
        };
        Ok(Handled {
            shadow,
            operation,
            outcome,
            messages,
        })
    }

    /// All messages of an accepted operation, the accepted one included, in the order to
    /// publish them.
    ///
    /// [`handle_publish`](Self::handle_publish) has done this already. The REST data plane
    /// does it for updates and deletes, of which subscribers learn, and not for gets.
    pub fn messages(
        &mut self,
        shadow: &ShadowId,
        operation: Operation,
        answer: Answer,
    ) -> Vec<Outgoing> {
        let mut messages = answer.events;
        messages.insert(0, self.outgoing(shadow, operation.accepted(), answer.body));
        match self.settings.order {
            MessageOrder::Fixed => {}
            MessageOrder::Shuffled { .. } => self.shuffle(&mut messages),
        }
        messages
    }

    /// Gives the whole document. `payload` may be empty, or an object with a client token.
    ///
    /// # Errors
    /// [`Rejection`]: 400 for an invalid token, 404, 413, 429, 500.
    pub fn get(
        &mut self,
        shadow: &ShadowId,
        payload: &[u8],
        now: UnixTime,
    ) -> Result<Answer, Rejection> {
        let token = self.admit_bare(shadow, payload, now)?;
        match self.load(shadow, now) {
            Ok(Stored::Document(document)) => {
                let delta = document.delta(&self.settings.behaviour);
                let mut body = String::with_capacity(AROUND + document.text_length());
                let mut members = Members::open(&mut body);
                document.write_with(&mut members, delta.as_ref());
                members.number("version", document.version());
                close(members, now.timestamp(), token.as_deref());
                Ok(Answer {
                    body,
                    version: document.version(),
                    events: Vec::new(),
                })
            }
            Ok(Stored::Absent { .. }) => Err(rejection(not_found(shadow), token)),
            Err(error) => Err(rejection(internal(&error), token)),
        }
    }

    /// Merges a partial document.
    ///
    /// # Errors
    /// [`Rejection`]: 400 for anything malformed, 409, 413, 415, 429, 500. Nothing has changed.
    pub fn update(
        &mut self,
        shadow: &ShadowId,
        payload: &[u8],
        now: UnixTime,
    ) -> Result<Answer, Rejection> {
        self.admit(shadow, payload, now)?;
        let update = Update::parse(payload, now.timestamp(), &self.settings, &mut self.said)?;
        let token = update.token.as_deref();
        self.merge(shadow, update.state, update.version, token, now)
            .map_err(|error| rejection(error, token.map(Into::into)))
    }

    /// Removes a shadow. `payload` is ignored but for a client token.
    ///
    /// # Errors
    /// [`Rejection`]: 400 for an invalid token, 404, 413, 429, 500.
    pub fn delete(
        &mut self,
        shadow: &ShadowId,
        payload: &[u8],
        now: UnixTime,
    ) -> Result<Answer, Rejection> {
        let token = self.admit_bare(shadow, payload, now)?;
        let version = match self.load(shadow, now) {
            Ok(Stored::Document(document)) => document.version(),
            Ok(Stored::Absent { .. }) => return Err(rejection(not_found(shadow), token)),
            Err(error) => return Err(rejection(internal(&error), token)),
        };
        let counter = version.saturating_add(self.settings.behaviour.delete_takes_version.into());
        let tombstone = Tombstone {
            counter,
            deleted: now.timestamp(),
        };
        if let Err(error) = self.store.commit(shadow, Record::Tombstone(tombstone)) {
            return Err(rejection(internal(&error), token));
        }
        // Old tombstones are also recognised when read, so a failure here can wait.
        let oldest = now.timestamp().seconds();
        let oldest = oldest.saturating_sub(self.settings.tombstone.as_secs());
        let _ = self.store.purge(Timestamp::from_seconds(oldest));

        let mut body = String::new();
        let mut members = Members::open(&mut body);
        members.number("version", version);
        close(members, now.timestamp(), token.as_deref());
        Ok(Answer {
            body,
            version,
            events: Vec::new(),
        })
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The stored document of `shadow`, for tests and pages.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot read it.
    pub fn document(
        &self,
        shadow: &ShadowId,
        now: UnixTime,
    ) -> Result<Option<Cow<'_, Document>>, StoreError> {
        Ok(match self.load(shadow, now)? {
            Stored::Document(document) => Some(document),
            Stored::Absent { .. } => None,
        })
    }

    /// What a topic asks for.
    pub(crate) fn request(&self, topic: &str) -> Result<(ShadowId, Operation), Ignored> {
        let topic = Topic::parse_with(&self.settings.prefix, topic);
        let topic = topic.ok_or(Ignored::NotAShadowTopic)?;
        if !topic.kind().is_request() {
            return Err(Ignored::NotARequest);
        }
        // The names of a parsed topic are legal.
        let shadow = topic.shadow_id().map_err(|_| Ignored::NotAShadowTopic)?;
        Ok((shadow, topic.kind().operation()))
    }

    /// A request that is answered with `error` without being served; its token is echoed.
    #[cfg(feature = "local")]
    pub(crate) fn refuse(
        &self,
        shadow: &ShadowId,
        operation: Operation,
        payload: &[u8],
        error: ShadowError,
    ) -> Handled {
        let token = request::token(payload, &self.settings).ok().flatten();
        let rejection = rejection(error, token);
        Handled {
            shadow: shadow.clone(),
            operation,
            messages: Vec::from([self.rejected(shadow, operation, &rejection)]),
            outcome: Err(rejection.error),
        }
    }

    /// How a topic of `shadow` is spelt.
    pub(crate) fn topic(&self, shadow: &ShadowId, kind: TopicKind) -> Box<str> {
        Topic::new(shadow, kind).spell(&self.settings.prefix)
    }

    /// [`admit`](Self::admit) for a request whose payload can only hold a token.
    fn admit_bare(
        &mut self,
        shadow: &ShadowId,
        payload: &[u8],
        now: UnixTime,
    ) -> Result<Option<Box<str>>, Rejection> {
        self.admit(shadow, payload, now)?;
        request::token(payload, &self.settings)
    }

    /// What is refused before its payload is looked at.
    fn admit(&mut self, shadow: &ShadowId, payload: &[u8], now: UnixTime) -> Result<(), Rejection> {
        if payload.len() > self.settings.limits.max_payload_bytes {
            return Err(ShadowError::TooLarge.into());
        }
        let Some(rate) = self.settings.rate else {
            return Ok(());
        };
        if self.throttle.take(shadow.thing(), rate, now) {
            return Ok(());
        }
        let token = if self.settings.behaviour.echo_throttled_token {
            request::token(payload, &self.settings).ok().flatten()
        } else {
            None
        };
        Err(rejection(ShadowError::TooManyRequests, token))
    }

    fn outgoing(&self, shadow: &ShadowId, kind: TopicKind, payload: String) -> Outgoing {
        Outgoing::new(self.topic(shadow, kind), payload)
    }

    fn rejected(&self, shadow: &ShadowId, operation: Operation, rejection: &Rejection) -> Outgoing {
        self.outgoing(shadow, operation.rejected(), rejection.payload())
    }

    /// Fisher and Yates.
    fn shuffle(&mut self, messages: &mut [Outgoing]) {
        for last in (1..messages.len()).rev() {
            let other = self.shuffle.below(last as u64 + 1);
            messages.swap(last, other as usize);
        }
    }
}

/// Bytes of an answer besides state and metadata, roughly.
const AROUND: usize = 160;

/// The members that end every answer.
fn close(mut members: Members<'_>, now: Timestamp, token: Option<&str>) {
    members.number("timestamp", now.seconds());
    if let Some(token) = token {
        members.text("clientToken", token);
    }
    members.close();
}

fn not_found(shadow: &ShadowId) -> ShadowError {
    ShadowError::NotFound {
        shadow: shadow.clone(),
    }
}

fn internal(error: &StoreError) -> ShadowError {
    ShadowError::Internal {
        cause: error.to_string().into(),
    }
}

fn rejection(error: ShadowError, client_token: Option<Box<str>>) -> Rejection {
    Rejection {
        error,
        client_token,
    }
}
