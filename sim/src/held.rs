//! What a client has of a shadow, and what its application made of it.

use serde_json::{Map, Value};
use shadow_proto::{Interest, RequestId, ShadowHandle, Version};
use std::collections::BTreeMap;

/// A shadow that a client has, and what its application makes of it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) shadow: usize,
    pub(crate) handle: ShadowHandle,
    pub(crate) interest: Interest,
    /// What a device has applied.
    pub(crate) state: Map<String, Value>,
    /// What it has still to report.
    pub(crate) pending: Map<String, Value>,
    pub(crate) reports: BTreeMap<RequestId, Map<String, Value>>,
    /// Gets of the application whose delta it applies.
    pub(crate) fetches: Vec<RequestId>,
    pub(crate) seen: Seen,
    /// The newest version the application knows of.
    pub(crate) version: Option<Version>,
    /// Whether a refusal was told since the last remedy.
    pub(crate) refused: bool,
    /// Whether what operations used may be refused still: only what it registered was asked for
    /// again.
    pub(crate) partly: bool,
    /// Whether events were dropped because it did not take them.
    pub(crate) lagged: bool,
    /// Whether the subscription budget has no room for a get.
    pub(crate) blind: bool,
}

/// What a client was told of a shadow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The incarnation that what comes next is at least of, since the delete of the one before was told.
    pub(crate) floor: u32,
    /// The last delta: incarnation and version.
    pub(crate) delta: (u32, u64),
    /// The last documents.
    pub(crate) documents: (u32, u64),
    pub(crate) mirror: Option<Mirror>,
}

/// A document as the application last saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mirror {
    pub(crate) version: u64,
    pub(crate) timestamp: u64,
    pub(crate) desired: Option<String>,
    pub(crate) reported: Option<String>,
}

impl Held {
    pub(crate) fn new(shadow: usize, handle: ShadowHandle, interest: Interest) -> Self {
        Self {
            shadow,
            handle,
            interest,
            state: Map::new(),
            pending: Map::new(),
            reports: BTreeMap::new(),
            fetches: Vec::new(),
            seen: Seen::default(),
            version: None,
            refused: false,
            partly: false,
            lagged: false,
            blind: false,
        }
    }

    /// The application starts again with what it kept, in a client that was restored. Of what it
    /// asked for it will not hear, so it reports once more what it has applied.
    pub(crate) fn goes_on_as(&mut self, handle: ShadowHandle) {
        self.handle = handle;
        self.fetches.clear();
        for report in std::mem::take(&mut self.reports).into_values() {
            self.repeat(&report);
        }
    }

    /// A report did not get through. A measurement is not repeated.
    pub(crate) fn repeat(&mut self, report: &Map<String, Value>) {
        for key in report.keys() {
            if let Some(value) = self.state.get(key) {
                self.pending.insert(key.clone(), value.clone());
            }
        }
    }
}
