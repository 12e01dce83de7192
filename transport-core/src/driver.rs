//! The loop of an adapter over byte streams: moves bytes between a stream and a [`Connection`],
//! and nothing else.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use bytes::BytesMut;
use shadow_proto::Instant;

use crate::{
    Attempt, Clock, ConnectError, ConnectOptions, Connection, OpenError, ShadowClient,
    TransportStep,
};

/// What a [`Driver`] needs of an asynchronous runtime: its clock, a timer, and how its streams of
/// type `S` are polled.
///
/// [`Default`] is called when a driver is made; a timer that exists only within the runtime is
/// best made with the first [`poll_sleep`](Self::poll_sleep). The poll functions keep the contract
/// of [`Future::poll`]: what is pending wakes.
pub trait Runtime<S>: Default {
    /// The clock that deadlines are told in.
    fn clock(&self) -> Clock;

    /// Is ready once the clock shows `deadline`. Each call replaces the deadline of the one
    /// before. It may be ready early, which costs a round.
    fn poll_sleep(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()>;

    /// Reads what there is, up to a size of its own, behind what `input` holds. No byte is the
    /// end of the stream.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_read(
        &mut self,
        stream: &mut S,
        input: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>>;

    /// Writes of `output`; how many bytes of it.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_write(
        &mut self,
        stream: &mut S,
        output: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>>;

    /// Has sent all that was written.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_flush(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the direction to the peer.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_close(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Serves the connection of a client. A future that ends with the client: when its last handle is
/// dropped, when it was shut down, or when it gave up.
///
/// An adapter names it with a [`Runtime`] of its own; its `start` and `connect` spawn it. Whoever
/// wants it elsewhere (an executor of their own) makes it and spawns it. Dropping it stops the
/// client at once.
///
/// ```
/// use transport_core::{Attempt, ConnectError, ConnectOptions, Driver, OpenError, Runtime, ShadowClient};
///
/// /// What an adapter's `start` does, on a runtime with streams of type `S`.
/// fn start<R, S, F>(
///     options: ConnectOptions,
///     open: impl FnMut(Attempt) -> F + 'static,
///     spawn: impl FnOnce(Box<dyn Future<Output = ()>>),
/// ) -> Result<ShadowClient, ConnectError>
/// where
///     R: Runtime<S> + 'static,
///     S: 'static,
///     F: Future<Output = Result<S, OpenError>> + 'static,
/// {
///     let (client, driver) = Driver::<R, _, F, S>::new(options, open)?;
///     spawn(Box::new(driver));
///     Ok(client)
/// }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Driver<R, C, F, S> {
    connection: Connection,
    connector: C,
    transport: Transport<F, S>,
    runtime: R,
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

impl<R, C, F, S, E> Driver<R, C, F, S>
where
    R: Runtime<S>,
    C: FnMut(Attempt) -> F,
    F: Future<Output = Result<S, E>>,
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
        let runtime = R::default();
        let (client, connection) = Connection::new(options, runtime.clock())?;
        let driver = Self {
            connection,
            connector,
            transport: Transport::None,
            runtime,
        };
        Ok((client, driver))
    }

    /// The same, but one whose first attempt is the last if it fails.
    pub fn once(mut self) -> Self {
        self.connection = self.connection.once();
        self
    }

    /// A client whose driver `spawn` hands to the runtime, which then connects for ever: an
    /// adapter's `start`.
    ///
    /// # Errors
    /// An option cannot be said in a CONNECT, or `spawn` has failed.
    pub fn start(
        options: ConnectOptions,
        connector: C,
        spawn: impl FnOnce(Self) -> Result<(), OpenError>,
    ) -> Result<ShadowClient, ConnectError> {
        let (client, driver) = Self::new(options, connector)?;
        spawn(driver)?;
        Ok(client)
    }

    /// [`start`](Self::start), but one whose first attempt is waited for, and is the last if it
    /// fails: an adapter's `connect`.
    ///
    /// # Errors
    /// As for [`start`](Self::start); and [`ConnectError`] says why there is no connection.
    pub async fn connect(
        options: ConnectOptions,
        connector: C,
        spawn: impl FnOnce(Self) -> Result<(), OpenError>,
    ) -> Result<ShadowClient, ConnectError> {
        let (client, driver) = Self::new(options, connector)?;
        client.served_by(|| spawn(driver.once())).await
    }

    /// Does one round; whether anything moved, or `None` at the end.
    fn step(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let mut moved = false;
        // The clock first: a busy stream must not put a deadline off.
        if self
            .connection
            .poll_timeout()
            .is_some_and(|at| at <= self.connection.hub().now())
        {
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
            } => match poll_stream(
                &mut self.runtime,
                &mut self.connection,
                stream,
                unflushed,
                *closing,
                cx,
            ) {
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
}

enum Moved {
    Yes,
    No,
    Ended,
}

/// Writes what there is, flushes, closes if it is to be closed, else reads.
fn poll_stream<R: Runtime<S>, S>(
    runtime: &mut R,
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
        if let Poll::Ready(written) = runtime.poll_write(stream, output, cx) {
            match written? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => connection.handle_written(count),
            }
            *unflushed = true;
            return Ok(Moved::Yes);
        }
    } else if *unflushed {
        if let Poll::Ready(flushed) = runtime.poll_flush(stream, cx) {
            flushed?;
            *unflushed = false;
            moved = Moved::Yes;
        }
    }
    if closing {
        if !pending && !*unflushed {
            if let Poll::Ready(ended) = runtime.poll_close(stream, cx) {
                ended?;
                return Ok(Moved::Ended);
            }
        }
        return Ok(moved);
    }
    if connection.wants_input() {
        if let Poll::Ready(read) = runtime.poll_read(stream, connection.input(), cx) {
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
impl<R, C, F, S> Unpin for Driver<R, C, F, S> {}

impl<R, C, F, S, E> Future for Driver<R, C, F, S>
where
    R: Runtime<S>,
    C: FnMut(Attempt) -> F,
    F: Future<Output = Result<S, E>>,
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
            let Some(deadline) = this.connection.poll_timeout() else {
                return Poll::Pending;
            };
            ready!(this.runtime.poll_sleep(deadline, cx));
        }
        // Others want to run too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R, C, F, S> fmt::Debug for Driver<R, C, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// Rounds without giving the thread away.
const ROUNDS: usize = 64;
