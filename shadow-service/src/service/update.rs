//! The update proper.

use super::{AROUND, Service, close, internal};
use crate::{
    document::{Document, Record},
    error::ShadowError,
    merge::{Merged, merge},
    reply::Answer,
    request::State,
    settings::DeltaPolicy,
    sheet::Sheet,
    store::Store,
    time::UnixTime,
    write::Members,
};
use alloc::{string::String, vec::Vec};
use shadow_proto::{ShadowId, TopicKind};

impl<S: Store> Service<S> {
    /// The update proper, which either happens whole or not at all.
    pub(super) fn merge(
        &mut self,
        shadow: &ShadowId,
        state: State,
        asked: Option<u64>,
        token: Option<&str>,
        now: UnixTime,
    ) -> Result<Answer, ShadowError> {
        let behaviour = &self.settings.behaviour;
        let stored = self.load(shadow, now).map_err(|error| internal(&error))?;
        let counter = stored.check_version(asked, behaviour.absent_version)?;
        let version = counter.saturating_add(1);
        let old = stored.document();
        let now = now.timestamp();

        let said = &state.sheet;
        let mut body = String::with_capacity(AROUND + said.state.len() + said.metadata.len());
        let mut members = Members::open(&mut body);
        members.name("state").push_str(&said.state);
        members.name("metadata").push_str(&said.metadata);
        members.number("version", version);
        close(members, now, token);

        let mut recycled = Sheet::default();
        let merged = match merge(old.map(Document::sheet), &state, behaviour) {
            Merged::Verbatim => state.sheet,
            Merged::Other(sheet) => {
                recycled = state.sheet;
                sheet
            }
        };
        let document = Document::new(merged, version);
        if document.size() > self.settings.limits.max_document_bytes {
            return Err(ShadowError::TooLarge);
        }

        let length = document.text_length() + old.map_or(0, Document::text_length);
        let mut documents = String::with_capacity(2 * AROUND + length);
        let mut members = Members::open(&mut documents);
        match old {
            Some(old) => old.write(members.name("previous")),
            None => members.name("previous").push_str("null"),
        }
        document.write(members.name("current"));
        close(members, now, token);

        let delta = document
            .delta(behaviour)
            .filter(|delta| match behaviour.delta {
                DeltaPolicy::EveryUpdate => true,
                DeltaPolicy::WhenChanged => {
                    let before = old.and_then(|old| old.delta(behaviour));
                    before.is_none_or(|before| !before.same(delta, behaviour.numbers))
                }
            });
        let delta = delta.map(|delta| {
            let mut payload = String::new();
            let mut members = Members::open(&mut payload);
            members.number("version", version);
            members.number("timestamp", now.seconds());
            delta.write_state(members.name("state"));
            delta.write_metadata(members.name("metadata"));
            if let Some(token) = token {
                members.text("clientToken", token);
            }
            members.close();
            payload
        });

        let record = Record::Document(document);
        self.said.recycle(recycled);
        let committed = self.store.commit(shadow, record);
        committed.map_err(|error| internal(&error))?;

        // With room for the accepted document, which goes before them.
        let mut events = Vec::with_capacity(2 + usize::from(delta.is_some()));
        events.push(self.outgoing(shadow, TopicKind::UpdateDocuments, documents));
        events.extend(delta.map(|delta| self.outgoing(shadow, TopicKind::UpdateDelta, delta)));
        Ok(Answer {
            body,
            version,
            events,
        })
    }
}
