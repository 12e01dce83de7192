//! The REST data plane over real sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

use core::{net::SocketAddr, sync::atomic::AtomicU64, sync::atomic::Ordering};
use shadow_proto::{Operation, Topic, TopicKind};
use shadow_service::{
    MemoryStore, Service, Settings, UnixTime,
    local::{Batch, Clock, Engine, EngineOptions, ListenError, Observer, http::HttpServer},
    vectors::{self, Alternative, Seen, Times},
};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::mpsc,
};

struct Server {
    http: HttpServer,
    messages: mpsc::Receiver<Batch>,
    engine: Engine,
    time: Arc<AtomicU64>,
    log: Arc<Mutex<Vec<String>>>,
}

async fn start(settings: Settings) -> Server {
    let time = Arc::new(AtomicU64::new(vectors::START));
    let now = Arc::clone(&time);
    let clock = Clock::new(move || UnixTime::from_seconds(now.load(Ordering::Relaxed)));
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&log);
    let service = Service::with_store(settings, Box::new(MemoryStore::new()) as _);
    let observer: Observer = Arc::new(move |served| lines.lock().unwrap().push(served.to_string()));
    let mut options = EngineOptions::default();
    options.clock = clock;
    options.observer = Some(observer);
    let (engine, messages) = Engine::new(service, options);
    let http = HttpServer::start(engine.clone(), loopback()).await.unwrap();
    Server {
        http,
        messages,
        engine,
        time,
        log,
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The smallest client that keeps its connection.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    async fn send(&mut self, method: &str, target: &str, body: &[u8]) -> Reply {
        let length = body.len();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        // In one write, else the body waits for the acknowledgement of the head.
        let request = [head.as_bytes(), body].concat();
        self.0.get_mut().write_all(&request).await.unwrap();
        self.read().await
    }

    async fn read(&mut self) -> Reply {
        let status = self.line().await;
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut reply = Reply {
            status,
            headers,
            body: String::new(),
        };
        let length = reply.header("content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        reply.body = String::from_utf8(body).unwrap();
        reply
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }
}

/// Every scenario that needs nothing of MQTT: a get or delete has no body here, so those with
/// a client token stay out.
#[tokio::test]
async fn every_scenario_that_applies_holds() {
    let scenarios = vectors::scenarios().unwrap();
    let applies = scenarios.iter().filter(|scenario| {
        let bare = |step: &vectors::Step| {
            step.operation == Operation::Update || !step.payload.contains("clientToken")
        };
        scenario.steps.iter().all(bare)
    });
    let mut played = 0;
    for scenario in applies {
        let mut settings = Settings::default();
        let limits = &mut settings.limits;
        limits.max_document_bytes = scenario.max_document_bytes.unwrap_or(8192);
        limits.max_depth = scenario.max_depth.unwrap_or(8);
        let mut server = start(settings).await;
        let mut client = Client::connect(server.http.address()).await;
        let mut times = Times::new();
        for (number, step) in (1..).zip(&scenario.steps) {
            let now = UnixTime::from_seconds(vectors::START + 10 * number);
            server
                .time
                .store(now.timestamp().seconds(), Ordering::Relaxed);
            times.set(number, now.timestamp());
            let method = match step.operation {
                Operation::Get => "GET",
                Operation::Update => "POST",
                Operation::Delete => "DELETE",
            };
            let mut target = format!("/things/{}/shadow", step.shadow.thing());
            if let Some(name) = step.shadow.shadow() {
                target.push_str("?name=");
                target.push_str(name);
            }
            let reply = client.send(method, &target, step.payload.as_bytes()).await;
            let published = server.messages.try_recv().unwrap_or_default();
            let published = Seen::all(&published.messages).unwrap();
            let ours = step.ours();
            let (answers, events): (Vec<_>, Vec<_>) =
                ours.messages.iter().cloned().partition(|(kind, _)| {
                    *kind == step.operation.accepted() || *kind == step.operation.rejected()
                });
            let context = format!("{} step {number}: {}", scenario.name, reply.body);
            let accepted = answers[0].0 == step.operation.accepted();
            assert_eq!(reply.status == 200, accepted, "{context}");

            // The body is the answer; MQTT subscribers see it and the events, or nothing.
            let topic = Topic::new(&step.shadow, answers[0].0);
            let body = Seen::new(&topic.to_string(), &reply.body).unwrap();
            if !accepted {
                let code = reply.status.to_string();
                assert!(
                    reply.body.contains(&format!("\"code\":{code},")),
                    "{context}"
                );
                assert!(reply.header("x-amzn-errortype").is_some());
            }
            let checked = check(ours, step, answers.clone(), &[body], &times);
            times = checked.unwrap_or_else(|error| panic!("{context}: {error}"));
            let expected = match step.operation {
                _ if !accepted => Vec::new(),
                Operation::Get => Vec::new(),
                Operation::Update | Operation::Delete => [answers, events].concat(),
            };
            check(ours, step, expected, &published, &times).unwrap();
        }
        played += 1;
    }
    assert!(played >= 65, "{played}");
}

fn check(
    ours: &Alternative,
    step: &vectors::Step,
    messages: Vec<(TopicKind, shadow_service::Value)>,
    seen: &[Seen],
    times: &Times,
) -> Result<Times, vectors::VectorError> {
    let mut expected = ours.clone();
    expected.messages = messages;
    expected.check_messages(&step.shadow, seen, times.clone())
}

#[tokio::test]
async fn names_are_listed_page_by_page() {
    let server = start(Settings::default()).await;
    let mut client = Client::connect(server.http.address()).await;
    for name in ["b", "a", "%24c", "d"] {
        let target = format!("/things/lamp/shadow?name={name}");
        let reply = client.send("POST", &target, br#"{"state":{}}"#).await;
        assert_eq!(reply.status, 200);
    }
    let list = "/api/things/shadow/ListNamedShadowsForThing";
    let all = client.send("GET", &format!("{list}/lamp"), b"").await;
    assert_eq!(
        all.body,
        r#"{"results":["$c","a","b","d"],"timestamp":1767225600}"#
    );
    let first = client
        .send("GET", &format!("{list}/lamp?pageSize=3"), b"")
        .await;
    assert_eq!(
        first.body,
        r#"{"results":["$c","a","b"],"timestamp":1767225600,"nextToken":"62"}"#
    );
    let rest = client
        .send("GET", &format!("{list}/lamp?pageSize=3&nextToken=62"), b"")
        .await;
    assert_eq!(rest.body, r#"{"results":["d"],"timestamp":1767225600}"#);
    for query in ["pageSize=0", "pageSize=101", "pageSize=x", "nextToken=zz"] {
        let reply = client
            .send("GET", &format!("{list}/lamp?{query}"), b"")
            .await;
        assert_eq!(reply.status, 400, "{query}");
        assert_eq!(
            reply.header("x-amzn-errortype"),
            Some("InvalidRequestException")
        );
    }
    assert!(
        server
            .log
            .lock()
            .unwrap()
            .contains(&"rest list lamp: ok".to_owned())
    );
}

#[tokio::test]
async fn errors_say_what_and_why() {
    let server = start(Settings::default()).await;
    let mut client = Client::connect(server.http.address()).await;
    for (method, target, body, status, exception) in [
        (
            "GET",
            "/things/lamp/shadow",
            "",
            404,
            "ResourceNotFoundException",
        ),
        (
            "DELETE",
            "/things/lamp/shadow",
            "",
            404,
            "ResourceNotFoundException",
        ),
        (
            "GET",
            "/things/la$mp/shadow",
            "",
            400,
            "InvalidRequestException",
        ),
        ("GET", "/nothing/here", "", 404, "ResourceNotFoundException"),
        (
            "PATCH",
            "/things/lamp/shadow",
            "{}",
            405,
            "MethodNotAllowedException",
        ),
        (
            "POST",
            "/things/lamp/shadow",
            "{",
            400,
            "InvalidRequestException",
        ),
        (
            "POST",
            "/things/lamp/shadow",
            r#"{"state":{},"version":7}"#,
            409,
            "ConflictException",
        ),
    ] {
        let reply = client.send(method, target, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{method} {target}");
        assert_eq!(
            reply.header("x-amzn-errortype"),
            Some(exception),
            "{method} {target}"
        );
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert!(reply.header("x-amzn-requestid").is_some());
    }
    let reply = client.send("POST", "/things/lamp/shadow", b"\xff").await;
    assert_eq!(reply.status, 415);
    assert_eq!(
        server.log.lock().unwrap().first().map(String::as_str),
        Some("rest get lamp: 404 No shadow exists with name: 'lamp'")
    );
}

#[tokio::test]
async fn what_is_said_and_who_may_sign_can_be_assumed() {
    let mut settings = Settings::default();
    for text in [
        "rest-error=message",
        "rest-delete=empty",
        "rest-signing=iotdata",
    ] {
        settings.behaviour.assume(text).unwrap();
    }
    let server = start(settings).await;
    let mut client = Client::connect(server.http.address()).await;
    let lamp = "/things/lamp/shadow";
    let reply = client.send("GET", lamp, b"").await;
    let message = r#"{"message":"No shadow exists with name: 'lamp'"}"#;
    assert_eq!((reply.status, &*reply.body), (404, message));
    let _ = client.send("POST", lamp, br#"{"state":{}}"#).await;
    let reply = client.send("DELETE", lamp, b"").await;
    assert_eq!((reply.status, &*reply.body), (200, ""));

    // A page of nothing tells who got through.
    let list = "/api/things/shadow/ListNamedShadowsForThing/lamp";
    for (name, status) in [("iotdata", 200), ("iotdevicegateway", 403), ("s3", 403)] {
        let credential = format!("Credential=AKIDEXAMPLE/20260102/eu-west-1/{name}/aws4_request");
        let signed = format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=00");
        let head = format!("GET {list} HTTP/1.1\r\nHost: x\r\nAuthorization: {signed}\r\n\r\n");
        client.0.get_mut().write_all(head.as_bytes()).await.unwrap();
        assert_eq!(client.read().await.status, status, "{name}");
    }
    let unsigned = client.send("GET", list, b"").await;
    assert_eq!(unsigned.status, 200);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_unread() {
    let mut settings = Settings::default();
    settings.limits.max_payload_bytes = 1000;
    let server = start(settings).await;
    let too_large = vec![b' '; 1001];
    let mut client = Client::connect(server.http.address()).await;
    let reply = client.send("POST", "/things/lamp/shadow", &too_large).await;
    assert_eq!(reply.status, 413);
    assert_eq!(
        reply.header("x-amzn-errortype"),
        Some("RequestEntityTooLargeException")
    );
    // The same in chunks, whose sum nobody announces.
    let mut client = Client::connect(server.http.address()).await;
    let head =
        b"POST /things/lamp/shadow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let stream = client.0.get_mut();
    stream.write_all(head).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"200\r\n").await.unwrap();
        stream.write_all(&[b' '; 0x200]).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    assert_eq!(client.read().await.status, 413);
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let server = start(Settings::default()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"\xff\xff",
    ] {
        let mut stream = TcpStream::connect(server.http.address()).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    let mut client = Client::connect(server.http.address()).await;
    assert_eq!(
        client.send("GET", "/things/lamp/shadow", b"").await.status,
        404
    );
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let server = start(Settings::default()).await;
    let taken = server.http.address();
    let error = HttpServer::start(server.engine.clone(), taken)
        .await
        .unwrap_err();
    assert!(matches!(error, ListenError::AddressInUse { address } if address == taken));
    assert_eq!(
        error.to_string(),
        format!("{taken} is in use: another program listens there")
    );
}

#[tokio::test]
async fn stopping_closes_address_and_idle_connections() {
    let server = start(Settings::default()).await;
    let address = server.http.address();
    let mut client = Client::connect(address).await;
    assert_eq!(
        client.send("GET", "/things/lamp/shadow", b"").await.status,
        404
    );
    server.http.stop().await;
    assert_eq!(client.line().await, "", "the idle connection is closed");
    assert!(TcpStream::connect(address).await.is_err());
}
