//! What is typed at the light, and how it ends.

use serde_json::{Value, json};
use testkit::Signal;

use crate::{
    programs::{LIMIT, Light, ShadowTopics, Site},
    watcher::Watcher,
};

/// A light that is off and said so.
fn off(args: &[&str]) -> Option<(Site, Watcher, Light)> {
    let site = Site::start()?;
    let mut watcher = site.watch(&ShadowTopics::classic("lamp"));
    let light = site.light("lamp", args, "reported color = off");
    watcher.accepted(&json!({"reported": {"color": "off"}}));
    watcher.sees("update/documents", |_| true);
    Some((site, watcher, light))
}

#[test]
fn the_value_that_it_has_is_not_sent() {
    let Some((_site, mut watcher, mut light)) = off(&[]) else {
        return;
    };
    for word in ["off", "  off  ", "", "   "] {
        light.process.write_line(word);
    }
    light.process.wait_for(LIMIT, "color is off already");
    light.process.wait_for(LIMIT, "color is off already");
    watcher.hears_nothing_more();
    light.quit();
}

#[test]
fn none_removes_the_property_and_clear_shadow_everything() {
    let Some((_site, mut watcher, mut light)) = off(&[]) else {
        return;
    };
    let other = json!({"desired": {"other": 1}, "reported": {"other": 1}});
    watcher.update(&other);
    watcher.accepted(&other);
    light.process.write_line("red");
    watcher.sees("update/documents", |_| true);

    light.process.write_line("none");
    let removed = json!({"desired": {"color": null}, "reported": {"color": null}});
    watcher.accepted(&removed);
    light.process.wait_for(LIMIT, "removed color");
    assert_eq!(watcher.document(), other);
    light.process.write_line("none");
    light.process.wait_for(LIMIT, "color is none already");

    light.process.write_line("clear_shadow");
    light.process.wait_for(LIMIT, "cleared the shadow");
    let update = watcher.sees("update", |state| state.is_null());
    assert!(update.get("state").is_some_and(Value::is_null), "{update}");
    watcher.sees("update/accepted", Value::is_null);
    assert_eq!(watcher.document(), json!({}));

    light.process.write_line("green");
    let green = json!({"desired": {"color": "green"}, "reported": {"color": "green"}});
    watcher.accepted(&green);
    light.quit();
}

#[test]
fn deltas_of_other_keys_are_shown_and_left_alone() {
    let Some((_site, mut watcher, mut light)) = off(&[]) else {
        return;
    };
    watcher.update(&json!({"desired": {"other": {"a": [1, 2]}}}));
    light
        .process
        .wait_for(LIMIT, r#"delta: other = {"a":[1,2]}, not mine"#);
    watcher.sees("update/delta", |_| true);
    watcher.hears_nothing_more();
    // Together with the light's own key: that alone is answered.
    watcher.update(&json!({"desired": {"color": "teal"}}));
    light.process.wait_for(LIMIT, "delta: color = teal");
    watcher.accepted(&json!({"reported": {"color": "teal"}}));
    watcher.update(&json!({"desired": {"other": null, "third": 3}}));
    light.process.wait_for(LIMIT, "delta: third = 3, not mine");
    light.process.write_line("quit");
    light.ends_well();
    let shown = light.process.stdout();
    let shown = shown.iter().filter(|line| line.contains("other"));
    assert_eq!(shown.count(), 1, "once, however many deltas hold it");
}

#[test]
fn the_end_of_the_input_does_not_end_it() {
    let Some((_site, mut watcher, mut light)) = off(&[]) else {
        return;
    };
    // The last line has no end, and one before it is no text.
    light.process.write(b"\xff\xfe\nred");
    light.process.close_stdin();
    watcher.accepted(&json!({"desired": {"color": "red"}, "reported": {"color": "red"}}));
    watcher.update(&json!({"desired": {"color": "teal"}}));
    watcher.accepted(&json!({"reported": {"color": "teal"}}));
    assert_eq!(light.process.wait(std::time::Duration::ZERO), None);
    light.process.signal(Signal::Interrupt);
    light.ends_well();
}

#[test]
fn words_and_signals_end_it_in_good_order() {
    let Some(site) = Site::start() else { return };
    let ends: [fn(&mut Light); 4] = [
        |light| light.process.write_line("quit"),
        |light| light.process.write_line("  exit "),
        |light| light.process.signal(Signal::Interrupt),
        |light| light.process.signal(Signal::Terminate),
    ];
    for (number, end) in (0..).zip(ends) {
        let id = format!("end-{number}");
        let said = "reported color = off";
        let mut light = site.light(&id, &["--client-id", &id], said);
        end(&mut light);
        light.ends_well();
        let goodbye = format!("Received DISCONNECT from {id}");
        let said = || site.broker.log().iter().any(|line| line.contains(&goodbye));
        assert!(testkit::wait_until(LIMIT, said), "{id} just left");
    }
}

/// What is typed right before the end arrives, too.
#[test]
fn the_last_words_arrive() {
    let Some((_site, mut watcher, mut light)) = off(&[]) else {
        return;
    };
    light.process.write(b"red\ngreen\nquit\n");
    light.ends_well();
    let said = light.process.stdout();
    assert!(
        said.iter()
            .any(|line| line == "reported and desired color = green"),
        "{said:#?}"
    );
    let green = json!({"desired": {"color": "green"}, "reported": {"color": "green"}});
    watcher.accepted(&green);
    assert_eq!(watcher.document(), green);
}
