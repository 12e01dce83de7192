//! The loop: moves bytes between a stream and a [`Connection`], and nothing else.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
};
use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};
use transport_core::{
    Attempt, ConnectError, ConnectOptions, Connection, Instant as Now, OpenError, ShadowClient,
    TransportStep,
};

/// Serves the connection of a client. A future that ends with the client: when its last handle is
/// dropped, when it was shut down, or when it gave up.
///
/// [`start`](crate::start) and [`connect`](crate::connect) spawn it; whoever wants it elsewhere
/// (another runtime, a `LocalSet`) makes it and spawns it. Dropping it stops the client at once.
#[must_use = "futures do nothing unless polled"]
pub struct Driver<C, F, S> {
    connection: Connection,
    connector: C,
    transport: Transport<F, S>,
    origin: Instant,
    /// Made with the first poll, within the runtime.
    sleep: Option<Pin<Box<Sleep>>>,
}

enum Transport<F, S> {
    None,
    Opening(Pin<Box<F>>),
    Open {
        stream: S,
        /// Written bytes that the stream may still hold back.
        unflushed: bool,
        /// It is to be closed once all is written.
        closing: bool,
    },
}

impl<C, F, S, E> Driver<C, F, S>
where
    C: FnMut(Attempt) -> F,
    F: Future<Output = Result<S, E>>,
    S: AsyncRead + AsyncWrite + Unpin,
    E: Into<OpenError>,
{
    /// A client, and the driver that serves it over streams that `connector` opens.
    ///
    /// # Errors
    /// An option cannot be said in a CONNECT.
    pub fn new(
        options: ConnectOptions,
        connector: C,
    ) -> Result<(ShadowClient, Self), ConnectError> {
        let origin = Instant::now();
        let clock = Arc::new(move || Now::from_origin(origin.elapsed()));
        let (client, connection) = Connection::new(options, clock)?;
        let driver = Self {
            connection,
            connector,
            transport: Transport::None,
            origin,
            sleep: None,
        };
        Ok((client, driver))
    }

    /// The same, but one whose first attempt is the last if it fails.
    pub fn once(mut self) -> Self {
        self.connection = self.connection.once();
        self
    }

    /// Does one round; whether anything moved, or `None` at the end.
    fn step(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let mut moved = false;
        // The clock first: a busy stream must not put a deadline off.
        if self.deadline().is_some_and(|at| at <= Instant::now()) {
            self.connection.handle_timeout();
            moved = true;
        }
        while let Some(step) = self.connection.poll_step() {
            moved = true;
            match step {
                TransportStep::Open(attempt) => {
                    let opening = Box::pin((self.connector)(attempt));
                    self.transport = Transport::Opening(opening);
                }
                TransportStep::Close => {
                    if let Transport::Open { closing, .. } = &mut self.transport {
                        *closing = true;
                    }
                }
                TransportStep::Abort => self.transport = Transport::None,
                TransportStep::Stop => {
                    self.transport = Transport::None;
                    return None;
                }
            }
        }
        Some(self.poll_transport(cx) || moved)
    }

    fn poll_transport(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.transport {
            Transport::None => false,
            Transport::Opening(opening) => {
                let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
                    return false;
                };
                match opened {
                    Ok(stream) => {
                        self.transport = Transport::Open {
                            stream,
                            unflushed: false,
                            closing: false,
                        };
                        self.connection.handle_opened();
                    }
                    Err(error) => {
                        self.transport = Transport::None;
                        self.connection.handle_open_failed(error);
                    }
                }
                true
            }
            Transport::Open {
                stream,
                unflushed,
                closing,
            } => match poll_stream(&mut self.connection, stream, unflushed, *closing, cx) {
                Ok(Moved::Yes) => true,
                Ok(Moved::No) => false,
                Ok(Moved::Ended) => self.closed(None),
                Err(error) => self.closed(Some(OpenError::from(error))),
            },
        }
    }

    fn closed(&mut self, error: Option<OpenError>) -> bool {
        self.transport = Transport::None;
        self.connection.handle_closed(error);
        true
    }

    fn deadline(&self) -> Option<Instant> {
        let at = self.connection.poll_timeout()?;
        self.origin.checked_add(at.since_origin())
    }
}

enum Moved {
    Yes,
    No,
    Ended,
}

/// Writes what there is, flushes, closes if it is to be closed, else reads.
fn poll_stream<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection,
    stream: &mut S,
    unflushed: &mut bool,
    closing: bool,
    cx: &mut Context<'_>,
) -> io::Result<Moved> {
    let mut moved = Moved::No;
    let output = connection.output();
    let pending = !output.is_empty();
    if pending {
        if let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(cx, output) {
            match written? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => connection.handle_written(count),
            }
            *unflushed = true;
            return Ok(Moved::Yes);
        }
    } else if *unflushed {
        if let Poll::Ready(flushed) = Pin::new(&mut *stream).poll_flush(cx) {
            flushed?;
            *unflushed = false;
            moved = Moved::Yes;
        }
    }
    if closing {
        if !pending && !*unflushed {
            if let Poll::Ready(ended) = Pin::new(&mut *stream).poll_shutdown(cx) {
                ended?;
                return Ok(Moved::Ended);
            }
        }
        return Ok(moved);
    }
    if connection.wants_input() {
        let input = connection.input();
        input.reserve(READ_SIZE);
        if let Poll::Ready(read) = pin!(stream.read_buf(input)).poll(cx) {
            if read? == 0 {
                return Ok(Moved::Ended);
            }
            connection.handle_input();
            moved = Moved::Yes;
        }
    }
    Ok(moved)
}

/// What must not move is in boxes.
impl<C, F, S> Unpin for Driver<C, F, S> {}

impl<C, F, S, E> Future for Driver<C, F, S>
where
    C: FnMut(Attempt) -> F,
    F: Future<Output = Result<S, E>>,
    S: AsyncRead + AsyncWrite + Unpin,
    E: Into<OpenError>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.connection.hub().register(cx.waker());
        for _ in 0..ROUNDS {
            match this.step(cx) {
                None => return Poll::Ready(()),
                Some(true) => continue,
                Some(false) => {}
            }
            let Some(deadline) = this.deadline() else {
                return Poll::Pending;
            };
            let sleep = match &mut this.sleep {
                Some(sleep) => {
                    if sleep.deadline() != deadline {
                        sleep.as_mut().reset(deadline);
                    }
                    sleep
                }
                none => none.insert(Box::pin(sleep_until(deadline))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // Others want to run too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<C, F, S> fmt::Debug for Driver<C, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// Bytes of space for one read.
const READ_SIZE: usize = 8 * 1024;
/// Rounds without giving the thread away.
const ROUNDS: usize = 64;
