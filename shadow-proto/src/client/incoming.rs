//! Messages from the service, by topic.

use super::{
    Client,
    requests::Owner,
    shadows::Held,
    versions::{Dates, Gaps, Trust, Verdict},
};
use crate::{
    document::{Delta, Documents},
    error::NotShadowTopic,
    event::{Event, Origin, ShadowHandle},
    json::Json,
    request::Interest,
    topic::{Topic, TopicKind},
    wire::{self, DecodeError, Message},
};
use alloc::boxed::Box;

impl Client {
    pub(super) fn receive(&mut self, topic: &str, payload: &[u8]) -> Result<(), NotShadowTopic> {
        let topic = Topic::parse_with(&self.config.topic_prefix, topic).ok_or(NotShadowTopic)?;
        let kind = topic.kind();
        if kind.is_request() {
            return Err(NotShadowTopic);
        }
        let shadow = self
            .shadows
            .find(topic.thing(), topic.shadow())
            .ok_or(NotShadowTopic)?;
        let max = self.config.limits.payload;
        let message = match payload.len() {
            length if length > max => Err(DecodeError::TooLarge { length, max }),
            _ => wire::decode(kind, payload),
        };
        match message {
            Err(reason) => self.undecodable(shadow, kind, reason, payload),
            Ok(Message::GetAccepted(answer)) => self.get_accepted(shadow, &answer, payload),
            Ok(Message::UpdateAccepted(answer)) => self.update_accepted(shadow, &answer, payload),
            Ok(Message::DeleteAccepted(answer)) => self.delete_accepted(shadow, &answer, payload),
            Ok(Message::Rejected(answer)) => {
                self.request_rejected(shadow, kind.operation(), &answer, payload);
            }
            Ok(Message::Delta(delta)) => self.delta(shadow, &delta, payload),
            Ok(Message::Documents(documents)) => self.documents(shadow, &documents, payload),
            Ok(Message::Request(_)) => return Err(NotShadowTopic),
        }
        Ok(())
    }

    fn undecodable(
        &mut self,
        shadow: ShadowHandle,
        topic: TopicKind,
        reason: DecodeError,
        payload: &[u8],
    ) {
        self.stats.undecodable += 1;
        let kept = payload.len().min(self.config.limits.undecodable);
        let payload: Box<[u8]> = payload.get(..kept).unwrap_or_default().into();
        self.tell(Event::Undecodable {
            shadow,
            topic,
            reason,
            payload,
        });
    }

    fn delta(&mut self, shadow: ShadowHandle, message: &wire::Delta<'_>, payload: &[u8]) {
        let Some(entry) = self.shadows.get(shadow) else {
            return;
        };
        if !entry.interest.contains(Interest::DELTA) {
            return;
        }
        if entry.resync.is_some() {
            self.hold(shadow, message, payload);
        } else if self.is_news(shadow, message.version, message.timestamp) {
            // Nothing is copied of what is not delivered. The event is large: it is made where it is moved from, once
            // all else is known.
            let origin = self.origin(shadow, message.client_token.as_deref());
            let payload = self.keep(payload);
            self.tell(Event::Delta {
                shadow,
                delta: Delta::from_wire(message),
                origin,
                payload,
            });
        }
    }

    /// A delta waits for the document that is being fetched.
    #[cold]
    fn hold(&mut self, shadow: ShadowHandle, message: &wire::Delta<'_>, payload: &[u8]) {
        let origin = self.origin(shadow, message.client_token.as_deref());
        let payload = self.keep(payload);
        let gaps = self.gaps();
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        // As if what is held had been delivered: the watermark knows of epochs.
        let mut versions = entry.versions.clone();
        let epoch = versions.epoch;
        if let Some(held) = entry.held.as_ref().filter(|held| held.epoch == epoch) {
            versions.delta(held.delta.version, held.delta.timestamp, gaps);
        }
        let (version, time) = (message.version, message.timestamp);
        match versions.delta(version, time, gaps) {
            // If it is void, the document will tell.
            Verdict::New | Verdict::Overtaken => {}
            Verdict::Duplicate | Verdict::Old | Verdict::Younger => {
                self.stats.old += 1;
                return;
            }
        }
        let versions = &mut entry.versions;
        versions.observe(version, time, Trust::Other, Dates::Version, gaps);
        entry.held = Some(Box::new(Held {
            delta: Delta::from_wire(message),
            origin,
            payload,
            epoch: entry.versions.epoch,
        }));
    }

    fn documents(&mut self, shadow: ShadowHandle, message: &wire::Documents<'_>, payload: &[u8]) {
        let origin = self.origin(shadow, message.client_token.as_deref());
        let gaps = self.gaps();
        let Some(entry) = self.shadows.get_mut(shadow) else {
            return;
        };
        if !entry.interest.contains(Interest::DOCUMENTS) {
            return;
        }
        match entry
            .versions
            .documents(message.current.version, message.timestamp, gaps)
        {
            Verdict::New => {
                let documents = Box::new(Documents::from_wire(message));
                let payload = self.keep(payload);
                self.tell(Event::Documents {
                    shadow,
                    documents,
                    origin,
                    payload,
                });
            }
            Verdict::Duplicate => self.stats.duplicates += 1,
            Verdict::Old | Verdict::Overtaken | Verdict::Younger => self.stats.old += 1,
        }
    }

    /// Whose request caused a message with this token.
    fn origin(&self, shadow: ShadowHandle, token: Option<&str>) -> Origin {
        match self
            .requests
            .owner(token, shadow, &self.config.token_prefix)
        {
            Owner::Live(request) => Origin::Ours(request),
            Owner::Past(past) => past.request.map_or(Origin::Foreign, Origin::Ours),
            Owner::Foreign => Origin::Foreign,
            Owner::Nobody => Origin::Unknown,
        }
    }

    pub(super) fn gaps(&self) -> Gaps {
        Gaps {
            epoch: self.config.epoch_gap,
            skew: self.config.clock_skew,
        }
    }

    /// The payload for an event, if events keep theirs.
    pub(super) fn keep(&self, payload: &[u8]) -> Option<Json> {
        if !self.config.keep_payloads {
            return None;
        }
        Json::from_text(core::str::from_utf8(payload).ok()?).ok()
    }
}
