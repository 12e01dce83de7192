//! What is measured, once for all ways of measuring it: by criterion (`cargo bench`), by counting instructions
//! (`cargo xtask test instructions`), by counting allocations (`tests/allocations.rs`), in alternating rounds (the report).
//!
//! A [`Case`] is one way of doing one thing with one input. Those of a group do the same thing: ours, what a user would
//! otherwise write, and the floor that nobody gets below.

use std::fmt;

pub mod delta;
pub mod device;
pub mod idle;
pub mod instructions;
pub mod message;
pub mod programs;
pub mod request;
pub mod round_trip;
pub mod servers;
pub mod service;
pub mod session;
pub mod small_device;
pub mod token;
pub mod topic;

/// Who does it, in the order of the tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    /// This project.
    Ours,
    /// What a user would write without it, named.
    ByHand(&'static str),
    /// What cannot be avoided, named.
    Floor(&'static str),
}

impl Who {
    /// As the reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::ByHand(name) | Self::Floor(name) => name,
        }
    }
}

/// One thing, done once by each call.
pub type Step = Box<dyn FnMut()>;

/// Prepares, for an input, everything that does not count.
pub type Prepare = fn(&str) -> Step;

/// One way of doing one thing with one input.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name of the benchmark target.
    pub group: &'static str,
    /// Who does it.
    pub who: Who,
    /// What it is done with; the same text in each case that has the same input.
    pub input: &'static str,
    /// How it is prepared.
    pub prepare: Prepare,
}

impl Case {
    /// `group/who/input`, as criterion names it, too.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.group, self.who.name(), self.input)
    }

    /// Prepares it.
    #[must_use]
    pub fn step(&self) -> Step {
        (self.prepare)(self.input)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Every case of every group.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        topic::cases(),
        delta::cases(),
        token::cases(),
        request::cases(),
        idle::cases(),
        session::cases(),
        service::cases(),
    ]
    .concat()
}

/// The case of this [`name`](Case::name).
#[must_use]
pub fn find(name: &str) -> Option<Case> {
    cases().into_iter().find(|case| case.name() == name)
}

/// All combinations of ways and inputs.
fn each(group: &'static str, inputs: &[&'static str], ways: &[(Who, Prepare)]) -> Vec<Case> {
    let of = |input: &'static str| {
        ways.iter().map(move |&(who, prepare)| Case {
            group,
            who,
            input,
            prepare,
        })
    };
    inputs.iter().copied().flat_map(of).collect()
}
