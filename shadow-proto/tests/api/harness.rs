//! A client on a faked connection, for tests that a script cannot say.

use shadow_proto::{
    Client, Config, Event, Instant, Interest, Output, Rates, Resync, ShadowHandle, ShadowId,
    ShadowOptions, SubackCode, TokenPrefix,
};

pub(crate) const NOW: Instant = Instant::ORIGIN;

pub(crate) fn config() -> Config {
    let mut config = Config::new(TokenPrefix::new("T").unwrap());
    config.rates = Rates::unlimited();
    config
}

/// A client of few filters, none of them with a wildcard, and of few shadows.
pub(crate) fn budgeted(max_filters: u32) -> Client {
    let mut config = Config::new(TokenPrefix::new("T").unwrap());
    config.budget.per_connection = max_filters;
    config.budget.wildcards = false;
    config.limits.shadows = 12;
    Client::new(config)
}

pub(crate) fn lamp() -> ShadowId {
    ShadowId::classic("lamp").unwrap()
}

/// Takes everything out; grants every SUBSCRIBE; returns the events and the last payload.
pub(crate) fn settle(client: &mut Client) -> (Vec<Event>, Vec<String>) {
    let (mut events, mut published) = (Vec::new(), Vec::new());
    while let Some(output) = client.poll_output() {
        match output {
            Output::Subscribe { id, filters, .. } => {
                client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], NOW);
            }
            Output::Unsubscribe { id, .. } => client.handle_unsuback(id, NOW),
            Output::Publish { payload, .. } => {
                published.push(String::from_utf8(payload.into()).unwrap())
            }
            Output::Event(event) => events.push(event),
        }
    }
    (events, published)
}

pub(crate) fn watched(config: Config) -> (Client, ShadowHandle) {
    let mut client = Client::new(config);
    let shadow = client.add_shadow(lamp(), Interest::ALL, NOW).unwrap();
    let mut options = ShadowOptions::default();
    options.resync = Some(Resync::never());
    client.configure(shadow, options, NOW).unwrap();
    client.handle_connected(false, NOW);
    settle(&mut client);
    (client, shadow)
}

pub(crate) fn receive(client: &mut Client, suffix: &str, payload: &str) {
    let topic = format!("$aws/things/lamp/shadow/{suffix}");
    client
        .handle_publish(&topic, payload.as_bytes(), NOW)
        .unwrap();
}

pub(crate) fn token_in(payload: &str) -> &str {
    payload
        .split_once("\"clientToken\":\"")
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0
}
