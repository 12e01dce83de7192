//! What a hub needs of an MQTT client that is not ours.

mod next;
mod packets;

use core::{fmt, time::Duration};
use std::io;

use mqtt_session::DisconnectReason;
use shadow_proto::{PubackCode, SubackCode};

pub use self::packets::PacketHub;
use crate::{
    action::{ActionId, Of},
    error::{ConnectError, OpenError},
    event::{ConnectionEvent, ConnectionInfo},
    hub::Hub,
};

/// For drivers whose MQTT client connects by itself, or tells of all actions in the same way.
impl Hub {
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
