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
