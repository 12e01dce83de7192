//! The rules for what a client says of its requests.

use super::{Answer, Ask};
use crate::{
    totals::{Outcome, Reached},
    world::World,
};
use shadow_proto::{Accepted, Failure, NotSent, Operation, RequestId, ShadowHandle, Stage};
use std::rc::Rc;
use std::time::Duration;

impl World {
    /// A request is over.
    pub(crate) fn check_outcome(
        &mut self,
        node: usize,
        handle: ShadowHandle,
        id: RequestId,
        token: Option<&str>,
        outcome: &Result<Accepted, Failure>,
    ) {
        let now = self.now;
        let dozed = self.nodes[node].dozed;
        let late = Duration::from_millis(self.plan.nodes[node].lateness);
        let connected = self.nodes[node].client.is_connected();
        let held = self.held_of(node, handle);
        let check = &mut self.nodes[node].check;
        let ask = check.asks.get_mut(&id);
        let ask = ask.unwrap_or_else(|| panic!("client {node}: {id:?} was never asked"));
        assert!(!ask.over, "client {node}: {id:?} has a second outcome");
        ask.over = true;
        let ask = ask.clone();
        check.open -= 1;
        if let Some(held) = held {
            assert_eq!(self.nodes[node].held[held].shadow, ask.shadow);
        }
        let check = &mut self.nodes[node].check;
        check.flights.remove(&id);
        assert!(
            dozed || now <= ask.deadline + late,
            "client {node}: {id:?} ends {:?} after its deadline",
            now.saturating_since(ask.deadline)
        );
        let tokens = check.tokens(&ask, token);
        let said = |test: &dyn Fn(Answer) -> bool| check.was(&ask, &tokens, test);
        let merged = ask.mergeable;
        let published = ask.published > 0 || merged;
        let kind = match outcome {
            Ok(Accepted::Published) => {
                assert!(ask.publish_only && published, "client {node}: {id:?}");
                Outcome::Published
            }
            Ok(accepted) => {
                let version = accepted.version().map(shadow_proto::Version::number);
                assert!(
                    said(&|answer| answer == Answer::Accepted(version)),
                    "client {node}: {id:?} is accepted without a cause: {version:?} {tokens:?}"
                );
                match accepted {
                    Accepted::Get(_) => Outcome::AcceptedGet,
                    Accepted::Update(_) => Outcome::AcceptedUpdate,
                    _ => Outcome::AcceptedDelete,
                }
            }
            Err(Failure::Rejected(rejection)) => {
                let code = rejection.code.number();
                assert!(
                    said(&|answer| answer == Answer::Rejected(code)),
                    "client {node}: {id:?} is rejected without a cause: {code} {tokens:?}"
                );
                match code {
                    400 => Outcome::Rejected400,
                    404 => Outcome::Rejected404,
                    409 => Outcome::Rejected409,
                    413 => Outcome::Rejected413,
                    429 => Outcome::Rejected429,
                    500 => Outcome::Rejected500,
                    code => panic!("client {node}: {id:?} is rejected with {code}"),
                }
            }
            Err(Failure::PublishRefused { code, .. }) => {
                let known = check
                    .pubacks
                    .iter()
                    .any(|(_, other)| *other == code.number());
                assert!(
                    known && published,
                    "client {node}: {id:?} is refused without a cause"
                );
                Outcome::PublishRefused
            }
            Err(Failure::TimedOut { hint, .. }) => {
                assert!(
                    now >= ask.deadline,
                    "client {node}: {id:?} times out {:?} before its deadline",
                    ask.deadline.saturating_since(now)
                );
                match hint {
                    None => Outcome::TimedOut,
                    Some(_) => {
                        assert!(check.nameless > 0, "client {node}: a hint without a cause");
                        Outcome::TimedOutWithHint
                    }
                }
            }
            Err(Failure::Disconnected { .. }) => {
                assert!(
                    check.session_lost.is_some_and(|at| at == now || dozed) && published,
                    "client {node}: {id:?} is disconnected without a lost session"
                );
                Outcome::Disconnected
            }
            Err(Failure::SubscribeRefused { filter, code, .. }) => {
                let key = (Rc::from(&**filter), code.number());
                assert!(
                    check.refused.contains(&key),
                    "client {node}: {id:?} ends for a refusal that was none"
                );
                Outcome::SubscribeRefused
            }
            Err(Failure::NotSent { reason, .. }) => match reason {
                NotSent::Offline => {
                    assert!(
                        ask.fails_offline
                            && (!connected || dozed || check.connected_at == Some(now)),
                        "client {node}: {id:?} fails as offline"
                    );
                    Outcome::Offline
                }
                _ => {
                    assert!(
                        check.send_failed.contains(&id) || merged,
                        "client {node}: {id:?} is not sent without a cause"
                    );
                    Outcome::NotSent
                }
            },
            Err(Failure::Cancelled { .. }) => {
                assert!(ask.cancelled, "client {node}: {id:?} was not cancelled");
                Outcome::Cancelled
            }
            Err(Failure::Removed { .. }) => {
                assert!(held.is_none(), "client {node}: {id:?} was not removed");
                Outcome::Removed
            }
            Err(failure) => panic!("client {node}: an unknown failure: {failure}"),
        };
        self.totals.note(kind);
        if let Err(failure) = outcome
            && let Some(stage) = failure.stage()
        {
            self.check_stage(node, &ask, id, stage, &tokens);
        }
    }

    /// What a failure says of how far its request got.
    fn check_stage(
        &mut self,
        node: usize,
        ask: &Ask,
        id: RequestId,
        stage: Stage,
        tokens: &[String],
    ) {
        self.totals.note(match stage {
            Stage::Queued => Reached::Queued,
            Stage::Subscribing => Reached::Subscribing,
            Stage::Sent => Reached::Sent,
            _ => Reached::Acknowledged,
        });
        let check = &mut self.nodes[node].check;
        if !stage.may_have_been_applied() && ask.operation != Operation::Get {
            check.harmless_marks.extend(&ask.marks);
            for token in tokens {
                let key = (ask.shadow, ask.operation, token.clone());
                check.harmless.push(key);
            }
        }
        if stage == Stage::Acknowledged {
            let known = check
                .pubacks
                .iter()
                .any(|(other, code)| *code < 0x80 && (*other == id || ask.mergeable));
            assert!(known, "client {node}: {id:?} was never acknowledged");
        }
        if stage.may_have_been_applied() {
            assert!(
                ask.published > 0 || ask.mergeable,
                "client {node}: {id:?} was never sent"
            );
        }
    }

    /// An answer to a request that was over.
    pub(crate) fn check_late(&mut self, node: usize, request: Option<RequestId>, token: &str) {
        let check = &mut self.nodes[node].check;
        assert!(
            check.late.insert(token.to_owned()),
            "client {node}: the late answer to {token} is told twice"
        );
        if request.is_none() && check.inherited.contains(token) {
            return;
        }
        let owner = check.by_token.get(token).copied();
        assert!(
            owner.is_some() && (request.is_none() || request == owner),
            "client {node}: a late answer to {token}, which is not its own"
        );
        if let Some(ask) = owner.and_then(|id| check.asks.get(&id)) {
            assert!(ask.over, "client {node}: {token} is late before its time");
        }
    }

    /// Whether a token was published by a client in this life.
    pub(crate) fn is_own_token(&self, node: usize, token: &str) -> bool {
        self.nodes[node].check.by_token.contains_key(token)
    }
}
