//! The shadow service behind the broker.

use super::{
    totals::{LinkFault, LinkSum},
    world::LinkWorld,
};
use crate::cloud::token_of;
use shadow_proto::{Operation, ShadowId, Topic};
use shadow_service::UnixTime;
use std::rc::Rc;
use std::time::Duration;

/// When a simulation begins, by the service's clock.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

impl LinkWorld {
    fn unix(&self) -> UnixTime {
        UnixTime::since_epoch(EPOCH + self.now.since_origin())
    }

    /// The service takes up a request.
    pub(super) fn serve(&mut self, topic: &Rc<str>, payload: &Rc<[u8]>) {
        self.totals.note(LinkSum::Served);
        if self.fault(self.plan.swallow, LinkFault::Swallowed) {
            return;
        }
        let parsed = Topic::parse(topic).expect("only requests come here");
        let operation = parsed.kind().operation();
        let id = parsed.shadow_id().expect("the names are legal");
        if self.fault(self.plan.reject, LinkFault::Rejected) {
            let code = *self.net.pick(&[429, 429, 500]);
            let token = token_of(parsed.kind(), payload).expect("clients send tokens");
            let payload = format!(r#"{{"code":{code},"message":"no","clientToken":"{token}"}}"#);
            let topic = Topic::new(&id, operation.rejected()).to_string();
            self.fan_out(&topic.into(), &payload.into_bytes().into());
            return;
        }
        let now = self.unix();
        let handled = self.service.handle_publish(topic, payload, now);
        let handled = handled.expect("it is a request");
        self.log(|| format!("service: {topic} -> {:?}", handled.outcome));
        if let Ok(version) = handled.outcome {
            let shadow = self.model.index(&id);
            match operation {
                Operation::Get => {}
                Operation::Update => {
                    self.model.updated(shadow, version);
                    self.model.applied(payload);
                }
                Operation::Delete => {
                    self.totals.note(LinkFault::Deleted);
                    self.model.deleted(shadow, version);
                }
            }
            for message in &handled.messages {
                let topic = Topic::parse(&message.topic).expect("the service spells topics");
                let payload = message.payload.as_bytes();
                self.model.learn(shadow, topic.kind(), payload);
            }
        }
        for message in handled.messages {
            let payload: Rc<[u8]> = message.payload.into_bytes().into();
            self.fan_out(&Rc::from(&*message.topic), &payload);
        }
    }

    /// Whether desired differs from reported.
    pub(super) fn differs(&self, id: &ShadowId) -> bool {
        let document = self.service.document(id, self.unix());
        let document = document.expect("it is read");
        let behaviour = &self.service.settings().behaviour;
        document.is_some_and(|document| document.delta(behaviour).is_some())
    }
}
