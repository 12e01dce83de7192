//! What comes out, as lines.

use super::{World, read::shorten};
use shadow_proto::{Output, Qos, RequestId, ShadowHandle};

impl World {
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.client().poll_output() {
            self.outputs.push(output.clone());
            let line = match output {
                Output::Subscribe { id, filters, qos } => {
                    self.subscribes.push_back((id, filters.len()));
                    let qos = if qos == Qos::AtMostOnce { " qos 0" } else { "" };
                    format!("subscribe{qos} {}", shorten(&filters))
                }
                Output::Unsubscribe { id, filters } => {
                    self.unsubscribes.push_back(id);
                    format!("unsubscribe {}", shorten(&filters))
                }
                Output::Publish {
                    id,
                    request,
                    topic,
                    payload,
                    qos,
                    expiry,
                } => {
                    if qos == Qos::AtLeastOnce {
                        self.publishes.push_back(id);
                    }
                    let name = self.name_of(request).unwrap_or_else(|| "resync".to_owned());
                    if let Some(token) = self.client().token(request) {
                        let mut full = name.clone();
                        // A retry has a token of its own: `$a`, then `$a'`.
                        while self.tokens.contains_key(&full)
                            && self.tokens[&full] != token.as_str()
                        {
                            full.push('\'');
                        }
                        if name == "resync" {
                            full = name.clone();
                        }
                        self.tokens.insert(full, token.to_string());
                    }
                    let mut payload = String::from_utf8(payload.into()).unwrap();
                    for (name, token) in &self.tokens {
                        payload = payload.replace(&format!("\"{token}\""), &format!("${name}"));
                    }
                    let qos = if qos == Qos::AtMostOnce { " qos 0" } else { "" };
                    let expiry = expiry.map_or(0, |expiry| expiry.as_secs());
                    format!(
                        "publish{qos} {} {payload} expiry {expiry}",
                        shorten(&[topic])
                    )
                    .replace("  ", " ")
                }
                Output::Event(event) => self.describe(event),
            };
            self.seen.push_back(line);
        }
    }

    pub(super) fn name_of(&self, request: RequestId) -> Option<String> {
        self.requests
            .iter()
            .find(|(_, id)| **id == request)
            .map(|(name, _)| name.clone())
            .or_else(|| {
                // The request is being made: its name is in the step.
                let mut words = self.step.split(' ');
                let operation = words.next().unwrap();
                let known: Vec<_> = self.requests.values().collect();
                (["get", "update", "delete"].contains(&operation) && !known.contains(&&request))
                    .then(|| words.next().unwrap().to_owned())
            })
    }

    pub(super) fn shadow_name(&self, handle: ShadowHandle) -> &str {
        self.shadows
            .iter()
            .find(|(_, other)| **other == handle)
            .map_or("?", |(name, _)| name)
    }
}
