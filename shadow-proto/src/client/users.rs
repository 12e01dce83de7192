//! Who needs the filters of an operation: its requests, and for a while after the last of them.

use super::{Client, shadows::answers, timers::Timer};
use crate::{config::Subscriptions, event::ShadowHandle, topic::Operation};

impl Client {
    pub(super) fn lingers(&self, shadow: ShadowHandle, operation: Operation) -> bool {
        self.lingering
            .iter()
            .any(|(other, of, _)| *other == shadow && *of == operation)
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
