//! A broker that does not allow everything: the right that is missing is named.

use std::fmt::Display;

use testkit::{Config, Mosquitto, Process, Signal, TempDir, dynamic_security, skip_or_fail};

use crate::site::{LIMIT, bare, fails, finish};

/// A broker, and the program on it.
struct Restricted {
    broker: Mosquitto,
    dir: TempDir,
}

impl Restricted {
    fn start(config: Config) -> Option<Self> {
        let broker = Mosquitto::start(config);
        Some(Self {
            broker: broker.map_err(|tool| skip_or_fail(tool.name())).ok()?,
            dir: TempDir::new(),
        })
    }

    /// On which these lines of an access list hold. It refuses publishes alone.
    fn by_list(acl: &str) -> Option<Self> {
        let config = Config::new().file("acl", acl);
        Self::start(config.line("acl_file {dir}/acl"))
    }

    /// On which everything is allowed but subscriptions to this topic.
    fn without_subscription(topic: &str) -> Option<Self> {
        let Some(plugin) = dynamic_security() else {
            skip_or_fail("Mosquitto's plugin for dynamic security");
            return None;
        };
        let rights = format!(
            r#"{{
                "defaultACLAccess": {{
                    "publishClientSend": true, "publishClientReceive": true,
                    "subscribe": true, "unsubscribe": true
                }},
                "anonymousGroup": "all",
                "groups": [{{"groupname": "all", "roles": [{{"rolename": "all"}}]}}],
                "roles": [{{
                    "rolename": "all",
                    "acls": [{{"acltype": "subscribeLiteral", "topic": "{topic}", "allow": false}}]
                }}]
            }}"#
        );
        let config = Config::new()
            .line(&format!("plugin {}", plugin.display()))
            .line("plugin_opt_config_file {dir}/rights.json")
            .file("rights.json", rights);
        Self::start(config)
    }

    fn run(&self, args: &[&str]) -> Process {
        let mut command = bare(&self.dir);
        Process::spawn(command.args(args).args(["--endpoint", &self.broker.url()]))
    }

    fn fails(&self, args: &[&str], code: i32, part: &str) {
        fails(finish(self.run(args), args), args, code, part);
    }
}

fn lacks(right: impl Display) -> String {
    format!("the policy or access list lacks, probably, {right}")
}

#[test]
fn a_publish_that_is_refused() {
    let Some(site) = Restricted::by_list("topic readwrite elsewhere/#\n") else {
        return;
    };
    for args in [
        &["get", "lamp"][..],
        &["update", "lamp", "-d", "a=1"],
        &["delete", "lamp"],
    ] {
        let topic = format!("topic/$aws/things/lamp/shadow/{}", args[0]);
        site.fails(args, 69, &lacks(format!("iot:Publish on {topic}")));
    }
    let get = lacks("iot:Publish on topic/$aws/things/lamp/shadow/name/night/get");
    for args in [
        &["wait", "lamp", "-n", "night", "--until", "version > 0"][..],
        &["sync", "lamp", "-n", "night", "lamp.json"],
        &["watch", "lamp", "-n", "night"],
    ] {
        site.fails(args, 69, &get);
    }
}

/// Over MQTT 3.1.1 the broker has no way to say so.
#[test]
fn a_publish_that_is_ignored() {
    let Some(site) = Restricted::by_list("topic readwrite elsewhere/#\n") else {
        return;
    };
    let may_lack = "may lack iot:Publish on topic/$aws/things/lamp/shadow/get, or iot:Receive on \
                    topic/$aws/things/lamp/shadow/get/accepted and topic/";
    let hurried = ["--mqtt", "3", "--operation-timeout", "1"];
    let args = ["wait", "lamp", "--until", "version", "--timeout", "5s"];
    site.fails(&[&args[..], &hurried].concat(), 2, may_lack);
    let mut watch = site.run(&[&["watch", "lamp"][..], &hurried].concat());
    watch.wait_for(LIMIT, may_lack);
    watch.signal(Signal::Interrupt);
    let status = watch.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(0), "{:?}", watch.output());
    // Each try fails alike, and is told once.
    let said = watch.stderr();
    let told = said.iter().filter(|line| line.contains("may lack"));
    assert_eq!(told.count(), 1, "{said:?}");
}

#[test]
fn a_subscription_that_is_refused() {
    for (suffix, commands) in [
        (
            "get/accepted",
            &[
                &["get", "lamp"][..],
                &["watch", "lamp"],
                &["wait", "lamp", "--until", "version"],
                &["sync", "lamp", "lamp.json"],
            ][..],
        ),
        (
            "update/documents",
            &[&["watch", "lamp"], &["wait", "lamp", "--until", "version"]],
        ),
        (
            "update/delta",
            &[&["watch", "lamp"], &["sync", "lamp", "lamp.json"]],
        ),
    ] {
        let topic = format!("$aws/things/lamp/shadow/{suffix}");
        let Some(site) = Restricted::without_subscription(&topic) else {
            return;
        };
        let right = lacks(format!("iot:Subscribe on topicfilter/{topic}"));
        for args in commands {
            site.fails(args, 69, &right);
            site.fails(&[args, &["--mqtt", "3"][..]].concat(), 69, &right);
        }
    }
}

/// What cannot be reported cannot be kept in step.
#[test]
fn sync_that_may_not_report() {
    let acl = "topic read $aws/#\ntopic write $aws/things/lamp/shadow/get\n\n\
               user service\ntopic readwrite $aws/#\ntopic readwrite #\n";
    let Some(site) = Restricted::by_list(acl) else {
        return;
    };
    let mut service = bare(&site.dir);
    service.args(["local", "--broker", &site.broker.url(), "--user", "service"]);
    let mut service = Process::spawn(service.env("DEVICE_SHADOW_PASSWORD", "any"));
    service.wait_for(LIMIT, "documents are kept in memory");
    site.fails(&["get", "lamp"], 1, "rejected: 404");
    site.dir.write("lamp.json", r#"{"color": "teal"}"#);
    let update = lacks("iot:Publish on topic/$aws/things/lamp/shadow/update");
    site.fails(&["sync", "lamp", "lamp.json"], 69, &update);
}
