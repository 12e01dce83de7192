//! The broker's side: sessions, filters, and messages that are passed on late, twice or in another order.

use super::{Down, Outbound, Up};
use crate::{
    broker::{Message, Order},
    cloud::Request,
    totals::Fault,
    world::{Happening, World},
};
use shadow_proto::{Instant, PubackCode, Qos, SubackCode, SubscribeId, Topic};
use std::rc::Rc;

impl World {
    pub(crate) fn broker_receives(&mut self, node: usize, conn: u64, packet: Up) {
        if self.nodes[node].wire != Some(conn) {
            return;
        }
        match packet {
            Up::Connect { clean } => self.open_session(node, conn, clean),
            Up::Subscribe { id, filters, qos } => self.subscribe(node, conn, id, filters, qos),
            Up::Unsubscribe { id, filters } => {
                if let Some(session) = &mut self.broker.sessions[node] {
                    for filter in &filters {
                        session.filters.remove(filter);
                    }
                }
                if !self.fault(self.faults.withhold_unsuback, Fault::UnsubackWithheld) {
                    self.send_down(node, conn, Down::Unsuback { id });
                }
            }
            Up::Publish { publish, again } => {
                if !again {
                    self.check_answerable(node, &publish);
                }
                self.broker_takes(node, conn, &publish);
            }
            Up::Puback { number } => {
                if let Some(session) = &mut self.broker.sessions[node] {
                    session.in_flight.retain(|(other, _)| *other != number);
                }
            }
        }
    }

    fn open_session(&mut self, node: usize, conn: u64, clean: bool) {
        let known = self.broker.sessions[node].is_some();
        let lost = known && self.net.chance(self.faults.session_loss);
        let present = known && !clean && !lost;
        if !present {
            if known {
                self.totals.note(Fault::SessionLost);
            }
            self.broker.begin(node);
        } else {
            self.totals.note(Fault::SessionResumed);
        }
        self.log(|| format!("broker: client {node} has connection {conn}, session {present}"));
        let session_present = present;
        self.send_down(node, conn, Down::Connack { session_present });
        let Some(session) = &mut self.broker.sessions[node] else {
            return;
        };
        session.conn = Some(conn);
        let again = session.in_flight.clone();
        let queue = std::mem::take(&mut session.queue);
        for (number, message) in again {
            self.totals.note(Fault::Redelivered);
            let number = Some(number);
            self.send_down(node, conn, Down::Publish { number, message });
        }
        for message in queue {
            self.totals.note(Fault::QueuedDelivery);
            self.deliver(node, conn, message);
        }
    }

    fn subscribe(
        &mut self,
        node: usize,
        conn: u64,
        id: SubscribeId,
        filters: Vec<Rc<str>>,
        qos: Qos,
    ) {
        if self.fault(self.faults.withhold_suback, Fault::SubackWithheld) {
            // Sometimes the broker did what it does not confirm.
            if self.net.chance(500) {
                return;
            }
            self.grant(node, &filters, qos);
            return;
        }
        let codes = self.grant(node, &filters, qos);
        self.send_down(node, conn, Down::Suback { id, codes });
    }

    fn grant(&mut self, node: usize, filters: &[Rc<str>], qos: Qos) -> Vec<SubackCode> {
        let mut codes = Vec::new();
        for filter in filters {
            let key = (node, filter.clone());
            if self.fault(self.faults.refuse_filter, Fault::FilterRefused) {
                let until = self.now + self.net.millis(0, 10_000);
                self.broker.refused.insert(key.clone(), until);
            }
            let refused = self.broker.refused.get(&key);
            if !self.healed && refused.is_some_and(|until| *until > self.now) {
                codes.push(SubackCode::new(*self.net.pick(&[0x80, 0x87, 0x97])));
                continue;
            }
            if let Some(session) = &mut self.broker.sessions[node] {
                session.filters.insert(filter.clone(), qos);
            }
            codes.push(SubackCode::new(match qos {
                Qos::AtMostOnce => 0,
                Qos::AtLeastOnce => 1,
            }));
        }
        self.check_budget(node);
        codes
    }

    fn broker_takes(&mut self, node: usize, conn: u64, publish: &Outbound) {
        let at_least_once = publish.qos == Qos::AtLeastOnce;
        let id = publish.id;
        if at_least_once && self.fault(self.faults.refuse_publish, Fault::PublishRefused) {
            let code = PubackCode::new(*self.net.pick(&[0x80, 0x87, 0x97]));
            self.send_down(node, conn, Down::Puback { id, code });
            return;
        }
        if at_least_once && !self.fault(self.faults.lose_puback, Fault::PubackLost) {
            let code = match self.net.chance(100) {
                true => PubackCode::new(0x10),
                false => PubackCode::SUCCESS,
            };
            self.send_down(node, conn, Down::Puback { id, code });
        }
        self.route_request(
            &publish.topic,
            &publish.payload,
            publish.qos,
            publish.expires,
        );
    }

    /// Passes a request on to the service.
    pub(crate) fn route_request(
        &mut self,
        topic: &Rc<str>,
        payload: &Rc<[u8]>,
        qos: Qos,
        expires: Option<Instant>,
    ) {
        let mut copies = 1;
        match qos {
            Qos::AtMostOnce if self.fault(self.faults.loss, Fault::Lost) => return,
            Qos::AtLeastOnce if self.fault(self.faults.duplicate / 4, Fault::Duplicated) => {
                copies = 2;
            }
            Qos::AtMostOnce | Qos::AtLeastOnce => {}
        }
        for _ in 0..copies {
            let at = self.now + self.broker_delay();
            let request = Request {
                topic: topic.clone(),
                payload: payload.clone(),
                expires,
                doubled: copies > 1,
            };
            self.schedule(at, Happening::Request(request));
        }
    }

    /// A message goes to all who subscribe its topic.
    pub(crate) fn fan_out(&mut self, topic: &Rc<str>, payload: &Rc<[u8]>, qos: Qos) {
        debug_assert!(Topic::parse(topic).is_some(), "all topics are of shadows");
        for node in 0..self.nodes.len() {
            let Some(session) = &self.broker.sessions[node] else {
                continue;
            };
            let Some(granted) = session.takes(topic) else {
                continue;
            };
            let generation = session.generation;
            let message = Message {
                topic: topic.clone(),
                payload: payload.clone(),
                qos: qos.min(granted),
            };
            let mut copies = 1;
            match message.qos {
                Qos::AtMostOnce if self.fault(self.faults.loss, Fault::Lost) => continue,
                Qos::AtLeastOnce if self.fault(self.faults.duplicate, Fault::Duplicated) => {
                    copies = 2;
                }
                Qos::AtMostOnce | Qos::AtLeastOnce => {}
            }
            for _ in 0..copies {
                let at = self.now + self.broker_delay();
                let overtake = self.faults.overtake;
                let Some(session) = &mut self.broker.sessions[node] else {
                    continue;
                };
                let (at, order) = session.schedule(topic, at, overtake);
                match order {
                    Order::Kept => {}
                    Order::Overtakes => self.totals.note(Fault::Reordered),
                    Order::OvertakesOwn => self.totals.note(Fault::Overtaken),
                }
                let message = message.clone();
                self.schedule(
                    at,
                    Happening::FanOut {
                        node,
                        generation,
                        message,
                    },
                );
            }
        }
    }

    /// A message leaves the broker for one session.
    pub(crate) fn pass_on(&mut self, node: usize, generation: u64, message: Message) {
        let Some(session) = &mut self.broker.sessions[node] else {
            return;
        };
        if session.generation != generation {
            return;
        }
        match (session.conn, message.qos) {
            (Some(conn), _) => self.deliver(node, conn, message),
            (None, Qos::AtLeastOnce) => session.queue.push(message),
            (None, Qos::AtMostOnce) => self.totals.note(Fault::Lost),
        }
    }

    fn deliver(&mut self, node: usize, conn: u64, message: Message) {
        let mut number = None;
        if message.qos == Qos::AtLeastOnce {
            let new = self.broker.number();
            number = Some(new);
            if let Some(session) = &mut self.broker.sessions[node] {
                session.in_flight.push((new, message.clone()));
            }
        }
        self.send_down(node, conn, Down::Publish { number, message });
    }
}
