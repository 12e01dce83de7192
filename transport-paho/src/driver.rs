//! The thread that serves a client.

use alloc::sync::Arc;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{
    thread,
    time::{Instant, SystemTime},
};

use transport_core::{
    Attempt, ConnectError, ConnectOptions, ConnectionInfo, DisconnectReason, LifeStep, Lifecycle,
    OpenError, Plan, ShadowClient, mqtt_session::DisconnectCode, system_clock,
};

use crate::{
    explain,
    inbox::{Epoch, Fact, Inbox, Limits},
    session::{CONNECT, GOODBYE, PLAN, Session},
};

/// Moves facts from the C library to the hub, and what the hub wants to the C library. It waits
/// for nothing but its inbox, so that it is always drained.
pub(crate) struct Driver {
    life: Lifecycle,
    session: Session,
    inbox: Arc<Inbox>,
    waker: Waker,
    planning: Option<(Attempt, Planning)>,
    /// What the attempt under way is made of.
    attempt: Option<(Attempt, Plan)>,
}

type Planning = Pin<Box<dyn Future<Output = Result<Plan, OpenError>> + Send>>;

impl Driver {
    pub(crate) fn new(options: ConnectOptions) -> Result<(ShadowClient, Self), ConnectError> {
        let session = options.session()?;
        let (client, life) = Lifecycle::new(options, system_clock())?;
        let inbox = Inbox::new(Limits::default());
        let driver = Self {
            session: Session::new(life.hub().clone(), Arc::clone(&inbox), session),
            life,
            waker: Waker::from(Arc::clone(&inbox)),
            inbox,
            planning: None,
            attempt: None,
        };
        Ok((client, driver))
    }

    /// The same, but one whose first attempt is the last if it fails.
    pub(crate) fn once(mut self) -> Self {
        self.life = self.life.once();
        self
    }

    /// Serves the client on a thread of its own.
    pub(crate) fn spawn(self) -> Result<(), OpenError> {
        let thread = thread::Builder::new().name("shadow-paho".into());
        match thread.spawn(move || self.run()) {
            Ok(_) => Ok(()),
            Err(error) => Err(OpenError::new("start a thread", &error)),
        }
    }

    fn run(mut self) {
        loop {
            let hub = self.life.hub().clone();
            self.life.handle_timeout();
            hub.handle_timeout();
            // Before looking for something to do.
            hub.register(&self.waker);
            loop {
                // Outcomes are given out on the way, after which a shutdown may be due.
                while let Some(action) = hub.poll_action() {
                    self.session.act(action);
                }
                match self.life.poll_step() {
                    Some(LifeStep::Stop) => return self.stop(),
                    Some(step) => self.step(step),
                    None => break,
                }
            }
            let mut timeout = hub.time_left();
            if let Some(at) = self.life.poll_timeout() {
                timeout = timeout.min(at.saturating_since(hub.now()));
            }
            // More may have come together; the hub is looked at after some of it.
            for _ in 0..ROUND {
                let Some((epoch, fact)) = self.inbox.wait(timeout) else {
                    break;
                };
                self.handle(epoch, fact);
                timeout = Duration::ZERO;
            }
        }
    }

    fn step(&mut self, step: LifeStep) {
        match step {
            LifeStep::Connect(attempt) => {
                let planning = {
                    let attempt = attempt.clone();
                    async move { attempt.plan(SystemTime::now()).await }
                };
                self.planning = Some((attempt, Box::pin(planning)));
                self.plan();
            }
            LifeStep::Disconnect => {
                self.session.say_goodbye();
                self.life
                    .handle_lost(DisconnectReason::Requested, None, false);
            }
            LifeStep::Close => self.close(),
            LifeStep::Abort => self.abandon(),
            LifeStep::Stop => {}
        }
    }

    /// Connects once it is known how.
    fn plan(&mut self) {
        let Some((attempt, mut planning)) = self.planning.take() else {
            return;
        };
        let waker = self.inbox.waker(self.session.epoch(), PLAN);
        let plan = match planning.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => return self.planning = Some((attempt, planning)),
            Poll::Ready(plan) => plan,
        };
        let begun = plan.and_then(|plan| {
            self.session.connect(&plan)?;
            Ok(plan)
        });
        match begun {
            Ok(plan) => self.attempt = Some((attempt, plan)),
            Err(error) => self.life.handle_failed(error.into(), true),
        }
    }

    fn handle(&mut self, epoch: Epoch, fact: Fact) {
        let present = epoch == self.session.epoch();
        if present && !self.life.is_up() && !matches!(fact, Fact::Done(_)) {
            // The C library may have connected, and have more to tell, before this thread had it
            // tell so.
            self.connected();
        }
        match fact {
            Fact::Done(PLAN) => self.plan(),
            Fact::Done(CONNECT) => {
                self.session.clear();
                self.connected();
            }
            Fact::Explained(error) if present => self.life.handle_failed(*error, true),
            _ if !present => {}
            Fact::Done(GOODBYE) => self.close(),
            Fact::Done(operation) => self.session.look(operation),
            // Whether connected or not: it is acknowledged, so nobody would send it again.
            Fact::Message(message) => {
                if let Err(error) = self.session.arrived(&message) {
                    self.drop_connection(DisconnectReason::Protocol(error), None);
                }
            }
            Fact::Lost => self.lost(DisconnectReason::TransportClosed),
            Fact::Ended {
                code,
                reason_string,
                server_reference,
            } => self.lost(DisconnectReason::ByServer {
                code: DisconnectCode::new(code),
                reason_string,
                server_reference,
            }),
            Fact::Overflow => {
                let message = "more messages arrived than could be dealt with";
                let error = std::io::Error::other(message);
                let error = OpenError::new("keep up", &error);
                self.drop_connection(DisconnectReason::TransportClosed, Some(error));
            }
            Fact::Explained(_) => {}
        }
    }

    fn connected(&mut self) {
        match self.session.connected() {
            None => {}
            Some(Ok(session_present)) => {
                self.attempt = None;
                let info = ConnectionInfo::new(session_present);
                self.life.handle_connected(info);
            }
            Some(Err(error)) => {
                let Some((attempt, plan)) = self.attempt.take() else {
                    return;
                };
                match explain::known(&error, &plan) {
                    Some(known) => self.life.handle_failed(known, true),
                    None => {
                        let epoch = self.session.epoch();
                        explain::find_out(&self.inbox, epoch, attempt, plan, &error);
                    }
                }
            }
        }
    }

    fn lost(&mut self, reason: DisconnectReason) {
        // Told twice, or after the goodbye.
        if self.life.is_up() {
            self.session.handle_lost();
            self.life.handle_lost(reason, None, true);
        }
    }

    /// Ends a connection that cannot go on.
    fn drop_connection(&mut self, reason: DisconnectReason, error: Option<OpenError>) {
        if self.life.is_up() {
            self.session.abandon();
            self.life.handle_lost(reason, error, true);
        }
    }

    fn close(&mut self) {
        if self.life.is_closing() && self.session.closed() {
            self.life.handle_closed();
        }
    }

    fn abandon(&mut self) {
        self.planning = None;
        self.attempt = None;
        self.session.abandon();
    }

    /// Nobody waits for this thread any more, but a client in the middle of an attempt to connect
    /// may only go when the C library is through with it.
    fn stop(mut self) {
        self.abandon();
        let patience = self.session.options().connack_timeout + GRACE;
        let begun = Instant::now();
        while self.session.has_leftovers() {
            let Some(left) = patience.checked_sub(begun.elapsed()) else {
                return self.session.forget_leftovers();
            };
            if let Some((_, Fact::Done(CONNECT))) = self.inbox.wait(left) {
                self.session.clear();
            }
        }
    }
}

/// Facts handled before the hub is looked at again.
const ROUND: usize = 64;
/// The C library looks for attempts that take too long every three seconds.
const GRACE: Duration = Duration::from_secs(10);
