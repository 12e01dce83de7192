//! The life of a connection over a byte stream. No IO.

use bytes::{Buf, BytesMut};
use mqtt_session::{DisconnectReason, Input, Session};
use shadow_proto::Instant;

use crate::{
    attempt::Attempt,
    error::{ConnectError, OpenError},
    event::ConnectionInfo,
    handle::ShadowClient,
    hub::{Clock, Hub},
    lifecycle::{LifeStep, Lifecycle},
    link::{Link, LinkEvent},
    options::ConnectOptions,
};

/// Everything an adapter has to know: what to do with the transport, which bytes to write, when
/// to come back. It connects, reconnects with backoff, and ends when the handles want it to.
///
/// An adapter holds at most one transport and loops:
///
/// 1. [`Hub::register`] its waker;
/// 2. do what [`poll_step`](Self::poll_step) says until it is `None`;
/// 3. write [`output`](Self::output), report with [`handle_written`](Self::handle_written);
/// 4. if [`wants_input`](Self::wants_input), read into [`input`](Self::input), then
///    [`handle_input`](Self::handle_input);
/// 5. when nothing more moves, sleep until woken or until [`poll_timeout`](Self::poll_timeout),
///    then call [`handle_timeout`](Self::handle_timeout).
///
/// Dropping it tells everybody that the client has stopped.
///
/// ```
/// use transport_core::{ConnectOptions, Connection, TransportStep, system_clock};
///
/// let options = ConnectOptions::from_url("mqtt://127.0.0.1:1883")?;
/// let (client, mut connection) = Connection::new(options, system_clock())?;
/// let Some(TransportStep::Open(_attempt)) = connection.poll_step() else {
///     unreachable!("it begins with an attempt")
/// };
/// // Once the transport is open, there is a CONNECT to be written.
/// connection.handle_opened();
/// let length = connection.output().len();
/// assert!(length > 0);
/// connection.handle_written(length);
/// assert!(connection.wants_input());
/// # drop(client);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    life: Lifecycle,
    link: Link,
    /// The transport is open, as far as the link knows.
    opened: bool,
    input: BytesMut,
    output: BytesMut,
    /// Packets wait in `input` until output was written.
    blocked: bool,
    /// What the transport said when it broke.
    broken: Option<OpenError>,
}

/// What an adapter is to do with its transport.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter must act on each of them"
)]
pub enum TransportStep {
    /// Open one; then [`Connection::handle_opened`] or [`Connection::handle_open_failed`].
    Open(Attempt),
    /// Write what [`Connection::output`] still gives, close the transport, then
    /// [`Connection::handle_closed`].
    Close,
    /// Drop it, open or half open, without further ado.
    Abort,
    /// Drop it and end: there is nothing more to do, ever.
    Stop,
}

impl Connection {
    /// A client and the connection that serves it, on this clock. The first attempt begins at
    /// once, with the first [`poll_step`](Self::poll_step).
    ///
    /// # Errors
    /// An option cannot be said in a CONNECT.
    pub fn new(
        options: ConnectOptions,
        clock: Clock,
    ) -> Result<(ShadowClient, Self), ConnectError> {
        let session = Session::new(options.session()?)?;
        let (client, life) = Lifecycle::new(options, clock)?;
        let connection = Self {
            link: Link::new(life.hub().clone(), session),
            life,
            opened: false,
            input: BytesMut::new(),
            output: BytesMut::new(),
            blocked: false,
            broken: None,
        };
        Ok((client, connection))
    }

    /// The same, but one whose first attempt is the last if it fails.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.life = self.life.once();
        self
    }

    /// The hub, whose waker an adapter registers.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        self.life.hub()
    }

    /// What to do with the transport next. Handles what the client's handles did meanwhile on the
    /// way, so it is to be called whenever woken.
    #[must_use]
    pub fn poll_step(&mut self) -> Option<TransportStep> {
        loop {
            self.follow_link(false);
            return Some(match self.life.poll_step()? {
                LifeStep::Connect(attempt) => TransportStep::Open(attempt),
                LifeStep::Disconnect => {
                    self.link.disconnect();
                    continue;
                }
                LifeStep::Close => TransportStep::Close,
                LifeStep::Abort => {
                    self.gone();
                    TransportStep::Abort
                }
                LifeStep::Stop => TransportStep::Stop,
            });
        }
    }

    /// The transport that was to be opened is open.
    pub fn handle_opened(&mut self) {
        if self.life.is_connecting() && !self.opened {
            self.life.handle_opened();
            self.opened = true;
            self.input.clear();
            self.output.clear();
            self.blocked = false;
            self.broken = None;
            self.link.handle_opened();
            self.follow_link(false);
        }
    }

    /// The transport that was to be opened could not be.
    pub fn handle_open_failed(&mut self, error: impl Into<OpenError>) {
        if !self.opened {
            let error = ConnectError::Open(error.into());
            self.life.handle_failed(error, true);
        }
    }

    /// The transport is gone: it ended (`None`), or broke with an error; also once it was closed
    /// after [`TransportStep::Close`].
    pub fn handle_closed(&mut self, error: Option<OpenError>) {
        if self.is_open() {
            self.broken = error;
            self.link.handle_closed();
            self.follow_link(true);
        } else if self.life.is_closing() {
            self.life.handle_closed();
        }
        self.output.clear();
        self.opened = false;
    }

    /// Where to append what was read. An adapter reserves what space it needs.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Bytes were appended to [`input`](Self::input).
    pub fn handle_input(&mut self) {
        if self.is_open() {
            self.blocked = self.link.handle_bytes(&mut self.input) == Input::Blocked;
        } else {
            self.input.clear();
        }
        self.follow_link(false);
    }

    /// Whether somebody was told something since the last call who may have something to send
    /// himself, and acknowledgements wait to be written: once others have run, one write is enough
    /// for both.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.hub().take_woken() && self.link.session().has_output()
    }

    /// Whether to read: not while what was read waits for output to be written.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.is_open() && !self.blocked
    }

    /// The bytes to be written; empty when there are none.
    pub fn output(&mut self) -> &[u8] {
        let writing = self.is_open() || (self.opened && self.life.is_closing());
        if self.output.is_empty() && writing {
            self.link.write_output(&mut self.output);
            self.follow_link(false);
        }
        &self.output
    }

    /// So many bytes of [`output`](Self::output) were written.
    pub fn handle_written(&mut self, count: usize) {
        self.output.advance(count.min(self.output.len()));
        if self.blocked && self.output.is_empty() {
            self.handle_input();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.life.is_stopped() {
            return None;
        }
        let (life, link) = (self.life.poll_timeout(), self.link.poll_timeout());
        life.into_iter().chain(link).min()
    }

    /// Time has passed. Does nothing when called early.
    pub fn handle_timeout(&mut self) {
        self.life.handle_timeout();
        if !self.life.is_stopped() {
            self.link.handle_timeout();
        }
        self.follow_link(false);
    }

    /// The transport is not there any more, and everybody knows why.
    fn gone(&mut self) {
        if self.opened {
            self.link.handle_closed();
        }
        self.opened = false;
        self.output.clear();
        self.follow_link(true);
    }

    /// `gone`: the transport is not there any more, so that it need not be closed.
    fn follow_link(&mut self, gone: bool) {
        while let Some(event) = self.link.poll_event() {
            let connecting = self.life.is_connecting() && self.opened;
            match event {
                LinkEvent::Connected(connected) => {
                    self.life.handle_connected(ConnectionInfo::from(*connected));
                }
                LinkEvent::Refused(refusal) => {
                    let error = ConnectError::Refused(refusal);
                    self.life.handle_failed(error, gone);
                }
                LinkEvent::Disconnected(reason) if connecting => {
                    let error = match (self.broken.take(), reason) {
                        (_, DisconnectReason::ConnackTimeout) => ConnectError::TimedOut,
                        (Some(error), _) => ConnectError::Open(error),
                        (None, reason) => ConnectError::closed(reason),
                    };
                    self.life.handle_failed(error, gone);
                }
                // Without effect if it was given up before it ended.
                LinkEvent::Disconnected(reason) => {
                    let error = self.broken.take();
                    self.life.handle_lost(reason, error, gone);
                }
            }
        }
    }

    fn is_open(&self) -> bool {
        self.opened && (self.life.is_connecting() || self.life.is_up())
    }
}
