//! What a session reports.

use core::{fmt, time::Duration};

use crate::{
    ConnectCode, DisconnectCode, Message, ProtocolError, PubackCode, Qos, SubackCode, TopicFilter,
    UnsubackCode, Version, subscriptions::Owner,
};

/// Names one publish of one session; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublishToken(pub(crate) u64);

/// Names one subscribe request of one session; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscribeToken(pub(crate) u64);

/// Names one unsubscribe request of one session; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UnsubscribeToken(pub(crate) u64);

/// What happened. Taken with [`Session::poll_event`](crate::Session::poll_event), in order.
///
/// Each [`handle_opened`](crate::Session::handle_opened) is followed by at most one
/// [`Connected`](Self::Connected) and exactly one final event: [`ConnectRefused`](Self::ConnectRefused)
/// or [`Disconnected`](Self::Disconnected).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server accepted the CONNECT.
    Connected(Box<Connected>),
    /// The server refused the CONNECT. Final: flush, then close the transport.
    ConnectRefused(Box<Refusal>),
    /// The connection is over. Final: flush what
    /// [`write_output`](crate::Session::write_output) still gives, then close the transport.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
    },
    /// A message arrived. Its acknowledgement is queued by the next call of
    /// [`poll_event`](crate::Session::poll_event).
    Message(Message),
    /// A publish has ended; each one that [`publish`](crate::Session::publish) accepted ends
    /// once, unless it was cancelled.
    Published {
        /// Which one.
        token: PublishToken,
        /// How.
        outcome: PublishOutcome,
    },
    /// Every filter of a subscribe request is answered.
    Subscribed {
        /// Which request.
        token: SubscribeToken,
        /// Whose.
        owner: Owner,
        /// One code for each filter, in the order of the request.
        codes: Vec<SubackCode>,
    },
    /// The connection ended before the answer to a subscribe request of an owner that restores
    /// its own subscriptions ([`Restore::ByOwner`](crate::Restore::ByOwner)). None of its filters
    /// counts as subscribed.
    SubscribeLost {
        /// Which request.
        token: SubscribeToken,
        /// Whose.
        owner: Owner,
    },
    /// Every filter of an unsubscribe request is dealt with.
    Unsubscribed {
        /// Which request.
        token: UnsubscribeToken,
        /// Whose.
        owner: Owner,
        /// One code for each filter, in the order of the request.
        codes: Vec<UnsubackCode>,
    },
    /// The session asked for a filter again and the server answered: for an owner with
    /// [`Restore::BySession`](crate::Restore::BySession) because the server lost the session, or
    /// because it may have (a CONNECT went unanswered before, so that "session present" may mean a
    /// newer one); in the second case for an owner with
    /// [`Restore::ByOwner`](crate::Restore::ByOwner) too, who hears of refusals only. After a
    /// refusal the owner no longer holds the filter.
    Restored {
        /// Whose.
        owner: Owner,
        /// Which filter.
        filter: TopicFilter,
        /// The answer.
        code: SubackCode,
    },
}

/// What the server said when it accepted the connection.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Connected {
    /// The server kept the session: its subscriptions, and the publishes in flight, which are
    /// being sent again. `false` means all of that is gone.
    pub session_present: bool,
    /// A CONNECT went unanswered before, so that the session the server kept may be a newer one than
    /// ours: its subscriptions are asked for again, and messages in between may be lost.
    pub session_doubted: bool,
    /// What the server allows.
    pub limits: ServerLimits,
    /// The client id the server chose, if it did; used again for later connects.
    pub assigned_client_id: Option<String>,
    /// The keep-alive in force: the server's, if it named one, else ours. Zero: none.
    pub keep_alive: Duration,
    /// Whether the server overrode the keep-alive asked for.
    pub keep_alive_from_server: bool,
    /// How long the server keeps the session after this connection (MQTT 5), `None` for MQTT
    /// 3.1.1, which cannot say; [`Duration::MAX`] for ever.
    pub session_expiry: Option<Duration>,
    /// Where answers are to be addressed (MQTT 5 response information).
    pub response_information: Option<String>,
    /// Another server to use (MQTT 5).
    pub server_reference: Option<String>,
    /// A text of the server, for humans.
    pub reason_string: Option<String>,
    /// User properties of the CONNACK.
    pub user_properties: Vec<(String, String)>,
}

/// What a server allows. For MQTT 3.1.1, which cannot say, everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ServerLimits {
    /// How many QoS 1 and 2 publishes may be on their way to it at once.
    pub receive_maximum: u16,
    /// The highest quality of service it takes.
    pub maximum_qos: Qos,
    /// Whether it keeps retained messages.
    pub retain_available: bool,
    /// The largest packet it takes, in bytes; `None` for no limit of its own.
    pub maximum_packet_size: Option<u32>,
    /// Whether filters may have wildcards.
    pub wildcard_subscriptions: bool,
    /// Whether shared subscriptions are possible.
    pub shared_subscriptions: bool,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_qos: Qos::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: None,
            wildcard_subscriptions: true,
            shared_subscriptions: true,
        }
    }
}

/// A CONNECT the server refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The server's code.
    pub code: ConnectCode,
    /// A server of MQTT 3.1.1 answered our MQTT 5 CONNECT: [`Version::V3_1_1`] may work.
    pub only_3_1_1: bool,
    /// A text of the server, for humans.
    pub reason_string: Option<String>,
    /// Another server to use (MQTT 5).
    pub server_reference: Option<String>,
}

impl Refusal {
    /// A refusal of which only the code is known: for drivers of other MQTT clients.
    #[must_use]
    pub const fn new(code: ConnectCode) -> Self {
        Self {
            code,
            only_3_1_1: false,
            reason_string: None,
            server_reference: None,
        }
    }

    /// Whether trying again with the same options is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.only_3_1_1 || self.code.is_permanent()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection refused: {}", self.code)?;
        if self.only_3_1_1 {
            write!(f, "; the server speaks {}", Version::V3_1_1)?;
        }
        if let Some(text) = &self.reason_string {
            write!(f, ": {text}")?;
        }
        if let Some(server) = &self.server_reference {
            write!(f, "; use server {server}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Refusal {}

/// Why a connection ended.
///
/// ```
/// use mqtt_session::{DisconnectReason, ProtocolError};
///
/// let reason = DisconnectReason::Protocol(ProtocolError::RemainingLength);
/// assert!(reason.to_string().starts_with("protocol error: "));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// [`Session::disconnect`](crate::Session::disconnect) was called.
    Requested,
    /// The transport ended without a DISCONNECT.
    TransportClosed,
    /// No CONNACK in time.
    ConnackTimeout,
    /// No byte in time after a PINGREQ.
    PingTimeout,
    /// The server sent a DISCONNECT (MQTT 5).
    ByServer {
        /// Its reason.
        code: DisconnectCode,
        /// Its text, for humans.
        reason_string: Option<Box<str>>,
        /// Another server to use.
        server_reference: Option<Box<str>>,
    },
    /// The server broke the protocol, or sent more than our limits allow.
    Protocol(ProtocolError),
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("disconnected on request"),
            Self::TransportClosed => f.write_str("the connection was closed"),
            Self::ConnackTimeout => f.write_str("the server did not answer CONNECT in time"),
            Self::PingTimeout => f.write_str("the server did not answer PINGREQ in time"),
            Self::ByServer {
                code,
                reason_string,
                server_reference,
            } => {
                write!(f, "disconnected by the server: {code}")?;
                if let Some(text) = reason_string {
                    write!(f, ": {text}")?;
                }
                if let Some(server) = server_reference {
                    write!(f, "; use server {server}")?;
                }
                Ok(())
            }
            Self::Protocol(error) => write!(f, "protocol error: {error}"),
        }
    }
}

impl core::error::Error for DisconnectReason {}

/// How a publish ended.
///
/// ```
/// use mqtt_session::PublishOutcome;
///
/// /// What to write into a log.
/// fn told(outcome: &PublishOutcome) -> String {
///     match outcome {
///         PublishOutcome::Written => "written".into(),
///         PublishOutcome::Acknowledged { code, .. } if code.is_success() => "taken".into(),
///         PublishOutcome::Acknowledged { code, .. } => format!("refused: {code:?}"),
///         PublishOutcome::Lost => "perhaps taken".into(),
///         _ => "never sent".into(),
///     }
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PublishOutcome {
    /// QoS 0: it was written, which is all one can know.
    Written,
    /// QoS 1 and 2: the server answered, with success or not
    /// ([`PubackCode::is_success`]).
    Acknowledged {
        /// The answer.
        code: PubackCode,
        /// The server's text, for humans.
        reason_string: Option<Box<str>>,
    },
    /// It was sent, and the session was lost before the answer: the server may have taken it.
    Lost,
    /// It was never sent.
    NotSent(NotSent),
}

/// Why a publish that was accepted into the queue was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotSent {
    /// QoS 0, and the connection ended first.
    Disconnected,
    /// Its message expiry passed first.
    Expired,
    /// The server, known only later, takes no packet of that size.
    TooLarge,
    /// The server, known only later, does not take this quality of service.
    QosNotSupported,
    /// The server, known only later, keeps no retained messages.
    RetainNotSupported,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "the connection ended before it was sent",
            Self::Expired => "it expired before it was sent",
            Self::TooLarge => "it is larger than the server's maximum packet size",
            Self::QosNotSupported => "the server does not take its quality of service",
            Self::RetainNotSupported => "the server keeps no retained messages",
        })
    }
}
