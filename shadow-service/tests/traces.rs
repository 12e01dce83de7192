//! `docs/observability.md` names every event of the local server, and they occur.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

use core::fmt::Write as _;
use shadow_proto::{Operation, ShadowId};
use shadow_service::local::{Options, Server};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const PAGE: &str = include_str!("../../docs/observability.md");

/// The sources below `directory`, without spaces.
fn source(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            text.extend(source.split_whitespace());
        }
    }
}

fn quoted(text: &str, before: &str, end: char) -> BTreeSet<String> {
    let parts = text.split(before).skip(1);
    parts
        .filter_map(|part| part.split(end).next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_event_has_a_name_that_is_documented() {
    let mut text = String::new();
    source(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    let calls: usize = ["error", "warn", "info", "debug", "trace"]
        .iter()
        .map(|level| text.matches(&format!("tracing::{level}!(")).count())
        .sum();
    assert!(calls > 10);
    assert_eq!(text.matches("!(name:\"service.").count(), calls);
    let names = quoted(&text, "!(name:\"service.", '"');
    assert_eq!(quoted(PAGE, "\n| `service.", '`'), names);
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("shadow_service")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().name().to_owned());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn core::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

#[tokio::test]
async fn a_request_and_its_outcome_are_told() {
    let heard = Heard::default();
    let _told = tracing::subscriber::set_default(heard.clone());
    let server = Server::start(Options::default()).await.unwrap();
    let lamp = ShadowId::classic("lamp").unwrap();
    let update = br#"{"state":{"desired":{"secret":"hush"}}}"#;
    let _ = server.engine().call(&lamp, Operation::Update, update).await;
    let unknown = ShadowId::named("lamp", "x").unwrap();
    let _ = server.engine().call(&unknown, Operation::Get, b"").await;
    server.stop().await;
    let heard = heard.0.lock().unwrap();
    assert_eq!(
        *heard,
        [
            "service.started message=serving",
            "service.request message=rest update lamp: version 1 request=update lamp code=200",
            "service.request message=rest get lamp~x: 404 No shadow exists with name: 'lamp~x' \
             request=get lamp~x code=404",
            "service.stopped message=stopped",
        ]
    );
}
