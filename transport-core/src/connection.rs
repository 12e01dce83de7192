//! The life of a connection: when to connect, how long to wait, when to end. No IO.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_session::{DisconnectCode, DisconnectReason, Input, Session};
use shadow_proto::Instant;

use crate::{
    attempt::Attempt,
    backoff::PermanentRefusal,
    error::{ConnectError, OpenError},
    event::{ConnectionEvent, ConnectionInfo},
    handle::ShadowClient,
    hub::{Clock, Hub, HubOptions, StopRequest},
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
#[derive(Debug)]
pub struct Connection {
    hub: Hub,
    link: Link,
    options: ConnectOptions,
    /// A failed first attempt is the last.
    once: bool,
    state: State,
    /// Failures in a row.
    failures: u32,
    seed: u64,
    steps: VecDeque<TransportStep>,
    input: BytesMut,
    output: BytesMut,
    /// Packets wait in `input` until output was written.
    blocked: bool,
    /// What the transport said when it broke.
    broken: Option<OpenError>,
    /// The attempt took too long.
    late: bool,
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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Without transport, until then.
    Waiting(Instant),
    /// The transport is being opened.
    Opening { deadline: Instant },
    /// The CONNECT is not answered.
    Handshaking { deadline: Instant },
    /// Connected.
    Up { since: Instant },
    /// The last bytes are being written.
    Closing { deadline: Instant, then: Then },
    /// Over.
    Stopped,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Retry(Instant),
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
        let config = options.shadow_config();
        let seed = config.jitter_seed;
        let hub_options = HubOptions {
            operation_timeout: options.operation_timeout,
            message_buffer: options.message_buffer,
            record: options.record,
            ..HubOptions::default()
        };
        let (client, hub) = Hub::new(config, hub_options, clock);
        let connection = Self {
            state: State::Waiting(hub.now()),
            link: Link::new(hub.clone(), session),
            hub,
            options,
            once: false,
            failures: 0,
            seed,
            steps: VecDeque::new(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            blocked: false,
            broken: None,
            late: false,
        };
        Ok((client, connection))
    }

    /// The same, but one whose first attempt is the last if it fails.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// The hub, whose waker an adapter registers.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// What to do with the transport next. Handles what the client's handles did meanwhile on the
    /// way, so it is to be called whenever woken.
    #[must_use]
    pub fn poll_step(&mut self) -> Option<TransportStep> {
        self.advance();
        self.steps.pop_front()
    }

    /// The transport that was to be opened is open.
    pub fn handle_opened(&mut self) {
        if let State::Opening { deadline } = self.state {
            self.state = State::Handshaking { deadline };
            self.input.clear();
            self.output.clear();
            self.blocked = false;
            self.broken = None;
            self.late = false;
            self.link.handle_opened();
            self.advance();
        }
    }

    /// The transport that was to be opened could not be.
    pub fn handle_open_failed(&mut self, error: impl Into<OpenError>) {
        if let State::Opening { .. } = self.state {
            self.failed(ConnectError::Open(error.into()), true);
        }
    }

    /// The transport is gone: it ended (`None`), or broke with an error; also once it was closed
    /// after [`TransportStep::Close`].
    pub fn handle_closed(&mut self, error: Option<OpenError>) {
        match self.state {
            State::Handshaking { .. } | State::Up { .. } => {
                self.broken = error;
                self.link.handle_closed();
                self.follow_link(true);
            }
            State::Closing { then, .. } => self.closed(then),
            State::Waiting(_) | State::Opening { .. } | State::Stopped => {}
        }
        self.advance();
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
        self.advance();
    }

    /// Whether to read: not while what was read waits for output to be written.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.is_open() && !self.blocked
    }

    /// The bytes to be written; empty when there are none.
    pub fn output(&mut self) -> &[u8] {
        let writing = self.is_open() || matches!(self.state, State::Closing { .. });
        if self.output.is_empty() && writing {
            self.link.write_output(&mut self.output);
            self.advance();
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
        let own = match self.state {
            State::Waiting(at) => Some(at),
            State::Opening { deadline }
            | State::Handshaking { deadline }
            | State::Closing { deadline, .. } => Some(deadline),
            State::Up { .. } => None,
            State::Stopped => return None,
        };
        let stop = match self.hub.stop_request() {
            Some(StopRequest::By(deadline)) if !self.is_ending() => Some(deadline),
            Some(StopRequest::By(_) | StopRequest::Now) | None => None,
        };
        let link = self.link.poll_timeout();
        [own, stop, link].into_iter().flatten().min()
    }

    /// Time has passed. Does nothing when called early.
    pub fn handle_timeout(&mut self) {
        let now = self.hub.now();
        match self.state {
            State::Opening { deadline } if deadline <= now => {
                self.steps.push_back(TransportStep::Abort);
                self.failed(ConnectError::TimedOut, true);
            }
            State::Handshaking { deadline } if deadline <= now => {
                self.late = true;
                self.steps.push_back(TransportStep::Abort);
                self.link.handle_closed();
                self.follow_link(true);
            }
            State::Closing { deadline, then } if deadline <= now => {
                self.steps.push_back(TransportStep::Abort);
                self.closed(then);
            }
            State::Waiting(_)
            | State::Opening { .. }
            | State::Handshaking { .. }
            | State::Up { .. }
            | State::Closing { .. }
            | State::Stopped => {}
        }
        if self.state != State::Stopped {
            self.link.handle_timeout();
        }
        self.advance();
    }

    /// Does what is due by now: follows the link, the wishes of the handles and the clock.
    fn advance(&mut self) {
        self.follow_link(false);
        self.follow_handles();
        if let State::Waiting(at) = self.state {
            if at <= self.hub.now() {
                self.begin();
            }
        }
    }

    fn begin(&mut self) {
        let attempt = self.failures.saturating_add(1);
        self.hub.emit(ConnectionEvent::Connecting { attempt });
        self.state = State::Opening {
            deadline: self.hub.now() + self.options.connect_timeout,
        };
        let attempt = Attempt::new(&self.options, attempt);
        self.steps.push_back(TransportStep::Open(attempt));
    }

    /// `gone`: the transport is not there any more, so that it need not be closed.
    fn follow_link(&mut self, gone: bool) {
        while let Some(event) = self.link.poll_event() {
            match (event, self.state) {
                (LinkEvent::Connected(connected), State::Handshaking { .. }) => {
                    self.state = State::Up {
                        since: self.hub.now(),
                    };
                    self.once = false;
                    let info = Box::new(ConnectionInfo::from(*connected));
                    self.hub.emit(ConnectionEvent::Connected(info));
                }
                (LinkEvent::Refused(refusal), State::Handshaking { .. }) => {
                    self.failed(ConnectError::Refused(refusal), gone);
                }
                (LinkEvent::Disconnected(reason), State::Handshaking { .. }) => {
                    let error = match (self.broken.take(), reason) {
                        _ if self.late => ConnectError::TimedOut,
                        (_, DisconnectReason::ConnackTimeout) => ConnectError::TimedOut,
                        (Some(error), _) => ConnectError::Open(error),
                        (None, reason) => ConnectError::Closed(reason),
                    };
                    self.failed(error, gone);
                }
                (LinkEvent::Disconnected(reason), State::Up { since }) => {
                    self.lost(reason, since, gone);
                }
                _ => debug_assert!(false, "the link has no connection now"),
            }
        }
    }

    fn follow_handles(&mut self) {
        let Some(request) = self.hub.stop_request() else {
            return;
        };
        let now = self.hub.now();
        let due = match request {
            StopRequest::Now => true,
            StopRequest::By(deadline) => deadline <= now || self.hub.is_idle(),
        };
        match self.state {
            _ if !due => {}
            State::Waiting(_) => self.stop(),
            State::Opening { .. } => {
                self.steps.push_back(TransportStep::Abort);
                self.stop();
            }
            State::Handshaking { .. } | State::Up { .. } => {
                self.link.disconnect();
                self.follow_link(false);
            }
            State::Closing { deadline, .. } => {
                let then = Then::Stop;
                self.state = State::Closing { deadline, then };
            }
            State::Stopped => {}
        }
    }

    /// An attempt failed.
    fn failed(&mut self, error: ConnectError, gone: bool) {
        self.failures = self.failures.saturating_add(1);
        let permanent = error.is_permanent();
        let stops = permanent && self.options.reconnect.permanent == PermanentRefusal::Stop;
        let retry_in = if self.once || stops || self.is_asked_to_stop() {
            None
        } else {
            Some(self.delay(permanent))
        };
        let event = ConnectionEvent::ConnectFailed { error, retry_in };
        self.hub.emit(event);
        self.end(retry_in, gone);
    }

    /// A connection ended.
    fn lost(&mut self, reason: DisconnectReason, since: Instant, gone: bool) {
        // Two clients with one client id push each other off for ever; each round must be slower
        // than the one before, however long it lasted.
        let taken_over = matches!(
            reason,
            DisconnectReason::ByServer { code, .. } if code == DisconnectCode::SESSION_TAKEN_OVER
        );
        let lasted = self.hub.now().saturating_since(since);
        if lasted >= self.options.reconnect.stable && !taken_over {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let retry_in = match self.is_asked_to_stop() {
            true => None,
            false => Some(self.delay(false)),
        };
        let error = self.broken.take();
        self.hub.emit(ConnectionEvent::Disconnected {
            reason,
            error,
            retry_in,
        });
        self.end(retry_in, gone);
    }

    fn end(&mut self, retry_in: Option<Duration>, gone: bool) {
        let now = self.hub.now();
        let then = retry_in.map_or(Then::Stop, |delay| Then::Retry(now + delay));
        if gone {
            return self.closed(then);
        }
        self.steps.push_back(TransportStep::Close);
        let deadline = now + self.options.close_timeout;
        self.state = State::Closing { deadline, then };
    }

    /// There is no transport any more.
    fn closed(&mut self, then: Then) {
        self.output.clear();
        match then {
            Then::Retry(at) => self.state = State::Waiting(at),
            Then::Stop => self.stop(),
        }
    }

    fn stop(&mut self) {
        self.state = State::Stopped;
        self.steps.push_back(TransportStep::Stop);
        self.hub.finish();
    }

    fn delay(&self, permanent: bool) -> Duration {
        let reconnect = &self.options.reconnect;
        if permanent {
            reconnect.longest_delay(self.seed, self.failures)
        } else {
            reconnect.delay(self.seed, self.failures)
        }
    }

    /// Whether it will not connect again: nobody is left, or the time for a shutdown is over.
    fn is_asked_to_stop(&self) -> bool {
        match self.hub.stop_request() {
            None => false,
            Some(StopRequest::Now) => true,
            Some(StopRequest::By(deadline)) => deadline <= self.hub.now() || self.hub.is_idle(),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Handshaking { .. } | State::Up { .. })
    }

    fn is_ending(&self) -> bool {
        matches!(
            self.state,
            State::Stopped
                | State::Closing {
                    then: Then::Stop,
                    ..
                }
        )
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hub.finish();
    }
}
