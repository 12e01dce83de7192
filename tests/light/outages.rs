//! What goes away and comes back.

use std::time::Duration;

use serde_json::json;
use testkit::{free_port, wait_until};

use crate::{
    programs::{LIMIT, Light, ShadowTopics, Site, installed, service},
    watcher::{Tools, Watcher},
};

/// Waits until the service answers again.
fn served(watcher: &mut Watcher) {
    let answered = wait_until(LIMIT, || {
        watcher.publish("get", "");
        let answer = Duration::from_millis(200);
        let heard = std::iter::from_fn(|| watcher.next(answer));
        let mut topics = heard.map(|(topic, _)| topic);
        topics.any(|topic| topic == "get/accepted" || topic == "get/rejected")
    });
    assert!(answered, "the service does not come back");
}

#[test]
fn a_broker_that_was_killed_is_found_again() {
    let lamp = ShadowTopics::classic("lamp");
    for mqtt in ["3", "5"] {
        let Some(mut site) = Site::start() else {
            return;
        };
        let mut light = site.light("lamp", &["--mqtt", mqtt], "reported color = off");
        site.broker.kill();
        light.process.wait_for(LIMIT, "next attempt in");
        site.broker.restart();
        let mut watcher = site.watch(&lamp);
        served(&mut watcher);
        watcher.update(&json!({"desired": {"color": "teal"}}));
        light.process.wait_for(LIMIT, "connected");
        watcher.accepted(&json!({"reported": {"color": "teal"}}));
        light.quit();
        assert_eq!(site.service.stderr(), [""; 0]);
    }
}

#[test]
fn what_is_typed_meanwhile_is_told_afterwards() {
    let Some(mut site) = Site::start() else {
        return;
    };
    let mut light = site.light("lamp", &[], "reported color = off");
    site.broker.kill();
    light.process.wait_for(LIMIT, "next attempt in");
    light.process.write_line("blue");
    light.process.wait_for(LIMIT, "color is now blue");
    site.broker.restart();
    light
        .process
        .wait_for(LIMIT, "reported and desired color = blue");
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let blue = json!({"desired": {"color": "blue"}, "reported": {"color": "blue"}});
    assert_eq!(watcher.document(), blue);
    light.quit();
}

/// No delta reached it: the document that it fetches on each connect tells.
#[test]
fn what_was_desired_meanwhile_is_done_afterwards() {
    let Some(site) = Site::start() else { return };
    let lamp = ShadowTopics::classic("lamp");
    for mqtt in ["3", "5"] {
        let args = ["--client-id", "lamp", "--mqtt", mqtt];
        let mut light = site.light("lamp", &args, " has ");
        let mut watcher = site.watch(&lamp);
        let desired = json!({"desired": {"color": mqtt}});
        let update = json!({ "state": desired }).to_string();
        site.tools
            .publish_as("lamp", &lamp.topic("update"), &update);
        light.process.wait_for(LIMIT, "next attempt in");
        watcher.accepted(&json!({"reported": {"color": mqtt}}));
        light.quit();
    }
}

/// The documents of `shadow-local` end with it; what a light shows does not.
#[test]
fn a_service_that_forgot_everything_is_told_anew() {
    let port = free_port();
    let listen = ["--listen", &format!("127.0.0.1:{port}")];
    let Some(mut local) = installed(service(&listen)) else {
        return;
    };
    let Some(tools) = installed(Tools::find(port)) else {
        return;
    };
    let lamp = ShadowTopics::classic("lamp");
    let mut light = Light::on(&format!("mqtt://127.0.0.1:{port}"), "lamp", &[]);
    light.process.wait_for(LIMIT, "reported color = off");
    for color in ["amber", "violet", "teal"] {
        tools
            .watch(&lamp)
            .update(&json!({"desired": {"color": color}}));
        light
            .process
            .wait_for(LIMIT, &format!("reported color = {color}"));
    }
    local.kill();
    light.process.wait_for(LIMIT, "next attempt in");
    let Some(_local) = installed(service(&listen)) else {
        return;
    };
    light.process.wait_for(LIMIT, "the shadow has lost color");
    light.process.wait_for(LIMIT, "reported color = teal");
    // Versions count from one again, below those that the light has seen.
    let mut watcher = tools.watch(&lamp);
    watcher.update(&json!({"desired": {"color": "amber"}}));
    watcher.accepted(&json!({"reported": {"color": "amber"}}));
    light.quit();
}

#[test]
fn it_ends_at_once_while_the_broker_is_away() {
    let Some(mut site) = Site::start() else {
        return;
    };
    let mut light = site.light("lamp", &[], "reported color = off");
    site.broker.kill();
    light.process.wait_for(LIMIT, "next attempt in");
    light.process.signal(testkit::Signal::Interrupt);
    let ended = light.process.wait(Duration::from_secs(4));
    assert!(ended.is_some(), "{:#?}", light.process.output());
    light.ends_well();
}
