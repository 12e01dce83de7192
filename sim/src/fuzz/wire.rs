//! Topics and messages.

use shadow_proto::{Json, Topic, TopicKind, TopicPrefix, wire};

/// A topic that is read is spelled as it was, with any prefix.
pub fn topic(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let prefix = TopicPrefix::default();
    let topic = Topic::parse(text);
    assert_eq!(topic, Topic::parse_with(&prefix, text));
    if let Some(topic) = topic {
        assert_eq!(topic.to_string(), text);
        assert_eq!(*topic.spell(&prefix), *text);
        let id = topic.shadow_id().expect("its names are legal");
        assert_eq!(Topic::new(&id, topic.kind()), topic);
    }
}

/// The first byte says on which topic the others are a message. Reading it never panics, and what is read is valid JSON.
pub fn wire(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first() else {
        return;
    };
    let kind = TopicKind::ALL[usize::from(*kind) % TopicKind::ALL.len()];
    let Ok(message) = wire::decode(kind, payload) else {
        return;
    };
    if !payload.is_empty() {
        serde_json::from_slice::<serde::de::IgnoredAny>(payload).expect("only JSON is read");
    }
    if let wire::Message::Delta(delta) = message {
        Json::from_text(delta.state.get()).expect("a section is JSON");
    }
}
