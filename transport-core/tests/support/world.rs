//! A client and a broker joined without sockets, in virtual time.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "each test target uses its part"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where its world does not work"
)]

use core::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::sync::Arc;

use transport_core::{
    ConnectOptions, Connection, Instant, MqttVersion, OpenError, ShadowClient, TransportStep,
};

use super::broker::Broker;

pub struct World {
    pub broker: Broker,
    connection: Connection,
    millis: Arc<AtomicU64>,
    open: bool,
    /// Whether the broker can be reached.
    pub reachable: bool,
    /// Whether opening a transport ever ends.
    pub stalled: bool,
    /// Bytes moved at a time.
    pub chunk: usize,
    pub ended: bool,
    /// Attempts to open a transport, by the time they were made.
    pub attempts: Vec<Duration>,
}

impl World {
    pub fn new() -> (ShadowClient, Self) {
        Self::with(|_| {})
    }

    pub fn with(set: impl FnOnce(&mut ConnectOptions)) -> (ShadowClient, Self) {
        let mut options = ConnectOptions::from_url("mqtt://broker").unwrap();
        options.version = MqttVersion::V3_1_1;
        options.reconnect.jitter_percent = 0;
        set(&mut options);
        let millis = Arc::new(AtomicU64::new(0));
        let its = Arc::clone(&millis);
        let clock =
            move || Instant::from_origin(Duration::from_millis(its.load(Ordering::Relaxed)));
        let (client, connection) = Connection::new(options, Arc::new(clock)).unwrap();
        let world = Self {
            broker: Broker::new(),
            connection,
            millis,
            open: false,
            reachable: true,
            stalled: false,
            chunk: usize::MAX,
            ended: false,
            attempts: Vec::new(),
        };
        (client, world)
    }

    /// The first failed attempt is the last.
    pub fn once(mut self) -> Self {
        self.connection = self.connection.once();
        self
    }

    pub fn now(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    /// Moves everything that moves without time passing; whether anything did.
    pub fn settle(&mut self) -> bool {
        let mut moved = false;
        while !self.ended && self.step() {
            moved = true;
        }
        moved
    }

    /// Cuts the connection, as a pulled cable does when the system notices.
    pub fn cut(&mut self) {
        self.open = false;
        self.broker.reset();
        self.connection.handle_closed(None);
    }

    /// Lets time pass, serving every deadline on the way.
    pub fn sleep(&mut self, length: Duration) {
        let end = self.now() + length;
        self.settle();
        while let Some(next) = self.next_deadline().filter(|at| *at <= end) {
            self.pass(next);
        }
        self.millis
            .store(u64::try_from(end.as_millis()).unwrap(), Ordering::Relaxed);
        self.settle();
    }

    /// Polls a future until it is ready; time jumps to the next deadline when nothing else moves.
    pub fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        let end = self.now() + Duration::from_secs(600);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            if self.settle() {
                continue;
            }
            let next = self.next_deadline();
            let Some(next) = next.filter(|at| *at <= end && !self.ended) else {
                panic!("nothing will happen any more: {:#?}", self.broker.log);
            };
            self.pass(next);
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let at = self.connection.poll_timeout()?.since_origin();
        // The clock of this world has milliseconds.
        Some(Duration::from_millis(
            u64::try_from(at.as_nanos().div_ceil(1_000_000)).unwrap(),
        ))
    }

    fn pass(&mut self, to: Duration) {
        let before = self.connection.poll_timeout();
        let to = to.max(self.now());
        self.millis
            .store(u64::try_from(to.as_millis()).unwrap(), Ordering::Relaxed);
        self.connection.handle_timeout();
        self.settle();
        assert_ne!(
            before,
            self.connection.poll_timeout(),
            "a deadline that stays: a hot loop"
        );
    }

    fn step(&mut self) -> bool {
        let mut moved = false;
        while let Some(step) = self.connection.poll_step() {
            moved = true;
            match step {
                TransportStep::Open(_) => {
                    let now = self.now();
                    self.attempts.push(now);
                    if self.stalled {
                    } else if self.reachable {
                        self.open = true;
                        self.broker.reset();
                        self.connection.handle_opened();
                    } else {
                        let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                        self.connection
                            .handle_open_failed(OpenError::new("connect", &error));
                    }
                }
                TransportStep::Close => {
                    while !self.connection.output().is_empty() {
                        self.write();
                    }
                    self.cut();
                }
                TransportStep::Abort => self.open = false,
                TransportStep::Stop => {
                    self.open = false;
                    self.ended = true;
                    return true;
                }
            }
        }
        if !self.open {
            return moved;
        }
        moved |= self.write();
        let output = self.broker.take_output();
        for piece in output.chunks(self.chunk) {
            if !self.open || !self.connection.wants_input() {
                break;
            }
            self.connection.input().extend_from_slice(piece);
            self.connection.handle_input();
            moved = true;
        }
        moved
    }

    fn write(&mut self) -> bool {
        let output = self.connection.output();
        if output.is_empty() {
            return false;
        }
        let count = output.len().min(self.chunk);
        let more = self.broker.feed(output.get(..count).unwrap());
        self.connection.handle_written(count);
        if !more && self.open {
            // Its last words arrive before the end of the stream.
            let output = self.broker.take_output();
            self.connection.input().extend_from_slice(&output);
            self.connection.handle_input();
            self.open = false;
            self.connection.handle_closed(None);
        }
        true
    }
}
