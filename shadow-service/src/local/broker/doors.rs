//! The broker's ways in besides plain TCP: TLS, and with the feature `websocket` WebSocket with and
//! without it.
//!
//! The crate's own listeners do one handshake after another, so that a client that connects and
//! says nothing keeps all others out. Here each has its task and its time.

use crate::local::{ListenError, tls::TlsFiles};
use alloc::{sync::Arc, vec::Vec};
use core::{net::SocketAddr, time::Duration};
use mqtt5::broker::{
    AllowAllAuthProvider, AuthProvider, BrokerConfig, DynamicStorage, MqttBroker,
    client_handler::ClientHandler, resource_monitor::ResourceMonitor, router::MessageRouter,
    sys_topics::BrokerStats, tls_acceptor::TlsStreamWrapper, transport::BrokerTransport,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, broadcast},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

/// What a client must speak to come in.
#[derive(Clone)]
pub(super) enum Door {
    Tls(TlsAcceptor),
    #[cfg(feature = "websocket")]
    WebSocket,
    #[cfg(feature = "websocket")]
    WebSocketTls(TlsAcceptor),
}

impl Door {
    pub(super) fn tls(files: &TlsFiles) -> Result<Self, crate::local::TlsFilesError> {
        // AWS's names for MQTT; a client that offers no names is served too.
        let config = files.load(&[b"x-amzn-mqtt-ca", b"mqtt"])?;
        Ok(Self::Tls(TlsAcceptor::from(config)))
    }

    #[cfg(feature = "websocket")]
    pub(super) fn websocket_tls(files: &TlsFiles) -> Result<Self, crate::local::TlsFilesError> {
        let config = files.load(&[b"http/1.1"])?;
        Ok(Self::WebSocketTls(TlsAcceptor::from(config)))
    }

    async fn enter(self, stream: TcpStream, peer: SocketAddr) -> Option<BrokerTransport> {
        match self {
            Self::Tls(acceptor) => {
                let stream = handshake(&acceptor, stream, peer).await?;
                Some(BrokerTransport::tls(stream))
            }
            #[cfg(feature = "websocket")]
            Self::WebSocket => upgrade(stream, peer).await,
            #[cfg(feature = "websocket")]
            Self::WebSocketTls(acceptor) => {
                let stream = handshake(&acceptor, stream, peer).await?;
                upgrade(stream, peer).await
            }
        }
    }
}

async fn handshake(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<TlsStreamWrapper> {
    match acceptor.accept(stream).await {
        Ok(stream) => Some(TlsStreamWrapper::new(stream)),
        Err(error) => {
            tracing::warn!(name: "service.handshake_failed", %peer, %error, "no TLS connection");
            None
        }
    }
}

#[cfg(feature = "websocket")]
async fn upgrade<S>(stream: S, peer: SocketAddr) -> Option<BrokerTransport>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin + 'static,
{
    use mqtt5::broker::websocket_server::{WebSocketServerConfig, accept_websocket_connection};
    // AWS's path. Any origin: what a page may do here, any program may.
    let config = WebSocketServerConfig::new().with_path("/mqtt");
    match accept_websocket_connection(stream, &config, peer).await {
        Ok(stream) => Some(BrokerTransport::websocket(stream)),
        Err(error) => {
            tracing::warn!(name: "service.handshake_failed", %peer, %error, "no WebSocket");
            None
        }
    }
}

/// What the broker's client handlers need.
#[derive(Clone)]
pub(super) struct House {
    config: Arc<BrokerConfig>,
    router: Arc<MessageRouter>,
    auth: Arc<dyn AuthProvider>,
    storage: Option<Arc<DynamicStorage>>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    shutdown: broadcast::Sender<()>,
}

impl House {
    pub(super) fn new(broker: &MqttBroker, config: BrokerConfig) -> Self {
        Self {
            config: Arc::new(config),
            router: broker.router(),
            auth: Arc::new(AllowAllAuthProvider),
            storage: broker.storage(),
            stats: broker.stats(),
            monitor: broker.resource_monitor(),
            shutdown: broadcast::channel(1).0,
        }
    }

    async fn live(self, transport: BrokerTransport, peer: SocketAddr) {
        let handler = ClientHandler::new(
            transport,
            peer,
            self.config,
            self.router,
            self.auth,
            self.storage,
            self.stats,
            self.monitor,
            self.shutdown.subscribe(),
        );
        if let Err(error) = handler.run().await {
            if !error.is_normal_disconnect() {
                tracing::debug!(name: "service.connection_ended", %peer, %error, "a connection ended");
            }
        }
    }
}

/// All of them. Dropping it closes the addresses and the connections.
pub(super) struct Doors {
    house: House,
    open: Vec<(SocketAddr, JoinHandle<()>)>,
}

impl Doors {
    pub(super) const fn new(house: House) -> Self {
        Self {
            house,
            open: Vec::new(),
        }
    }

    /// Listens on `address`; the address taken.
    pub(super) async fn open(
        &mut self,
        address: SocketAddr,
        door: Door,
    ) -> Result<SocketAddr, ListenError> {
        let failed = |error| ListenError::new(address, error);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let taken = listener.local_addr().map_err(failed)?;
        let shutdown = self.house.shutdown.subscribe();
        let accepting = accept(listener, door, self.house.clone(), shutdown);
        self.open.push((taken, tokio::spawn(accepting)));
        Ok(taken)
    }

    /// Lets clients know, and returns when the addresses are free.
    pub(super) async fn close(mut self) {
        let _ = self.house.shutdown.send(());
        for (_, accepting) in &mut self.open {
            let _ = tokio::time::timeout(PATIENCE, accepting).await;
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        for (_, accepting) in &self.open {
            accepting.abort();
        }
    }
}

async fn accept(
    listener: TcpListener,
    door: Door,
    house: House,
    mut shutdown: broadcast::Receiver<()>,
) {
    let free = Arc::new(Semaphore::new(HANDSHAKES));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let (stream, peer) = tokio::select! {
            _ = shutdown.recv() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(name: "service.accept_failed", %error, "cannot accept a connection");
                    // Out of file handles, mostly: the pause lets others give theirs back.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        if !house.monitor.can_accept_connection(peer.ip()).await {
            continue;
        }
        let _ = stream.set_nodelay(true);
        let (door, house) = (door.clone(), house.clone());
        connections.spawn(async move {
            let entered = tokio::time::timeout(PATIENCE, door.enter(stream, peer)).await;
            drop(place);
            match entered {
                Ok(Some(transport)) => house.live(transport, peer).await,
                Ok(None) => {}
                Err(_) => tracing::warn!(
                    name: "service.handshake_failed", %peer, "no connection: the handshake takes too long"
                ),
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Handshakes at once; more wait to be accepted.
const HANDSHAKES: usize = 256;
/// How long a handshake may take, and the end of all connections.
const PATIENCE: Duration = Duration::from_secs(5);
