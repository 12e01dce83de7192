//! Updates of a shadow, beside a model that is slow and obviously right.

use super::plain::{Bytes, delta, diff, is_metadata, merge_patch, object};
use serde_json::{Map, Value, json};
use shadow_proto::{ShadowId, Topic, TopicKind};
use shadow_service::{Service, Settings, UnixTime};

/// The service and the model of it: two sections and a version.
struct Pair {
    service: Service,
    id: ShadowId,
    desired: Map<String, Value>,
    reported: Map<String, Value>,
    seconds: u64,
}

/// Updates in any order: merge is RFC 7396 on each section, idempotent; a diff leads to its target; the delta is empty
/// exactly when reported agrees with desired, and reporting it makes it so; metadata mirrors the state.
pub fn json_patch(bytes: &[u8]) {
    let mut settings = Settings::default();
    settings.limits.max_document_bytes = usize::MAX;
    let mut pair = Pair {
        service: Service::new(settings),
        id: ShadowId::new("t", None).expect("it is legal"),
        desired: Map::new(),
        reported: Map::new(),
        seconds: 1_767_225_600,
    };
    let mut bytes = Bytes(bytes);
    for _ in 0..20 {
        if bytes.0.is_empty() {
            break;
        }
        match bytes.take() % 8 {
            0..=1 => pair.update(&json!({"desired": object(&mut bytes, 4, true)})),
            2 => pair.update(&json!({"reported": object(&mut bytes, 4, true)})),
            3 => pair.update(&json!({
                "desired": object(&mut bytes, 3, true),
                "reported": object(&mut bytes, 3, true),
            })),
            4 => pair.update(&json!({"desired": null})),
            5 => pair.report_delta(),
            6 => pair.lead_to(object(&mut bytes, 4, false)),
            _ => pair.repeat(&json!({"reported": object(&mut bytes, 4, true)})),
        }
    }
    pair.report_delta();
}

impl Pair {
    fn update(&mut self, state: &Value) {
        self.seconds += 1;
        let topic = Topic::new(&self.id, TopicKind::Update).to_string();
        let payload = json!({ "state": state }).to_string();
        let now = UnixTime::from_seconds(self.seconds);
        let handled = self.service.handle_publish(&topic, payload.as_bytes(), now);
        let handled = handled.expect("it is a request");
        if let Err(error) = &handled.outcome {
            panic!("{payload} is refused: {error}");
        }
        for (name, section) in [
            ("desired", &mut self.desired),
            ("reported", &mut self.reported),
        ] {
            match state.get(name) {
                None => {}
                Some(Value::Null) => section.clear(),
                Some(patch) => {
                    let merged = merge_patch(Some(Value::Object(section.clone())), patch);
                    *section = merged.as_object().expect("an object").clone();
                }
            }
        }
        self.compare();
    }

    fn compare(&mut self) {
        let document = self.document();
        let state = &document["state"];
        let section = |name: &str| match &state[name] {
            Value::Object(section) => section.clone(),
            _ => Map::new(),
        };
        assert_eq!(section("desired"), self.desired, "desired is merged");
        assert_eq!(section("reported"), self.reported, "reported is merged");
        let expected = delta(&self.desired, &self.reported);
        let is = state.get("delta").map(|_| section("delta"));
        assert_eq!(is, expected, "the delta of {state}");
        for name in ["desired", "reported"] {
            assert!(
                state[name].is_null() || is_metadata(&document["metadata"][name], &state[name]),
                "metadata mirrors the state: {document}"
            );
        }
    }

    /// What a get is answered with.
    fn document(&mut self) -> Value {
        let topic = Topic::new(&self.id, TopicKind::Get).to_string();
        let now = UnixTime::from_seconds(self.seconds);
        let handled = self.service.handle_publish(&topic, b"", now);
        let handled = handled.expect("it is a request");
        let [answer] = &handled.messages[..] else {
            panic!("one answer: {:?}", handled.messages);
        };
        serde_json::from_str(&answer.payload).expect("the service writes JSON")
    }

    /// A device reports what differs.
    fn report_delta(&mut self) {
        let Some(difference) = delta(&self.desired, &self.reported) else {
            return;
        };
        self.update(&json!({ "reported": difference }));
        assert_eq!(delta(&self.desired, &self.reported), None, "in step");
    }

    /// The diff to a target is merged.
    fn lead_to(&mut self, target: Map<String, Value>) {
        let patch = diff(&self.reported, &target);
        self.update(&json!({ "reported": patch }));
        assert_eq!(self.reported, target, "a diff leads to its target");
    }

    fn repeat(&mut self, state: &Value) {
        self.update(state);
        let before = (self.desired.clone(), self.reported.clone());
        self.update(state);
        assert_eq!(
            before,
            (self.desired.clone(), self.reported.clone()),
            "merging twice is merging once"
        );
    }
}
