//! What a hub needs of an MQTT client that is not ours.

mod facts;
mod next;
mod packets;
mod running;
mod serve;

use core::{fmt, time::Duration};
use std::io;

use mqtt_session::DisconnectReason;
use shadow_proto::{PubackCode, SubackCode};

pub use self::{
    facts::{Ended, Fact, ToSend},
    packets::PacketHub,
};
use crate::{
    action::{ActionId, Of},
    error::{ConnectError, OpenError},
    event::{ConnectionEvent, ConnectionInfo},
    hub::Hub,
};

/// For drivers whose MQTT client connects by itself, or tells of all actions in the same way.
impl Hub {
    /// The MQTT client tells something. What concerns packets by their ids is a
    /// [`PacketHub`]'s to know, and without effect here.
    pub fn handle_fact(&self, fact: Fact) {
        match fact {
            Fact::Connected { session_present } => self.attached(session_present),
            Fact::Message(message) => {
                self.handle_message(&message);
            }
            Fact::PublishSent(_)
            | Fact::SubscribeSent(_)
            | Fact::UnsubscribeSent(_)
            | Fact::Puback(..)
            | Fact::Suback(..)
            | Fact::Unsuback(_)
            | Fact::Other => {}
        }
    }

    /// An action has ended in one of the ways there are.
    fn handle_ended(&self, id: ActionId, ended: Ended) {
        match ended {
            Ended::Done(codes) => self.handle_done(id, codes),
            Ended::Refused => self.handle_refused(id),
            Ended::Lost => self.handle_lost(id),
        }
    }

    /// The broker has done an action, with a code for each filter if it was a SUBSCRIBE.
    pub fn handle_done(&self, id: ActionId, codes: impl IntoIterator<Item = u8>) {
        match id.0 {
            Of::Request(_) | Of::Message(_) => self.handle_puback(id, PubackCode::SUCCESS),
            Of::Shadows(_) | Of::Filter(_) => {
                let codes: Vec<_> = codes.into_iter().map(SubackCode::new).collect();
                // It was one of them; the other has no effect.
                self.handle_suback(id, &codes);
                self.handle_unsuback(id);
            }
        }
    }

    /// The broker has refused an action: each filter of a SUBSCRIBE, an UNSUBSCRIBE or a PUBLISH.
    pub fn handle_refused(&self, id: ActionId) {
        match id.0 {
            Of::Request(_) | Of::Message(_) => self.handle_puback(id, UNSPECIFIED),
            Of::Shadows(_) | Of::Filter(_) => self.handle_done(id, []),
        }
    }

    /// [`handle_connected`](Self::handle_connected) for a driver whose MQTT client connects by
    /// itself; tells it to the handles, too.
    pub fn attached(&self, session_present: bool) {
        self.handle_connected(session_present);
        let info = Box::new(ConnectionInfo::new(session_present));
        self.emit(ConnectionEvent::Connected(info));
    }

    /// The MQTT client that connects by itself has lost its connection, or could not make one:
    /// [`handle_disconnected`](Self::handle_disconnected), and the handles are told why and when
    /// it tries again.
    pub fn detached(&self, error: impl fmt::Display, retry_in: Option<Duration>) {
        let error = OpenError::new("talk to the broker", &io::Error::other(error.to_string()));
        self.emit(if self.is_connected() {
            self.handle_disconnected();
            ConnectionEvent::Disconnected {
                reason: DisconnectReason::TransportClosed,
                error: Some(error),
                retry_in,
            }
        } else {
            let error = ConnectError::Open(error);
            ConnectionEvent::ConnectFailed { error, retry_in }
        });
    }
}

/// MQTT 5, section 3.4.2.1.
const UNSPECIFIED: PubackCode = PubackCode::new(0x80);
