//! How much memory an event holds, as far as a peer decides about it.

use crate::{
    document::{Accepted, Delta, Document, Documents, Metadata, Snapshot, Updated},
    event::Event,
    field::Field,
    json::Json,
};

/// The bytes of JSON and of peers' text that an event keeps.
pub(super) fn weight(event: &Event) -> usize {
    match event {
        Event::Response {
            outcome, payload, ..
        } => sum([outcome.as_ref().map_or(0, accepted), json(payload)]),
        Event::LateAnswer { answer, .. } => answer.as_ref().map_or(0, accepted),
        Event::ForeignAnswer {
            answer, payload, ..
        } => sum([answer.as_ref().map_or(0, accepted), json(payload)]),
        Event::Undecodable { payload, .. } => payload.len(),
        Event::Delta { delta, payload, .. } => {
            let Delta {
                state,
                metadata: times,
                ..
            } = delta;
            sum([state.as_str().len(), metadata(times), json(payload)])
        }
        Event::Documents {
            documents, payload, ..
        } => {
            let Documents {
                current, previous, ..
            } = &**documents;
            let previous = previous.as_ref().map_or(0, snapshot);
            sum([snapshot(current), previous, json(payload)])
        }
        Event::Ready {
            document: fetched, ..
        } => fetched.as_deref().map_or(0, document),
        Event::UnattributedRejection { rejection, .. } => rejection.message.len(),
        Event::ResyncFailed { .. }
        | Event::Refused { .. }
        | Event::Lagged { .. }
        | Event::Deleted { .. } => 0,
    }
}

fn accepted(accepted: &Accepted) -> usize {
    match accepted {
        Accepted::Get(got) => document(got),
        Accepted::Update(update) => {
            let Updated {
                desired,
                reported,
                metadata: times,
                ..
            } = &**update;
            sum([field(desired), field(reported), metadata(times)])
        }
        Accepted::Delete { .. } | Accepted::Published => 0,
    }
}

fn document(document: &Document) -> usize {
    let Document {
        desired,
        reported,
        delta,
        metadata: times,
        ..
    } = document;
    sum([
        field(desired),
        field(reported),
        field(delta),
        metadata(times),
    ])
}

fn snapshot(snapshot: &Snapshot) -> usize {
    let Snapshot {
        desired,
        reported,
        metadata: times,
        ..
    } = snapshot;
    sum([field(desired), field(reported), metadata(times)])
}

fn metadata(metadata: &Metadata) -> usize {
    metadata.json().map_or(0, |json| json.as_str().len())
}

fn field(field: &Field<Json>) -> usize {
    field.value().map_or(0, |json| json.as_str().len())
}

fn json(json: &Option<Json>) -> usize {
    json.as_ref().map_or(0, |json| json.as_str().len())
}

fn sum<const N: usize>(parts: [usize; N]) -> usize {
    parts.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Operation, Origin, ShadowHandle, TopicKind,
        wire::{self, Message},
    };
    use alloc::{boxed::Box, vec::Vec};

    const SHADOW: ShadowHandle = ShadowHandle {
        slot: 0,
        generation: 0,
    };

    fn read(kind: TopicKind, payload: &str) -> Vec<Event> {
        let kept = Some(Json::from_text("[123]").unwrap());
        let foreign = |answer, payload| Event::ForeignAnswer {
            shadow: SHADOW,
            token: None,
            operation: Operation::Get,
            answer: Ok(answer),
            payload,
        };
        let ready = |document| Event::Ready {
            shadow: SHADOW,
            document,
            fetched: true,
        };
        match wire::decode(kind, payload.as_bytes()).unwrap() {
            Message::GetAccepted(answer) => {
                let document = Box::new(Document::from(answer));
                let got = Accepted::Get(document.clone());
                [foreign(got.clone(), None), foreign(got, kept)]
                    .into_iter()
                    .chain([ready(Some(document)), ready(None)])
                    .collect()
            }
            Message::UpdateAccepted(answer) => {
                let updated = Accepted::Update(Box::new(Updated::from(answer)));
                [foreign(updated, kept)].into()
            }
            Message::Delta(delta) => [Event::Delta {
                shadow: SHADOW,
                delta: Delta::from_wire(&delta),
                origin: Origin::Unknown,
                payload: kept,
            }]
            .into(),
            Message::Documents(documents) => [Event::Documents {
                shadow: SHADOW,
                documents: Box::new(Documents::from_wire(&documents)),
                origin: Origin::Unknown,
                payload: kept,
            }]
            .into(),
            Message::Request(_) | Message::DeleteAccepted(_) | Message::Rejected(_) => panic!(),
        }
    }

    #[test]
    fn all_json_counts_and_nothing_twice() {
        let sections = r#""state":{"desired":{"a":1},"reported":[10],"delta":1000}"#;
        let whole = alloc::format!(r#"{{{sections},"metadata":{{"b":22}},"version":1}}"#);
        let snapshot = r#"{"state":{"desired":{"a":1},"reported":7},"metadata":99,"version":1}"#;
        let documents = alloc::format!(r#"{{"previous":{snapshot},"current":{snapshot}}}"#);
        for (kind, payload, weights) in [
            (TopicKind::GetAccepted, &whole, &[23, 28, 23, 0][..]),
            (TopicKind::UpdateAccepted, &whole, &[24]),
            (TopicKind::UpdateDelta, &whole, &[48 + 8 + 5]),
            (TopicKind::UpdateDocuments, &documents, &[2 * 10 + 5]),
        ] {
            let events = read(kind, payload);
            let found: Vec<usize> = events.iter().map(weight).collect();
            assert_eq!(found, weights, "{events:?}");
        }
    }
}
