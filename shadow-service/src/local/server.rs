//! The local server: engine, broker and REST data plane, started and stopped as one.

use crate::{
    local::{Clock, DynStore, Engine, ListenError, Observer},
    service::Service,
    settings::Settings,
    store::MemoryStore,
};
use alloc::boxed::Box;
use core::{fmt, net::SocketAddr};
use tokio::task::JoinHandle;

#[cfg(feature = "broker")]
use crate::local::broker::{Broker, BrokerOptions};
#[cfg(feature = "http")]
use crate::local::http::HttpServer;

/// What a [`Server`] serves, and where. The default is nothing but the service itself.
#[derive(Default)]
#[non_exhaustive]
pub struct Options {
    /// How the service behaves.
    pub settings: Settings,
    /// Where the time comes from; default the system's clock.
    pub clock: Clock,
    /// Where documents live; default memory.
    pub store: Option<DynStore>,
    /// Who is told of every request.
    pub observer: Option<Observer>,
    /// The embedded broker, if there is to be one.
    #[cfg(feature = "broker")]
    pub broker: Option<BrokerOptions>,
    /// Where the REST data plane listens, if anywhere; port 0 takes a free one.
    #[cfg(feature = "http")]
    pub http: Option<SocketAddr>,
}

impl Options {
    /// Everything this build has, on free ports of the loopback address: for tests.
    #[must_use]
    pub fn on_free_ports() -> Self {
        #[cfg(feature = "broker")]
        let broker = {
            let mut broker = BrokerOptions::default();
            broker.listen.set_port(0);
            broker
        };
        Self {
            #[cfg(feature = "broker")]
            broker: Some(broker),
            #[cfg(feature = "http")]
            http: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            ..Self::default()
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Options");
        f.field("settings", &self.settings)
            .field("clock", &self.clock);
        #[cfg(feature = "broker")]
        f.field("broker", &self.broker);
        #[cfg(feature = "http")]
        f.field("http", &self.http);
        f.finish_non_exhaustive()
    }
}

/// A running shadow service. Dropping it stops it at once; [`stop`](Self::stop) does so in
/// good order.
///
/// ```
/// # #[cfg(feature = "broker")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use shadow_service::local::{Options, Server};
///
/// let server = Server::start(Options::on_free_ports()).await?;
/// let address = server.mqtt_address().unwrap();
/// // … connect devices to mqtt://{address} …
/// server.stop().await;
/// # let _ = address;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    #[cfg(feature = "http")]
    http: Option<HttpServer>,
    #[cfg(feature = "broker")]
    broker: Option<Broker>,
    /// Where there is no broker, nobody waits for messages.
    unheard: Option<Discard>,
}

impl Server {
    /// Starts what `options` ask for. When this returns, everything listens and the service
    /// answers. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`ListenError`] if an address cannot be had; nothing keeps running then.
    pub async fn start(options: Options) -> Result<Self, ListenError> {
        let store = options.store;
        let store = store.unwrap_or_else(|| Box::new(MemoryStore::new()));
        let service = Service::with_store(options.settings, store);
        let (engine, messages) = Engine::new(service, options.clock, options.observer);
        #[cfg(feature = "broker")]
        let (broker, messages) = match &options.broker {
            Some(broker) => (
                Some(Broker::start(broker, engine.clone(), messages).await?),
                None,
            ),
            None => (None, Some(messages)),
        };
        #[cfg(not(feature = "broker"))]
        let messages = Some(messages);
        #[cfg(feature = "http")]
        let http = match options.http {
            Some(listen) => Some(HttpServer::start(engine.clone(), listen).await?),
            None => None,
        };
        let unheard = messages.map(|mut messages| {
            Discard(tokio::spawn(async move {
                while messages.recv().await.is_some() {}
            }))
        });
        Ok(Self {
            engine,
            #[cfg(feature = "http")]
            http,
            #[cfg(feature = "broker")]
            broker,
            unheard,
        })
    }

    /// Where MQTT clients connect, if there is an embedded broker.
    #[cfg(feature = "broker")]
    #[must_use]
    pub fn mqtt_address(&self) -> Option<SocketAddr> {
        self.broker.as_ref().map(Broker::address)
    }

    /// Where the REST data plane listens, if it does.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// The service inside, for tests that look at documents or make requests themselves.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Answers what has begun, then closes every connection and address.
    pub async fn stop(self) {
        #[cfg(feature = "http")]
        if let Some(http) = self.http {
            http.stop().await;
        }
        #[cfg(feature = "broker")]
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        drop(self.unheard);
    }
}

#[derive(Debug)]
struct Discard(JoinHandle<()>);

impl Drop for Discard {
    fn drop(&mut self) {
        self.0.abort();
    }
}
