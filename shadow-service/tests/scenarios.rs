//! Every scenario of `vectors/examples.json` against the service, and the file against itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use shadow_service::{
    MAX_NESTING, MessageOrder, Service, Settings, UnixTime, Value,
    vectors::{self, Scenario, Seen, Times, VectorError},
};

#[test]
fn every_scenario_holds() {
    let scenarios = vectors::scenarios().unwrap();
    assert_eq!(scenarios.len(), 75);
    let failures: Vec<String> = scenarios
        .iter()
        .filter_map(|scenario| {
            let error = play(scenario, MessageOrder::Fixed).err()?;
            Some(format!("{}: {error}", scenario.name))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn order_carries_no_meaning() {
    for seed in 0..20 {
        for scenario in vectors::scenarios().unwrap() {
            play(&scenario, MessageOrder::Shuffled { seed }).unwrap();
        }
    }
}

/// One function touches the API; the cases do not.
fn play(scenario: &Scenario, order: MessageOrder) -> Result<(), VectorError> {
    let mut settings = Settings::default();
    settings.order = order;
    if let Some(limit) = scenario.max_document_bytes {
        settings.limits.max_document_bytes = limit;
    }
    if let Some(limit) = scenario.max_depth {
        settings.limits.max_depth = limit;
    }
    let mut service = Service::new(settings);
    let mut times = Times::new();
    for (number, step) in (1..).zip(&scenario.steps) {
        let now = UnixTime::from_seconds(vectors::START + 10 * number);
        times.set(number, now.timestamp());
        let payload = step.payload.as_bytes();
        let handled = service.handle_publish(&step.topic(), payload, now).unwrap();
        assert_eq!(
            (handled.shadow, handled.operation),
            (step.shadow.clone(), step.operation)
        );
        let seen = Seen::all(&handled.messages)?;
        let document = service.document(&step.shadow, now).unwrap();
        let document = document.map(|document| document.to_json());
        step.ours()
            .check(&step.shadow, &seen, document.as_deref(), &mut times)?;
    }
    Ok(())
}

#[test]
fn a_wrong_answer_is_noticed() {
    let scenarios = vectors::scenarios().unwrap();
    let scenario = scenarios.iter().find(|s| s.name == "delta-flat").unwrap();
    let step = &scenario.steps[0];
    let mut service = Service::new(Settings::default());
    let now = UnixTime::from_seconds(vectors::START);
    let topic = step.topic();
    let handled = service
        .handle_publish(&topic, step.payload.as_bytes(), now)
        .unwrap();
    let document = service
        .document(&step.shadow, now)
        .unwrap()
        .unwrap()
        .to_json();
    let seen = Seen::all(&handled.messages).unwrap();
    let check = |seen: &[Seen], document: Option<&str>| {
        step.ours()
            .check(&step.shadow, seen, document, &mut Times::new())
    };
    assert_eq!(check(&seen, Some(&document)), Ok(()));
    assert!(
        check(&seen[1..], Some(&document)).is_err(),
        "a message less"
    );
    assert!(check(&seen, None).is_err(), "no document");
    let other = document.replace("\"version\":1", "\"version\":2");
    assert!(check(&seen, Some(&other)).is_err(), "another version");
    let mut twice = seen.clone();
    twice.push(seen[0].clone());
    assert!(check(&twice, Some(&document)).is_err(), "a message more");
}

#[test]
fn every_message_is_given() {
    let mut count = 0;
    for message in vectors::messages().unwrap() {
        let value = Value::parse(&message.payload).unwrap();
        assert_eq!(value, message.value);
        assert!(!message.payload.contains("\"@"), "{}", message.payload);
        assert!(message.topic.ends_with(message.kind.suffix()));
        assert!(value.depth(true) < MAX_NESTING);
        count += 1;
    }
    assert!(count > 300, "{count}");
}
