//! What applications do with the handles, and what they demand of outcomes and streams.

use super::{
    totals::{LinkEnd, LinkSum},
    world::{Happening, LinkWorld},
};
use crate::device::merge;
use serde_json::{Map, Value, json};
use shadow_proto::{Instant, Json, Version};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use transport_core::{
    Deltas, DocumentsStream, Messages, MqttQos, PublishFailure, RequestFailure, RequestOptions,
    Shadow, SubscribeFailure, WhenOffline,
};

/// Requests that an application has under way at most.
const MOST: usize = 30;

/// An application: what it holds, and what it waits for.
#[derive(Debug, Default)]
pub(super) struct Application {
    pub(super) held: Vec<Held>,
    asks: Vec<Ask>,
    plain: Vec<Plain>,
    news: News,
    /// The last plain message that reached its subscription.
    pub(super) heard: Option<u64>,
}

impl Application {
    /// Whether it waits for nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.asks.is_empty() && self.plain.is_empty()
    }
}

/// A shadow, and what follows it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) shadow: Shadow,
    deltas: Option<Deltas>,
    documents: Option<DocumentsStream>,
    /// Incarnation and version of the last of each.
    pub(super) last_delta: (u32, u64),
    pub(super) last_documents: (u32, u64),
    /// What a device has applied, and what it has still to report.
    state: Map<String, Value>,
    pending: Map<String, Value>,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// A request under way.
pub(super) struct Ask {
    pub(super) shadow: usize,
    pub(super) deadline: Instant,
    /// The mark it leaves when it is applied.
    pub(super) mark: Option<u64>,
    report: Map<String, Value>,
    what: Boxed<Result<Option<Version>, RequestFailure>>,
    /// Whether it is a get.
    pub(super) got: bool,
}

struct Plain {
    number: u64,
    what: Boxed<Result<(), PublishFailure>>,
}

/// The plain subscription.
#[derive(Default)]
enum News {
    #[default]
    None,
    Asked(Boxed<Result<Messages, SubscribeFailure>>),
    Open(Messages),
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shadow, mark, .. } = self;
        write!(f, "Ask {{ shadow: {shadow}, mark: {mark:?} }}")
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({})", self.number)
    }
}

impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Asked(_) => "Asked",
            Self::Open(_) => "Open",
        })
    }
}

/// Polls with nobody to wake: the world looks again after each step.
fn look<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl LinkWorld {
    pub(super) fn start_application(&mut self, node: usize) {
        let device = self.plan.nodes[node].device;
        let ids: Vec<_> = self
            .model
            .shadows
            .iter()
            .map(|(id, _)| id.clone())
            .collect();
        let client = self.nodes[node].client.clone();
        for id in ids {
            let shadow = client.shadow(id).expect("there is room");
            let deltas = device.then(|| shadow.deltas().expect("there is room"));
            let documents = (!device).then(|| shadow.documents().expect("there is room"));
            self.nodes[node].app.held.push(Held {
                shadow,
                deltas,
                documents,
                last_delta: (0, 0),
                last_documents: (0, 0),
                state: Map::new(),
                pending: Map::new(),
            });
        }
        self.settle(node);
    }

    /// A client does something by itself.
    pub(super) fn act(&mut self, node: usize, life: u32) {
        if self.healed || self.nodes[node].life != life {
            return;
        }
        let pace = self.work.around(self.plan.nodes[node].pace);
        self.schedule(pace, Happening::Act { node, life });
        let device = self.plan.nodes[node].device;
        let held = self.work.index(self.nodes[node].app.held.len());
        match self.work.below(20) {
            0..=1 => self.get(node, held),
            2..=3 => self.say(node),
            4 => self.give_up(node),
            5 if !device => self.delete(node, held),
            _ if device => {
                let mark = self.model.mark();
                let it = &mut self.nodes[node].app.held[held];
                it.pending.insert("m0".to_owned(), mark.into());
                self.report(node, held);
            }
            _ => self.desire(node, held),
        }
        self.settle(node);
    }

    fn ask(
        &mut self,
        node: usize,
        shadow: usize,
        mark: Option<u64>,
        report: Map<String, Value>,
        request: impl FnOnce(&Shadow) -> Boxed<Result<Option<Version>, RequestFailure>>,
        got: bool,
    ) {
        let deadline = self.now + self.plan.nodes[node].config.response_timeout;
        let app = &mut self.nodes[node].app;
        // A report is never left out: what it says would be forgotten. There is one at a time.
        if app.asks.len() >= MOST && report.is_empty() {
            return;
        }
        let what = request(&app.held[shadow].shadow);
        app.asks.push(Ask {
            shadow,
            deadline,
            mark,
            report,
            what,
            got,
        });
    }

    fn get(&mut self, node: usize, held: usize) {
        // Every other one is of use only at once.
        let mut options = RequestOptions::default();
        if self.nodes[node].app.asks.len() & 1 == 0 {
            options.when_offline = WhenOffline::Fail;
        }
        let get = |shadow: &Shadow| {
            let request = shadow.get_with_options(options);
            let what = async move { request.await.map(|document| Some(document.version)) };
            Box::pin(what) as Boxed<_>
        };
        self.ask(node, held, None, Map::new(), get, true);
    }

    fn delete(&mut self, node: usize, held: usize) {
        let delete = |shadow: &Shadow| {
            let request = shadow.delete();
            let what = async move { request.await.map(|accepted| accepted.version()) };
            Box::pin(what) as Boxed<_>
        };
        self.ask(node, held, None, Map::new(), delete, false);
    }

    fn desire(&mut self, node: usize, held: usize) {
        let mark = self.model.mark();
        let number = self.work.below(100);
        let state = match self.work.below(4) {
            0 => json!({"a": number, "m1": mark}),
            1 => json!({"n": {"x": number, "y": [number]}, "m1": mark}),
            2 => json!({"text": "é".repeat(number as usize * 20), "m1": mark}),
            _ => json!({"n": null, "a": number, "m1": mark}),
        };
        let desire = |shadow: &Shadow| {
            let request = shadow.desire(&state);
            let what = async move { request.await.map(|accepted| accepted.version()) };
            Box::pin(what) as Boxed<_>
        };
        self.ask(node, held, Some(mark), Map::new(), desire, false);
    }

    /// A device reports what there is to report, once its last report is over: else old reports undo new ones.
    fn report(&mut self, node: usize, held: usize) {
        let mut asks = self.nodes[node].app.asks.iter();
        if asks.any(|ask| ask.shadow == held && !ask.report.is_empty()) {
            return;
        }
        let it = &mut self.nodes[node].app.held[held];
        let report = std::mem::take(&mut it.pending);
        if report.is_empty() {
            return;
        }
        merge(&mut it.state, &report);
        let mark = report.get("m0").and_then(Value::as_u64);
        let json = Json::from_value(&report).expect("a map is JSON");
        let ask = |shadow: &Shadow| {
            let request = shadow.report(&json);
            let what = async move { request.await.map(|accepted| accepted.version()) };
            Box::pin(what) as Boxed<_>
        };
        self.ask(node, held, mark, report, ask, false);
    }

    pub(super) fn report_again(&mut self, node: usize, life: u32, held: usize) {
        if self.nodes[node].life == life && held < self.nodes[node].app.held.len() {
            self.report(node, held);
            self.settle(node);
        }
    }

    /// A plain message.
    fn say(&mut self, node: usize) {
        if self.nodes[node].app.plain.len() >= MOST {
            return;
        }
        let number = self.model.mark();
        let qos = match self.work.chance(700) {
            true => MqttQos::AtLeastOnce,
            false => MqttQos::AtMostOnce,
        };
        let it = &mut self.nodes[node];
        let publishing = it.client.publish(format!("app/{number}"), "hello", qos);
        let what = Box::pin(publishing);
        it.app.plain.push(Plain { number, what });
    }

    /// It waits no longer for one of its requests.
    fn give_up(&mut self, node: usize) {
        let app = &mut self.nodes[node].app;
        if !app.asks.is_empty() {
            let at = self.work.index(app.asks.len());
            if app.asks[at].report.is_empty() {
                drop(app.asks.swap_remove(at));
                self.totals.note(LinkEnd::Dropped);
            }
        }
    }

    /// Takes what came for the application. Whether anything did.
    pub(super) fn run_application(&mut self, node: usize) -> bool {
        let mut moved = self.end_asks(node);
        moved |= self.end_plain(node);
        moved |= self.read_news(node);
        for held in 0..self.nodes[node].app.held.len() {
            moved |= self.read_streams(node, held);
        }
        moved
    }

    fn end_asks(&mut self, node: usize) -> bool {
        let mut over = Vec::new();
        let asks = std::mem::take(&mut self.nodes[node].app.asks);
        for mut ask in asks {
            match look(&mut ask.what) {
                Some(outcome) => over.push((ask, outcome)),
                None => self.nodes[node].app.asks.push(ask),
            }
        }
        let moved = !over.is_empty();
        for (ask, outcome) in over {
            self.check_outcome(node, &ask, &outcome);
            if ask.report.is_empty() || self.nodes[node].hub.stop_request().is_some() {
                continue;
            }
            if outcome.is_ok() {
                self.report(node, ask.shadow);
            } else {
                // A measurement that does not get through is not repeated.
                let it = &mut self.nodes[node].app.held[ask.shadow];
                for key in ask.report.keys().filter(|key| *key != "m0") {
                    if let Some(value) = it.state.get(key) {
                        it.pending.entry(key.clone()).or_insert(value.clone());
                    }
                }
                let (life, shadow) = (self.nodes[node].life, ask.shadow);
                let after = self.work.millis(50, 2_000);
                self.schedule(after, Happening::Report { node, life, shadow });
            }
        }
        moved
    }

    fn end_plain(&mut self, node: usize) -> bool {
        let mut moved = false;
        let plain = std::mem::take(&mut self.nodes[node].app.plain);
        for mut plain in plain {
            let Some(outcome) = look(&mut plain.what) else {
                self.nodes[node].app.plain.push(plain);
                continue;
            };
            moved = true;
            self.check_plain(node, plain.number, &outcome);
        }
        moved
    }

    /// The plain subscription: asked for again when it was refused.
    fn read_news(&mut self, node: usize) -> bool {
        let it = &mut self.nodes[node];
        match std::mem::take(&mut it.app.news) {
            News::None => {
                if it.conn.is_none() || !it.client.is_connected() {
                    return false;
                }
                let asked = it.client.subscribe("app/+", MqttQos::AtLeastOnce);
                it.app.news = News::Asked(Box::pin(asked));
                true
            }
            News::Asked(mut asked) => match look(&mut asked) {
                None => {
                    it.app.news = News::Asked(asked);
                    false
                }
                Some(Ok(messages)) => {
                    it.app.news = News::Open(messages);
                    true
                }
                // Refused or too late: again, later.
                Some(Err(_)) => false,
            },
            News::Open(mut messages) => match look(messages.next()) {
                None => {
                    it.app.news = News::Open(messages);
                    false
                }
                Some(Some(message)) => {
                    if let Ok(message) = message {
                        let number = message.topic.strip_prefix("app/");
                        it.app.heard = number.and_then(|number| number.parse().ok());
                    }
                    it.app.news = News::Open(messages);
                    true
                }
                Some(None) => false,
            },
        }
    }

    fn read_streams(&mut self, node: usize, held: usize) -> bool {
        let it = &mut self.nodes[node].app.held[held];
        let delta = it
            .deltas
            .as_mut()
            .and_then(|all| look(all.next()).flatten());
        let documents = it.documents.as_mut();
        let documents = documents.and_then(|all| look(all.next()).flatten());
        let moved = delta.is_some() || documents.is_some();
        if let Some(delta) = delta {
            self.log(|| format!("client {node}: {delta:?}"));
            self.totals.note(LinkSum::Deltas);
            self.check_delta(node, held, &delta);
            let patch: Map<String, Value> =
                serde_json::from_str(delta.state.as_str()).expect("a delta is an object");
            merge(&mut self.nodes[node].app.held[held].pending, &patch);
            self.report(node, held);
        }
        if let Some(Ok(documents)) = documents {
            self.totals.note(LinkSum::Documents);
            self.check_documents(node, held, &documents);
        }
        moved
    }

    /// After the faults: what was refused is asked for on another connection, and what was lost at QoS 0 is fetched.
    pub(super) fn remedy(&mut self, node: usize) {
        if self.sessions[node].refused {
            self.sessions[node].refused = false;
            self.cut(node);
            self.schedule(Duration::from_secs(20), Happening::Remedy { node });
            return;
        }
        self.nodes[node].remedied = true;
        if self.plan.nodes[node].config.qos == shadow_proto::Qos::AtMostOnce {
            for held in &self.nodes[node].app.held {
                let _ = held.shadow.resync();
            }
        }
        self.settle(node);
    }

    /// Everybody hears a last plain message.
    pub(super) fn farewell(&mut self) {
        let topic = format!("app/{}", FAREWELL);
        self.fan_out(&topic.into(), &b"bye"[..].into());
    }
}

/// The number of the last plain message.
pub(super) const FAREWELL: u64 = u64::MAX;
