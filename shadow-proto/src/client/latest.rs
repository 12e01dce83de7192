//! Updates marked `latest`: while they wait, an older one is merged into a newer one, and both
//! have its outcome.
//!
//! Each keeps what it sets itself, so that one that ends before the rest is sent takes its part
//! with it: what was reported as surely not applied is not applied.

use super::{
    Client, merge,
    requests::{Mergeable, Part, Parts, Place},
    submit::body,
};
use crate::{
    event::{RequestId, ShadowHandle},
    failure::Stage,
    json::Json,
    request::Section,
    topic::Operation,
};

impl Client {
    /// Merges the last update of the shadow that waits and may be merged into this newer one,
    /// which then ends both.
    pub(super) fn merge_with_older(&mut self, shadow: ShadowHandle, newer: RequestId) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        let Some(older) = entry.latest.replace(newer) else {
            return;
        };
        self.refold(older);
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
        let Some(merged) = before.whole().then(&after.own) else {
            return;
        };
        let body = merged.body();
        if body.len() > self.config.limits.state {
            return;
        }
        self.stats.merged += 1;
        let Some(old) = self.requests.get_mut(older) else {
            return;
        };
        old.place = Place::Follower(newer);
        if let Some(latest) = &mut old.latest {
            latest.merged = None;
        }
        old.body = Default::default();
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
            if let Some(latest) = &mut new.latest {
                latest.merged = Some(merged);
            }
            new.followers = followers;
            new.needs_gate |= needs_gate;
        }
        if !publish_only {
            self.remove_user(shadow, Operation::Update);
        }
        self.waiting.retain(|waiting| *waiting != older);
    }

    /// A request that was merged into another ends before that: it takes its part with it, if
    /// nothing was sent. How far they got.
    pub(super) fn leave_leader(&mut self, id: RequestId, leader: RequestId) -> Stage {
        let Some(request) = self.requests.get(leader) else {
            return Stage::Queued;
        };
        let stage = self.stage_of(request);
        let spelled = request.place == Place::Output;
        if let Some(leader) = self.requests.get_mut(leader) {
            leader.followers.retain(|follower| *follower != id);
            if let Some(latest) = &mut leader.latest {
                latest.stale |= !stage.may_have_been_applied();
            }
        }
        if spelled && !stage.may_have_been_applied() {
            self.unsend(leader);
        }
        stage
    }

    /// A request that others were merged into ends before it is sent: the newest of them takes
    /// its place.
    pub(super) fn hand_over(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        let mut followers = core::mem::take(&mut request.followers);
        let (shadow, needs_gate) = (request.shadow, request.needs_gate);
        let Some(heir) = followers.pop() else {
            return;
        };
        for follower in &followers {
            if let Some(follower) = self.requests.get_mut(*follower) {
                follower.place = Place::Follower(heir);
            }
        }
        let Some(request) = self.requests.get_mut(heir) else {
            return;
        };
        request.followers = followers;
        request.place = Place::Waiting;
        request.needs_gate |= needs_gate;
        if let Some(latest) = &mut request.latest {
            latest.stale = true;
        }
        let publish_only = request.publish_only;
        self.waiting.push(heir);
        self.waiting.sort_unstable();
        self.promote_due = true;
        if !publish_only {
            self.add_user(shadow, Operation::Update);
        }
        let entry = self.shadows.get_mut(shadow);
        if let Some(entry) = entry.filter(|entry| entry.latest == Some(id)) {
            entry.latest = Some(heir);
        }
    }

    /// Merges anew what is to be sent, after one of those merged has left.
    pub(super) fn refold(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let Some(latest) = request.latest.as_deref().filter(|latest| latest.stale) else {
            return;
        };
        let members = request.followers.iter();
        let members = members.filter_map(|id| self.requests.get(*id)?.latest.as_deref());
        let mut whole = Parts::NOTHING;
        for member in members.chain([latest]) {
            let Some(merged) = whole.then(&member.own) else {
                debug_assert!(
                    false,
                    "what could be merged can be merged without one of it"
                );
                return;
            };
            whole = merged;
        }
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        request.body = whole.body();
        if let Some(latest) = &mut request.latest {
            latest.merged = Some(whole);
            latest.stale = false;
        }
    }
}

impl Mergeable {
    /// What an update that may be merged sets.
    pub(super) fn new(desired: Section<'_>, reported: Section<'_>) -> Self {
        let own = Parts {
            desired: Part::of(desired),
            reported: Part::of(reported),
        };
        Self {
            own,
            merged: None,
            stale: false,
        }
    }

    fn whole(&self) -> &Parts {
        self.merged.as_ref().unwrap_or(&self.own)
    }
}

impl Parts {
    const NOTHING: Self = Self {
        desired: Part::Leave,
        reported: Part::Leave,
    };

    /// What two updates come to together; `None` if no single update does the same.
    fn then(&self, after: &Self) -> Option<Self> {
        Some(Self {
            desired: self.desired.then(&after.desired)?,
            reported: self.reported.then(&after.reported)?,
        })
    }

    fn body(&self) -> alloc::vec::Vec<u8> {
        body(self.desired.text(), self.reported.text(), None)
    }
}

impl Part {
    fn of(section: Section<'_>) -> Self {
        match section {
            Section::Leave => Self::Leave,
            Section::Clear => Self::Clear,
            Section::Set(state) => Self::Set(Json::from_raw(state)),
        }
    }

    fn then(&self, after: &Self) -> Option<Self> {
        Some(match (self, after) {
            (Self::Leave, Self::Leave) => Self::Leave,
            (Self::Clear, Self::Leave) | (_, Self::Clear) => Self::Clear,
            (Self::Leave, Self::Set(state)) | (Self::Set(state), Self::Leave) => {
                Self::Set(state.clone())
            }
            (Self::Set(before), Self::Set(after)) => Self::Set(merge::merge(before, after)?),
            // "Replace the section" cannot be said in one update.
            (Self::Clear, Self::Set(_)) => return None,
        })
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Leave => None,
            Self::Clear => Some("null"),
            Self::Set(state) => Some(state.as_str()),
        }
    }
}
