//! The brokers that all scenarios of a run share, each with a shadow service.

use shadow_service::local::{Options, Server};
use testkit::{Config, MissingTool, Mosquitto, Pki};
use transport_core::{ConnectOptions, Pem, Roots};

use crate::{Broker, Setting, Way};

/// Stopped on drop.
pub(crate) struct Brokers {
    embedded: Server,
    mosquitto: Mosquitto,
    _service: Server,
    pki: Pki,
}

impl Brokers {
    pub(crate) async fn start() -> Result<Self, MissingTool> {
        let pki = Pki::new()?;
        pki.client("client");
        let embedded = Server::start(Options::on_free_ports());
        let embedded = embedded.await.expect("the embedded broker");
        // As many messages as the scenarios have in flight at once must not be dropped.
        // Without Nagle's delay: with it the ten thousand requests take half a minute for each adapter.
        let config = Config::new()
            .line("max_queued_messages 100000")
            .line("set_tcp_nodelay true");
        let mosquitto = Mosquitto::start(pki.listeners(config))?;
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
            pki,
        })
    }

    /// The options of a client that connects to a setting's broker, its way.
    pub(crate) fn options(&self, setting: Setting) -> ConnectOptions {
        let port = match setting.broker {
            Broker::Embedded => self.embedded.mqtt_address().expect("a broker").port(),
            Broker::Mosquitto => self.mosquitto.port(),
        };
        let url = match setting.way {
            Way::Tcp => format!("mqtt://127.0.0.1:{port}"),
            Way::Tls => format!("mqtts://localhost:{}", self.mosquitto.port_of("mutual")),
            Way::WebSocket => format!("ws://localhost:{}", self.mosquitto.port_of("ws")),
        };
        let mut options = ConnectOptions::from_url(&url).expect("a URL");
        if setting.way == Way::Tls {
            options.tls.roots = Roots::Pem(Pem::file(self.pki.path("ca.pem")));
            let (certificate, key) = (self.pki.path("client.pem"), self.pki.path("client.key"));
            options.tls.set_identity(certificate, key);
        }
        options
    }
}
