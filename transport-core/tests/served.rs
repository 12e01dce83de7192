//! The loop around an attached MQTT client: what it asks of the client, and when it lets go of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests are tests"
)]

extern crate alloc;

use alloc::{collections::VecDeque, sync::Arc};
use core::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::sync::Mutex;

use transport_core::{
    ConnectionEvent, ConnectionEvents, Ended, Fact, Failure, Hub, HubOptions, Instant, MqttQos,
    PacketHub, PubackCode, PublishFailure, Reconnect, RequestFailure, ShadowClient, ShadowId,
    ToSend, shadow_config,
};

const QOS: MqttQos = MqttQos::AtLeastOnce;
const FRESH: Fact = Fact::connected(false);

/// An MQTT client whose every word is the test's, and a clock that the test winds.
#[derive(Clone, Default)]
struct Mqtt(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    time: Duration,
    sleeps: Vec<Duration>,
    incoming: VecDeque<Result<Fact, &'static str>>,
    /// What each call of `receive` was told.
    connected: Vec<bool>,
    sent: Vec<ToSend>,
    ended: Vec<(Option<Ended>, Option<Waker>)>,
    refuses: bool,
}

impl Mqtt {
    fn hub(&self, reconnect: Reconnect) -> (ShadowClient, Hub) {
        let its = self.clone();
        let clock = Arc::new(move || Instant::from_origin(its.0.lock().unwrap().time));
        let mut options = HubOptions::default();
        options.reconnect = reconnect;
        Hub::new(shadow_config(), options, clock)
    }

    fn tell(&self, what: Result<Fact, &'static str>) {
        self.0.lock().unwrap().incoming.push_back(what);
    }

    async fn receive(&self, connected: bool) -> Result<Fact, &'static str> {
        self.0.lock().unwrap().connected.push(connected);
        poll_fn(|_| match self.0.lock().unwrap().incoming.pop_front() {
            Some(it) => Poll::Ready(it),
            None => Poll::Pending,
        })
        .await
    }

    /// Begins with the call, as most clients do.
    fn ask(&self, what: ToSend) -> impl Future<Output = Ended> + use<> {
        let number = {
            let mut inner = self.0.lock().unwrap();
            inner.sent.push(what);
            inner.ended.push((None, None));
            inner.ended.len() - 1
        };
        let its = self.clone();
        poll_fn(move |cx| {
            let (ended, waker) = &mut its.0.lock().unwrap().ended[number];
            *waker = Some(cx.waker().clone());
            ended.take().map_or(Poll::Pending, Poll::Ready)
        })
    }

    fn send(&self, what: ToSend) -> Result<(), ()> {
        let mut inner = self.0.lock().unwrap();
        inner.sent.push(what);
        if inner.refuses { Err(()) } else { Ok(()) }
    }

    fn end(&self, number: usize, how: Ended) {
        let waker = {
            let (ended, waker) = &mut self.0.lock().unwrap().ended[number];
            *ended = Some(how);
            waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends once the test has wound the clock so far.
    async fn sleep(&self, time: Duration) {
        let end = {
            let mut inner = self.0.lock().unwrap();
            inner.sleeps.push(time);
            inner.time + time
        };
        poll_fn(|_| match self.0.lock().unwrap().time >= end {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    fn wind(&self, time: Duration) {
        self.0.lock().unwrap().time += time;
    }

    /// What was sent since the last time.
    fn sent(&self) -> Vec<ToSend> {
        core::mem::take(&mut self.0.lock().unwrap().sent)
    }

    /// What each call of `receive` was told since the last time.
    fn asked_to_receive(&self) -> Vec<bool> {
        core::mem::take(&mut self.0.lock().unwrap().connected)
    }

    fn serve(&self, hub: Hub) -> Serving {
        let (asked, receives, sleeps) = (self.clone(), self.clone(), self.clone());
        Box::pin(hub.serve(
            move |what| asked.ask(what),
            async move |connected| receives.receive(connected).await,
            move |time| {
                let its = sleeps.clone();
                async move { its.sleep(time).await }
            },
        ))
    }

    fn serve_packets(&self, hub: Hub) -> Serving {
        let (sends, receives, sleeps) = (self.clone(), self.clone(), self.clone());
        Box::pin(PacketHub::new(hub).serve(
            move |what| sends.send(what),
            async move |connected| receives.receive(connected).await,
            move |time| {
                let its = sleeps.clone();
                async move { its.sleep(time).await }
            },
        ))
    }
}

/// As a runtime of many threads wants it.
type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

fn now<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn goes_on(serving: &mut Serving) {
    assert!(now(serving.as_mut()).is_none(), "it has ended");
}

fn ends(serving: &mut Serving) {
    assert!(now(serving.as_mut()).is_some(), "it has not ended");
}

fn topics(sent: Vec<ToSend>) -> Vec<String> {
    let topic = |it| match it {
        ToSend::Publish(it) => it.topic.to_string(),
        other => panic!("{other:?} is no PUBLISH"),
    };
    sent.into_iter().map(topic).collect()
}

#[test]
fn what_is_asked_for_ends_in_any_order_and_in_each_way() {
    let mqtt = Mqtt::default();
    let (client, hub) = mqtt.hub(Reconnect::default());
    let mut serving = mqtt.serve(hub);
    mqtt.tell(Ok(FRESH));
    goes_on(&mut serving);
    assert_eq!(mqtt.asked_to_receive(), [false, true]);
    let mut messages = ["a", "b", "c"].map(|it| Box::pin(client.publish(it, "x", QOS)));
    goes_on(&mut serving);
    assert_eq!(topics(mqtt.sent()), ["a", "b", "c"]);
    mqtt.end(2, Ended::Lost);
    mqtt.end(0, Ended::Done(vec![]));
    goes_on(&mut serving);
    let [a, b, c] = messages.each_mut().map(|it| now(it.as_mut()));
    assert_eq!(
        [a, b, c],
        [Some(Ok(())), None, Some(Err(PublishFailure::Lost))]
    );
    mqtt.end(1, Ended::Refused);
    goes_on(&mut serving);
    let refused = now(messages[1].as_mut()).unwrap();
    assert!(
        matches!(refused, Err(PublishFailure::Rejected { .. })),
        "{refused:?}"
    );
}

#[test]
fn subscribes_then_asks_then_unsubscribes_and_goes() {
    let mqtt = Mqtt::default();
    let (client, hub) = mqtt.hub(Reconnect::default());
    let mut serving = mqtt.serve(hub);
    mqtt.tell(Ok(FRESH));
    let mut subscribing = pin!(client.subscribe("a/+", QOS));
    goes_on(&mut serving);
    let filters = vec!["a/+".into()];
    let subscribe = ToSend::Subscribe {
        filters: filters.clone(),
        qos: QOS,
    };
    assert_eq!(mqtt.sent(), [subscribe]);
    mqtt.end(0, Ended::Done(vec![1]));
    goes_on(&mut serving);
    let mut messages = now(subscribing.as_mut()).unwrap().unwrap();
    mqtt.tell(Ok(Fact::message("a/b", "hello", false)));
    goes_on(&mut serving);
    let message = now(pin!(messages.next())).unwrap().unwrap().unwrap();
    assert_eq!(&*message.payload, b"hello");
    drop(messages);
    goes_on(&mut serving);
    assert_eq!(mqtt.sent(), [ToSend::Unsubscribe { filters }]);
    mqtt.end(1, Ended::Done(vec![]));
    let mut stopped = pin!(client.shutdown(Duration::from_secs(9)));
    goes_on(&mut serving);
    assert_eq!(mqtt.sent(), [ToSend::Disconnect]);
    assert!(now(stopped.as_mut()).is_none());
    // Whatever the broker does meanwhile.
    mqtt.tell(Err("closed"));
    goes_on(&mut serving);
    mqtt.end(2, Ended::Done(vec![]));
    ends(&mut serving);
    assert_eq!(now(stopped), Some(Ok(())));
}

/// Fails, and comes back after the pause that the handles are told of.
fn fails(mqtt: &Mqtt, serving: &mut Serving, events: &mut ConnectionEvents) -> Duration {
    mqtt.tell(Err("cable cut"));
    goes_on(serving);
    let (error, pause) = match now(pin!(events.next())).unwrap().unwrap() {
        ConnectionEvent::ConnectFailed { error, retry_in } => (error.to_string(), retry_in),
        ConnectionEvent::Disconnected {
            error, retry_in, ..
        } => (error.unwrap().to_string(), retry_in),
        other => panic!("{other:?}"),
    };
    assert!(error.contains("cable cut"), "{error}");
    let pause = pause.unwrap();
    mqtt.asked_to_receive();
    mqtt.wind(pause - Duration::from_millis(1));
    goes_on(serving);
    assert!(mqtt.asked_to_receive().is_empty(), "before its time");
    mqtt.wind(Duration::from_millis(1));
    goes_on(serving);
    assert_eq!(mqtt.asked_to_receive(), [false]);
    pause
}

#[test]
fn connects_again_after_ever_longer_pauses_until_a_connection_lasts() {
    let seconds = Duration::from_secs;
    let mut reconnect = Reconnect::new(seconds(1), seconds(4), seconds(20));
    reconnect.jitter_percent = 0;
    let mqtt = Mqtt::default();
    let (client, hub) = mqtt.hub(reconnect);
    let mut events = client.connection_events();
    let mut serving = mqtt.serve(hub);
    for pause in [1, 2, 4, 4] {
        assert_eq!(fails(&mqtt, &mut serving, &mut events), seconds(pause));
    }
    for (lasts, pause) in [(19, 4), (20, 1), (0, 2)] {
        mqtt.tell(Ok(FRESH));
        goes_on(&mut serving);
        assert!(client.is_connected());
        let connected = now(pin!(events.next())).unwrap();
        assert!(matches!(connected, Some(ConnectionEvent::Connected(_))));
        mqtt.wind(seconds(lasts));
        assert_eq!(fails(&mqtt, &mut serving, &mut events), seconds(pause));
        assert!(!client.is_connected());
    }
    // A client that is not connected is not long in going.
    drop((client, events));
    goes_on(&mut serving);
    mqtt.end(0, Ended::Lost);
    ends(&mut serving);
}

#[test]
fn everything_ends_with_the_future() {
    for packets in [false, true] {
        let mqtt = Mqtt::default();
        let (client, hub) = mqtt.hub(Reconnect::default());
        let mut serving = match packets {
            true => mqtt.serve_packets(hub),
            false => mqtt.serve(hub),
        };
        mqtt.tell(Ok(FRESH));
        let light = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
        let mut request = pin!(light.get());
        goes_on(&mut serving);
        drop(serving);
        let failure = now(request.as_mut()).unwrap().unwrap_err();
        let RequestFailure::Failure(Failure::Cancelled { .. }) = failure else {
            panic!("{failure:?}")
        };
        assert!(matches!(
            now(pin!(light.get())),
            Some(Err(RequestFailure::Stopped))
        ));
    }
}

#[test]
fn packets_find_their_acknowledgements() {
    let mqtt = Mqtt::default();
    let (client, hub) = mqtt.hub(Reconnect::default());
    let mut serving = mqtt.serve_packets(hub);
    mqtt.tell(Ok(FRESH));
    let mut messages = ["a", "b"].map(|it| Box::pin(client.publish(it, "x", QOS)));
    goes_on(&mut serving);
    assert_eq!(topics(mqtt.sent()), ["a", "b"]);
    for fact in [
        Fact::PublishSent(5),
        Fact::PublishSent(6),
        Fact::Puback(6, PubackCode::SUCCESS),
    ] {
        mqtt.tell(Ok(fact));
    }
    goes_on(&mut serving);
    let [a, b] = messages.each_mut().map(|it| now(it.as_mut()));
    assert_eq!([a, b], [None, Some(Ok(()))]);
    mqtt.0.lock().unwrap().refuses = true;
    let mut refused = pin!(client.publish("c", "x", QOS));
    goes_on(&mut serving);
    assert_eq!(now(refused.as_mut()), Some(Err(PublishFailure::NotSent)));
    // The one before it is still under way.
    mqtt.tell(Ok(Fact::Puback(5, PubackCode::SUCCESS)));
    goes_on(&mut serving);
    assert_eq!(now(messages[0].as_mut()), Some(Ok(())));
}

#[test]
fn a_client_of_packets_is_let_go_once_the_broker_has_closed() {
    let mqtt = Mqtt::default();
    let (client, hub) = mqtt.hub(Reconnect::default());
    let mut serving = mqtt.serve_packets(hub);
    mqtt.tell(Ok(FRESH));
    goes_on(&mut serving);
    let mut stopped = pin!(client.shutdown(Duration::from_secs(9)));
    goes_on(&mut serving);
    assert_eq!(mqtt.sent(), [ToSend::Disconnect]);
    assert!(now(stopped.as_mut()).is_none());
    mqtt.tell(Ok(Fact::Other));
    goes_on(&mut serving);
    mqtt.tell(Err("closed"));
    ends(&mut serving);
    assert_eq!(now(stopped), Some(Ok(())));
}

#[test]
fn a_broker_that_does_not_close_is_left_after_two_seconds() {
    let mqtt = Mqtt::default();
    let (client, hub) = mqtt.hub(Reconnect::default());
    let mut serving = mqtt.serve_packets(hub);
    mqtt.tell(Ok(FRESH));
    goes_on(&mut serving);
    drop(client);
    goes_on(&mut serving);
    assert_eq!(mqtt.sent(), [ToSend::Disconnect]);
    mqtt.wind(Duration::from_millis(1_999));
    goes_on(&mut serving);
    mqtt.wind(Duration::from_millis(1));
    ends(&mut serving);
}

#[test]
fn a_client_of_packets_without_connection_is_let_go_at_once() {
    let mqtt = Mqtt::default();
    let (client, hub) = mqtt.hub(Reconnect::default());
    let mut serving = mqtt.serve_packets(hub);
    mqtt.tell(Err("nobody there"));
    goes_on(&mut serving);
    drop(client);
    ends(&mut serving);
}
