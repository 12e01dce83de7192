//! What the loop needs of tokio.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future as _,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use std::io;

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::{Handle, RuntimeFlavor},
    task::yield_now,
    time::{Instant, Sleep, sleep_until},
};
use transport_core::{BytesMut, Clock, Instant as Now, Runtime};

/// Serves the connection of a client. A future that ends with the client: when its last handle is
/// dropped, when it was shut down, or when it gave up.
///
/// [`start`](crate::start) and [`connect`](crate::connect) spawn it; whoever wants it elsewhere
/// (another runtime, a `LocalSet`) makes it and spawns it. Dropping it stops the client at once.
///
/// ```no_run
/// use transport_tokio::{ConnectOptions, Driver, open};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = ConnectOptions::from_url("mqtt://127.0.0.1:1883")?;
/// let (client, driver) = Driver::new(options, open)?;
/// let tasks = tokio::task::LocalSet::new();
/// tasks.spawn_local(driver);
/// tasks.run_until(client.connected()).await?;
/// # Ok(())
/// # }
/// ```
pub type Driver<C, F, S> = transport_core::Driver<Tokio, C, F, S>;

/// Tokio's streams, its clock and its timer.
pub struct Tokio {
    origin: Instant,
    /// Made with the first poll, within the runtime.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the runtime has one thread; known once it was asked.
    alone: Option<bool>,
    /// Where one read puts its bytes: cleared once, and not before each read.
    buffer: Box<[u8]>,
}

impl Default for Tokio {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            sleep: None,
            alone: None,
            buffer: vec![0; READ_SIZE].into_boxed_slice(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Runtime<S> for Tokio {
    fn clock(&self) -> Clock {
        let origin = self.origin;
        Arc::new(move || Now::from_origin(origin.elapsed()))
    }

    fn poll_sleep(&mut self, deadline: Now, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.origin.checked_add(deadline.since_origin()) else {
            return Poll::Pending;
        };
        let sleep = match &mut self.sleep {
            // Deadlines move on with each message, and are seldom reached. One that rings early costs
            // a round, once; another place among the runtime's timers each time costs more.
            Some(sleep) if sleep.deadline() <= deadline && !sleep.is_elapsed() => sleep,
            Some(sleep) => {
                sleep.as_mut().reset(deadline);
                sleep
            }
            none => none.insert(Box::pin(sleep_until(deadline))),
        };
        sleep.as_mut().poll(cx)
    }

    fn give_way(&mut self, again: bool, cx: &mut Context<'_>) -> bool {
        // With several threads, another one would be woken to take what is ready.
        let alone = *self.alone.get_or_insert_with(|| {
            let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
            matches!(flavor, Ok(RuntimeFlavor::CurrentThread))
        });
        if alone && again {
            // Behind the future of `block_on`, whose turn comes when no task is ready any more.
            let _ = pin!(yield_now()).poll(cx);
        } else if alone {
            cx.waker().wake_by_ref();
        }
        alone
    }

    fn poll_read(
        &mut self,
        stream: &mut S,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        input.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
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
        Pin::new(stream).poll_shutdown(cx)
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokio").finish_non_exhaustive()
    }
}

/// Bytes of space for one read.
const READ_SIZE: usize = 8 * 1024;
