//! How many network round trips things take: the real client and the real service in virtual time, 100 ms apart. Bytes
//! keep their order, as over TCP; a segment is lost with a given probability and comes a timeout later.
//!
//! Prints a line for each figure, in round trips: without loss, then with 5 % the middle and the 95th of 100 runs.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mqttbytes::QoS;
use mqttbytes::v4::{self, ConnAck, ConnectReturnCode, Packet, SubAck, SubscribeReasonCode};
use shadow_service::{Service, Settings, UnixTime};
use transport_tokio::mqtt_session::TopicFilter;
use transport_tokio::{
    BytesMut, ConnectOptions, Connection, Deltas, Instant, OpenError, Shadow, ShadowClient,
    ShadowId, TransportStep,
};

const ROUND_TRIP: Duration = Duration::from_millis(100);

/// After how long TCP sends a lost segment again; twice as long each further time.
const RETRANSMISSION: Duration = Duration::from_millis(300);

/// More than any of this takes.
const LIMIT: Duration = Duration::from_secs(600);

const RUNS: u64 = 100;

fn main() {
    let many = (1..=8).take_while(|&count| World::new(0, 0, count).subscribes() == 1);
    let many = many.last().expect("one fits");
    println!("shadows {many}");
    print("ready", |world| world.ready());
    let ready = |loss, seed| World::new(loss, seed, many).ready();
    print_with("ready-many", ready);
    print("answer", |world| {
        world.ready();
        world.report();
        world.report()
    });
    print("first-answer", |world| {
        world.ready();
        world.report()
    });
    print("heal", |world| {
        world.ready();
        world.heal()
    });
}

fn print(name: &str, measure: impl Fn(&mut World) -> Duration) {
    print_with(name, |loss, seed| measure(&mut World::new(loss, seed, 1)));
}

fn print_with(name: &str, measure: impl Fn(u64, u64) -> Duration) {
    let trips = |time: Duration| time.as_secs_f64() / ROUND_TRIP.as_secs_f64();
    let mut lossy: Vec<f64> = (0..RUNS).map(|seed| trips(measure(5, seed))).collect();
    lossy.sort_by(f64::total_cmp);
    let (middle, late) = (lossy[lossy.len() / 2], lossy[lossy.len() * 95 / 100]);
    println!("{name} {:.2} {middle:.2} {late:.2}", trips(measure(0, 0)));
}

/// One direction of a connection.
#[derive(Default)]
struct Way {
    segments: VecDeque<(Instant, Vec<u8>)>,
}

struct World {
    clock: Arc<AtomicU64>,
    /// Per cent of segments.
    loss: u64,
    random: u64,
    client: ShadowClient,
    connection: Connection,
    shadows: Vec<(Shadow, Deltas)>,
    /// A connection that is being opened is open then.
    opening: Option<Instant>,
    open: bool,
    reachable: bool,
    to_broker: Way,
    to_client: Way,
    broker: BytesMut,
    filters: Vec<TopicFilter>,
    subscribes: usize,
    service: Service,
    ids: u16,
    /// When the transport was opened last.
    opened: Instant,
}

impl World {
    fn new(loss: u64, seed: u64, shadows: usize) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&clock);
        let now = move || Instant::from_origin(Duration::from_nanos(now.load(Ordering::Relaxed)));
        let mut options = ConnectOptions::from_url("mqtt://virtual").expect("legal");
        options.set_version("3.1.1").expect("legal");
        let (client, connection) = Connection::new(options, Arc::new(now)).expect("legal");
        let shadow = |n| {
            let name = format!("s{n}");
            let id = ShadowId::new("lamp", Some(&name)).expect("legal");
            let shadow = client.shadow(id).expect("room for it");
            let deltas = shadow.deltas().expect("room for them");
            (shadow, deltas)
        };
        let shadows = (0..shadows).map(shadow).collect();
        let mut settings = Settings::default();
        settings.rate = None;
        let mut world = Self {
            clock,
            loss,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            client,
            connection,
            shadows,
            opening: None,
            open: false,
            reachable: true,
            to_broker: Way::default(),
            to_client: Way::default(),
            broker: BytesMut::new(),
            filters: Vec::new(),
            subscribes: 0,
            service: Service::new(settings),
            ids: 0,
            opened: Instant::ORIGIN,
        };
        // Every shadow has a document that the client does not know.
        for n in 0..world.shadows.len() {
            let topic = format!("$aws/things/lamp/shadow/name/s{n}/update");
            world.serve(&topic, br#"{"state":{"desired":{"color":"red"}}}"#);
        }
        world
    }

    /// How many SUBSCRIBEs it takes until everything is ready.
    fn subscribes(mut self) -> usize {
        self.ready();
        self.subscribes
    }

    /// From CONNECT until every shadow's document is there.
    fn ready(&mut self) -> Duration {
        self.until(Self::is_ready);
        self.now().saturating_since(self.opened)
    }

    fn is_ready(&mut self) -> bool {
        self.open
            && self.client.is_connected()
            && self.shadows.iter().all(|(shadow, _)| {
                let ready = pin!(shadow.ready());
                let poll = ready.poll(&mut Context::from_waker(Waker::noop()));
                matches!(poll, Poll::Ready(Ok(Some(_))))
            })
    }

    /// From the call until its answer.
    fn report(&mut self) -> Duration {
        let begin = self.now();
        let state = BTreeMap::from([("color", "red")]);
        let mut request = Box::pin(self.shadows[0].0.report(&state));
        self.until(|_| {
            let poll = request
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            match poll {
                Poll::Ready(outcome) => {
                    outcome.expect("it is accepted");
                    true
                }
                Poll::Pending => false,
            }
        });
        self.now().saturating_since(begin)
    }

    /// The network is gone for a minute, and the shadow changes. From when the network is back until the client knows,
    /// less the time that the client waits by its schedule and the opening of the transport.
    fn heal(&mut self) -> Duration {
        self.reachable = false;
        self.drop_connection();
        let back = self.now() + Duration::from_secs(60);
        self.until(|world| world.now() >= back);
        let topic = "$aws/things/lamp/shadow/name/s0/update";
        self.serve(topic, br#"{"state":{"desired":{"color":"blue"}}}"#);
        self.reachable = true;
        self.until(|world| {
            let blue = world.shadows[0].0.ready();
            let poll = pin!(blue).poll(&mut Context::from_waker(Waker::noop()));
            let knows = matches!(&poll, Poll::Ready(Ok(Some(document)))
                if format!("{document:?}").contains("blue"));
            knows && world.is_ready()
        });
        self.now().saturating_since(self.opened)
    }

    fn drop_connection(&mut self) {
        self.open = false;
        self.opening = None;
        self.to_broker.segments.clear();
        self.to_client.segments.clear();
        self.broker.clear();
        self.filters.clear();
        self.connection.handle_closed(None);
    }

    fn now(&self) -> Instant {
        Instant::from_origin(Duration::from_nanos(self.clock.load(Ordering::Relaxed)))
    }

    /// Goes on until `done`, from one happening to the next.
    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now() + LIMIT;
        loop {
            self.settle();
            if done(self) {
                return;
            }
            let ways = [&self.to_broker, &self.to_client];
            let arrivals = ways.map(|way| way.segments.front().map(|(at, _)| *at));
            let next = arrivals.into_iter().flatten();
            let next = next
                .chain(self.opening)
                .chain(self.connection.poll_timeout());
            let next = next.min().unwrap_or(end).max(self.now());
            assert!(next < end, "it does not come to that");
            let nanos = next.since_origin().as_nanos();
            self.clock.store(nanos as u64, Ordering::Relaxed);
            self.arrive();
            self.connection.handle_timeout();
        }
    }

    /// What a driver does after each call.
    fn settle(&mut self) {
        loop {
            match self.connection.poll_step() {
                Some(TransportStep::Open(_)) => {
                    self.opening = Some(self.now() + ROUND_TRIP);
                }
                Some(TransportStep::Close | TransportStep::Abort) => self.drop_connection(),
                Some(TransportStep::Stop) => panic!("it gives up"),
                None => {
                    let output = self.connection.output().to_vec();
                    if output.is_empty() {
                        return;
                    }
                    self.connection.handle_written(output.len());
                    self.send(true, output);
                }
            }
        }
    }

    fn arrive(&mut self) {
        let now = self.now();
        if self.opening.is_some_and(|at| at <= now) {
            self.opening = None;
            if self.reachable {
                self.open = true;
                self.opened = now;
                self.connection.handle_opened();
            } else {
                let refused = std::io::Error::from(std::io::ErrorKind::NetworkUnreachable);
                let error = OpenError::new("connect", &refused);
                self.connection.handle_open_failed(error);
            }
        }
        while let Some(bytes) = due(&mut self.to_broker, now) {
            self.broker.extend_from_slice(&bytes);
            self.answer();
        }
        while let Some(bytes) = due(&mut self.to_client, now) {
            self.connection.input().extend_from_slice(&bytes);
            self.connection.handle_input();
        }
    }

    fn send(&mut self, to_broker: bool, bytes: Vec<u8>) {
        let mut late = ROUND_TRIP / 2;
        let mut timeout = RETRANSMISSION;
        while self.draw() % 100 < self.loss {
            late += timeout;
            timeout *= 2;
        }
        let at = self.now() + late;
        let way = if to_broker {
            &mut self.to_broker
        } else {
            &mut self.to_client
        };
        let before = way.segments.back().map_or(at, |(before, _)| *before);
        way.segments.push_back((at.max(before), bytes));
    }

    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }

    /// The broker takes what has come, and says everything at once.
    fn answer(&mut self) {
        let mut out = BytesMut::new();
        while let Ok(packet) = v4::read(&mut self.broker, 1 << 20) {
            let written = match packet {
                Packet::Connect(_) => {
                    ConnAck::new(ConnectReturnCode::Success, false).write(&mut out)
                }
                Packet::Subscribe(subscribe) => {
                    self.subscribes += 1;
                    let code = SubscribeReasonCode::Success(QoS::AtLeastOnce);
                    let codes = vec![code; subscribe.filters.len()];
                    let filters = subscribe.filters.into_iter();
                    let legal = |text| TopicFilter::new(text).expect("legal");
                    self.filters.extend(filters.map(|it| legal(it.path)));
                    SubAck::new(subscribe.pkid, codes).write(&mut out)
                }
                Packet::Publish(publish) => {
                    let _ = v4::PubAck::new(publish.pkid).write(&mut out);
                    let messages = self.serve(&publish.topic, &publish.payload);
                    for (topic, payload) in messages {
                        if self.filters.iter().any(|filter| filter.matches(&topic)) {
                            let mut answer = v4::Publish::new(topic, QoS::AtLeastOnce, payload);
                            self.ids = self.ids.wrapping_add(1).max(1);
                            answer.pkid = self.ids;
                            let _ = answer.write(&mut out);
                        }
                    }
                    Ok(0)
                }
                Packet::PingReq => v4::PingResp.write(&mut out),
                _ => Ok(0),
            };
            written.expect("it can be said");
        }
        if !out.is_empty() {
            self.send(false, out.to_vec());
        }
    }

    fn serve(&mut self, topic: &str, payload: &[u8]) -> Vec<(String, String)> {
        let seconds = self.now().since_origin().as_secs();
        let now = UnixTime::from_seconds(1_767_225_600 + seconds);
        let handled = self.service.handle_publish(topic, payload, now);
        let handled = handled.expect("shadow topics alone");
        let messages = handled.messages.into_iter();
        messages.map(|it| (it.topic.into(), it.payload)).collect()
    }
}

fn due(way: &mut Way, now: Instant) -> Option<Vec<u8>> {
    let is_due = way.segments.front().is_some_and(|(at, _)| *at <= now);
    is_due
        .then(|| way.segments.pop_front())
        .flatten()
        .map(|it| it.1)
}
