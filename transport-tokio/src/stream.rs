//! Opening a stream to a broker.

#[cfg(feature = "http-proxy")]
mod proxy;
#[cfg(feature = "websocket")]
mod websocket;

use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, time::SystemTime};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use transport_core::{Attempt, OpenError, Opening};

/// A byte stream to a broker: TCP, with whatever the endpoint and the options ask for around it.
pub struct Stream {
    inner: Layer,
    /// For what its errors mean.
    opening: Opening,
}

/// Opens the stream that an attempt asks for, as [`connect`](crate::connect) and
/// [`start`](crate::start) do: for a [`Driver`](crate::Driver) that is spawned elsewhere.
///
/// # Errors
/// [`OpenError`] says what was being done and what is wrong.
pub async fn open(attempt: Attempt) -> Result<Stream, OpenError> {
    dial(attempt.prepare(SystemTime::now()).await?).await
}

/// Opens the stream of an opening.
pub(crate) async fn dial(opening: Opening) -> Result<Stream, OpenError> {
    let failed = |error| opening.error(&error, SystemTime::now());
    let stream = TcpStream::connect((opening.host(), opening.port()))
        .await
        .map_err(failed)?;
    // A request is one small packet that waits for an answer: the worst case of Nagle's algorithm.
    stream.set_nodelay(true).map_err(failed)?;
    wrap(opening, Box::new(stream)).await
}

/// The same over a stream of your own to the broker, through SOCKS, a VPN or a modem say: TLS and
/// WebSocket are added to it as the endpoint and the options ask for, the HTTP proxy is not used.
/// For a connector of [`connect_with`](crate::connect_with).
///
/// # Errors
/// [`OpenError`] says what was being done and what is wrong.
pub async fn open_over<S>(attempt: Attempt, stream: S) -> Result<Stream, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = attempt.prepare_over_stream(SystemTime::now()).await?;
    wrap(opening, Box::new(stream)).await
}

/// Around a stream that leads where the opening says: proxy, TLS, WebSocket, in this order.
async fn wrap(opening: Opening, stream: Layer) -> Result<Stream, OpenError> {
    #[cfg(any(feature = "http-proxy", feature = "websocket"))]
    let mut opening = opening;
    #[cfg(any(feature = "http-proxy", feature = "_rustls", feature = "websocket"))]
    let mut stream = stream;
    #[cfg(feature = "http-proxy")]
    if let Some(handshake) = opening.proxy.take() {
        stream = proxy::tunnel(&opening, handshake, stream).await?;
    }
    #[cfg(feature = "_rustls")]
    if let Some(tls) = &opening.tls {
        let connector = tokio_rustls::TlsConnector::from(tls.config.clone());
        let connected = connector.connect(tls.server_name.clone(), stream).await;
        stream = Box::new(connected.map_err(|error| opening.error(&error, SystemTime::now()))?);
    }
    #[cfg(feature = "websocket")]
    if let Some(socket) = opening.websocket.take() {
        stream = Box::new(websocket::WebSocketStream::open(&opening, socket, stream).await?);
    }
    Ok(Stream {
        inner: stream,
        opening,
    })
}

/// One stream around another.
type Layer = Box<dyn Io>;

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Io for S {}

impl Stream {
    fn explained<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        result.map_err(|error| self.opening.error(&error, SystemTime::now()).into())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            // A TLS stream that ends without its goodbye. MQTT knows by itself whether a packet is
            // whole, and most brokers leave it out.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            result @ (Poll::Ready(_) | Poll::Pending) => self.explained(result),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.explained(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.explained(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.explained(ended)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({}:{})", self.opening.host(), self.opening.port())
    }
}
