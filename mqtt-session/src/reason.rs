//! Reason codes of the acknowledgements, as open newtypes with names and texts.

use core::fmt;

/// Defines a newtype over a reason code: a constant and a text for each known value.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $constant:ident = $value:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u8);

        impl $name {
            $(
                #[doc = concat!("`", stringify!($value), "`: ", $text, ".")]
                $(#[$item])*
                pub const $constant: Self = Self($value);
            )+

            /// The code with this value, known or not.
            #[must_use]
            pub const fn new(value: u8) -> Self {
                Self(value)
            }

            /// The value on the wire.
            #[must_use]
            pub const fn value(self) -> u8 {
                self.0
            }

            /// What the specification calls it; `"unknown reason"` for a value it does not list.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($value => $text,)+
                    _ => "unknown reason",
                }
            }

            /// Whether the specification lists this value for this packet.
            #[must_use]
            pub const fn is_known(self) -> bool {
                matches!(self.0, $($value)|+)
            }
        }

        /// The specification's words and the value: `not authorized (0x87)`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} ({:#04x})", self.text(), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#04x} {})"), self.0, self.text())
            }
        }
    };
}

codes! {
    /// Why a server accepted or refused a CONNECT (CONNACK).
    ///
    /// MQTT 3.1.1 uses 0 to 5 and MQTT 5 uses 0 and values from `0x80`, so one type holds both
    /// without ambiguity.
    ConnectCode {
        SUCCESS = 0x00, "success";
        V3_UNACCEPTABLE_PROTOCOL_VERSION = 0x01, "unacceptable protocol version";
        V3_IDENTIFIER_REJECTED = 0x02, "identifier rejected";
        V3_SERVER_UNAVAILABLE = 0x03, "server unavailable";
        V3_BAD_USER_NAME_OR_PASSWORD = 0x04, "bad user name or password";
        V3_NOT_AUTHORIZED = 0x05, "not authorized";
        UNSPECIFIED_ERROR = 0x80, "unspecified error";
        MALFORMED_PACKET = 0x81, "malformed packet";
        PROTOCOL_ERROR = 0x82, "protocol error";
        IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
        UNSUPPORTED_PROTOCOL_VERSION = 0x84, "unsupported protocol version";
        CLIENT_IDENTIFIER_NOT_VALID = 0x85, "client identifier not valid";
        BAD_USER_NAME_OR_PASSWORD = 0x86, "bad user name or password";
        NOT_AUTHORIZED = 0x87, "not authorized";
        SERVER_UNAVAILABLE = 0x88, "server unavailable";
        SERVER_BUSY = 0x89, "server busy";
        BANNED = 0x8a, "banned";
        BAD_AUTHENTICATION_METHOD = 0x8c, "bad authentication method";
        TOPIC_NAME_INVALID = 0x90, "topic name invalid";
        PACKET_TOO_LARGE = 0x95, "packet too large";
        QUOTA_EXCEEDED = 0x97, "quota exceeded";
        PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid";
        RETAIN_NOT_SUPPORTED = 0x9a, "retain not supported";
        QOS_NOT_SUPPORTED = 0x9b, "QoS not supported";
        USE_ANOTHER_SERVER = 0x9c, "use another server";
        SERVER_MOVED = 0x9d, "server moved";
        CONNECTION_RATE_EXCEEDED = 0x9f, "connection rate exceeded";
    }
}

impl ConnectCode {
    /// Whether the connection was accepted.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// Whether trying again with the same options is pointless: credentials, rights, client id,
    /// protocol version, will or packet would be refused again.
    ///
    /// The others (busy, unavailable, quota, rate, unspecified) may pass.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::V3_UNACCEPTABLE_PROTOCOL_VERSION
                | Self::V3_IDENTIFIER_REJECTED
                | Self::V3_BAD_USER_NAME_OR_PASSWORD
                | Self::V3_NOT_AUTHORIZED
                | Self::MALFORMED_PACKET
                | Self::PROTOCOL_ERROR
                | Self::UNSUPPORTED_PROTOCOL_VERSION
                | Self::CLIENT_IDENTIFIER_NOT_VALID
                | Self::BAD_USER_NAME_OR_PASSWORD
                | Self::NOT_AUTHORIZED
                | Self::BANNED
                | Self::BAD_AUTHENTICATION_METHOD
                | Self::TOPIC_NAME_INVALID
                | Self::PACKET_TOO_LARGE
                | Self::PAYLOAD_FORMAT_INVALID
                | Self::RETAIN_NOT_SUPPORTED
                | Self::QOS_NOT_SUPPORTED
                | Self::SERVER_MOVED
        )
    }
}

codes! {
    /// How a server answered a PUBLISH: the reason of PUBACK, PUBREC or PUBCOMP.
    ///
    /// MQTT 3.1.1 has no reasons here, so every answer of such a server is [`SUCCESS`](Self::SUCCESS).
    PubackCode {
        SUCCESS = 0x00, "success";
        NO_MATCHING_SUBSCRIBERS = 0x10, "no matching subscribers";
        UNSPECIFIED_ERROR = 0x80, "unspecified error";
        IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
        NOT_AUTHORIZED = 0x87, "not authorized";
        TOPIC_NAME_INVALID = 0x90, "topic name invalid";
        PACKET_IDENTIFIER_IN_USE = 0x91, "packet identifier in use";
        PACKET_IDENTIFIER_NOT_FOUND = 0x92, "packet identifier not found";
        QUOTA_EXCEEDED = 0x97, "quota exceeded";
        PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid";
    }
}

impl PubackCode {
    /// Whether the server took the message; `0x10` (nobody listens) is a success.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 < 0x80
    }
}

codes! {
    /// How a server answered one filter of a SUBSCRIBE.
    SubackCode {
        GRANTED_QOS_0 = 0x00, "granted QoS 0";
        GRANTED_QOS_1 = 0x01, "granted QoS 1";
        GRANTED_QOS_2 = 0x02, "granted QoS 2";
        #[doc = "The only failure MQTT 3.1.1 has."]
        UNSPECIFIED_ERROR = 0x80, "unspecified error";
        IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
        NOT_AUTHORIZED = 0x87, "not authorized";
        TOPIC_FILTER_INVALID = 0x8f, "topic filter invalid";
        PACKET_IDENTIFIER_IN_USE = 0x91, "packet identifier in use";
        #[doc = "Never sent by a server: the session's own answer for a filter that does not fit the server's maximum packet size."]
        PACKET_TOO_LARGE = 0x95, "packet too large";
        QUOTA_EXCEEDED = 0x97, "quota exceeded";
        SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9e, "shared subscriptions not supported";
        SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xa1, "subscription identifiers not supported";
        WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xa2, "wildcard subscriptions not supported";
    }
}

impl SubackCode {
    /// Whether the filter is subscribed now.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 < 0x80
    }

    /// The granted quality of service, or `None` for a refusal.
    #[must_use]
    pub const fn granted(self) -> Option<crate::Qos> {
        match self.0 {
            0 => Some(crate::Qos::AtMostOnce),
            1 => Some(crate::Qos::AtLeastOnce),
            2 => Some(crate::Qos::ExactlyOnce),
            _ => None,
        }
    }
}

impl From<crate::Qos> for SubackCode {
    fn from(granted: crate::Qos) -> Self {
        Self(granted.level())
    }
}

codes! {
    /// How a server answered one filter of an UNSUBSCRIBE. MQTT 3.1.1 only has success.
    UnsubackCode {
        SUCCESS = 0x00, "success";
        NO_SUBSCRIPTION_EXISTED = 0x11, "no subscription existed";
        UNSPECIFIED_ERROR = 0x80, "unspecified error";
        IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
        NOT_AUTHORIZED = 0x87, "not authorized";
        TOPIC_FILTER_INVALID = 0x8f, "topic filter invalid";
        PACKET_IDENTIFIER_IN_USE = 0x91, "packet identifier in use";
    }
}

impl UnsubackCode {
    /// Whether the filter is not subscribed any more.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 < 0x80
    }
}

codes! {
    /// The reason of a DISCONNECT (MQTT 5), sent by either side.
    DisconnectCode {
        NORMAL = 0x00, "normal disconnection";
        WITH_WILL_MESSAGE = 0x04, "disconnect with will message";
        UNSPECIFIED_ERROR = 0x80, "unspecified error";
        MALFORMED_PACKET = 0x81, "malformed packet";
        PROTOCOL_ERROR = 0x82, "protocol error";
        IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
        NOT_AUTHORIZED = 0x87, "not authorized";
        SERVER_BUSY = 0x89, "server busy";
        SERVER_SHUTTING_DOWN = 0x8b, "server shutting down";
        BAD_AUTHENTICATION_METHOD = 0x8c, "bad authentication method";
        KEEP_ALIVE_TIMEOUT = 0x8d, "keep alive timeout";
        SESSION_TAKEN_OVER = 0x8e, "session taken over";
        TOPIC_FILTER_INVALID = 0x8f, "topic filter invalid";
        TOPIC_NAME_INVALID = 0x90, "topic name invalid";
        RECEIVE_MAXIMUM_EXCEEDED = 0x93, "receive maximum exceeded";
        TOPIC_ALIAS_INVALID = 0x94, "topic alias invalid";
        PACKET_TOO_LARGE = 0x95, "packet too large";
        MESSAGE_RATE_TOO_HIGH = 0x96, "message rate too high";
        QUOTA_EXCEEDED = 0x97, "quota exceeded";
        ADMINISTRATIVE_ACTION = 0x98, "administrative action";
        PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid";
        RETAIN_NOT_SUPPORTED = 0x9a, "retain not supported";
        QOS_NOT_SUPPORTED = 0x9b, "QoS not supported";
        USE_ANOTHER_SERVER = 0x9c, "use another server";
        SERVER_MOVED = 0x9d, "server moved";
        SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9e, "shared subscriptions not supported";
        CONNECTION_RATE_EXCEEDED = 0x9f, "connection rate exceeded";
        MAXIMUM_CONNECT_TIME = 0xa0, "maximum connect time";
        SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xa1, "subscription identifiers not supported";
        WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xa2, "wildcard subscriptions not supported";
    }
}

impl DisconnectCode {
    /// Whether reconnecting with the same options is pointless, or would start a war with
    /// another client of the same id ([`SESSION_TAKEN_OVER`](Self::SESSION_TAKEN_OVER)).
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::NOT_AUTHORIZED
                | Self::BAD_AUTHENTICATION_METHOD
                | Self::SESSION_TAKEN_OVER
                | Self::SERVER_MOVED
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_display_their_words_and_value() {
        assert_eq!(ConnectCode::new(0x87).to_string(), "not authorized (0x87)");
        assert_eq!(ConnectCode::new(5).to_string(), "not authorized (0x05)");
        assert_eq!(
            DisconnectCode::SESSION_TAKEN_OVER.to_string(),
            "session taken over (0x8e)"
        );
        assert_eq!(PubackCode::new(0xee).to_string(), "unknown reason (0xee)");
    }

    #[test]
    fn refused_credentials_are_permanent_and_a_busy_server_is_not() {
        for code in [1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8a] {
            assert!(ConnectCode::new(code).is_permanent(), "{code:#x}");
        }
        for code in [3, 0x80, 0x88, 0x89, 0x97, 0x9c, 0x9f] {
            assert!(!ConnectCode::new(code).is_permanent(), "{code:#x}");
        }
    }

    #[test]
    fn nobody_listening_is_a_success() {
        assert!(PubackCode::NO_MATCHING_SUBSCRIBERS.is_success());
        assert!(!PubackCode::NOT_AUTHORIZED.is_success());
    }
}
