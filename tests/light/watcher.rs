//! The application's side: what is said on the topics of a shadow, and publishing to them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::{MissingTool, Process, find_program, wait_until};

use crate::programs::{LIMIT, ShadowTopics, ended, json as parse};

/// Mosquitto's command-line clients, for any broker of this machine.
#[derive(Clone)]
pub(crate) struct Tools {
    publish: PathBuf,
    subscribe: PathBuf,
    port: u16,
    sign_in: Option<SignIn>,
}

/// What a client of a broker that does not let everyone in says.
#[derive(Clone)]
struct SignIn {
    user: String,
    password: String,
    id_prefix: String,
}

impl Tools {
    pub(crate) fn find(port: u16) -> Result<Self, MissingTool> {
        Ok(Self {
            publish: find_program("mosquitto_pub")?,
            subscribe: find_program("mosquitto_sub")?,
            port,
            sign_in: None,
        })
    }

    /// The same as this user, with client ids that begin so.
    pub(crate) fn signed_in(self, user: &str, password: &str, id_prefix: &str) -> Self {
        let sign_in = SignIn {
            user: user.to_owned(),
            password: password.to_owned(),
            id_prefix: id_prefix.to_owned(),
        };
        Self {
            sign_in: Some(sign_in),
            ..self
        }
    }

    pub(crate) fn publish(&self, topic: &str, payload: &str) {
        self.publish_with(&[], topic, payload);
    }

    /// The same, through a client of that id: it pushes another one of it off.
    pub(crate) fn publish_as(&self, id: &str, topic: &str, payload: &str) {
        self.publish_with(&["-i", id], topic, payload);
    }

    fn publish_with(&self, args: &[&str], topic: &str, payload: &str) {
        let mut command = self.command(&self.publish, topic);
        command.args(args);
        let payload = if payload.is_empty() {
            vec!["-n"]
        } else {
            vec!["-m", payload]
        };
        let mut client = Process::spawn(command.args(payload));
        let status = ended(&mut client);
        assert!(status.success(), "{status}: {:?}", client.output());
    }

    pub(crate) fn watch(&self, shadow: &ShadowTopics) -> Watcher {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let probe = format!("probe/{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let mut command = self.command(&self.subscribe, &shadow.topic("#"));
        let mut client = Process::spawn(command.args(["-t", &probe, "-F", r"%t\t%p"]));
        // It prints nothing before its first message.
        let subscribed = wait_until(LIMIT, || {
            self.publish(&probe, "");
            let heard = client.find(Duration::from_millis(50), |line| line.starts_with(&probe));
            heard.is_some()
        });
        assert!(subscribed, "nothing arrives: {:?}", client.output());
        Watcher {
            tools: self.clone(),
            shadow: shadow.clone(),
            client,
            asked: 0,
        }
    }

    fn command(&self, program: &Path, topic: &str) -> Command {
        let mut command = Command::new(program);
        let port = self.port.to_string();
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic]);
        if let Some(sign_in) = &self.sign_in {
            static COUNTER: AtomicU32 = AtomicU32::new(0);
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let id = format!("{}tool-{number}", sign_in.id_prefix);
            command.args(["-u", &sign_in.user, "-P", &sign_in.password, "-i", &id]);
        }
        command
    }
}

/// Hears everything about one shadow, in order, also its own requests.
pub(crate) struct Watcher {
    tools: Tools,
    shadow: ShadowTopics,
    client: Process,
    /// Questions to the service.
    asked: u32,
}

impl Watcher {
    /// Publishes to one of the shadow's topics.
    pub(crate) fn publish(&self, suffix: &str, payload: &str) {
        self.tools.publish(&self.shadow.topic(suffix), payload);
    }

    /// Updates the shadow.
    pub(crate) fn update(&self, state: &Value) {
        self.publish("update", &json!({ "state": state }).to_string());
    }

    /// The next message.
    pub(crate) fn next(&mut self, limit: Duration) -> Option<(String, String)> {
        let topic = self.shadow.topic("");
        let line = self
            .client
            .find(limit, |line| line.starts_with(topic.as_str()))?;
        let (topic, payload) = line.split_once('\t').expect("topic, tab, payload");
        let suffix = topic.trim_start_matches(&self.shadow.topic(""));
        Some((suffix.to_owned(), payload.to_owned()))
    }

    /// The payload of the next message on that topic whose state is as `wanted` says.
    pub(crate) fn sees(&mut self, suffix: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.find(suffix, |payload| wanted(&payload["state"]))
    }

    fn find(&mut self, suffix: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        while let Some((topic, payload)) = self.next(end.saturating_duration_since(Instant::now()))
        {
            if topic == suffix && !payload.is_empty() {
                let payload = parse(&payload);
                if wanted(&payload) {
                    return payload;
                }
            }
        }
        panic!(
            "no such message on {suffix}; there were: {:#?}",
            self.heard()
        );
    }

    /// Waits until the service has accepted an update of exactly this state.
    pub(crate) fn accepted(&mut self, state: &Value) {
        self.sees("update/accepted", |seen| seen == state);
    }

    /// The state of the document, by asking.
    pub(crate) fn document(&mut self) -> Value {
        self.asked += 1;
        let token = json!({"clientToken": format!("watcher-{}", self.asked)});
        self.publish("get", &token.to_string());
        let answer = self.find("get/accepted", |answer| {
            answer["clientToken"] == token["clientToken"]
        });
        answer["state"].clone()
    }

    /// Nothing arrives within two seconds.
    pub(crate) fn hears_nothing_more(&mut self) {
        let more = self.next(Duration::from_secs(2));
        assert_eq!(more, None, "after: {:#?}", self.heard());
    }

    /// Everything heard, as far as one can read it.
    fn heard(&self) -> Vec<String> {
        let lines = self.client.stdout().into_iter();
        lines.map(|line| line.chars().take(300).collect()).collect()
    }
}
