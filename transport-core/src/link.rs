//! A hub joined to an MQTT session: bytes in, bytes out.

use alloc::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use mqtt_session::{
    Connected, Disconnect, DisconnectReason, Event, Input, NotSent, Publish, PublishError,
    PublishOutcome, PublishToken, Qos, Refusal, RequestError, Restore, Session, SubscribeToken,
    TopicFilter, UnsubscribeToken,
};
use shadow_proto::{Instant, PubackCode, SubackCode};

use crate::{
    action::{Action, ActionId},
    error::PublishFailure,
    hub::Hub,
};

/// The shadow client and the application's plain messages over one MQTT session, without IO and
/// without a clock but the hub's: what an adapter, or a simulation, drives byte by byte.
///
/// It outlives connections. After each call, take out [`poll_event`](Self::poll_event) until it is
/// `None`, write what [`write_output`](Self::write_output) gives, and call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due.
/// [`Connection`](crate::Connection) does that and decides when to connect.
///
/// ```
/// use transport_core::{BytesMut, ConnectOptions, Hub, HubOptions, Link, LinkEvent};
/// use transport_core::{mqtt_session::Session, shadow_config, system_clock};
///
/// let (client, hub) = Hub::new(shadow_config(), HubOptions::default(), system_clock());
/// let options = ConnectOptions::from_url("mqtt://127.0.0.1:1883")?;
/// let mut link = Link::new(hub, Session::new(options.session()?)?);
/// link.handle_opened();
/// let mut output = BytesMut::new();
/// link.write_output(&mut output);
/// assert_eq!(output[0] >> 4, 1, "a CONNECT");
/// link.handle_closed();
/// assert!(matches!(link.poll_event(), Some(LinkEvent::Disconnected(_))));
/// # drop(client);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Link {
    hub: Hub,
    session: Session,
    /// Publishes that have not ended. Tokens ascend, and the oldest end first.
    publishes: VecDeque<(PublishToken, ActionId)>,
    /// Publishes for which the session has no room yet, in order. The limits of the hub's requests
    /// and messages bound them.
    held: VecDeque<(ActionId, Publish)>,
    /// Publishes that the connection did not send before it went.
    unsent: Vec<ActionId>,
    subscribes: BTreeMap<SubscribeToken, ActionId>,
    unsubscribes: BTreeMap<UnsubscribeToken, ActionId>,
    events: VecDeque<LinkEvent>,
}

/// What became of the connection.
///
/// Each [`Link::handle_opened`] is followed by at most one [`Connected`](Self::Connected) and
/// exactly one of the others, after which the transport is to be closed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must have an answer to each"
)]
pub enum LinkEvent {
    /// The broker accepted the CONNECT.
    Connected(Box<Connected>),
    /// The broker refused the CONNECT.
    Refused(Box<Refusal>),
    /// The connection is over.
    Disconnected(DisconnectReason),
}

impl Link {
    /// Joins a hub to a session.
    #[must_use]
    pub fn new(hub: Hub, session: Session) -> Self {
        Self {
            hub: hub.for_its_driver(),
            session,
            publishes: VecDeque::new(),
            held: VecDeque::new(),
            unsent: Vec::new(),
            subscribes: BTreeMap::new(),
            unsubscribes: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// The transport is open: the CONNECT is output.
    pub fn handle_opened(&mut self) {
        let now = self.hub.now();
        self.session.handle_opened(now);
        self.pump();
    }

    /// Takes complete packets off the front of `input`; what is left waits for the bytes that
    /// follow. How the bytes are cut into calls makes no difference.
    ///
    /// [`Input::Blocked`] means that output has to be written first: write, then call again
    /// before reading more.
    pub fn handle_bytes(&mut self, input: &mut BytesMut) -> Input {
        loop {
            let before = input.len();
            let taken = self.session.handle_bytes(input, self.hub.now());
            self.pump();
            // Blocked by events that the pump has taken out by now, unless nothing moves.
            if taken == Input::Taken || input.len() == before {
                return taken;
            }
        }
    }

    /// The transport is gone.
    pub fn handle_closed(&mut self) {
        let now = self.hub.now();
        self.session.handle_closed(now);
        self.pump();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self) {
        let now = self.hub.now();
        self.session.handle_timeout(now);
        self.pump();
        self.hub.handle_timeout();
        self.pump_if(true);
    }

    /// Ends the connection with a DISCONNECT, behind what can still be sent.
    pub fn disconnect(&mut self) {
        self.pump();
        let now = self.hub.now();
        self.session.disconnect(Disconnect::default(), now);
        self.pump();
    }

    /// Appends the bytes to be sent to `output`. To be called when the last ones were written.
    pub fn write_output(&mut self, output: &mut BytesMut) {
        self.pump();
        let now = self.hub.now();
        self.session.write_output(output, now);
        // Messages at QoS 0 end with being written.
        self.pump();
    }

    /// What became of the connection. Handles what the hub's handles did meanwhile on the way.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.pump();
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (hub, session) = (self.hub.poll_timeout(), self.session.poll_timeout());
        hub.into_iter().chain(session).min()
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session's options for the next connect.
    ///
    /// # Errors
    /// The first option that cannot be said in a CONNECT; the old ones stay.
    pub fn set_options(
        &mut self,
        options: mqtt_session::Options,
    ) -> Result<(), mqtt_session::OptionsError> {
        self.session.set_options(options)
    }

    /// Moves everything that can move between hub and session, if anything has happened to either.
    fn pump(&mut self) {
        let changed = self.hub.take_changed();
        self.pump_if(changed);
    }

    /// Events first: what the hub wants done may depend on them. Without any, and if the hub has
    /// not changed by itself, there is nothing to be done.
    fn pump_if(&mut self, mut changed: bool) {
        loop {
            while let Some(event) = self.session.poll_event() {
                self.handle_event(event);
                changed = true;
            }
            if !changed {
                return;
            }
            self.push_held();
            match self.hub.poll_action() {
                Some(action) => self.act(action),
                None => return,
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected(connected) => {
                self.hub.handle_connected(connected.session_present);
                if connected.session_doubted {
                    self.hub.handle_session_doubted();
                }
                self.events.push_back(LinkEvent::Connected(connected));
            }
            Event::ConnectRefused(refusal) => {
                self.events.push_back(LinkEvent::Refused(refusal));
            }
            Event::Disconnected { reason } => {
                // Their ids mean nothing on another connection.
                self.subscribes.clear();
                self.unsubscribes.clear();
                self.hub.handle_disconnected();
                // Only now: what fails while connected has failed, after that it may wait.
                for id in self.unsent.drain(..) {
                    self.hub.handle_send_failed(id);
                }
                self.events.push_back(LinkEvent::Disconnected(reason));
            }
            Event::Message(message) => {
                // Whether anybody wanted it or not: the next `poll_event` acknowledges it.
                let _ = self.hub.handle_message(&message.into());
            }
            Event::Published { token, outcome } => {
                let at = self.publishes.binary_search_by_key(&token, |it| it.0);
                let found = at.ok().and_then(|at| self.publishes.remove(at));
                if let Some((_, id)) = found {
                    self.published(id, &outcome);
                }
            }
            Event::Subscribed { token, codes, .. } => {
                if let Some(id) = self.subscribes.remove(&token) {
                    let codes: Vec<SubackCode> = codes
                        .iter()
                        .map(|code| SubackCode::new(code.value()))
                        .collect();
                    self.hub.handle_suback(id, &codes);
                }
            }
            Event::SubscribeLost { token, .. } => {
                if let Some(id) = self.subscribes.remove(&token) {
                    self.hub.handle_subscribe_failed(id);
                }
            }
            Event::Unsubscribed { token, .. } => {
                if let Some(id) = self.unsubscribes.remove(&token) {
                    self.hub.handle_unsuback(id);
                }
            }
            Event::Restored { code, .. } => {
                // A CONNECT went unanswered before, and the session found may be a newer one than
                // ours. With a filter refused it is certain that what the hub believes is not so:
                // to the hub, the session is lost.
                if !code.is_success() {
                    self.subscribes.clear();
                    self.unsubscribes.clear();
                    self.hub.handle_disconnected();
                    self.hub.handle_connected(false);
                }
            }
            _ => debug_assert!(false, "an event this link does not know"),
        }
    }

    fn published(&mut self, id: ActionId, outcome: &PublishOutcome) {
        match outcome {
            PublishOutcome::Written => self.hub.handle_written(id),
            PublishOutcome::Acknowledged { code, .. } => {
                self.hub.handle_puback(id, PubackCode::new(code.value()));
            }
            // A lost session ends a shadow's requests by itself.
            PublishOutcome::Lost => self.hub.handle_lost(id),
            PublishOutcome::NotSent(NotSent::Disconnected) => self.unsent.push(id),
            PublishOutcome::NotSent(reason) => {
                self.hub.handle_publish_failed(id, not_sent(*reason));
            }
            _ => debug_assert!(false, "an outcome this link does not know"),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Subscribe { id, filters, qos } => self.subscribe(id, &filters, qos),
            Action::Unsubscribe { id, filters } => self.unsubscribe(id, &filters),
            Action::Publish { id, message } => {
                self.held.push_back((id, message));
                self.push_held();
            }
            Action::Withdraw { id } => {
                // What was written has its answer still to come, and keeps its place.
                self.held.retain(|(held, _)| *held != id);
                let session = &mut self.session;
                let cancelled = |it: &(PublishToken, ActionId)| it.1 == id && session.cancel(it.0);
                if let Some(at) = self.publishes.iter().position(cancelled) {
                    self.publishes.remove(at);
                }
            }
        }
    }

    /// Hands publishes to the session while it has room.
    fn push_held(&mut self) {
        while let Some((id, publish)) = self.held.pop_front() {
            // Room comes with the end of those before it.
            let waits = publish.qos != Qos::AtMostOnce || self.session.is_connected();
            if waits && self.session.pending_publishes() > 0 && !self.session.has_room(&publish) {
                self.held.push_front((id, publish));
                return;
            }
            match self.session.publish(publish, self.hub.now()) {
                Ok(token) => {
                    self.publishes.push_back((token, id));
                }
                Err(PublishError::NotConnected) => self.hub.handle_send_failed(id),
                Err(error) => {
                    let failure = PublishFailure::Refused(error);
                    self.hub.handle_publish_failed(id, failure);
                }
            }
        }
    }

    fn subscribe(&mut self, id: ActionId, filters: &[Box<str>], qos: Qos) {
        let filters: Result<Vec<_>, _> = filters
            .iter()
            .map(|filter| TopicFilter::new(&**filter).map(|filter| (filter, qos)))
            .collect();
        let now = self.hub.now();
        let asked = filters.map(|filters| {
            self.session
                .subscribe(id.owner(), &filters, Restore::ByOwner, now)
        });
        match asked {
            Ok(Ok(token)) => {
                self.subscribes.insert(token, id);
            }
            Ok(Err(RequestError::NotConnected)) => self.hub.handle_subscribe_failed(id),
            // It will not fit the next time either.
            Ok(Err(_)) => self.hub.handle_suback(id, &[QUOTA_EXCEEDED]),
            Err(_) => self.hub.handle_suback(id, &[FILTER_INVALID]),
        }
    }

    fn unsubscribe(&mut self, id: ActionId, filters: &[Box<str>]) {
        let filters = filters.iter().map(|filter| TopicFilter::new(&**filter));
        let filters: Vec<_> = filters.filter_map(Result::ok).collect();
        let now = self.hub.now();
        match self.session.unsubscribe(id.owner(), &filters, now) {
            Ok(token) => {
                self.unsubscribes.insert(token, id);
            }
            // Whoever waits is told at its deadline; the filter ends with the session.
            Err(_) => self.hub.handle_unsuback(id),
        }
    }
}

/// What was taken without knowing the server turned out not to be possible with it.
fn not_sent(reason: NotSent) -> PublishFailure {
    match reason {
        NotSent::QosNotSupported => {
            // Which is known: whoever supports no QoS 1 supports QoS 0.
            let maximum = Qos::AtMostOnce;
            PublishFailure::Refused(PublishError::QosNotSupported { maximum })
        }
        NotSent::RetainNotSupported => PublishFailure::Refused(PublishError::RetainNotSupported),
        NotSent::Disconnected | NotSent::Expired | NotSent::TooLarge | _ => PublishFailure::NotSent,
    }
}

/// MQTT 5, section 3.9.3.
const QUOTA_EXCEEDED: SubackCode = SubackCode::new(0x97);
const FILTER_INVALID: SubackCode = SubackCode::new(0x8f);
