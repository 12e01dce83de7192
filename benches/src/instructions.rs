//! How many instructions one call of a case takes, as valgrind counts them, and the budgets that `instructions.txt` holds.
//!
//! The same on every machine as long as the program is: [`TARGET`] links its allocator and its `memcpy` into the
//! program, so that neither the system's C library nor the processor's extensions make a difference.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::{Case, Who};

/// What the budgets are counted with.
pub const TARGET: &str = "x86_64-unknown-linux-musl";

/// How often a case runs before it counts, so that buffers have grown and tables are filled.
const WARM_UP: u32 = 128;

/// How often it runs then.
const COUNTED: u32 = 128;

/// More than this above its budget is too much.
pub const TOLERANCE: f64 = 0.03;

/// The same where another compiler has built it.
pub const TOLERANCE_ELSEWHERE: f64 = 0.15;

/// The hot paths: ours, but for what takes valgrind minutes to prepare.
#[must_use]
pub fn hot_paths() -> Vec<Case> {
    let mut cases = crate::cases();
    cases.retain(|case| {
        case.who == Who::Ours && !case.input.contains("100000") && !case.input.contains("10000")
    });
    cases
}

/// Runs a case under valgrind's eyes: what `while_counting` does counts.
pub fn run(case: &Case) {
    let mut step = case.step();
    for _ in 0..WARM_UP {
        step();
    }
    while_counting(&mut step);
}

/// Valgrind is told to count in this function alone, by its name.
#[inline(never)]
fn while_counting(step: &mut dyn FnMut()) {
    for _ in 0..COUNTED {
        step();
    }
}

/// Counts the cases of the program, which is this crate's binary `instructions`, two at a time.
///
/// # Errors
/// One line: valgrind cannot be had, or a case fails.
pub fn count(program: &Path, cases: &[Case]) -> Result<BTreeMap<String, u64>, String> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = |worker| {
        let mine = cases.iter().skip(worker).step_by(workers);
        mine.map(|case| Ok((case.name(), count_one(program, case)?)))
            .collect::<Result<Vec<_>, String>>()
    };
    let counted = thread::scope(|scope| {
        let start = |worker| scope.spawn(move || share(worker));
        let running: Vec<_> = (0..workers).map(start).collect();
        let ended = running.into_iter().map(|worker| worker.join());
        ended
            .map(|shared| shared.expect("it does not panic"))
            .collect::<Result<Vec<_>, String>>()
    })?;
    Ok(counted.into_iter().flatten().collect())
}

fn count_one(program: &Path, case: &Case) -> Result<u64, String> {
    let name = case.name();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*while_counting*")
        .arg(program)
        .args(["run", &name])
        // The environment lies on the stack, and its length moves what lies behind it.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()
        .map_err(|error| format!("valgrind cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, number)| number.trim().parse::<u64>().ok());
    match collected {
        Some(count) if output.status.success() && count > 0 => Ok(count / u64::from(COUNTED)),
        _ => Err(format!("valgrind does not count {name}: {said}")),
    }
}

/// What may be spent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Budgets {
    /// With which compiler the figures were counted.
    pub compiler: String,
    /// Instructions by the case's name.
    pub of: BTreeMap<String, u64>,
}

const HEAD: &str = "# Instructions of one call: what `cargo xtask test instructions` compares with. More than 3 % above is a failure.\n\
    # Written by `cargo xtask bench --bless`.\n";

impl Budgets {
    /// Where they are committed.
    #[must_use]
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
    }

    /// Reads what [`write`](Self::write) writes.
    ///
    /// # Errors
    /// The line that is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut budgets = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let wrong = || format!("not a budget: {line:?}");
            let (name, value) = line.split_once('\t').ok_or_else(wrong)?;
            if name == "compiler" {
                budgets.compiler = value.to_owned();
            } else {
                let count = value.parse().map_err(|_| wrong())?;
                budgets.of.insert(name.to_owned(), count);
            }
        }
        Ok(budgets)
    }

    /// As it is committed.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = format!("{HEAD}compiler\t{}\n", self.compiler);
        for (name, count) in &self.of {
            let _ = writeln!(text, "{name}\t{count}");
        }
        text
    }

    /// What is wrong with these counts, a line each. `compiler` is the one they were built with.
    #[must_use]
    pub fn judge(&self, compiler: &str, counted: &BTreeMap<String, u64>) -> Vec<String> {
        let tolerance = if compiler == self.compiler {
            TOLERANCE
        } else {
            TOLERANCE_ELSEWHERE
        };
        let mut wrong = Vec::new();
        for (name, count) in counted {
            let Some(budget) = self.of.get(name) else {
                wrong.push(format!("{name} has no budget; it takes {count}"));
                continue;
            };
            // Of a few dozen instructions, two are more than 3 %.
            let most = (*budget as f64 * (1.0 + tolerance)).max(*budget as f64 + 2.0);
            if *count as f64 > most {
                let more = (*count as f64 / *budget as f64 - 1.0) * 100.0;
                wrong.push(format!("{name} takes {count}, {more:.1} % over {budget}"));
            }
        }
        for name in self.of.keys().filter(|name| !counted.contains_key(*name)) {
            wrong.push(format!("{name} has a budget and was not counted"));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        let named = counts.iter().map(|&(name, count)| (name.to_owned(), count));
        named.collect()
    }

    #[test]
    fn budgets_are_read_as_they_are_written() {
        let budgets = Budgets {
            compiler: "rustc 1".to_owned(),
            of: counts(&[("a/ours/x y", 7), ("b/ours/z", 1_000)]),
        };
        assert_eq!(Budgets::read(&budgets.write()), Ok(budgets));
        assert!(Budgets::read("a 1").is_err());
        assert!(Budgets::read("a\tmany").is_err());
    }

    #[test]
    fn three_per_cent_is_the_limit() {
        let budgets = Budgets {
            compiler: "here".to_owned(),
            of: counts(&[("a", 1_000), ("b", 20)]),
        };
        let judge = |compiler, a, b| {
            budgets
                .judge(compiler, &counts(&[("a", a), ("b", b)]))
                .len()
        };
        assert_eq!(judge("here", 1_030, 22), 0);
        assert_eq!(judge("here", 1_031, 22), 1);
        assert_eq!(judge("here", 1_000, 23), 1);
        assert_eq!(judge("elsewhere", 1_150, 22), 0);
        assert_eq!(judge("elsewhere", 1_151, 23), 1);
        // Less is no failure.
        assert_eq!(judge("here", 1, 1), 0);
    }

    #[test]
    fn nothing_is_left_out() {
        let budgets = Budgets {
            compiler: "here".to_owned(),
            of: counts(&[("a", 1)]),
        };
        assert_eq!(
            budgets.judge("here", &counts(&[("b", 1)])),
            [
                "b has no budget; it takes 1",
                "a has a budget and was not counted"
            ]
        );
    }

    #[test]
    fn the_committed_budgets_are_those_of_the_hot_paths() {
        let text = std::fs::read_to_string(Budgets::path()).expect("it is committed");
        let budgets = Budgets::read(&text).expect("legal");
        let mut names: Vec<String> = hot_paths().iter().map(Case::name).collect();
        names.sort();
        assert!(budgets.of.keys().eq(&names));
    }
}
