//! The interpreter of script tests of `Client`: one line a step, against what comes out.
//!
//! ```text
//! config window 1 1          settings, before anything else
//! add lamp delta             add a shadow with an interest; `lamp~config` is a named one
//! connect | connect resumed  the connection is up
//! disconnect                the driver forgets its ids, unless it is `keeping ids`
//! get a lamp [options]       make a request called `a`; options: timeout=2s token=x fail latest
//! update b lamp reported {}  sections `desired JSON`, `reported JSON`, `clear`, `if N`
//! delete c lamp
//! cancel a
//! tick 5s                    time passes; every deadline on the way is handled
//! suback granted | refused   answers the oldest SUBSCRIBE
//! puback 0                   answers the oldest PUBLISH
//! quietly STEP               does it, but takes nothing out yet
//! stats deltas=1 merged=0    these counts; likewise `stage a Sent`, `token a T-1.0`,
//!                            `outstanding 2`, `subscriptions lamp WANTED GRANTED`, `timeout 5s`
//! recv lamp update/delta {}  a message; `$a` stands for the token of request `a`
//! > line                     exactly this comes out next
//! ```
//!
//! Whatever comes out must be in the script: nothing more, in no other order.

mod describe;
mod outputs;
mod read;
mod request;

use read::{read_id, read_interest, read_time};
use shadow_proto::{
    Backoff, Client, Config, Instant, Interest, Output, PubackCode, PublishId, Qos, Rates,
    RequestId, Resync, ShadowHandle, ShadowOptions, SubackCode, SubscribeId, Subscriptions,
    TokenPrefix, Topic, TopicKind,
};
use std::{collections::BTreeMap, collections::VecDeque, time::Duration};

pub(crate) fn run(name: &str, script: &str) {
    let mut world = World::new();
    let mut expected = Vec::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(output) = line.strip_prefix("> ") {
            expected.push(output.to_owned());
            continue;
        }
        world.check(name, &mut expected);
        let quiet = line.strip_prefix("quietly ");
        world.step(quiet.unwrap_or(line));
        if let Some(client) = &world.client {
            client.check_invariants();
            if quiet.is_none() {
                world.drain();
                world.client().check_invariants();
            }
        }
    }
    world.check(name, &mut expected);
    world.check_recording(name);
}

struct World {
    config: Config,
    client: Option<Client>,
    now: Duration,
    shadows: BTreeMap<String, ShadowHandle>,
    requests: BTreeMap<String, RequestId>,
    tokens: BTreeMap<String, String>,
    subscribes: VecDeque<(SubscribeId, usize)>,
    unsubscribes: VecDeque<SubscribeId>,
    publishes: VecDeque<PublishId>,
    seen: VecDeque<String>,
    step: String,
    outputs: Vec<Output>,
}

impl World {
    fn new() -> Self {
        let mut config = Config::new(TokenPrefix::new("T").unwrap());
        config.rates = Rates::unlimited();
        // No jitter to speak of: delays are between half of this and this.
        config.backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(2));
        Self {
            config,
            client: None,
            now: Duration::ZERO,
            shadows: BTreeMap::new(),
            requests: BTreeMap::new(),
            tokens: BTreeMap::new(),
            subscribes: VecDeque::new(),
            unsubscribes: VecDeque::new(),
            publishes: VecDeque::new(),
            seen: VecDeque::new(),
            step: String::new(),
            outputs: Vec::new(),
        }
    }

    /// Whatever a script does, its recording comes to the same outputs.
    fn check_recording(&mut self, name: &str) {
        let recording = self.client().take_recording();
        let mut outputs = Vec::new();
        let replayed =
            shadow_proto::replay(&recording, |output| outputs.push(output.clone())).unwrap();
        assert_eq!(outputs, self.outputs, "{name}: replayed");
        assert_eq!(
            replayed.poll_timeout(),
            self.client().poll_timeout(),
            "{name}: replayed"
        );
        assert_eq!(replayed.stats(), self.client().stats(), "{name}: replayed");
    }

    fn check(&mut self, name: &str, expected: &mut Vec<String>) {
        let seen: Vec<_> = self.seen.drain(..).collect();
        assert_eq!(seen, *expected, "{name}: after `{}`", self.step);
        expected.clear();
    }

    fn client(&mut self) -> &mut Client {
        self.client.get_or_insert_with(|| {
            let mut client = Client::new(self.config.clone());
            client.start_recording().unwrap();
            client
        })
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.now)
    }

    fn step(&mut self, line: &str) {
        self.step = line.to_owned();
        let now = self.now();
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match command {
            "config" => self.configure(&words),
            "add" => {
                let mut interest = Interest::NONE;
                for word in &words[1..] {
                    interest = interest | read_interest(word);
                }
                match self.client().add_shadow(read_id(words[0]), interest, now) {
                    Ok(handle) => {
                        self.shadows.insert(words[0].to_owned(), handle);
                    }
                    Err(error) => self.seen.push_back(format!("error {error}")),
                }
            }
            "mode" => {
                let shadow = self.shadows[words[0]];
                let mut options = ShadowOptions::default();
                for word in &words[1..] {
                    match word.split_once('=').unwrap_or((word, "")) {
                        ("publish-only", _) => {
                            options.subscriptions = Some(Subscriptions::PublishOnly)
                        }
                        ("per-request", linger) => {
                            let linger = read_time(linger);
                            options.subscriptions = Some(Subscriptions::PerRequest { linger });
                        }
                        ("gated", _) => options.gate_reports = Some(true),
                        ("qos0", _) => options.qos = Some(Qos::AtMostOnce),
                        ("no-resync", _) => options.resync = Some(Resync::never()),
                        other => panic!("{other:?}"),
                    }
                }
                self.client().configure(shadow, options, now).unwrap();
            }
            "register" => {
                let interest = words[1..]
                    .iter()
                    .fold(Interest::NONE, |sum, word| sum | read_interest(word));
                let shadow = self.shadows[words[0]];
                if let Err(error) = self.client().register(shadow, interest, now) {
                    self.seen.push_back(format!("error {error}"));
                }
            }
            "remove" => {
                let shadow = self.shadows[words[0]];
                self.client().remove_shadow(shadow, now).unwrap();
            }
            "connect" => self.client().handle_connected(rest == "resumed", now),
            "doubt" => self.client().handle_session_doubted(now),
            "disconnect" => {
                self.client().handle_disconnected(now);
                if rest != "keeping ids" {
                    self.subscribes.clear();
                    self.unsubscribes.clear();
                }
            }
            "get" | "update" | "delete" => self.request(command, &words),
            "cancel" => {
                let request = self.requests[words[0]];
                if let Err(error) = self.client().cancel(request, now) {
                    self.seen.push_back(format!("error {error}"));
                }
            }
            "resync" => {
                let shadow = self.shadows[words[0]];
                if let Err(error) = self.client().resync(shadow, now) {
                    self.seen.push_back(format!("error {error}"));
                }
            }
            "tick" => self.tick(read_time(words[0])),
            "suback" => {
                let (id, filters) = self.subscribes.pop_front().expect("a SUBSCRIBE is open");
                let codes: Vec<SubackCode> = match words[0] {
                    "granted" => vec![SubackCode::new(1); filters],
                    "refused" => vec![SubackCode::new(0x87); filters],
                    codes => codes
                        .split(',')
                        .map(|code| SubackCode::new(code.parse().unwrap()))
                        .collect(),
                };
                self.client().handle_suback(id, &codes, now);
            }
            "suback-failed" => {
                let (id, _) = self.subscribes.pop_front().expect("a SUBSCRIBE is open");
                self.client().handle_subscribe_failed(id, now);
            }
            "unsuback" => {
                let id = self
                    .unsubscribes
                    .pop_front()
                    .expect("an UNSUBSCRIBE is open");
                self.client().handle_unsuback(id, now);
            }
            "unsuback-failed" => {
                let id = self
                    .unsubscribes
                    .pop_front()
                    .expect("an UNSUBSCRIBE is open");
                self.client().handle_subscribe_failed(id, now);
            }
            "puback" => {
                let id = self.publishes.pop_front().expect("a PUBLISH is open");
                let code = PubackCode::new(words[0].parse().unwrap());
                self.client().handle_puback(id, code, now);
            }
            "send-failed" => {
                let id = self.publishes.pop_front().expect("a PUBLISH is open");
                self.client().handle_send_failed(id, now);
            }
            "recv" => self.receive(rest),
            "note-publish" => self.client().note_publish(now),
            "stage" => {
                let stage = self.client.as_ref().unwrap().stage(self.requests[words[0]]);
                let stage = stage.map_or("over".to_owned(), |stage| format!("{stage:?}"));
                assert_eq!(stage, words[1], "{line}");
            }
            "token" => {
                let token = self.client.as_ref().unwrap().token(self.requests[words[0]]);
                let token = token.map_or("none".to_owned(), |token| token.to_string());
                assert_eq!(token, words[1], "{line}");
            }
            "outstanding" => {
                assert_eq!(self.client().outstanding().to_string(), words[0], "{line}");
            }
            "subscriptions" => {
                let (wanted, granted) = self
                    .client
                    .as_ref()
                    .unwrap()
                    .subscriptions(self.shadows[words[0]])
                    .unwrap();
                assert_eq!(
                    format!("{} {}", wanted.len(), granted.len()),
                    words[1..].join(" "),
                    "{line}"
                );
            }
            "timeout" => {
                let timeout = self.client().poll_timeout();
                let left = timeout.map_or("none".to_owned(), |at| {
                    format!("{:?}", at.saturating_since(now))
                });
                assert_eq!(left, words[0], "{line}");
            }
            "stats" => {
                let stats = format!("{:?}", self.client().stats());
                for word in words {
                    let (name, count) = word.split_once('=').unwrap();
                    assert!(
                        stats
                            .replace(" }", ",")
                            .contains(&format!(" {name}: {count},")),
                        "{word} is not in {stats}"
                    );
                }
            }
            other => panic!("unknown step {other}"),
        }
    }

    fn tick(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..1000 {
            let next = self.client().poll_timeout().map(Instant::since_origin);
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            assert!(next >= self.now, "a deadline is not in the past");
            if next > self.now + Duration::from_nanos(1) {
                let early = Instant::from_origin(next - Duration::from_nanos(1));
                self.client().handle_timeout(early);
                assert!(
                    self.client().poll_output().is_none(),
                    "nothing comes before its time"
                );
            }
            self.now = next;
            let now = self.now();
            self.client().handle_timeout(now);
            let after = self.client().poll_timeout();
            assert!(after.is_none_or(|after| after > now), "no hot loop");
            self.drain();
        }
        self.now = end;
    }

    fn receive(&mut self, rest: &str) {
        let now = self.now();
        let (shadow, rest) = rest.split_once(' ').unwrap();
        let (suffix, payload) = rest.split_once(' ').unwrap();
        let id = read_id(shadow);
        let kind = TopicKind::from_suffix(suffix).unwrap();
        let mut payload = payload.to_owned();
        for (name, token) in &self.tokens {
            payload = payload.replace(&format!("${name}\""), &format!("{token}\""));
        }
        assert!(!payload.contains('$'), "unknown token in {payload}");
        let prefix = self.config.topic_prefix.clone();
        let topic = Topic::new(&id, kind).spell(&prefix);
        if self
            .client()
            .handle_publish(&topic, payload.as_bytes(), now)
            .is_err()
        {
            self.seen.push_back("not ours".to_owned());
        }
        self.client().check_invariants();
    }
}
