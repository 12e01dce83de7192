//! The service's ear in the embedded broker.

use crate::{local::Engine, reply::Ignored, settings::Retained};
use alloc::{
    boxed::Box,
    format,
    sync::{Arc, Weak},
};
use core::{future::Future, pin::Pin};
use mqtt5::{
    broker::{BrokerEventHandler, ClientPublishEvent, PublishAction, router::MessageRouter},
    packet::publish::PublishPacket,
};
use shadow_proto::{Topic, TopicPrefix};
use std::sync::OnceLock;

/// Sees each publish of a client before the broker routes it. Last wills do not come this way.
pub(super) struct Tap {
    pub(super) engine: Engine,
    pub(super) prefix: TopicPrefix,
    pub(super) retained: Retained,
    /// Weak, for the router has this: else neither, and no store, would ever be given back.
    pub(super) router: Arc<OnceLock<Weak<MessageRouter>>>,
}

impl Tap {
    async fn publish(&self, event: ClientPublishEvent) -> PublishAction {
        let topic = Topic::parse_with(&self.prefix, &event.topic);
        let Some(topic) = topic else {
            return PublishAction::Continue;
        };
        // AWS forbids both and may close the connection. So do we, that it be noticed here.
        if !topic.kind().is_request() {
            self.expel(&event).await;
            return PublishAction::Handled;
        }
        match self.retained {
            _ if !event.retain => {}
            Retained::Serve => {}
            Retained::Drop => {
                tracing::warn!(
                    name: "service.retained", client = %event.client_id, topic = %event.topic,
                    "a request with RETAIN is not served"
                );
                return PublishAction::Handled;
            }
            Retained::Disconnect => {
                self.expel(&event).await;
                return PublishAction::Handled;
            }
        }
        let served =
            self.engine
                .handle_publish_of(Some(&event.client_id), &event.topic, &event.payload);
        match served.await {
            Ok(()) | Err(Ignored::NotARequest | Ignored::NotAShadowTopic) => {}
        }
        if event.retain {
            let mut packet = PublishPacket::new(&*event.topic, event.payload.clone(), event.qos);
            packet.packet_id = event.packet_id;
            return PublishAction::Transform(packet);
        }
        // Other clients may watch the requests.
        PublishAction::Continue
    }

    async fn expel(&self, event: &ClientPublishEvent) {
        let fault = if event.retain { "RETAIN" } else { "a publish" };
        let text = format!("{fault} on {} is not allowed", event.topic);
        tracing::warn!(
            name: "service.expelled", client = %event.client_id, topic = %event.topic,
            "{text}; disconnecting"
        );
        if let Some(router) = self.router.get().and_then(Weak::upgrade) {
            router.disconnect_client(&event.client_id).await;
        }
    }
}

impl BrokerEventHandler for Tap {
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        Box::pin(self.publish(event))
    }
}
