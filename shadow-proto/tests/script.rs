//! Script tests of `Client`: one line a step, against what comes out. `script.rs` is the
//! interpreter, the scripts are the files in `scripts/`.
//!
//! ```text
//! config window 1 1          settings, before anything else
//! add lamp delta             add a shadow with an interest; `lamp~config` is a named one
//! connect | connect resumed  the connection is up
//! disconnect
//! get a lamp [options]       make a request called `a`; options: timeout=2s token=x fail latest
//! update b lamp reported {}  sections `desired JSON`, `reported JSON`, `clear`, `if N`
//! delete c lamp
//! cancel a
//! tick 5s                    time passes; every deadline on the way is handled
//! suback granted | refused   answers the oldest SUBSCRIBE
//! puback 0                   answers the oldest PUBLISH
//! recv lamp update/delta {}  a message; `$a` stands for the token of request `a`
//! > line                     exactly this comes out next
//! ```
//!
//! Whatever comes out must be in the script: nothing more, in no other order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    clippy::or_fun_call,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test may panic, and runs with std"
)]

use shadow_proto::{
    Accepted, Backoff, Client, Config, Event, Failure, Field, Instant, Interest, Json, Output,
    PubackCode, PublishId, Qos, Rates, RequestId, RequestOptions, Resync, ShadowHandle, ShadowId,
    ShadowOptions, SubackCode, SubscribeId, Subscriptions, TokenPrefix, Topic, TopicKind,
    TopicPrefix, Update, Version, WhenOffline, Window,
};
use std::{collections::BTreeMap, collections::VecDeque, fmt::Write, time::Duration};

#[test]
fn scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut ran = 0;
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for case in text.split("\n## ").skip(1) {
            let (name, script) = case.split_once('\n').unwrap();
            if std::panic::catch_unwind(|| run(name, script)).is_err() {
                failed.push(name.to_owned());
            }
            ran += 1;
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(ran >= 50, "only {ran} scripts");
}

fn run(name: &str, script: &str) {
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
        world.step(line);
        if world.client.is_some() {
            world.drain();
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
            "disconnect" => {
                self.client().handle_disconnected(now);
                self.subscribes.clear();
                self.unsubscribes.clear();
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
                self.client().resync(shadow, now).unwrap();
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
            other => panic!("unknown step {other}"),
        }
    }

    fn configure(&mut self, words: &[&str]) {
        assert!(self.client.is_none(), "settings come first");
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        match words[0] {
            "window" => self.config.window = Window::new(number(1), number(2)),
            "rates" => self.config.rates = Rates::default(),
            "budget" => {
                self.config.budget.per_subscribe = number(1) as u16;
                self.config.budget.per_connection = number(2);
            }
            "queue" => self.config.limits.requests = number(1) as usize,
            "events" => self.config.limits.events = number(1) as usize,
            "payload" => self.config.limits.payload = number(1) as usize,
            "resync-interval" => self.config.resync.min_interval = read_time(words[1]),
            "max-age" => self.config.resync.max_age = Some(read_time(words[1])),
            "session-lost-only" => {
                self.config.resync.policy = shadow_proto::ResyncPolicy::SessionLost
            }
            "prefix" => self.config.topic_prefix = TopicPrefix::new(words[1]).unwrap(),
            other => panic!("unknown setting {other}"),
        }
    }

    fn request(&mut self, operation: &str, words: &[&str]) {
        let now = self.now();
        let shadow = self.shadows[words[1]];
        let mut options = RequestOptions::default();
        let (mut desired, mut reported, mut clear, mut version) = (None, None, false, None);
        let mut words_left = words[2..].iter();
        while let Some(word) = words_left.next() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("timeout", time) => options.timeout = Some(read_time(time)),
                ("token", token) => options.token = Some(token),
                ("fail", _) => options.when_offline = WhenOffline::Fail,
                ("latest", _) => options.latest = true,
                ("retry", _) => options.retry = shadow_proto::Retry::Always,
                ("desired", _) => {
                    desired = Some(Json::from_text(words_left.next().unwrap()).unwrap())
                }
                ("reported", _) => {
                    reported = Some(Json::from_text(words_left.next().unwrap()).unwrap())
                }
                ("clear", _) => clear = true,
                ("if", _) => {
                    version = Some(Version::new(words_left.next().unwrap().parse().unwrap()))
                }
                other => panic!("{other:?}"),
            }
        }
        let client = self.client();
        let result = match operation {
            "get" => client.get(shadow, options, now),
            "delete" => client.delete(shadow, options, now),
            _ => {
                let mut update = match (&desired, &reported) {
                    _ if clear => Update::clear(),
                    (Some(desired), Some(reported)) => Update::both(desired, reported),
                    (Some(desired), None) => Update::desired(desired),
                    (None, Some(reported)) => Update::reported(reported),
                    (None, None) => Update::default(),
                };
                update.version = version;
                client.update(shadow, update.with_options(options), now)
            }
        };
        match result {
            Ok(id) => {
                self.requests.insert(words[0].to_owned(), id);
            }
            Err(error) => self.seen.push_back(format!("error {error}")),
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

    fn drain(&mut self) {
        while let Some(output) = self.client().poll_output() {
            self.outputs.push(output.clone());
            let line = match output {
                Output::Subscribe { id, filters, qos } => {
                    self.subscribes.push_back((id, filters.len()));
                    let qos = if qos == Qos::AtMostOnce { " qos 0" } else { "" };
                    format!("subscribe{qos} {}", shorten(&filters))
                }
                Output::Unsubscribe { id, filters } => {
                    self.unsubscribes.push_back(id);
                    format!("unsubscribe {}", shorten(&filters))
                }
                Output::Publish {
                    id,
                    request,
                    topic,
                    payload,
                    qos,
                    expiry,
                } => {
                    if qos == Qos::AtLeastOnce {
                        self.publishes.push_back(id);
                    }
                    let name = self.name_of(request).unwrap_or_else(|| "resync".to_owned());
                    if let Some(token) = self.client().token(request) {
                        let mut full = name.clone();
                        // A retry has a token of its own: `$a`, then `$a'`.
                        while self.tokens.contains_key(&full)
                            && self.tokens[&full] != token.as_str()
                        {
                            full.push('\'');
                        }
                        if name == "resync" {
                            full = name.clone();
                        }
                        self.tokens.insert(full, token.to_string());
                    }
                    let mut payload = String::from_utf8(payload.into()).unwrap();
                    for (name, token) in &self.tokens {
                        payload = payload.replace(&format!("\"{token}\""), &format!("${name}"));
                    }
                    let qos = if qos == Qos::AtMostOnce { " qos 0" } else { "" };
                    let expiry = expiry.map_or(0, |expiry| expiry.as_secs());
                    format!(
                        "publish{qos} {} {payload} expiry {expiry}",
                        shorten(&[topic])
                    )
                    .replace("  ", " ")
                }
                Output::Event(event) => self.describe(event),
            };
            self.seen.push_back(line);
        }
    }

    fn name_of(&self, request: RequestId) -> Option<String> {
        self.requests
            .iter()
            .find(|(_, id)| **id == request)
            .map(|(name, _)| name.clone())
            .or_else(|| {
                // The request is being made: its name is in the step.
                let mut words = self.step.split(' ');
                let operation = words.next().unwrap();
                let known: Vec<_> = self.requests.values().collect();
                (["get", "update", "delete"].contains(&operation) && !known.contains(&&request))
                    .then(|| words.next().unwrap().to_owned())
            })
    }

    fn shadow_name(&self, handle: ShadowHandle) -> &str {
        self.shadows
            .iter()
            .find(|(_, other)| **other == handle)
            .map_or("?", |(name, _)| name)
    }

    fn describe(&self, event: Event) -> String {
        let shadow = self.shadow_name(event.shadow());
        match event {
            Event::Ready {
                document, fetched, ..
            } => {
                let document = document.map_or("none".to_owned(), |document| {
                    format!("v{}", document.version)
                });
                format!(
                    "ready {shadow} {document}{}",
                    if fetched { "" } else { " not fetched" }
                )
            }
            Event::ResyncFailed {
                failure, retry_in, ..
            } => {
                let again = if retry_in.is_some() {
                    "will retry"
                } else {
                    "will not retry"
                };
                format!("resync failed {shadow} {}, {again}", failure_text(&failure))
            }
            Event::Refused { filter, code, .. } => format!("refused {} {code}", shorten(&[filter])),
            Event::Response {
                request, outcome, ..
            } => {
                let name = self.name_of(request).unwrap_or("?".to_owned());
                match outcome {
                    Ok(accepted) => format!("{name}: {}", accepted_text(&accepted)),
                    Err(failure) => format!("{name}: {}", failure_text(&failure)),
                }
            }
            Event::LateAnswer {
                request, answer, ..
            } => {
                let name = request
                    .and_then(|request| self.name_of(request))
                    .unwrap_or("?".to_owned());
                match answer {
                    Ok(accepted) => format!("late {name}: {}", accepted_text(&accepted)),
                    Err(rejection) => format!("late {name}: rejected {}", rejection.code),
                }
            }
            Event::ForeignAnswer {
                operation,
                answer,
                token,
                ..
            } => {
                let token = token.map_or(String::new(), |token| format!(" token {token}"));
                match answer {
                    Ok(accepted) => format!(
                        "foreign {shadow} {operation} {}{token}",
                        accepted_text(&accepted)
                    ),
                    Err(rejection) => format!(
                        "foreign {shadow} {operation} rejected {}{token}",
                        rejection.code
                    ),
                }
            }
            Event::UnattributedRejection {
                operation,
                rejection,
                candidate,
                ..
            } => {
                let candidate = candidate
                    .and_then(|id| self.name_of(id))
                    .unwrap_or("nobody".to_owned());
                format!(
                    "unattributed {shadow} {operation} {} maybe {candidate}",
                    rejection.code
                )
            }
            Event::Undecodable {
                topic,
                reason,
                payload,
                ..
            } => {
                format!(
                    "undecodable {shadow} {} {} bytes: {reason}",
                    topic.suffix(),
                    payload.len()
                )
            }
            Event::Lagged { dropped, .. } => format!("lagged {shadow} {dropped}"),
            Event::Delta { delta, origin, .. } => {
                format!(
                    "delta {shadow} v{} {} {}",
                    delta.version,
                    delta.state,
                    self.origin_text(origin)
                )
            }
            Event::Documents {
                documents, origin, ..
            } => {
                format!(
                    "documents {shadow} v{} {}",
                    documents.current.version,
                    self.origin_text(origin)
                )
            }
            Event::Deleted { origin, .. } => {
                format!("deleted {shadow} {}", self.origin_text(origin))
            }
            other => format!("{other:?}"),
        }
    }

    fn origin_text(&self, origin: shadow_proto::Origin) -> String {
        match origin {
            shadow_proto::Origin::Ours(request) => {
                format!("by {}", self.name_of(request).unwrap_or("?".to_owned()))
            }
            shadow_proto::Origin::Foreign => "foreign".to_owned(),
            _ => "unknown".to_owned(),
        }
    }
}

fn accepted_text(accepted: &Accepted) -> String {
    match accepted {
        Accepted::Get(document) => {
            let mut text = format!("got v{}", document.version);
            for (name, section) in [
                ("desired", &document.desired),
                ("reported", &document.reported),
                ("delta", &document.delta),
            ] {
                if let Field::Value(section) = section {
                    write!(text, " {name} {section}").unwrap();
                }
            }
            text
        }
        Accepted::Update(update) if update.cleared => {
            format!("updated v{} cleared", update.version)
        }
        Accepted::Update(update) => format!("updated v{}", update.version),
        Accepted::Delete { version, .. } => {
            format!(
                "deleted{}",
                version.map_or(String::new(), |version| format!(" v{version}"))
            )
        }
        Accepted::Published => "published".to_owned(),
        other => format!("{other:?}"),
    }
}

fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::Rejected(rejection) => format!("rejected {}", rejection.code),
        Failure::TimedOut { stage, hint } => {
            let hint = hint
                .as_ref()
                .map_or(String::new(), |hint| format!(" hint {}", hint.code));
            format!("timed out {stage:?}{hint}")
        }
        Failure::PublishRefused { stage, code } => format!("publish refused {stage:?} {code}"),
        Failure::Disconnected { stage } => format!("disconnected {stage:?}"),
        Failure::SubscribeRefused { stage, .. } => format!("subscribe refused {stage:?}"),
        Failure::NotSent { stage, reason } => format!("not sent {stage:?} {reason}"),
        Failure::Cancelled { stage } => format!("cancelled {stage:?}"),
        Failure::Removed { stage } => format!("removed {stage:?}"),
        other => format!("{other:?}"),
    }
}

fn read_id(name: &str) -> ShadowId {
    match name.split_once('~') {
        None => ShadowId::classic(name).unwrap(),
        Some((thing, shadow)) => ShadowId::named(thing, shadow).unwrap(),
    }
}

fn read_interest(word: &str) -> Interest {
    match word {
        "delta" => Interest::DELTA,
        "documents" => Interest::DOCUMENTS,
        "get" => Interest::GET,
        "update" => Interest::UPDATE,
        "update-accepted" => Interest::UPDATE_ACCEPTED,
        "delete" => Interest::DELETE,
        "delete-accepted" => Interest::DELETE_ACCEPTED,
        "all" => Interest::ALL,
        "none" => Interest::NONE,
        other => panic!("unknown interest {other}"),
    }
}

fn read_time(text: &str) -> Duration {
    if let Some(hours) = text.strip_suffix('h') {
        return Duration::from_secs(hours.parse::<u64>().unwrap() * 3600);
    }
    if let Some(millis) = text.strip_suffix("ms") {
        return Duration::from_millis(millis.parse().unwrap());
    }
    Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

/// Topics without what all of them have: `lamp get/accepted`.
fn shorten(topics: &[Box<str>]) -> String {
    let mut text = String::new();
    for (at, topic) in topics.iter().enumerate() {
        let rest = topic.split_once("/things/").unwrap().1;
        let (thing, rest) = rest.split_once("/shadow/").unwrap();
        let (shadow, suffix) = match rest.strip_prefix("name/") {
            None => (thing.to_owned(), rest),
            Some(rest) => {
                let (shadow, suffix) = rest.split_once('/').unwrap();
                (format!("{thing}~{shadow}"), suffix)
            }
        };
        write!(text, "{}{shadow} {suffix}", if at == 0 { "" } else { ", " }).unwrap();
    }
    text
}
