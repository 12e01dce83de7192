//! Answers to requests: ours, those that were over, other clients'.

use super::{
    Client,
    requests::{Owner, Past, Place, Request},
    shadows::answers,
    versions::{Dates, Trust, Verdict},
};
use crate::{
    document::{Accepted, Document, Rejection, Updated},
    event::{Event, Origin, RequestId, ShadowHandle},
    request::Interest,
    time::Timestamp,
    token::ClientToken,
    topic::Operation,
    wire::{self, ErrorCode, Version},
};
use alloc::{boxed::Box, vec::Vec};

impl Client {
    pub(super) fn get_accepted(
        &mut self,
        shadow: ShadowHandle,
        answer: &wire::GetAccepted<'_>,
        payload: &[u8],
    ) {
        let token = answer.client_token.as_deref();
        let owner = self.owner(token, shadow, Operation::Get);
        if let Owner::Live(id) = owner {
            if self.is_bygone(id, token, answer.version) && self.refetch(id) {
                return;
            }
        }
        let (version, time) = (answer.version, answer.timestamp);
        self.observe(shadow, owner, token, Dates::Answer, version, time);
        let accepted = || Accepted::Get(Box::new(Document::from_wire(answer)));
        self.accepted(shadow, owner, Operation::Get, token, accepted, payload);
    }

    pub(super) fn update_accepted(
        &mut self,
        shadow: ShadowHandle,
        answer: &wire::UpdateAccepted<'_>,
        payload: &[u8],
    ) {
        let token = answer.client_token.as_deref();
        let owner = self.owner(token, shadow, Operation::Update);
        if matches!(owner, Owner::Foreign | Owner::Nobody) {
            let gaps = self.gaps();
            let Some(entry) = self.shadows.get_mut(shadow) else {
                return;
            };
            match entry
                .versions
                .update(answer.version, answer.timestamp, gaps)
            {
                Verdict::New => {}
                Verdict::Duplicate => {
                    self.stats.duplicates += 1;
                    return;
                }
                Verdict::Old | Verdict::Overtaken | Verdict::Younger => {
                    self.stats.old += 1;
                    return;
                }
            }
        } else {
            let (version, time) = (answer.version, answer.timestamp);
            self.observe(shadow, owner, token, Dates::Version, version, time);
        }
        let accepted = || Accepted::Update(Box::new(Updated::from_wire(answer)));
        self.accepted(shadow, owner, Operation::Update, token, accepted, payload);
    }

    pub(super) fn delete_accepted(
        &mut self,
        shadow: ShadowHandle,
        answer: &wire::DeleteAccepted<'_>,
        payload: &[u8],
    ) {
        let token = answer.client_token.as_deref();
        let owner = self.owner(token, shadow, Operation::Delete);
        let (version, timestamp) = (answer.version, answer.timestamp);
        let origin = match owner {
            Owner::Live(request) => Origin::Ours(request),
            Owner::Past(past) => past.request.map_or(Origin::Foreign, Origin::Ours),
            Owner::Foreign => Origin::Foreign,
            Owner::Nobody => Origin::Unknown,
        };
        let gaps = self.gaps();
        let news = self
            .shadows
            .get_mut(shadow)
            .is_some_and(|entry| entry.versions.delete(version, timestamp, gaps));
        if news {
            self.deleted(shadow, version, origin);
        } else if matches!(owner, Owner::Foreign | Owner::Nobody) {
            self.stats.duplicates += 1;
            return;
        }
        let accepted = || Accepted::Delete { version, timestamp };
        self.accepted(shadow, owner, Operation::Delete, token, accepted, payload);
    }

    pub(super) fn request_rejected(
        &mut self,
        shadow: ShadowHandle,
        operation: Operation,
        answer: &wire::Rejected<'_>,
        payload: &[u8],
    ) {
        let token = answer.client_token.as_deref();
        let owner = self.owner(token, shadow, operation);
        let rejection = Rejection::from_wire(answer);
        match owner {
            Owner::Live(id) => {
                if !self.is_current(id, token) {
                    // A rejection of an earlier try, once more.
                    self.stats.duplicates += 1;
                    return;
                }
                if operation == Operation::Get && rejection.code == ErrorCode::NOT_FOUND {
                    if !self.is_overtaken(id) {
                        self.found_deleted(shadow);
                    } else if self.refetch(id) {
                        return;
                    }
                }
                let payload = self.keep(payload);
                self.rejected(id, rejection, payload);
                self.mark_answered(token);
            }
            Owner::Past(past) => self.late(past, operation, Err(rejection)),
            Owner::Foreign => {
                self.stats.foreign += 1;
                if self.watches(shadow, operation, false) {
                    let payload = self.keep(payload);
                    self.tell(Event::ForeignAnswer {
                        shadow,
                        token: token.and_then(ClientToken::read),
                        operation,
                        answer: Err(rejection),
                        payload,
                    });
                }
            }
            Owner::Nobody => self.unattributed(shadow, operation, rejection),
        }
    }

    /// A rejection that names no request ends none: most likely another client's request could
    /// not be read. It is kept as a hint for those it may be about.
    fn unattributed(&mut self, shadow: ShadowHandle, operation: Operation, rejection: Rejection) {
        self.stats.foreign += 1;
        let fits = |request: &&Request| {
            let sent = request.place == Place::InFlight;
            sent && request.shadow == shadow && request.operation == operation
        };
        let ids: Vec<RequestId> = self
            .requests
            .iter()
            .filter(fits)
            .map(|request| request.id)
            .collect();
        let candidate = match *ids {
            [only] => Some(only),
            _ => None,
        };
        for id in ids {
            if let Some(request) = self.requests.get_mut(id) {
                request.hint = Some(Box::new(rejection.clone()));
            }
        }
        let thing = self.shadows.get(shadow).map(|entry| entry.thing);
        if let Some(thing) = thing.filter(|_| rejection.code == ErrorCode::TOO_MANY_REQUESTS) {
            self.pause(thing, 0);
        }
        if candidate.is_some() || self.watches(shadow, operation, false) {
            self.tell(Event::UnattributedRejection {
                shadow,
                operation,
                rejection,
                candidate,
            });
        }
    }

    /// Brings an accepted answer to whoever it is for.
    fn accepted(
        &mut self,
        shadow: ShadowHandle,
        owner: Owner,
        operation: Operation,
        token: Option<&str>,
        accepted: impl FnOnce() -> Accepted,
        payload: &[u8],
    ) {
        match owner {
            Owner::Live(id) => {
                let payload = self.keep(payload);
                self.finish(id, Ok(accepted()), payload);
                self.mark_answered(token);
            }
            Owner::Past(past) => self.late(past, operation, Ok(accepted())),
            Owner::Foreign | Owner::Nobody => {
                self.stats.foreign += 1;
                if self.watches(shadow, operation, true) {
                    let payload = self.keep(payload);
                    self.tell(Event::ForeignAnswer {
                        shadow,
                        token: token.and_then(ClientToken::read),
                        operation,
                        answer: Ok(accepted()),
                        payload,
                    });
                }
            }
        }
    }

    /// The try with this token was answered: another answer to it is a duplicate.
    fn mark_answered(&mut self, token: Option<&str>) {
        if let Some(token) = token {
            self.requests.mark_answered(token.as_bytes());
        }
    }

    /// An answer to a request that was over: the first is news.
    fn late(&mut self, past: Past, operation: Operation, answer: Result<Accepted, Rejection>) {
        if !self.requests.mark_answered(past.token.as_bytes()) {
            self.stats.duplicates += 1;
            return;
        }
        self.stats.late_answers += 1;
        let Past {
            token,
            request,
            shadow,
            ..
        } = past;
        self.tell(Event::LateAnswer {
            shadow,
            request,
            token,
            operation,
            answer,
        });
    }

    /// Whose answer it is; a token of ours on the topic of another operation is nobody's.
    fn owner(&self, token: Option<&str>, shadow: ShadowHandle, operation: Operation) -> Owner {
        let owner = self
            .requests
            .owner(token, shadow, &self.config.token_prefix);
        let asked = match owner {
            Owner::Live(id) => self.requests.get(id).map(|request| request.operation),
            Owner::Past(past) => Some(past.operation),
            Owner::Foreign | Owner::Nobody => return owner,
        };
        if asked == Some(operation) {
            owner
        } else {
            Owner::Foreign
        }
    }

    /// Whether a token is that of a request's current try.
    fn is_current(&self, id: RequestId, token: Option<&str>) -> bool {
        let Some(token) = token.map(str::as_bytes) else {
            return false;
        };
        let prefix = &self.config.token_prefix;
        if self.requests.live_generated(token, prefix) == Some(id) {
            return true;
        }
        let request = self.requests.get(id);
        request.is_some_and(|request| request.place == Place::InFlight)
            && self
                .token(id)
                .is_some_and(|current| current.as_bytes() == token)
    }

    fn observe(
        &mut self,
        shadow: ShadowHandle,
        owner: Owner,
        token: Option<&str>,
        dates: Dates,
        version: Version,
        timestamp: Option<Timestamp>,
    ) {
        let gaps = self.gaps();
        let (request, sent_in) = match owner {
            Owner::Live(id) => (self.requests.get(id), self.sent_in(id, token)),
            Owner::Past(_) | Owner::Foreign | Owner::Nobody => (None, None),
        };
        let get = request.filter(|request| request.operation == Operation::Get);
        // Only if the last try is the only one is it certain when it was sent.
        let known = get
            .filter(|get| get.earlier.is_empty())
            .and_then(|get| get.newest);
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        let same_epoch = sent_in == Some(entry.versions.epoch) && !entry.versions.deleted;
        if same_epoch && known.is_some_and(|known| version.number() < known) {
            entry.versions.begin_anew(version, timestamp);
            self.deleted(shadow, None, Origin::Unknown);
            return;
        }
        let younger = version < Version::new(entry.versions.newest.map_or(0, |(newest, _)| newest))
            && entry.versions.is_later(timestamp);
        if younger && known.is_none() {
            self.resync_soon(shadow);
        }
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        let trust = match sent_in {
            Some(epoch) if epoch == entry.versions.epoch => Trust::Ours,
            Some(_) | None => Trust::Other,
        };
        entry
            .versions
            .observe(version, timestamp, trust, dates, gaps);
    }

    /// The epoch in which the try was sent that an answer with this token is to; `None` if that
    /// may have been an earlier one.
    fn sent_in(&self, id: RequestId, token: Option<&str>) -> Option<u32> {
        let request = self.requests.get(id)?;
        // Tries with a caller's token are all alike.
        let told_apart = request.own_token.is_none() || request.earlier.is_empty();
        let current = told_apart && self.is_current(id, token);
        current.then_some(request.epoch)
    }

    /// Whether what a get found may be the shadow that was deleted since it was sent.
    fn is_bygone(&self, id: RequestId, token: Option<&str>, version: Version) -> bool {
        let Some(request) = self.requests.get(id) else {
            return false;
        };
        let versions = self
            .shadows
            .get(request.shadow)
            .map(|entry| &entry.versions);
        versions.is_some_and(|versions| {
            let newest = versions.newest.map_or(0, |(newest, _)| newest);
            let since = self.sent_in(id, token) == Some(versions.epoch);
            versions.deleted && version.number() <= newest && !since
        })
    }

    /// Whether something newer was seen since a request was sent: what it found may be past.
    fn is_overtaken(&self, id: RequestId) -> bool {
        let Some(request) = self.requests.get(id) else {
            return false;
        };
        self.shadows.get(request.shadow).is_some_and(|entry| {
            let newest = entry.versions.known();
            entry.versions.epoch != request.epoch || newest != request.newest
        })
    }

    /// A get of ours found no shadow.
    fn found_deleted(&mut self, shadow: ShadowHandle) {
        let gaps = self.gaps();
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        if entry.versions.newest.is_some() && entry.versions.delete(None, None, gaps) {
            self.deleted(shadow, None, Origin::Unknown);
        }
    }

    fn deleted(&mut self, shadow: ShadowHandle, version: Option<Version>, origin: Origin) {
        let Some(entry) = self.shadows.get(shadow) else {
            return;
        };
        if !entry.interest.is_empty() {
            self.tell(Event::Deleted {
                shadow,
                version,
                origin,
            });
        }
    }

    /// Whether answers to other clients are of interest.
    fn watches(&self, shadow: ShadowHandle, operation: Operation, accepted: bool) -> bool {
        let half = if accepted {
            Interest::GET_ACCEPTED | Interest::UPDATE_ACCEPTED | Interest::DELETE_ACCEPTED
        } else {
            Interest::GET_REJECTED | Interest::UPDATE_REJECTED | Interest::DELETE_REJECTED
        };
        let topic = answers(operation).intersection(half);
        self.shadows
            .get(shadow)
            .is_some_and(|entry| entry.interest.contains(topic))
    }
}
