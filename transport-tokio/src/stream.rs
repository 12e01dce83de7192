//! Opening a stream to a broker: tokio's TCP, the rest is the core's.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io::{self, IoSlice};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use transport_core::{Attempt, ByteStream, OpenError};

/// A byte stream to a broker: TCP, with whatever the endpoint and the options ask for around it.
#[derive(Debug)]
pub struct Stream(ByteStream);

/// Opens the stream that an attempt asks for, as [`connect`](crate::connect) and
/// [`start`](crate::start) do: for a [`Driver`](crate::Driver) that is spawned elsewhere.
///
/// # Errors
/// [`OpenError`] says what was being done and what is wrong.
pub async fn open(attempt: Attempt) -> Result<Stream, OpenError> {
    attempt.open(dial).await.map(Stream)
}

/// Opens the stream of an opening.
#[cfg(feature = "rest")]
pub(crate) async fn open_prepared(opening: transport_core::Opening) -> Result<Stream, OpenError> {
    opening.open(dial).await.map(Stream)
}

/// The same over a stream of your own to the broker, through SOCKS, a VPN or a modem say: TLS and
/// WebSocket are added to it as the endpoint and the options ask for, the HTTP proxy is not used.
/// For a connector of [`connect_with`](crate::connect_with).
///
/// ```no_run
/// use transport_tokio::{Attempt, ConnectOptions, OpenError, connect_with, open_over};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = ConnectOptions::from_url("mqtts://broker.example")?;
/// // Over a tunnel that listens here, TLS with the broker inside of it.
/// let client = connect_with(options, async |attempt: Attempt| {
///     let tunnel = tokio::net::TcpStream::connect("127.0.0.1:2222").await?;
///     open_over(attempt, tunnel).await
/// })
/// .await?;
/// # drop(client);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`OpenError`] says what was being done and what is wrong.
pub async fn open_over<S>(attempt: Attempt, stream: S) -> Result<Stream, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    attempt.open_over(Tokio(stream)).await.map(Stream)
}

async fn dial(host: Box<str>, port: u16) -> io::Result<Tokio<TcpStream>> {
    let stream = TcpStream::connect((&*host, port)).await?;
    // A request is one small packet that waits for an answer: the worst case of Nagle's algorithm.
    stream.set_nodelay(true)?;
    Ok(Tokio(stream))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = Pin::new(&mut self.0);
        let space = buf.initialize_unfilled();
        let count = ready!(futures_io::AsyncRead::poll_read(stream, cx, space))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write(Pin::new(&mut self.0), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_close(Pin::new(&mut self.0), cx)
    }
}

/// A stream of tokio's as one of futures-io, which the core speaks.
struct Tokio<S>(S);

impl<S: AsyncRead + Unpin> futures_io::AsyncRead for Tokio<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: AsyncWrite + Unpin> futures_io::AsyncWrite for Tokio<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    /// What TLS has to send is in as many pieces as records.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
