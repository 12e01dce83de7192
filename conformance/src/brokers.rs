//! The brokers that all scenarios of a run share, each with a shadow service.

use shadow_service::local::{Options, Server};
use testkit::{Config, MissingTool, Mosquitto};
use transport_core::ConnectOptions;

use crate::Broker;

/// Stopped on drop.
pub(crate) struct Brokers {
    embedded: Server,
    mosquitto: Mosquitto,
    _service: Server,
}

impl Brokers {
    pub(crate) async fn start() -> Result<Self, MissingTool> {
        let embedded = Server::start(Options::on_free_ports());
        let embedded = embedded.await.expect("the embedded broker");
        // As many messages as the scenarios have in flight at once must not be dropped.
        let config = Config::new().line("max_queued_messages 100000");
        let mosquitto = Mosquitto::start(config)?;
        let mut options = Options::default();
        let url = mosquitto.url();
        let mut connect = ConnectOptions::from_url(&url).expect("a URL");
        // Mosquitto 2.0.11 sends more than the receive maximum allows to a client that is slow to
        // read, and the session takes that for the breach that it is.
        connect.mqtt.receive_maximum = u16::MAX;
        options.mqtt = Some(connect);
        let service = Server::start(options).await.expect("the service");
        Ok(Self {
            embedded,
            mosquitto,
            _service: service,
        })
    }

    pub(crate) fn port(&self, broker: Broker) -> u16 {
        match broker {
            Broker::Embedded => self.embedded.mqtt_address().expect("a broker").port(),
            Broker::Mosquitto => self.mosquitto.port(),
        }
    }
}
