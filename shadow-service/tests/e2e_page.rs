//! The page of the local server in a real browser: headless Chromium, driven over WebDriver.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use core::{net::SocketAddr, time::Duration};
use shadow_proto::{Operation, ShadowId};
use shadow_service::{
    Value,
    local::{Options, Server},
};
use std::process::Stdio;
use testkit::{TempDir, find_program};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::Instant,
};

/// A browser with one empty page.
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// `None` if there is no browser here.
    async fn start() -> Option<Self> {
        let (driver, browser) = match (find_program("chromedriver"), find_program("chromium")) {
            (Ok(driver), Ok(browser)) => (driver, browser),
            (Err(error), _) | (_, Err(error)) => {
                println!("skipped: {error}");
                return None;
            }
        };
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        // Read on, so that it never waits for someone to do so.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = TempDir::new();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1200,900",
        ];
        let arguments = arguments
            .map(|argument| format!("\"{argument}\""))
            .join(",");
        let capabilities = format!(
            r#"{{"capabilities":{{"alwaysMatch":{{"goog:chromeOptions":{{"binary":"{}","args":[{arguments},"--user-data-dir={}"]}}}}}}}}"#,
            browser.display(),
            profile.path().display()
        );
        let mut started = Self {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            _profile: profile,
        };
        let answer = started.post("", &capabilities).await;
        let session = member(&answer, "sessionId");
        started.session = text(&session).to_owned();
        Some(started)
    }

    /// A command of WebDriver; its `value`.
    async fn post(&self, command: &str, body: &str) -> Value {
        let path = match self.session.as_str() {
            "" => "/session".to_owned(),
            session => format!("/session/{session}/{command}"),
        };
        self.ask("POST", &path, body).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let (address, length) = (self.address, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let asking = async {
            let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
            stream.write_all(request.as_bytes()).await.unwrap();
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let start = head.len();
                assert_ne!(stream.read_line(&mut head).await.unwrap(), 0);
                let line = head.split_at(start).1.to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            head + core::str::from_utf8(&body).unwrap()
        };
        let answer = tokio::time::timeout(Duration::from_secs(60), asking);
        let answer = answer.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200"),
            "{method} {path}: {answer}"
        );
        member(&Value::parse(body).unwrap(), "value")
    }

    async fn open(&self, url: &str) {
        let _ = self.post("url", &format!(r#"{{"url":"{url}"}}"#)).await;
    }

    /// What the body of a function in the page returns, as text.
    async fn run(&self, script: &str) -> String {
        let script = script.replace('\\', "\\\\").replace('"', "\\\"");
        let body = format!(r#"{{"script":"{script}","args":[]}}"#);
        let value = self.post("execute/sync", &body).await;
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    }

    async fn shown(&self, id: &str) -> String {
        self.run(&format!(
            "return document.getElementById('{id}').textContent"
        ))
        .await
    }

    /// Waits until the text of an element holds `part`.
    async fn until(&self, id: &str, part: &str) -> String {
        let end = Instant::now() + Duration::from_secs(40);
        loop {
            let shown = self.shown(id).await;
            if shown.contains(part) {
                return shown;
            }
            assert!(
                Instant::now() < end,
                "#{id} shows no {part:?} but {shown:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn command(&self, name: &str, parameters: &str) {
        let body = format!(r#"{{"cmd":"{name}","params":{parameters}}}"#);
        let _ = self.post("goog/cdp/execute", &body).await;
    }

    /// Ends the browser, too, which outlives its driver otherwise.
    async fn stop(mut self) {
        let _ = self
            .ask("DELETE", &format!("/session/{}", self.session), "")
            .await;
        self.driver.kill().await.unwrap();
    }
}

fn member(value: &Value, name: &str) -> Value {
    let found = value.as_object().and_then(|object| object.get(name));
    found
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn update(server: &Server, shadow: &ShadowId, payload: &str) {
    let update = server
        .engine()
        .call(shadow, Operation::Update, payload.as_bytes());
    update.await.unwrap();
}

fn stored(server: &Server, shadow: &ShadowId) -> String {
    let now = server.engine().clock().now();
    let service = server.engine().service();
    let document = service.document(shadow, now).unwrap();
    document.unwrap().to_json()
}

/// Names and values that would be markup, were they put in as such.
const ODD: &str = r#"{"state":{"desired":{
    "<img src=x onerror=\"document.title='pwned'\">":"</pre><script>document.title='pwned'</script>",
    "number":1e400},"reported":{"number":1}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn e2e_the_page_shows_shadows_and_changes_them() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut options = Options::default();
    options.http = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::start(options).await.unwrap();
    let lamp = ShadowId::classic("la:mp").unwrap();
    let named = ShadowId::named("la:mp", "$cfg").unwrap();
    update(&server, &lamp, ODD).await;
    update(&server, &named, r#"{"state":{"desired":{"a":[]}}}"#).await;
    let url = format!("http://{}/", server.http_address().unwrap());

    browser.open(&url).await;
    browser.until("status", "live").await;
    let list = browser.until("shadows", "la:mp / $cfg").await;
    assert_eq!(list, "la:mpla:mp / $cfg");
    let _ = browser
        .run("document.querySelector('#shadows button').click(); return ''")
        .await;
    let desired = browser.until("desired", "1e400").await;
    assert!(desired.contains("</pre><script>"), "{desired}");
    assert_eq!(
        browser.until("reported", "1").await,
        "{\n  \"number\": 1\n}"
    );
    assert!(browser.shown("delta").await.contains("1e400"));
    assert!(
        browser
            .shown("messages")
            .await
            .contains("rest update la:mp: version 1")
    );
    assert_eq!(browser.run("return document.title").await, "shadow-local");
    let markup = "return document.querySelectorAll('main img, main script, pre *').length";
    assert_eq!(browser.run(markup).await, "0");

    // It is live: what others do is seen without a reload.
    update(
        &server,
        &lamp,
        r#"{"state":{"reported":{"number":2,"new":true}}}"#,
    )
    .await;
    browser.until("reported", "\"new\": true").await;
    let born = ShadowId::classic("born").unwrap();
    update(&server, &born, r#"{"state":{}}"#).await;
    browser.until("shadows", "born").await;
    let gone = server.engine().call(&born, Operation::Delete, b"").await;
    let _ = gone.unwrap();
    let end = Instant::now() + Duration::from_secs(40);
    while browser.shown("shadows").await.contains("born") {
        assert!(Instant::now() < end, "the deleted shadow is still listed");
    }

    // The form.
    let submit = async |text: &str, answer: &str| {
        let fill = format!(
            "const text = document.getElementById('text'); text.value = '{text}'; \
             document.querySelector('#edit button').click(); return ''"
        );
        let _ = browser.run(&fill).await;
        browser.until("answer", answer).await;
    };
    submit("{on", "not JSON").await;
    submit(
        r#"{"big":12345678901234567890.10,"number":null}"#,
        "accepted as version 3",
    )
    .await;
    assert!(stored(&server, &lamp).contains(r#""big":12345678901234567890.10"#));
    browser.until("delta", "12345678901234567890.10").await;
    submit(r#"{"a":[null]}"#, "400 Arrays must not contain null").await;

    // Light and dark, and no wider than a phone.
    let back = "return getComputedStyle(document.body).backgroundColor";
    let mut backs = Vec::new();
    for scheme in ["light", "dark"] {
        let features =
            format!(r#"{{"features":[{{"name":"prefers-color-scheme","value":"{scheme}"}}]}}"#);
        browser
            .command("Emulation.setEmulatedMedia", &features)
            .await;
        backs.push(browser.run(back).await);
    }
    assert_eq!(backs, ["rgb(250, 250, 250)", "rgb(15, 19, 24)"]);
    let phone = r#"{"width":390,"height":844,"deviceScaleFactor":2,"mobile":true}"#;
    browser
        .command("Emulation.setDeviceMetricsOverride", phone)
        .await;
    let wide = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.run(wide).await, "true");

    server.stop().await;
    browser.until("status", "no connection").await;
    browser.stop().await;
}
