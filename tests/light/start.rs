//! What a light makes of the shadow that it finds.

use serde_json::{Value, json};

use crate::{
    programs::{LIMIT, Light, ShadowTopics, Site, broker, installed},
    watcher::{Tools, Watcher},
};

/// A site, and the shadow of a thing that is like that.
fn found(state: &Value) -> Option<(Site, Watcher)> {
    let site = Site::start()?;
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    watcher.update(state);
    watcher.accepted(state);
    watcher.sees("update/documents", |_| true);
    Some((site, watcher))
}

/// The first update of a light.
fn first(watcher: &mut Watcher) -> Value {
    watcher.sees("update", |_| true)["state"].take()
}

#[test]
fn a_difference_is_applied() {
    let state = json!({"desired": {"color": "teal"}, "reported": {"color": "red"}});
    let Some((site, mut watcher)) = found(&state) else {
        return;
    };
    let light = site.light("lamp", &[], "delta: color = teal");
    assert_eq!(first(&mut watcher), json!({"reported": {"color": "teal"}}));
    watcher.accepted(&json!({"reported": {"color": "teal"}}));
    light.quit();
}

#[test]
fn what_was_reported_is_adopted_without_a_word() {
    let state = json!({"desired": {"other": 1}, "reported": {"color": "amber"}});
    let Some((site, mut watcher)) = found(&state) else {
        return;
    };
    let mut light = site.light("lamp", &[], "the shadow has color = amber");
    light.process.write_line("amber");
    light.process.wait_for(LIMIT, "color is amber already");
    light.process.write_line("red");
    let both = json!({"desired": {"color": "red"}, "reported": {"color": "red"}});
    assert_eq!(
        first(&mut watcher),
        both,
        "the first update is the typed one"
    );
    light.quit();
}

#[test]
fn a_property_that_is_not_there_is_set_to_off() {
    let state = json!({"desired": {"other": 1}, "reported": {"other": 1}});
    let Some((site, mut watcher)) = found(&state) else {
        return;
    };
    let light = site.light("lamp", &[], "the shadow has no color yet: off");
    assert_eq!(first(&mut watcher), json!({"reported": {"color": "off"}}));
    let off = json!({"desired": {"other": 1}, "reported": {"other": 1, "color": "off"}});
    watcher.accepted(&json!({"reported": {"color": "off"}}));
    assert_eq!(watcher.document(), off);
    light.quit();
}

/// What is typed before the light knows its shadow waits for it.
#[test]
fn a_word_typed_at_once_has_the_last_word() {
    let state = json!({"desired": {"color": "teal"}, "reported": {"color": "amber"}});
    let Some((site, mut watcher)) = found(&state) else {
        return;
    };
    let mut light = Light::on(&site.broker.url(), "lamp", &[]);
    light.process.write_line("red");
    let both = json!({"desired": {"color": "red"}, "reported": {"color": "red"}});
    watcher.accepted(&both);
    light
        .process
        .wait_for(LIMIT, "reported and desired color = red");
    assert_eq!(watcher.document(), both);
    light.quit();
}

/// The test plays the service here: it answers the get after a delta that came meanwhile.
#[test]
fn a_delta_before_the_first_answer_wins() {
    let Some(broker) = installed(broker()) else {
        return;
    };
    let Some(tools) = installed(Tools::find(broker.port())) else {
        return;
    };
    let mut watcher = tools.watch(&ShadowTopics::classic("lamp"));
    let mut light = Light::on(&broker.url(), "lamp", &[]);
    let get = watcher.sees("get", |_| true);
    let delta = json!({"version": 8, "timestamp": 1, "state": {"color": "teal"}});
    watcher.publish("update/delta", &delta.to_string());
    let mut answer = json!({"version": 7, "timestamp": 1, "state": {
        "desired": {"color": "red"}, "reported": {"color": "off"}, "delta": {"color": "red"},
    }});
    answer["clientToken"] = get["clientToken"].clone();
    watcher.publish("get/accepted", &answer.to_string());
    light.process.wait_for(LIMIT, "delta: color = teal");
    let mut update = watcher.sees("update", |_| true);
    let last = json!({"reported": {"color": "teal"}});
    assert_eq!(update["state"], last, "and nothing of the older answer");
    update["version"] = 9.into();
    update["timestamp"] = 1.into();
    watcher.publish("update/accepted", &update.to_string());
    light.process.wait_for(LIMIT, "reported color = teal");
    watcher.sees("update/accepted", |state| *state == last);
    watcher.hears_nothing_more();
    light.quit();
}
