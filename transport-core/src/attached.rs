//! What a hub needs of an MQTT client that is not ours.

use alloc::collections::{BTreeMap, VecDeque};
use core::{fmt, time::Duration};
use std::io;

use mqtt_session::DisconnectReason;
use shadow_proto::{PubackCode, SubackCode};

use crate::{
    action::{Action, ActionId, Of},
    error::{ConnectError, OpenError},
    event::{ConnectionEvent, ConnectionInfo},
    hub::Hub,
};

/// A [`Hub`] for an MQTT client that numbers packets by itself: acknowledgements name the packet
/// id, which the client tells when it sends a packet, not when it takes it. rumqttc is such a
/// client.
///
/// What [`poll_action`](Self::poll_action) gives goes to the client, in that order; what the client
/// tells comes back through the other methods. A packet sent again, with the id it had, changes
/// nothing. Ids of 0, which publishes at QoS 0 have, mean written.
#[derive(Debug)]
pub struct PacketHub {
    hub: Hub,
    /// Given to the client, which has not sent it.
    queued: VecDeque<Packet>,
    publishes: BTreeMap<u16, ActionId>,
    subscribes: BTreeMap<u16, ActionId>,
    unsubscribes: BTreeMap<u16, Packet>,
    /// Filters of one action that still have to be unsubscribed.
    leaving: Option<(ActionId, VecDeque<Box<str>>)>,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    id: ActionId,
    /// Of the packets for its action.
    last: bool,
}

impl PacketHub {
    /// For a hub whose MQTT client is not connected yet.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self {
            hub,
            queued: VecDeque::new(),
            publishes: BTreeMap::new(),
            subscribes: BTreeMap::new(),
            unsubscribes: BTreeMap::new(),
            leaving: None,
        }
    }

    /// [`Hub::poll_action`] for clients that unsubscribe one filter at a time: an
    /// [`Action::Unsubscribe`] has exactly one.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some((id, filters)) = &mut self.leaving {
                let id = *id;
                let filter = filters.pop_front();
                let last = filters.is_empty();
                if last {
                    self.leaving = None;
                }
                if let Some(filter) = filter {
                    self.queued.push_back(Packet { id, last });
                    let filters = vec![filter];
                    return Some(Action::Unsubscribe { id, filters });
                }
            }
            match self.hub.poll_action()? {
                Action::Unsubscribe { id, filters } => self.leaving = Some((id, filters.into())),
                action @ (Action::Subscribe { .. } | Action::Publish { .. }) => {
                    let id = action.id();
                    self.queued.push_back(Packet { id, last: true });
                    return Some(action);
                }
                // The client cannot take a message back.
                Action::Withdraw { .. } => {}
            }
        }
    }

    /// The client did not take the last action.
    pub fn handle_not_taken(&mut self) {
        if let Some(packet) = self.queued.pop_back() {
            self.hub.handle_send_failed(packet.id);
        }
    }

    /// The client has sent a PUBLISH with this packet id.
    pub fn handle_publish_sent(&mut self, packet: u16) {
        if self.publishes.contains_key(&packet) {
            return;
        }
        let Some(Packet { id, .. }) = self.queued.pop_front() else {
            return;
        };
        if packet == 0 {
            self.hub.handle_written(id);
        } else {
            self.publishes.insert(packet, id);
        }
    }

    /// The client has sent a SUBSCRIBE with this packet id.
    pub fn handle_subscribe_sent(&mut self, packet: u16) {
        if let Some(Packet { id, .. }) = self.queued.pop_front() {
            self.subscribes.insert(packet, id);
        }
    }

    /// The client has sent an UNSUBSCRIBE with this packet id.
    pub fn handle_unsubscribe_sent(&mut self, packet: u16) {
        if let Some(sent) = self.queued.pop_front() {
            self.unsubscribes.insert(packet, sent);
        }
    }

    /// The broker has acknowledged a PUBLISH.
    pub fn handle_puback(&mut self, packet: u16, code: PubackCode) {
        if let Some(id) = self.publishes.remove(&packet) {
            self.hub.handle_puback(id, code);
        }
    }

    /// The broker has answered a SUBSCRIBE, with a code for each filter.
    pub fn handle_suback(&mut self, packet: u16, codes: &[SubackCode]) {
        if let Some(id) = self.subscribes.remove(&packet) {
            self.hub.handle_suback(id, codes);
        }
    }

    /// The broker has answered an UNSUBSCRIBE.
    pub fn handle_unsuback(&mut self, packet: u16) {
        if let Some(Packet { id, last: true }) = self.unsubscribes.remove(&packet) {
            self.hub.handle_unsuback(id);
        }
    }

    /// The client is connected, and begins with what it has not sent or not seen answered; without
    /// a session, it has dropped that.
    pub fn handle_connected(&mut self, session_present: bool) {
        if !session_present {
            let sent = core::mem::take(&mut self.publishes).into_values();
            let queued = self.queued.drain(..).map(|packet| packet.id);
            for id in sent.chain(queued) {
                self.hub.handle_lost(id);
            }
            self.subscribes.clear();
            self.unsubscribes.clear();
            self.leaving = None;
        }
        self.hub.attached(session_present);
    }
}

/// For drivers whose MQTT client connects by itself, or tells of all actions in the same way.
impl Hub {
    /// The broker has done an action, with a code for each filter if it was a SUBSCRIBE.
    pub fn handle_done(&self, id: ActionId, codes: &[SubackCode]) {
        match id.0 {
            Of::Request(_) | Of::Message(_) => self.handle_puback(id, PubackCode::SUCCESS),
            Of::Shadows(_) | Of::Filter(_) => {
                // It was one of them; the other has no effect.
                self.handle_suback(id, codes);
                self.handle_unsuback(id);
            }
        }
    }

    /// The broker has refused an action: each filter of a SUBSCRIBE, an UNSUBSCRIBE or a PUBLISH.
    pub fn handle_refused(&self, id: ActionId) {
        match id.0 {
            Of::Request(_) | Of::Message(_) => self.handle_puback(id, UNSPECIFIED),
            Of::Shadows(_) | Of::Filter(_) => self.handle_done(id, &[]),
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
