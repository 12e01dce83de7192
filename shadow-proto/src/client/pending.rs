//! SUBSCRIBEs and UNSUBSCRIBEs under way.

use super::Client;
use crate::{
    event::{ShadowHandle, SubscribeId},
    name::ShadowId,
    request::Interest,
    time::Instant,
};
use alloc::vec::Vec;

/// A SUBSCRIBE or UNSUBSCRIBE that is not answered.
#[derive(Debug)]
pub(crate) struct PendingSubscribe {
    pub(crate) id: SubscribeId,
    pub(crate) deadline: Instant,
    pub(super) unsubscribe: bool,
    /// Its SUBACK is overdue, and its filters are asked for again; it counts all the same.
    pub(super) overdue: bool,
    /// What each of its filters covers, in their order.
    pub(super) filters: Vec<(ShadowHandle, Interest)>,
    /// Those of an UNSUBSCRIBE whose shadow was removed.
    pub(super) orphans: Vec<(ShadowId, Interest)>,
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
    pub(super) fn strip(&mut self, shadow: ShadowHandle, covers: Interest) {
        if !self.unsubscribe {
            for (other, asked) in &mut self.filters {
                if *other == shadow && *asked == covers {
                    *asked = Interest::NONE;
                }
            }
        }
    }
}

impl Client {
    pub(super) fn take_pending(
        &mut self,
        id: SubscribeId,
        unsubscribe: bool,
    ) -> Option<PendingSubscribe> {
        let at = self
            .pending
            .iter()
            .position(|pending| pending.id == id && pending.unsubscribe == unsubscribe)?;
        self.pending.remove(at)
    }

    /// Makes room for one more that is never answered, it may be.
    pub(super) fn forget_unanswered(&mut self) {
        let unanswered = |pending: &PendingSubscribe| pending.unsubscribe || pending.overdue;
        let count = self.pending.iter().filter(|it| unanswered(it)).count();
        let oldest = self.pending.iter().position(unanswered);
        let oldest = oldest.filter(|_| count >= MAX_UNANSWERED);
        if let Some(oldest) = oldest.and_then(|oldest| self.pending.remove(oldest)) {
            self.park_orphans(oldest.orphans);
        }
    }
}

/// How many unanswered UNSUBSCRIBEs and overdue SUBSCRIBEs of a connection are remembered.
pub(super) const MAX_UNANSWERED: usize = 32;
