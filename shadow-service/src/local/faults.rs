//! What the local server makes go wrong on request, and the limit of requests in flight.

use crate::{
    fault::{Delivery, Fate, Faults, Refusal},
    local::engine::Batch,
    random::Random,
};
use alloc::{
    borrow::ToOwned, boxed::Box, collections::BTreeMap, string::String, sync::Arc, vec::Vec,
};
use core::{fmt, str::FromStr, time::Duration};
use shadow_proto::ShadowId;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, mpsc};

/// Faults for one thing, or for all.
///
/// As text, `WHAT[,WHAT…][@THING]`, where WHAT is one of `swallow`, `answer=CODE`, `lose-answer`,
/// `fail-applied`, `no-token`, `drop`, `duplicate`, `reorder`, each with `=5%` or, after a code,
/// `:5%` for how often; or `delay=200ms`, `delay=0ms..2s`. The fields of [`Faults`] say what they
/// mean.
///
/// ```
/// use shadow_service::{Refusal, local::FaultRule};
///
/// let rule: FaultRule = "answer=503:10%,delay=50ms..1s@lamp".parse()?;
/// assert_eq!(rule.thing.as_deref(), Some("lamp"));
/// assert_eq!(rule.faults.refuse, Vec::from_iter(Refusal::new(503, 100)));
/// # Ok::<(), shadow_service::local::FaultRuleError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct FaultRule {
    /// The thing; `None` for all. The first rule that fits a thing is the one that holds.
    pub thing: Option<Box<str>>,
    /// What goes wrong.
    pub faults: Faults,
}

impl FaultRule {
    /// These faults for every thing.
    #[must_use]
    pub const fn for_all(faults: Faults) -> Self {
        Self {
            thing: None,
            faults,
        }
    }

    /// These faults for one thing.
    #[must_use]
    pub fn for_thing(thing: &str, faults: Faults) -> Self {
        Self {
            thing: Some(thing.into()),
            faults,
        }
    }
}

impl FromStr for FaultRule {
    type Err = FaultRuleError;

    fn from_str(text: &str) -> Result<Self, FaultRuleError> {
        let (what, thing) = match text.split_once('@') {
            Some((what, thing)) => (what, Some(thing)),
            None => (text, None),
        };
        if thing.is_some_and(|thing| ShadowId::classic(thing).is_err()) {
            return Err(FaultRuleError::new(
                text,
                "after @ comes the name of a thing",
            ));
        }
        let mut faults = Faults::default();
        for part in what.split(',') {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            let often = || per_mille(part, value);
            match name {
                "swallow" => faults.swallow = often()?,
                "lose-answer" => faults.lose_answer = often()?,
                "fail-applied" => faults.fail_applied = often()?,
                "no-token" => faults.nameless = often()?,
                "drop" => faults.lose = often()?,
                "duplicate" => faults.duplicate = often()?,
                "reorder" => faults.reorder = often()?,
                "answer" => faults.refuse.push(refusal(part, value)?),
                "delay" => faults.delay = Some(delay(part, value)?),
                _ => {
                    let known = "known are swallow, answer, lose-answer, fail-applied, no-token, \
                                 drop, duplicate, reorder and delay";
                    return Err(FaultRuleError::new(part, known));
                }
            }
        }
        let thing = thing.map(Into::into);
        Ok(Self { thing, faults })
    }
}

/// Why a text is not a [`FaultRule`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultRuleError {
    part: Box<str>,
    reason: &'static str,
}

impl FaultRuleError {
    fn new(part: &str, reason: &'static str) -> Self {
        let part = part.into();
        Self { part, reason }
    }
}

impl fmt::Display for FaultRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.part, self.reason)
    }
}

impl core::error::Error for FaultRuleError {}

fn per_mille(part: &str, value: Option<&str>) -> Result<u32, FaultRuleError> {
    let Some(value) = value else {
        return Ok(1000);
    };
    let percent = value.strip_suffix('%').and_then(|number| {
        let number: f64 = number.parse().ok()?;
        (0.0..=100.0).contains(&number).then_some(number)
    });
    let percent = percent.ok_or_else(|| FaultRuleError::new(part, "how often is 0% to 100%"))?;
    Ok((percent * 10.0) as u32)
}

fn refusal(part: &str, value: Option<&str>) -> Result<Refusal, FaultRuleError> {
    let (code, often) = match value.unwrap_or_default().split_once(':') {
        Some((code, often)) => (code, Some(often)),
        None => (value.unwrap_or_default(), None),
    };
    let often = per_mille(part, often)?;
    let refusal = code.parse().ok().and_then(|code| Refusal::new(code, often));
    refusal.ok_or_else(|| {
        let codes = "the codes are 400, 401, 403, 404, 405, 409, 413, 415, 429, 500 and 503";
        FaultRuleError::new(part, codes)
    })
}

fn delay(part: &str, value: Option<&str>) -> Result<(Duration, Duration), FaultRuleError> {
    let value = value.unwrap_or_default();
    let (from, to) = value.split_once("..").unwrap_or((value, value));
    let read = |text: &str| {
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s')?, 1000),
        };
        let number: u64 = number.parse().ok()?;
        Some(Duration::from_millis(number.checked_mul(unit)?))
    };
    match (read(from), read(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => Err(FaultRuleError::new(part, "a delay is 200ms, 2s or 0ms..2s")),
    }
}

/// The rules at work.
pub(crate) struct Trouble {
    rules: Vec<FaultRule>,
    random: Mutex<Random>,
    /// Places for messages that wait.
    waiting: Arc<Semaphore>,
}

impl Trouble {
    pub(crate) fn new(rules: Vec<FaultRule>, seed: u64) -> Self {
        Self {
            rules,
            random: Mutex::new(Random::new(seed)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }

    pub(crate) fn of(&self, thing: &str) -> Option<&Faults> {
        let fits = |rule: &&FaultRule| rule.thing.as_deref().is_none_or(|name| name == thing);
        self.rules.iter().find(fits).map(|rule| &rule.faults)
    }

    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut dyn FnMut(u64) -> u64) -> T) -> T {
        let mut random = self.random();
        draw(&mut |end| random.below(end))
    }

    pub(crate) fn fate(&self, shadow: &ShadowId) -> Fate {
        match self.of(shadow.thing()) {
            Some(faults) => self.draw(|below| faults.fate(shadow, below)),
            None => Fate::Serve,
        }
    }

    /// Sends each message when its time comes: what goes at once is given back.
    pub(crate) fn deliver(
        &self,
        thing: &str,
        batch: Batch,
        outgoing: &mpsc::Sender<Batch>,
    ) -> Batch {
        let Some(faults) = self.of(thing) else {
            return batch;
        };
        let Batch { messages, guard } = batch;
        let mut now = Vec::with_capacity(messages.len());
        for message in messages {
            let Delivery { copies, delay } = self.draw(|below| faults.delivery(below));
            if copies == 0 {
                tracing::debug!(name: "service.fault_dropped", topic = %message.topic);
            }
            for _ in 0..copies {
                let place = Arc::clone(&self.waiting).try_acquire_owned();
                match place {
                    Ok(place) if !delay.is_zero() => {
                        let later = Batch {
                            messages: Vec::from([message.clone()]),
                            guard: guard.clone(),
                        };
                        let outgoing = outgoing.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(delay).await;
                            // Closed means that the server stops.
                            let _ = outgoing.send(later).await;
                            drop(place);
                        });
                    }
                    Ok(_) | Err(_) => now.push(message.clone()),
                }
            }
        }
        Batch {
            messages: now,
            guard,
        }
    }

    fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many requests of each thing, or each connection, are in flight.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    counts: Mutex<BTreeMap<String, u32>>,
}

/// A request in flight, until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    gate: Arc<Gate>,
    whose: String,
}

impl Gate {
    /// `None` if `most` requests of this thing, or connection, are in flight.
    pub(crate) fn enter(self: &Arc<Self>, whose: &str, most: u32) -> Option<Arc<InFlight>> {
        let mut counts = self.counts();
        let count = counts.entry(whose.to_owned()).or_default();
        if *count >= most.max(1) {
            return None;
        }
        *count += 1;
        Some(Arc::new(InFlight {
            gate: Arc::clone(self),
            whose: whose.to_owned(),
        }))
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        if let Some(count) = counts.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.whose);
            }
        }
    }
}

/// Messages that may wait at once; what is beyond goes at once.
const WAITING: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn rules_are_read() {
        let rule: FaultRule = "drop=2.5%,duplicate,delay=100ms..2s@la:mp".parse().unwrap();
        assert_eq!(rule.thing.as_deref(), Some("la:mp"));
        assert_eq!((rule.faults.lose, rule.faults.duplicate), (25, 1000));
        let delay = (Duration::from_millis(100), Duration::from_secs(2));
        assert_eq!(rule.faults.delay, Some(delay));
        let rule: FaultRule = "answer=429:20%,answer=500,no-token=50%,swallow=0%,\
                               lose-answer=1%,fail-applied=100%,reorder=3%,delay=5ms"
            .parse()
            .unwrap();
        assert_eq!(rule.thing, None);
        let refusals = [Refusal::new(429, 200), Refusal::new(500, 1000)];
        assert_eq!(rule.faults.refuse, refusals.map(Option::unwrap));
        assert_eq!(rule.faults.nameless, 500);
        assert_eq!(rule.faults.fail_applied, 1000);
    }

    #[test]
    fn what_is_wrong_with_a_rule() {
        for (text, part) in [
            ("", "known are"),
            ("explode", "known are"),
            ("drop=5", "0% to 100%"),
            ("drop=101%", "0% to 100%"),
            ("drop=x%", "0% to 100%"),
            ("drop=NaN%", "0% to 100%"),
            ("answer", "the codes are"),
            ("answer=418", "the codes are"),
            ("answer=500:1", "0% to 100%"),
            ("delay", "a delay is"),
            ("delay=2s..1s", "a delay is"),
            ("delay=1h", "a delay is"),
            ("delay=99999999999999999999s", "a delay is"),
            ("drop@", "name of a thing"),
            ("drop@a b", "name of a thing"),
        ] {
            let error = text.parse::<FaultRule>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_holds() {
        let rules = ["delay=1s@lamp", "drop@lamp", "swallow"];
        let rules = rules.map(|rule| rule.parse().unwrap()).into();
        let trouble = Trouble::new(rules, 0);
        assert_eq!(trouble.of("lamp").unwrap().lose, 0);
        assert!(trouble.of("lamp").unwrap().delay.is_some());
        assert_eq!(trouble.of("other").unwrap().swallow, 1000);
    }

    #[test]
    fn so_many_and_no_more_are_in_flight() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter("t", 2).unwrap();
        let second = gate.enter("t", 2).unwrap();
        assert!(gate.enter("t", 2).is_none());
        assert!(gate.enter("u", 2).is_some());
        drop(first);
        assert!(gate.enter("t", 2).is_some());
        drop(second);
        assert!(gate.counts().is_empty(), "nothing is kept of idle things");
    }
}
