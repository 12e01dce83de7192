//! What a hub needs of an MQTT client that is not ours: packet ids that come late, answers that all look alike.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

extern crate alloc;

use alloc::{sync::Arc, task::Wake};
use core::{
    future::pending,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::thread;

use transport_core::{
    Action, ActionId, ConnectError, ConnectionEvent, Fact, Failure, Hub, HubOptions, Instant,
    Interest, MqttQos, PacketHub, PubackCode, PublishFailure, RequestFailure, Shadow, ShadowClient,
    ShadowId, SubscribeFailure, shadow_config, system_clock,
};

const QOS: MqttQos = MqttQos::AtLeastOnce;
const FRESH: Fact = Fact::connected(false);

fn hub() -> (ShadowClient, Hub) {
    Hub::new(shadow_config(), HubOptions::default(), system_clock())
}

fn lamp(client: &ShadowClient) -> Shadow {
    client.shadow(ShadowId::classic("lamp").unwrap()).unwrap()
}

fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Grants what the next action asks for, which is a SUBSCRIBE.
fn grant(packets: &PacketHub, packet: u16) {
    let Some(Action::Subscribe { filters, .. }) = packets.poll_action() else {
        panic!("no SUBSCRIBE")
    };
    packets.handle_fact(Fact::SubscribeSent(packet));
    packets.handle_fact(Fact::suback(packet, vec![1; filters.len()]));
}

fn published(action: Option<Action>) -> ActionId {
    match action {
        Some(Action::Publish { id, .. }) => id,
        other => panic!("{other:?} is no PUBLISH"),
    }
}

#[test]
fn an_acknowledgement_finds_its_message_by_the_id_that_came_when_it_was_sent() {
    let (client, hub) = hub();
    let packets = PacketHub::new(hub);
    packets.handle_fact(FRESH);
    let mut messages = [(); 3].map(|()| Box::pin(client.publish("a", "x", QOS)));
    while packets.poll_action().is_some() {}
    for packet in [7, 8, 9] {
        packets.handle_fact(Fact::PublishSent(packet));
    }
    // Sent again, with the id it had; and an acknowledgement of nothing.
    packets.handle_fact(Fact::PublishSent(8));
    packets.handle_fact(Fact::Puback(1, PubackCode::SUCCESS));
    packets.handle_fact(Fact::Puback(9, PubackCode::SUCCESS));
    packets.handle_fact(Fact::Puback(8, PubackCode::new(0x97)));
    let [first, second, third] = messages.each_mut().map(|it| now(it.as_mut()));
    assert_eq!(first, None);
    let code = PubackCode::new(0x97);
    assert_eq!(second, Some(Err(PublishFailure::Rejected { code })));
    assert_eq!(third, Some(Ok(())));
}

#[test]
fn a_message_without_acknowledgement_ends_with_being_sent() {
    let (client, hub) = hub();
    let packets = PacketHub::new(hub);
    packets.handle_fact(FRESH);
    let mut message = pin!(client.publish("a", "x", MqttQos::AtMostOnce));
    published(packets.poll_action());
    assert_eq!(now(message.as_mut()), None);
    packets.handle_fact(Fact::PublishSent(0));
    assert_eq!(now(message), Some(Ok(())));
}

#[test]
fn what_the_client_does_not_take_has_failed() {
    let (client, hub) = hub();
    let packets = PacketHub::new(hub);
    packets.handle_fact(FRESH);
    let mut taken = pin!(client.publish("a", "x", QOS));
    let mut refused = pin!(client.publish("b", "x", QOS));
    published(packets.poll_action());
    published(packets.poll_action());
    packets.handle_not_taken();
    assert_eq!(now(refused.as_mut()), Some(Err(PublishFailure::NotSent)));
    packets.handle_fact(Fact::PublishSent(1));
    packets.handle_fact(Fact::Puback(1, PubackCode::SUCCESS));
    assert_eq!(now(taken.as_mut()), Some(Ok(())));
}

#[test]
fn a_kept_session_answers_what_was_sent_before_and_a_lost_one_does_not() {
    for session_present in [true, false] {
        let (client, hub) = hub();
        let packets = PacketHub::new(hub.clone());
        packets.handle_fact(FRESH);
        let mut message = pin!(client.publish("a", "x", QOS));
        published(packets.poll_action());
        packets.handle_fact(Fact::PublishSent(1));
        hub.detached("gone", None);
        packets.handle_fact(Fact::connected(session_present));
        packets.handle_fact(Fact::PublishSent(1));
        packets.handle_fact(Fact::Puback(1, PubackCode::SUCCESS));
        let expected = match session_present {
            true => Ok(()),
            false => Err(PublishFailure::Lost),
        };
        assert_eq!(now(message.as_mut()), Some(expected));
    }
}

#[test]
fn filters_are_unsubscribed_one_by_one() {
    let (client, hub) = hub();
    let packets = PacketHub::new(hub);
    let shadow = lamp(&client);
    let answers = shadow
        .events(Interest::GET_ACCEPTED | Interest::GET_REJECTED | Interest::DELTA)
        .unwrap();
    packets.handle_fact(FRESH);
    grant(&packets, 1);
    published(packets.poll_action());
    packets.handle_fact(Fact::PublishSent(2));
    drop(answers);
    drop(shadow);
    let mut gone = Vec::new();
    while let Some(action) = packets.poll_action() {
        let Action::Unsubscribe { filters, .. } = action else {
            panic!("{action:?} is no UNSUBSCRIBE")
        };
        assert_eq!(filters.len(), 1);
        gone.extend(filters);
    }
    assert!(gone.len() > 1, "{gone:?}");
    // Answered in any order.
    let ids = 10..10 + u16::try_from(gone.len()).unwrap();
    ids.clone()
        .for_each(|id| packets.handle_fact(Fact::UnsubscribeSent(id)));
    ids.rev()
        .for_each(|id| packets.handle_fact(Fact::Unsuback(id)));
    assert!(packets.poll_action().is_none());
}

#[test]
fn answers_that_all_look_alike_find_what_they_are_of() {
    let (client, hub) = hub();
    hub.attached(false);
    let mut subscribing = pin!(client.subscribe("a/+", QOS));
    let id = hub.poll_action().unwrap().id();
    hub.handle_done(id, [1]);
    assert!(now(subscribing.as_mut()).unwrap().is_ok());
    let mut subscribing = pin!(client.subscribe("b/+", QOS));
    let id = hub.poll_action().unwrap().id();
    // The stream of the first was dropped with the answer.
    let of_second = hub.poll_action().map_or(id, |action| action.id());
    hub.handle_refused(id);
    hub.handle_refused(of_second);
    let refused = now(subscribing.as_mut()).unwrap().unwrap_err();
    assert!(
        matches!(refused, SubscribeFailure::Refused { .. }),
        "{refused}"
    );
    let mut messages = [(); 3].map(|()| Box::pin(client.publish("a", "x", QOS)));
    let [done, refused, lost] = [(); 3].map(|()| published(hub.poll_action()));
    hub.handle_done(done, []);
    hub.handle_refused(refused);
    hub.handle_lost(lost);
    let [done, refused, lost] = messages.each_mut().map(|it| now(it.as_mut()).unwrap());
    assert_eq!(done, Ok(()));
    assert!(matches!(refused, Err(PublishFailure::Rejected { .. })));
    assert_eq!(lost, Err(PublishFailure::Lost));
    let mut request = pin!(lamp(&client).get());
    let id = hub.poll_action().unwrap().id();
    hub.handle_refused(id);
    while hub.poll_action().is_some() {}
    let failure = now(request.as_mut()).unwrap().unwrap_err();
    let RequestFailure::Failure(Failure::SubscribeRefused { .. }) = failure else {
        panic!("{failure:?}")
    };
}

#[test]
fn handles_are_told_of_the_connection() {
    let (client, hub) = hub();
    let mut events = client.connection_events();
    let pause = Some(Duration::from_secs(1));
    hub.detached("nobody there", pause);
    hub.attached(true);
    assert!(client.is_connected());
    hub.detached("cable cut", pause);
    assert!(!client.is_connected());
    let mut next = || now(pin!(events.next())).unwrap().unwrap();
    let ConnectionEvent::ConnectFailed { error, retry_in } = next() else {
        panic!("it could not connect")
    };
    assert!(matches!(error, ConnectError::Open(_)));
    assert!(error.to_string().contains("nobody there"), "{error}");
    assert_eq!(retry_in, pause);
    assert!(matches!(next(), ConnectionEvent::Connected(info) if info.session_present));
    let ConnectionEvent::Disconnected { error, .. } = next() else {
        panic!("it was connected")
    };
    assert!(error.unwrap().to_string().contains("cable cut"));
}

#[test]
fn a_driver_does_not_wait_once_it_is_to_end() {
    let (client, hub) = hub();
    hub.attached(false);
    assert!(!hub.is_over());
    assert!(hub.time_left() > Duration::from_secs(60));
    let mut message = Box::pin(client.publish("a", "x", QOS));
    let id = published(hub.poll_action());
    drop(client.shutdown(Duration::from_secs(3)));
    assert!(!hub.is_over());
    assert!(hub.time_left() <= Duration::from_secs(3));
    hub.handle_done(id, []);
    assert!(hub.is_over());
    assert_eq!(hub.time_left(), Duration::ZERO);
    assert_eq!(now(message.as_mut()), Some(Ok(())));
    drop(message);
    drop(client);
    assert!(hub.is_over());
}

/// Whether a loop was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// What a waiting loop is to do once another thread has told something.
fn next_after(hub: &Hub, tell: impl FnOnce(Hub) + Send + 'static) -> Option<Action> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut next = pin!(hub.next_action(|_| pending::<()>()));
    assert!(next.as_mut().poll(&mut cx).is_pending());
    assert!(!woken.0.load(SeqCst));
    let elsewhere = hub.clone();
    thread::spawn(move || tell(elsewhere)).join().unwrap();
    assert!(woken.0.load(SeqCst));
    match next.poll(&mut cx) {
        Poll::Ready(action) => action,
        Poll::Pending => panic!("there is something to do"),
    }
}

#[test]
fn what_another_thread_tells_wakes_the_loop() {
    let (client, hub) = hub();
    let mut request = Box::pin(lamp(&client).get());
    assert!(now(request.as_mut()).is_none());
    let action = next_after(&hub, |hub| hub.attached(false));
    let Some(Action::Subscribe { id, filters, .. }) = action else {
        panic!("{action:?} is no SUBSCRIBE")
    };
    let codes = vec![1; filters.len()];
    let id = published(next_after(&hub, move |hub| hub.handle_done(id, codes)));
    let withdrawn = next_after(&hub, move |hub| hub.handle_refused(id));
    assert_eq!(withdrawn, Some(Action::Withdraw { id }));
    let failure = now(request.as_mut()).unwrap().unwrap_err();
    let RequestFailure::Failure(Failure::PublishRefused { .. }) = failure else {
        panic!("{failure:?}")
    };
    drop((client, request));
    let end = now(pin!(hub.next_action(|_| pending::<()>())));
    assert_eq!(end, Some(None));
}

#[test]
fn a_waiting_loop_keeps_deadlines() {
    let millis = Arc::new(AtomicU64::new(0));
    let shown = Arc::clone(&millis);
    let clock = Arc::new(move || Instant::from_origin(Duration::from_millis(shown.load(SeqCst))));
    let (client, hub) = Hub::new(shadow_config(), HubOptions::default(), clock);
    let lamp = lamp(&client);
    let mut request = pin!(lamp.get());
    assert!(now(request.as_mut()).is_none());
    // Time passes while it sleeps; from ten seconds on it stands still.
    let sleep = |time: Duration| {
        let millis = Arc::clone(&millis);
        async move {
            if millis.load(SeqCst) >= 10_000 {
                pending::<()>().await;
            }
            let time = u64::try_from(time.as_millis()).unwrap();
            millis.fetch_add(time.clamp(1, 5_000), SeqCst);
        }
    };
    assert!(now(pin!(hub.next_action(sleep))).is_none());
    let failure = now(request).unwrap().unwrap_err();
    assert!(
        matches!(failure, RequestFailure::Failure(Failure::TimedOut { .. })),
        "{failure:?}"
    );
}
