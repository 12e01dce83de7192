//! The rules that applications rely on: one outcome in time, which is true; streams in order; at the end everything in
//! step, and nothing left.

use super::{
    app::{Ask, FAREWELL},
    totals::{LinkEnd, LinkSum},
    world::LinkWorld,
};
use shadow_proto::{Delta, Documents, Failure, Field, Json, Stage, Version};
use transport_core::{PublishFailure, RequestFailure};

impl LinkWorld {
    /// A request is over.
    pub(super) fn check_outcome(
        &mut self,
        node: usize,
        ask: &Ask,
        outcome: &Result<Option<Version>, RequestFailure>,
    ) {
        self.log(|| format!("client {node}: {ask:?} ends: {outcome:?}"));
        assert!(
            self.now <= ask.deadline,
            "client {node}: {ask:?} ends {:?} after its deadline",
            self.now.saturating_since(ask.deadline)
        );
        let end = match outcome {
            Ok(version) => {
                let version = version.expect("every answer has a version");
                let history = self.model.history(ask.shadow);
                let deleted = history.deletes.iter();
                let mut deleted = deleted.map(|(version, _)| *version);
                assert!(
                    !history.facts(version.number()).is_empty()
                        || deleted.any(|other| other == version.number()),
                    "client {node}: {ask:?} is answered with version {version:?}, which never was"
                );
                if let Some(mark) = ask.mark {
                    assert!(
                        self.model.marks.contains(&mark),
                        "client {node}: {ask:?} is accepted and was not applied"
                    );
                }
                match ask.got {
                    true => LinkEnd::Got,
                    false => LinkEnd::Accepted,
                }
            }
            Err(RequestFailure::Failure(failure)) => {
                let surely_not = |stage: Stage| !stage.may_have_been_applied();
                if failure.stage().is_some_and(surely_not) {
                    self.harmless.extend(ask.mark);
                }
                match failure {
                    Failure::Rejected(_) => LinkEnd::Rejected,
                    Failure::TimedOut { .. } => {
                        assert!(
                            self.now >= ask.deadline,
                            "client {node}: {ask:?} times out before its deadline"
                        );
                        LinkEnd::TimedOut
                    }
                    Failure::Disconnected { .. } => LinkEnd::Disconnected,
                    Failure::PublishRefused { .. } => LinkEnd::PublishRefused,
                    Failure::SubscribeRefused { .. } => LinkEnd::SubscribeRefused,
                    // At QoS 0, when the connection ends before it is written.
                    Failure::NotSent { .. } => LinkEnd::NotSent,
                    Failure::Cancelled { .. } => LinkEnd::Stopped,
                    failure => panic!("client {node}: {ask:?} ends with {failure}"),
                }
            }
            Err(RequestFailure::Stopped) => LinkEnd::Stopped,
            Err(failure) => panic!("client {node}: {ask:?} ends with {failure}"),
        };
        self.totals.note(end);
    }

    /// A plain message is over.
    pub(super) fn check_plain(
        &mut self,
        node: usize,
        number: u64,
        outcome: &Result<(), PublishFailure>,
    ) {
        self.log(|| format!("client {node}: plain {number} ends: {outcome:?}"));
        let arrived = self.plain.contains(&number);
        match outcome {
            // At QoS 0 it may have been lost.
            Ok(()) => self.totals.note(LinkEnd::PlainDone),
            Err(failure) => {
                self.totals.note(LinkEnd::PlainFailed);
                let unsent = matches!(
                    failure,
                    PublishFailure::NotSent
                        | PublishFailure::Refused(_)
                        | PublishFailure::QueueFull { .. }
                        | PublishFailure::TimedOut { sent: false }
                );
                assert!(
                    !(unsent && arrived),
                    "client {node}: plain {number} was not sent, and arrived: {failure:?}"
                );
            }
        }
    }

    /// Deltas come in order and once, and are what the service published.
    pub(super) fn check_delta(&mut self, node: usize, held: usize, delta: &Delta) {
        let version = delta.version.number();
        let last = self.nodes[node].app.held[held].last_delta;
        let facts = self.model.history(held).facts(version);
        let fits = facts.iter().find(|(incarnation, facts)| {
            (*incarnation, version) > last && facts.delta.as_deref() == Some(delta.state.as_str())
        });
        let Some((incarnation, _)) = fits else {
            panic!(
                "client {node}: the delta of version {version} is old, came before, or never was \
                 (last {last:?}; known: {facts:?}): {delta:?}"
            );
        };
        self.nodes[node].app.held[held].last_delta = (*incarnation, version);
    }

    pub(super) fn check_documents(&mut self, node: usize, held: usize, documents: &Documents) {
        let current = &documents.current;
        let version = current.version.number();
        let (desired, reported) = (text(&current.desired), text(&current.reported));
        let last = self.nodes[node].app.held[held].last_documents;
        let facts = self.model.history(held).facts(version);
        let fits = facts.iter().find(|(incarnation, facts)| {
            let newer = (*incarnation, version) > last;
            newer && facts.desired == desired && facts.reported == reported
        });
        let Some((incarnation, _)) = fits else {
            panic!(
                "client {node}: the documents of version {version} are old, came before, or never \
                 were (last {last:?}; known: {facts:?})"
            );
        };
        self.nodes[node].app.held[held].last_documents = (*incarnation, version);
    }

    /// Whether nothing more is to be expected.
    pub(super) fn in_step(&self) -> bool {
        self.nodes.iter().enumerate().all(|(at, node)| {
            node.remedied
                && node.conn.is_some()
                && node.app.is_idle()
                && node.app.heard == Some(FAREWELL)
                && self.follows(at)
        })
    }

    fn follows(&self, node: usize) -> bool {
        let mut shadows = self.model.shadows.iter();
        !self.plan.nodes[node].device || shadows.all(|(id, _)| !self.differs(id))
    }

    /// Everything is in step.
    pub(super) fn audit(&mut self) {
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            assert!(node.client.is_connected(), "client {at} does not connect");
            assert!(
                node.app.is_idle(),
                "client {at}: no outcome: {:?}",
                node.app
            );
            assert!(node.hub.is_idle(), "client {at}: requests leak");
            assert_eq!(
                node.link.session().pending_publishes(),
                0,
                "client {at}: publishes leak"
            );
            assert_eq!(
                node.app.heard,
                Some(FAREWELL),
                "client {at}: the plain subscription is lost"
            );
            if self.plan.nodes[at].device {
                assert!(self.follows(at), "client {at} is not in step");
                self.totals.note(LinkSum::Followed);
            }
        }
        for mark in &self.harmless {
            assert!(
                !self.model.marks.contains(mark),
                "a request that ended as surely not applied was applied: {mark}"
            );
        }
    }

    /// The applications give up all they hold: nothing may remain.
    pub(super) fn dismiss(&mut self) {
        for node in 0..self.nodes.len() {
            self.nodes[node].app.held.clear();
            self.settle(node);
        }
    }

    pub(super) fn audit_dismissed(&self) {
        for (at, node) in self.nodes.iter().enumerate() {
            assert!(node.hub.is_idle(), "client {at}: requests leak");
            let due = node.hub.poll_timeout();
            assert!(due.is_none(), "client {at}: a deadline is left: {due:?}");
            let filters: Vec<_> = self.sessions[at].filters.keys().collect();
            // A life before may have left its own behind.
            assert!(
                node.life > 1 || filters.iter().all(|filter| **filter == "app/+".into()),
                "client {at}: filters are left on the broker: {filters:?}"
            );
        }
    }
}

fn text(section: &Field<Json>) -> Option<String> {
    section.value().map(|json| json.as_str().to_owned())
}
