//! What clients do by themselves.

mod ask;
mod foreign;

use crate::{
    held::Held,
    plan::Role,
    totals::Happened,
    world::{Happening, World},
};
use shadow_proto::{
    Interest, Json, Qos, RequestId, ResyncError, Retry, ShadowOptions, Version, WhenOffline,
};
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
        assert!(
            known != Err(ResyncError::UnknownShadow),
            "client {node}: the shadow was not removed"
        );
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
}
