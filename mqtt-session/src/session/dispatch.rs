//! What each packet of the server means, and when its message is acknowledged.

use super::{Session, events::Delivery, incoming::Arrival};
use crate::{
    DisconnectReason, Event, Message, ProtocolError, Qos, Version,
    codec::{self, Packet},
};

impl Session {
    pub(super) fn handle_packet(&mut self, packet: Packet) -> Result<(), ProtocolError> {
        let early = match packet {
            // A DISCONNECT in place of a CONNACK is out of place too, but it says why.
            Packet::ConnAck(_) | Packet::Disconnect(_) => false,
            Packet::Publish { .. }
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::SubAck { .. }
            | Packet::UnsubAck { .. }
            | Packet::PingResp => !self.is_connected(),
        };
        if early {
            let packet = packet.name();
            return Err(ProtocolError::UnexpectedPacket { packet });
        }
        match packet {
            Packet::ConnAck(connack) => self.handle_connack(*connack)?,
            Packet::Publish { id, message } => self.handle_publish(id, message)?,
            Packet::PubAck(ack) => {
                self.outgoing
                    .handle_puback(ack, &mut self.ids, &mut self.events)?;
            }
            Packet::PubRec(ack) => {
                let id = ack.id;
                let answer = self
                    .outgoing
                    .handle_pubrec(ack, &mut self.ids, &mut self.events)?;
                if let Some(found) = answer {
                    codec::pubrel(self.asked.version, id, found, &mut self.control);
                }
            }
            Packet::PubRel(ack) => {
                let found = self.incoming.handle_pubrel(ack.id);
                codec::pubcomp(self.asked.version, ack.id, found, &mut self.control);
            }
            Packet::PubComp(ack) => {
                self.outgoing
                    .handle_pubcomp(ack, &mut self.ids, &mut self.events);
            }
            Packet::SubAck { id, codes } => {
                self.with_wire(|requests, wire| requests.handle_suback(id, &codes, wire))?;
            }
            Packet::UnsubAck { id, codes } => {
                self.with_wire(|requests, wire| requests.handle_unsuback(id, &codes, wire))?;
            }
            Packet::PingResp => {}
            Packet::Disconnect(disconnect) => self.finish(Event::Disconnected {
                reason: DisconnectReason::ByServer {
                    code: disconnect.code,
                    reason_string: disconnect.reason_string,
                    server_reference: disconnect.server_reference,
                },
            }),
        }
        self.check_invariants();
        Ok(())
    }

    fn handle_publish(&mut self, id: u16, message: Message) -> Result<(), ProtocolError> {
        let qos = message.qos;
        let maximum = match self.asked.version {
            Version::V3_1_1 => None,
            Version::V5 => Some(self.asked.receive_maximum),
        };
        match self
            .incoming
            .handle_publish(id, qos, message.dup, maximum)?
        {
            Arrival::Deliver => {
                let delivery = Delivery {
                    id,
                    qos,
                    connection: self.connection,
                };
                let acknowledged = qos != Qos::AtMostOnce;
                self.events
                    .push_message(message, acknowledged.then_some(delivery));
            }
            Arrival::PubRec => {
                codec::pubrec(id, &mut self.control);
            }
            Arrival::Nothing => {}
        }
        Ok(())
    }

    /// The consumer has dealt with a message.
    pub(super) fn acknowledge(&mut self, delivery: Delivery) {
        let Delivery {
            id,
            qos,
            connection,
        } = delivery;
        match qos {
            Qos::AtMostOnce => {}
            // The server sends a QoS 1 message again on the next connection, under an identifier
            // of its own choosing; acknowledging this one there could hit another.
            Qos::AtLeastOnce => {
                if self.is_connected() && connection == self.connection {
                    self.incoming.handle_puback_queued();
                    codec::puback(id, &mut self.control);
                }
            }
            Qos::ExactlyOnce => {
                if self.incoming.handle_taken(id) && self.is_connected() {
                    codec::pubrec(id, &mut self.control);
                }
            }
        }
    }
}
