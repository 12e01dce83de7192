//! Opening a byte stream to a broker, the same on every runtime: what is around TCP in it.

#[cfg(feature = "http-proxy")]
mod tunnel;
#[cfg(feature = "websocket")]
mod websocket;

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, time::SystemTime};

use futures_io::{AsyncRead, AsyncWrite};

use crate::{
    attempt::{Attempt, Opening},
    error::OpenError,
};

/// A byte stream to a broker: TCP, or a stream of the application's, with whatever endpoint and
/// options ask for around it. Its errors are [`OpenError`]s that say what they mean.
pub struct ByteStream {
    inner: Layer,
    /// For what its errors mean.
    opening: Opening,
}

/// One stream around another.
pub(crate) type Layer = Box<dyn Io>;

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Io for S {}

impl Attempt {
    /// Opens the stream that this attempt asks for: over the TCP connection that `dial` makes to
    /// the host and port it is given, proxy, TLS and WebSocket.
    ///
    /// # Errors
    /// [`OpenError`] says what was being done and what is wrong.
    pub async fn open<D, F, S>(&self, dial: D) -> Result<ByteStream, OpenError>
    where
        D: FnOnce(Box<str>, u16) -> F,
        F: Future<Output = io::Result<S>>,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.prepare(SystemTime::now()).await?.open(dial).await
    }

    /// The same over a stream that leads to the broker already: TLS and WebSocket are added to it,
    /// the HTTP proxy is not used.
    ///
    /// # Errors
    /// [`OpenError`] says what was being done and what is wrong.
    pub async fn open_over<S>(&self, stream: S) -> Result<ByteStream, OpenError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let opening = self.prepare_over_stream(SystemTime::now()).await?;
        opening.wrap(Box::new(stream)).await
    }
}

impl Opening {
    /// Opens the stream, over the TCP connection that `dial` makes; see [`Attempt::open`].
    ///
    /// # Errors
    /// [`OpenError`] says what was being done and what is wrong.
    pub async fn open<D, F, S>(self, dial: D) -> Result<ByteStream, OpenError>
    where
        D: FnOnce(Box<str>, u16) -> F,
        F: Future<Output = io::Result<S>>,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match dial(self.host().into(), self.port()).await {
            Ok(stream) => self.wrap(Box::new(stream)).await,
            Err(error) => Err(self.error(&error, SystemTime::now())),
        }
    }

    /// Around a stream that leads where the opening says: proxy, TLS, WebSocket, in this order.
    async fn wrap(self, stream: Layer) -> Result<ByteStream, OpenError> {
        #[cfg(any(feature = "http-proxy", feature = "websocket"))]
        let mut this = self;
        #[cfg(not(any(feature = "http-proxy", feature = "websocket")))]
        let this = self;
        #[cfg(any(feature = "http-proxy", feature = "_rustls", feature = "websocket"))]
        let mut stream = stream;
        #[cfg(feature = "http-proxy")]
        if let Some(handshake) = this.proxy.take() {
            stream = tunnel::open(&this, handshake, stream).await?;
        }
        #[cfg(feature = "_rustls")]
        if let Some(tls) = &this.tls {
            let connector = futures_rustls::TlsConnector::from(tls.config.clone());
            let connected = connector.connect(tls.server_name.clone(), stream).await;
            stream = Box::new(connected.map_err(|error| {
                let error = this.error(&error, SystemTime::now());
                error.if_ended(crate::Hint::WithoutTls)
            })?);
        }
        #[cfg(feature = "websocket")]
        if let Some(socket) = this.websocket.take() {
            stream = Box::new(websocket::WebSocketStream::open(&this, socket, stream).await?);
        }
        Ok(ByteStream {
            inner: stream,
            opening: this,
        })
    }
}

impl ByteStream {
    fn explained<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        result.map_err(|error| self.opening.error(&error, SystemTime::now()).into())
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.explained(read.map(without_goodbye))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.explained(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.explained(flushed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.inner).poll_close(cx);
        self.explained(ended)
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.opening.host(), self.opening.port());
        write!(f, "ByteStream({host}:{port})")
    }
}

/// A TLS stream that ends without its goodbye has ended. MQTT knows by itself whether a packet is
/// whole, and most brokers leave it out.
fn without_goodbye(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

/// The futures of the streams below, for the handshakes.
#[cfg(any(feature = "http-proxy", feature = "websocket"))]
mod io_futures {
    use core::{future::poll_fn, pin::Pin};
    use std::io;

    use futures_io::{AsyncRead as _, AsyncWrite as _};

    use super::Layer;

    pub(super) async fn write(stream: &mut Layer, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let count = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, left)).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left = left.get(count..).unwrap_or_default();
        }
        poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await
    }

    pub(super) async fn read(stream: &mut Layer, buffer: &mut [u8]) -> io::Result<usize> {
        let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, buffer)).await;
        super::without_goodbye(read)
    }
}
