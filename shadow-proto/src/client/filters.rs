//! From topics to filters.

use crate::{
    name::{ShadowId, TopicPrefix},
    request::Interest,
    topic::{self, Operation, Topic, TopicKind},
};
use alloc::boxed::Box;

/// The filters that cover some topics, each as the topics it covers.
pub(super) fn cover(topics: Interest, wildcard: bool) -> impl Iterator<Item = Interest> {
    let mut left = topics;
    core::iter::from_fn(move || {
        let lowest = left.bits().trailing_zeros();
        let topic = Interest::from_bits(1_u8.checked_shl(lowest)?);
        let whole = cover_of(topic, wildcard);
        left = left.difference(whole);
        Some(whole)
    })
}

/// The topics that the filter of one topic covers.
pub(super) fn cover_of(topic: Interest, wildcard: bool) -> Interest {
    for both in [Interest::GET, Interest::DELETE] {
        if wildcard && both.contains(topic) {
            return both;
        }
    }
    topic
}

pub(super) fn spell(prefix: &TopicPrefix, id: &ShadowId, covers: Interest) -> Box<str> {
    if covers == Interest::GET {
        return topic::both_answers(prefix, id, Operation::Get);
    }
    if covers == Interest::DELETE {
        return topic::both_answers(prefix, id, Operation::Delete);
    }
    Topic::new(id, kind(covers)).spell(prefix)
}

/// The topic of one bit.
fn kind(topic: Interest) -> TopicKind {
    let all = [
        (Interest::GET_ACCEPTED, TopicKind::GetAccepted),
        (Interest::GET_REJECTED, TopicKind::GetRejected),
        (Interest::UPDATE_ACCEPTED, TopicKind::UpdateAccepted),
        (Interest::UPDATE_REJECTED, TopicKind::UpdateRejected),
        (Interest::DELETE_ACCEPTED, TopicKind::DeleteAccepted),
        (Interest::DELETE_REJECTED, TopicKind::DeleteRejected),
        (Interest::DELTA, TopicKind::UpdateDelta),
    ];
    let found = all.iter().find(|(bit, _)| *bit == topic);
    found.map_or(TopicKind::UpdateDocuments, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    #[test]
    fn wildcards_save_filters() {
        let cover = |topics, wildcard| cover(topics, wildcard).collect::<Vec<_>>();
        assert_eq!(cover(Interest::ALL, false).len(), 8);
        assert_eq!(cover(Interest::ALL, true).len(), 6);
        assert_eq!(cover(Interest::NONE, true), vec![]);
        assert_eq!(cover(Interest::GET_ACCEPTED, true), vec![Interest::GET]);
        assert_eq!(cover(Interest::GET_REJECTED, true), vec![Interest::GET]);
        assert_eq!(
            cover(Interest::GET | Interest::DELTA, true),
            vec![Interest::GET, Interest::DELTA]
        );
        assert_eq!(cover(Interest::DELTA, true), vec![Interest::DELTA]);
    }
}
