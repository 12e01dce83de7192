//! How many filters may be subscribed, and what gives way when they are too many.

use super::{Client, filters::cover};
use crate::{
    config::{ResyncPolicy, Subscriptions},
    error::BudgetExceeded,
    event::ShadowHandle,
    request::Interest,
};
use alloc::boxed::Box;

impl Client {
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
            cover(wanted, entry.wildcard).count() as u32,
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
        self.mode(shadow) != Subscriptions::PublishOnly && resync.policy != ResyncPolicy::Never
    }
}
