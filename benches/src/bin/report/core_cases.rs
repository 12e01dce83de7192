//! The cases that run in this process: their times in alternating rounds, instructions, allocations.

use std::collections::BTreeMap;
use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::instructions;
use benches::programs::Programs;
use benches::round_trip::median;
use benches::{Case, Step, Who};

/// By the case's name.
#[derive(Default)]
pub(super) struct Measured {
    /// Nanoseconds of one call, once for each round.
    times: BTreeMap<String, Vec<f64>>,
    /// Instructions of one call.
    instructions: BTreeMap<String, u64>,
    /// What the program `memory` counted, by its own names.
    memory: BTreeMap<String, i64>,
}

/// A group at a time, so that only its inputs are in memory; the cases of one input follow each other.
pub(super) fn time(rounds: usize, slice: Duration) -> Measured {
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let cases = benches::cases();
    for group in cases.chunk_by(|a, b| a.group == b.group) {
        let mut prepared: Vec<(String, Step, u32)> = group
            .iter()
            .map(|case| {
                let mut step = case.step();
                let count = calls_within(slice, &mut step);
                (case.name(), step, count)
            })
            .collect();
        for round in 0..rounds {
            // Each round begins with another one, so that none is always behind the same one.
            let count = prepared.len();
            prepared.rotate_left(if round == 0 { 0 } else { 1.min(count) });
            for (name, step, count) in &mut prepared {
                let ns = time_of(*count, step).as_nanos() as f64 / f64::from(*count);
                times.entry(name.clone()).or_default().push(ns);
            }
        }
    }
    Measured {
        times,
        ..Measured::default()
    }
}

/// How many calls take about this long.
fn calls_within(slice: Duration, step: &mut Step) -> u32 {
    let mut count = 1;
    loop {
        let took = time_of(count, step);
        if took * 4 >= slice || count >= 1 << 24 {
            let one = took.as_secs_f64() / f64::from(count);
            return (slice.as_secs_f64() / one.max(1e-10)).max(1.0) as u32;
        }
        count *= 2;
    }
}

fn time_of(count: u32, step: &mut Step) -> Duration {
    let begin = Instant::now();
    for _ in 0..count {
        step();
    }
    black_box(begin.elapsed())
}

impl Measured {
    /// Adds what counting finds.
    pub(super) fn count(&mut self, programs: &Programs, skipped: &mut Vec<String>) {
        let program = programs.path("instructions");
        let mut cases = benches::cases();
        cases.retain(|case| !case.input.contains("100000"));
        match instructions::count(&program, &cases) {
            Ok(counted) => self.instructions = counted,
            Err(why) => skipped.push(format!(
                "instruction counts: {}",
                why.lines().next().unwrap_or_default()
            )),
        }
        let output = programs.command("memory").output();
        let lines = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        for line in lines.unwrap_or_default().lines() {
            if let Some((name, count)) = line.split_once('\t') {
                let count = count.parse().expect("a number");
                self.memory.insert(name.to_owned(), count);
            }
        }
        if self.memory.is_empty() {
            skipped.push("allocations: the program `memory` does not run".to_owned());
        }
    }

    /// The middle of the rounds, in nanoseconds.
    pub(super) fn time(&self, case: &Case) -> f64 {
        let times = self.times.get(&case.name());
        median(times.into_iter().flatten().copied())
    }

    /// How many times as long ours takes: the middle of the rounds' own ratios.
    pub(super) fn ratio(&self, ours: &Case, other: &Case) -> f64 {
        let (ours, other) = (&self.times[&ours.name()], &self.times[&other.name()]);
        median(ours.iter().zip(other).map(|(ours, other)| ours / other))
    }

    /// The same of instructions, where they were counted.
    pub(super) fn instruction_ratio(&self, ours: &Case, other: &Case) -> Option<f64> {
        let ours = self.instructions.get(&ours.name())?;
        let other = self.instructions.get(&other.name())?;
        Some(*ours as f64 / *other as f64)
    }

    pub(super) fn instructions(&self, case: &Case) -> Option<u64> {
        self.instructions.get(&case.name()).copied()
    }

    pub(super) fn memory(&self, name: &str) -> Option<i64> {
        self.memory.get(name).copied()
    }
}

/// The case of this group with this input, by who does it.
pub(super) fn find(group: &str, input: &str, who: &str) -> Case {
    let name = format!("{group}/{who}/{input}");
    benches::find(&name).unwrap_or_else(|| panic!("no case is called {name}"))
}

/// Ours of a group.
pub(super) fn ours(group: &str) -> Vec<Case> {
    let mut cases = benches::cases();
    cases.retain(|case| case.group == group && case.who == Who::Ours);
    cases
}

/// Where the figures come from.
pub(super) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|model| model.trim_start_matches([':', '\t', ' ']).to_owned());
    model.unwrap_or_else(|| format!("{} {}", env::consts::OS, env::consts::ARCH))
}
