//! The session: what a driver feeds and drains.

use bytes::BytesMut;
use shadow_proto::Instant;

use crate::{
    Event, Options, OptionsError, Publish, PublishError, PublishToken, Qos, RequestError,
    SubscribeToken, TopicFilter, UnsubscribeToken,
    subscriptions::{Owner, Restore},
};

/// An MQTT client session over a transport that the driver owns.
///
/// It outlives connections: [`handle_opened`](Self::handle_opened) begins one, the final event
/// ends it, and QoS 1 and 2 publishes and subscriptions live on for the next one. No call blocks,
/// panics on peer bytes, or reads a clock; a `now` earlier than the last one seen counts as that.
#[derive(Debug)]
pub struct Session {
    options: Options,
}

impl Session {
    /// A session that is not connected.
    ///
    /// # Errors
    ///
    /// The first option that cannot be said in a CONNECT.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        Ok(Self { options })
    }

    /// Takes these options for the next connect: fresh credentials, another version, no clean
    /// start this time. Limits and timeouts hold at once.
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
        let _ = now;
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
        let _ = (input, now);
        Input::Taken
    }

    /// The transport is gone (end of stream, or an error). Without effect after a final event.
    pub fn handle_closed(&mut self, now: Instant) {
        let _ = now;
    }

    /// Time has passed: keep-alive, timeouts.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
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
        let _ = (publish, now);
        Err(PublishError::NotConnected)
    }

    /// Takes back a publish of which no byte was written yet; it will have no event. `false` if
    /// it was written, has ended, or is unknown.
    pub fn cancel(&mut self, publish: PublishToken) -> bool {
        let _ = publish;
        false
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
        let _ = (owner, filters, restore, now);
        Err(RequestError::NotConnected)
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
        let _ = (owner, filters, now);
        Err(RequestError::NotConnected)
    }

    /// Ends the connection: what can be sent is sent, then a DISCONNECT, and
    /// [`Event::Disconnected`] follows at once. Without effect when not connected.
    pub fn disconnect(&mut self, how: Disconnect, now: Instant) {
        let _ = (how, now);
    }

    /// The next event.
    ///
    /// Calling this also acknowledges the message handed out before: its PUBACK or PUBREC is
    /// queued now, when the caller has dealt with it, and not when it arrived.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// Appends all bytes that can be sent to `output` and counts them as sent.
    ///
    /// Call it when the previous output was written, so that a slow transport holds the queue in
    /// the session, where limits apply.
    pub fn write_output(&mut self, output: &mut BytesMut, now: Instant) {
        let _ = (output, now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether [`write_output`](Self::write_output) has something to append.
    #[must_use]
    pub fn has_output(&self) -> bool {
        false
    }

    /// Whether the server has accepted the connection and it has not ended.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        false
    }

    /// The client id in use: the one asked for, or the one the server assigned.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.options.client_id
    }

    /// The owners that a message to this topic goes to, each once, in ascending order.
    pub fn subscribers(&self, topic: &str) -> impl Iterator<Item = Owner> + use<'_> {
        let _ = topic;
        core::iter::empty()
    }
}

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

/// How [`Session::disconnect`] says goodbye.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Disconnect {
    /// MQTT 5: the server shall publish the will nevertheless. MQTT 3.1.1 cannot say it: there
    /// the DISCONNECT is left out, which has the same effect.
    pub publish_will: bool,
    /// MQTT 5: another session expiry from now on. A session begun with none cannot be given one,
    /// so it is left out then.
    pub session_expiry: Option<core::time::Duration>,
}
