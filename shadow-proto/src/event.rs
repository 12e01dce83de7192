//! What comes out of a client: things to do on the network, and events for the application.

use crate::{
    config::Qos,
    document::{Accepted, Delta, Document, Documents, Rejection},
    json::Json,
    name::ClientToken,
    topic::{Operation, TopicKind},
    wire::{DecodeError, Version},
};
use alloc::{boxed::Box, vec::Vec};
use core::{fmt, time::Duration};

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
    pub(crate) serial: u64,
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

/// How far a request got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// It waited: for a connection, for the window, for its shadow to be ready. Surely not applied.
    Queued,
    /// It waited for the filters of its answers to be granted. Surely not applied.
    Subscribing,
    /// It was handed to the connection. May have been applied.
    Sent,
    /// The broker has it. May have been applied.
    Acknowledged,
}

impl Stage {
    /// Whether the service may have applied the request.
    #[must_use]
    pub const fn may_have_been_applied(self) -> bool {
        matches!(self, Self::Sent | Self::Acknowledged)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "not sent: it was still queued",
            Self::Subscribing => "not sent: its subscriptions were not granted yet",
            Self::Sent => "sent, not acknowledged by the broker; it may have been applied",
            Self::Acknowledged => {
                "acknowledged by the broker, not answered by the shadow service; it may have been applied"
            }
        })
    }
}

/// Why a request was not accepted. All but a rejection say how far it got.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The service refused it: nothing changed.
    Rejected(Rejection),
    /// The broker refused the PUBLISH.
    PublishRefused {
        /// How far it got.
        stage: Stage,
        /// The code of the PUBACK.
        code: PubackCode,
    },
    /// The deadline passed.
    TimedOut {
        /// How far it got.
        stage: Stage,
        /// A rejection without token that came meanwhile and may have been the answer.
        hint: Option<Box<Rejection>>,
    },
    /// The connection was lost, and with it the session.
    Disconnected {
        /// How far it got.
        stage: Stage,
    },
    /// The broker refused a filter that the answer needs.
    SubscribeRefused {
        /// How far it got.
        stage: Stage,
        /// The filter.
        filter: Box<str>,
        /// The code of the SUBACK.
        code: SubackCode,
    },
    /// It could not be sent.
    NotSent {
        /// How far it got.
        stage: Stage,
        /// Why.
        reason: NotSent,
    },
    /// The application cancelled it.
    Cancelled {
        /// How far it got.
        stage: Stage,
    },
    /// Its shadow was removed from the client.
    Removed {
        /// How far it got.
        stage: Stage,
    },
}

impl Failure {
    /// How far the request got; `None` for a rejection, which is an answer.
    #[must_use]
    pub const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Rejected(_) => None,
            Self::PublishRefused { stage, .. }
            | Self::TimedOut { stage, .. }
            | Self::Disconnected { stage }
            | Self::SubscribeRefused { stage, .. }
            | Self::NotSent { stage, .. }
            | Self::Cancelled { stage }
            | Self::Removed { stage } => Some(*stage),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => write!(f, "rejected: {rejection}"),
            Self::PublishRefused { code, .. } => {
                write!(f, "the broker refused the publish: {code}")
            }
            Self::TimedOut { stage, hint: None } => write!(f, "timed out ({stage})"),
            Self::TimedOut {
                stage,
                hint: Some(hint),
            } => {
                write!(
                    f,
                    "timed out ({stage}); a rejection without token came meanwhile: {hint}"
                )
            }
            Self::Disconnected { stage } => write!(f, "the session was lost ({stage})"),
            Self::SubscribeRefused { filter, code, .. } => {
                write!(f, "the broker refused the subscription to {filter}: {code}")
            }
            Self::NotSent { reason, .. } => write!(f, "not sent: {reason}"),
            Self::Cancelled { stage } => write!(f, "cancelled ({stage})"),
            Self::Removed { stage } => write!(f, "the shadow was removed ({stage})"),
        }
    }
}

impl core::error::Error for Failure {}

/// Why a request could not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotSent {
    /// There was no connection, and the request was not to wait for one.
    Offline,
    /// The connection did not take it.
    Refused,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "there is no connection",
            Self::Refused => "the connection did not take it",
        })
    }
}

/// What a SUBACK says of one filter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubackCode(u8);

impl SubackCode {
    /// The code with this number: below 0x80 the granted QoS, else a reason for refusal.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the filter is subscribed.
    #[must_use]
    pub const fn is_granted(self) -> bool {
        self.0 < 0x80
    }
}

impl fmt::Display for SubackCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MQTT 5, section 3.9.3; in MQTT 3.1.1 there is 0x80 alone.
        let name = match self.0 {
            0..=2 => return write!(f, "granted QoS {}", self.0),
            0x80 => "unspecified error, often a missing permission",
            0x83 => "implementation specific error",
            0x87 => "not authorized",
            0x8f => "topic filter invalid",
            0x91 => "packet identifier in use",
            0x97 => "quota exceeded",
            0x9e => "shared subscriptions not supported",
            0xa1 => "subscription identifiers not supported",
            0xa2 => "wildcard subscriptions not supported",
            _ => "unknown reason",
        };
        write!(f, "0x{:02x} {name}", self.0)
    }
}

/// What a PUBACK says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PubackCode(u8);

impl PubackCode {
    /// 0: success, and all that MQTT 3.1.1 can say.
    pub const SUCCESS: Self = Self(0);

    /// The code with this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the broker took the message. 0x10, nobody subscribed, is a success too.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 < 0x80
    }
}

impl fmt::Display for PubackCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MQTT 5, section 3.4.2.1.
        let name = match self.0 {
            0 => "success",
            0x10 => "no matching subscribers",
            0x80 => "unspecified error",
            0x83 => "implementation specific error",
            0x87 => "not authorized",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x97 => "quota exceeded",
            0x99 => "payload format invalid",
            _ => "unknown reason",
        };
        write!(f, "0x{:02x} {name}", self.0)
    }
}
