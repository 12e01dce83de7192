//! An MQTT broker in the same process (feature `broker`), so that a newcomer needs no other.
//!
//! The broker is the crate `mqtt5`: MQTT 3.1.1 and 5 over TCP, TLS and WebSocket. The service is not a client of
//! it but taps it: a request is served when the broker takes it, before anybody else hears of
//! it. So there is no moment at which devices can connect and the service does not listen yet,
//! and the service can tell a client's publish from a last will, which AWS's ignores.

mod doors;
mod inside;
mod tap;

use crate::{
    local::{Batch, Engine, ListenError, StartError, TlsFiles},
    reply::Outgoing,
};
use alloc::{format, string::ToString, sync::Arc, vec::Vec};
use core::{fmt, net::SocketAddr, time::Duration};
use doors::{Door, Doors, House};
use inside::Inside;
use mqtt5::{
    QoS,
    broker::{
        BrokerConfig, BrokerShutdownHandle, MqttBroker,
        config::{StorageBackend, StorageConfig},
        router::MessageRouter,
    },
    packet::publish::PublishPacket,
};
use std::{net::TcpListener, sync::OnceLock};
use tap::Tap;
use tokio::{sync::mpsc, task::JoinHandle};

/// What the embedded broker allows. The defaults are AWS IoT Core's where it has a rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerOptions {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:1883`.
    pub listen: SocketAddr,
    /// Whether to listen there at all, for plain TCP. Default yes.
    pub plain: bool,
    /// Where to listen for TLS. Default nowhere; it needs [`certificates`](Self::certificates).
    pub tls: Option<SocketAddr>,
    /// Where to listen for WebSocket, on the path `/mqtt`. Default nowhere.
    #[cfg(feature = "websocket")]
    pub websocket: Option<SocketAddr>,
    /// Where to listen for WebSocket over TLS. Default nowhere.
    #[cfg(feature = "websocket")]
    pub websocket_tls: Option<SocketAddr>,
    /// The server's certificate, and whose clients may come. Default none.
    pub certificates: Option<TlsFiles>,
    /// The largest packet a client may send, in bytes. Default 132 KiB: AWS's 128 KiB payload
    /// and the longest topic.
    pub max_packet_bytes: usize,
    /// Longest a session outlives its connection. Default 1 hour.
    pub max_session: Duration,
    /// Filters a connection may hold. Default: any number, where AWS allows 50.
    pub max_subscriptions: Option<usize>,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            plain: true,
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: None,
            #[cfg(feature = "websocket")]
            websocket_tls: None,
            certificates: None,
            max_packet_bytes: 132 * 1024,
            max_session: Duration::from_secs(60 * 60),
            max_subscriptions: None,
        }
    }
}

/// Where a [`Broker`] listens, with the ports that were taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Addresses {
    /// Plain TCP.
    pub plain: Option<SocketAddr>,
    /// TLS.
    pub tls: Option<SocketAddr>,
    /// WebSocket.
    pub websocket: Option<SocketAddr>,
    /// WebSocket over TLS.
    pub websocket_tls: Option<SocketAddr>,
}

/// A running broker. Dropping it closes the address and all connections.
///
/// A [`Server`](crate::local::Server) starts one by itself. Alone it shows what a device does when
/// nobody answers:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use shadow_service::local::broker::{Broker, BrokerOptions};
/// use std::time::Duration;
/// use transport_tokio::{ConnectOptions, ShadowId, connect};
///
/// let mut options = BrokerOptions::default();
/// options.listen.set_port(0);
/// let broker = Broker::bare(&options).await?;
///
/// let url = format!("mqtt://{}", broker.addresses().plain.unwrap());
/// let mut options = ConnectOptions::from_url(&url)?;
/// options.operation_timeout = Duration::from_millis(50);
/// let client = connect(options).await?;
/// let lamp = client.shadow(ShadowId::classic("lamp")?)?;
/// let failure = lamp.get().await.unwrap_err();
/// assert!(failure.to_string().starts_with("timed out"), "{failure}");
/// broker.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broker {
    addresses: Addresses,
    /// Where the crate itself listens: where asked, else on the loopback address for this process.
    inner: SocketAddr,
    #[cfg(feature = "client")]
    password: Option<alloc::string::String>,
    doors: Option<Doors>,
    shutdown: BrokerShutdownHandle,
    running: JoinHandle<()>,
    publishing: JoinHandle<()>,
}

impl Broker {
    /// Starts a broker and nothing else: for tests of clients that answer themselves. Must be
    /// called on a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] if an address cannot be had, or a certificate not be used.
    pub async fn bare(options: &BrokerOptions) -> Result<Self, StartError> {
        Self::run(options, None).await
    }

    /// Starts a broker with the shadow service of `engine` on it; `messages` is the queue that
    /// came with the engine. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] if an address cannot be had, or a certificate not be used.
    pub async fn start(
        options: &BrokerOptions,
        engine: Engine,
        messages: mpsc::Receiver<Batch>,
    ) -> Result<Self, StartError> {
        Self::run(options, Some((engine, messages))).await
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Where a client in this process connects: the loopback address when the broker listens
    /// on all.
    #[cfg(feature = "client")]
    pub(crate) fn connect_options(&self) -> Result<transport_tokio::ConnectOptions, ListenError> {
        let mut address = self.inner;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => core::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => core::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let options = transport_tokio::ConnectOptions::from_url(&format!("mqtt://{address}"));
        let mut options = options.map_err(|error| ListenError::Other {
            address,
            source: error.into(),
        })?;
        if let Some(password) = &self.password {
            options.user_name = Some("inside".to_string());
            options.password = Some(password.clone());
        }
        Ok(options)
    }

    /// Disconnects everybody, and returns when the address is free.
    pub async fn stop(mut self) {
        if let Some(doors) = self.doors.take() {
            doors.close().await;
        }
        self.shutdown.shutdown();
        let _ = (&mut self.running).await;
        self.publishing.abort();
        let _ = (&mut self.publishing).await;
    }

    async fn run(
        options: &BrokerOptions,
        service: Option<(Engine, mpsc::Receiver<Batch>)>,
    ) -> Result<Self, StartError> {
        let wanted = wanted(options)?;
        let mut config = config(options);
        let router = Arc::new(OnceLock::new());
        let messages = service.map(|(engine, messages)| {
            let settings = engine.service().settings().clone();
            config.event_handler = Some(Arc::new(Tap {
                engine,
                prefix: settings.prefix,
                retained: settings.behaviour.retained,
                router: Arc::clone(&router),
            }));
            messages
        });
        let failed = |text| refused(options.listen, text);
        let broker = MqttBroker::with_config(config.clone()).await;
        let mut broker = broker.map_err(|error| failed(error.to_string()))?;
        let inner = broker.local_addr();
        let inner = inner.ok_or_else(|| failed("it has no address".to_string()))?;
        let _ = router.set(Arc::downgrade(&broker.router()));

        let mut addresses = Addresses {
            plain: options.plain.then_some(inner),
            ..Addresses::default()
        };
        let mut doors = Doors::new(House::new(&broker, config));
        for (what, address, door) in wanted {
            let taken = doors.open(address, door).await?;
            *what(&mut addresses) = Some(taken);
        }
        let inside = (!options.plain).then(Inside::new);
        #[cfg(feature = "client")]
        let password = inside.as_ref().map(Inside::password);
        if let Some(inside) = inside {
            broker = broker.with_auth_provider(Arc::new(inside));
        }
        let publishing = tokio::spawn(publish(broker.router(), messages));
        let shutdown = broker.shutdown_handle();
        let running = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(name: "service.broker_failed", %error, "the embedded broker failed");
            }
        });
        Ok(Self {
            addresses,
            inner,
            #[cfg(feature = "client")]
            password,
            doors: Some(doors),
            shutdown,
            running,
            publishing,
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shutdown.shutdown();
        self.running.abort();
        self.publishing.abort();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({:?})", self.addresses)
    }
}

/// Which of [`Addresses`] it is, the address asked for, and what is spoken there.
type Wanted = (
    fn(&mut Addresses) -> &mut Option<SocketAddr>,
    SocketAddr,
    Door,
);

/// What is to be listened on besides plain TCP: certificates are read before any address is taken.
fn wanted(options: &BrokerOptions) -> Result<Vec<Wanted>, StartError> {
    let certificates = || {
        options
            .certificates
            .as_ref()
            .ok_or(StartError::NoCertificate)
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    if let Some(address) = options.tls {
        let door = Door::tls(certificates()?)?;
        wanted.push((|addresses| &mut addresses.tls, address, door));
    }
    #[cfg(feature = "websocket")]
    if let Some(address) = options.websocket {
        wanted.push((
            |addresses| &mut addresses.websocket,
            address,
            Door::WebSocket,
        ));
    }
    #[cfg(feature = "websocket")]
    if let Some(address) = options.websocket_tls {
        let door = Door::websocket_tls(certificates()?)?;
        wanted.push((|addresses| &mut addresses.websocket_tls, address, door));
    }
    Ok(wanted)
}

fn config(options: &BrokerOptions) -> BrokerConfig {
    let inside = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = if options.plain {
        options.listen
    } else {
        inside
    };
    BrokerConfig {
        bind_addresses: Vec::from([listen]),
        max_packet_size: options.max_packet_bytes,
        session_expiry_interval: options.max_session,
        max_subscriptions_per_client: options.max_subscriptions.unwrap_or(0),
        // As AWS: no QoS 2, no subscription identifiers, eight aliases.
        maximum_qos: 1,
        subscription_identifier_available: false,
        topic_alias_maximum: 8,
        sys_topics_enabled: false,
        // Sessions end with the process: only documents are worth a disk.
        storage_config: StorageConfig {
            enable_persistence: true,
            backend: StorageBackend::Memory,
            ..StorageConfig::default()
        },
        ..BrokerConfig::default()
    }
}

/// The broker tells why it cannot listen in words only; trying it ourselves tells the kind.
fn refused(address: SocketAddr, text: alloc::string::String) -> ListenError {
    match TcpListener::bind(address) {
        Err(error) => ListenError::new(address, error),
        Ok(_) => ListenError::Other {
            address,
            source: text.into(),
        },
    }
}

async fn publish(router: Arc<MessageRouter>, messages: Option<mpsc::Receiver<Batch>>) {
    let Some(mut messages) = messages else { return };
    while let Some(batch) = messages.recv().await {
        for Outgoing { topic, payload } in batch.messages {
            let packet = PublishPacket::new(topic, payload, QoS::AtLeastOnce);
            router.route_message(&packet, None).await;
        }
    }
}
