//! What the application's `tracing` subscriber is told (feature `tracing`).
//!
//! A subscriber is code of the application's, so nothing is told under the lock: records are
//! collected, and run when the lock is free again. The values of a state are in none of them.

use shadow_proto::{Event, Operation, ShadowId};

use crate::event::ConnectionEvent;

/// Tells one thing.
pub(crate) type Record = Box<dyn FnOnce() + Send>;

#[cfg(feature = "tracing")]
pub(crate) use on::{Connections, Span, request};

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Connections, Span, request};

#[cfg(feature = "tracing")]
mod on {
    use alloc::sync::Arc;
    use std::sync::OnceLock;

    use shadow_proto::{Failure, Version};
    use tracing::level_filters::LevelFilter;

    use super::{ConnectionEvent, Event, Operation, Record, ShadowId};
    use crate::endpoint::Endpoint;

    /// The span of a request.
    pub(crate) use tracing::Span;

    /// An event by its stable name.
    macro_rules! record {
        ($name:literal, $level:ident, $($fields:tt)+) => {
            Some(Box::new(move || {
                tracing::event!(
                    name: $name, target: "device_shadow", tracing::Level::$level, $($fields)+
                );
            }))
        };
    }

    /// Nobody listens: then nothing is put together either.
    fn is_off() -> bool {
        LevelFilter::current() == LevelFilter::OFF
    }

    /// The span from a request to its outcome, inside the span of who asks.
    pub(crate) fn request(id: &ShadowId, operation: Operation) -> Option<Span> {
        (!is_off()).then(|| {
            let operation = operation.as_str();
            tracing::info_span!(target: "device_shadow", "request", shadow = %id, operation)
        })
    }

    /// The span of a connection, made by the first record in it: not under the lock.
    type Slot = Arc<OnceLock<Span>>;

    /// Whose connections these are, and the one that there is.
    #[derive(Default)]
    pub(crate) struct Connections {
        client_id: Box<str>,
        endpoint: Box<str>,
        current: Option<Slot>,
    }

    impl Connections {
        pub(crate) fn new(client_id: &str, endpoint: &Endpoint) -> Self {
            Self {
                client_id: client_id.into(),
                // Without query, which can carry a token.
                endpoint: endpoint.to_string().into(),
                current: None,
            }
        }

        /// What happened to the connection, told in its span, which lasts from the attempt to the
        /// end of the connection.
        pub(crate) fn tell(&mut self, event: &ConnectionEvent) -> Option<Record> {
            let slot = match event {
                ConnectionEvent::Connecting { .. } => {
                    self.current = (!is_off()).then(Slot::default);
                    self.current.clone()
                }
                ConnectionEvent::Connected(_) | ConnectionEvent::CallbackPanicked { .. } => {
                    self.current.clone()
                }
                // The record's is the last one then, so that it ends outside of the lock.
                ConnectionEvent::ConnectFailed { .. }
                | ConnectionEvent::Disconnected { .. }
                | ConnectionEvent::Stopped => self.current.take(),
            };
            let told = of_connection(event)?;
            Some(self.within(slot, told))
        }

        /// The same for a shadow; `request` is the span of the request that the event ends.
        pub(crate) fn tell_of(
            &self,
            id: &ShadowId,
            event: &Event,
            request: Option<Span>,
        ) -> Option<Record> {
            if is_off() && request.is_none() {
                return None;
            }
            let told = of_shadow(id, event)?;
            Some(match request {
                Some(span) => Box::new(move || span.in_scope(told)),
                None => self.within(self.current.clone(), told),
            })
        }

        fn within(&self, slot: Option<Slot>, told: Record) -> Record {
            let Some(slot) = slot else {
                return told;
            };
            let (client_id, endpoint) = (self.client_id.clone(), self.endpoint.clone());
            Box::new(move || {
                let span = slot.get_or_init(|| {
                    // Whoever happens to drive the connection is not its reason.
                    tracing::info_span!(
                        target: "device_shadow", parent: None, "connection",
                        client_id = &*client_id, endpoint = &*endpoint
                    )
                });
                span.in_scope(told);
            })
        }
    }

    fn of_connection(event: &ConnectionEvent) -> Option<Record> {
        if is_off() {
            return None;
        }
        let text = event.to_string();
        match event {
            ConnectionEvent::Connecting { attempt } => {
                let attempt = *attempt;
                record!("connection.connecting", DEBUG, attempt, "{text}")
            }
            ConnectionEvent::Connected(info) => {
                let session_present = info.session_present;
                record!("connection.connected", INFO, session_present, "{text}")
            }
            ConnectionEvent::ConnectFailed { .. } => {
                record!("connection.failed", WARN, "{text}")
            }
            ConnectionEvent::Disconnected { .. } => record!("connection.lost", WARN, "{text}"),
            ConnectionEvent::CallbackPanicked { .. } => {
                record!("callback.panicked", ERROR, "{text}")
            }
            ConnectionEvent::Stopped => record!("connection.stopped", INFO, "{text}"),
        }
    }

    fn of_shadow(id: &ShadowId, event: &Event) -> Option<Record> {
        let shadow = id.to_string();
        let number = |version: Option<Version>| version.map(Version::number);
        match event {
            Event::Response { outcome, .. } => match outcome {
                Ok(accepted) => {
                    let version = number(accepted.version());
                    record!("request.accepted", DEBUG, shadow, version, "accepted")
                }
                Err(Failure::Rejected(rejection)) => {
                    let code = rejection.code.number();
                    let text = rejection.to_string();
                    record!("request.rejected", WARN, shadow, code, "rejected: {text}")
                }
                Err(failure) => {
                    let text = failure.to_string();
                    record!("request.failed", WARN, shadow, "{text}")
                }
            },
            Event::Ready { document, .. } => {
                let version = number(document.as_ref().map(|document| document.version));
                record!("shadow.ready", INFO, shadow, version, "in step")
            }
            Event::ResyncFailed { failure, .. } => {
                let text = failure.to_string();
                record!("shadow.resync_failed", WARN, shadow, "not fetched: {text}")
            }
            Event::Refused { filter, code, .. } => {
                let (filter, text) = (filter.to_string(), code.to_string());
                record!(
                    "shadow.refused",
                    WARN,
                    shadow,
                    filter,
                    "subscription refused: {text}"
                )
            }
            Event::Delta { delta, .. } => {
                let version = delta.version.number();
                record!("shadow.delta", DEBUG, shadow, version, "delta")
            }
            Event::Documents { documents, .. } => {
                let version = documents.current.version.number();
                record!("shadow.documents", DEBUG, shadow, version, "documents")
            }
            Event::Deleted { version, .. } => {
                let version = number(*version);
                record!("shadow.deleted", INFO, shadow, version, "deleted")
            }
            Event::Undecodable { topic, reason, .. } => {
                let (topic, text) = (topic.suffix(), reason.to_string());
                record!(
                    "shadow.undecodable",
                    WARN,
                    shadow,
                    topic,
                    "cannot be read: {text}"
                )
            }
            Event::Lagged { dropped, .. } => {
                let dropped = *dropped;
                record!("shadow.lagged", WARN, shadow, dropped, "events dropped")
            }
            Event::LateAnswer { operation, .. } => {
                let operation = operation.as_str();
                record!(
                    "shadow.late_answer",
                    INFO,
                    shadow,
                    operation,
                    "a late answer"
                )
            }
            Event::ForeignAnswer { operation, .. } => {
                let operation = operation.as_str();
                record!(
                    "shadow.foreign_answer",
                    TRACE,
                    shadow,
                    operation,
                    "an answer to others"
                )
            }
            Event::UnattributedRejection { rejection, .. } => {
                let text = rejection.to_string();
                record!(
                    "shadow.unattributed_rejection",
                    WARN,
                    shadow,
                    "rejected, not known what: {text}"
                )
            }
            _ => None,
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use super::{ConnectionEvent, Event, Operation, Record, ShadowId};
    use crate::endpoint::Endpoint;

    /// The span of a request.
    pub(crate) enum Span {}

    pub(crate) const fn request(_: &ShadowId, _: Operation) -> Option<Span> {
        None
    }

    /// Nobody's.
    #[derive(Default)]
    pub(crate) struct Connections {}

    impl Connections {
        pub(crate) const fn new(_: &str, _: &Endpoint) -> Self {
            Self {}
        }

        pub(crate) const fn tell(&self, _: &ConnectionEvent) -> Option<Record> {
            None
        }

        pub(crate) fn tell_of(&self, _: &ShadowId, _: &Event, _: Option<Span>) -> Option<Record> {
            None
        }
    }
}
