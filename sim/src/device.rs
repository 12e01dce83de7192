//! What applications do with events: devices apply and report, watchers mirror; and the rules events are held to.

use crate::{
    held::Mirror,
    totals::Happened,
    workload::{Options, Want},
    world::{Happening, World},
};
use serde_json::{Map, Value};
use shadow_proto::{
    Accepted, Delta, Document, ErrorCode, Event, Failure, Field, Json, Operation, Origin,
    RequestError, RequestId, Snapshot, Timestamp, Version,
};
use std::time::Duration;

impl World {
    /// An event reaches the application of a client.
    pub(crate) fn event(&mut self, node: usize, event: Event) {
        self.log(|| format!("client {node}: {event:?}"));
        let Some(held) = self.held_of(node, event.shadow()) else {
            // The shadow was removed: only its requests still speak.
            if let Event::Response {
                shadow,
                request,
                token,
                outcome,
                ..
            } = event
            {
                let token = token.map(|token| token.as_str().to_owned());
                self.check_outcome(node, shadow, request, token.as_deref(), &outcome);
            }
            return;
        };
        let shadow = self.nodes[node].held[held].shadow;
        match event {
            Event::Ready {
                document, fetched, ..
            } => {
                self.nodes[node].check.fetched(shadow);
                self.totals.note(match (&document, fetched) {
                    (Some(_), _) => Happened::Ready,
                    (None, true) => Happened::ReadyWithout,
                    (None, false) => Happened::ReadyUnfetched,
                });
                match document {
                    Some(document) => self.document(node, held, &document),
                    None if fetched => self.nodes[node].held[held].seen.mirror = None,
                    None => {}
                }
            }
            Event::ResyncFailed { .. } => {
                self.totals.note(Happened::ResyncFailed);
                self.nodes[node].check.fetched(shadow);
            }
            Event::Refused { .. } => {
                self.totals.note(Happened::Refused);
                self.nodes[node].held[held].refused = true;
            }
            Event::Response {
                shadow,
                request,
                token,
                outcome,
                ..
            } => {
                let token = token.map(|token| token.as_str().to_owned());
                self.check_outcome(node, shadow, request, token.as_deref(), &outcome);
                self.response(node, held, request, outcome);
            }
            Event::LateAnswer { request, token, .. } => {
                self.totals.note(Happened::LateAnswer);
                self.check_late(node, request, token.as_str());
            }
            Event::ForeignAnswer {
                token, operation, ..
            } => {
                self.totals.note(Happened::ForeignAnswer);
                if let Some(token) = token {
                    self.check_foreign(node, held, operation, token.as_str());
                }
            }
            Event::UnattributedRejection { .. } => self.totals.note(Happened::Unattributed),
            Event::Undecodable { .. } => self.totals.note(Happened::Undecodable),
            Event::Lagged { dropped, .. } => {
                self.totals.add(Happened::Lagged, dropped.into());
                self.nodes[node].held[held].lagged = true;
            }
            Event::Delta { delta, origin, .. } => {
                self.totals.note(Happened::Delta);
                self.check_origin(
                    node,
                    origin,
                    delta.token.as_ref().map(|token| token.as_str()),
                );
                self.check_delta(node, held, &delta);
                self.apply(node, held, delta.state.as_str());
            }
            Event::Documents {
                documents, origin, ..
            } => {
                self.totals.note(Happened::Documents);
                let token = documents.token.as_ref().map(|token| token.as_str());
                self.check_origin(node, origin, token);
                self.check_documents(node, held, &documents.current);
                let timestamp = documents.timestamp;
                self.mirror(node, held, &documents.current, timestamp);
            }
            Event::Deleted { version, .. } => {
                self.totals.note(Happened::Deleted);
                self.forget(node, held, version);
            }
            event => panic!("client {node}: an unknown event: {event:?}"),
        }
    }

    fn response(
        &mut self,
        node: usize,
        held: usize,
        request: RequestId,
        outcome: Result<Accepted, Failure>,
    ) {
        let it = &mut self.nodes[node].held[held];
        let report = it.reports.remove(&request);
        let fetch = it.fetches.contains(&request);
        it.fetches.retain(|other| *other != request);
        match outcome {
            Ok(accepted) => {
                it.version = accepted.version().or(it.version);
                if let Accepted::Get(document) = accepted {
                    self.document(node, held, &document);
                    if fetch && let Field::Value(delta) = &document.delta {
                        self.apply(node, held, delta.as_str());
                    }
                }
            }
            Err(Failure::Rejected(rejection))
                if fetch && rejection.code == ErrorCode::NOT_FOUND =>
            {
                it.seen.mirror = None;
            }
            Err(_) if fetch => self.fetch(node, held),
            Err(_) => {
                if let Some(report) = report {
                    it.repeat(&report);
                    self.report_later(node, held);
                }
            }
        }
    }

    /// Asks for the document on the application's own account, until it is answered.
    pub(crate) fn fetch(&mut self, node: usize, held: usize) {
        if !self.healed {
            return;
        }
        let options = Options {
            timeout: Some(Duration::from_secs(20)),
            ..Options::default()
        };
        match self.ask(node, held, &Want::Get, &options) {
            Ok(id) => {
                self.nodes[node].held[held].fetches.push(id);
                self.after(node);
            }
            // It cannot know, and knows that.
            Err(_) => self.nodes[node].held[held].blind = true,
        }
    }

    /// A device applies a delta, then says so.
    fn apply(&mut self, node: usize, held: usize, delta: &str) {
        if self.nodes[node].role != crate::plan::Role::Device {
            return;
        }
        let delta: Map<String, Value> = serde_json::from_str(delta).expect("a delta is an object");
        let it = &mut self.nodes[node].held[held];
        merge(&mut it.state, &delta);
        merge(&mut it.pending, &delta);
        self.report(node, held);
    }

    /// A device reports a value of its own.
    pub(crate) fn measure(&mut self, node: usize, held: usize) {
        // No two measurements are equal, so that it can be told which ones were applied.
        let value = Value::from(self.model.mark());
        let key = format!("m{}", self.work.below(3));
        let it = &mut self.nodes[node].held[held];
        it.pending.insert(key, value);
        self.report(node, held);
        self.after(node);
    }

    /// Reports what there is to report.
    fn report(&mut self, node: usize, held: usize) {
        let it = &mut self.nodes[node].held[held];
        if it.pending.is_empty() {
            return;
        }
        let report = std::mem::take(&mut it.pending);
        let json = Json::from_value(&report).expect("a map is JSON");
        let mut options = self.draw_options(node, true);
        options.latest = self.work.chance(400);
        if self.healed {
            // From now on it does all it can to get through.
            options.timeout = Some(Duration::from_secs(20));
        }
        let want = Want::Report(json);
        let marks = report.iter().filter(|(key, _)| key.starts_with('m'));
        let marks = marks.filter_map(|(_, mark)| mark.as_u64()).collect();
        match self.ask(node, held, &want, &options) {
            Ok(id) => {
                self.nodes[node].check.marked(id, marks);
                self.nodes[node].held[held].reports.insert(id, report);
            }
            Err(RequestError::QueueFull { .. } | RequestError::Budget(_)) => {
                let it = &mut self.nodes[node].held[held];
                let newer = std::mem::replace(&mut it.pending, report);
                merge(&mut it.pending, &newer);
                self.report_later(node, held);
            }
            Err(error) => panic!("client {node}: a report is not taken: {error}"),
        }
    }

    pub(crate) fn report_later(&mut self, node: usize, held: usize) {
        let at = self.now + self.work.millis(50, 2_000);
        let life = self.nodes[node].life;
        let handle = self.nodes[node].held[held].shadow;
        self.schedule(
            at,
            Happening::Report {
                node,
                life,
                held: handle,
            },
        );
    }

    pub(crate) fn report_again(&mut self, node: usize, life: u32, shadow: usize) {
        if self.nodes[node].life != life {
            return;
        }
        let held = &self.nodes[node].held;
        if let Some(held) = held.iter().position(|held| held.shadow == shadow) {
            self.report(node, held);
            self.after(node);
        }
    }

    /// The application sees a whole document.
    fn document(&mut self, node: usize, held: usize, document: &Document) {
        let shadow = self.nodes[node].held[held].shadow;
        let (desired, reported) = (text(&document.desired), text(&document.reported));
        let delta = text(&document.delta);
        let version = document.version.number();
        let facts = self.model.history(shadow).facts(version);
        assert!(
            facts.iter().any(|(_, facts)| facts.desired == desired
                && facts.reported == reported
                && (facts.delta == delta || facts.delta.is_none())),
            "client {node}: a document that never was: {document:?}, known: {facts:?}"
        );
        self.see(
            node,
            held,
            Mirror {
                version,
                timestamp: document.timestamp.map_or(0, Timestamp::seconds),
                desired,
                reported,
            },
        );
    }

    fn mirror(
        &mut self,
        node: usize,
        held: usize,
        current: &Snapshot,
        timestamp: Option<Timestamp>,
    ) {
        let mirror = Mirror {
            version: current.version.number(),
            timestamp: timestamp.map_or(0, Timestamp::seconds),
            desired: text(&current.desired),
            reported: text(&current.reported),
        };
        self.see(node, held, mirror);
    }

    /// Keeps the newer of two documents, by the rule that the client itself follows.
    fn see(&mut self, node: usize, held: usize, new: Mirror) {
        let gap = self.nodes[node].client.config().epoch_gap.as_secs();
        let it = &mut self.nodes[node].held[held];
        it.version = Some(Version::new(new.version));
        let newer =
            it.seen.mirror.as_ref().is_none_or(|old| {
                new.version >= old.version || new.timestamp >= old.timestamp + gap
            });
        if newer {
            it.seen.mirror = Some(new);
        }
    }

    fn forget(&mut self, node: usize, held: usize, version: Option<Version>) {
        let shadow = self.nodes[node].held[held].shadow;
        let history = self.model.history(shadow);
        let seen = &self.nodes[node].held[held].seen;
        let number = version.map(Version::number);
        if let Some(number) = number {
            let deletes = history.deletes.iter();
            let mut of = deletes.filter(|(version, of)| *version == number && *of >= seen.floor);
            let Some((_, of)) = of.next() else {
                panic!("client {node}: a delete that never was: {number}");
            };
            self.nodes[node].held[held].seen.floor = of + 1;
        }
        let it = &mut self.nodes[node].held[held];
        let gone = it.seen.mirror.as_ref();
        if gone.is_some_and(|mirror| number.is_none_or(|number| mirror.version <= number)) {
            it.seen.mirror = None;
        }
        it.version = None;
    }

    /// Deltas come in order and once, and are what the service published.
    fn check_delta(&mut self, node: usize, held: usize, delta: &Delta) {
        let shadow = self.nodes[node].held[held].shadow;
        let version = delta.version.number();
        let facts = self.model.history(shadow).facts(version);
        let seen = &self.nodes[node].held[held].seen;
        let fits = facts.iter().find(|(incarnation, facts)| {
            let newer = *incarnation >= seen.floor && (*incarnation, version) > seen.delta;
            newer && facts.delta.as_deref() == Some(delta.state.as_str())
        });
        let Some((incarnation, _)) = fits else {
            panic!(
                "client {node}: the delta of version {version} is old, came before, or never was \
                 ({seen:?}; known: {facts:?}): {delta:?}"
            );
        };
        let last = (*incarnation, version);
        self.nodes[node].held[held].seen.delta = last;
        self.nodes[node].held[held].version = Some(delta.version);
    }

    fn check_documents(&mut self, node: usize, held: usize, current: &Snapshot) {
        let shadow = self.nodes[node].held[held].shadow;
        let version = current.version.number();
        let (desired, reported) = (text(&current.desired), text(&current.reported));
        let facts = self.model.history(shadow).facts(version);
        let seen = &self.nodes[node].held[held].seen;
        // Who has not seen a deletion can compare versions only: what was long under way may come
        // from before it, with a version that is higher. Times prove nothing, being of many hosts.
        let fits = facts.iter().find(|(incarnation, facts)| {
            let newer = (*incarnation, version) > seen.documents || version > seen.documents.1;
            newer
                && *incarnation >= seen.floor
                && facts.desired == desired
                && facts.reported == reported
        });
        let Some((incarnation, _)) = fits else {
            panic!(
                "client {node}: the documents of version {version} are old, came before, or never \
                 were ({seen:?}; known: {facts:?})"
            );
        };
        let last = (*incarnation, version);
        self.nodes[node].held[held].seen.documents = last;
    }

    fn check_origin(&self, node: usize, origin: Origin, token: Option<&str>) {
        let own = token.is_some_and(|token| self.is_own_token(node, token));
        match origin {
            Origin::Ours(id) => assert!(own, "client {node}: {id:?} did not cause that"),
            Origin::Foreign => assert!(token.is_some(), "client {node}: no token, yet foreign"),
            _ => assert!(token.is_none(), "client {node}: a token, yet nobody's"),
        }
    }

    fn check_foreign(&self, node: usize, held: usize, operation: Operation, token: &str) {
        let own = &self.nodes[node].check;
        let remembered = self.nodes[node].client.config().limits.remembered;
        let shadow = self.nodes[node].held[held].shadow;
        if remembered >= 256 {
            assert!(
                !own.is_open(shadow, operation, token),
                "client {node}: {token} is its own, yet foreign"
            );
        }
    }
}

fn text(section: &Field<Json>) -> Option<String> {
    section.value().map(|json| json.as_str().to_owned())
}

/// JSON Merge Patch, nulls kept.
pub(crate) fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
