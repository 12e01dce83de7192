//! The client, with any calls.

use std::collections::BTreeMap;
use std::time::Duration;

use shadow_proto::{
    Client, Config, Event, Instant, Interest, Json, Output, PubackCode, PublishId, RequestId,
    RequestOptions, ShadowHandle, ShadowId, SubackCode, SubscribeId, TokenPrefix, TopicKind,
    Update,
};

/// Calls and inputs in any order: no invariant is broken, and every request has one outcome at most.
pub fn client_ops(bytes: &[u8]) {
    let mut config = Config::new(TokenPrefix::new("f").expect("legal"));
    config.limits.events = 8;
    config.limits.requests = 12;
    config.limits.remembered = 4;
    client_ops_with(config, bytes);
}

/// The same with a configuration of which no limit is exceeded.
pub fn client_ops_with(config: Config, bytes: &[u8]) {
    let limits = config.limits;
    let mut ops = Ops::new(config);
    let mut rest = bytes;
    while let Some(([op, arg], tail)) = rest.split_first_chunk::<2>() {
        rest = tail;
        ops.step(*op, *arg, &mut rest);
        let here = |shadow: &&ShadowHandle| ops.client.interest(**shadow).is_some();
        let shadows = ops.shadows.iter().filter(here).count();
        assert!(shadows <= limits.shadows, "{shadows} shadows");
        // Each shadow may have one get of the client's own.
        let requests = ops.client.outstanding();
        assert!(requests <= limits.requests + shadows, "{requests} requests");
        #[cfg(any(fuzzing, debug_assertions))]
        ops.client.check_invariants();
    }
    ops.finish();
}

/// A client, and all that its driver would know.
struct Ops {
    client: Client,
    now: Instant,
    shadows: Vec<ShadowHandle>,
    subscribes: Vec<(SubscribeId, usize)>,
    publishes: Vec<PublishId>,
    requests: BTreeMap<RequestId, bool>,
    tokens: Vec<String>,
}

impl Ops {
    fn new(config: Config) -> Self {
        Self {
            client: Client::new(config),
            now: Instant::ORIGIN,
            shadows: Vec::new(),
            subscribes: Vec::new(),
            publishes: Vec::new(),
            requests: BTreeMap::new(),
            tokens: vec!["x".to_owned()],
        }
    }

    fn step(&mut self, op: u8, arg: u8, rest: &mut &[u8]) {
        let now = self.now;
        let at = usize::from(arg);
        let shadow = self.shadows.get(at % self.shadows.len().max(1)).copied();
        match op % 16 {
            0 => self.now = now + Duration::from_millis(u64::from(arg) * 40),
            1 => {
                let thing = format!("t{}", arg & 1);
                let name = (arg & 2 != 0).then_some("s");
                let id = ShadowId::new(&thing, name).expect("legal names");
                let interest = [Interest::NONE, Interest::DELTA, Interest::ALL][at / 4 % 3];
                self.shadows
                    .extend(self.client.add_shadow(id, interest, now));
            }
            2 => {
                if let Some(shadow) = shadow {
                    let _ = self.client.remove_shadow(shadow, now);
                }
            }
            3 => self.client.handle_connected(arg & 1 == 0, now),
            4 => self.client.handle_disconnected(now),
            5..=7 => {
                if let Some(shadow) = shadow {
                    self.request(op % 16, arg, shadow);
                }
            }
            8 => {
                let id = self.requests.keys().nth(at).copied();
                if let Some(id) = id {
                    let _ = self.client.cancel(id, now);
                }
            }
            9 => {
                if let Some((id, filters)) = self.subscribes.pop() {
                    let code = if arg < 200 { 1 } else { 0x80 };
                    let codes = vec![SubackCode::new(code); filters.saturating_sub(at % 2)];
                    self.client.handle_suback(id, &codes, now);
                }
            }
            10 => {
                if let Some((id, _)) = self.subscribes.pop() {
                    self.client.handle_subscribe_failed(id, now);
                    self.client.handle_unsuback(id, now);
                }
            }
            11 => {
                if let Some(id) = self.publishes.pop() {
                    self.client.handle_puback(id, PubackCode::new(arg), now);
                    if arg == 0x99 {
                        self.client.handle_send_failed(id, now);
                    }
                }
            }
            12 | 13 => self.message(arg, rest),
            14 => {
                self.now = self.client.poll_timeout().map_or(now, |at| at.max(now));
                self.client.handle_timeout(self.now);
                let next = self.client.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "it would spin");
            }
            _ => self.drain(usize::from(arg % 8)),
        }
    }

    fn request(&mut self, op: u8, arg: u8, shadow: ShadowHandle) {
        let mut options = RequestOptions::default();
        options.latest = arg & 16 != 0;
        let state = Json::from_text(r#"{"a":1}"#).expect("valid");
        let id = match op {
            5 => self.client.get(shadow, options, self.now),
            6 => {
                let update = Update::reported(&state).with_options(options);
                self.client.update(shadow, update, self.now)
            }
            _ => self.client.delete(shadow, options, self.now),
        };
        if let Ok(id) = id {
            let known = self.requests.insert(id, false);
            assert!(known.is_none(), "an id is given once");
        }
    }

    /// A message on one of the topics, with one of the tokens; or with a payload of the input's own.
    fn message(&mut self, arg: u8, rest: &mut &[u8]) {
        let [kind, version] = match rest.split_first_chunk::<2>() {
            Some((head, tail)) => {
                *rest = tail;
                *head
            }
            None => [0, 0],
        };
        let kind = TopicKind::ALL[usize::from(kind) % TopicKind::ALL.len()];
        let shadow = if arg & 2 == 0 { "" } else { "name/s/" };
        let topic = format!("$aws/things/t{}/shadow/{shadow}{}", arg & 1, kind.suffix());
        let token = &self.tokens[usize::from(arg / 8) % self.tokens.len()];
        let payload = if arg & 4 == 0 {
            let code = [400, 404, 409, 429, 500][usize::from(version) % 5];
            format!(
                r#"{{"state":{{"desired":{{"a":2}}}},"version":{version},"timestamp":{version},"code":{code},"current":{{"state":{{}},"version":{version}}},"clientToken":"{token}"}}"#
            )
            .into_bytes()
        } else {
            let (payload, tail) = rest.split_at(usize::from(version).min(rest.len()));
            *rest = tail;
            payload.to_vec()
        };
        let _ = self.client.handle_publish(&topic, &payload, self.now);
    }

    fn drain(&mut self, most: usize) {
        for _ in 0..most {
            match self.client.poll_output() {
                None => return,
                Some(
                    Output::Subscribe { id, filters, .. } | Output::Unsubscribe { id, filters },
                ) => {
                    assert!(filters.len() <= 8, "the packet would be too large");
                    self.subscribes.push((id, filters.len()));
                }
                Some(Output::Publish { id, request, .. }) => {
                    self.publishes.push(id);
                    if let Some(token) = self.client.token(request) {
                        self.tokens.push(token.to_string());
                    }
                }
                Some(Output::Event(Event::Response { request, .. })) => {
                    let over = self.requests.insert(request, true);
                    assert_eq!(over, Some(false), "one outcome, of a request that was made");
                }
                Some(Output::Event(_)) => {}
            }
        }
    }

    /// Once every deadline has passed, every request is over.
    fn finish(&mut self) {
        self.now = self.now + Duration::from_secs(3600);
        self.client.handle_timeout(self.now);
        self.drain(usize::MAX);
        assert!(
            self.requests.values().all(|over| *over),
            "none is forgotten"
        );
    }
}
