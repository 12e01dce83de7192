//! How requests end, or are tried again.

use super::{
    Client,
    requests::{Place, Purpose, Request},
    shadows::answers,
    timers::Timer,
};
use crate::{
    config::Qos,
    document::{Accepted, Rejection},
    event::{Event, RequestId},
    failure::{Failure, Stage},
    json::Json,
    request::{Interest, Retry},
    topic::Operation,
    wire::ErrorCode,
};
use core::time::Duration;

impl Client {
    /// The current try was rejected: try again, or end.
    pub(super) fn rejected(&mut self, id: RequestId, rejection: Rejection, payload: Option<Json>) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let (thing, tries) = (request.thing, request.earlier.len() as u32);
        let delay = if rejection.code == ErrorCode::TOO_MANY_REQUESTS {
            Some(self.pause(thing, tries))
        } else {
            None
        };
        let Some(request) = self.requests.get(id) else {
            return;
        };
        if !repeats(request, rejection.code) {
            self.finish(id, Err(Failure::Rejected(rejection)), payload);
            return;
        }
        let delay = delay.unwrap_or_else(|| self.backoff(tries));
        let at = self.now + delay;
        let late = self
            .requests
            .get(id)
            .is_none_or(|request| request.deadline.is_some_and(|end| at >= end));
        if late {
            self.finish(id, Err(Failure::Rejected(rejection)), payload);
            return;
        }
        self.land(id);
        self.stats.retries += 1;
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        request.place = Place::Backoff;
        // All tries with a caller's token are alike: after the first of them this may be the
        // rejection of an earlier one, which QoS 1 may deliver twice.
        let told_apart = request.own_token.is_none() || request.earlier.is_empty();
        request.earlier.push(request.counter);
        request.retry_at = Some(at);
        let unsure = request.repeated || !request.acknowledged;
        let repeatable = request.qos == Qos::AtLeastOnce && unsure;
        if rejection.code == ErrorCode::TOO_MANY_REQUESTS && !repeatable && told_apart {
            // It certainly changed nothing, and the session does not repeat it; what an earlier
            // try may have done stays.
            request.stage = request.earlier_stage;
        }
        self.timers.set(at, Timer::Retry(id));
    }

    /// Sends nothing of a thing for a while. How long.
    pub(super) fn pause(&mut self, thing: u32, tries: u32) -> Duration {
        let delay = self.backoff(tries);
        let until = self.now + delay;
        if let Some(entry) = self.shadows.thing_mut(thing) {
            entry.paused_until = entry.paused_until.max(until);
        }
        delay
    }

    pub(super) fn retry_now(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        request.retry_at = None;
        request.place = Place::Waiting;
        self.waiting.push(id);
        self.promote_due = true;
    }

    pub(super) fn expire(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(id) else {
            return;
        };
        let hint = request.hint.take();
        self.fail(id, |operation, stage| Failure::TimedOut {
            operation,
            stage,
            hint,
        });
    }

    /// Ends a request, or takes one that was merged out of what it was merged into.
    pub(super) fn fail(
        &mut self,
        id: RequestId,
        failure: impl FnOnce(Operation, Stage) -> Failure,
    ) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let operation = request.operation;
        let followed = !request.followers.is_empty();
        let leader = match request.place {
            Place::Follower(leader) => Some(leader),
            Place::Waiting | Place::Ready | Place::Output | Place::InFlight | Place::Backoff => {
                None
            }
        };
        let stage = match leader {
            Some(leader) => self.leave_leader(id, leader),
            None => self.stage_of(request),
        };
        let failure = failure(operation, stage);
        if followed && matches!(failure, Failure::Cancelled { .. }) {
            // Others were merged into it.
            if !stage.may_have_been_applied() {
                self.hand_over(id);
                self.finish(id, Err(failure), None);
                return;
            }
            // It goes on for them.
            if let Some(request) = self.requests.get_mut(id) {
                request.purpose = Purpose::Followers;
            }
            self.respond(id, Err(failure), None);
            return;
        }
        let alone = leader.filter(|leader| self.goes_on_for_nobody(*leader));
        if let Some(leader) = alone {
            self.finish(leader, Err(failure.clone()), None);
        }
        self.finish(id, Err(failure), None);
    }

    /// Whether it was cancelled, and so were all that were merged into it.
    fn goes_on_for_nobody(&self, id: RequestId) -> bool {
        self.requests.get(id).is_some_and(|request| {
            request.purpose == Purpose::Followers && request.followers.is_empty()
        })
    }

    /// How far a request got.
    pub(super) fn stage_of(&self, request: &Request) -> Stage {
        let subscribes = request.place == Place::Waiting && self.connected && !request.publish_only;
        let granted = self
            .shadows
            .get(request.shadow)
            .map_or(Interest::NONE, |shadow| shadow.granted);
        if subscribes && !granted.contains(answers(request.operation)) {
            return request.stage.max(Stage::Subscribing);
        }
        request.stage
    }

    /// The request that a merged one shares its outcome with; others themselves.
    pub(super) fn leader<'a>(&'a self, request: &'a Request) -> &'a Request {
        match request.place {
            Place::Follower(leader) => self.requests.get(leader).unwrap_or(request),
            Place::Waiting | Place::Ready | Place::Output | Place::InFlight | Place::Backoff => {
                request
            }
        }
    }

    /// Ends a request and those merged into it.
    pub(super) fn finish(
        &mut self,
        id: RequestId,
        outcome: Result<Accepted, Failure>,
        payload: Option<Json>,
    ) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let (shadow, operation, purpose) = (request.shadow, request.operation, request.purpose);
        let counted = !request.publish_only && !matches!(request.place, Place::Follower(_));
        let followers = request.followers.clone();
        if request.place == Place::Waiting {
            self.promote_due = true;
        }
        let token = self.token(id);
        self.land(id);
        let prefix = &self.config.token_prefix;
        let removed = self.requests.remove(id, token.as_ref(), prefix);
        debug_assert!(removed, "it was there");
        if counted {
            self.remove_user(shadow, operation);
        }
        for follower in followers {
            let prefix = &self.config.token_prefix;
            if self.requests.remove(follower, None, prefix) {
                self.count(&outcome);
                let (request, outcome, payload) = (follower, outcome.clone(), payload.clone());
                self.tell(Event::Response {
                    shadow,
                    request,
                    token,
                    outcome,
                    payload,
                });
            }
        }
        match purpose {
            Purpose::Resync => self.resync_done(shadow, outcome),
            Purpose::Followers => {}
            Purpose::Application => {
                self.count(&outcome);
                self.tell(Event::Response {
                    shadow,
                    request: id,
                    token,
                    outcome,
                    payload,
                });
            }
        }
    }

    fn respond(
        &mut self,
        id: RequestId,
        outcome: Result<Accepted, Failure>,
        payload: Option<Json>,
    ) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let (shadow, token) = (request.shadow, self.token(id));
        self.count(&outcome);
        self.tell(Event::Response {
            shadow,
            request: id,
            token,
            outcome,
            payload,
        });
    }

    fn count(&mut self, outcome: &Result<Accepted, Failure>) {
        let stats = &mut self.stats;
        *(match outcome {
            Ok(_) => &mut stats.accepted,
            Err(Failure::Rejected(_)) => &mut stats.rejected,
            Err(Failure::TimedOut { .. }) => &mut stats.timed_out,
            Err(_) => &mut stats.failed,
        }) += 1;
    }
}

/// Whether a rejection with this code is followed by another try.
fn repeats(request: &Request, code: ErrorCode) -> bool {
    let harmless = request.operation == Operation::Get || request.conditional;
    match request.retry {
        Retry::Never => false,
        Retry::Always => matches!(
            code,
            ErrorCode::TOO_MANY_REQUESTS | ErrorCode::INTERNAL_FAILURE
        ),
        Retry::Safe if request.own_token.is_some() => false,
        Retry::Safe => {
            code == ErrorCode::TOO_MANY_REQUESTS
                || (code == ErrorCode::INTERNAL_FAILURE && harmless)
        }
    }
}
