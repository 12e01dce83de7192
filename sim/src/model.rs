//! What really happened at the service: against this the clients are judged.

use shadow_proto::{
    Field, Json, Operation,
    wire::{self, Message},
};
use shadow_proto::{ShadowId, TopicKind};
use std::collections::{BTreeMap, BTreeSet};

/// One version of a shadow's document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// The difference at that version, as text; `None` if there was none, or if nothing told it.
    pub(crate) delta: Option<String>,
    pub(crate) desired: Option<String>,
    pub(crate) reported: Option<String>,
}

/// The history of one shadow.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Counts how often it was made: the first is 1.
    pub(crate) incarnation: u32,
    /// Its version now; `None` while there is no document.
    pub(crate) version: Option<u64>,
    /// By version, each incarnation that had it.
    versions: BTreeMap<u64, Vec<(u32, Facts)>>,
    /// The deletes: version deleted, and of which incarnation.
    pub(crate) deletes: Vec<(u64, u32)>,
}

impl History {
    /// The incarnations that had a version, oldest first.
    pub(crate) fn facts(&self, version: u64) -> &[(u32, Facts)] {
        self.versions.get(&version).map_or(&[], Vec::as_slice)
    }

    fn entry(&mut self, version: u64) -> &mut Facts {
        let incarnation = self.incarnation;
        let all = self.versions.entry(version).or_default();
        if all.last().is_none_or(|(of, _)| *of != incarnation) {
            all.push((incarnation, Facts::default()));
        }
        &mut all.last_mut().expect("one was just put there").1
    }
}

/// What happened to the requests with one token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fate {
    /// How often one was applied.
    pub(crate) applied: u32,
    /// How often that was one of two copies: if the first was refused for the rate, the client
    /// cannot know of the second.
    pub(crate) excused: u32,
    /// How often one was served at all.
    pub(crate) served: u32,
}

/// Everything that happened.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) shadows: Vec<(ShadowId, History)>,
    pub(crate) fates: BTreeMap<(usize, Operation, String), Fate>,
    /// The measurements that were applied.
    pub(crate) marks: BTreeSet<u64>,
    last_mark: u64,
}

/// What an accepted update did, for the totals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Plain,
    Recreated,
    CountedAnew,
}

impl Model {
    pub(crate) fn new(shadows: &[ShadowId]) -> Self {
        Self {
            shadows: shadows
                .iter()
                .map(|id| (id.clone(), History::default()))
                .collect(),
            fates: BTreeMap::new(),
            marks: BTreeSet::new(),
            last_mark: 0,
        }
    }

    pub(crate) fn index(&self, id: &ShadowId) -> usize {
        let found = self.shadows.iter().position(|(other, _)| other == id);
        found.expect("nobody speaks of other shadows")
    }

    pub(crate) fn history(&self, shadow: usize) -> &History {
        &self.shadows[shadow].1
    }

    pub(crate) fn fate(&mut self, shadow: usize, operation: Operation, token: &str) -> &mut Fate {
        let key = (shadow, operation, token.to_owned());
        self.fates.entry(key).or_default()
    }

    /// A measurement like no other.
    pub(crate) fn mark(&mut self) -> u64 {
        self.last_mark += 1;
        self.last_mark
    }

    /// The measurements of an update were applied.
    pub(crate) fn applied(&mut self, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload);
        for key in ["\"m0\":", "\"m1\":", "\"m2\":"] {
            if let Some((_, rest)) = text.split_once(key) {
                let end = rest.find(|c: char| !c.is_ascii_digit());
                self.marks
                    .extend(rest[..end.unwrap_or(rest.len())].parse::<u64>().ok());
            }
        }
    }

    /// An update was accepted.
    pub(crate) fn updated(&mut self, shadow: usize, version: u64) -> Change {
        let history = &mut self.shadows[shadow].1;
        let mut change = Change::Plain;
        match history.version {
            None => {
                if history.incarnation > 0 {
                    change = if version == 1 {
                        Change::CountedAnew
                    } else {
                        Change::Recreated
                    };
                }
                history.incarnation += 1;
            }
            Some(before) => assert_eq!(version, before + 1, "versions count by one"),
        }
        history.version = Some(version);
        history.entry(version);
        change
    }

    /// A delete was accepted.
    pub(crate) fn deleted(&mut self, shadow: usize, version: u64) {
        let history = &mut self.shadows[shadow].1;
        assert_eq!(history.version, Some(version), "what is deleted was there");
        history.version = None;
        history.deletes.push((version, history.incarnation));
    }

    /// Learns from a message of the service what the document is.
    pub(crate) fn learn(&mut self, shadow: usize, kind: TopicKind, payload: &[u8]) {
        let history = &mut self.shadows[shadow].1;
        match wire::decode(kind, payload) {
            Ok(Message::Delta(delta)) => {
                history.entry(delta.version.number()).delta = Some(delta.state.get().to_owned());
            }
            Ok(Message::Documents(documents)) => {
                let entry = history.entry(documents.current.version.number());
                entry.desired = text(documents.current.state.desired);
                entry.reported = text(documents.current.state.reported);
            }
            Ok(Message::GetAccepted(answer)) => {
                let entry = history.entry(answer.version.number());
                entry.delta = text(answer.state.delta);
            }
            Ok(_) => {}
            Err(error) => panic!("the service published what cannot be read: {error}"),
        }
    }
}

fn text<T: AsText>(field: Field<T>) -> Option<String> {
    field.value().map(T::as_text)
}

/// JSON text, owned or borrowed.
pub(crate) trait AsText {
    fn as_text(&self) -> String;
}

impl AsText for &serde_json::value::RawValue {
    fn as_text(&self) -> String {
        self.get().to_owned()
    }
}

impl AsText for Json {
    fn as_text(&self) -> String {
        self.as_str().to_owned()
    }
}
