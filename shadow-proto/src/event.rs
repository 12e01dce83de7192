//! What comes out of a client: things to do on the network, and events for the application.

use crate::{
    config::Qos,
    document::{Accepted, Delta, Document, Documents, Rejection},
    failure::{Failure, SubackCode},
    json::Json,
    token::ClientToken,
    topic::{Operation, TopicKind},
    wire::{DecodeError, Version},
};
use alloc::{boxed::Box, vec::Vec};
use core::{num::NonZeroU64, time::Duration};

/// A shadow added to a client. Stale once the shadow was removed, which calls report as an error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShadowHandle {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// A request, from the call to its outcome, however often it is tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId {
    // The serial first, so that ids sort by age.
    pub(crate) serial: NonZeroU64,
    pub(crate) slot: u32,
}

/// One try to publish a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublishId {
    pub(crate) counter: u64,
    pub(crate) slot: u32,
}

/// One SUBSCRIBE or UNSUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscribeId(pub(crate) u64);

/// What the driver takes out with [`Client::poll_output`](crate::Client::poll_output) and acts on.
///
/// Exhaustive on purpose: a driver must act on every variant.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new variant must break every driver"
)]
pub enum Output {
    /// Send a SUBSCRIBE; give its SUBACK to [`Client::handle_suback`](crate::Client::handle_suback),
    /// or call [`Client::handle_subscribe_failed`](crate::Client::handle_subscribe_failed).
    Subscribe {
        /// To be echoed.
        id: SubscribeId,
        /// The filters, in the order in which the SUBACK answers them.
        filters: Vec<Box<str>>,
        /// The QoS asked for.
        qos: Qos,
    },
    /// Send an UNSUBSCRIBE; report its UNSUBACK to
    /// [`Client::handle_unsuback`](crate::Client::handle_unsuback).
    Unsubscribe {
        /// To be echoed.
        id: SubscribeId,
        /// The filters.
        filters: Vec<Box<str>>,
    },
    /// Send a PUBLISH, not retained; at QoS 1 give its PUBACK to
    /// [`Client::handle_puback`](crate::Client::handle_puback). If it cannot be sent at all, call
    /// [`Client::handle_send_failed`](crate::Client::handle_send_failed).
    Publish {
        /// To be echoed.
        id: PublishId,
        /// The request it is a try of.
        request: RequestId,
        /// The topic.
        topic: Box<str>,
        /// The payload.
        payload: Box<[u8]>,
        /// The QoS.
        qos: Qos,
        /// Over MQTT 5: the message expiry interval, whole seconds.
        expiry: Option<Duration>,
    },
    /// Tell the application.
    Event(Event),
}

/// What the application is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The shadow is in step: every wanted filter is granted and, unless its policy is never to
    /// fetch, its document was fetched. Comes again after each resync.
    Ready {
        /// Which shadow.
        shadow: ShadowHandle,
        /// The document; `None` if there is no such shadow (404), or if none was fetched.
        document: Option<Box<Document>>,
        /// Whether a document was asked for.
        fetched: bool,
    },
    /// The document of a followed shadow could not be fetched; it will be tried again.
    ResyncFailed {
        /// Which shadow.
        shadow: ShadowHandle,
        /// Why.
        failure: Failure,
        /// After what time it is tried again; `None`: not before the next connect.
        retry_in: Option<Duration>,
    },
    /// The broker refused a subscription. It is not asked again before the next connect or call
    /// that needs it.
    Refused {
        /// Which shadow.
        shadow: ShadowHandle,
        /// The filter.
        filter: Box<str>,
        /// The code of the SUBACK.
        code: SubackCode,
    },
    /// A request is over. Each request has exactly one of these.
    Response {
        /// Which shadow.
        shadow: ShadowHandle,
        /// Which request.
        request: RequestId,
        /// The token of its last try; `None` if it was never tried or carried none.
        token: Option<ClientToken>,
        /// How it ended.
        outcome: Result<Accepted, Failure>,
        /// The answer as it came, if [`Config::keep_payloads`](crate::Config) is set.
        payload: Option<Json>,
    },
    /// An answer to a request that was over: now it is known what the service did with it.
    LateAnswer {
        /// Which shadow.
        shadow: ShadowHandle,
        /// Which request; `None` if it was made before a restart.
        request: Option<RequestId>,
        /// Its token.
        token: ClientToken,
        /// The operation.
        operation: Operation,
        /// The answer.
        answer: Result<Accepted, Rejection>,
    },
    /// The answer to a request of another client, on a topic of the shadow's interest.
    ForeignAnswer {
        /// Which shadow.
        shadow: ShadowHandle,
        /// Its token, if it had one.
        token: Option<ClientToken>,
        /// The operation.
        operation: Operation,
        /// The answer.
        answer: Result<Accepted, Rejection>,
        /// The answer as it came, if [`Config::keep_payloads`](crate::Config) is set.
        payload: Option<Json>,
    },
    /// A rejection without token: the service could not read a request, probably another
    /// client's. It ends no request.
    UnattributedRejection {
        /// Which shadow.
        shadow: ShadowHandle,
        /// The operation.
        operation: Operation,
        /// The rejection.
        rejection: Rejection,
        /// The only request of ours that it could be about, if there is exactly one.
        candidate: Option<RequestId>,
    },
    /// A message on a topic of ours that could not be read. Nothing else was done with it.
    Undecodable {
        /// Which shadow.
        shadow: ShadowHandle,
        /// Which topic.
        topic: TopicKind,
        /// Why.
        reason: DecodeError,
        /// The first bytes of the payload, as many as
        /// [`Limits::undecodable`](crate::Limits) allows.
        payload: Box<[u8]>,
    },
    /// Events of this shadow were dropped here because the application did not take them.
    Lagged {
        /// Which shadow.
        shadow: ShadowHandle,
        /// How many.
        dropped: u32,
    },
    /// Desired values that differ from the reported ones.
    Delta {
        /// Which shadow.
        shadow: ShadowHandle,
        /// The values.
        delta: Delta,
        /// Whose update caused it.
        origin: Origin,
        /// The message as it came, if [`Config::keep_payloads`](crate::Config) is set and the
        /// delta did not come with a get.
        payload: Option<Json>,
    },
    /// The document before and after an update.
    Documents {
        /// Which shadow.
        shadow: ShadowHandle,
        /// The documents.
        documents: Box<Documents>,
        /// Whose update caused it.
        origin: Origin,
        /// The message as it came, if [`Config::keep_payloads`](crate::Config) is set.
        payload: Option<Json>,
    },
    /// The shadow was deleted: a delete was accepted, or a get of ours found none. What was known
    /// of its versions is void.
    Deleted {
        /// Which shadow.
        shadow: ShadowHandle,
        /// The version deleted, if the service said so.
        version: Option<Version>,
        /// Who deleted it; unknown when a get found it gone.
        origin: Origin,
    },
}

impl Event {
    /// The shadow it is about.
    #[must_use]
    pub const fn shadow(&self) -> ShadowHandle {
        match self {
            Self::Ready { shadow, .. }
            | Self::ResyncFailed { shadow, .. }
            | Self::Refused { shadow, .. }
            | Self::Response { shadow, .. }
            | Self::LateAnswer { shadow, .. }
            | Self::ForeignAnswer { shadow, .. }
            | Self::UnattributedRejection { shadow, .. }
            | Self::Undecodable { shadow, .. }
            | Self::Lagged { shadow, .. }
            | Self::Delta { shadow, .. }
            | Self::Documents { shadow, .. }
            | Self::Deleted { shadow, .. } => *shadow,
        }
    }
}

/// Whose request caused a message.
///
/// ```
/// use shadow_proto::{Event, Origin};
///
/// /// Whether an update that was not of this client changed the document.
/// fn was_changed_by_others(event: &Event) -> bool {
///     matches!(event, Event::Documents { origin: Origin::Foreign, .. })
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// One of this client.
    Ours(RequestId),
    /// One with a token that is not of this client.
    Foreign,
    /// The message has no token, or the client learnt of it by a get.
    Unknown,
}
