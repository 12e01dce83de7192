//! The main job: what an application desires is done and reported, within a second.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    programs::{LIMIT, Light, ShadowTopics, Site, installed, service},
    watcher::{Tools, Watcher},
};

/// What the application sees of one desired value: accepted, delta, and the light's report of
/// `reported` alone.
fn is_done_within_a_second(watcher: &mut Watcher, color: &str) {
    let start = Instant::now();
    watcher.update(&json!({"desired": {"color": color}}));
    watcher.accepted(&json!({"desired": {"color": color}}));
    let delta = watcher.sees("update/delta", |_| true);
    assert_eq!(delta["state"], json!({"color": color}));
    let report = watcher.sees("update", |_| true);
    assert_eq!(report["state"], json!({"reported": {"color": color}}));
    watcher.accepted(&json!({"reported": {"color": color}}));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    watcher.sees("update/documents", |_| true);
}

/// A word typed at the light: in both sections at once, and no delta comes back.
fn is_typed_without_an_echo(light: &mut Light, watcher: &mut Watcher, color: &str) {
    light.process.write_line(color);
    let both = json!({"desired": {"color": color}, "reported": {"color": color}});
    let update = watcher.sees("update", |_| true);
    assert_eq!(update["state"], both);
    watcher.accepted(&both);
    watcher.sees("update/documents", |_| true);
    watcher.hears_nothing_more();
    assert_eq!(watcher.document(), both);
}

/// The whole of it with one version of MQTT.
fn the_light_is_in_sync(url: &str, tools: &Tools, mqtt: &str, name: Option<&str>) {
    the_light_is_in_sync_with(url, tools, mqtt, name, &[]);
}

/// The same with more flags.
pub(crate) fn the_light_is_in_sync_with(
    url: &str,
    tools: &Tools,
    mqtt: &str,
    name: Option<&str>,
    flags: &[&str],
) {
    let thing = format!("lamp-{mqtt}");
    let mut args = vec!["--mqtt", mqtt];
    args.extend(flags);
    let shadow = match name {
        None => ShadowTopics::classic(&thing),
        Some(name) => {
            args.extend(["--shadow-name", name]);
            ShadowTopics::named(&thing, name)
        }
    };
    let mut watcher = tools.watch(&shadow);
    let mut light = Light::on(url, &thing, &args);
    light.process.wait_for(LIMIT, "reported color = off");
    watcher.accepted(&json!({"reported": {"color": "off"}}));
    watcher.sees("update/documents", |_| true);

    is_done_within_a_second(&mut watcher, "teal");
    light.process.wait_for(LIMIT, "delta: color = teal");
    light.process.wait_for(LIMIT, "reported color = teal");
    is_typed_without_an_echo(&mut light, &mut watcher, "red");
    // And on: the end of the input is not the light's.
    light.process.close_stdin();
    is_done_within_a_second(&mut watcher, "amber");
    light.process.signal(testkit::Signal::Terminate);
    light.ends_well();
}

fn on_mosquitto(mqtt: &str, name: Option<&str>) {
    let Some(site) = Site::start() else { return };
    the_light_is_in_sync(&site.broker.url(), &site.tools, mqtt, name);
}

#[test]
fn a_classic_shadow_over_mqtt_3() {
    on_mosquitto("3", None);
}

#[test]
fn a_classic_shadow_over_mqtt_5() {
    on_mosquitto("5", None);
}

#[test]
fn a_named_shadow_over_mqtt_3() {
    on_mosquitto("3", Some("night"));
}

#[test]
fn a_named_shadow_over_mqtt_5() {
    on_mosquitto("5", Some("night"));
}

#[test]
fn the_embedded_broker_does_as_well() {
    let Some(mut local) = installed(service(&["--listen", "127.0.0.1:0"])) else {
        return;
    };
    let greeting = local.stdout().join(" ");
    let (_, url) = greeting.split_once(" on ").expect("where it listens");
    let url = url.split(' ').next().expect("a word");
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    let Some(tools) = installed(Tools::find(port.expect("a port"))) else {
        return;
    };
    the_light_is_in_sync(url, &tools, "3", None);
    the_light_is_in_sync(url, &tools, "5", Some("night"));
    local.signal(testkit::Signal::Interrupt);
    assert!(crate::programs::ended(&mut local).success());
}

/// From the broker's log, as `log_type all` writes it.
#[test]
fn exactly_five_filters_and_two_topics() {
    let Some(site) = Site::start() else { return };
    for (mqtt, name) in [("3", None), ("5", Some("night"))] {
        let id = format!("rights-{mqtt}");
        let mut args = vec!["--mqtt", mqtt, "--client-id", &id];
        args.extend(name.iter().flat_map(|name| ["--shadow-name", name]));
        let shadow = name.map_or_else(
            || ShadowTopics::classic("lamp"),
            |name| ShadowTopics::named("lamp", name),
        );
        let mut watcher = site.watch(&shadow);
        let mut light = site.light("lamp", &args, "reported color = off");
        watcher.update(&json!({"desired": {"color": "teal"}}));
        light.process.wait_for(LIMIT, "reported color = teal");
        for word in ["red", "none", "green", "clear_shadow"] {
            light.process.write_line(word);
        }
        light.process.wait_for(LIMIT, "cleared the shadow");
        watcher.sees("update/accepted", serde_json::Value::is_null);
        light.quit();

        let log = site.broker.log();
        let five = [
            "get/accepted",
            "get/rejected",
            "update/accepted",
            "update/rejected",
            "update/delta",
        ];
        assert_eq!(
            subscribed(&log, &id),
            five.map(|it| shadow.topic(it)).into()
        );
        let two = ["get", "update"];
        assert_eq!(published(&log, &id), two.map(|it| shadow.topic(it)).into());
        let said = |what: &str| {
            log.iter()
                .any(|line| line.contains(&format!("{what} {id}")))
        };
        assert!(said("Received DISCONNECT from"));
        assert!(!said("Received UNSUBSCRIBE from"));
    }
}

/// `…: ID 1 FILTER`, once the broker has subscribed it at QoS 1.
fn subscribed(log: &[String], id: &str) -> BTreeSet<String> {
    let mut filters = BTreeSet::new();
    for line in log {
        if let Some((_, filter)) = line.split_once(&format!(": {id} 1 ")) {
            assert!(filters.insert(filter.to_owned()), "twice: {filter}");
        }
    }
    filters
}

/// `… Received PUBLISH from ID (d0, q1, r0, m2, 'TOPIC', ... (37 bytes))`.
fn published(log: &[String], id: &str) -> BTreeSet<String> {
    let from = format!("Received PUBLISH from {id} (");
    let lines = log.iter().filter(|line| line.contains(&from));
    lines
        .filter_map(|line| Some(line.split('\'').nth(1)?.to_owned()))
        .collect()
}
