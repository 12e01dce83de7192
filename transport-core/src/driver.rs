//! The loop of an adapter over byte streams: moves bytes between a stream and a [`Connection`],
//! and nothing else.

use core::{
    fmt,
    future::Future,
    mem,
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

    /// Lets the tasks run that are ready to, where that costs less than a write: has the driver
    /// polled once more after them, and is `true`. With `false` the driver goes on at once, as is
    /// better where a thread would have to be woken for it. `again`: it was done just now, and
    /// nobody has asked the client for anything.
    fn give_way(&mut self, again: bool, cx: &mut Context<'_>) -> bool {
        let _ = (again, cx);
        false
    }

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
    /// Others were let run before the acknowledgements are written.
    gave_way: bool,
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
            gave_way: false,
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

    /// Does one round; `None` at the end. `readable`: nothing says yet that there is nothing to be
    /// read.
    fn step(&mut self, readable: &mut bool, cx: &mut Context<'_>) -> Option<Moved> {
        let mut moved = Moved::No;
        while let Some(step) = self.connection.poll_step() {
            moved = Moved::Yes;
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
        let transport = self.poll_transport(readable, cx);
        Some(if transport == Moved::No {
            moved
        } else {
            transport
        })
    }

    fn poll_transport(&mut self, readable: &mut bool, cx: &mut Context<'_>) -> Moved {
        match &mut self.transport {
            Transport::None => Moved::No,
            Transport::Opening(opening) => {
                let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
                    return Moved::No;
                };
                match opened {
                    Ok(stream) => {
                        self.transport = Transport::Open {
                            stream,
                            unflushed: false,
                            closing: false,
                        };
                        *readable = true;
                        self.connection.handle_opened();
                    }
                    Err(error) => {
                        self.transport = Transport::None;
                        self.connection.handle_open_failed(error);
                    }
                }
                Moved::Yes
            }
            Transport::Open {
                stream,
                unflushed,
                closing,
            } => {
                let mut io = Io {
                    runtime: &mut self.runtime,
                    connection: &mut self.connection,
                    stream,
                    unflushed,
                };
                match io.poll(*closing, readable, cx) {
                    Ok(Some(moved)) => moved,
                    Ok(None) => self.closed(None),
                    Err(error) => self.closed(Some(OpenError::from(error))),
                }
            }
        }
    }

    fn closed(&mut self, error: Option<OpenError>) -> Moved {
        self.transport = Transport::None;
        self.connection.handle_closed(error);
        Moved::Yes
    }

    fn handle_timeout(&mut self) {
        let deadline = self.connection.poll_timeout();
        if deadline.is_some_and(|at| at <= self.connection.hub().now()) {
            self.connection.handle_timeout();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    No,
    Yes,
    /// The application was given what it waits for, and there are acknowledgements to be written.
    Answered,
}

/// An open stream, and what moves bytes over it.
struct Io<'a, R, S> {
    runtime: &'a mut R,
    connection: &'a mut Connection,
    stream: &'a mut S,
    unflushed: &'a mut bool,
}

impl<R: Runtime<S>, S> Io<'_, R, S> {
    /// Writes what there is and reads once, so that neither direction keeps the other waiting;
    /// `None` at the end of the stream.
    fn poll(
        &mut self,
        closing: bool,
        readable: &mut bool,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<Moved>> {
        let written = self.poll_write(cx)?;
        if closing {
            if !*self.unflushed && self.connection.output().is_empty() {
                if let Poll::Ready(ended) = self.runtime.poll_close(self.stream, cx) {
                    return ended.map(|()| None);
                }
            }
            return Ok(Some(written));
        }
        if !*readable || !self.connection.wants_input() {
            return Ok(Some(written));
        }
        let input = self.connection.input();
        match self.runtime.poll_read(self.stream, input, cx) {
            Poll::Pending => {
                *readable = false;
                Ok(Some(written))
            }
            Poll::Ready(read) => {
                if read? == 0 {
                    return Ok(None);
                }
                self.connection.handle_input();
                Ok(Some(match self.connection.has_answered() {
                    true => Moved::Answered,
                    false => Moved::Yes,
                }))
            }
        }
    }

    /// Writes of the output, flushes once all is written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<Moved> {
        let mut moved = Moved::No;
        let output = self.connection.output();
        if !output.is_empty() {
            let Poll::Ready(written) = self.runtime.poll_write(self.stream, output, cx) else {
                return Ok(Moved::No);
            };
            match written? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.connection.handle_written(count),
            }
            *self.unflushed = true;
            moved = Moved::Yes;
        }
        if *self.unflushed && self.connection.output().is_empty() {
            if let Poll::Ready(flushed) = self.runtime.poll_flush(self.stream, cx) {
                flushed?;
                *self.unflushed = false;
                moved = Moved::Yes;
            }
        }
        Ok(moved)
    }
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
        let gave_way = mem::take(&mut this.gave_way) && !this.connection.hub().is_changed();
        if gave_way && this.runtime.give_way(true, cx) {
            return Poll::Pending;
        }
        // The clock first: a busy stream must not put a deadline off.
        this.handle_timeout();
        let mut readable = true;
        for _ in 0..ROUNDS {
            match this.step(&mut readable, cx) {
                None => return Poll::Ready(()),
                // Whoever was answered may ask for something more, which then leaves in one write
                // with the acknowledgement of the answer.
                Some(Moved::Answered) if this.runtime.give_way(false, cx) => {
                    this.gave_way = true;
                    return Poll::Pending;
                }
                Some(Moved::Answered | Moved::Yes) => continue,
                Some(Moved::No) => {}
            }
            let Some(deadline) = this.connection.poll_timeout() else {
                return Poll::Pending;
            };
            ready!(this.runtime.poll_sleep(deadline, cx));
            this.handle_timeout();
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
