//! The service, with any bytes.

use shadow_proto::{Topic, TopicKind, wire};
use shadow_service::{Service, Settings, UnixTime};

/// Any request on any topic of the service: the answers are messages a client can read, and the size limit holds.
pub fn service_requests(bytes: &[u8]) {
    let mut service = Service::new(Settings::default());
    let mut rest = bytes;
    let mut now = 1_767_225_600;
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let [kind, seconds, high, low] = *head;
        now += u64::from(seconds);
        let length = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (payload, tail) = tail.split_at(length);
        rest = tail;
        let suffix = TopicKind::ALL[usize::from(kind & 15) % TopicKind::ALL.len()].suffix();
        let shadow = if kind & 16 == 0 { "" } else { "name/s/" };
        let topic = format!("$aws/things/t/shadow/{shadow}{suffix}");
        let Ok(handled) = service.handle_publish(&topic, payload, UnixTime::from_seconds(now))
        else {
            continue;
        };
        for message in &handled.messages {
            let topic = Topic::parse(&message.topic).expect("the service answers on its topics");
            let read = wire::decode(topic.kind(), message.payload.as_bytes());
            assert!(read.is_ok(), "{}: {read:?}", message.payload);
        }
        let document = service.document(&handled.shadow, UnixTime::from_seconds(now));
        if let Ok(Some(document)) = document {
            assert!(document.size() <= service.settings().limits.max_document_bytes);
        }
    }
}
