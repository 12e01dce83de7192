//! What nobody would do, and somebody does.

use serde_json::json;

use crate::programs::{LIMIT, Light, ShadowTopics, Site};

#[test]
fn any_json_is_a_value() {
    let Some(site) = Site::start() else { return };
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let mut light = site.light("lamp", &[], "reported color = off");
    for value in [
        json!(5),
        json!(-1.5),
        json!(true),
        json!({"r": 1, "g": [1, {"x": false}]}),
        json!([]),
        json!(""),
        json!("5"),
        json!("a\nb\u{1b}[31m"),
        json!("\u{1f4a1} ж"),
    ] {
        watcher.update(&json!({"desired": {"color": value}}));
        watcher.accepted(&json!({"reported": {"color": value}}));
    }
    // Nothing is desired any more: no delta, and the light stays as it is.
    watcher.update(&json!({"desired": {"color": null}}));
    watcher.accepted(&json!({"desired": {"color": null}}));
    light.process.write_line("\u{1f4a1} ж");
    light
        .process
        .wait_for(LIMIT, "color is \u{1f4a1} ж already");
    light.quit_silently_checked();
}

#[test]
fn too_much_is_refused_once() {
    let Some(site) = Site::start() else { return };
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let mut light = site.light("lamp", &[], "reported color = off");
    watcher.sees("update/documents", |_| true);
    // Typed: back to what it was.
    for length in [9_000, 300_000] {
        light.process.write_line(&"x".repeat(length));
        let refused = light.process.wait_for(LIMIT, "the shadow was not told: ");
        assert!(refused.len() < 200, "{refused}");
        light.process.wait_for(LIMIT, "the shadow has color = off");
    }
    // Desired: it fits once, not twice.
    watcher.update(&json!({"desired": {"color": "y".repeat(5_000)}}));
    let delta = light.process.wait_for(LIMIT, "delta: color = yyy");
    assert!(
        delta.ends_with("… (5000 bytes)") && delta.len() < 200,
        "{delta}"
    );
    light.process.wait_for(LIMIT, "the shadow was not told: ");
    watcher.sees("update/delta", |_| true);
    watcher.sees("update/rejected", |_| true);
    watcher.hears_nothing_more();
    watcher.update(&json!({"desired": {"color": "teal"}}));
    watcher.accepted(&json!({"reported": {"color": "teal"}}));
    light.quit();
}

#[test]
fn a_shadow_that_is_deleted_begins_anew() {
    let Some(site) = Site::start() else { return };
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let light = site.light("lamp", &[], "reported color = off");
    watcher.publish("delete", "");
    watcher.sees("delete/accepted", |_| true);
    watcher.update(&json!({"desired": {"color": "teal"}}));
    watcher.accepted(&json!({"reported": {"color": "teal"}}));
    light.quit();
}

#[test]
fn messages_that_make_no_sense_are_told_and_no_more() {
    let Some(site) = Site::start() else { return };
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let mut light = site.light("lamp", &[], "reported color = off");
    let deep = "[".repeat(50_000);
    for payload in ["", "x", "[]", "{\"state\":5}", "{\"version\":-1}", &deep] {
        for suffix in ["update/delta", "get/accepted", "update/rejected"] {
            watcher.publish(suffix, payload);
        }
    }
    light
        .process
        .wait_for(LIMIT, "cannot read a message on update/delta: ");
    watcher.update(&json!({"desired": {"color": "teal"}}));
    watcher.accepted(&json!({"reported": {"color": "teal"}}));
    light.quit();
}

#[test]
fn two_lights_of_one_thing_do_both_what_is_desired() {
    let Some(site) = Site::start() else { return };
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let said = "reported color = off";
    let mut one = site.light("lamp", &["--mqtt", "3"], said);
    let mut other = site.light("lamp", &["--mqtt", "5"], "the shadow has color = off");
    for color in ["teal", "amber"] {
        watcher.update(&json!({"desired": {"color": color}}));
        for light in [&mut one, &mut other] {
            light
                .process
                .wait_for(LIMIT, &format!("delta: color = {color}"));
            light
                .process
                .wait_for(LIMIT, &format!("reported color = {color}"));
        }
    }
    let amber = json!({"desired": {"color": "amber"}, "reported": {"color": "amber"}});
    assert_eq!(watcher.document(), amber);
    one.quit();
    other.quit();
}

#[test]
fn two_clients_of_one_id_push_each_other_off_ever_more_slowly() {
    let Some(site) = Site::start() else { return };
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let id = ["--client-id", "same"];
    let mut one = site.light("lamp", &id, "reported color = off");
    let other = site.light("lamp", &id, "the shadow has color = off");
    one.process.wait_for(LIMIT, "next attempt in");
    one.process.wait_for(LIMIT, "connected");
    other.quit();
    watcher.update(&json!({"desired": {"color": "teal"}}));
    watcher.accepted(&json!({"reported": {"color": "teal"}}));
    one.quit();
}

impl Light {
    /// Ends it, and looks at what it has printed: no control characters.
    fn quit_silently_checked(mut self) {
        self.process.write_line("quit");
        self.ends_well();
        let output = self.process.output();
        let clean = |line: &String| !line.chars().any(char::is_control);
        assert!(output.iter().all(clean), "{output:#?}");
    }
}
