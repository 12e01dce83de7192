//! What tests of the transports share: a broker in memory, with the shadow service behind it.
//!
//! It speaks MQTT 3.1.1 to one client at a time and keeps the client's session across connections.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "each test target uses its part"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where its broker does not understand"
)]

use bytes::BytesMut;
use mqtt_session::TopicFilter;
use mqttbytes::{
    QoS,
    v4::{
        ConnAck, Connect, ConnectReturnCode, Packet, PingResp, PubAck, Publish, SubAck,
        SubscribeReasonCode, UnsubAck, read,
    },
};
use shadow_service::{Service, Settings, UnixTime};

/// A broker of one client.
pub struct Broker {
    input: BytesMut,
    output: BytesMut,
    /// `None`: nobody answers shadow requests.
    pub service: Option<Service>,
    /// What the service takes for the time.
    pub seconds: u64,
    session: Session,
    online: bool,
    /// All that the client sent, one line a packet.
    pub log: Vec<String>,
    pub script: Script,
    next_id: u16,
}

/// How the broker behaves.
pub struct Script {
    /// What a CONNECT is answered; `None`: nothing at all.
    pub connack: Option<ConnectReturnCode>,
    /// Filters whose text contains one of these are refused.
    pub refused: Vec<&'static str>,
    /// Requests go unacknowledged and unanswered.
    pub deaf: bool,
    /// PINGREQ goes unanswered.
    pub no_pong: bool,
}

#[derive(Default)]
struct Session {
    filters: Vec<(TopicFilter, QoS)>,
    /// QoS 1 messages not acknowledged, to be sent again on a resumed session.
    unacknowledged: Vec<Publish>,
    /// QoS 1 messages that came while the client was away.
    queued: Vec<Publish>,
    exists: bool,
}

impl Broker {
    pub fn new() -> Self {
        Self {
            input: BytesMut::new(),
            output: BytesMut::new(),
            service: Some(Service::new(Settings::default())),
            seconds: 1_767_225_600,
            session: Session::default(),
            online: false,
            log: Vec::new(),
            script: Script {
                connack: Some(ConnectReturnCode::Success),
                refused: Vec::new(),
                deaf: false,
                no_pong: false,
            },
            next_id: 1,
        }
    }

    /// The client opened a transport, or it is gone.
    pub fn reset(&mut self) {
        self.input.clear();
        self.output.clear();
        self.online = false;
    }

    /// The session is lost, as after a crash without persistence.
    pub fn forget(&mut self) {
        self.session = Session::default();
    }

    /// Takes what the client wrote; false if it ended the connection.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        self.input.extend_from_slice(bytes);
        loop {
            match read(&mut self.input, 1 << 20) {
                Ok(packet) => {
                    if !self.handle(packet) {
                        return false;
                    }
                }
                Err(mqttbytes::Error::InsufficientBytes(_)) => return true,
                Err(error) => panic!("the client sent nonsense: {error:?}"),
            }
        }
    }

    /// What is to be sent to the client.
    pub fn take_output(&mut self) -> BytesMut {
        self.output.split()
    }

    /// A message of somebody else. The service sees it too.
    pub fn publish(&mut self, topic: &str, payload: &str) {
        self.route(topic, payload.as_bytes());
    }

    /// The log since the last time.
    pub fn take_log(&mut self) -> Vec<String> {
        core::mem::take(&mut self.log)
    }

    /// The filters subscribed now, in order.
    pub fn filters(&self) -> Vec<&str> {
        let mut filters: Vec<_> = self
            .session
            .filters
            .iter()
            .map(|(f, _)| f.as_str())
            .collect();
        filters.sort_unstable();
        filters
    }

    fn handle(&mut self, packet: Packet) -> bool {
        if let Packet::Connect(connect) = packet {
            return self.connect(&connect);
        }
        if matches!(packet, Packet::Disconnect) {
            self.log.push("disconnect".into());
            return false;
        }
        assert!(self.online, "{packet:?} before CONNACK");
        match packet {
            Packet::Publish(publish) => self.published(publish),
            Packet::PubAck(ack) => {
                let known = self.session.unacknowledged.len();
                self.session.unacknowledged.retain(|p| p.pkid != ack.pkid);
                assert_ne!(
                    known,
                    self.session.unacknowledged.len(),
                    "PUBACK of nothing"
                );
            }
            Packet::Subscribe(subscribe) => {
                let mut codes = Vec::new();
                for filter in subscribe.filters {
                    self.log.push(format!("subscribe {}", filter.path));
                    if self
                        .script
                        .refused
                        .iter()
                        .any(|part| filter.path.contains(part))
                    {
                        codes.push(SubscribeReasonCode::Failure);
                        continue;
                    }
                    let text = TopicFilter::new(filter.path).unwrap();
                    self.session.filters.retain(|(known, _)| *known != text);
                    self.session.filters.push((text, filter.qos));
                    codes.push(SubscribeReasonCode::Success(filter.qos));
                }
                SubAck::new(subscribe.pkid, codes)
                    .write(&mut self.output)
                    .unwrap();
            }
            Packet::Unsubscribe(unsubscribe) => {
                for filter in unsubscribe.topics {
                    self.log.push(format!("unsubscribe {filter}"));
                    self.session
                        .filters
                        .retain(|(known, _)| known.as_str() != filter);
                }
                UnsubAck::new(unsubscribe.pkid)
                    .write(&mut self.output)
                    .unwrap();
            }
            Packet::PingReq => {
                self.log.push("ping".into());
                if !self.script.no_pong {
                    PingResp.write(&mut self.output).unwrap();
                }
            }
            other => panic!("a client does not send {other:?}"),
        }
        true
    }

    fn connect(&mut self, connect: &Connect) -> bool {
        let clean = connect.clean_session;
        self.log.push(format!("connect clean={clean}"));
        let Some(code) = self.script.connack else {
            return true;
        };
        if clean {
            self.session = Session::default();
        }
        let present = self.session.exists;
        ConnAck::new(code, present && code == ConnectReturnCode::Success)
            .write(&mut self.output)
            .unwrap();
        if code != ConnectReturnCode::Success {
            return false;
        }
        self.online = true;
        self.session.exists = !clean;
        for mut publish in self.session.unacknowledged.clone() {
            publish.dup = true;
            publish.write(&mut self.output).unwrap();
        }
        for publish in core::mem::take(&mut self.session.queued) {
            self.send(publish);
        }
        true
    }

    fn published(&mut self, publish: Publish) {
        let text = String::from_utf8_lossy(&publish.payload);
        self.log.push(format!("publish {} {text}", publish.topic));
        if self.script.deaf {
            return;
        }
        if publish.qos == QoS::AtLeastOnce {
            PubAck::new(publish.pkid).write(&mut self.output).unwrap();
        }
        self.route(&publish.topic, &publish.payload);
    }

    fn route(&mut self, topic: &str, payload: &[u8]) {
        self.deliver(topic, payload);
        let now = UnixTime::from_seconds(self.seconds);
        let Some(service) = &mut self.service else {
            return;
        };
        if let Ok(handled) = service.handle_publish(topic, payload, now) {
            for message in handled.messages {
                self.deliver(&message.topic, message.payload.as_bytes());
            }
        }
    }

    /// One copy for each filter that matches, as Mosquitto does it.
    fn deliver(&mut self, topic: &str, payload: &[u8]) {
        let matching = self
            .session
            .filters
            .iter()
            .filter(|(f, _)| f.matches(topic));
        let copies: Vec<_> = matching
            .map(|(_, qos)| Publish::new(topic, *qos, payload))
            .collect();
        for publish in copies {
            if self.online {
                self.send(publish);
            } else if publish.qos != QoS::AtMostOnce {
                self.session.queued.push(publish);
            }
        }
    }

    fn send(&mut self, mut publish: Publish) {
        if publish.qos == QoS::AtLeastOnce {
            publish.pkid = self.next_id;
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            self.session.unacknowledged.push(publish.clone());
        }
        publish.write(&mut self.output).unwrap();
    }
}
