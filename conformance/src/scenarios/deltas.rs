//! Deltas and documents.

use transport_core::{
    Event, Interest, MqttQos, Resync, Shadow, ShadowClient, ShadowId, Topic, TopicKind, TopicPrefix,
};

use crate::{
    Ground,
    ground::{color, json, nothing, soon},
};

pub(super) async fn a_delta_comes_once(ground: Ground) {
    let device = ground.shadow().await;
    let client = ground.other_client().await;
    let app = client.shadow(device.id().clone()).unwrap();
    let mut deltas = device.deltas().unwrap();
    assert!(soon(device.ready()).await.unwrap().is_none());
    for name in ["red", "green"] {
        soon(app.desire(&color(name))).await.unwrap();
        let delta = soon(deltas.next()).await.unwrap();
        assert_eq!(delta.state, color(name));
        soon(device.report(&delta.state)).await.unwrap();
    }
    assert!(nothing(deltas.next()).await);
    assert!(soon(device.get()).await.unwrap().delta.is_absent());
}

pub(super) async fn a_delta_from_before_the_start_comes_first(ground: Ground) {
    let app = ground.shadow().await;
    soon(app.desire(&color("red"))).await.unwrap();
    let client = ground.client().await;
    let device = client.shadow(app.id().clone()).unwrap();
    let mut deltas = device.deltas().unwrap();
    let delta = soon(deltas.next()).await.unwrap();
    assert_eq!(delta.state, color("red"));
    let document = soon(device.ready()).await.unwrap().unwrap();
    assert_eq!(document.version, delta.version);
}

/// A shadow under a prefix without a service, which a client of its own plays.
struct Played {
    shadow: Shadow,
    service: ShadowClient,
    prefix: TopicPrefix,
}

impl Played {
    async fn new(ground: &Ground) -> Self {
        let mut options = ground.options();
        let prefix = ground.prefix();
        options.shadows.topic_prefix = prefix.clone();
        options.shadows.resync = Resync::never();
        let client = ground.connect(options).await;
        Self {
            shadow: client.shadow(ground.shadow_id()).unwrap(),
            service: ground.client().await,
            prefix,
        }
    }

    async fn delta(&self, payload: &str) {
        let topic = Topic::new(self.shadow.id(), TopicKind::UpdateDelta).spell(&self.prefix);
        let payload = payload.to_owned();
        let sent = self.service.publish(topic, payload, MqttQos::AtLeastOnce);
        soon(sent).await.unwrap();
    }

    async fn delta_of(&self, version: u32) {
        let text = format!(r#"{{"version":{version},"timestamp":1,"state":{{"n":{version}}}}}"#);
        self.delta(&text).await;
    }
}

pub(super) async fn duplicates_and_older_deltas_are_dropped(ground: Ground) {
    let service = Played::new(&ground).await;
    let mut deltas = service.shadow.deltas().unwrap();
    soon(service.shadow.ready()).await.unwrap();
    service.delta_of(5).await;
    assert_eq!(soon(deltas.next()).await.unwrap().version.number(), 5);
    service.delta_of(5).await;
    service.delta_of(4).await;
    assert!(nothing(deltas.next()).await);
    service.delta_of(6).await;
    assert_eq!(soon(deltas.next()).await.unwrap().version.number(), 6);
}

pub(super) async fn what_cannot_be_read_ends_nothing(ground: Ground) {
    let service = Played::new(&ground).await;
    let mut events = service.shadow.events(Interest::DELTA).unwrap();
    soon(service.shadow.ready()).await.unwrap();
    let odd = [
        "",
        "{",
        "[]",
        "null",
        r#"{"version":-1,"state":{}}"#,
        "\u{0}",
    ];
    for payload in odd {
        service.delta(payload).await;
    }
    service.delta_of(1).await;
    let mut unreadable = 0;
    loop {
        match soon(events.next()).await.unwrap().unwrap() {
            Event::Undecodable { .. } => unreadable += 1,
            Event::Delta { .. } => break,
            _ => {}
        }
    }
    assert_eq!(unreadable, odd.len());
}

pub(super) async fn documents_come_before_and_after(ground: Ground) {
    let shadow = ground.shadow().await;
    let mut stream = shadow.documents().unwrap();
    soon(shadow.ready()).await.unwrap();
    soon(shadow.report(&color("red"))).await.unwrap();
    let documents = soon(stream.next()).await.unwrap().unwrap();
    assert!(documents.previous.is_none());
    assert_eq!(documents.current.reported.value(), Some(&color("red")));
    soon(shadow.report(&color("blue"))).await.unwrap();
    let documents = soon(stream.next()).await.unwrap().unwrap();
    let previous = documents.previous.unwrap();
    assert_eq!(previous.reported.value(), Some(&color("red")));
    assert_eq!(documents.current.reported.value(), Some(&color("blue")));
}

/// Each of these shadows has its own delta and no other's.
async fn apart(ground: &Ground, ids: [ShadowId; 3]) {
    let client = ground.client().await;
    let app = ground.client().await;
    let mut streams = Vec::new();
    for id in &ids {
        let shadow = client.shadow(id.clone()).unwrap();
        let deltas = shadow.deltas().unwrap();
        soon(shadow.ready()).await.unwrap();
        streams.push((shadow, deltas));
    }
    for (number, id) in ids.iter().enumerate() {
        let state = json(&format!(r#"{{"number":{number}}}"#));
        soon(app.shadow(id.clone()).unwrap().desire(&state))
            .await
            .unwrap();
    }
    for (number, (shadow, deltas)) in streams.iter_mut().enumerate() {
        let delta = soon(deltas.next()).await.unwrap();
        assert_eq!(delta.state.at("/number"), Some(&*number.to_string()));
        soon(shadow.report(&delta.state)).await.unwrap();
    }
    for (shadow, deltas) in &mut streams {
        assert!(soon(shadow.get()).await.unwrap().delta.is_absent());
        assert!(nothing(deltas.next()).await);
    }
}

pub(super) async fn three_things_have_classic_shadows(ground: Ground) {
    apart(&ground, core::array::from_fn(|_| ground.shadow_id())).await;
}

pub(super) async fn three_named_shadows_of_one_thing(ground: Ground) {
    let thing = ground.name("thing");
    let ids = ["a", "get", "update-accepted"];
    let ids = ids.map(|name| ShadowId::named(&thing, name).unwrap());
    apart(&ground, ids).await;
}

pub(super) async fn two_handles_on_one_shadow(ground: Ground) {
    let client = ground.client().await;
    let id = ground.shadow_id();
    let handles = [(); 2].map(|()| client.shadow(id.clone()).unwrap());
    let [one, two] = &handles;
    let mut streams = [one.deltas().unwrap(), two.deltas().unwrap()];
    soon(one.ready()).await.unwrap();
    let (desire, get) = (one.desire(&color("red")), two.get());
    soon(desire).await.unwrap();
    // Its answer is its own, whichever of the two the service served first.
    let _ = soon(get).await;
    for stream in &mut streams {
        assert_eq!(soon(stream.next()).await.unwrap().state, color("red"));
    }
    drop(handles);
    let last = client.shadow(id).unwrap();
    soon(last.desire(&color("blue"))).await.unwrap();
    for stream in &mut streams {
        assert_eq!(soon(stream.next()).await.unwrap().state, color("blue"));
    }
}
