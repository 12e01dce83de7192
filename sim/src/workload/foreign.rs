//! What foreign clients do.

use crate::{
    totals::Fault,
    world::{Happening, World},
};
use shadow_proto::{Operation, Qos, Topic, TopicKind};
use std::rc::Rc;

impl World {
    /// A foreign client publishes a request, or something worse.
    pub(crate) fn foreign(&mut self) {
        let Some(mean) = self.plan.foreign.filter(|_| !self.healed) else {
            return;
        };
        let at = self.now + self.work.around(mean);
        self.schedule(at, Happening::Foreign);
        let shadow = self.work.index(self.plan.shadows.len());
        let id = self.plan.shadows[shadow].clone();
        if self.plan.poison && self.work.chance(300) {
            self.poison(&id);
            return;
        }
        let operation = *self.work.pick(&[
            Operation::Update,
            Operation::Update,
            Operation::Update,
            Operation::Update,
            Operation::Get,
            Operation::Delete,
        ]);
        if operation == Operation::Delete && self.work.chance(600) {
            return;
        }
        let state = format!(r#""state":{{"desired":{}}}"#, self.patch().as_str());
        let payload = match self.work.below(8) {
            0..=2 => {
                self.totals.note(Fault::Foreign);
                let token = self.work.draw();
                format!(r#"{{{state},"clientToken":"foreign-{token:x}"}}"#)
            }
            3 => {
                self.totals.note(Fault::ForeignNameless);
                format!("{{{state}}}")
            }
            4 => {
                self.totals.note(Fault::ForeignMalformed);
                format!("{{{state}")
            }
            5 => {
                self.totals.note(Fault::ForeignMalformed);
                format!(r#"{{{state},"clientToken":"{}"}}"#, "x".repeat(65))
            }
            _ => match self.lookalike(shadow, operation) {
                Some(token) => {
                    self.totals.note(Fault::ForeignLookalike);
                    format!(r#"{{{state},"clientToken":"{token}"}}"#)
                }
                None => format!("{{{state}}}"),
            },
        };
        let topic: Rc<str> = Topic::new(&id, operation.request()).to_string().into();
        self.log(|| format!("foreign: {topic} {payload}"));
        let payload: Rc<[u8]> = payload.into_bytes().into();
        self.route_request(&topic, &payload, Qos::AtLeastOnce, None);
    }

    /// A token that a client may take for its own: one of another request, or a variation of it.
    fn lookalike(&mut self, shadow: usize, operation: Operation) -> Option<String> {
        let node = self.work.index(self.nodes.len());
        let tokens = self.nodes[node].check.published_tokens();
        if tokens.is_empty() {
            return None;
        }
        let (token, of, by) = tokens[self.work.index(tokens.len())].clone();
        match self.work.below(3) {
            0 => Some(format!("{token}0")).filter(|token| token.len() <= 64),
            1 => {
                let (prefix, rest) = token.split_once('-')?;
                Some(format!("{prefix}-fffffff{rest}"))
            }
            _ => Some(token).filter(|_| (of, by) != (shadow, operation)),
        }
    }

    fn poison(&mut self, id: &shadow_proto::ShadowId) {
        self.totals.note(Fault::Poison);
        let kinds: Vec<TopicKind> = TopicKind::ALL
            .into_iter()
            .filter(|kind| !kind.is_request())
            .collect();
        let kind = *self.work.pick(&kinds);
        let payload: Vec<u8> = match self.work.below(5) {
            0 => b"not JSON".to_vec(),
            1 => br#"{"version":"1","state":{"a":1},"timestamp":5}"#.to_vec(),
            2 => vec![0xff, 0xfe],
            3 => format!(
                r#"{{"state":{{"a":"{}"}},"version":-1}}"#,
                "x".repeat(5_000)
            )
            .into(),
            _ => format!(r#"{{"state":{}"#, "[".repeat(300)).into(),
        };
        let topic: Rc<str> = Topic::new(id, kind).to_string().into();
        self.log(|| format!("foreign: poison on {topic}"));
        self.fan_out(&topic, &payload.into(), Qos::AtLeastOnce);
    }
}
