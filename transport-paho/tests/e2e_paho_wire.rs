//! Against a broker of bytes, which sees every packet and sends what no broker should.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::time::Duration;
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use bytes::BytesMut;
use mqttbytes::{
    QoS,
    v4::{self, Packet},
};
use tokio::time::timeout;
use transport_paho::{
    ConnectError, ConnectOptions, ConnectionEvent, ConnectionEvents, DisconnectReason, MqttVersion,
    NotReady, PublishFailure, Qos, ShadowClient, ShadowId, SubscribeFailure,
    mqtt_session::{ProtocolError, TopicFilter},
    start,
};

const PATIENCE: Duration = Duration::from_secs(20);

struct Broker {
    listener: TcpListener,
}

/// One connection to it.
struct Peer {
    stream: TcpStream,
    input: BytesMut,
}

impl Broker {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener }
    }

    /// A client of it over MQTT 3.1.1, which comes back quickly.
    fn client(&self, set: impl FnOnce(&mut ConnectOptions)) -> ShadowClient {
        let port = self.listener.local_addr().unwrap().port();
        let mut options = ConnectOptions::from_url(&format!("mqtt://127.0.0.1:{port}")).unwrap();
        options.version = MqttVersion::V3_1_1;
        options.reconnect.base = Duration::from_millis(10);
        options.reconnect.max = Duration::from_millis(50);
        options.operation_timeout = PATIENCE;
        set(&mut options);
        start(options).unwrap()
    }

    /// The next connection, up to its CONNECT.
    fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let input = BytesMut::new();
        Peer { stream, input }
    }

    /// The next connection that is not one that only asks whether somebody is there.
    fn connected(&self) -> Peer {
        let mut peer = self.accept();
        assert!(matches!(peer.read(), Some(Packet::Connect(_))));
        peer.send(&[0x20, 2, 0, 0]);
        peer
    }
}

/// Ends the connection as a FIN does: what the client still sends is read. A reset in the middle of a PUBLISH has the C
/// library free the message twice, and ends the process (eclipse-paho/paho.mqtt.c issue 1621).
impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        if let Ok(mut stream) = self.stream.try_clone() {
            thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        }
    }
}

impl Peer {
    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next packet but for pings, or the end.
    fn read(&mut self) -> Option<Packet> {
        loop {
            match v4::read(&mut self.input, 1_000_000) {
                Ok(Packet::PingReq) => self.send(&[0xd0, 0]),
                Ok(packet) => return Some(packet),
                Err(_) => {
                    let mut more = [0; 4_096];
                    let count = self.stream.read(&mut more).unwrap();
                    if count == 0 {
                        return None;
                    }
                    self.input.extend_from_slice(more.get(..count).unwrap());
                }
            }
        }
    }

    /// The filter of the next packet, which is a SUBSCRIBE of one; granted.
    fn grant(&mut self) -> String {
        let Some(Packet::Subscribe(subscribe)) = self.read() else {
            panic!("not a SUBSCRIBE");
        };
        let [high, low] = subscribe.pkid.to_be_bytes();
        self.send(&[0x90, 3, high, low, 1]);
        subscribe.filters.first().unwrap().path.clone()
    }

    /// The next PUBLISH, and the filters that were granted before it.
    fn publish_after_grants(&mut self) -> (Vec<String>, v4::Publish) {
        let mut granted = Vec::new();
        loop {
            match self.read() {
                Some(Packet::Subscribe(subscribe)) => {
                    let [high, low] = subscribe.pkid.to_be_bytes();
                    self.send(&[0x90, 3, high, low, 1]);
                    granted.extend(subscribe.filters.into_iter().map(|filter| filter.path));
                }
                Some(Packet::Publish(publish)) => return (granted, publish),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends a PUBLISH at QoS 0.
    fn publish(&mut self, topic: &[u8], payload: &[u8]) {
        let mut bytes = vec![0x30];
        let mut length = topic.len() + 2 + payload.len();
        while length > 127 {
            bytes.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic);
        bytes.extend(payload);
        self.send(&bytes);
    }
}

async fn lost(events: &mut ConnectionEvents) -> DisconnectReason {
    loop {
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        if let ConnectionEvent::Disconnected { reason, .. } = event {
            return reason;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_session_nothing_is_published_before_its_filters_are_granted() {
    let broker = Broker::new();
    let client = broker.client(|_| ());
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let get = tokio::spawn(shadow.get());
    let mut peer = broker.connected();
    peer.publish_after_grants();
    // These wait in the C library or here, for acknowledgements that do not come.
    let updates: Vec<_> = (0..20)
        .map(|number| tokio::spawn(shadow.report(&BTreeMap::from([("number", number)]))))
        .collect();
    peer.publish_after_grants();
    drop(peer);
    let mut peer = broker.connected();
    let (granted, first) = peer.publish_after_grants();
    let answers = TopicFilter::new(format!("{}/accepted", first.topic)).unwrap();
    let covered = |filter: &String| {
        let filter = TopicFilter::new(filter.as_str()).unwrap();
        filter.matches(answers.as_str())
    };
    let topic = &first.topic;
    assert!(granted.iter().any(covered), "{topic} after {granted:?}");
    // What was sent on the lost session has failed.
    assert!(timeout(PATIENCE, get).await.unwrap().unwrap().is_err());
    client.shutdown(Duration::ZERO).await.unwrap_err();
    for update in updates {
        let outcome = timeout(PATIENCE, update).await.unwrap().unwrap();
        assert!(outcome.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_filter_is_named() {
    let broker = Broker::new();
    let client = broker.client(|_| ());
    let plain = tokio::spawn(client.subscribe("a/b", Qos::AtLeastOnce));
    let mut peer = broker.connected();
    let refusing = thread::spawn(move || {
        while let Some(packet) = peer.read() {
            if let Packet::Subscribe(subscribe) = packet {
                let [high, low] = subscribe.pkid.to_be_bytes();
                peer.send(&[0x90, 3, high, low, 0x80]);
            }
        }
    });
    let failure = timeout(PATIENCE, plain).await.unwrap().unwrap().err();
    let refused = matches!(failure, Some(SubscribeFailure::Refused { .. }));
    assert!(refused, "{failure:?}");
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let _deltas = shadow.deltas().unwrap();
    let error = timeout(PATIENCE, shadow.ready())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, NotReady::Refused { .. }), "{error:?}");
    client.shutdown(PATIENCE).await.unwrap();
    refusing.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_two_want_ends_with_the_second() {
    let broker = Broker::new();
    let client = broker.client(|_| ());
    let first = tokio::spawn(client.subscribe("a/b", Qos::AtLeastOnce));
    let mut peer = broker.connected();
    assert_eq!(peer.grant(), "a/b");
    let first = timeout(PATIENCE, first).await.unwrap().unwrap().unwrap();
    let second = client.subscribe("a/b", Qos::AtLeastOnce);
    let mut second = timeout(PATIENCE, second).await.unwrap().unwrap();
    drop(first);
    peer.publish(b"a/b", b"still");
    let message = timeout(PATIENCE, second.next()).await.unwrap().unwrap();
    assert_eq!(&message.unwrap().payload[..], b"still");
    drop(second);
    let Some(Packet::Unsubscribe(unsubscribe)) = peer.read() else {
        panic!("not an UNSUBSCRIBE");
    };
    assert_eq!(unsubscribe.topics, ["a/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_broker_should_send_ends_the_connection_and_nothing_else() {
    let broker = Broker::new();
    let client = broker.client(|options| options.mqtt.max_packet_size = 1_000);
    let mut events = client.connection_events();
    let mut peer = broker.connected();
    peer.publish(b"a/b", &[0; 1_001]);
    let reason = lost(&mut events).await;
    let too_large = ProtocolError::TooLarge {
        size: 1_001,
        limit: 1_000,
    };
    assert_eq!(reason, DisconnectReason::Protocol(too_large));
    // A packet that only clients send.
    let mut peer = broker.connected();
    peer.send(&[0xc0, 0]);
    peer.send(&[0x00, 0]);
    drop(peer);
    assert_eq!(lost(&mut events).await, DisconnectReason::TransportClosed);
    let mut peer = broker.connected();
    client.shutdown(PATIENCE).await.unwrap();
    assert!(matches!(peer.read(), Some(Packet::Disconnect)));
    assert!(peer.read().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_leaves_the_next_one_alone() {
    let broker = Broker::new();
    let client = broker.client(|options| options.connect_timeout = Duration::from_secs(2));
    let mut events = client.connection_events();
    // It gets no answer, nor does the client of the C library that made it get a goodbye.
    let silent = broker.accept();
    loop {
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        if let ConnectionEvent::ConnectFailed { error, .. } = event {
            assert_eq!(error, ConnectError::TimedOut);
            break;
        }
    }
    let mut peer = broker.connected();
    timeout(PATIENCE, client.connected())
        .await
        .unwrap()
        .unwrap();
    drop(silent);
    let sent = tokio::spawn(client.publish("a", "b", Qos::AtLeastOnce));
    let Some(Packet::Publish(publish)) = peer.read() else {
        panic!("not a PUBLISH");
    };
    assert_eq!(publish.qos, QoS::AtLeastOnce);
    let [high, low] = publish.pkid.to_be_bytes();
    peer.send(&[0x40, 2, high, low]);
    timeout(PATIENCE, sent).await.unwrap().unwrap().unwrap();
    client.shutdown(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_whose_session_is_lost_is_told_so() {
    let broker = Broker::new();
    let client = broker.client(|_| ());
    let sent = tokio::spawn(client.publish("a", "b", Qos::AtLeastOnce));
    let mut peer = broker.connected();
    assert!(matches!(peer.read(), Some(Packet::Publish(_))));
    drop(peer);
    let failure = timeout(PATIENCE, sent).await.unwrap().unwrap().unwrap_err();
    assert_eq!(failure, PublishFailure::Lost);
    // What cannot be sent is refused here.
    let _peer = broker.connected();
    let refused = client.publish("a/#", "b", Qos::AtLeastOnce).await;
    assert!(
        matches!(refused, Err(PublishFailure::Refused(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_session_repeats_what_was_not_acknowledged() {
    let broker = Broker::new();
    let client = broker.client(|options| {
        options.clean_start = false;
        options.client_id = "kept".into();
    });
    let sent = tokio::spawn(client.publish("a", "b", Qos::AtLeastOnce));
    let mut peer = broker.connected();
    assert!(matches!(peer.read(), Some(Packet::Publish(_))));
    drop(peer);
    let mut peer = broker.accept();
    assert!(matches!(peer.read(), Some(Packet::Connect(_))));
    // The session is there.
    peer.send(&[0x20, 2, 1, 0]);
    let Some(Packet::Publish(again)) = peer.read() else {
        panic!("not a PUBLISH");
    };
    assert!(again.dup);
    let [high, low] = again.pkid.to_be_bytes();
    peer.send(&[0x40, 2, high, low]);
    timeout(PATIENCE, sent).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_together_with_the_answer_to_a_connect_is_not_lost() {
    let broker = Broker::new();
    let client = broker.client(|options| {
        options.clean_start = false;
        options.client_id = "early".into();
    });
    let news = tokio::spawn(client.subscribe("news", Qos::AtLeastOnce));
    let mut peer = broker.connected();
    assert_eq!(peer.grant(), "news");
    let mut news = timeout(PATIENCE, news).await.unwrap().unwrap().unwrap();
    for number in b'0'..=b'9' {
        drop(peer);
        peer = broker.accept();
        assert!(matches!(peer.read(), Some(Packet::Connect(_))));
        // The session is there, and so is what was published in the meantime, at QoS 1.
        let publish = [&[0x32, 9, 0, 4], &b"news"[..], &[0, number, number]].concat();
        peer.send(&[&[0x20, 2, 1, 0], &publish[..]].concat());
        let Some(Packet::PubAck(acknowledged)) = peer.read() else {
            panic!("not a PUBACK");
        };
        assert_eq!(acknowledged.pkid, u16::from(number));
        let message = timeout(PATIENCE, news.next()).await.unwrap().unwrap();
        assert_eq!(&message.unwrap().payload[..], [number]);
    }
    client.shutdown(PATIENCE).await.unwrap();
}
