//! One set of scenarios for every adapter of the Device Shadow client: same results everywhere, or
//! a documented difference.
//!
//! An [`Adapter`] says how a client is connected, and which scenarios it cannot pass, each with
//! the reason. [`run`] plays every scenario on every adapter in every [`Setting`]: against the
//! embedded broker and against Mosquitto, over MQTT 3.1.1 and 5, a part of them over TLS and WebSocket, with the
//! shadow service on the other side. [`Report::table`] is `docs/conformance.md`.
//!
//! # For third parties
//!
//! An adapter of your own is tested with one macro:
//!
//! ```no_run
//! use conformance::{Adapter, Connecting};
//! use transport_core::ConnectOptions;
//!
//! struct Mine;
//!
//! impl Adapter for Mine {
//!     fn name(&self) -> &'static str {
//!         "mine"
//!     }
//!
//!     fn connect(&self, options: ConnectOptions) -> Connecting {
//! #       Box::pin(transport_tokio::connect(options)) /*
//!         Box::pin(my_adapter::connect(options))
//! #       */
//!     }
//! }
//!
//! conformance::conformance!(Mine);
//! # fn main() {}
//! ```

mod brokers;
mod ground;
mod proxy;
mod report;
mod runner;
mod scenarios;

use core::{fmt, future::Future, pin::Pin};

use transport_core::{ConnectError, ConnectOptions, MqttVersion, ShadowClient};

pub use ground::Ground;
pub use proxy::{Packet, Proxy};
pub use report::{Cell, Outcome, Report};
pub use runner::{assert_conforms, run};
pub use scenarios::{Scenario, all};

/// The way to a client that a suite is about.
pub trait Adapter: Send + Sync + 'static {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// Connects a client, which reconnects by itself from then on. Called on a tokio runtime.
    fn connect(&self, options: ConnectOptions) -> Connecting;

    /// Whether a process can have one connected client of this adapter at a time here. Its
    /// scenarios are played one after another then, and where one needs a second client beside the
    /// first, that is one of `transport-tokio`.
    fn is_alone(&self, setting: Setting) -> bool {
        let _ = setting;
        false
    }

    /// Why a scenario is left out; `None`: it is played.
    fn hole(&self, scenario: &str, setting: Setting) -> Option<&'static str> {
        let _ = (scenario, setting);
        None
    }
}

/// A client on its way.
pub type Connecting = Pin<Box<dyn Future<Output = Result<ShadowClient, ConnectError>> + Send>>;

/// Where the scenarios are played.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Setting {
    /// The broker.
    pub broker: Broker,
    /// The version of MQTT.
    pub version: MqttVersion,
    /// What lies between.
    pub way: Way,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::new(Broker::Embedded, MqttVersion::V3_1_1, Way::Tcp),
        Self::new(Broker::Embedded, MqttVersion::V5, Way::Tcp),
        Self::new(Broker::Mosquitto, MqttVersion::V3_1_1, Way::Tcp),
        Self::new(Broker::Mosquitto, MqttVersion::V5, Way::Tcp),
        Self::new(Broker::Mosquitto, MqttVersion::V5, Way::Tls),
        Self::new(Broker::Mosquitto, MqttVersion::V5, Way::WebSocket),
    ];

    const fn new(broker: Broker, version: MqttVersion, way: Way) -> Self {
        Self {
            broker,
            version,
            way,
        }
    }

    /// Whether this scenario is played here: over TCP each is, otherwise a part.
    #[must_use]
    pub fn plays(self, scenario: &str) -> bool {
        self.way == Way::Tcp || scenarios::ANY_WAY.contains(&scenario)
    }

    /// Two characters for the table: the broker or the way, and the version.
    #[must_use]
    pub fn letters(self) -> String {
        let letter = match (self.way, self.broker) {
            (Way::Tcp, Broker::Embedded) => "e",
            (Way::Tcp, Broker::Mosquitto) => "m",
            (Way::Tls, _) => "t",
            (Way::WebSocket, _) => "w",
        };
        format!("{letter}{}", self.digit())
    }

    fn digit(self) -> char {
        match self.version {
            MqttVersion::V3_1_1 => '3',
            _ => '5',
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broker = match self.broker {
            Broker::Embedded => "the embedded broker",
            Broker::Mosquitto => "Mosquitto",
        };
        let way = match self.way {
            Way::Tcp => "",
            Way::Tls => ", mutual TLS",
            Way::WebSocket => ", WebSocket",
        };
        write!(f, "{broker}, {}{way}", self.version)
    }
}

/// What the bytes go through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// TCP alone.
    Tcp,
    /// TLS, in which both sides show a certificate.
    Tls,
    /// WebSocket.
    WebSocket,
}

/// A broker that the scenarios are played on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Broker {
    /// The one of the local shadow service.
    Embedded,
    /// Mosquitto, with the shadow service as one of its clients.
    Mosquitto,
}

/// A test of one adapter: every scenario in every setting.
#[macro_export]
macro_rules! conformance {
    ($adapter:expr) => {
        #[test]
        fn conforms() {
            $crate::assert_conforms($adapter);
        }
    };
}
