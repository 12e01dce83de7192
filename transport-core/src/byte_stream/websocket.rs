//! A WebSocket around a stream, as a stream.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::{io, time::SystemTime};

use futures_io::{AsyncRead, AsyncWrite};

use super::{
    Layer,
    io_futures::{read, write},
};
use crate::{
    attempt::Opening,
    error::{Hint, OpenCause, OpenError},
    websocket::{WebSocket, WebSocketError},
};

pub(super) struct WebSocketStream {
    socket: WebSocket,
    inner: Layer,
    /// Bytes were written that the stream may still hold back.
    unflushed: bool,
}

impl WebSocketStream {
    /// Asks for a WebSocket and waits until it is open.
    pub(super) async fn open(
        opening: &Opening,
        mut socket: WebSocket,
        mut inner: Layer,
    ) -> Result<Self, OpenError> {
        #[cfg(feature = "_rustls")]
        let encrypted = opening.tls.is_some();
        #[cfg(not(feature = "_rustls"))]
        let encrypted = false;
        let hint = match encrypted {
            true => Hint::WithoutWebSocket,
            false => Hint::WithoutWebSocketOrWantsTls,
        };
        let failed = |error| {
            let error = opening.error(&error, SystemTime::now());
            error.if_ended(hint)
        };
        let output = socket.output().split();
        write(&mut inner, &output).await.map_err(failed)?;
        let mut buffer = [0; 1024];
        while !socket.is_open() {
            match read(&mut inner, &mut buffer).await.map_err(failed)? {
                0 => socket.handle_end(),
                count => socket.handle_bytes(buffer.get(..count).unwrap_or_default()),
            }
            if let Some(ended) = socket.end() {
                ended.map_err(|error| opening.caused(error).if_ended(hint))?;
                // Opened and closed in one: the reader will see it.
                break;
            }
        }
        Ok(Self {
            socket,
            inner,
            unflushed: false,
        })
    }

    /// Writes what there is.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.socket.output().is_empty() {
            let output = self.socket.output();
            let count = ready!(Pin::new(&mut self.inner).poll_write(cx, output))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            drop(output.split_to(count));
            self.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_output(cx))?;
        if self.unflushed {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for WebSocketStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let received = this.socket.received();
            if !received.is_empty() {
                let count = received.len().min(buffer.len());
                if let Some(space) = buffer.get_mut(..count) {
                    space.copy_from_slice(&received.split_to(count));
                }
                return Poll::Ready(Ok(count));
            }
            // Answers to pings, which nobody else may come to write. If they cannot go now, reading
            // goes on unless there are many.
            let flushed = this.poll_flushed(cx);
            if let Some(ended) = this.socket.end() {
                return Poll::Ready(ended.map(|()| 0).map_err(broken));
            }
            if let Poll::Ready(flushed) = flushed {
                flushed?;
            } else if !this.socket.wants_input() {
                return Poll::Pending;
            }
            let mut space = [0; READ_SIZE];
            let count = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut space))?;
            match space.get(..count).unwrap_or_default() {
                [] => this.socket.handle_end(),
                bytes => this.socket.handle_bytes(bytes),
            }
        }
    }
}

impl AsyncWrite for WebSocketStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // One frame at a time, so that a stream that does not take it is felt.
        ready!(self.poll_output(cx))?;
        if !self.socket.is_open() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let payload = bytes.get(..FRAME_SIZE).unwrap_or(bytes);
        self.socket.send(payload);
        if let Poll::Ready(Err(error)) = self.poll_output(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(payload.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flushed(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.close();
        ready!(self.poll_flushed(cx))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

fn broken(error: WebSocketError) -> io::Error {
    OpenError::caused("", OpenCause::from(error)).into()
}

const READ_SIZE: usize = 8 * 1024;
const FRAME_SIZE: usize = 16 * 1024;
