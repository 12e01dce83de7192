//! A burst against the quotas that AWS enforces: nothing is refused, nothing is lost, nothing waits longer than the
//! quotas make it.

use shadow_proto::{
    Accepted, Client, Config, Event, Instant, Interest, Json, Output, PubackCode, Qos,
    RequestOptions, ShadowHandle, ShadowId, SubackCode, TokenPrefix, Topic, Update,
};
use shadow_service::{Rate, Service, Settings, UnixTime};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

const THINGS: usize = 5;
const UPDATES: usize = 1_000;
/// Each way.
const WIRE: Duration = Duration::from_millis(15);
/// How long the service takes.
const SERVING: Duration = Duration::from_millis(40);
/// AWS IoT Core: publishes a second of one connection, and requests in flight of one thing.
const PUBLISHES: u32 = 100;
const IN_FLIGHT: u32 = 10;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A request reaches the broker.
    Arrives(String, Vec<u8>),
    /// The service has served one.
    Served(String, Vec<u8>),
    /// An answer reaches the client.
    Answer(String, Vec<u8>),
}

/// A client, a broker that discards what exceeds the quota, and a service that enforces its own.
struct World {
    client: Client,
    service: Service,
    now: Duration,
    queue: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    number: u64,
    in_flight: BTreeMap<String, u32>,
    /// When the broker's bucket is full again.
    bucket: Duration,
    discarded: u32,
    refused: u32,
    accepted: Vec<(ShadowHandle, u64)>,
    failed: Vec<String>,
    others: Vec<String>,
}

impl World {
    fn new() -> Self {
        let mut settings = Settings::default();
        settings.rate = Some(Rate::AWS);
        let prefix = TokenPrefix::new("burst").unwrap();
        Self {
            client: Client::new(Config::new(prefix)),
            service: Service::new(settings),
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            number: 0,
            in_flight: BTreeMap::new(),
            bucket: Duration::ZERO,
            discarded: 0,
            refused: 0,
            accepted: Vec::new(),
            failed: Vec::new(),
            others: Vec::new(),
        }
    }

    fn at(&self) -> Instant {
        Instant::from_origin(self.now)
    }

    fn schedule(&mut self, after: Duration, what: Happening) {
        self.number += 1;
        self.queue
            .push(Reverse((self.now + after, self.number, what)));
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Subscribe { id, filters, .. } => {
                    assert!(filters.len() <= 8, "AWS takes 8 filters in a SUBSCRIBE");
                    let codes = vec![SubackCode::new(1); filters.len()];
                    self.client.handle_suback(id, &codes, self.at());
                }
                Output::Unsubscribe { id, .. } => self.client.handle_unsuback(id, self.at()),
                Output::Publish {
                    id,
                    topic,
                    payload,
                    qos,
                    ..
                } => {
                    assert_eq!(qos, Qos::AtLeastOnce);
                    self.schedule(WIRE, Happening::Arrives(topic.into(), payload.into()));
                    self.client
                        .handle_puback(id, PubackCode::SUCCESS, self.at());
                }
                Output::Event(Event::Response {
                    shadow, outcome, ..
                }) => match outcome {
                    Ok(Accepted::Update(update)) => {
                        self.accepted.push((shadow, update.version.number()));
                    }
                    outcome => self.failed.push(format!("{outcome:?}")),
                },
                Output::Event(event) => self.others.push(format!("{event:?}")),
            }
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Arrives(topic, payload) => {
                let each = Duration::from_secs(1) / PUBLISHES;
                if self.bucket > self.now + each * (PUBLISHES - 1) {
                    self.discarded += 1;
                    return;
                }
                self.bucket = self.bucket.max(self.now) + each;
                let thing = Topic::parse(&topic).unwrap().thing().to_owned();
                let in_flight = self.in_flight.entry(thing).or_default();
                *in_flight += 1;
                assert!(*in_flight <= IN_FLIGHT, "{in_flight} in flight");
                self.schedule(SERVING, Happening::Served(topic, payload));
            }
            Happening::Served(topic, payload) => {
                let thing = Topic::parse(&topic).unwrap().thing().to_owned();
                *self.in_flight.get_mut(&thing).unwrap() -= 1;
                let time = UnixTime::since_epoch(Duration::from_secs(1_767_225_600) + self.now);
                let handled = self.service.handle_publish(&topic, &payload, time);
                let handled = handled.unwrap();
                self.refused += u32::from(handled.outcome.is_err());
                for message in handled.messages {
                    let answer =
                        Happening::Answer(message.topic.into(), message.payload.into_bytes());
                    self.schedule(WIRE, answer);
                }
            }
            Happening::Answer(topic, payload) => {
                let _ = self.client.handle_publish(&topic, &payload, self.at());
            }
        }
    }

    /// The next thing, whenever it is.
    fn step(&mut self) -> bool {
        let event = self.queue.peek().map(|Reverse((at, ..))| *at);
        let timeout = self.client.poll_timeout().map(Instant::since_origin);
        match (event, timeout) {
            (None, None) => return false,
            (event, Some(timeout)) if event.is_none_or(|event| timeout < event) => {
                self.now = self.now.max(timeout);
                self.client.handle_timeout(self.at());
            }
            _ => {
                let Some(Reverse((at, _, what))) = self.queue.pop() else {
                    return false;
                };
                self.now = at;
                self.happen(what);
            }
        }
        self.drain();
        true
    }
}

#[test]
fn a_thousand_updates_at_once_are_neither_refused_nor_lost() {
    let mut world = World::new();
    world.client.handle_connected(false, world.at());
    let shadows: Vec<ShadowHandle> = (0..THINGS)
        .map(|thing| {
            let id = ShadowId::classic(&format!("thing-{thing}")).unwrap();
            let now = world.at();
            world.client.add_shadow(id, Interest::NONE, now).unwrap()
        })
        .collect();
    let mut options = RequestOptions::default();
    options.timeout = Some(Duration::from_secs(60));
    for number in 0..UPDATES {
        let state = Json::from_text(&format!(r#"{{"number":{number}}}"#)).unwrap();
        let update = Update::reported(&state).with_options(options);
        let now = world.at();
        world
            .client
            .update(shadows[number % THINGS], update, now)
            .unwrap();
    }
    world.drain();
    while world.step() {}

    assert_eq!(
        world.failed,
        Vec::<String>::new(),
        "every update is accepted"
    );
    assert_eq!(world.others, Vec::<String>::new());
    assert_eq!(
        (world.refused, world.discarded),
        (0, 0),
        "no 429, no message lost"
    );
    assert_eq!(world.accepted.len(), UPDATES);
    for shadow in shadows {
        let mut versions: Vec<u64> = world
            .accepted
            .iter()
            .filter(|(of, _)| *of == shadow)
            .map(|(_, version)| *version)
            .collect();
        versions.sort_unstable();
        let all = 1..=(UPDATES / THINGS) as u64;
        assert!(versions.into_iter().eq(all), "each was applied once");
    }
    assert_eq!(world.client.outstanding(), 0);
    // 200 for each thing at 20 a second, the first ten at once.
    let least = Duration::from_secs(9);
    assert!(
        world.now >= least && world.now < least * 2,
        "it took {:?}",
        world.now
    );
}
