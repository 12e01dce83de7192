//! What the hub wants done on the connection: publishes and subscriptions, each until the C library
//! says how it ended.

use paho_mqtt::{self as paho, AsyncClient, ServerResponse, Token};
use transport_core::{
    Action, ActionId, MqttQos, MqttVersion, PubackCode, PublishFailure,
    mqtt_session::{Ask, TopicFilter},
};

use super::{Session, number, poll};
use crate::{filters::Subscribed, settings};

/// One that has not ended.
pub(super) enum Operation {
    Publish(ActionId, MqttQos, Token),
    Subscribe(Vec<(TopicFilter, Ask)>, Token),
    Unsubscribe(ActionId, Token),
}

impl Session {
    /// Does what the hub wants.
    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Subscribe { id, filters, qos } => self.subscribe(id, &filters, qos),
            Action::Unsubscribe { id, filters } => self.unsubscribe(id, &filters),
            Action::Publish { id, message } => {
                if let Err(error) = message.check() {
                    let failure = PublishFailure::Refused(error);
                    return self.hub.handle_publish_failed(id, failure);
                }
                let Ok(to) = settings::publish(self.options.version, &message) else {
                    return self.hub.handle_send_failed(id);
                };
                self.held.push_back((id, message.qos, to));
                self.push_held();
            }
            // What the C library has, it sends.
            Action::Withdraw { id } => self.held.retain(|(held, ..)| *held != id),
        }
    }

    /// An operation of the present client may have ended.
    pub(crate) fn look(&mut self, operation: u64) {
        let Some(waiting) = self.waiting.get_mut(&operation) else {
            return;
        };
        let (Operation::Publish(.., token)
        | Operation::Subscribe(_, token)
        | Operation::Unsubscribe(_, token)) = waiting;
        let Some(result) = poll(&self.inbox, self.epoch, operation, token) else {
            return;
        };
        match self.waiting.remove(&operation) {
            Some(Operation::Publish(id, qos, _)) => self.published(id, qos, result),
            Some(Operation::Subscribe(asks, _)) => self.subscribed(&asks, result),
            Some(Operation::Unsubscribe(id, _)) => self.hub.handle_unsuback(id),
            None => {}
        }
        self.push_held();
    }

    fn subscribe(&mut self, id: ActionId, filters: &[Box<str>], qos: MqttQos) {
        let Some(client) = self.client.clone() else {
            return self.hub.handle_subscribe_failed(id);
        };
        let asks = self.filters.subscribe(id, filters, qos);
        // Over 3.1.1 the bindings read as many codes from the SUBACK as there are filters, however
        // many there are in it: one by one, a broken broker does no harm.
        let at_once = match self.options.version {
            MqttVersion::V5 => asks.len(),
            _ => 1,
        };
        for asks in asks.chunks(at_once.max(1)) {
            let token = match asks {
                [(filter, ask)] => client.subscribe(filter.as_str(), qos_of(ask.qos)),
                asks => {
                    let filters: Vec<&str> = asks.iter().map(|(it, _)| it.as_str()).collect();
                    let qos: Vec<i32> = asks.iter().map(|(_, ask)| qos_of(ask.qos)).collect();
                    client.subscribe_many(&filters, &qos)
                }
            };
            self.wait(Operation::Subscribe(asks.to_vec(), token));
        }
        self.tell_subscribed();
    }

    fn subscribed(&mut self, asks: &[(TopicFilter, Ask)], result: paho::Result<ServerResponse>) {
        let codes: Option<Vec<i32>> = match &result {
            Ok(response) => response
                .subscribe_many_response()
                .or_else(|| Some(vec![response.subscribe_response()?])),
            Err(paho::Error::ReasonCode(code, _)) => Some(vec![i32::from(number(*code))]),
            // A refusal over 3.1.1, unless it could not even be sent.
            Err(paho::Error::Failure) if self.is_connected() => Some(vec![REFUSED]),
            Err(_) => None,
        };
        for (index, (filter, ask)) in asks.iter().enumerate() {
            let code = codes.as_ref().and_then(|codes| codes.get(index));
            match code.map(|code| u8::try_from(*code)) {
                Some(code) => self.filters.answered(filter, *ask, code.unwrap_or(0x80)),
                None => self.filters.failed(filter, *ask),
            }
        }
        self.tell_subscribed();
    }

    fn tell_subscribed(&mut self) {
        while let Some(done) = self.filters.finished() {
            match done {
                Subscribed::Answered(id, codes) => self.hub.handle_suback(id, &codes),
                Subscribed::Failed(id) => self.hub.handle_subscribe_failed(id),
            }
        }
    }

    fn unsubscribe(&mut self, id: ActionId, filters: &[Box<str>]) {
        let leaving = self.filters.unsubscribe(id, filters);
        match &self.client {
            Some(client) if !leaving.is_empty() => {
                let token = match leaving.as_slice() {
                    [filter] => client.unsubscribe(&**filter),
                    filters => client.unsubscribe_many(filters),
                };
                self.wait(Operation::Unsubscribe(id, token));
            }
            Some(_) | None => self.hub.handle_unsuback(id),
        }
    }

    /// Hands publishes to the C library while it has room.
    fn push_held(&mut self) {
        while let Some((id, qos, message)) = self.held.pop_front() {
            let Some(client) = &self.client else {
                self.hub.handle_send_failed(id);
                continue;
            };
            match client.try_publish(message) {
                Ok(token) => self.wait(Operation::Publish(id, qos, token.into())),
                Err(paho::Error::Publish(code, message)) if is_full(code) => {
                    if self.waiting.is_empty() {
                        self.hub.handle_send_failed(id);
                        continue;
                    }
                    // Room comes with the end of those before it.
                    self.held.push_front((id, qos, message));
                    return;
                }
                Err(_) => self.hub.handle_send_failed(id),
            }
        }
    }

    fn published(&self, id: ActionId, qos: MqttQos, result: paho::Result<ServerResponse>) {
        match result {
            Ok(_) if qos == MqttQos::AtMostOnce => self.hub.handle_written(id),
            Ok(_) => self.hub.handle_puback(id, PubackCode::SUCCESS),
            Err(paho::Error::ReasonCode(code, _)) => {
                self.hub.handle_puback(id, PubackCode::new(number(code)));
            }
            Err(_) => self.unsent_or_lost(id, qos),
        }
    }

    pub(super) fn unsent_or_lost(&self, id: ActionId, qos: MqttQos) {
        match qos {
            MqttQos::AtMostOnce => self.hub.handle_send_failed(id),
            MqttQos::AtLeastOnce | MqttQos::ExactlyOnce => self.hub.handle_lost(id),
        }
    }

    fn wait(&mut self, operation: Operation) {
        self.waiting.insert(self.next, operation);
        self.look_at(self.next);
        self.next += 1;
    }

    fn is_connected(&self) -> bool {
        self.client.as_ref().is_some_and(AsyncClient::is_connected)
    }
}

fn qos_of(qos: MqttQos) -> i32 {
    i32::from(qos.level())
}

/// Whether the C library has no room for another message, or no packet id.
fn is_full(code: i32) -> bool {
    const NO_MORE_IDS: i32 = -10;
    const MAX_BUFFERED: i32 = -12;
    matches!(code, NO_MORE_IDS | MAX_BUFFERED)
}

/// What 3.1.1 has for a filter that is refused.
const REFUSED: i32 = 0x80;
