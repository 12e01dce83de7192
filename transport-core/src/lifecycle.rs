//! When to connect, how long to wait, when to end: the life of a connection, whatever makes it.

use alloc::collections::VecDeque;
use core::time::Duration;

use mqtt_session::{DisconnectCode, DisconnectReason};
use shadow_proto::Instant;

use crate::{
    attempt::Attempt,
    backoff::PermanentRefusal,
    error::{ConnectError, OpenError},
    event::{ConnectionEvent, ConnectionInfo},
    handle::ShadowClient,
    hub::{Clock, Hub, HubOptions, StopRequest},
    options::ConnectOptions,
    trace::Connections,
};

/// The decisions about connecting, for an adapter whose MQTT client has a session of its own:
/// attempts, deadlines, backoff, the sequence of [`ConnectionEvent`]s, the end.
///
/// [`Connection`](crate::Connection) is this around a [`Link`](crate::Link), for adapters that
/// move bytes. An adapter around another MQTT client drives the [`hub`](Self::hub) with it, does
/// what [`poll_step`](Self::poll_step) says and reports here what became of it; the hub it tells
/// of connects and disconnects itself. When nothing more moves, it waits until something happens
/// or until the earlier of [`poll_timeout`](Self::poll_timeout) and [`Hub::poll_timeout`].
///
/// Dropping it tells everybody that the client has stopped.
#[derive(Debug)]
pub struct Lifecycle {
    hub: Hub,
    options: ConnectOptions,
    /// A failed first attempt is the last.
    once: bool,
    state: State,
    /// Failures in a row.
    failures: u32,
    seed: u64,
    steps: VecDeque<LifeStep>,
}

/// What is to be done about the connection.
///
/// ```
/// use transport_core::{ConnectOptions, ConnectionInfo, LifeStep, Lifecycle, system_clock};
///
/// let options = ConnectOptions::from_url("mqtt://127.0.0.1:1883")?;
/// let (client, mut life) = Lifecycle::new(options, system_clock())?;
/// assert!(matches!(life.poll_step(), Some(LifeStep::Connect(_))));
/// // … the MQTT client has connected:
/// life.hub().handle_connected(false);
/// life.handle_connected(ConnectionInfo::new(false));
/// assert!(life.is_up() && life.poll_step().is_none());
/// // The last handle is gone:
/// drop(client);
/// assert_eq!(life.poll_step(), Some(LifeStep::Disconnect));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter must act on each of them"
)]
pub enum LifeStep {
    /// Make one; then [`Lifecycle::handle_connected`] or [`Lifecycle::handle_failed`].
    Connect(Attempt),
    /// Begin the goodbye, behind what can still be sent, and report it as
    /// [`Lifecycle::handle_lost`], or as [`Lifecycle::handle_failed`] if there was no connection
    /// yet.
    Disconnect,
    /// Finish what is left of the connection, then [`Lifecycle::handle_closed`].
    Close,
    /// Drop it, whole or half made, without further ado.
    Abort,
    /// Drop it and end: there is nothing more to do, ever.
    Stop,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Without connection, until then.
    Waiting(Instant),
    /// An attempt is under way.
    Connecting {
        deadline: Instant,
        /// Far enough for a goodbye.
        opened: bool,
    },
    /// Connected.
    Up { since: Instant },
    /// Over, but not gone yet.
    Closing { deadline: Instant, then: Then },
    /// Over.
    Stopped,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Retry(Instant),
    Stop,
}

impl Lifecycle {
    /// A client and the life of its connection, on this clock. The first attempt begins at once,
    /// with the first [`poll_step`](Self::poll_step).
    ///
    /// # Errors
    /// An option cannot be said in a CONNECT.
    pub fn new(
        options: ConnectOptions,
        clock: Clock,
    ) -> Result<(ShadowClient, Self), ConnectError> {
        options.session()?;
        let config = options.shadow_config();
        let seed = config.jitter_seed;
        let hub_options = HubOptions {
            operation_timeout: options.operation_timeout,
            message_buffer: options.message_buffer,
            record: options.record,
            offline_queue: options.offline_queue,
            ..HubOptions::default()
        };
        let (client, hub) = Hub::new(config, hub_options, clock);
        hub.set_connections(Connections::new(&options.client_id, &options.endpoint));
        let life = Self {
            state: State::Waiting(hub.now()),
            hub,
            options,
            once: false,
            failures: 0,
            seed,
            steps: VecDeque::new(),
        };
        Ok((client, life))
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

    /// What to connect with.
    #[must_use]
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// What to do next. To be called whenever woken.
    #[must_use]
    pub fn poll_step(&mut self) -> Option<LifeStep> {
        self.follow_handles();
        if let State::Waiting(at) = self.state {
            if at <= self.hub.now() {
                self.begin();
            }
        }
        self.steps.pop_front()
    }

    /// The attempt got so far that a goodbye is worth while: from now on it is ended by
    /// [`LifeStep::Disconnect`] instead of [`LifeStep::Abort`].
    pub fn handle_opened(&mut self) {
        if let State::Connecting { opened, .. } = &mut self.state {
            *opened = true;
        }
    }

    /// The broker accepted the connection.
    pub fn handle_connected(&mut self, info: ConnectionInfo) {
        if self.is_connecting() {
            self.state = State::Up {
                since: self.hub.now(),
            };
            self.once = false;
            self.hub.emit(ConnectionEvent::Connected(Box::new(info)));
        }
    }

    /// The attempt failed. `gone`: nothing is left of it that has to be closed.
    pub fn handle_failed(&mut self, error: ConnectError, gone: bool) {
        if !self.is_connecting() {
            return;
        }
        let error = error.hinted(self.options.endpoint.scheme());
        self.failures = self.failures.saturating_add(1);
        let permanent = error.is_permanent();
        let stops = permanent && self.options.reconnect.permanent == PermanentRefusal::Stop;
        let retry_in = if self.once || stops || self.hub.is_over() {
            None
        } else {
            Some(self.delay(permanent))
        };
        let event = ConnectionEvent::ConnectFailed { error, retry_in };
        self.hub.emit(event);
        self.end(retry_in, gone);
    }

    /// The connection ended; `error` is what the transport said, if it broke. `gone`: nothing is
    /// left of it that has to be closed.
    pub fn handle_lost(&mut self, reason: DisconnectReason, error: Option<OpenError>, gone: bool) {
        let State::Up { since } = self.state else {
            return;
        };
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
        let retry_in = match self.hub.is_over() {
            true => None,
            false => Some(self.delay(false)),
        };
        self.hub.emit(ConnectionEvent::Disconnected {
            reason,
            error,
            retry_in,
        });
        self.end(retry_in, gone);
    }

    /// Nothing is left of the connection that was to be closed.
    pub fn handle_closed(&mut self) {
        if let State::Closing { then, .. } = self.state {
            self.closed(then);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.state {
            State::Waiting(at) => Some(at),
            State::Connecting { deadline, .. } | State::Closing { deadline, .. } => Some(deadline),
            State::Up { .. } => None,
            State::Stopped => return None,
        };
        let stop = match self.hub.stop_request() {
            Some(StopRequest::By(deadline)) if !self.is_ending() => Some(deadline),
            Some(StopRequest::By(_) | StopRequest::Now) | None => None,
        };
        own.into_iter().chain(stop).min()
    }

    /// Time has passed. Does nothing when called early; the hub has a `handle_timeout` of its own.
    pub fn handle_timeout(&mut self) {
        let now = self.hub.now();
        match self.state {
            State::Connecting { deadline, .. } if deadline <= now => {
                self.steps.push_back(LifeStep::Abort);
                self.handle_failed(ConnectError::TimedOut, true);
            }
            State::Closing { deadline, then } if deadline <= now => {
                self.steps.push_back(LifeStep::Abort);
                self.closed(then);
            }
            State::Waiting(_)
            | State::Connecting { .. }
            | State::Up { .. }
            | State::Closing { .. }
            | State::Stopped => {}
        }
    }

    /// Whether an attempt is under way.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting { .. })
    }

    /// Whether the broker accepted the connection, and it has not ended.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether what is left of a connection is being closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    /// Whether all is over.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    fn begin(&mut self) {
        let attempt = self.failures.saturating_add(1);
        self.hub.emit(ConnectionEvent::Connecting { attempt });
        self.state = State::Connecting {
            deadline: self.hub.now() + self.options.connect_timeout,
            opened: false,
        };
        let attempt = Attempt::new(&self.options, attempt);
        self.steps.push_back(LifeStep::Connect(attempt));
    }

    fn follow_handles(&mut self) {
        match self.state {
            _ if !self.hub.is_over() => {}
            State::Waiting(_) => self.stop(),
            State::Connecting { opened: false, .. } => {
                self.steps.push_back(LifeStep::Abort);
                self.stop();
            }
            State::Connecting { opened: true, .. } | State::Up { .. } => {
                // Told until it is done.
                if !self.steps.contains(&LifeStep::Disconnect) {
                    self.steps.push_back(LifeStep::Disconnect);
                }
            }
            State::Closing { deadline, .. } => {
                self.state = State::Closing {
                    deadline: self.within_shutdown(deadline),
                    then: Then::Stop,
                };
            }
            State::Stopped => {}
        }
    }

    fn end(&mut self, retry_in: Option<Duration>, gone: bool) {
        let now = self.hub.now();
        let then = retry_in.map_or(Then::Stop, |delay| Then::Retry(now + delay));
        if gone {
            return self.closed(then);
        }
        self.steps.push_back(LifeStep::Close);
        let mut deadline = now + self.options.close_timeout;
        if then == Then::Stop {
            deadline = self.within_shutdown(deadline);
        }
        self.state = State::Closing { deadline, then };
    }

    /// When the goodbye has to be over. After a shutdown's deadline an adapter still writes once,
    /// without waiting for a network that may be down.
    fn within_shutdown(&self, goodbye: Instant) -> Instant {
        match self.hub.stop_request() {
            Some(StopRequest::By(deadline)) => goodbye.min(deadline.max(self.hub.now())),
            Some(StopRequest::Now) | None => goodbye,
        }
    }

    /// There is nothing of a connection any more.
    fn closed(&mut self, then: Then) {
        match then {
            Then::Retry(at) => self.state = State::Waiting(at),
            Then::Stop => self.stop(),
        }
    }

    fn stop(&mut self) {
        self.state = State::Stopped;
        self.steps.push_back(LifeStep::Stop);
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

impl Drop for Lifecycle {
    fn drop(&mut self) {
        self.hub.finish();
    }
}
