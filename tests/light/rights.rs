//! Least privilege: the light under an access list that allows what the policy of AWS's sample
//! allows, and what it says when any one statement of that is taken away.
//!
//! Mosquitto's plugin for dynamic security tells apart what AWS tells apart: to publish, to
//! subscribe, to receive. Which client ids may connect is a setting of the broker.

use std::{fmt::Write as _, process::Command};

use serde_json::{Value, json};
use testkit::{Config, MissingTool, Mosquitto, Process, binary, dynamic_security, skip_or_fail};

use crate::{
    programs::{LIMIT, Light, ShadowTopics, ended, installed, program},
    sync,
    watcher::Tools,
};

/// A statement of the policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Right {
    Publish(&'static str),
    Subscribe(&'static str),
    Receive(&'static str),
}

/// What AWS's sample allows, on the topics of a shadow.
const RIGHTS: [Right; 12] = [
    Right::Publish("get"),
    Right::Publish("update"),
    Right::Subscribe("get/accepted"),
    Right::Subscribe("get/rejected"),
    Right::Subscribe("update/accepted"),
    Right::Subscribe("update/rejected"),
    Right::Subscribe("update/delta"),
    Right::Receive("get/accepted"),
    Right::Receive("get/rejected"),
    Right::Receive("update/accepted"),
    Right::Receive("update/rejected"),
    Right::Receive("update/delta"),
];

impl Right {
    fn acl(self, shadow: &ShadowTopics) -> Value {
        let (kind, suffix) = match self {
            Self::Publish(suffix) => ("publishClientSend", suffix),
            Self::Subscribe(suffix) => ("subscribeLiteral", suffix),
            Self::Receive(suffix) => ("publishClientReceive", suffix),
        };
        json!({"acltype": kind, "topic": shadow.topic(suffix), "priority": 0, "allow": true})
    }

    /// As a policy names it.
    fn named(self, shadow: &ShadowTopics) -> (&'static str, String) {
        match self {
            Self::Publish(suffix) => ("iot:Publish on ", format!("topic/{}", shadow.topic(suffix))),
            Self::Subscribe(suffix) => {
                let filter = shadow.topic(suffix);
                ("iot:Subscribe on ", format!("topicfilter/{filter}"))
            }
            Self::Receive(suffix) => ("iot:Receive on ", format!("topic/{}", shadow.topic(suffix))),
        }
    }
}

/// A thing, its shadow, and the user that its light signs in as.
struct Lamp {
    thing: String,
    name: Option<&'static str>,
    without: Option<Right>,
    mqtt: &'static str,
}

impl Lamp {
    fn shadow(&self) -> ShadowTopics {
        match self.name {
            None => ShadowTopics::classic(&self.thing),
            Some(name) => ShadowTopics::named(&self.thing, name),
        }
    }

    fn light(&self, broker: &Mosquitto) -> Process {
        let mut command = program();
        command.args(["--endpoint", &broker.url(), "--mqtt", self.mqtt]);
        command.args(["--thing-name", &self.thing, "--user", &self.thing]);
        command.args(self.name.iter().flat_map(|name| ["--shadow-name", name]));
        // Many start at once.
        command.args(["--operation-timeout", "8"]);
        Process::spawn(command.env("DEVICE_SHADOW_PASSWORD", "secret"))
    }
}

/// A broker that allows what it must, and a service that may do everything.
struct Site {
    broker: Mosquitto,
    tools: Tools,
    _service: Process,
}

impl Site {
    fn start(lamps: &[Lamp]) -> Option<Self> {
        let Some(plugin) = dynamic_security() else {
            skip_or_fail("Mosquitto's plugin for dynamic security");
            return None;
        };
        let config = Config::new()
            .line("set_tcp_nodelay true")
            .line("clientid_prefixes test-")
            .line(&format!("plugin {}", plugin.display()))
            .line("plugin_opt_config_file {dir}/rights.json")
            .file("rights.json", rights(lamps).to_string());
        installed(Self::try_start(config))
    }

    fn try_start(config: Config) -> Result<Self, MissingTool> {
        let broker = Mosquitto::start(config)?;
        let mut service = Command::new(binary("shadow-local")?);
        service.args(["--broker", &broker.url(), "--user", "service"]);
        service.args(["--client-id", "test-service"]);
        let mut service = Process::spawn(service.env("DEVICE_SHADOW_PASSWORD", "secret"));
        service.wait_for(LIMIT, "documents are kept in memory");
        let tools = Tools::find(broker.port())?;
        Ok(Self {
            tools: tools.signed_in("service", "secret", "test-"),
            broker,
            _service: service,
        })
    }
}

/// The file of the plugin. Each password is "secret".
fn rights(lamps: &[Lamp]) -> Value {
    let client = |name: &str| {
        json!({
            "username": name,
            "roles": [{"rolename": name}],
            "password": "ch8mqbcfkuBJmUx0dx3ZJIa6rtkWTqCJ4UuvJrngenpAXiOYBtCzAHYFLFh1p3dv4AuC6pvwEFB5zcq9atsVxA==",
            "salt": "c2hhZG93c2FsdFhZ",
            "iterations": 101,
        })
    };
    let everything: Vec<Value> = [
        "publishClientSend",
        "publishClientReceive",
        "subscribePattern",
    ]
    .iter()
    .flat_map(|kind| {
        ["#", "$aws/#"].map(|topic| json!({"acltype": kind, "topic": topic, "allow": true}))
    })
    .collect();
    let mut clients = vec![client("service")];
    let mut roles = vec![json!({"rolename": "service", "acls": everything})];
    for lamp in lamps {
        let granted = RIGHTS.iter().filter(|&&right| lamp.without != Some(right));
        let acls: Vec<Value> = granted.map(|right| right.acl(&lamp.shadow())).collect();
        clients.push(client(&lamp.thing));
        roles.push(json!({"rolename": lamp.thing, "acls": acls}));
    }
    json!({
        "defaultACLAccess": {
            "publishClientSend": false,
            "publishClientReceive": false,
            "subscribe": false,
            "unsubscribe": true,
        },
        "clients": clients,
        "roles": roles,
    })
}

#[test]
fn the_samples_policy_is_enough() {
    for name in [None, Some("night")] {
        let lamps = ["3", "5"].map(|mqtt| Lamp {
            thing: format!("lamp-{mqtt}"),
            name,
            without: None,
            mqtt,
        });
        let Some(site) = Site::start(&lamps) else {
            return;
        };
        for lamp in &lamps {
            let args = ["--user", &lamp.thing, "--password", "secret"];
            sync::the_light_is_in_sync_with(
                &site.broker.url(),
                &site.tools,
                lamp.mqtt,
                name,
                &args,
            );
        }
    }
}

/// Each light lacks one right, each has a user and a thing of its own.
fn each_right_is_missed(mqtt: &'static str, name: Option<&'static str>) {
    let lamps = RIGHTS.map(|right| {
        let mut thing = String::from("lamp");
        for word in format!("{right:?}").split(|it: char| !it.is_ascii_alphanumeric()) {
            let _ = write!(thing, "-{}", word.to_lowercase());
        }
        Lamp {
            thing,
            name,
            without: Some(right),
            mqtt,
        }
    });
    let Some(site) = Site::start(&lamps) else {
        return;
    };
    for lamp in &lamps {
        // Those who do not hear that there is no document need that there is none.
        if lamp.without != Some(Right::Receive("get/rejected")) {
            let state = json!({"state": {"reported": {"color": "off"}}}).to_string();
            site.tools.publish(&lamp.shadow().topic("update"), &state);
        }
    }
    let mut lights: Vec<Process> = lamps.iter().map(|lamp| lamp.light(&site.broker)).collect();
    for (lamp, light) in lamps.iter().zip(&mut lights) {
        let right = lamp.without.expect("each lacks one");
        match right {
            Right::Publish("update") | Right::Receive("update/accepted") => {
                light.wait_for(LIMIT, "the shadow has color = off");
                light.write_line("red");
            }
            // The service refuses more than 8 KiB.
            Right::Receive("update/rejected") => {
                light.wait_for(LIMIT, "the shadow has color = off");
                light.write_line(&"red".repeat(3_000));
            }
            Right::Receive("update/delta") => {
                light.wait_for(LIMIT, "the shadow has color = off");
                let state = json!({"state": {"desired": {"color": "teal"}}}).to_string();
                site.tools.publish(&lamp.shadow().topic("update"), &state);
            }
            Right::Publish(_) | Right::Subscribe(_) | Right::Receive(_) => {}
        }
    }
    for (lamp, light) in lamps.iter().zip(&mut lights) {
        let right = lamp.without.expect("each lacks one");
        let (action, resource) = right.named(&lamp.shadow());
        let line = light.wait_for(LIMIT, "iot:");
        assert!(
            line.contains(action) && line.contains(&resource),
            "{right:?}: {line}"
        );
        // What can be told for sure is: MQTT 5 has a code for it.
        let sure = line.contains("lacks, probably,");
        let others = line.matches("iot:").count() - 1;
        match (right, mqtt) {
            (Right::Subscribe(_) | Right::Receive("update/delta"), _)
            | (Right::Publish(_), "5") => {
                assert!(sure && others == 0, "{right:?}: {line}");
            }
            (Right::Receive(_), "5") => assert!(!sure && others == 0, "{right:?}: {line}"),
            _ => assert!(!sure && others == 1, "{right:?}: {line}"),
        }
        match right {
            // It cannot do without.
            Right::Subscribe(_)
            | Right::Publish("get")
            | Right::Receive("get/accepted" | "get/rejected") => {
                assert_eq!(ended(light).code(), Some(1), "{right:?}");
                assert_eq!(light.stderr(), [line], "{right:?}");
            }
            // The document tells what the delta did not.
            Right::Receive("update/delta") => {
                light.wait_for(LIMIT, "reported color = teal");
            }
            Right::Publish(_) | Right::Receive(_) => {}
        }
    }
}

#[test]
fn what_is_missing_is_named_over_mqtt_3() {
    each_right_is_missed("3", None);
}

#[test]
fn what_is_missing_is_named_over_mqtt_5() {
    each_right_is_missed("5", None);
}

#[test]
fn what_is_missing_for_a_named_shadow_is_named() {
    each_right_is_missed("3", Some("night"));
    each_right_is_missed("5", Some("night"));
}

#[test]
fn a_client_id_that_may_not_connect() {
    let lamp = |mqtt| Lamp {
        thing: format!("lamp-{mqtt}"),
        name: None,
        without: None,
        mqtt,
    };
    let lamps = ["3", "5"].map(lamp);
    let Some(site) = Site::start(&lamps) else {
        return;
    };
    for lamp in &lamps {
        let id = ["--client-id", "lamp", "--mqtt", lamp.mqtt];
        let user = ["--user", &lamp.thing, "--password", "secret"];
        let args = [&id[..], &user].concat();
        let mut light = Light::on(&site.broker.url(), &lamp.thing, &args).process;
        assert_eq!(ended(&mut light).code(), Some(1));
        let stderr = light.stderr();
        assert_eq!(stderr.len(), 1, "{stderr:#?}");
        assert!(
            stderr[0].ends_with("iot:Connect on client/lamp"),
            "{stderr:#?}"
        );
        assert!(!stderr[0].contains("secret"), "{stderr:#?}");
    }
}
