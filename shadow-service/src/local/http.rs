//! The REST data plane: get, update, delete and list over HTTP/1.1 (feature `http`).
//!
//! What AWS SDKs call `iot-data`. A rejection is an HTTP status with the error document for a
//! body and the exception's name in `x-amzn-ErrorType`, and publishes nothing; an accepted
//! update or delete also publishes what it would over MQTT. Signatures are not verified.

mod page;
mod route;

#[cfg(feature = "tls")]
use crate::local::{StartError, tls::TlsFiles};
use crate::{
    error::{Rejection, ShadowError},
    local::{Engine, ListenError},
    settings::{RestDelete, RestError, SigningName},
};
use alloc::{format, string::String, sync::Arc};
use bytes::Bytes;
use core::{
    convert::Infallible,
    fmt,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use route::Route;
use shadow_proto::Operation;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

/// The REST data plane on one address. Dropping it closes the address and all connections.
pub struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Starts to serve on `listen`; port 0 takes a free one. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`ListenError`] if the address cannot be had.
    pub async fn start(engine: Engine, listen: SocketAddr) -> Result<Self, ListenError> {
        Self::listen(engine, listen, Wire::Plain).await
    }

    /// As [`start`](Self::start), over TLS.
    ///
    /// # Errors
    /// [`StartError`] if the address cannot be had, or a certificate not be used.
    #[cfg(feature = "tls")]
    pub async fn start_tls(
        engine: Engine,
        listen: SocketAddr,
        files: &TlsFiles,
    ) -> Result<Self, StartError> {
        // AWS's name for this, which goes with port 443; a client that offers no names is served too.
        let config = files.load(&[b"http/1.1", b"x-amzn-http-ca"])?;
        let wire = Wire::Tls(tokio_rustls::TlsAcceptor::from(config));
        Ok(Self::listen(engine, listen, wire).await?)
    }

    async fn listen(engine: Engine, listen: SocketAddr, wire: Wire) -> Result<Self, ListenError> {
        let error = |source| ListenError::new(listen, source);
        let listener = TcpListener::bind(listen).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        let (stop, stopped) = watch::channel(false);
        engine.recent().begin();
        let server = Arc::new(Data {
            engine,
            requests: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, wire, server, stopped));
        Ok(Self {
            address,
            stop,
            accepting,
        })
    }

    /// The address it listens on, with the port that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and returns when those begun are answered, or after 5 seconds.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(PATIENCE, &mut self.accepting).await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpServer({})", self.address)
    }
}

/// What is under HTTP.
#[derive(Clone)]
enum Wire {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

struct Data {
    engine: Engine,
    requests: AtomicU64,
}

async fn accept(
    listener: TcpListener,
    wire: Wire,
    data: Arc<Data>,
    mut stopped: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            () = stop_requested(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles, mostly: the pause lets others give theirs back.
                tracing::warn!(name: "service.accept_failed", %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = connect(stream, wire.clone(), Arc::clone(&data), stopped.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connect(stream: TcpStream, wire: Wire, data: Arc<Data>, stopped: watch::Receiver<bool>) {
    // An answer is one small write; waiting for more to send only delays it.
    let _ = stream.set_nodelay(true);
    match wire {
        Wire::Plain => serve(stream, data, stopped).await,
        #[cfg(feature = "tls")]
        Wire::Tls(acceptor) => {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve(stream, data, stopped).await,
                Ok(Err(error)) => tracing::warn!(
                    name: "service.handshake_failed", %error, "no TLS connection"
                ),
                Err(_) => tracing::warn!(
                    name: "service.handshake_failed", "no TLS connection: the handshake takes too long"
                ),
            }
        }
    }
}

async fn serve<S>(stream: S, data: Arc<Data>, mut stopped: watch::Receiver<bool>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let handler = service_fn(move |request| {
        let data = Arc::clone(&data);
        async move { Ok::<_, Infallible>(respond(&data, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), handler);
    let mut connection = core::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop_requested(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(name: "service.connection_ended", %error, "an HTTP connection ended");
    }
}

/// Also returns when the server is dropped.
async fn stop_requested(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn respond(data: &Data, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let target = request.uri().path_and_query().map(|all| all.as_str());
    if let Some(page) = page::respond(
        &data.engine,
        request.method().as_str(),
        target.unwrap_or(""),
    ) {
        return page;
    }
    let number = data.requests.fetch_add(1, Ordering::Relaxed);
    let (status, body, exception) = match answer(&data.engine, request).await {
        Ok(body) => (200, body, None),
        Err(rejection) => {
            let error = &rejection.error;
            let body = match data.engine.behaviour().rest_error {
                RestError::Document => rejection.payload(),
                RestError::Message => error.message_document(),
            };
            (error.code(), body, Some(error.exception()))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Shaped like AWS's, so that clients which log or parse it have something to read.
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(exception) = exception {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(exception));
    }
    response
}

async fn answer(engine: &Engine, request: Request<Incoming>) -> Result<String, Rejection> {
    let (head, body) = request.into_parts();
    if foreign(&head.headers) || signed_for_another(&head.headers, engine.behaviour().rest_signing)
    {
        return Err(ShadowError::Forbidden.into());
    }
    // Read even where it means nothing, so that the connection can take the next request.
    let payload = payload(engine, body).await?;
    let target = head.uri.path_and_query().map_or("", |all| all.as_str());
    match Route::read(head.method.as_str(), target)? {
        Route::Shadow { shadow, operation } => {
            let payload: &[u8] = match operation {
                // The API's model gives these no body; a token in one would be MQTT's.
                Operation::Get | Operation::Delete => b"",
                Operation::Update => &payload,
            };
            let answer = engine.call(&shadow, operation, payload).await?;
            Ok(match (operation, engine.behaviour().rest_delete) {
                (Operation::Delete, RestDelete::Empty) => String::new(),
                _ => answer.body,
            })
        }
        Route::List {
            thing,
            page_size,
            next_token,
        } => {
            let page = engine.list_named(&thing, page_size, next_token.as_deref())?;
            Ok(page.body)
        }
    }
}

/// Whether a page of another site sends this: a browser says so, and nobody signs requests here.
fn foreign(headers: &hyper::HeaderMap) -> bool {
    let Some(origin) = headers.get(hyper::header::ORIGIN) else {
        return false;
    };
    let host = headers.get(hyper::header::HOST).map(HeaderValue::as_bytes);
    let origin = origin.as_bytes();
    let site = [&b"http://"[..], b"https://"]
        .iter()
        .find_map(|scheme| origin.strip_prefix(*scheme));
    site.is_none() || site != host
}

/// Whether the request is signed for a service whose name is not `wanted`. AWS's form is
/// `AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/NAME/aws4_request, …`.
fn signed_for_another(headers: &hyper::HeaderMap, wanted: SigningName) -> bool {
    let wanted = match wanted {
        SigningName::Any => return false,
        SigningName::IotData => "iotdata",
        SigningName::IotDeviceGateway => "iotdevicegateway",
    };
    let Some(signed) = headers.get(hyper::header::AUTHORIZATION) else {
        return false;
    };
    let scope = signed.to_str().unwrap_or_default();
    let scope = scope.split_once("Credential=").unwrap_or_default().1;
    let scope = scope.split(',').next().unwrap_or_default();
    scope.rsplit('/').nth(1) != Some(wanted)
}

/// The request's body, if it comes in time and is no larger than the service takes.
async fn payload(engine: &Engine, body: Incoming) -> Result<Bytes, ShadowError> {
    let most = engine.service().settings().limits.max_payload_bytes;
    if body.size_hint().lower() > most as u64 {
        return Err(ShadowError::TooLarge);
    }
    let collected = Limited::new(body, most).collect();
    match tokio::time::timeout(IDLE, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ShadowError::TooLarge),
        Ok(Err(_)) | Err(_) => Err(ShadowError::InvalidRequest {
            reason: "The request body did not arrive",
        }),
    }
}

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How long a connection may take to send the head of a request, or its body.
const IDLE: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
#[cfg(feature = "tls")]
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long stopping waits for requests that have begun.
const PATIENCE: Duration = Duration::from_secs(5);
