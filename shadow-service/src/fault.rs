//! What can be made to go wrong, so that a client meets it at home first. No IO, no randomness
//! of its own: the simulation and the local server decide by the same type.

use crate::error::ShadowError;
use alloc::vec::Vec;
use core::time::Duration;
use shadow_proto::ShadowId;

/// How often something goes wrong with requests, and with what the service publishes: per
/// mille where nothing else is said. By default nothing does.
///
/// The local server takes them by [`FaultRule`](crate::local::FaultRule). Something else around a
/// [`Service`](crate::Service) asks what becomes of each request, answer and message:
///
/// ```
/// use shadow_service::{AnswerFate, Delivery, Fate, Faults, Refusal, shadow_proto::ShadowId};
/// use std::time::Duration;
///
/// let mut faults = Faults::default();
/// faults.refuse.extend(Refusal::new(503, 100));
/// faults.lose_answer = 10;
/// faults.duplicate = 50;
///
/// // The numbers are drawn by the caller: here the worst that may be, and the best.
/// let lamp = ShadowId::classic("lamp")?;
/// let (mut worst, mut best) = (|_: u64| 0, |end: u64| end - 1);
/// match faults.fate(&lamp, &mut worst) {
///     Fate::Refuse { error, .. } => assert_eq!(error.code(), 503),
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(faults.fate(&lamp, &mut best), Fate::Serve);
/// assert_eq!(faults.answer(&mut worst), AnswerFate::Lose);
/// let twice = Delivery { copies: 2, delay: Duration::ZERO };
/// assert_eq!(faults.delivery(&mut worst), twice);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Faults {
    /// A request is neither served nor answered.
    pub swallow: u32,
    /// A request is not served, and answered with a code.
    pub refuse: Vec<Refusal>,
    /// Of the refusals with 429, how many carry no client token.
    pub nameless: u32,
    /// A request is served, and its answer says 500.
    pub fail_applied: u32,
    /// A request is served, and not answered. Others learn of it.
    pub lose_answer: u32,
    /// A message of the service is not sent.
    pub lose: u32,
    /// A message of the service is sent twice.
    pub duplicate: u32,
    /// A message of the service is held back for up to 200 ms, so that others overtake it.
    pub reorder: u32,
    /// Each message of the service waits so long, from and to.
    pub delay: Option<(Duration, Duration)>,
}

/// A code to answer with, and how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    code: u16,
    per_mille: u32,
}

impl Refusal {
    /// The answer `code`, `per_mille` times in a thousand.
    ///
    /// `None` if it is not one of AWS's codes: 400, 401, 403, 404, 405, 409, 413, 415, 429,
    /// 500, 503.
    #[must_use]
    pub const fn new(code: u16, per_mille: u32) -> Option<Self> {
        match code {
            400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 429 | 500 | 503 => {
                Some(Self { code, per_mille })
            }
            _ => None,
        }
    }

    fn error(self, shadow: &ShadowId) -> ShadowError {
        match self.code {
            401 => ShadowError::Unauthorized,
            403 => ShadowError::Forbidden,
            404 => ShadowError::NotFound {
                shadow: shadow.clone(),
            },
            405 => ShadowError::MethodNotAllowed,
            409 => ShadowError::VersionConflict,
            413 => ShadowError::TooLarge,
            415 => ShadowError::UnsupportedEncoding,
            429 => ShadowError::TooManyRequests,
            500 => ShadowError::Internal {
                cause: "a fault that was asked for".into(),
            },
            503 => ShadowError::Unavailable,
            _ => ShadowError::InvalidRequest {
                reason: "Invalid request",
            },
        }
    }
}

/// What becomes of a request, before it is looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It is served.
    Serve,
    /// Nothing.
    Swallow,
    /// It is answered with this, and not served.
    Refuse {
        /// The answer.
        error: ShadowError,
        /// Whether the answer leaves out the client token.
        nameless: bool,
    },
}

/// What becomes of the answer of a request that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AnswerFate {
    /// It is sent.
    Send,
    /// A 500 is sent in its place.
    Fail,
    /// Nothing is sent.
    Lose,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// How often it is sent: not at all, once or twice.
    pub copies: u8,
    /// How long it waits first.
    pub delay: Duration,
}

impl Faults {
    /// What becomes of a request for `shadow`. `below` gives random numbers below its argument.
    pub fn fate(&self, shadow: &ShadowId, below: &mut dyn FnMut(u64) -> u64) -> Fate {
        if chance(self.swallow, below) {
            return Fate::Swallow;
        }
        for refusal in &self.refuse {
            if chance(refusal.per_mille, below) {
                return Fate::Refuse {
                    error: refusal.error(shadow),
                    nameless: refusal.code == 429 && chance(self.nameless, below),
                };
            }
        }
        Fate::Serve
    }

    /// What becomes of the answer of an accepted request.
    pub fn answer(&self, below: &mut dyn FnMut(u64) -> u64) -> AnswerFate {
        if chance(self.fail_applied, below) {
            AnswerFate::Fail
        } else if chance(self.lose_answer, below) {
            AnswerFate::Lose
        } else {
            AnswerFate::Send
        }
    }

    /// What becomes of a message that is to be published.
    pub fn delivery(&self, below: &mut dyn FnMut(u64) -> u64) -> Delivery {
        let copies = if chance(self.lose, below) {
            0
        } else if chance(self.duplicate, below) {
            2
        } else {
            1
        };
        let mut delay = self.wait(below);
        if chance(self.reorder, below) {
            delay += between(Duration::from_millis(1), OVERTAKEN, below);
        }
        Delivery { copies, delay }
    }

    /// How long an answer waits that is not a message: one of the REST data plane.
    pub fn wait(&self, below: &mut dyn FnMut(u64) -> u64) -> Duration {
        match self.delay {
            Some((from, to)) => between(from, to, below),
            None => Duration::ZERO,
        }
    }
}

fn chance(per_mille: u32, below: &mut dyn FnMut(u64) -> u64) -> bool {
    per_mille > 0 && below(1000) < u64::from(per_mille)
}

fn between(from: Duration, to: Duration, below: &mut dyn FnMut(u64) -> u64) -> Duration {
    let spread = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX);
    from + Duration::from_micros(below(spread.saturating_add(1)))
}

/// How long a message may be held back to be overtaken.
const OVERTAKEN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const CODES: [u16; 11] = [400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 503];

    #[test]
    fn every_code_is_answered_with_an_error_of_that_code() {
        let shadow = ShadowId::classic("t").unwrap();
        for code in CODES {
            let refusal = Refusal::new(code, 1000).unwrap();
            assert_eq!(refusal.error(&shadow).code(), code);
        }
        for code in 0..1000 {
            assert_eq!(Refusal::new(code, 1).is_some(), CODES.contains(&code));
        }
    }

    #[test]
    fn things_go_wrong_as_often_as_was_asked() {
        let shadow = ShadowId::classic("t").unwrap();
        let mut random = Random::new(1);
        let mut below = |end| random.below(end);
        let mut faults = Faults::default();
        assert_eq!(faults.fate(&shadow, &mut below), Fate::Serve);
        assert_eq!(faults.answer(&mut below), AnswerFate::Send);
        let plain = Delivery {
            copies: 1,
            delay: Duration::ZERO,
        };
        assert_eq!(faults.delivery(&mut below), plain);

        faults.swallow = 100;
        faults.refuse = Vec::from([Refusal::new(503, 500).unwrap()]);
        faults.lose = 200;
        faults.duplicate = 500;
        faults.reorder = 300;
        faults.delay = Some((Duration::from_secs(1), Duration::from_secs(2)));
        let (mut swallowed, mut refused, mut copies, mut held) = (0, 0, [0; 3], 0);
        for _ in 0..10_000 {
            match faults.fate(&shadow, &mut below) {
                Fate::Serve => {}
                Fate::Swallow => swallowed += 1,
                Fate::Refuse { error, nameless } => {
                    assert_eq!((error.code(), nameless), (503, false));
                    refused += 1;
                }
            }
            let delivery = faults.delivery(&mut below);
            copies[usize::from(delivery.copies)] += 1;
            assert!(delivery.delay >= Duration::from_secs(1));
            assert!(delivery.delay <= Duration::from_secs(2) + OVERTAKEN);
            held += u32::from(delivery.delay > Duration::from_secs(2));
        }
        assert!((900..1100).contains(&swallowed), "{swallowed}");
        assert!((4250..4750).contains(&refused), "{refused}");
        assert!((1850..2150).contains(&copies[0]), "{copies:?}");
        assert!((3800..4200).contains(&copies[2]), "{copies:?}");
        assert!(held > 0);
    }
}
