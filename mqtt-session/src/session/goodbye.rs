//! The end of a connection that the driver wants.

use shadow_proto::Instant;

use super::{Phase, Session, line};
use crate::{DisconnectCode, DisconnectReason, Event, Version, codec};

/// How [`Session::disconnect`] says goodbye.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Disconnect {
    /// MQTT 5: the server shall publish the will nevertheless. MQTT 3.1.1 cannot say it: there
    /// the DISCONNECT is left out, which has the same effect.
    pub publish_will: bool,
    /// MQTT 5: another session expiry from now on. A session begun with none cannot be given one,
    /// so it is left out then.
    pub session_expiry: Option<core::time::Duration>,
}

impl Session {
    /// Ends the connection: what can be sent is sent, then a DISCONNECT, and
    /// [`Event::Disconnected`] follows at once. Without effect when not connected.
    pub fn disconnect(&mut self, how: Disconnect, now: Instant) {
        self.advance(now);
        match self.phase {
            Phase::Closed => return,
            // A CONNECT that is still here is not sent: the transport closes without a word.
            Phase::Connecting { .. } => {}
            Phase::Connected => {
                self.write_publishes_to_control();
                self.say_goodbye(how);
            }
        }
        self.finish(Event::Disconnected {
            reason: DisconnectReason::Requested,
        });
    }

    /// What is still allowed out goes out before the DISCONNECT.
    fn write_publishes_to_control(&mut self) {
        let line = line(&self.options, &self.asked, &self.server, self.now);
        self.outgoing
            .write(line, &mut self.ids, &mut self.events, &mut self.control);
    }

    fn say_goodbye(&mut self, how: Disconnect) {
        let version = self.asked.version;
        let code = if how.publish_will && self.asked.has_will {
            DisconnectCode::WITH_WILL_MESSAGE
        } else {
            DisconnectCode::NORMAL
        };
        if version == Version::V3_1_1 && code == DisconnectCode::WITH_WILL_MESSAGE {
            return;
        }
        // An expiry may be shortened or prolonged, but not given to a session without one.
        let expiry = how
            .session_expiry
            .filter(|_| !self.asked.session_expiry.is_zero());
        if let (Some(expiry), Version::V5) = (expiry, version) {
            self.survives = !expiry.is_zero();
        }
        let _ = codec::disconnect(version, code, expiry, &mut self.control);
    }
}
