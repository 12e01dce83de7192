//! The protocol's scenarios as data (feature `vectors`): read, filled in, compared.
//!
//! [`scenarios`] gives all of `vectors/examples.json`. A harness plays each step's request
//! against whatever it tests, collects what was published, and calls
//! [`Alternative::check`]. [`messages`] gives every message that occurs in them, for tests of
//! decoders. Nothing here needs more than the crate itself.
//!
//! ```
//! # #[cfg(feature = "vectors")] {
//! use shadow_service::{Service, Settings, UnixTime, vectors};
//!
//! let scenarios = vectors::scenarios()?;
//! let scenario = scenarios.iter().find(|s| s.name == "delta-flat").unwrap();
//! let mut service = Service::new(Settings::default());
//! let mut times = vectors::Times::new();
//! for (number, step) in (1..).zip(&scenario.steps) {
//!     let now = UnixTime::from_seconds(1_000 + number);
//!     times.set(number, now.timestamp());
//!     let handled = service.handle_publish(&step.topic(), step.payload.as_bytes(), now).unwrap();
//!     let seen = vectors::Seen::all(&handled.messages)?;
//!     let document = service.document(&step.shadow, now).unwrap();
//!     let document = document.map(|document| document.to_json());
//!     step.ours().check(&step.shadow, &seen, document.as_deref(), &mut times)?;
//! }
//! # }
//! # Ok::<(), shadow_service::vectors::VectorError>(())
//! ```

mod matching;
mod reading;

pub use matching::{Seen, Times};

use crate::value::Value;
use alloc::{borrow::ToOwned, string::String, string::ToString, vec::Vec};
use core::fmt;
use shadow_proto::{Operation, ShadowId, Topic, TopicKind};

/// Where the clock of [`messages`] starts: step N happens N seconds later.
pub const START: u64 = 1_767_225_600;

/// The text of `vectors/examples.json`.
///
/// For a test that is not written in Rust, or with another JSON type:
///
/// ```
/// use shadow_service::{Value, vectors::EXAMPLES};
///
/// let scenarios = Value::parse(EXAMPLES)?;
/// let first = scenarios.as_array().and_then(|all| all.first()?.as_object()).unwrap();
/// for field in ["name", "source", "confidence", "thing", "steps"] {
///     assert!(first.get(field).is_some(), "{field}");
/// }
/// # Ok::<(), shadow_service::ParseError>(())
/// ```
pub const EXAMPLES: &str = include_str!("../vectors/examples.json");

/// A story of one or more requests, beginning without any shadow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// Its name, unique.
    pub name: String,
    /// How sure it is that AWS does so: `certain` or `likely`.
    pub confidence: String,
    /// Where it is known from.
    pub source: String,
    /// A limit on the document that holds in this scenario only, in bytes.
    pub max_document_bytes: Option<usize>,
    /// A limit on the depth that holds in this scenario only.
    pub max_depth: Option<usize>,
    /// What happens, in order. Steps are numbered from 1.
    pub steps: Vec<Step>,
}

/// One request and what comes of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The shadow it is about.
    pub shadow: ShadowId,
    /// What it asks for.
    pub operation: Operation,
    /// The exact text to publish; may be empty, or no JSON.
    pub payload: String,
    /// What may come of it; never empty. The first is what our service does. Only the last
    /// step of a scenario has more than one.
    pub alternatives: Vec<Alternative>,
}

impl Step {
    /// The topic to publish to, under `$aws`.
    #[must_use]
    pub fn topic(&self) -> String {
        Topic::new(&self.shadow, self.operation.request()).to_string()
    }

    /// The outcome our service has.
    #[must_use]
    pub fn ours(&self) -> &Alternative {
        static NONE: Alternative = Alternative {
            label: String::new(),
            messages: Vec::new(),
            document: None,
        };
        // The reader refuses a step without alternatives.
        self.alternatives.first().unwrap_or(&NONE)
    }

    /// Whether one of the alternatives agrees with what was seen; see [`Alternative::check`].
    ///
    /// # Errors
    /// [`VectorError`] that tells why our own outcome does not agree.
    pub fn check_any(
        &self,
        seen: &[Seen],
        document: Option<&str>,
        times: &mut Times,
    ) -> Result<(), VectorError> {
        let first = self.ours().check(&self.shadow, seen, document, times);
        first.or_else(|error| {
            let mut others = self.alternatives.iter().skip(1);
            let agrees = |other: &Alternative| {
                let checked = other.check(&self.shadow, seen, document, times);
                checked.is_ok()
            };
            if others.any(agrees) {
                Ok(())
            } else {
                Err(error)
            }
        })
    }
}

/// What may come of a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Alternative {
    /// What sets it apart; empty where there is one only.
    pub label: String,
    /// Every message the service publishes, in no particular order, as patterns.
    pub messages: Vec<(TopicKind, Value)>,
    /// The stored document afterwards, as a pattern.
    pub document: Option<Value>,
}

/// A message that occurs in a scenario, with its placeholders filled in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The scenario's name.
    pub scenario: String,
    /// The number of the step, from 1.
    pub step: u64,
    /// The shadow that the message is about.
    pub shadow: ShadowId,
    /// Which of its topics.
    pub kind: TopicKind,
    /// The topic under `$aws`.
    pub topic: String,
    /// The payload as compact JSON text.
    pub payload: String,
    /// The payload as a value.
    pub value: Value,
}

/// All scenarios.
///
/// # Errors
/// [`VectorError`] if the file breaks its own format.
pub fn scenarios() -> Result<Vec<Scenario>, VectorError> {
    reading::scenarios(EXAMPLES)
}

/// Every message the service publishes in any scenario, alternatives included.
///
/// # Errors
/// As [`scenarios`].
pub fn messages() -> Result<impl Iterator<Item = Message>, VectorError> {
    let steps = scenarios()?.into_iter().flat_map(|scenario| {
        let numbered = (1..).zip(scenario.steps);
        numbered.map(move |(number, step)| (scenario.name.clone(), number, step))
    });
    Ok(steps.flat_map(|(scenario, number, step)| {
        let shadow = step.shadow;
        let messages = step.alternatives.into_iter().flat_map(|a| a.messages);
        messages.map(move |(kind, pattern)| {
            let value = matching::fill(&pattern);
            Message {
                scenario: scenario.clone(),
                step: number,
                topic: Topic::new(&shadow, kind).to_string(),
                shadow: shadow.clone(),
                kind,
                payload: value.to_string(),
                value,
            }
        })
    }))
}

/// What disagrees, or what is wrong with the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VectorError(String);

impl VectorError {
    fn new(description: impl Into<String>) -> Self {
        Self(description.into())
    }

    /// The same error, with what it is about before it.
    fn within(&self, context: &str) -> Self {
        Self([context, &self.0].join(": ").to_owned())
    }
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for VectorError {}
