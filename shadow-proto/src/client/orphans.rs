//! Filters that a shadow left on the broker when it was removed: given up as soon as there is a
//! connection to say so.

use super::{Client, filters, timers::Timer};
use crate::{event::ShadowHandle, name::ShadowId, request::Interest, time::Instant};
use alloc::vec::Vec;

/// What is left of shadows that were removed.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    /// Each filter as the topics it covers.
    left: Vec<(ShadowId, Interest)>,
    /// Those whose UNSUBSCRIBE was not answered for so long that it is not waited for any more;
    /// the next connection tries again.
    parked: Vec<(ShadowId, Interest)>,
    /// No UNSUBSCRIBE for them before this time.
    pub(crate) retry_at: Option<Instant>,
    failures: u8,
}

impl Client {
    /// A shadow is removed: what it has on the broker, or may have, outlives it.
    pub(super) fn orphan(&mut self, shadow: ShadowHandle) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        let held = entry.granted | entry.asked | entry.unsure;
        let (id, held) = (entry.id.clone(), filters::cover(held, entry.wildcard));
        self.filters -= u32::from(core::mem::take(&mut entry.filters));
        for pending in &mut self.pending {
            pending.orphan(shadow, &id);
        }
        for covers in held {
            self.leave(id.clone(), covers);
        }
    }

    /// A shadow is added that may have filters on the broker from before.
    pub(super) fn adopt(&mut self, shadow: ShadowHandle) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        self.orphans.left.retain(|(id, covers)| {
            let its = *id == entry.id && is_filter(*covers, entry.wildcard);
            if its {
                entry.unsure = entry.unsure | *covers;
            }
            !its
        });
    }

    /// Gives up what can be given up now.
    pub(super) fn flush_orphans(&mut self) {
        if !self.connected || self.orphans.left.is_empty() || self.orphans.retry_at.is_some() {
            return;
        }
        let mut left = Vec::new();
        for (id, covers) in core::mem::take(&mut self.orphans.left) {
            let shadow = self.shadows.find(id.thing(), id.shadow());
            let shadow = shadow.and_then(|shadow| self.shadows.get_mut(shadow));
            match shadow {
                // It was added again, with the same filter: then it is for that shadow to keep or
                // give up.
                Some(entry) if is_filter(covers, entry.wildcard) => {
                    let known = entry.granted | entry.asked;
                    entry.unsure = entry.unsure | covers.difference(known);
                    let shadow = self.shadows.find(id.thing(), id.shadow());
                    if let Some(shadow) = shadow {
                        self.mark_dirty(shadow);
                    }
                }
                Some(_) | None => left.push((id, covers)),
            }
        }
        let size = usize::from(self.config.budget.per_subscribe.max(1));
        for orphans in left.chunks(size) {
            self.send_orphans(orphans.to_vec());
        }
    }

    /// An UNSUBSCRIBE for them came to nothing.
    pub(super) fn orphans_failed(&mut self, orphans: Vec<(ShadowId, Interest)>) {
        if orphans.is_empty() {
            return;
        }
        for (id, covers) in orphans {
            self.leave(id, covers);
        }
        if self.orphans.retry_at.is_none() {
            let attempt = u32::from(self.orphans.failures);
            self.orphans.failures = self.orphans.failures.saturating_add(1);
            let at = self.now + self.backoff(attempt);
            self.orphans.retry_at = Some(at);
            self.timers.set(at, Timer::Orphans);
        }
    }

    /// The connection is gone: what was under way may not have arrived.
    pub(super) fn keep_orphans(&mut self, orphans: impl Iterator<Item = (ShadowId, Interest)>) {
        let parked = core::mem::take(&mut self.orphans.parked);
        for (id, covers) in orphans.chain(parked) {
            self.leave(id, covers);
        }
        self.orphans.retry_at = None;
        self.orphans.failures = 0;
    }

    /// An UNSUBSCRIBE for them is not waited for any more.
    pub(super) fn park_orphans(&mut self, orphans: Vec<(ShadowId, Interest)>) {
        for orphan in orphans {
            if !self.orphans.parked.contains(&orphan) {
                self.orphans.parked.push(orphan);
            }
        }
    }

    /// The session is lost, and with it whatever was left.
    pub(super) fn forget_orphans(&mut self) {
        self.orphans.left.clear();
        self.orphans.parked.clear();
    }

    fn leave(&mut self, id: ShadowId, covers: Interest) {
        let known = self.orphans.left.iter();
        if !known.clone().any(|left| left.0 == id && left.1 == covers) {
            self.orphans.left.push((id, covers));
        }
    }
}

/// Whether a shadow with or without wildcards has a filter that covers these topics.
fn is_filter(covers: Interest, wildcard: bool) -> bool {
    match covers {
        Interest::GET | Interest::DELETE => wildcard,
        covers if (Interest::GET | Interest::DELETE).contains(covers) => !wildcard,
        _ => true,
    }
}
