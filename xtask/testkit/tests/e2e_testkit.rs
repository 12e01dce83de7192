//! The broker helper against the real Mosquitto.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use testkit::{Config, Mosquitto, skip_or_fail, wait_until};

const LIMIT: Duration = Duration::from_secs(10);

/// Made with `mosquitto_passwd`: the user is "tester", the password "secret".
const PASSWORDS: &str = "tester:$7$101$pwrXbOxBvTBTEg8m$AN7IVlAQ0M/SiqkZUP2tNPxX0RO3+qhwi6IYOGAFMfBIRhsQD75ERIB54mNJ9BTijhMI3SmxKQ2ZoyU3QzEHsA==\n";

#[test]
fn e2e_messages_arrive_byte_for_byte() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    assert_ne!(broker.port(), 1883);
    assert_eq!(broker.url(), format!("mqtt://127.0.0.1:{}", broker.port()));
    let mut messages = broker.subscribe("$aws/things/+/shadow/#");
    for payload in [&b""[..], b"{\"state\":\n{}}", &[0, 10, 13, 255]] {
        broker.publish("$aws/things/lamp/shadow/get", payload);
        let message = messages.next(LIMIT).expect("nothing arrived");
        assert_eq!(message.topic, "$aws/things/lamp/shadow/get");
        assert_eq!(message.payload, payload);
    }
    assert_eq!(messages.next(Duration::ZERO), None);
    assert_eq!(messages.all().len(), 3);
}

#[test]
fn e2e_a_killed_broker_frees_its_port_and_comes_back_on_it() {
    let Ok(mut broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    let port = broker.port();
    broker.kill();
    assert!(
        wait_until(LIMIT, || TcpListener::bind(("127.0.0.1", port)).is_ok()),
        "the port is still taken"
    );
    broker.restart();
    assert_eq!(broker.port(), port);
    let mut messages = broker.subscribe("a");
    broker.publish("a", "hello");
    assert_eq!(
        messages.next(LIMIT).expect("nothing arrived").text(),
        "hello"
    );
}

#[test]
fn e2e_a_persistent_broker_keeps_what_it_holds_across_a_restart() {
    let Ok(mut broker) = Mosquitto::start(Config::new().persistent()) else {
        return skip_or_fail("mosquitto");
    };
    broker.publish_with(&["-r"], "kept", "still here");
    broker.restart();
    let mut messages = broker.subscribe("kept");
    assert_eq!(
        messages.next(LIMIT).expect("nothing arrived").text(),
        "still here"
    );
}

#[test]
fn e2e_an_access_list_and_a_second_listener() {
    let config = Config::new()
        .line("acl_file {dir}/access")
        .file("access", "topic readwrite allowed/#\n")
        .listener("second", &["protocol mqtt"]);
    let Ok(broker) = Mosquitto::start(config) else {
        return skip_or_fail("mosquitto");
    };
    let mut messages = broker.subscribe("#");
    broker.publish("denied/a", "lost");
    broker.publish("allowed/a", "arrives");
    assert_eq!(
        messages.next(LIMIT).expect("nothing arrived").topic,
        "allowed/a"
    );
    assert!(
        broker
            .log()
            .iter()
            .any(|line| line.contains("Denied PUBLISH")),
        "{:#?}",
        broker.log()
    );
    assert_ne!(broker.port(), broker.port_of("second"));
    TcpStream::connect(("127.0.0.1", broker.port_of("second")))
        .expect("nobody listens on the second port");
}

#[test]
fn e2e_clients_with_a_name() {
    let config = Config::new()
        .no_anonymous()
        .line("password_file {dir}/passwords")
        .line("acl_file {dir}/access")
        .file("passwords", PASSWORDS)
        .file("access", "user tester\ntopic readwrite #\n")
        .client_args(&["-u", "tester", "-P", "secret"]);
    let Ok(broker) = Mosquitto::start(config) else {
        return skip_or_fail("mosquitto");
    };
    let mut messages = broker.subscribe("#");
    broker.publish("a", "hello");
    assert_eq!(
        messages.next(LIMIT).expect("nothing arrived").text(),
        "hello"
    );
}
