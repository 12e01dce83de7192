//! After the chaos: the network heals, and everything has to come in step within a bounded time.

use crate::{
    node::{Node, Phase},
    plan::Role,
    totals::Sum,
    world::{Happening, World},
};
use shadow_proto::{Interest, Qos, ResyncError, ResyncPolicy, Subscriptions, Topic, TopicKind};
use std::time::Duration;

/// When the applications do what only they can do.
const REMEDY: Duration = Duration::from_secs(45);

impl World {
    /// The faults end. What is under way arrives.
    pub(crate) fn heal(&mut self) {
        self.log(|| "the network heals".to_owned());
        self.healed = true;
        self.faults = self.plan.faults.healed();
        self.broker.refused.clear();
        for node in 0..self.nodes.len() {
            self.unstall(node);
            self.schedule(self.now + REMEDY, Happening::Remedy { node });
        }
    }

    /// What the documentation leaves to the application: it asks again for filters that were refused, and looks for
    /// what was lost at QoS 0 or is not fetched by policy.
    pub(crate) fn remedy(&mut self, node: usize) {
        if self.nodes[node].held.iter().any(|held| held.refused) && self.net.chance(500) {
            self.log(|| format!("client {node}: connects anew, for what was refused"));
            for held in &mut self.nodes[node].held {
                held.refused = false;
            }
            self.cut(node);
            self.schedule(self.now + REMEDY, Happening::Remedy { node });
            return;
        }
        self.nodes[node].remedied = true;
        for at in 0..self.nodes[node].held.len() {
            let held = &mut self.nodes[node].held[at];
            let (handle, interest, lagged) = (held.handle, held.interest, held.lagged);
            if std::mem::take(&mut held.refused) {
                held.partly = true;
                self.set_interest(node, at, interest);
            }
            let config = self.nodes[node].client.config();
            let policy = config.resync.policy;
            // A shadow may have been configured to be lossy.
            let lossy = config.qos == Qos::AtMostOnce
                || lagged
                || self.nodes[node].role == Role::Application;
            if policy == ResyncPolicy::Never {
                self.fetch(node, at);
            } else if lossy {
                let known = self.feed(node, |client, now| client.resync(handle, now));
                assert!(
                    known != Err(ResyncError::UnknownShadow),
                    "client {node}: the shadow was not removed"
                );
            }
        }
    }

    /// Whether nothing more is to be expected.
    pub(crate) fn in_step(&self) -> bool {
        let over = |node: &Node| node.remedied && node.check.open == 0;
        let asked = self.nodes.iter().all(over);
        asked && self.is_quiet() && (0..self.nodes.len()).all(|node| self.follows_well(node))
    }

    fn follows_well(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let follows = it.role == Role::Device;
        !follows
            || it.held.iter().all(|held| {
                let id = &self.plan.shadows[held.shadow];
                !held.interest.contains(Interest::DELTA) || !self.cloud.differs(id, self.now)
            })
    }

    /// Everything is in step.
    pub(crate) fn audit(&mut self) {
        for node in 0..self.nodes.len() {
            let it = &self.nodes[node];
            self.log(|| format!("client {node} at the end: {:#?}", it.client));
            assert!(it.phase == Phase::Up, "client {node} does not connect");
            let open: Vec<_> = it.check.unfinished().collect();
            assert!(open.is_empty(), "client {node}: no outcome: {open:?}");
            it.check.check_harmless(&self.model, node);
            let ages = it.client.config().resync.max_age.is_some();
            if !ages {
                assert_eq!(it.client.outstanding(), 0, "client {node}: requests leak");
                let due = it.client.poll_timeout();
                assert!(due.is_none(), "client {node}: a deadline is left: {due:?}");
            }
            for held in 0..it.held.len() {
                self.audit_shadow(node, held);
            }
            self.audit_broker(node);
        }
    }

    fn audit_shadow(&mut self, node: usize, held: usize) {
        let it = &self.nodes[node];
        let held = &it.held[held];
        let id = &self.plan.shadows[held.shadow];
        let subscriptions = it.client.subscriptions(held.handle);
        let (wanted, granted) = subscriptions.expect("it was not removed");
        let equal = match held.partly {
            true => granted.contains(held.interest),
            false => wanted == granted,
        };
        assert!(
            equal,
            "client {node}: what is wanted of {id} is not granted: {wanted:?}, {granted:?}"
        );
        let state = self.cloud.state(id, self.now);
        if it.role == Role::Device && held.interest.contains(Interest::DELTA) {
            assert!(
                !self.cloud.differs(id, self.now),
                "client {node}: {id} is not in step: {state:?}"
            );
            self.totals.note(Sum::Followed);
        }
        let it = &self.nodes[node];
        let held = &it.held[it
            .held
            .iter()
            .position(|other| other.handle == held.handle)
            .expect("it is there")];
        let publish_only = it.client.config().subscriptions == Subscriptions::PublishOnly;
        if !held.interest.contains(Interest::DOCUMENTS) || publish_only || held.blind {
            return;
        }
        let (Some(state), mirror) = (state, &held.seen.mirror) else {
            return;
        };
        let Some(mirror) = mirror else {
            panic!("client {node}: {id} exists, and it does not know");
        };
        let version = state["version"].as_u64();
        assert_eq!(
            Some(mirror.version),
            version,
            "client {node}: its document of {id} is not the service's"
        );
        let facts = self.model.history(held.shadow).facts(mirror.version);
        let (_, facts) = facts.last().expect("the version was");
        assert_eq!(
            (&mirror.desired, &mirror.reported),
            (&facts.desired, &facts.reported),
            "client {node}: its document of {id} is not the service's"
        );
    }

    /// What is granted in a client's eyes is subscribed on the broker, and nothing else.
    fn audit_broker(&self, node: usize) {
        let it = &self.nodes[node];
        let mut granted = Vec::new();
        for held in &it.held {
            let subscriptions = it.client.subscriptions(held.handle);
            let (_, topics) = subscriptions.expect("it was not removed");
            let id = &self.plan.shadows[held.shadow];
            for (interest, kind) in KINDS {
                if topics.contains(interest) {
                    granted.push(Topic::new(id, kind).to_string());
                }
            }
        }
        let Some(session) = &self.broker.sessions[node] else {
            panic!("client {node} has no session");
        };
        for topic in &granted {
            assert!(
                session.takes(topic).is_some(),
                "client {node}: {topic} is granted, and not subscribed on the broker"
            );
        }
        if it.inherited {
            return;
        }
        for filter in session.filters.keys() {
            let used = granted
                .iter()
                .any(|topic| crate::broker::matches(filter, topic));
            // A filter may be refused though the broker has it from before; it is wanted, so it stays until it is not.
            let still = it.held.iter().any(|held| {
                let id = &self.plan.shadows[held.shadow];
                let mut kinds = KINDS
                    .iter()
                    .map(|(_, kind)| Topic::new(id, *kind).to_string());
                held.partly && kinds.any(|topic| crate::broker::matches(filter, &topic))
            });
            assert!(
                used || still,
                "client {node}: {filter} is left on the broker"
            );
        }
        for filter in it.check.granted() {
            assert!(
                session.filters.contains_key(filter),
                "client {node}: {filter} was granted, and is not subscribed on the broker"
            );
        }
    }

    /// The clients remove all their shadows: nothing may remain.
    pub(crate) fn dismiss(&mut self) {
        for node in 0..self.nodes.len() {
            while let Some(held) = self.nodes[node].held.pop() {
                self.nodes[node].check.fetched(held.shadow);
                let known = self.feed(node, |client, now| client.remove_shadow(held.handle, now));
                assert!(known.is_ok(), "client {node}: the shadow was not removed");
            }
        }
    }

    pub(crate) fn audit_dismissed(&self) {
        for (node, it) in self.nodes.iter().enumerate() {
            assert_eq!(it.client.outstanding(), 0, "client {node}: requests leak");
            let due = it.client.poll_timeout();
            assert!(due.is_none(), "client {node}: a deadline is left: {due:?}");
            if let Some(session) = &self.broker.sessions[node]
                && !it.inherited
            {
                assert!(
                    session.filters.is_empty(),
                    "client {node}: filters are left on the broker: {:?}",
                    session.filters
                );
            }
        }
    }
}

const KINDS: [(Interest, TopicKind); 8] = [
    (Interest::GET_ACCEPTED, TopicKind::GetAccepted),
    (Interest::GET_REJECTED, TopicKind::GetRejected),
    (Interest::UPDATE_ACCEPTED, TopicKind::UpdateAccepted),
    (Interest::UPDATE_REJECTED, TopicKind::UpdateRejected),
    (Interest::DELETE_ACCEPTED, TopicKind::DeleteAccepted),
    (Interest::DELETE_REJECTED, TopicKind::DeleteRejected),
    (Interest::DELTA, TopicKind::UpdateDelta),
    (Interest::DOCUMENTS, TopicKind::UpdateDocuments),
];
