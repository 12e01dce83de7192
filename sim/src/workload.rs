//! What clients do by themselves, and what foreign clients do.

use crate::{
    checker::Ask,
    device::Held,
    plan::Role,
    totals::{Fault, Happened},
    world::{Happening, World},
};
use shadow_proto::{
    Interest, Json, Operation, Qos, RequestError, RequestId, RequestOptions, Retry, Section,
    ShadowOptions, Topic, TopicKind, Update, Version, WhenOffline,
};
use std::rc::Rc;
use std::time::Duration;

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    Get,
    Delete,
    Report(Json),
    Desire(Json),
    Both(Json, Json),
    ClearDesired,
    ClearReported,
    Clear,
    Insist(Json, Version),
}

/// How it wants to be treated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) token: Option<String>,
    pub(crate) offline: WhenOffline,
    pub(crate) qos: Option<Qos>,
    pub(crate) latest: bool,
    pub(crate) retry: Retry,
}

impl World {
    /// A client does something by itself.
    pub(crate) fn act(&mut self, node: usize, life: u32) {
        if self.healed || self.nodes[node].life != life {
            return;
        }
        let at = self.now + self.work.around(self.plan.nodes[node].pace);
        self.schedule(at, Happening::Act { node, life });
        if self.nodes[node].held.is_empty() {
            self.add_again(node);
            return;
        }
        let held = self.work.index(self.nodes[node].held.len());
        match self.nodes[node].role {
            Role::Device => match self.work.below(20) {
                0 => self.cancel_one(node),
                1 => self.resync(node, held),
                2 => self.get(node, held),
                _ => self.measure(node, held),
            },
            Role::Sensor => match self.work.below(10) {
                0 => self.get(node, held),
                1 => self.cancel_one(node),
                _ => self.measure(node, held),
            },
            Role::Watcher => match self.work.below(10) {
                0..=3 => self.get(node, held),
                4 => self.resync(node, held),
                5 => self.remove(node, held),
                6 => self.add_again(node),
                _ => self.cancel_one(node),
            },
            Role::Application => self.command(node, held),
        }
    }

    fn command(&mut self, node: usize, held: usize) {
        match self.work.below(100) {
            0..=39 => self.desire(node, held),
            40..=47 => self.get(node, held),
            48..=57 => self.insist(node, held),
            58..=60 => self.request(node, held, &Want::Delete),
            61 => self.request(node, held, &Want::ClearDesired),
            62 => self.request(node, held, &Want::ClearReported),
            63 => self.request(node, held, &Want::Clear),
            64..=65 => {
                let (desired, reported) = (self.patch(), self.patch());
                self.request(node, held, &Want::Both(desired, reported));
            }
            66..=68 => self.burst(node, held),
            69..=71 => {
                let large = format!(r#"{{"large":"{}"}}"#, "x".repeat(1_100));
                let large = Json::from_text(&large).expect("it is JSON");
                self.request(node, held, &Want::Desire(large));
            }
            72..=73 => {
                let deep = format!("{}1{}", r#"{"a":"#.repeat(9), "}".repeat(9));
                let deep = Json::from_text(&deep).expect("it is JSON");
                self.request(node, held, &Want::Desire(deep));
            }
            74..=79 => self.own_token(node, held),
            80..=85 => self.cancel_one(node),
            86..=88 => self.remove(node, held),
            89..=91 => self.add_again(node),
            92..=94 => self.register(node, held),
            95 => self.configure(node, held),
            96 => {
                self.feed(node, |client, now| client.note_publish(now));
            }
            _ => self.resync(node, held),
        }
    }

    fn patch(&mut self) -> Json {
        let number = self.work.below(100);
        let text = match self.work.below(8) {
            0..=3 => format!(r#"{{"a":{number}}}"#),
            4 => format!(r#"{{"b":{number},"c":"é\n{number}"}}"#),
            5 => format!(r#"{{"n":{{"x":{number},"y":[{number},1.50]}}}}"#),
            6 => r#"{"n":{"x":null},"b":null}"#.to_owned(),
            _ => format!(r#"{{"n":{number},"a":null}}"#),
        };
        Json::from_text(&text).expect("it is JSON")
    }

    pub(crate) fn draw_options(&mut self, node: usize, device: bool) -> Options {
        let work = &mut self.work;
        let mut options = Options::default();
        if work.chance(200) {
            options.timeout = Some(*work.pick(&[
                Duration::ZERO,
                Duration::from_millis(100),
                Duration::from_millis(600),
                Duration::from_secs(2),
                Duration::from_secs(30),
            ]));
        }
        if work.chance(100) {
            options.offline = WhenOffline::Fail;
        }
        if work.chance(100) {
            options.qos = Some(*work.pick(&[Qos::AtMostOnce, Qos::AtLeastOnce]));
        }
        options.retry = *work.pick(&[
            Retry::Safe,
            Retry::Safe,
            Retry::Safe,
            Retry::Always,
            Retry::Never,
        ]);
        options.latest = work.chance(200);
        if !device && work.chance(60) {
            options.token = Some(format!("app-{node}-{:x}", work.draw()));
        }
        options
    }

    /// Makes a request, and remembers that it was made. What comes of it is not taken out yet.
    pub(crate) fn ask(
        &mut self,
        node: usize,
        held: usize,
        want: &Want,
        options: &Options,
    ) -> Result<RequestId, RequestError> {
        let now = self.now;
        let it = &mut self.nodes[node];
        let (handle, shadow) = (it.held[held].handle, it.held[held].shadow);
        let config = it.client.config();
        let publish_only = config.subscriptions == shadow_proto::Subscriptions::PublishOnly;
        let timeout = options.timeout.unwrap_or(config.response_timeout);
        let limit = config.limits.requests;
        let mut how = RequestOptions::default();
        how.timeout = options.timeout;
        how.token = options.token.as_deref();
        how.when_offline = options.offline;
        how.qos = options.qos;
        how.latest = options.latest;
        how.retry = options.retry;
        let client = &mut it.client;
        let result = match want {
            Want::Get => client.get(handle, how, now),
            Want::Delete => client.delete(handle, how, now),
            Want::Report(json) => {
                client.update(handle, Update::reported(json).with_options(how), now)
            }
            Want::Desire(json) => {
                client.update(handle, Update::desired(json).with_options(how), now)
            }
            Want::Both(desired, reported) => {
                let update = Update::both(desired, reported).with_options(how);
                client.update(handle, update, now)
            }
            Want::ClearDesired => {
                let mut update = Update::default().with_options(how);
                update.desired = Section::Clear;
                client.update(handle, update, now)
            }
            Want::ClearReported => {
                let mut update = Update::default().with_options(how);
                update.reported = Section::Clear;
                client.update(handle, update, now)
            }
            Want::Clear => client.update(handle, Update::clear().with_options(how), now),
            Want::Insist(json, version) => {
                let update = Update::desired(json).if_version(*version).with_options(how);
                client.update(handle, update, now)
            }
        };
        // Some may be over already, which only the next outputs say.
        let unsure = it.check.unpolled;
        it.check.unpolled += 1;
        let open = it.check.open;
        match &result {
            Ok(id) => {
                assert!(
                    it.stalled || it.draining || open < limit + unsure,
                    "client {node}: the queue is longer than {limit}"
                );
                let operation = match want {
                    Want::Get => Operation::Get,
                    Want::Delete => Operation::Delete,
                    _ => Operation::Update,
                };
                let mergeable = options.latest
                    && options.token.is_none()
                    && operation == Operation::Update
                    && !matches!(want, Want::Clear | Want::Insist(..));
                let ask = Ask {
                    shadow,
                    operation,
                    publish_only,
                    deadline: now + timeout,
                    own_token: options.token.clone(),
                    fails_offline: options.offline == WhenOffline::Fail,
                    mergeable,
                    ..Ask::default()
                };
                it.check.asked(*id, ask);
                self.log(|| format!("client {node}: asks {id:?} {want:?} {options:?}"));
            }
            Err(RequestError::QueueFull { .. }) => {
                assert!(open >= limit, "client {node}: the queue is not full");
                self.totals.note(Happened::QueueFull);
            }
            Err(RequestError::Budget(_)) => self.totals.note(Happened::Budget),
            Err(RequestError::TokenInUse) => self.totals.note(Happened::TokenInUse),
            Err(RequestError::TokenPrefixed) => self.totals.note(Happened::TokenPrefixed),
            Err(RequestError::TooLarge { .. }) => self.totals.note(Happened::TooLarge),
            Err(error) => panic!("client {node}: a request is not taken: {error}"),
        }
        result
    }

    fn request(&mut self, node: usize, held: usize, want: &Want) {
        let options = self.draw_options(node, false);
        let _ = self.ask(node, held, want, &options);
        self.after(node);
    }

    fn desire(&mut self, node: usize, held: usize) {
        let patch = self.patch();
        self.request(node, held, &Want::Desire(patch));
    }

    fn get(&mut self, node: usize, held: usize) {
        self.request(node, held, &Want::Get);
    }

    /// An update with a version: the one it knows, or another.
    fn insist(&mut self, node: usize, held: usize) {
        let known = self.nodes[node].held[held].version;
        let version = match (known, self.work.chance(700)) {
            (Some(version), true) => version,
            _ => Version::new(self.work.below(30)),
        };
        let patch = self.patch();
        self.request(node, held, &Want::Insist(patch, version));
    }

    fn burst(&mut self, node: usize, held: usize) {
        for _ in 0..self.work.between(5, 40) {
            let patch = self.patch();
            let options = self.draw_options(node, false);
            let _ = self.ask(node, held, &Want::Desire(patch), &options);
            if self.work.chance(300) {
                self.after(node);
            }
        }
        self.after(node);
    }

    /// A token of its own: fresh, one in use, or one that is not allowed.
    fn own_token(&mut self, node: usize, held: usize) {
        let patch = self.patch();
        let mut options = self.draw_options(node, false);
        let token = format!("own-{node}-{:x}", self.work.draw());
        options.token = Some(token.clone());
        let _ = self.ask(node, held, &Want::Desire(patch.clone()), &options);
        match self.work.below(3) {
            0 => {
                let taken = self.ask(node, held, &Want::Desire(patch), &options);
                let zero =
                    options.timeout == Some(Duration::ZERO) || options.offline == WhenOffline::Fail;
                assert!(
                    taken.is_err() || zero,
                    "client {node}: the token {token} is taken twice"
                );
            }
            1 => {
                let prefix = self.nodes[node].client.config().token_prefix.clone();
                options.token = Some(format!("{}-7", prefix.as_str()));
                let refused = self.ask(node, held, &Want::Get, &options);
                assert!(refused.is_err(), "client {node}: a token with our prefix");
            }
            _ => {}
        }
        self.after(node);
    }

    fn cancel_one(&mut self, node: usize) {
        let open: Vec<RequestId> = self.nodes[node].check.unfinished().collect();
        if open.is_empty() {
            return;
        }
        let id = open[self.work.index(open.len())];
        self.log(|| format!("client {node}: cancels {id:?}"));
        let dozed = self.nodes[node].dozed;
        self.nodes[node].check.cancelled(id);
        let cancelled = self.nodes[node].client.cancel(id, self.now);
        assert!(
            cancelled.is_ok() || dozed,
            "client {node}: {id:?} has no outcome, and cannot be cancelled"
        );
        self.after(node);
    }

    fn resync(&mut self, node: usize, held: usize) {
        let handle = self.nodes[node].held[held].handle;
        let known = self.feed(node, |client, now| client.resync(handle, now));
        assert!(known.is_ok(), "client {node}: the shadow was not removed");
    }

    fn remove(&mut self, node: usize, held: usize) {
        let held = self.nodes[node].held.remove(held);
        self.nodes[node].check.fetched(held.shadow);
        self.log(|| format!("client {node}: removes {:?}", held.handle));
        let known = self.feed(node, |client, now| client.remove_shadow(held.handle, now));
        assert!(known.is_ok(), "client {node}: it was not removed before");
        let again = self.feed(node, |client, now| client.remove_shadow(held.handle, now));
        assert!(again.is_err(), "client {node}: a stale handle");
    }

    fn add_again(&mut self, node: usize) {
        let plan = self.plan.nodes[node].shadows.clone();
        let held = &self.nodes[node].held;
        let missing: Vec<(usize, Interest)> = plan
            .into_iter()
            .filter(|(shadow, _)| held.iter().all(|held| held.shadow != *shadow))
            .collect();
        if missing.is_empty() {
            return;
        }
        let (shadow, interest) = missing[self.work.index(missing.len())];
        let id = self.plan.shadows[shadow].clone();
        self.log(|| format!("client {node}: adds {id}"));
        match self.nodes[node].client.add_shadow(id, interest, self.now) {
            Ok(handle) => {
                let held = Held::new(shadow, handle, interest);
                self.nodes[node].held.push(held);
            }
            Err(_) => self.totals.note(Happened::Budget),
        }
        self.after(node);
    }

    fn register(&mut self, node: usize, held: usize) {
        let interest = *self.work.pick(&[
            Interest::NONE,
            Interest::ALL,
            Interest::DELTA,
            Interest::DOCUMENTS | Interest::DELETE_ACCEPTED,
            Interest::GET | Interest::UPDATE_REJECTED,
        ]);
        self.set_interest(node, held, interest);
    }

    pub(crate) fn set_interest(&mut self, node: usize, held: usize, interest: Interest) {
        let handle = self.nodes[node].held[held].handle;
        self.log(|| format!("client {node}: registers {handle:?} {interest:?}"));
        let shadow = self.nodes[node].held[held].shadow;
        self.nodes[node].check.fetched(shadow);
        let result = self.nodes[node].client.register(handle, interest, self.now);
        match result {
            Ok(()) => {
                let it = &mut self.nodes[node].held[held];
                if !it.interest.contains(Interest::DOCUMENTS) {
                    it.seen.mirror = None;
                }
                it.interest = interest;
            }
            Err(_) => self.totals.note(Happened::Budget),
        }
        self.after(node);
    }

    fn configure(&mut self, node: usize, held: usize) {
        let handle = self.nodes[node].held[held].handle;
        let mut options = ShadowOptions::default();
        let work = &mut self.work;
        options.qos = *work.pick(&[None, Some(Qos::AtMostOnce), Some(Qos::AtLeastOnce)]);
        options.gate_reports = *work.pick(&[None, Some(true), Some(false)]);
        self.log(|| format!("client {node}: configures {handle:?} {options:?}"));
        let known = self.feed(node, |client, now| client.configure(handle, options, now));
        assert!(known.is_ok(), "client {node}: the shadow was not removed");
    }

    /// A foreign client publishes a request, or something worse.
    pub(crate) fn foreign(&mut self) {
        let Some(mean) = self.plan.foreign.filter(|_| !self.healed) else {
            return;
        };
        let at = self.now + self.work.around(mean);
        self.schedule(at, Happening::Foreign);
        let shadow = self.work.index(self.plan.shadows.len());
        let id = self.plan.shadows[shadow].clone();
        if self.plan.poison && self.work.chance(300) {
            self.poison(&id);
            return;
        }
        let operation = *self.work.pick(&[
            Operation::Update,
            Operation::Update,
            Operation::Update,
            Operation::Update,
            Operation::Get,
            Operation::Delete,
        ]);
        if operation == Operation::Delete && self.work.chance(600) {
            return;
        }
        let state = format!(r#""state":{{"desired":{}}}"#, self.patch().as_str());
        let payload = match self.work.below(8) {
            0..=2 => {
                self.totals.note(Fault::Foreign);
                let token = self.work.draw();
                format!(r#"{{{state},"clientToken":"foreign-{token:x}"}}"#)
            }
            3 => {
                self.totals.note(Fault::ForeignNameless);
                format!("{{{state}}}")
            }
            4 => {
                self.totals.note(Fault::ForeignMalformed);
                format!("{{{state}")
            }
            5 => {
                self.totals.note(Fault::ForeignMalformed);
                format!(r#"{{{state},"clientToken":"{}"}}"#, "x".repeat(65))
            }
            _ => match self.lookalike(shadow, operation) {
                Some(token) => {
                    self.totals.note(Fault::ForeignLookalike);
                    format!(r#"{{{state},"clientToken":"{token}"}}"#)
                }
                None => format!("{{{state}}}"),
            },
        };
        let topic: Rc<str> = Topic::new(&id, operation.request()).to_string().into();
        self.log(|| format!("foreign: {topic} {payload}"));
        let payload: Rc<[u8]> = payload.into_bytes().into();
        self.route_request(&topic, &payload, Qos::AtLeastOnce, None);
    }

    /// A token that a client may take for its own: one of another request, or a variation of it.
    fn lookalike(&mut self, shadow: usize, operation: Operation) -> Option<String> {
        let node = self.work.index(self.nodes.len());
        let tokens = self.nodes[node].check.published_tokens();
        if tokens.is_empty() {
            return None;
        }
        let (token, of, by) = tokens[self.work.index(tokens.len())].clone();
        match self.work.below(3) {
            0 => Some(format!("{token}0")).filter(|token| token.len() <= 64),
            1 => {
                let (prefix, rest) = token.split_once('-')?;
                Some(format!("{prefix}-fffffff{rest}"))
            }
            _ => Some(token).filter(|_| (of, by) != (shadow, operation)),
        }
    }

    fn poison(&mut self, id: &shadow_proto::ShadowId) {
        self.totals.note(Fault::Poison);
        let kinds: Vec<TopicKind> = TopicKind::ALL
            .into_iter()
            .filter(|kind| !kind.is_request())
            .collect();
        let kind = *self.work.pick(&kinds);
        let payload: Vec<u8> = match self.work.below(5) {
            0 => b"not JSON".to_vec(),
            1 => br#"{"version":"1","state":{"a":1},"timestamp":5}"#.to_vec(),
            2 => vec![0xff, 0xfe],
            3 => format!(
                r#"{{"state":{{"a":"{}"}},"version":-1}}"#,
                "x".repeat(5_000)
            )
            .into(),
            _ => format!(r#"{{"state":{}"#, "[".repeat(300)).into(),
        };
        let topic: Rc<str> = Topic::new(id, kind).to_string().into();
        self.log(|| format!("foreign: poison on {topic}"));
        self.fan_out(&topic, &payload.into(), Qos::AtLeastOnce);
    }
}
