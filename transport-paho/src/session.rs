//! One client after the other of the C library, driven by a hub.

mod operations;

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use core::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, panic::catch_unwind, sync::OnceLock};

use operations::Operation;
use paho_mqtt::{self as paho, AsyncClient, PropertyCode, ServerResponse, Token};
use transport_core::{
    ActionId, Hub, Message, MqttQos, OpenError, Plan,
    mqtt_session::{Options, ProtocolError},
};

use crate::{
    filters::Filters,
    inbox::{Epoch, Fact, Inbox},
    lease::Lease,
    settings::{self, TempFile},
};

/// The MQTT session of the C library, and what the hub waits for from it.
///
/// A client of the C library that ends for good is replaced by another: nothing that it has queued
/// can then be sent on the next connection before the filters are subscribed again. Only where the
/// broker keeps the session the same client goes on, and repeats what was not acknowledged.
pub(crate) struct Session {
    hub: Hub,
    inbox: Arc<Inbox>,
    options: Options,
    client: Option<AsyncClient>,
    epoch: Epoch,
    connecting: Option<Token>,
    goodbye: Option<Token>,
    /// While the client speaks, or may speak, over a WebSocket.
    lease: Option<Lease>,
    /// Certificates for the attempt under way.
    file: Option<TempFile>,
    filters: Filters,
    waiting: BTreeMap<u64, Operation>,
    next: u64,
    /// Publishes for which the C library has no room, in order.
    held: VecDeque<(ActionId, MqttQos, paho::Message)>,
    leftovers: Vec<Leftover>,
}

/// A client whose attempt to connect was given up. The C library has no way to end one, and must
/// not see its client go before its callback has been: the last reference would be dropped in it.
struct Leftover {
    epoch: Epoch,
    client: AsyncClient,
    token: Token,
    lease: Option<Lease>,
}

impl Session {
    pub(crate) fn new(hub: Hub, inbox: Arc<Inbox>, options: Options) -> Self {
        Self {
            hub,
            inbox,
            options,
            client: None,
            epoch: 0,
            connecting: None,
            goodbye: None,
            lease: None,
            file: None,
            filters: Filters::default(),
            waiting: BTreeMap::new(),
            next: FIRST,
            held: VecDeque::new(),
            leftovers: Vec::new(),
        }
    }

    /// What it connects with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Which client is the present one.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Begins to connect. [`connected`](Self::connected) knows the end.
    pub(crate) fn connect(&mut self, plan: &Plan) -> Result<(), OpenError> {
        let (options, file) = settings::connect(plan, &self.options)?;
        if plan.url.expose().starts_with("ws") && self.lease.is_none() {
            let lease = Lease::take().ok_or_else(|| {
                let message = "another client of this process is connected over a WebSocket, \
                               and the C library can have one at a time";
                plan.error(&io::Error::new(io::ErrorKind::ResourceBusy, message))
            })?;
            self.lease = Some(lease);
        }
        let client = match self.client.clone() {
            Some(client) => client,
            None => self.create(plan)?,
        };
        self.file = file;
        self.connecting = Some(client.connect(options));
        self.look_at(CONNECT);
        Ok(())
    }

    fn create(&mut self, plan: &Plan) -> Result<AsyncClient, OpenError> {
        keep_the_library();
        self.epoch += 1;
        let epoch = self.epoch;
        let client = AsyncClient::new(settings::create(plan, &self.options));
        let client = client.map_err(|error| plan.impossible(error.to_string()))?;
        let inbox = Arc::clone(&self.inbox);
        client.set_message_callback(move |_, message| {
            if let Some(message) = message {
                inbox.push(epoch, Fact::Message(message));
            }
        });
        let inbox = Arc::clone(&self.inbox);
        client.set_connection_lost_callback(move |_| inbox.push(epoch, Fact::Lost));
        let inbox = Arc::clone(&self.inbox);
        client.set_disconnected_callback(move |_, properties, reason| {
            let text = |code| properties.get_string(code).map(Into::into);
            let fact = Fact::Ended {
                code: number(reason),
                reason_string: text(PropertyCode::ReasonString),
                server_reference: text(PropertyCode::ServerReference),
            };
            inbox.push(epoch, fact);
        });
        self.client = Some(client.clone());
        Ok(client)
    }

    /// How the attempt to connect ended, if it has: whether the broker kept the session.
    pub(crate) fn connected(&mut self) -> Option<paho::Result<bool>> {
        let result = poll(&self.inbox, self.epoch, CONNECT, self.connecting.as_mut()?)?;
        self.connecting = None;
        self.file = None;
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                self.drop_client_unless_kept();
                return Some(Err(error));
            }
        };
        let response = response.connect_response();
        let present = response.is_some_and(|response| response.session_present);
        self.filters.handle_connected(present);
        self.hub.handle_connected(present);
        Some(Ok(present))
    }

    /// Hands a message to the hub.
    pub(crate) fn arrived(&self, message: &paho::Message) -> Result<(), ProtocolError> {
        let size = message.payload().len();
        let limit = self.options.max_packet_size;
        if u64::try_from(size).unwrap_or(u64::MAX) > u64::from(limit) {
            return Err(ProtocolError::TooLarge { size, limit });
        }
        // Neither the C library nor its bindings look whether it is UTF-8; most of those that are
        // not end the process before, but one that had to wait in the C library comes here.
        let topic = catch_unwind(AssertUnwindSafe(|| message.topic()));
        let packet = "PUBLISH";
        let topic = topic.map_err(|_| ProtocolError::Malformed { packet })?;
        let mut to = Message::new(topic, message.payload().to_vec());
        to.qos = match message.qos() {
            paho::QoS::AtMostOnce => MqttQos::AtMostOnce,
            paho::QoS::AtLeastOnce => MqttQos::AtLeastOnce,
            paho::QoS::ExactlyOnce => MqttQos::ExactlyOnce,
        };
        to.retain = message.retained();
        to.properties = settings::received(message.properties());
        self.hub.handle_message(&to);
        Ok(())
    }

    /// The connection is gone.
    pub(crate) fn handle_lost(&mut self) {
        self.disconnected();
        self.drop_client_unless_kept();
    }

    /// Says goodbye, behind what has been handed over. [`closed`](Self::closed) knows the end.
    pub(crate) fn say_goodbye(&mut self) {
        if let Some(client) = &self.client {
            self.goodbye = Some(client.disconnect(None));
            self.look_at(GOODBYE);
        }
        self.disconnected();
    }

    /// Whether nothing is left of the connection after the goodbye.
    pub(crate) fn closed(&mut self) -> bool {
        let Some(goodbye) = &mut self.goodbye else {
            return true;
        };
        if poll(&self.inbox, self.epoch, GOODBYE, goodbye).is_none() {
            return false;
        }
        self.drop_client();
        true
    }

    /// Gives up the connection, or the attempt to make one.
    pub(crate) fn abandon(&mut self) {
        self.disconnected();
        self.drop_client();
    }

    /// Looks whether a client that could not be stopped has come to its end.
    pub(crate) fn clear(&mut self) {
        let leftovers = core::mem::take(&mut self.leftovers);
        for mut leftover in leftovers {
            match poll(&self.inbox, leftover.epoch, CONNECT, &mut leftover.token) {
                Some(_) => leave(leftover.client),
                None => self.leftovers.push(leftover),
            }
        }
    }

    /// Whether there is a client that cannot be stopped yet.
    pub(crate) fn has_leftovers(&self) -> bool {
        !self.leftovers.is_empty()
    }

    /// Lets go of the clients that did not come to an end, for ever: better than to have them
    /// freed from within themselves.
    pub(crate) fn forget_leftovers(&mut self) {
        for leftover in self.leftovers.drain(..) {
            core::mem::forget((leftover.client, leftover.lease));
        }
    }

    fn disconnected(&mut self) {
        self.hub.handle_disconnected();
        // They were not sent, so that their requests may wait for the next connection.
        for (id, ..) in core::mem::take(&mut self.held) {
            self.hub.handle_send_failed(id);
        }
        self.waiting
            .retain(|_, operation| matches!(operation, Operation::Publish(..)));
        self.filters.handle_disconnected();
    }

    fn drop_client_unless_kept(&mut self) {
        if !settings::keeps_session(&self.options) {
            self.drop_client();
        }
    }

    fn drop_client(&mut self) {
        for operation in core::mem::take(&mut self.waiting).into_values() {
            if let Operation::Publish(id, qos, _) = operation {
                self.unsent_or_lost(id, qos);
            }
        }
        self.goodbye = None;
        self.file = None;
        let lease = self.lease.take();
        let Some(client) = self.client.take() else {
            return;
        };
        match self.connecting.take() {
            Some(token) => self.leftovers.push(Leftover {
                epoch: self.epoch,
                client,
                token,
                lease,
            }),
            // Before the lease.
            None => leave(client),
        }
        self.inbox.forget(self.epoch);
        // It may have come to its end just before it was forgotten.
        self.look_at(CONNECT);
    }

    /// Has an operation looked at, whether it has ended already or is to wake.
    fn look_at(&self, operation: u64) {
        self.inbox.push(self.epoch, Fact::Done(operation));
    }
}

/// The result of a token, which otherwise wakes the driver once there is one.
fn poll(
    inbox: &Arc<Inbox>,
    epoch: Epoch,
    operation: u64,
    token: &mut Token,
) -> Option<paho::Result<ServerResponse>> {
    let waker = inbox.waker(epoch, operation);
    match Pin::new(token).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// Drops a client whose attempt to connect has ended.
fn leave(client: AsyncClient) {
    // Takes the lock under which the callback runs that ended the attempt and holds a reference:
    // afterwards this one is the last.
    let _ = client.is_connected();
    drop(client);
}

/// Has one client that never connects, for ever: with the last one the C library would take down
/// what it shares, while another thread may be setting it up.
fn keep_the_library() {
    static KEPT: OnceLock<Option<AsyncClient>> = OnceLock::new();
    KEPT.get_or_init(|| {
        let options = paho::CreateOptionsBuilder::new()
            .server_uri("mqtt://127.0.0.1:1")
            .client_id("kept")
            .persistence(paho::PersistenceType::None)
            .finalize();
        AsyncClient::new(options).ok()
    });
}

/// The number of a reason code.
#[expect(
    clippy::as_conversions,
    reason = "the bindings give its number in no other way"
)]
pub(crate) fn number(code: paho::ReasonCode) -> u8 {
    code as u8
}

/// Numbers of operations that each client has once; those of others follow.
pub(crate) const CONNECT: u64 = 0;
pub(crate) const GOODBYE: u64 = 1;
pub(crate) const PLAN: u64 = 2;
const FIRST: u64 = 3;
