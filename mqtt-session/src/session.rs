//! The session: what a driver feeds and drains.

mod connect;
mod dispatch;
mod events;
mod goodbye;
mod incoming;
mod keep_alive;
mod outgoing;
mod packet_ids;
mod requests;

use core::fmt;

use bytes::BytesMut;
use shadow_proto::Instant;

pub use self::goodbye::Disconnect;
use self::{
    connect::Asked,
    events::Events,
    incoming::Incoming,
    keep_alive::{Due, KeepAlive},
    outgoing::{Line, Outgoing, check_server},
    packet_ids::PacketIds,
    requests::{Requests, Wire},
};
use crate::{
    DisconnectReason, Event, Options, OptionsError, Publish, PublishError, PublishToken, Qos,
    RequestError, ServerLimits, SubscribeToken, TopicFilter, UnsubscribeToken, codec,
    subscriptions::{Owner, Restore},
};

/// An MQTT client session over a transport that the driver owns.
///
/// It outlives connections: [`handle_opened`](Self::handle_opened) begins one, the final event
/// ends it, and QoS 1 and 2 publishes and subscriptions live on for the next one. No call blocks,
/// panics on peer bytes, or reads a clock; a `now` earlier than the last one seen counts as that.
pub struct Session {
    /// For the next connect; limits and timeouts for now.
    options: Options,
    /// What this connection asked for.
    asked: Asked,
    phase: Phase,
    /// Counts connections, so that a message of an earlier one is not acknowledged on this.
    connection: u64,
    now: Instant,
    /// What the server of this connection allows.
    server: ServerLimits,
    /// Whether the server keeps the session when the connection ends.
    survives: bool,
    /// A CONNECT was sent since the last CONNACK and not answered: the server may have begun
    /// another session for it, so that "session present" proves nothing.
    doubt: bool,
    assigned_client_id: Option<String>,
    /// The client id whose session this is: that of the last CONNECT.
    session_of: Option<String>,
    keep_alive: KeepAlive,
    ids: PacketIds,
    /// Encoded packets other than PUBLISH. They overtake waiting publishes.
    control: BytesMut,
    outgoing: Outgoing,
    incoming: Incoming,
    requests: Requests,
    events: Events,
    /// Bytes of the input that were there after the last call.
    unfinished: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// No connection; output of the last one may be left.
    Closed,
    /// CONNECT is queued or sent.
    Connecting { deadline: Instant },
    /// The server accepted.
    Connected,
}

impl Session {
    /// A session that is not connected.
    ///
    /// # Errors
    ///
    /// The first option that cannot be said in a CONNECT.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        Ok(Self {
            asked: Asked::new(&options),
            options,
            phase: Phase::Closed,
            connection: 0,
            now: Instant::ORIGIN,
            server: ServerLimits::default(),
            survives: false,
            doubt: false,
            assigned_client_id: None,
            session_of: None,
            keep_alive: KeepAlive::default(),
            ids: PacketIds::new(),
            control: BytesMut::new(),
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            requests: Requests::default(),
            events: Events::default(),
            unfinished: 0,
        })
    }

    /// Takes these options for the next connect: fresh credentials, another version, no clean
    /// start this time. Limits and timeouts hold at once. Another client id is another session:
    /// the next connect begins by losing this one.
    ///
    /// # Errors
    ///
    /// The first option that cannot be said in a CONNECT; the old ones stay.
    pub fn set_options(&mut self, options: Options) -> Result<(), OptionsError> {
        options.check()?;
        self.options = options;
        Ok(())
    }

    /// The options in force.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The transport is open (TLS and WebSocket included): queues the CONNECT.
    ///
    /// A connection still open in the session's eyes ends first, as by
    /// [`handle_closed`](Self::handle_closed). Bytes read from an earlier transport must not be
    /// fed any more.
    pub fn handle_opened(&mut self, now: Instant) {
        self.handle_closed(now);
        self.open(self.now);
    }

    /// Takes complete packets off the front of `input`; what is left is the beginning of a packet
    /// that goes on with the next bytes read, appended to the same buffer.
    ///
    /// Payloads are views into `input`'s memory, so a driver reuses one `BytesMut` and reads into
    /// its spare capacity. How the bytes are cut into calls makes no difference.
    ///
    /// [`Input::Blocked`] means that events or output have to be taken first and that packets may
    /// wait in `input`: drain, flush, then call again before reading more.
    pub fn handle_bytes(&mut self, input: &mut BytesMut, now: Instant) -> Input {
        self.advance(now);
        if input.len() > self.unfinished {
            self.keep_alive.handle_received(self.now);
        }
        while self.phase != Phase::Closed {
            if input.is_empty() {
                self.unfinished = 0;
                return Input::Taken;
            }
            if self.is_blocked() {
                self.unfinished = input.len();
                return Input::Blocked;
            }
            let packet = codec::decode(input, self.asked.version, self.asked.max_packet_size);
            let handled = match packet {
                Ok(Some(packet)) => self.handle_packet(packet),
                Ok(None) => {
                    self.unfinished = input.len();
                    return Input::Taken;
                }
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                self.fail(error);
            }
        }
        // After the final event nothing the server says matters.
        input.clear();
        self.unfinished = 0;
        Input::Taken
    }

    /// The transport is gone (end of stream, or an error). Without effect after a final event.
    pub fn handle_closed(&mut self, now: Instant) {
        self.advance(now);
        if self.phase != Phase::Closed {
            self.finish(Event::Disconnected {
                reason: DisconnectReason::TransportClosed,
            });
        }
        self.control.clear();
    }

    /// Time has passed: keep-alive, timeouts.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.outgoing.handle_timeout(self.now, &mut self.events);
        match self.phase {
            Phase::Closed => {}
            Phase::Connecting { deadline } => {
                if self.now >= deadline {
                    self.finish(Event::Disconnected {
                        reason: DisconnectReason::ConnackTimeout,
                    });
                }
            }
            Phase::Connected => match self.keep_alive.handle_timeout(self.now) {
                Due::Nothing => {}
                Due::Ping => {
                    let _ = codec::ping_request(&mut self.control);
                }
                Due::Dead => self.finish(Event::Disconnected {
                    reason: DisconnectReason::PingTimeout,
                }),
            },
        }
    }

    /// Queues a message.
    ///
    /// QoS 1 and 2 are taken with or without a connection, kept across connections while the
    /// session lives, and end in one [`Event::Published`]; QoS 0 needs a connection. All leave in
    /// the order of the calls; beyond the server's receive maximum they wait.
    ///
    /// # Errors
    ///
    /// The message is not taken: illegal, too large, queue full, or not possible with this server.
    pub fn publish(
        &mut self,
        publish: Publish,
        now: Instant,
    ) -> Result<PublishToken, PublishError> {
        self.advance(now);
        publish.check()?;
        let version = if self.phase == Phase::Closed {
            self.options.version
        } else {
            self.asked.version
        };
        if !self.is_connected() && publish.qos == Qos::AtMostOnce {
            return Err(PublishError::NotConnected);
        }
        // Without a connection these are the widest limits; the server's own are checked again
        // when the message is sent.
        check_server(&publish, version, &self.server)?;
        if self.events.is_neglected(&self.options.limits) {
            return Err(PublishError::QueueFull);
        }
        self.outgoing.push(publish, &self.options.limits, self.now)
    }

    /// Whether [`publish`](Self::publish) would have room for a message, so that a driver need not
    /// give it away to be told [`PublishError::QueueFull`].
    #[must_use]
    pub fn has_room(&self, publish: &Publish) -> bool {
        let limits = &self.options.limits;
        !self.events.is_neglected(limits) && self.outgoing.has_room(publish, limits)
    }

    /// Takes back a publish of which no byte was written yet; it will have no event. `false` if
    /// it was written, has ended, or is unknown.
    pub fn cancel(&mut self, publish: PublishToken) -> bool {
        self.outgoing.cancel(publish)
    }

    /// Subscribes `owner` to filters, each with the highest quality of service it wants.
    ///
    /// A filter somebody else holds at that quality is granted without asking the server (who
    /// therefore sends no retained messages for it). The answer is one [`Event::Subscribed`] with
    /// a code for each filter; a refused filter is not held. Asking again for a filter the owner
    /// holds replaces its quality.
    ///
    /// # Errors
    ///
    /// The request is not taken; nothing has changed.
    pub fn subscribe(
        &mut self,
        owner: Owner,
        filters: &[(TopicFilter, Qos)],
        restore: Restore,
        now: Instant,
    ) -> Result<SubscribeToken, RequestError> {
        self.advance(now);
        if !self.is_connected() && restore == Restore::ByOwner {
            return Err(RequestError::NotConnected);
        }
        self.check_events()?;
        let limits = &self.options.limits;
        let token = self
            .requests
            .subscribe(owner, filters, restore, limits, &mut self.events)?;
        self.send_requests();
        Ok(token)
    }

    /// Ends `owner`'s hold on filters; the last owner's end is told to the server.
    ///
    /// From this call on [`subscribers`](Self::subscribers) does not name the owner for them. The
    /// answer is one [`Event::Unsubscribed`]. Without a connection the server is told at the next
    /// one, if it still knows the session.
    ///
    /// # Errors
    ///
    /// The request is not taken; nothing has changed.
    pub fn unsubscribe(
        &mut self,
        owner: Owner,
        filters: &[TopicFilter],
        now: Instant,
    ) -> Result<UnsubscribeToken, RequestError> {
        self.advance(now);
        self.check_events()?;
        let limits = &self.options.limits;
        let token = self
            .requests
            .unsubscribe(owner, filters, limits, &mut self.events)?;
        self.send_requests();
        Ok(token)
    }

    /// The next event.
    ///
    /// Calling this also acknowledges the message handed out before: its PUBACK or PUBREC is
    /// queued now, when the caller has dealt with it, and not when it arrived.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(delivery) = self.events.take_handed_out() {
            self.acknowledge(delivery);
        }
        self.events.pop()
    }

    /// Appends all bytes that can be sent to `output` and counts them as sent.
    ///
    /// Call it when the previous output was written, so that a slow transport holds the queue in
    /// the session, where limits apply.
    pub fn write_output(&mut self, output: &mut BytesMut, now: Instant) {
        self.advance(now);
        let before = output.len();
        if !self.control.is_empty() {
            output.extend_from_slice(&self.control);
            self.control.clear();
        }
        if self.phase == Phase::Connected {
            let line = line(&self.options, &self.asked, &self.server, self.now);
            self.outgoing
                .write(line, &mut self.ids, &mut self.events, output);
        }
        if output.len() > before {
            self.keep_alive.handle_sent(self.now);
        }
        self.check_invariants();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connection = match self.phase {
            Phase::Closed => None,
            Phase::Connecting { deadline } => Some(deadline),
            Phase::Connected => self.keep_alive.deadline(),
        };
        let expiry = self.outgoing.deadline();
        connection.into_iter().chain(expiry).min()
    }

    /// Whether [`write_output`](Self::write_output) has something to do.
    #[must_use]
    pub fn has_output(&self) -> bool {
        let line = line(&self.options, &self.asked, &self.server, self.now);
        !self.control.is_empty() || (self.is_connected() && self.outgoing.has_output(line))
    }

    /// Whether the server has accepted the connection and it has not ended.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Publishes that have not ended: waiting, or sent and not answered.
    #[must_use]
    pub fn pending_publishes(&self) -> usize {
        self.outgoing.len()
    }

    /// The client id in use: the one asked for, or the one the server assigned.
    #[must_use]
    pub fn client_id(&self) -> &str {
        match &self.assigned_client_id {
            Some(assigned) if self.options.client_id.is_empty() => assigned,
            Some(_) | None => &self.options.client_id,
        }
    }

    /// The owners that a message to this topic goes to, each once, in ascending order.
    pub fn subscribers(&self, topic: &str) -> impl Iterator<Item = Owner> + use<> {
        self.requests.table().owners(topic).into_iter()
    }

    /// Time never goes back.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn check_events(&self) -> Result<(), RequestError> {
        if self.events.is_neglected(&self.options.limits) {
            return Err(RequestError::TooManyRequests);
        }
        Ok(())
    }

    fn is_blocked(&self) -> bool {
        let limits = &self.options.limits;
        self.events.is_full(limits) || self.control.len() >= limits.control_bytes
    }

    fn send_requests(&mut self) {
        if self.is_connected() {
            self.with_wire(Requests::send);
        }
    }

    fn with_wire<T>(&mut self, act: impl FnOnce(&mut Requests, &mut Wire<'_>) -> T) -> T {
        let mut wire = Wire {
            version: self.asked.version,
            server: &self.server,
            filters_per_packet: self.options.limits.filters_per_packet,
            ids: &mut self.ids,
            control: &mut self.control,
            events: &mut self.events,
        };
        act(&mut self.requests, &mut wire)
    }

    fn check_invariants(&self) {
        #[cfg(any(test, fuzzing, debug_assertions))]
        self.outgoing.check_invariants();
    }
}

/// The CONNECT among the output holds user name and password, so buffers are not shown.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("options", &self.options)
            .field("phase", &self.phase)
            .field("connection", &self.connection)
            .field("now", &self.now)
            .field("publishes", &self.outgoing.len())
            .field("holds", &self.requests.table().holds())
            .field("events", &self.events.len())
            .field("control_bytes", &self.control.len())
            .finish_non_exhaustive()
    }
}

fn line<'a>(options: &Options, asked: &Asked, server: &'a ServerLimits, now: Instant) -> Line<'a> {
    let window = options
        .limits
        .in_flight
        .min(server.receive_maximum)
        .min(MAX_IN_FLIGHT);
    Line {
        version: asked.version,
        server,
        window: usize::from(window),
        now,
    }
}

/// Leaves packet identifiers for SUBSCRIBE and UNSUBSCRIBE.
const MAX_IN_FLIGHT: u16 = 60_000;

/// Whether [`Session::handle_bytes`] took every complete packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "blocked input has to be fed again"]
#[expect(clippy::exhaustive_enums, reason = "taken or not")]
pub enum Input {
    /// Yes; read more.
    Taken,
    /// No: take events and output, then call again with the same buffer.
    Blocked,
}
