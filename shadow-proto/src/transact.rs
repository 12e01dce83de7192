//! Read, change, write: again when somebody else was faster.

use crate::{
    client::Client,
    document::{Accepted, Document, Updated},
    error::RequestError,
    event::{Event, RequestId, ShadowHandle},
    failure::Failure,
    json::Json,
    request::{RequestOptions, Section, Update},
    time::Instant,
    wire::ErrorCode,
};
use alloc::boxed::Box;
use core::{fmt, time::Duration};

/// A get, a change that depends on the document, and an update that is refused (409) if the
/// document changed in between; then all of it again, a limited number of times.
///
/// Start it, then show it every event. A document that does not exist yet is created without a
/// condition, since it has no version to insist on.
///
/// ```
/// # use shadow_proto::*;
/// # let mut client = Client::new(Config::new(TokenPrefix::new("p")?));
/// # let now = Instant::ORIGIN;
/// # let shadow = client.add_shadow(ShadowId::classic("counter")?, Interest::NONE, now)?;
/// let mut transaction = Transaction::start(&mut client, shadow, 3, None, now)?;
/// let mut count_up = |document: Option<&Document>| {
///     let count = document.and_then(|document| document.reported.value());
///     let count: u64 = count.and_then(|count| count.at("/count")?.parse().ok()).unwrap_or(0);
///     Some(Change::reported(Json::from_text(&format!(r#"{{"count":{}}}"#, count + 1)).ok()?))
/// };
/// while let Some(output) = client.poll_output() {
///     if let Output::Event(event) = output {
///         match transaction.handle(&event, &mut client, now, &mut count_up) {
///             Step::Going => { /* not over, or not about it */ }
///             Step::Done(outcome) => println!("{outcome:?}"),
///         }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Transaction {
    shadow: ShadowHandle,
    tries: u32,
    timeout: Option<Duration>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Getting(RequestId),
    Updating(RequestId),
    Over,
}

/// What a transaction writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Change {
    /// To be merged into desired.
    pub desired: Option<Json>,
    /// To be merged into reported.
    pub reported: Option<Json>,
}

impl Change {
    /// Merges `state` into desired.
    #[must_use]
    pub const fn desired(state: Json) -> Self {
        Self {
            desired: Some(state),
            reported: None,
        }
    }

    /// Merges `state` into reported.
    #[must_use]
    pub const fn reported(state: Json) -> Self {
        Self {
            desired: None,
            reported: Some(state),
        }
    }
}

/// Where a transaction is after an event.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it goes on or it is over")]
pub enum Step {
    /// It goes on; the event was not about it, or was its first half.
    Going,
    /// It is over: what was written, or `None` if the closure had nothing to change.
    Done(Result<Option<Box<Updated>>, TransactionError>),
}

/// Why a transaction wrote nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TransactionError {
    /// A request was not taken.
    Request(RequestError),
    /// A request failed; a conflict only if the tries were used up.
    Failure(Failure),
}

impl fmt::Display for TransactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Failure(failure) => failure.fmt(f),
        }
    }
}

impl core::error::Error for TransactionError {}

impl Transaction {
    /// Begins with a get. `tries` is how often the update is tried at most (at least once);
    /// `timeout` is that of each request.
    ///
    /// # Errors
    /// The get was not taken.
    pub fn start(
        client: &mut Client,
        shadow: ShadowHandle,
        tries: u32,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<Self, RequestError> {
        let options = RequestOptions {
            timeout,
            ..RequestOptions::default()
        };
        let get = client.get(shadow, options, now)?;
        Ok(Self {
            shadow,
            tries: tries.max(1),
            timeout,
            state: State::Getting(get),
        })
    }

    /// The request it waits for now; `None` once it is over.
    #[must_use]
    pub const fn request(&self) -> Option<RequestId> {
        match self.state {
            State::Getting(request) | State::Updating(request) => Some(request),
            State::Over => None,
        }
    }

    /// Looks at an event of the client. `change` is given the document (`None` if there is none)
    /// and says what to write, or nothing; it is called again after a conflict.
    pub fn handle(
        &mut self,
        event: &Event,
        client: &mut Client,
        now: Instant,
        change: &mut impl FnMut(Option<&Document>) -> Option<Change>,
    ) -> Step {
        let Event::Response {
            request, outcome, ..
        } = event
        else {
            return Step::Going;
        };
        let step = match self.state {
            State::Getting(get) if get == *request => self.got(outcome, client, now, change),
            State::Updating(update) if update == *request => self.updated(outcome, client, now),
            State::Getting(_) | State::Updating(_) | State::Over => return Step::Going,
        };
        if matches!(step, Step::Done(_)) {
            self.state = State::Over;
        }
        step
    }

    fn got(
        &mut self,
        outcome: &Result<Accepted, Failure>,
        client: &mut Client,
        now: Instant,
        change: &mut impl FnMut(Option<&Document>) -> Option<Change>,
    ) -> Step {
        let document = match outcome {
            Ok(accepted) => accepted.document(),
            Err(Failure::Rejected(rejection)) if rejection.code == ErrorCode::NOT_FOUND => None,
            Err(failure) => return Step::Done(Err(TransactionError::Failure(failure.clone()))),
        };
        let Some(change) = change(document) else {
            return Step::Done(Ok(None));
        };
        let update = Update {
            desired: change
                .desired
                .as_ref()
                .map_or(Section::Leave, |state| Section::Set(state.as_raw())),
            reported: change
                .reported
                .as_ref()
                .map_or(Section::Leave, |state| Section::Set(state.as_raw())),
            version: document.map(|document| document.version),
            options: RequestOptions {
                timeout: self.timeout,
                ..RequestOptions::default()
            },
            clear: false,
        };
        match client.update(self.shadow, update, now) {
            Ok(update) => self.state = State::Updating(update),
            Err(error) => return Step::Done(Err(TransactionError::Request(error))),
        }
        Step::Going
    }

    fn updated(
        &mut self,
        outcome: &Result<Accepted, Failure>,
        client: &mut Client,
        now: Instant,
    ) -> Step {
        match outcome {
            Ok(Accepted::Update(update)) => Step::Done(Ok(Some(update.clone()))),
            Ok(_) => Step::Done(Ok(None)),
            Err(Failure::Rejected(rejection))
                if rejection.code == ErrorCode::CONFLICT && self.tries > 1 =>
            {
                self.tries -= 1;
                let options = RequestOptions {
                    timeout: self.timeout,
                    ..RequestOptions::default()
                };
                match client.get(self.shadow, options, now) {
                    Ok(get) => self.state = State::Getting(get),
                    Err(error) => return Step::Done(Err(TransactionError::Request(error))),
                }
                Step::Going
            }
            Err(failure) => Step::Done(Err(TransactionError::Failure(failure.clone()))),
        }
    }
}
