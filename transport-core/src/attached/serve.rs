//! The loop around an attached MQTT client, once for all of them.

use core::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use super::{
    facts::{Ended, Fact, ToSend},
    next::next_action,
    packets::PacketHub,
    running::Running,
};
use crate::{
    action::{Action, ActionId},
    hub::Hub,
    random::random_bits,
};

impl Hub {
    /// Serves the handles with an MQTT client that says of each thing it is asked for how it
    /// ended, until nobody needs it any more; then everything has an end, as with
    /// [`finish`](Self::finish), also if the future is dropped before.
    ///
    /// * `ask` has the client send something. The future says how that ended. They run beside each
    ///   other, and each is polled for the first time in the order of the calls. That of
    ///   [`ToSend::Disconnect`] is waited for, however long it takes; those left by then are
    ///   dropped.
    /// * `receive` waits for what the client tells next. Whether there is a connection is its
    ///   argument; if there is none, the client is to connect, and to tell [`Fact::Connected`]. An
    ///   error means that the connection is gone or could not be made: the handles are told, and
    ///   the next call comes after a pause ([`HubOptions::reconnect`](crate::HubOptions)). The
    ///   future is dropped only at the end.
    /// * `sleep` makes a future that is ready after so long, such as `tokio::time::sleep`: any
    ///   runtime will do.
    ///
    /// A client that connects by itself waits for that in `receive`; one that tells nothing of
    /// whether the session was kept is to say `false`.
    ///
    /// ```
    /// use transport_core::{Ended, Fact, Hub, HubOptions, ToSend, shadow_config, system_clock};
    /// # use core::time::Duration;
    /// # struct Mqtt;
    /// # impl Mqtt {
    /// #     async fn connect(&self) -> Result<bool, &'static str> { Ok(false) }
    /// #     async fn next(&self) -> Result<(String, Vec<u8>), &'static str> { core::future::pending().await }
    /// #     async fn subscribe(&self, filters: &[Box<str>]) -> Result<Vec<u8>, bool> { Ok(vec![1; filters.len()]) }
    /// #     async fn unsubscribe(&self, _: &[Box<str>]) -> Result<Vec<u8>, bool> { Ok(vec![]) }
    /// #     async fn publish(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, bool> { Ok(vec![]) }
    /// #     async fn disconnect(&self) -> Result<Vec<u8>, bool> { Ok(vec![]) }
    /// # }
    /// # fn sleep(_: Duration) -> core::future::Pending<()> { core::future::pending() }
    /// # let mqtt = Mqtt;
    /// let (client, hub) = Hub::new(shadow_config(), HubOptions::default(), system_clock());
    /// let ask = async |what: ToSend| {
    ///     let answer = match what {
    ///         ToSend::Subscribe { filters, .. } => mqtt.subscribe(&filters).await,
    ///         ToSend::Unsubscribe { filters } => mqtt.unsubscribe(&filters).await,
    ///         ToSend::Publish(it) => mqtt.publish(&it.topic, &it.payload).await,
    ///         ToSend::Disconnect => mqtt.disconnect().await,
    ///     };
    ///     match answer {
    ///         Ok(codes) => Ended::Done(codes),
    ///         Err(refused) if refused => Ended::Refused,
    ///         Err(_) => Ended::Lost,
    ///     }
    /// };
    /// let receive = async |connected: bool| {
    ///     if !connected {
    ///         return Ok(Fact::connected(mqtt.connect().await?));
    ///     }
    ///     let (topic, payload) = mqtt.next().await?;
    ///     Ok::<_, &str>(Fact::message(topic, payload, false))
    /// };
    /// let serving = hub.serve(ask, receive, sleep);
    /// // `serving` is given to a runtime; `client` goes to the application.
    /// # client.shutdown(Duration::from_secs(9));
    /// # wait(serving);
    /// # fn wait(future: impl Future<Output = ()>) {
    /// #     let mut future = core::pin::pin!(future);
    /// #     let mut cx = core::task::Context::from_waker(core::task::Waker::noop());
    /// #     while future.as_mut().poll(&mut cx).is_pending() {}
    /// # }
    /// ```
    pub async fn serve<Asked, E, S>(
        self,
        mut ask: impl FnMut(ToSend) -> Asked,
        receive: impl AsyncFnMut(bool) -> Result<Fact, E>,
        sleep: impl Fn(Duration) -> S,
    ) where
        Asked: Future<Output = Ended>,
        E: fmt::Display,
        S: Future,
    {
        let hub = Finish(self);
        let sending = async {
            let mut asked = Running::default();
            while let Some(action) = next_or_ended(&hub.0, &mut asked, &sleep).await {
                let id = action.id();
                if let Some(what) = ToSend::of(action) {
                    asked.push(id, ask(what));
                }
            }
            ask(ToSend::Disconnect).await;
        };
        let incoming = pin!(receive_all(
            &hub.0,
            |fact| hub.0.handle_fact(fact),
            receive,
            &sleep
        ));
        let _ = beside(pin!(sending), incoming).await;
    }
}

impl PacketHub {
    /// Serves the handles with an MQTT client that numbers packets, until nobody needs it any more;
    /// then everything has an end, as with [`Hub::finish`], also if the future is dropped before.
    ///
    /// * `send` gives the client something to be sent, in this order. An error means that the
    ///   client did not take it, and never will.
    /// * `receive` waits for what the client tells next, and has it connect if it is not connected,
    ///   which is its argument. An error means that the connection is gone or could not be made:
    ///   the handles are told, and the next call comes after a pause
    ///   ([`HubOptions::reconnect`](crate::HubOptions)). The future is dropped only at the end,
    ///   which is the error that comes after [`ToSend::Disconnect`], or two seconds without one.
    /// * `sleep` makes a future that is ready after so long, such as `tokio::time::sleep`: any
    ///   runtime will do.
    ///
    /// `examples/attach_rumqttc.rs` is the whole of it for rumqttc.
    pub async fn serve<Refused, E, S>(
        self,
        mut send: impl FnMut(ToSend) -> Result<(), Refused>,
        receive: impl AsyncFnMut(bool) -> Result<Fact, E>,
        sleep: impl Fn(Duration) -> S,
    ) where
        E: fmt::Display,
        S: Future,
    {
        let hub = Finish(self.hub().clone());
        let sending = async {
            while let Some(action) = next_action(&hub.0, || self.poll_action(), &sleep).await {
                if ToSend::of(action).is_some_and(|it| send(it).is_err()) {
                    self.handle_not_taken();
                }
            }
            // Behind what is under way. The broker closes the connection then.
            let _ = send(ToSend::Disconnect);
        };
        let mut incoming = pin!(receive_all(
            &hub.0,
            |fact| self.handle_fact(fact),
            receive,
            &sleep
        ));
        let closed = beside(pin!(sending), incoming.as_mut()).await;
        if !closed && hub.0.is_connected() {
            let mut limit = pin!(sleep(CLOSE));
            poll_fn(|cx| match incoming.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => limit.as_mut().poll(cx).map(drop),
            })
            .await;
        }
    }
}

/// Takes what the client tells, and has it connect again, until it fails when all is over.
async fn receive_all<E: fmt::Display, S: Future>(
    hub: &Hub,
    handle: impl Fn(Fact),
    mut receive: impl AsyncFnMut(bool) -> Result<Fact, E>,
    sleep: &impl Fn(Duration) -> S,
) {
    let (reconnect, seed) = (hub.reconnect(), random_bits());
    let (mut failures, mut connected_at) = (0_u32, hub.now());
    loop {
        let error = match receive(hub.is_connected()).await {
            Ok(fact) => {
                if matches!(fact, Fact::Connected { .. }) {
                    connected_at = hub.now();
                }
                handle(fact);
                continue;
            }
            Err(_) if hub.is_over() => return,
            Err(error) => error,
        };
        let lasted = hub.now().saturating_since(connected_at);
        if hub.is_connected() && lasted >= reconnect.stable {
            failures = 0;
        }
        failures = failures.saturating_add(1);
        let pause = reconnect.delay(seed, failures);
        hub.detached(error, Some(pause));
        sleep(pause).await;
    }
}

/// [`Hub::next_action`], while what was asked for runs.
async fn next_or_ended<F: Future<Output = Ended>, S: Future>(
    hub: &Hub,
    asked: &mut Running<ActionId, F>,
    sleep: &impl Fn(Duration) -> S,
) -> Option<Action> {
    let mut next = pin!(hub.next_action(sleep));
    poll_fn(|cx| {
        while let Poll::Ready((id, ended)) = asked.poll(cx) {
            hub.handle_ended(id, ended);
        }
        next.as_mut().poll(cx)
    })
    .await
}

/// Runs something to its end with something else beside it; whether that has ended as well.
async fn beside<A: Future, B: Future>(mut first: Pin<&mut A>, mut other: Pin<&mut B>) -> bool {
    let mut ended = false;
    poll_fn(|cx| {
        ended = ended || other.as_mut().poll(cx).is_ready();
        first.as_mut().poll(cx).map(|_| ended)
    })
    .await
}

/// Has everything end when it is dropped.
struct Finish(Hub);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// How long a broker may take to close the connection after a DISCONNECT.
const CLOSE: Duration = Duration::from_secs(2);
