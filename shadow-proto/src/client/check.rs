//! What must hold between any two calls.

use super::{Client, pending::MAX_UNANSWERED, requests::Place};
use crate::topic::Operation;
use alloc::collections::BTreeMap;

impl Client {
    /// Checks what must hold between any two calls. Panics when it does not: for tests.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        self.outputs.check_invariants();
        self.requests.check_flying(&self.config.token_prefix);
        let mut in_flight = 0;
        let mut users = BTreeMap::new();
        for request in self.requests.iter() {
            let shadow = self.shadows.get(request.shadow);
            debug_assert!(shadow.is_some(), "a request's shadow is there");
            match request.place {
                Place::Waiting => {
                    debug_assert!(self.waiting.contains(&request.id), "it is in the list")
                }
                Place::Ready => debug_assert!(self.connected, "nothing is ready while offline"),
                Place::Output => {
                    debug_assert!(self.connected, "nothing is queued for a lost connection");
                    in_flight += 1;
                }
                Place::InFlight => in_flight += 1,
                Place::Backoff => {
                    debug_assert!(request.retry_at.is_some(), "it will be tried again")
                }
                Place::Follower(leader) => {
                    let leader = self.requests.get(leader);
                    debug_assert!(
                        leader.is_some_and(|leader| leader.followers.contains(&request.id))
                    );
                }
            }
            if !request.publish_only && !matches!(request.place, Place::Follower(_)) {
                *users
                    .entry((request.shadow, request.operation))
                    .or_insert(0) += 1;
            }
        }
        debug_assert_eq!(self.in_flight, in_flight, "what is in flight is counted");
        let by_thing: u32 = self.shadows.things().map(|thing| thing.in_flight).sum();
        debug_assert_eq!(by_thing, in_flight, "and by thing");
        debug_assert!(
            in_flight <= self.config.window.per_connection.max(1),
            "the window holds"
        );
        let mut filters = 0;
        for (handle, entry) in self.shadows.iter() {
            filters += u32::from(entry.filters);
            let both = entry.granted.intersection(entry.asked);
            debug_assert!(both.is_empty(), "what is granted is not asked for");
            for operation in Operation::ALL {
                let counted = entry
                    .users
                    .get(operation as usize)
                    .copied()
                    .unwrap_or_default();
                let users = users.get(&(handle, operation)).copied().unwrap_or(0);
                debug_assert_eq!(counted, users, "users are counted");
            }
        }
        debug_assert_eq!(self.filters, filters, "the budget is counted");
        let unanswered = self
            .pending
            .iter()
            .filter(|it| it.unsubscribe || it.overdue);
        debug_assert!(
            unanswered.count() <= MAX_UNANSWERED,
            "what is never answered is bounded"
        );
        debug_assert!(
            self.requests.asked <= self.config.limits.requests,
            "the queue is bounded"
        );
    }
}
