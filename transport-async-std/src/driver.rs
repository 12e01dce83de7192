//! What the loop needs of a runtime, from the traits of futures-io and the timer of async-io, which
//! async-std and smol have in common.

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, time::Instant};

use async_io::Timer;
use futures_io::{AsyncRead, AsyncWrite};
use transport_core::{BytesMut, Clock, Instant as Now, Runtime};

/// Serves the connection of a client. A future that ends with the client: when its last handle is
/// dropped, when it was shut down, or when it gave up.
///
/// `start` and `connect` spawn it; whoever wants it elsewhere (another executor) makes it and
/// spawns it. Dropping it stops the client at once.
///
/// ```no_run
/// # #[cfg(feature = "smol")]
/// # fn example(spawn: impl FnOnce(Box<dyn Future<Output = ()>>)) -> Result<(), Box<dyn std::error::Error>> {
/// use transport_async_std::{ConnectOptions, Driver, smol::open};
///
/// let options = ConnectOptions::from_url("mqtt://127.0.0.1:1883")?;
/// let (client, driver) = Driver::new(options, open)?;
/// spawn(Box::new(driver)); // on an executor of your own
/// # drop(client);
/// # Ok(())
/// # }
/// ```
pub type Driver<C, F, S> = transport_core::Driver<FuturesIo, C, F, S>;

/// The streams of futures-io, the system's monotonic clock and the timer of async-io, which is
/// served by a thread of its own and therefore runs on every executor.
pub struct FuturesIo {
    origin: Instant,
    timer: Timer,
    deadline: Option<Now>,
    /// Where one read puts its bytes: the traits do not write to memory that holds none.
    buffer: Box<[u8]>,
}

impl Default for FuturesIo {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            timer: Timer::never(),
            deadline: None,
            buffer: Box::from([0; READ_SIZE]),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Runtime<S> for FuturesIo {
    fn clock(&self) -> Clock {
        let origin = self.origin;
        Arc::new(move || Now::from_origin(origin.elapsed()))
    }

    fn poll_sleep(&mut self, deadline: Now, cx: &mut Context<'_>) -> Poll<()> {
        // Deadlines move on with each message, and are seldom reached. One that rings early costs a
        // round, once; another place among the timers each time costs more.
        if self.deadline.is_none_or(|set| set > deadline) {
            match self.origin.checked_add(deadline.since_origin()) {
                Some(at) => self.timer.set_at(at),
                None => self.timer = Timer::never(),
            }
            self.deadline = Some(deadline);
        }
        Pin::new(&mut self.timer).poll(cx).map(|_| {
            // A timer rings once.
            self.deadline = None;
        })
    }

    fn poll_read(
        &mut self,
        stream: &mut S,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(stream).poll_read(cx, &mut self.buffer);
        read.map_ok(|count| {
            input.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
            count
        })
    }

    fn poll_write(
        &mut self,
        stream: &mut S,
        output: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write(cx, output)
    }

    fn poll_flush(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_close(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_close(cx)
    }
}

impl fmt::Debug for FuturesIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FuturesIo").finish_non_exhaustive()
    }
}

/// Bytes of space for one read.
const READ_SIZE: usize = 8 * 1024;
