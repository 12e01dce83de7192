//! What became of a SUBSCRIBE or UNSUBSCRIBE: granted, refused, failed, or never answered.

use super::{Client, filters::spell, shadows::answers, timers::Timer};
use crate::{
    event::{Event, RequestId, ShadowHandle, SubscribeId},
    failure::{Failure, SubackCode},
    request::Interest,
};
use alloc::vec::Vec;

impl Client {
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
                let possible = entry.refused.intersection(Interest::GET).is_empty();
                if !fetching && possible && !covers.intersection(follow).is_empty() {
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
            self.fail(id, |_, stage| Failure::SubscribeRefused {
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
}
