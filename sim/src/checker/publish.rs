//! The rules for what a client sends.

use super::Flight;
use crate::{broker::matches, cloud::token_of, net::Outbound, world::World};
use shadow_proto::{Operation, PublishId, RequestId, Topic};
use std::time::Duration;

impl World {
    /// A try is published. Whether an answer is waited for.
    pub(crate) fn check_publish(
        &mut self,
        node: usize,
        id: PublishId,
        request: RequestId,
        topic: &str,
        payload: &[u8],
    ) -> bool {
        let now = self.now;
        let parsed = Topic::parse(topic).expect("clients publish to shadow topics");
        let (kind, thing) = (parsed.kind(), parsed.thing().to_owned());
        let operation = kind.operation();
        let shadow_id = parsed.shadow_id().expect("the names are legal");
        let shadow = self.model.index(&shadow_id);
        let token = token_of(kind, payload);
        let dozed = self.nodes[node].dozed;
        let late = Duration::from_millis(self.plan.nodes[node].lateness);
        let check = &mut self.nodes[node].check;
        assert!(
            check.by_publish.insert(id, request).is_none(),
            "client {node}: a publish id is given twice"
        );
        let ask = check.asks.get_mut(&request);
        let publish_only = ask.as_ref().is_some_and(|ask| ask.publish_only);
        let mut until = now + check.response_timeout;
        match ask {
            Some(ask) => {
                until = ask.deadline;
                let goes_on = ask.mergeable && ask.cancelled;
                assert!(
                    !ask.over || goes_on,
                    "client {node}: {request:?} is published after its outcome"
                );
                assert_eq!(
                    (ask.shadow, ask.operation),
                    (shadow, operation),
                    "client {node}: {request:?} is published to a topic of another"
                );
                assert!(
                    now <= ask.deadline + late || dozed || goes_on,
                    "client {node}: {request:?} is published after its deadline"
                );
                if let (Some(own), Some(token)) = (&ask.own_token, &token) {
                    assert_eq!(own, token, "client {node}: the caller's token is kept");
                }
                ask.published += 1;
                if let Some(token) = &token
                    && !ask.tokens.contains(token)
                {
                    ask.tokens.push(token.clone());
                }
            }
            None => assert_eq!(
                operation,
                Operation::Get,
                "client {node}: only gets are made by the client itself"
            ),
        }
        if let Some(token) = &token {
            let own = check
                .asks
                .get(&request)
                .is_some_and(|ask| ask.own_token.is_some());
            let before = check.by_token.insert(token.clone(), request);
            assert!(
                before.is_none() || own,
                "client {node}: the token {token} is used twice"
            );
            assert!(
                own || token.starts_with(&check.prefix),
                "client {node}: a generated token has the prefix"
            );
        } else {
            assert!(publish_only, "client {node}: {request:?} has no token");
        }
        if !publish_only {
            for answer in [operation.accepted(), operation.rejected()] {
                let answer = Topic::new(&shadow_id, answer).to_string();
                assert!(
                    check.granted.iter().any(|filter| matches(filter, &answer)),
                    "client {node}: {request:?} is published before {answer} is granted"
                );
            }
        }
        check.flights.retain(|_, flight| flight.until > now);
        check.flights.remove(&request);
        let of_thing = check.flights.values().filter(|it| it.thing == thing);
        let of_thing = of_thing.count();
        assert!(
            of_thing < check.per_thing && check.flights.len() < check.per_connection,
            "client {node}: the window is exceeded: {of_thing} of {thing}, {} in total: {:?}",
            check.flights.len(),
            check.flights
        );
        check.flights.insert(
            request,
            Flight {
                publish: id,
                thing,
                shadow,
                token,
                until,
            },
        );
        !publish_only
    }

    /// The broker takes a publish: the answers can be delivered.
    pub(crate) fn check_answerable(&self, node: usize, publish: &Outbound) {
        if !publish.answered {
            return;
        }
        let topic = Topic::parse(&publish.topic).expect("clients publish to shadow topics");
        let id = topic.shadow_id().expect("the names are legal");
        let Some(session) = &self.broker.sessions[node] else {
            panic!("client {node} has no session");
        };
        for answer in [
            topic.kind().operation().accepted(),
            topic.kind().operation().rejected(),
        ] {
            let answer = Topic::new(&id, answer).to_string();
            assert!(
                session.takes(&answer).is_some(),
                "client {node}: a request reaches the broker before {answer} is subscribed"
            );
        }
    }
}
