//! At most one service answers on a broker: who gives way. No IO.
//!
//! Two services on one broker would both answer each request, from two sets of documents. Not
//! every broker tells a client that another took its client id over (Mosquitto does not), so
//! services talk to each other: a new one asks, one that serves says so, and the new one
//! leaves. Should two serve after all, for each was out of the other's sight when it started,
//! they notice as soon as either says so again, and the one with the greater id leaves.

use alloc::{borrow::ToOwned, format, string::String};

/// One service's side of it.
#[derive(Clone, Debug)]
pub(crate) struct Alone {
    id: String,
    serving: bool,
}

/// What to do about a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Nothing.
    Stay,
    /// Publish this to the same topic.
    Say(String),
    /// Another service is there: end.
    GiveWay,
}

impl Alone {
    /// A service that has not begun. `id` is its own alone.
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            serving: false,
        }
    }

    /// What to publish before serving; then an answer must be given time to come.
    pub(crate) fn question(&self) -> String {
        format!("asking {}", self.id)
    }

    /// It serves from now on. What to publish, now and after each new connection.
    pub(crate) fn serve(&mut self) -> String {
        self.serving = true;
        self.statement()
    }

    /// A message of some service, which may be this one.
    pub(crate) fn heard(&self, message: &str) -> Verdict {
        let Some((what, id)) = message.split_once(' ') else {
            return Verdict::Stay;
        };
        if id == self.id {
            return Verdict::Stay;
        }
        let smaller = id < self.id.as_str();
        match (what, self.serving) {
            ("asking", true) => Verdict::Say(self.statement()),
            // Both ask at once: one of them may stay.
            ("asking", false) if smaller => Verdict::GiveWay,
            ("serving", false) => Verdict::GiveWay,
            ("serving", true) if smaller => Verdict::GiveWay,
            // The other must learn that it is to leave.
            ("serving", true) => Verdict::Say(self.statement()),
            _ => Verdict::Stay,
        }
    }

    /// What it says while it serves.
    pub(crate) fn statement(&self) -> String {
        format!("serving {}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Delivers everything to everybody until nothing is said; who is left.
    fn settle(services: &mut Vec<Alone>, mut said: Vec<String>) {
        while let Some(message) = said.pop() {
            services.retain(|service| match service.heard(&message) {
                Verdict::Stay => true,
                Verdict::Say(answer) => {
                    said.push(answer);
                    true
                }
                Verdict::GiveWay => false,
            });
        }
    }

    #[test]
    fn a_new_service_gives_way_to_one_that_serves() {
        for (old, new) in [("a", "b"), ("b", "a")] {
            let (mut old, new) = (Alone::new(old), Alone::new(new));
            old.serve();
            let question = new.question();
            let mut services = Vec::from([old.clone(), new]);
            settle(&mut services, Vec::from([question]));
            assert_eq!(services.len(), 1);
            assert_eq!(services[0].id, old.id);
        }
    }

    #[test]
    fn of_those_that_ask_at_once_one_stays() {
        let mut services: Vec<Alone> = ["c", "a", "b"].map(Alone::new).into();
        let questions = services.iter().map(Alone::question).collect();
        settle(&mut services, questions);
        assert_eq!(services.len(), 1);
        assert_eq!(services[0].id, "a");
    }

    #[test]
    fn of_those_that_serve_one_stays_whoever_speaks() {
        for speaker in 0..3 {
            let mut services: Vec<Alone> = ["c", "a", "b"].map(Alone::new).into();
            let statements: Vec<String> = services.iter_mut().map(Alone::serve).collect();
            settle(&mut services, Vec::from([statements[speaker].clone()]));
            assert_eq!(services.len(), 1, "{speaker}");
            assert_eq!(services[0].id, "a");
        }
    }

    #[test]
    fn noise_means_nothing() {
        let mut alone = Alone::new("m");
        for message in ["", "serving", "serving m", "asking m", "serves a", "\u{0}"] {
            assert_eq!(alone.heard(message), Verdict::Stay, "{message}");
        }
        alone.serve();
        assert_eq!(alone.heard("leave a"), Verdict::Stay);
    }
}
