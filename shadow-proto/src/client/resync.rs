//! Fetching the document of a followed shadow: on connect, and when it is too old.

use super::{
    Client, requests::Purpose, shadows::Held, submit::Ask, timers::Timer, versions::Verdict,
};
use crate::{
    config::ResyncPolicy,
    document::{Accepted, Delta, Document},
    error::{RequestError, ResyncError},
    event::{Event, Origin, RequestId, ShadowHandle},
    failure::Failure,
    request::{Interest, RequestOptions},
    time::Timestamp,
    topic::Operation,
    wire::{ErrorCode, Version},
};
use alloc::boxed::Box;

impl Client {
    /// The interest of a shadow is another than `before`.
    pub(super) fn interest_changed(&mut self, shadow: ShadowHandle, before: Interest) {
        self.filters_changed(shadow);
        let follows = self.follows(shadow).is_some();
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        let followed = !before
            .intersection(Interest::DELTA | Interest::DOCUMENTS)
            .is_empty();
        entry.ready_due |= !entry.interest.difference(before).is_empty();
        let fetched = followed && entry.resynced_at.is_some() && !entry.unsynced;
        if follows && !fetched && self.connected {
            self.resync_soon(shadow);
        } else if !follows {
            entry.resync_at = None;
            // One that was asked for goes on as long as it has a meaning.
            if entry.resync_asked && self.is_followed(shadow) {
                return;
            }
            let fetching = self.shadows.get_mut(shadow);
            if let Some(request) = fetching.and_then(|entry| entry.resync.take()) {
                self.fail(request, |operation, stage| Failure::Cancelled {
                    operation,
                    stage,
                });
            }
            self.release(shadow);
        }
    }

    /// Fetches the document since the application asked for it.
    pub(super) fn resync_asked(&mut self, shadow: ShadowHandle) -> Result<(), ResyncError> {
        let entry = self.shadows.get(shadow);
        let fetching = entry.ok_or(ResyncError::UnknownShadow)?.resync.is_some();
        if !self.is_followed(shadow) {
            return Err(ResyncError::NotFollowed);
        }
        if self.follows(shadow).is_some() {
            self.start_resync(shadow);
            self.mark_asked(shadow);
            return Ok(());
        }
        // The policy makes no gets of its own; this one is the application's. Its filters are not
        // reserved, and no connect makes it again, so that it waits for one by itself.
        if fetching {
            return Ok(());
        }
        let ask = Ask::plain(Operation::Get, RequestOptions::default());
        let asked = self.submit(shadow, ask, Purpose::Resync);
        let id = match asked {
            Ok(id) => id,
            Err(RequestError::Budget(budget)) => return Err(ResyncError::Budget(budget)),
            Err(_) => {
                debug_assert!(
                    false,
                    "a get has neither state nor token, nor a place in the queue"
                );
                return Err(ResyncError::UnknownShadow);
            }
        };
        let now = self.now;
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.resync = Some(id);
            entry.resynced_at = Some(now);
        }
        self.mark_asked(shadow);
        Ok(())
    }

    fn mark_asked(&mut self, shadow: ShadowHandle) {
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.resync_asked = entry.resync.is_some();
        }
    }

    pub(super) fn resync_on_connect(&mut self, shadow: ShadowHandle, session_present: bool) {
        let Some(resync) = self.follows(shadow) else {
            return;
        };
        let Some(entry) = self.shadows.get(shadow) else {
            return;
        };
        let due = match resync.policy {
            ResyncPolicy::Always => true,
            ResyncPolicy::SessionLost => {
                !session_present || entry.resynced_at.is_none() || entry.unsynced
            }
            ResyncPolicy::Never => false,
        };
        if due {
            self.resync_soon(shadow);
        }
    }

    /// Fetches the document, but not sooner than the least interval after the last time.
    pub(super) fn resync_soon(&mut self, shadow: ShadowHandle) {
        let Some(resync) = self.follows(shadow) else {
            return;
        };
        let now = self.now;
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        entry.unsynced = true;
        if entry.resync.is_some() {
            return;
        }
        let at = entry
            .resynced_at
            .map_or(now, |last| last + resync.min_interval);
        if at <= now {
            self.start_resync(shadow);
        } else {
            entry.resync_at = Some(at);
            self.timers.set(at, Timer::Resync(shadow));
        }
    }

    /// Fetches the document now.
    pub(super) fn start_resync(&mut self, shadow: ShadowHandle) {
        if self.follows(shadow).is_none() {
            return;
        }
        let connected = self.connected;
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        entry.resync_at = None;
        if !connected {
            // The next connect does it, whatever became of the session.
            entry.unsynced = true;
            return;
        }
        if entry.resync.is_some() {
            return;
        }
        let options = RequestOptions::default();
        let Ok(id) = self.submit(shadow, Ask::plain(Operation::Get, options), Purpose::Resync)
        else {
            debug_assert!(
                false,
                "the filters of its answers were reserved with the interest"
            );
            return;
        };
        let now = self.now;
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.resync = Some(id);
            entry.resynced_at = Some(now);
        }
    }

    /// The get that fetches a document is over.
    pub(super) fn resync_done(&mut self, shadow: ShadowHandle, outcome: Result<Accepted, Failure>) {
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        entry.resync = None;
        entry.resync_asked = false;
        match outcome {
            Ok(Accepted::Get(document)) => self.synced(shadow, Some(document)),
            Err(Failure::Rejected(rejection)) if rejection.code == ErrorCode::NOT_FOUND => {
                self.synced(shadow, None);
            }
            Ok(_) => debug_assert!(false, "a get is answered by a document"),
            Err(Failure::Removed { .. } | Failure::Cancelled { .. }) => {}
            // With a lost session the next connect fetches anew; what is held goes on waiting.
            Err(Failure::Disconnected { .. }) if self.follows(shadow).is_some() => {}
            Err(failure) => self.resync_failed(shadow, failure),
        }
    }

    /// The get that fetches a document found none, but a shadow made since was seen: it is made
    /// again. Whether it was such a get.
    pub(super) fn refetch(&mut self, id: RequestId) -> bool {
        let Some(request) = self.requests.get(id) else {
            return false;
        };
        let (shadow, operation, stage) = (request.shadow, request.operation, request.stage);
        if request.purpose != Purpose::Resync {
            return false;
        }
        let token = self.token(id);
        self.finish(id, Err(Failure::Cancelled { operation, stage }), None);
        if let Some(token) = token {
            self.requests.mark_answered(token.as_bytes());
        }
        if self.follows(shadow).is_some() {
            self.resync_soon(shadow);
        } else {
            // Its filters are reserved, since they were a moment ago.
            let _ = self.resync_asked(shadow);
        }
        true
    }

    fn synced(&mut self, shadow: ShadowHandle, document: Option<Box<Document>>) {
        let max_age = self.follows(shadow).and_then(|resync| resync.max_age);
        let now = self.now;
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        entry.ready = true;
        entry.ready_due = false;
        entry.unsynced = false;
        entry.failures = 0;
        if let Some(age) = max_age {
            let at = now + age;
            entry.resync_at = Some(at);
            self.timers.set(at, Timer::Resync(shadow));
        }
        let held = self
            .shadows
            .get_mut(shadow)
            .and_then(|entry| entry.held.take());
        let version = document.as_deref().map(|document| document.version);
        let brought = document.as_deref().and_then(Delta::from_document);
        self.tell(Event::Ready {
            shadow,
            document,
            fetched: true,
        });
        // The held delta came on its own and says more (metadata, token); it goes first, and the
        // document's delta is news only if it is newer.
        if let Some((entry, version)) = self.shadows.get_mut(shadow).zip(version) {
            entry.versions.settle(version);
        }
        if let Some(held) = held {
            self.deliver(shadow, *held);
        }
        let epoch = self.shadows.get(shadow).map(|entry| entry.versions.epoch);
        if let (Some(delta), Some(epoch)) = (brought, epoch) {
            self.deliver(
                shadow,
                Held {
                    delta,
                    origin: Origin::Unknown,
                    payload: None,
                    epoch,
                },
            );
        }
        self.promote_due = true;
    }

    fn resync_failed(&mut self, shadow: ShadowHandle, failure: Failure) {
        let mut retry_in = None;
        // A refusal stays one until the next connect; what a lost session ended begins anew with
        // the connect that found it lost.
        let again = !matches!(
            failure,
            Failure::SubscribeRefused { .. } | Failure::Disconnected { .. }
        );
        if again && self.follows(shadow).is_some() {
            let failures = self.shadows.get(shadow).map_or(0, |entry| entry.failures);
            let delay = self.backoff(u32::from(failures));
            let at = self.now + delay;
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.failures = failures.saturating_add(1);
                entry.resync_at = Some(at);
            }
            self.timers.set(at, Timer::Resync(shadow));
            retry_in = Some(delay);
        }
        self.tell(Event::ResyncFailed {
            shadow,
            failure,
            retry_in,
        });
        self.release(shadow);
    }

    /// Delivers the delta that waited.
    fn release(&mut self, shadow: ShadowHandle) {
        if let Some(held) = self
            .shadows
            .get_mut(shadow)
            .and_then(|entry| entry.held.take())
        {
            self.deliver(shadow, *held);
        }
    }

    /// Delivers a delta that did not just come, if it is news.
    fn deliver(&mut self, shadow: ShadowHandle, held: Held) {
        let Held {
            delta,
            origin,
            payload,
            epoch,
        } = held;
        let Some(entry) = self.shadows.get(shadow) else {
            return;
        };
        if entry.versions.epoch != epoch {
            // It waited while its shadow was deleted.
            self.stats.old += 1;
        } else if self.is_news(shadow, delta.version, delta.timestamp) {
            self.tell(Event::Delta {
                shadow,
                delta,
                origin,
                payload,
            });
        }
    }

    /// Takes note of a delta. Whether it is to be delivered.
    pub(super) fn is_news(
        &mut self,
        shadow: ShadowHandle,
        version: Version,
        timestamp: Option<Timestamp>,
    ) -> bool {
        let gaps = self.gaps();
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return false;
        };
        match entry.versions.delta(version, timestamp, gaps) {
            Verdict::New => {}
            Verdict::Duplicate => {
                self.stats.duplicates += 1;
                return false;
            }
            Verdict::Old => {
                self.stats.old += 1;
                return false;
            }
            // No get will tell: rather late than never.
            Verdict::Overtaken if self.follows(shadow).is_none() => {
                if let Some(entry) = self.shadows.get_mut(shadow) {
                    entry.versions.let_through(version);
                }
            }
            Verdict::Overtaken | Verdict::Younger => {
                self.stats.old += 1;
                self.resync_soon(shadow);
                return false;
            }
        }
        self.stats.deltas += 1;
        true
    }

    /// Tells a shadow that is watched without a get that its filters are granted.
    pub(super) fn ready_without_get(&mut self, shadow: ShadowHandle) {
        let follows = self.follows(shadow).is_some();
        let Some(entry) = self.shadows.get(shadow) else {
            return;
        };
        if !entry.ready_due || follows || !entry.granted.contains(entry.interest) {
            return;
        }
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.ready_due = false;
            entry.ready = true;
        }
        self.tell(Event::Ready {
            shadow,
            document: None,
            fetched: false,
        });
    }
}
