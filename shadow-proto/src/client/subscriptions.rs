//! Filters: wanted, asked for, granted. Three states, kept apart for each response topic.

use super::{
    Client,
    filters::{cover, cover_of, spell},
    shadows::{Shadow, answers},
    timers::Timer,
};
use crate::{
    config::{Qos, Subscriptions},
    error::BudgetExceeded,
    event::{Event, Output, RequestId, ShadowHandle, SubscribeId},
    failure::{Failure, SubackCode},
    name::ShadowId,
    request::Interest,
    time::Instant,
    topic::Operation,
};
use alloc::{boxed::Box, vec::Vec};

/// A SUBSCRIBE or UNSUBSCRIBE that is not answered.
#[derive(Debug)]
pub(crate) struct PendingSubscribe {
    pub(crate) id: SubscribeId,
    pub(crate) deadline: Instant,
    unsubscribe: bool,
    /// Its SUBACK is overdue, and its filters are asked for again; it counts all the same.
    overdue: bool,
    /// What each of its filters covers, in their order.
    filters: Vec<(ShadowHandle, Interest)>,
    /// Those of an UNSUBSCRIBE whose shadow was removed.
    orphans: Vec<(ShadowId, Interest)>,
}

impl PendingSubscribe {
    /// A shadow is removed while its filters are given up.
    pub(super) fn orphan(&mut self, shadow: ShadowHandle, id: &ShadowId) {
        if self.unsubscribe {
            let its = self.filters.iter().filter(|(other, _)| *other == shadow);
            self.orphans
                .extend(its.map(|(_, covers)| (id.clone(), *covers)));
            self.filters.retain(|(other, _)| *other != shadow);
        }
    }

    /// Whether its SUBACK is waited for until `at`.
    pub(super) fn is_due(&self, id: SubscribeId, at: Instant) -> bool {
        self.id == id && self.deadline == at && !self.overdue && !self.unsubscribe
    }

    /// A filter is given up: what a SUBACK that comes later says of it is void.
    fn strip(&mut self, shadow: ShadowHandle, covers: Interest) {
        if !self.unsubscribe {
            for (other, asked) in &mut self.filters {
                if *other == shadow && *asked == covers {
                    *asked = Interest::NONE;
                }
            }
        }
    }
}

/// How many unanswered UNSUBSCRIBEs and overdue SUBSCRIBEs of a connection are remembered.
const MAX_UNANSWERED: usize = 32;

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

    fn lingers(&self, shadow: ShadowHandle, operation: Operation) -> bool {
        self.lingering
            .iter()
            .any(|(other, of, _)| *other == shadow && *of == operation)
    }

    /// Makes room in the budget for `more` topics of a shadow, or says who uses it.
    pub(super) fn reserve(
        &mut self,
        shadow: ShadowHandle,
        more: Interest,
    ) -> Result<(), Box<BudgetExceeded>> {
        if self.fits(shadow, more) {
            return Ok(());
        }
        // What merely lingers gives way first.
        for (other, operation, _) in core::mem::take(&mut self.lingering) {
            self.filters_changed(other);
            debug_assert!(!self.lingers(other, operation), "it was taken out");
        }
        if self.fits(shadow, more) {
            return Ok(());
        }
        if self.set_wildcard(shadow, true) {
            if self.fits(shadow, more) {
                self.filters_changed(shadow);
                return Ok(());
            }
            self.set_wildcard(shadow, false);
        }
        let (before, after) = self.filters_with(shadow, more);
        let used_by = self.shadows.iter().filter(|(_, entry)| entry.filters > 0);
        Err(Box::new(BudgetExceeded {
            needed: after.saturating_sub(before),
            max: self.config.budget.per_connection,
            used_by: used_by
                .map(|(_, entry)| (entry.id.clone(), entry.filters.into()))
                .collect(),
        }))
    }

    /// Has one filter take both answers to get, and to delete, or no longer. Not where exact
    /// filters are in use already.
    fn set_wildcard(&mut self, shadow: ShadowHandle, wildcard: bool) -> bool {
        let both = Interest::GET | Interest::DELETE;
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return false;
        };
        let known = entry.granted | entry.asked | entry.leaving | entry.unsure;
        let unused = known.intersection(both).is_empty();
        let allowed = self.config.budget.wildcards && entry.wildcard != wildcard && unused;
        if allowed {
            entry.wildcard = wildcard;
        }
        allowed
    }

    fn fits(&self, shadow: ShadowHandle, more: Interest) -> bool {
        let (before, after) = self.filters_with(shadow, more);
        after <= before || self.filters - before + after <= self.config.budget.per_connection
    }

    /// How many filters a shadow takes now, and would take with `more`.
    fn filters_with(&self, shadow: ShadowHandle, more: Interest) -> (u32, u32) {
        let Some(entry) = self.shadows.get(shadow) else {
            return (0, 0);
        };
        let mut wanted = self.wanted(shadow, entry) | more;
        let follow = Interest::DELTA | Interest::DOCUMENTS;
        if !more.intersection(follow).is_empty() && self.would_resync(shadow) {
            wanted = wanted | Interest::GET;
        }
        (
            entry.filters.into(),
            cover(wanted, entry.wildcard).len() as u32,
        )
    }

    /// Whether an interest in deltas or documents makes the client fetch the document.
    fn would_resync(&self, shadow: ShadowHandle) -> bool {
        let options = self
            .shadows
            .get(shadow)
            .and_then(|entry| entry.options.as_deref());
        let resync = options
            .and_then(|options| options.resync)
            .unwrap_or(self.config.resync);
        self.mode(shadow) != Subscriptions::PublishOnly
            && resync.policy != crate::config::ResyncPolicy::Never
    }

    /// Counts a shadow's filters anew and has the planner look at them.
    pub(super) fn filters_changed(&mut self, shadow: ShadowHandle) {
        let Some(entry) = self.shadows.get(shadow) else {
            return;
        };
        let filters = cover(self.wanted(shadow, entry), entry.wildcard).len() as u8;
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
        let dirty = core::mem::take(&mut self.dirty);
        let mut give_up = Vec::new();
        let mut ask = [Vec::new(), Vec::new()];
        for shadow in dirty {
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
                let filters = cover(missing, entry.wildcard)
                    .into_iter()
                    .map(|covers| (shadow, covers));
                let [most, least] = &mut ask;
                match self.qos(shadow) {
                    Qos::AtMostOnce => most.extend(filters),
                    Qos::AtLeastOnce => least.extend(filters),
                }
            }
            self.ready_without_get(shadow);
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

    /// Makes room for one more that is never answered, it may be.
    fn forget_unanswered(&mut self) {
        let unanswered = |pending: &PendingSubscribe| pending.unsubscribe || pending.overdue;
        let count = self.pending.iter().filter(|it| unanswered(it)).count();
        let oldest = self.pending.iter().position(unanswered);
        let oldest = oldest.filter(|_| count >= MAX_UNANSWERED);
        if let Some(oldest) = oldest.and_then(|oldest| self.pending.remove(oldest)) {
            self.park_orphans(oldest.orphans);
        }
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

    pub(super) fn subscribed(&mut self, id: SubscribeId, codes: &[SubackCode]) {
        let Some(pending) = self.take_pending(id, false) else {
            return;
        };
        let missing = SubackCode::new(0x80);
        for (at, (shadow, covers)) in pending.filters.iter().enumerate() {
            let code = codes.get(at).copied().unwrap_or(missing);
            let Some(entry) = self.shadows.get_mut(*shadow) else {
                continue;
            };
            if covers.is_empty() {
                continue;
            }
            entry.asked = entry.asked.difference(*covers);
            if code.is_granted() {
                entry.granted = entry.granted | *covers;
                entry.refused = entry.refused.difference(*covers);
                entry.unsure = entry.unsure.difference(*covers);
                entry.failures = 0;
                let follow = Interest::DELTA | Interest::DOCUMENTS;
                let fetching = entry.resync.is_some() || entry.resync_at.is_some();
                if !fetching && !covers.intersection(follow).is_empty() {
                    // What was published before it was granted is missing.
                    self.resync_soon(*shadow);
                }
            } else {
                self.refuse(*shadow, *covers, code);
            }
            // What is wanted may have changed meanwhile.
            self.mark_dirty(*shadow);
        }
        self.promote_due = true;
    }

    fn refuse(&mut self, shadow: ShadowHandle, covers: Interest, code: SubackCode) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        entry.refused = entry.refused | covers;
        let filter = spell(&self.config.topic_prefix, &entry.id, covers);
        self.stats.refused += 1;
        self.tell(Event::Refused {
            shadow,
            filter: filter.clone(),
            code,
        });
        let doomed: Vec<RequestId> = self
            .waiting
            .iter()
            .copied()
            .filter(|id| {
                self.requests.get(*id).is_some_and(|request| {
                    request.shadow == shadow
                        && !request.publish_only
                        && !answers(request.operation).intersection(covers).is_empty()
                })
            })
            .collect();
        for id in doomed {
            let filter = filter.clone();
            self.fail(id, |stage| Failure::SubscribeRefused {
                stage,
                filter,
                code,
            });
        }
    }

    /// A SUBACK is overdue: the filters are asked for again. It may come yet, on a link whose
    /// round trip is longer than the timeout.
    pub(super) fn suback_overdue(&mut self, id: SubscribeId) {
        self.forget_unanswered();
        let pending = self.pending.iter_mut().find(|pending| pending.id == id);
        let Some(pending) = pending.filter(|pending| !pending.unsubscribe) else {
            return;
        };
        pending.overdue = true;
        let filters = pending.filters.clone();
        self.not_granted(filters);
    }

    /// A SUBSCRIBE or UNSUBSCRIBE came to nothing.
    pub(super) fn subscribe_failed(&mut self, id: SubscribeId) {
        if let Some(pending) = self.take_pending(id, true) {
            for (shadow, covers) in pending.filters {
                let Some(entry) = self.shadows.get_mut(shadow) else {
                    continue;
                };
                entry.leaving = entry.leaving.difference(covers);
                let held = entry.granted | entry.asked;
                entry.unsure = entry.unsure | covers.difference(held);
                self.look_again(shadow);
            }
            self.orphans_failed(pending.orphans);
            return;
        }
        if let Some(pending) = self.take_pending(id, false) {
            self.not_granted(pending.filters);
        }
    }

    fn not_granted(&mut self, filters: Vec<(ShadowHandle, Interest)>) {
        for (shadow, covers) in filters {
            let Some(entry) = self.shadows.get_mut(shadow) else {
                continue;
            };
            if covers.is_empty() {
                continue;
            }
            entry.asked = entry.asked.difference(covers);
            entry.unsure = entry.unsure | covers.difference(entry.granted);
            self.look_again(shadow);
        }
    }

    /// Has the planner look at a shadow again after a backoff.
    fn look_again(&mut self, shadow: ShadowHandle) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        if entry.resubscribe_at.is_none() {
            entry.failures = entry.failures.saturating_add(1);
            let attempt = u32::from(entry.failures) - 1;
            let at = self.now + self.backoff(attempt);
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.resubscribe_at = Some(at);
            }
            self.timers.set(at, Timer::Resubscribe(shadow));
        }
    }

    pub(super) fn unsubscribed(&mut self, id: SubscribeId) {
        let Some(pending) = self.take_pending(id, true) else {
            return;
        };
        for (shadow, covers) in pending.filters {
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.leaving = entry.leaving.difference(covers);
            }
            self.mark_dirty(shadow);
        }
    }

    fn take_pending(&mut self, id: SubscribeId, unsubscribe: bool) -> Option<PendingSubscribe> {
        let at = self
            .pending
            .iter()
            .position(|pending| pending.id == id && pending.unsubscribe == unsubscribe)?;
        self.pending.remove(at)
    }

    /// The connection is gone: what became of what was asked for and given up is unknown.
    pub(super) fn forget_pending(&mut self) {
        let pending = core::mem::take(&mut self.pending);
        for (shadow, covers) in pending.iter().flat_map(|pending| &pending.filters) {
            if let Some(entry) = self.shadows.get_mut(*shadow) {
                entry.unsure = entry.unsure | *covers;
            }
        }
        self.keep_orphans(pending.into_iter().flat_map(|pending| pending.orphans));
        for entry in self.shadows.iter_mut() {
            let asked = core::mem::take(&mut entry.asked);
            let leaving = core::mem::take(&mut entry.leaving);
            entry.unsure = (entry.unsure | asked | leaving).difference(entry.granted);
        }
    }

    /// An operation of a shadow has a request more.
    pub(super) fn add_user(&mut self, shadow: ShadowHandle, operation: Operation) {
        let persistent = self.mode(shadow) == Subscriptions::Persistent;
        if let Some(entry) = self.shadows.get_mut(shadow) {
            if let Some(users) = entry.users.get_mut(operation as usize) {
                *users += 1;
            }
            if persistent {
                entry.used = entry.used | answers(operation);
            }
            // A refusal may have been mended since: the call that needs the filter asks again.
            entry.refused = entry.refused.difference(answers(operation));
        }
        self.lingering
            .retain(|(other, of, _)| !(*other == shadow && *of == operation));
        self.filters_changed(shadow);
    }

    /// An operation of a shadow has a request less.
    pub(super) fn remove_user(&mut self, shadow: ShadowHandle, operation: Operation) {
        let mode = self.mode(shadow);
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        let Some(users) = entry.users.get_mut(operation as usize) else {
            return;
        };
        *users -= 1;
        if *users > 0 {
            return;
        }
        if let Subscriptions::PerRequest { linger } = mode {
            let at = self.now + linger;
            if !linger.is_zero() {
                self.lingering.push((shadow, operation, at));
                self.timers.set(at, Timer::Linger(shadow, operation));
            }
            self.filters_changed(shadow);
        }
    }

    pub(super) fn linger_over(&mut self, shadow: ShadowHandle, operation: Operation) {
        self.lingering
            .retain(|(other, of, _)| !(*other == shadow && *of == operation));
        self.filters_changed(shadow);
    }
}
