//! `docs/observability.md` names every event, span and counter there is, and they occur.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "helpers of tests fail as tests do, and are std's"
)]

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use device_shadow::tokio::{ConnectOptions, ShadowId, connect, shadow_proto::Stats};
use serde_json::json;
use shadow_service::local::{Options, Server};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const PAGE: &str = include_str!("../docs/observability.md");
const SOURCE: &str = include_str!("../transport-core/src/trace.rs");

/// The text in quotes that follows each `before`, if one follows at once.
fn quoted(text: &str, before: &str, quote: char) -> BTreeSet<String> {
    let parts = text.split(before).skip(1).map(str::trim_start);
    let parts = parts.filter_map(|part| part.strip_prefix(quote)?.split(quote).next());
    parts.map(str::to_owned).collect()
}

/// The names of spans, which have a table of their own.
fn spans() -> BTreeSet<String> {
    let names = quoted(SOURCE, "info_span!(target: \"device_shadow\", ", '"');
    let roots = quoted(&SOURCE.replace(['\n', ' '], ""), "parent:None,", '"');
    names.into_iter().chain(roots).collect()
}

/// The first column of the tables whose names have, or have not, a dot; but for those of the local server, which has a
/// test of its own.
fn documented(dotted: bool) -> BTreeSet<String> {
    let names = quoted(PAGE, "\n|", '`');
    names
        .into_iter()
        .filter(|name| name.contains('.') == dotted && !name.starts_with("service."))
        .collect()
}

#[test]
fn every_name_of_an_event_is_documented() {
    let names = quoted(SOURCE, "record!(", '"');
    assert!(names.len() > 10, "{names:?}");
    assert_eq!(documented(true), names);
}

#[test]
fn every_span_is_documented() {
    let names = spans();
    assert_eq!(names.len(), SOURCE.matches("_span!(").count(), "{names:?}");
    assert_eq!(quoted(PAGE, "\n| span", '`'), names);
}

#[test]
fn every_counter_is_documented() {
    let shown = format!("{:?}", Stats::default());
    let words = shown.split([' ', '{', '}', ',']);
    let names = words
        .filter_map(|word| word.strip_suffix(':'))
        .map(str::to_owned);
    assert_eq!(documented(false), names.collect());
}

#[derive(Clone, Default)]
struct Heard {
    told: Arc<Mutex<Vec<String>>>,
    /// The names of the spans; the first has the id 1.
    spans: Arc<Mutex<Vec<&'static str>>>,
}

impl Heard {
    fn hear(&self, what: String) {
        self.told.lock().unwrap().push(what);
    }

    fn hear_span(&self, what: &str, id: &Id) {
        let index = usize::try_from(id.into_u64() - 1).unwrap();
        let name = self.spans.lock().unwrap()[index];
        self.hear(format!("{what} {name}"));
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "device_shadow"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let name = span.metadata().name();
        self.hear(format!("span {name}, root: {}", span.is_root()));
        span.record(&mut Fields(self));
        let mut spans = self.spans.lock().unwrap();
        spans.push(name);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.hear(event.metadata().name().to_owned());
        event.record(&mut Fields(self));
    }

    fn enter(&self, id: &Id) {
        self.hear_span("enter", id);
    }

    fn exit(&self, id: &Id) {
        self.hear_span("exit", id);
    }

    fn try_close(&self, id: Id) -> bool {
        self.hear_span("close", &id);
        true
    }
}

/// The values of an event, each as a line.
struct Fields<'a>(&'a Heard);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.hear(format!("{field}: {value:?}"));
    }
}

#[tokio::test]
async fn a_life_is_told_in_order() {
    let heard = Heard::default();
    // On this thread, which is the only one of the runtime.
    let _guard = tracing::subscriber::set_default(heard.clone());
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let url = format!("mqtt://{}", server.mqtt_address().unwrap());
    let mut options = ConnectOptions::from_url(&url).unwrap();
    options.client_id = "lamp-7".to_owned();
    let client = connect(options).await.unwrap();
    let lamp = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    lamp.get().await.unwrap_err();
    let mut deltas = lamp.deltas().unwrap();
    lamp.ready().await.unwrap();
    lamp.desire(&json!({"secret": "hush"})).await.unwrap();
    deltas.next().await.unwrap();
    client.shutdown(Duration::from_secs(20)).await.unwrap();
    server.stop().await;

    let heard = heard.told.lock().unwrap().clone();
    let mut rest = heard.iter();
    for expected in [
        "span connection, root: true",
        "client_id: \"lamp-7\"",
        &format!("endpoint: \"{url}\""),
        "enter connection",
        "connection.connecting",
        "exit connection",
        "enter connection",
        "connection.connected",
        "exit connection",
        "span request, root: false",
        "enter request",
        "request.rejected",
        "exit request",
        "close request",
        "enter connection",
        "shadow.ready",
        "exit connection",
        "enter connection",
        "shadow.delta",
        "exit connection",
        "enter connection",
        "connection.lost",
        "exit connection",
        "close connection",
        "connection.stopped",
    ] {
        let found = rest.any(|it| it == expected);
        assert!(found, "no {expected} in order in {heard:#?}");
    }
    // One connection, one span.
    let connections = heard.iter().filter(|it| it.starts_with("span connection"));
    assert_eq!(connections.count(), 1, "{heard:#?}");
    assert!(heard.contains(&"request.accepted".to_owned()), "{heard:?}");
    assert!(heard.contains(&"shadow: \"lamp\"".to_owned()), "{heard:?}");
    // What a state holds is nobody's business.
    assert!(!heard.iter().any(|it| it.contains("hush")), "{heard:?}");
}
