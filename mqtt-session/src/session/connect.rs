//! From the open transport to the CONNACK.

use core::time::Duration;

use shadow_proto::Instant;

use super::{Phase, Session, keep_alive::KeepAlive};
use crate::{
    Connected, DisconnectReason, Event, Options, ProtocolError, Qos, Refusal, ServerLimits,
    Version, codec, options::whole_seconds,
};

/// What the CONNECT of this connection asked for; options may change meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) clean_start: bool,
    pub(super) session_expiry: Duration,
    pub(super) keep_alive: Duration,
    pub(super) receive_maximum: u16,
    pub(super) max_packet_size: u32,
    pub(super) has_will: bool,
}

impl Asked {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            version: options.version,
            clean_start: options.clean_start,
            session_expiry: options.session_expiry.unwrap_or_default(),
            keep_alive: Duration::from_secs(whole_seconds(options.keep_alive)),
            receive_maximum: options.receive_maximum,
            max_packet_size: options.max_packet_size,
            has_will: options.will.is_some(),
        }
    }
}

impl Session {
    pub(super) fn open(&mut self, now: Instant) {
        let client_id = self.client_id().to_owned();
        if self.session_of.as_ref().is_some_and(|of| *of != client_id) {
            self.doubt = false;
            self.lose_session();
        }
        self.asked = Asked::new(&self.options);
        self.connection += 1;
        self.unfinished = 0;
        self.server = ServerLimits::default();
        self.phase = Phase::Connecting {
            deadline: now + self.options.connack_timeout,
        };
        match codec::connect(&self.options, &client_id) {
            // The buffer holds nothing but the CONNECT (G12), and nothing joins it before the
            // CONNACK.
            Ok(connect) => self.control = connect,
            // Options were checked, so this cannot be; if it is, the connection ends by timeout
            // rather than by a panic.
            Err(codec::EncodeError) => self.control.clear(),
        }
        self.session_of = Some(client_id);
    }

    pub(super) fn handle_connack(&mut self, connack: codec::ConnAck) -> Result<(), ProtocolError> {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return Err(ProtocolError::UnexpectedPacket { packet: "CONNACK" });
        }
        if !connack.code.is_success() {
            self.finish(Event::ConnectRefused(Box::new(Refusal {
                code: connack.code,
                only_3_1_1: connack.only_3_1_1,
                reason_string: connack.reason_string,
                server_reference: connack.server_reference,
            })));
            return Ok(());
        }
        if connack.session_present && self.asked.clean_start {
            return Err(ProtocolError::SessionPresent);
        }
        self.phase = Phase::Connected;
        self.server = server_limits(&connack);
        let doubted = core::mem::take(&mut self.doubt) && connack.session_present;
        if !connack.session_present {
            self.lose_session();
        } else if doubted {
            self.incoming.handle_session_doubted();
            self.requests.handle_session_doubted();
        }
        let version = self.asked.version;
        let expiry = match (version, connack.session_expiry) {
            (Version::V3_1_1, _) => None,
            (Version::V5, Some(u32::MAX)) => Some(Duration::MAX),
            (Version::V5, Some(seconds)) => Some(Duration::from_secs(u64::from(seconds))),
            (Version::V5, None) => Some(self.asked.session_expiry),
        };
        self.survives = match expiry {
            Some(expiry) => !expiry.is_zero(),
            None => !self.asked.clean_start,
        };
        let from_server = connack.server_keep_alive.map(u64::from);
        let keep_alive = from_server.map_or(self.asked.keep_alive, Duration::from_secs);
        self.keep_alive = KeepAlive::new(keep_alive, self.options.ping_timeout, self.now);
        if connack.assigned_client_id.is_some() {
            self.assigned_client_id
                .clone_from(&connack.assigned_client_id);
            self.session_of.clone_from(&connack.assigned_client_id);
        }
        self.events.push(Event::Connected(Box::new(Connected {
            session_present: connack.session_present,
            session_doubted: doubted,
            limits: self.server,
            assigned_client_id: connack.assigned_client_id,
            keep_alive,
            keep_alive_from_server: from_server.is_some(),
            session_expiry: expiry,
            response_information: connack.response_information,
            server_reference: connack.server_reference,
            reason_string: connack.reason_string,
            user_properties: connack.user_properties,
        })));
        self.outgoing.resume(version, &mut self.control);
        self.requests.handle_connected();
        self.send_requests();
        Ok(())
    }

    /// The connection is over and `event` is its last one.
    pub(super) fn finish(&mut self, event: Event) {
        match core::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closed => {}
            Phase::Connecting { .. } => {
                let written = self.control.is_empty();
                self.control.clear();
                // A refusal began no session.
                if written && matches!(event, Event::Disconnected { .. }) {
                    self.doubt = true;
                }
            }
            Phase::Connected => {
                self.outgoing.handle_disconnected(&mut self.events);
                self.incoming.handle_disconnected();
                self.requests
                    .handle_disconnected(&mut self.ids, &mut self.events);
                if !self.survives {
                    self.lose_session();
                }
                self.server = ServerLimits::default();
            }
        }
        self.events.push(event);
    }

    /// The server broke the protocol. Over MQTT 5 it is told why; over 3.1.1, or before the
    /// CONNACK, a DISCONNECT would be wrong, and would keep the server from publishing the will.
    pub(super) fn fail(&mut self, error: ProtocolError) {
        if self.phase == Phase::Connected && self.asked.version == Version::V5 {
            let code = error.disconnect_code();
            let _ = codec::disconnect(Version::V5, code, None, &mut self.control);
        }
        self.finish(Event::Disconnected {
            reason: DisconnectReason::Protocol(error),
        });
    }

    /// The server knows nothing of the session any more.
    fn lose_session(&mut self) {
        self.outgoing
            .handle_session_lost(&mut self.ids, &mut self.events);
        self.incoming.handle_session_lost();
        self.requests.handle_session_lost(&mut self.events);
    }
}

fn server_limits(connack: &codec::ConnAck) -> ServerLimits {
    let available = |flag: Option<u8>| flag != Some(0);
    ServerLimits {
        receive_maximum: connack.receive_maximum.unwrap_or(u16::MAX),
        maximum_qos: match connack.maximum_qos {
            Some(0) => Qos::AtMostOnce,
            Some(1) => Qos::AtLeastOnce,
            Some(_) | None => Qos::ExactlyOnce,
        },
        retain_available: available(connack.retain_available),
        maximum_packet_size: connack.maximum_packet_size,
        wildcard_subscriptions: available(connack.wildcard_subscriptions),
        shared_subscriptions: available(connack.shared_subscriptions),
    }
}
