//! Filters: wanted, asked for, granted. Three states, kept apart for each response topic.

use super::{
    Client,
    filters::{cover, cover_of, spell},
    pending::PendingSubscribe,
    shadows::{Shadow, answers},
    timers::Timer,
};
use crate::{
    config::{Qos, Subscriptions},
    event::{Output, ShadowHandle, SubscribeId},
    name::ShadowId,
    request::Interest,
    topic::Operation,
};
use alloc::{boxed::Box, vec::Vec};

/// How much room an empty list keeps.
const KEPT: usize = 64;

impl Client {
    /// What should be subscribed for a shadow.
    pub(super) fn wanted(&self, handle: ShadowHandle, shadow: &Shadow) -> Interest {
        let mut wanted = shadow.interest;
        if self.mode(handle) == Subscriptions::PublishOnly {
            return wanted;
        }
        wanted = wanted | shadow.used;
        for operation in Operation::ALL {
            let used = shadow
                .users
                .get(operation as usize)
                .is_some_and(|users| *users > 0);
            if used || self.lingers(handle, operation) {
                wanted = wanted | answers(operation);
            }
        }
        if self.follows(handle).is_some() {
            wanted = wanted | Interest::GET;
        }
        wanted
    }

    /// Counts a shadow's filters anew and has the planner look at them.
    pub(super) fn filters_changed(&mut self, shadow: ShadowHandle) {
        let Some(entry) = self.shadows.get(shadow) else {
            return;
        };
        let filters = cover(self.wanted(shadow, entry), entry.wildcard).count() as u8;
        let before = entry.filters;
        self.filters = self.filters - u32::from(before) + u32::from(filters);
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.filters = filters;
        }
        // A get that waits for all that is wanted may have less to wait for.
        self.promote_due = true;
        self.mark_dirty(shadow);
    }

    pub(super) fn mark_dirty(&mut self, shadow: ShadowHandle) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        if !core::mem::replace(&mut entry.dirty, true) {
            self.dirty.push(shadow);
        }
    }

    /// Asks for what is wanted and not granted, gives up what is granted and not wanted: for all
    /// shadows that changed, in as few packets as the budget allows.
    pub(super) fn flush_subscriptions(&mut self) {
        self.flush_orphans();
        if self.dirty.is_empty() {
            return;
        }
        let mut dirty = core::mem::take(&mut self.dirty);
        let mut give_up = Vec::new();
        let mut ask = [Vec::new(), Vec::new()];
        for shadow in dirty.drain(..) {
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.dirty = false;
            }
            if !self.connected {
                continue;
            }
            let Some(entry) = self.shadows.get(shadow) else {
                continue;
            };
            let wanted = self.wanted(shadow, entry);
            let held = entry.granted | entry.asked;
            let surplus = held | entry.unsure;
            for filter in cover(surplus.difference(wanted), false) {
                // One of two topics under a wildcard is given up with the other.
                let whole = cover_of(filter, entry.wildcard);
                if wanted.intersection(whole).is_empty() && !give_up.contains(&(shadow, whole)) {
                    give_up.push((shadow, whole));
                }
            }
            let missing = wanted.difference(held).difference(entry.refused);
            if entry.resubscribe_at.is_none() {
                let filters = cover(missing, entry.wildcard).map(|covers| (shadow, covers));
                let [most, least] = &mut ask;
                match self.qos(shadow) {
                    Qos::AtMostOnce => most.extend(filters),
                    Qos::AtLeastOnce => least.extend(filters),
                }
            }
            self.ready_without_get(shadow);
        }
        if dirty.capacity() <= KEPT && self.dirty.is_empty() {
            self.dirty = dirty;
        }
        let size = usize::from(self.config.budget.per_subscribe.max(1));
        for filters in give_up.chunks(size) {
            self.send_unsubscribe(filters.to_vec());
        }
        let [most, least] = ask;
        for (qos, filters) in [(Qos::AtMostOnce, most), (Qos::AtLeastOnce, least)] {
            for filters in filters.chunks(size) {
                self.send_subscribe(qos, filters.to_vec());
            }
        }
    }

    fn send_subscribe(&mut self, qos: Qos, filters: Vec<(ShadowHandle, Interest)>) {
        for (shadow, covers) in &filters {
            if let Some(entry) = self.shadows.get_mut(*shadow) {
                entry.asked = entry.asked | *covers;
            }
        }
        let (id, spelled) = self.pend(false, filters);
        self.stats.subscribes += 1;
        self.outputs.push(Output::Subscribe {
            id,
            filters: spelled,
            qos,
        });
    }

    fn send_unsubscribe(&mut self, filters: Vec<(ShadowHandle, Interest)>) {
        for (shadow, covers) in &filters {
            if let Some(entry) = self.shadows.get_mut(*shadow) {
                entry.granted = entry.granted.difference(*covers);
                entry.asked = entry.asked.difference(*covers);
                entry.unsure = entry.unsure.difference(*covers);
                entry.leaving = entry.leaving | *covers;
            }
            for pending in &mut self.pending {
                pending.strip(*shadow, *covers);
            }
        }
        let (id, spelled) = self.pend(true, filters);
        self.outputs.push(Output::Unsubscribe {
            id,
            filters: spelled,
        });
    }

    fn pend(
        &mut self,
        unsubscribe: bool,
        filters: Vec<(ShadowHandle, Interest)>,
    ) -> (SubscribeId, Vec<Box<str>>) {
        let id = SubscribeId(self.next_subscribe);
        self.next_subscribe += 1;
        let prefix = &self.config.topic_prefix;
        let spelled = filters
            .iter()
            .filter_map(|(shadow, covers)| {
                let entry = self.shadows.get(*shadow)?;
                Some(spell(prefix, &entry.id, *covers))
            })
            .collect();
        let deadline = self.now + self.config.suback_timeout;
        if !unsubscribe {
            self.timers.set(deadline, Timer::Suback(id));
        }
        if unsubscribe {
            self.forget_unanswered();
        }
        self.pending.push_back(PendingSubscribe {
            id,
            deadline,
            unsubscribe,
            overdue: false,
            filters,
            orphans: Vec::new(),
        });
        (id, spelled)
    }

    /// Gives up filters of shadows that were removed.
    pub(super) fn send_orphans(&mut self, orphans: Vec<(ShadowId, Interest)>) {
        let prefix = &self.config.topic_prefix;
        let filters = orphans
            .iter()
            .map(|(id, covers)| spell(prefix, id, *covers))
            .collect();
        let (id, _) = self.pend(true, Vec::new());
        if let Some(pending) = self.pending.back_mut() {
            pending.orphans = orphans;
        }
        self.outputs.push(Output::Unsubscribe { id, filters });
    }
}
