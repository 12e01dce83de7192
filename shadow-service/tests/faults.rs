//! What the local server makes go wrong on request, and its limit of requests in flight.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

use core::time::Duration;
use shadow_proto::{Operation, ShadowId};
use shadow_service::{
    InFlightScope, MemoryStore, Service, Settings, UnixTime,
    local::{Batch, Clock, Engine, EngineOptions},
};
use std::sync::{Arc, Mutex};
use tokio::{sync::mpsc, time::timeout};

const UPDATE: &str = "$aws/things/lamp/shadow/update";
const GET: &str = "$aws/things/lamp/shadow/get";
const DESIRED: &str = r#"{"state":{"desired":{"on":true}},"clientToken":"t"}"#;

struct Bench {
    engine: Engine,
    messages: mpsc::Receiver<Batch>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(rules: &[&str], in_flight: Option<u32>) -> Self {
        Self::with(Settings::default(), rules, in_flight)
    }

    fn with(settings: Settings, rules: &[&str], in_flight: Option<u32>) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let mut options = EngineOptions::default();
        options.clock = Clock::new(|| UnixTime::from_seconds(1_767_225_600));
        options.observer = Some(Arc::new(move |served| {
            lines.lock().unwrap().push(served.to_string());
        }));
        options.faults = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        options.in_flight = in_flight;
        let service = Service::with_store(settings, Box::new(MemoryStore::new()) as _);
        let (engine, messages) = Engine::new(service, options);
        Self {
            engine,
            messages,
            log,
        }
    }

    async fn publish(&self, topic: &str, payload: &str) {
        let served = self.engine.handle_publish(topic, payload.as_bytes());
        served.await.unwrap();
    }

    /// What is published within `patience`: the ends of the topics, and the payloads.
    async fn heard(&mut self, patience: Duration) -> Vec<(String, String)> {
        let mut heard = Vec::new();
        while let Ok(Some(batch)) = timeout(patience, self.messages.recv()).await {
            for message in &batch.messages {
                let (_, kind) = message.topic.split_once("/shadow/").unwrap();
                heard.push((kind.to_owned(), message.payload.clone()));
            }
        }
        heard
    }

    async fn kinds(&mut self) -> Vec<String> {
        let heard = self.heard(Duration::from_secs(1)).await;
        heard.into_iter().map(|(kind, _)| kind).collect()
    }

    fn version(&self) -> Option<u64> {
        let now = self.engine.clock().now();
        let lamp = ShadowId::classic("lamp").unwrap();
        let service = self.engine.service();
        service.document(&lamp, now).unwrap().map(|it| it.version())
    }

    fn last(&self) -> String {
        self.log.lock().unwrap().last().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_swallowed_or_refused() {
    let mut bench = Bench::new(&["swallow"], None);
    bench.publish(UPDATE, DESIRED).await;
    assert_eq!((bench.kinds().await.len(), bench.version()), (0, None));
    assert_eq!(
        bench.last(),
        "mqtt update lamp: 503 Service unavailable (fault: swallowed)"
    );

    let mut bench = Bench::new(&["answer=503"], None);
    bench.publish(UPDATE, DESIRED).await;
    let refused = r#"{"code":503,"message":"Service unavailable","clientToken":"t"}"#;
    let heard = bench.heard(Duration::from_secs(1)).await;
    assert_eq!(heard, [("update/rejected".to_owned(), refused.to_owned())]);
    assert_eq!(bench.version(), None);

    let mut bench = Bench::new(&["answer=429,no-token"], None);
    bench.publish(UPDATE, DESIRED).await;
    let heard = bench.heard(Duration::from_secs(1)).await;
    assert_eq!(heard[0].1, r#"{"code":429,"message":"TOO_MANY_REQUESTS"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_served_and_its_answer_is_not_what_it_was() {
    let mut bench = Bench::new(&["lose-answer"], None);
    bench.publish(UPDATE, DESIRED).await;
    assert_eq!(bench.kinds().await, ["update/documents", "update/delta"]);
    assert_eq!(bench.version(), Some(1));
    assert_eq!(
        bench.last(),
        "mqtt update lamp: version 1 (fault: the answer is lost)"
    );

    let mut bench = Bench::new(&["fail-applied"], None);
    bench.publish(UPDATE, DESIRED).await;
    let heard = bench.heard(Duration::from_secs(1)).await;
    let failed = r#"{"code":500,"message":"Internal service failure","clientToken":"t"}"#;
    assert_eq!(heard[0], ("update/rejected".to_owned(), failed.to_owned()));
    assert_eq!((heard.len(), bench.version()), (3, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn messages_are_dropped_sent_twice_and_late() {
    let mut bench = Bench::new(&["drop"], None);
    bench.publish(UPDATE, DESIRED).await;
    assert_eq!((bench.kinds().await.len(), bench.version()), (0, Some(1)));

    let mut bench = Bench::new(&["duplicate"], None);
    bench.publish(GET, "").await;
    assert_eq!(bench.kinds().await, ["get/rejected", "get/rejected"]);

    let mut bench = Bench::new(&["delay=10s..20s@lamp"], None);
    bench.publish(UPDATE, DESIRED).await;
    bench.publish("$aws/things/other/shadow/get", "").await;
    assert_eq!(
        bench.kinds().await,
        ["get/rejected"],
        "other things do not wait"
    );
    assert_eq!(bench.heard(Duration::from_secs(8)).await.len(), 0);
    assert_eq!(bench.heard(Duration::from_secs(12)).await.len(), 3);

    let mut bench = Bench::new(&["reorder=50%"], None);
    for _ in 0..20 {
        bench.publish(UPDATE, DESIRED).await;
    }
    let heard = bench.heard(Duration::from_secs(1)).await;
    let version = |payload: &str| {
        let (_, rest) = payload.split_once(r#""version":"#)?;
        rest.split(',').next()?.parse::<u64>().ok()
    };
    let deltas = heard.iter().filter(|(kind, _)| kind == "update/delta");
    let versions: Vec<_> = deltas.map(|(_, payload)| version(payload)).collect();
    assert_eq!(versions.len(), 20);
    assert!(!versions.is_sorted(), "{versions:?}");
}

#[tokio::test(start_paused = true)]
async fn beyond_so_many_in_flight_a_request_is_refused() {
    let mut bench = Bench::new(&["delay=30s@lamp"], Some(10));
    for _ in 0..11 {
        bench.publish(GET, r#"{"clientToken":"g"}"#).await;
    }
    // The refusal is a message too, and late as all are.
    assert_eq!(bench.last(), "mqtt get lamp: 429 TOO_MANY_REQUESTS");
    bench.publish("$aws/things/other/shadow/get", "").await;
    assert_eq!(
        bench.last(),
        "mqtt get other: 404 No shadow exists with name: 'other'"
    );
    let lamp = ShadowId::classic("lamp").unwrap();
    let refused = bench.engine.call(&lamp, Operation::Update, b"{}").await;
    assert_eq!(refused.unwrap_err().error.code(), 429);
    let heard = bench.heard(Duration::from_secs(40)).await;
    let throttled = r#"{"code":429,"message":"TOO_MANY_REQUESTS","clientToken":"g"}"#;
    assert_eq!(
        heard
            .iter()
            .filter(|(_, payload)| payload == throttled)
            .count(),
        1
    );
    assert_eq!(heard.len(), 12);
    // All are answered: there is room again.
    bench.publish(GET, "").await;
    assert_eq!(
        bench.last(),
        "mqtt get lamp: 404 No shadow exists with name: 'lamp'"
    );
}

#[tokio::test(start_paused = true)]
async fn those_in_flight_are_counted_of_each_connection_if_so_assumed() {
    let mut settings = Settings::default();
    settings.behaviour.in_flight = InFlightScope::Connection;
    let bench = Bench::with(settings, &["delay=30s"], Some(1));
    let get = |client: Option<&'static str>, thing: &str| {
        let topic = format!("$aws/things/{thing}/shadow/get");
        let engine = bench.engine.clone();
        async move { engine.handle_publish_of(client, &topic, b"").await }
    };
    get(Some("one"), "a").await.unwrap();
    get(Some("two"), "a").await.unwrap();
    assert_eq!(
        bench.last(),
        "mqtt get a: 404 No shadow exists with name: 'a'"
    );
    get(Some("one"), "b").await.unwrap();
    assert_eq!(bench.last(), "mqtt get b: 429 TOO_MANY_REQUESTS");
    // Whose connection it is may be unknown: then things are counted.
    get(None, "c").await.unwrap();
    get(None, "c").await.unwrap();
    assert_eq!(bench.last(), "mqtt get c: 429 TOO_MANY_REQUESTS");
    // A connection of the REST data plane has one at a time.
    let thing = ShadowId::classic("c").unwrap();
    let answer = bench.engine.call(&thing, Operation::Get, b"").await;
    assert_eq!(answer.unwrap_err().error.code(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_call_meets_the_same_faults() {
    let lamp = ShadowId::classic("lamp").unwrap();
    let bench = Bench::new(&["answer=409"], None);
    let refused = bench
        .engine
        .call(&lamp, Operation::Update, DESIRED.as_bytes());
    assert_eq!(refused.await.unwrap_err().error.code(), 409);

    for (rule, version) in [("swallow", None), ("lose-answer", Some(1))] {
        let bench = Bench::new(&[rule], None);
        let silent = bench
            .engine
            .call(&lamp, Operation::Update, DESIRED.as_bytes());
        assert!(timeout(Duration::from_secs(3600), silent).await.is_err());
        assert_eq!(bench.version(), version);
    }

    let bench = Bench::new(&["fail-applied"], None);
    let failed = bench
        .engine
        .call(&lamp, Operation::Update, DESIRED.as_bytes());
    assert_eq!(failed.await.unwrap_err().error.code(), 500);
    assert_eq!(bench.version(), Some(1));

    let bench = Bench::new(&["delay=5s"], None);
    let mut late = Box::pin(
        bench
            .engine
            .call(&lamp, Operation::Update, DESIRED.as_bytes()),
    );
    assert!(timeout(Duration::from_secs(4), &mut late).await.is_err());
    assert_eq!(late.await.unwrap().version, 1);
}
