//! An MQTT client that numbers packets when it sends them.

use alloc::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shadow_proto::{PubackCode, SubackCode};

use super::facts::Fact;
use crate::{
    action::{Action, ActionId},
    hub::Hub,
};

/// A [`Hub`] for an MQTT client that numbers packets by itself: acknowledgements name the packet
/// id, which the client tells when it sends a packet, not when it takes it. rumqttc is such a
/// client.
///
/// [`serve`](Self::serve) does everything for a client that is driven by futures. For another one,
/// what [`poll_action`](Self::poll_action) gives goes to the client, in that order, and what the
/// client tells comes back through [`handle_fact`](Self::handle_fact), from wherever. A packet sent
/// again, with the id it had, changes nothing. Ids of 0, which publishes at QoS 0 have, mean
/// written.
#[derive(Debug)]
pub struct PacketHub {
    hub: Hub,
    /// Never locked while the hub is called.
    packets: Mutex<Packets>,
}

#[derive(Default, Debug)]
struct Packets {
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
        let packets = Mutex::default();
        Self { hub, packets }
    }

    /// The hub, for what has nothing to do with packets: messages, a connection that is gone.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// [`Hub::poll_action`] for clients that unsubscribe one filter at a time: an
    /// [`Action::Unsubscribe`] has exactly one. For one loop at a time.
    #[must_use]
    pub fn poll_action(&self) -> Option<Action> {
        loop {
            if let Some(action) = self.lock().leave() {
                return Some(action);
            }
            match self.hub.poll_action()? {
                Action::Unsubscribe { id, filters } => {
                    self.lock().leaving = Some((id, filters.into()));
                }
                action @ (Action::Subscribe { .. } | Action::Publish { .. }) => {
                    let id = action.id();
                    self.lock().queued.push_back(Packet { id, last: true });
                    return Some(action);
                }
                // The client cannot take a message back.
                Action::Withdraw { .. } => {}
            }
        }
    }

    /// The client did not take the last action.
    pub fn handle_not_taken(&self) {
        let packet = self.lock().queued.pop_back();
        if let Some(packet) = packet {
            self.hub.handle_send_failed(packet.id);
        }
    }

    /// The client tells something, of whatever kind.
    pub fn handle_fact(&self, fact: Fact) {
        match fact {
            Fact::Connected { session_present } => self.connected(session_present),
            Fact::PublishSent(packet) => self.publish_sent(packet),
            Fact::SubscribeSent(packet) => self.subscribe_sent(packet),
            Fact::UnsubscribeSent(packet) => self.unsubscribe_sent(packet),
            Fact::Puback(packet, code) => self.puback(packet, code),
            Fact::Suback(packet, codes) => self.suback(packet, codes),
            Fact::Unsuback(packet) => self.unsuback(packet),
            fact @ (Fact::Message(_) | Fact::Other) => self.hub.handle_fact(fact),
        }
    }

    fn publish_sent(&self, packet: u16) {
        let mut packets = self.lock();
        if packets.publishes.contains_key(&packet) {
            return;
        }
        let Some(Packet { id, .. }) = packets.queued.pop_front() else {
            return;
        };
        if packet != 0 {
            packets.publishes.insert(packet, id);
            return;
        }
        drop(packets);
        self.hub.handle_written(id);
    }

    fn subscribe_sent(&self, packet: u16) {
        let mut packets = self.lock();
        if let Some(Packet { id, .. }) = packets.queued.pop_front() {
            packets.subscribes.insert(packet, id);
        }
    }

    fn unsubscribe_sent(&self, packet: u16) {
        let mut packets = self.lock();
        if let Some(sent) = packets.queued.pop_front() {
            packets.unsubscribes.insert(packet, sent);
        }
    }

    fn puback(&self, packet: u16, code: PubackCode) {
        let id = self.lock().publishes.remove(&packet);
        if let Some(id) = id {
            self.hub.handle_puback(id, code);
        }
    }

    fn suback(&self, packet: u16, codes: Vec<u8>) {
        let id = self.lock().subscribes.remove(&packet);
        if let Some(id) = id {
            let codes: Vec<_> = codes.into_iter().map(SubackCode::new).collect();
            self.hub.handle_suback(id, &codes);
        }
    }

    fn unsuback(&self, packet: u16) {
        let sent = self.lock().unsubscribes.remove(&packet);
        if let Some(Packet { id, last: true }) = sent {
            self.hub.handle_unsuback(id);
        }
    }

    /// The client is connected, and begins with what it has not sent or not seen answered; without
    /// a session, it has dropped that.
    fn connected(&self, session_present: bool) {
        if !session_present {
            let packets = core::mem::take(&mut *self.lock());
            let sent = packets.publishes.into_values();
            let queued = packets.queued.into_iter().map(|packet| packet.id);
            for id in sent.chain(queued) {
                self.hub.handle_lost(id);
            }
        }
        self.hub.attached(session_present);
    }

    fn lock(&self) -> MutexGuard<'_, Packets> {
        // Nothing that is done under the lock leaves it half done.
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Packets {
    /// The next filter to be unsubscribed.
    fn leave(&mut self) -> Option<Action> {
        let (id, filters) = self.leaving.as_mut()?;
        let id = *id;
        let filter = filters.pop_front();
        let last = filters.is_empty();
        if last {
            self.leaving = None;
        }
        let filters = vec![filter?];
        self.queued.push_back(Packet { id, last });
        Some(Action::Unsubscribe { id, filters })
    }
}
