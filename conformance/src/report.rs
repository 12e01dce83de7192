//! What came of a run, and the table of it.

use core::{fmt::Write as _, time::Duration};

use crate::{Setting, scenarios};

/// What came of all scenarios on some adapters.
#[derive(Debug)]
pub struct Report {
    /// In the order of the table's columns.
    pub adapters: Vec<&'static str>,
    /// One for each scenario, adapter and setting.
    pub cells: Vec<Cell>,
}

/// What came of one scenario on one adapter in one setting.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The adapter's name.
    pub adapter: &'static str,
    /// Where it was played.
    pub setting: Setting,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a scenario ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// As it has to, after this time.
    Passed(Duration),
    /// Otherwise: why.
    Failed(String),
    /// It was left out: why.
    Hole(&'static str),
}

impl Report {
    /// What failed, one line each.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for Cell {
            scenario,
            adapter,
            setting,
            outcome,
        } in &self.cells
        {
            if let Outcome::Failed(why) = outcome {
                failures.push(format!("{adapter}, {setting}: {scenario}: {why}"));
            }
        }
        failures
    }

    /// The scenarios that took longest, with the longest time of each.
    #[must_use]
    pub fn slowest(&self, count: usize) -> Vec<(&'static str, Duration)> {
        let time = |name: &str| {
            let cells = self.cells.iter().filter(|cell| cell.scenario == name);
            let times = cells.filter_map(|cell| match &cell.outcome {
                Outcome::Passed(time) => Some(*time),
                Outcome::Failed(_) | Outcome::Hole(_) => None,
            });
            times.max().unwrap_or_default()
        };
        let all = scenarios::all().iter();
        let mut times: Vec<_> = all.map(|it| (it.name, time(it.name))).collect();
        times.sort_by_key(|(_, time)| core::cmp::Reverse(*time));
        times.truncate(count);
        times
    }

    /// Scenarios by adapters, in Markdown. A hole names its reason below.
    ///
    /// # Panics
    /// A cell is missing, or failed.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::from(HEAD);
        let mut reasons: Vec<&str> = Vec::new();
        let _ = writeln!(text, "| scenario | {} |", self.adapters.join(" | "));
        let _ = writeln!(text, "| --- |{}", " --- |".repeat(self.adapters.len()));
        for scenario in scenarios::all() {
            let _ = write!(text, "| {} |", scenario.name);
            for adapter in &self.adapters {
                let mut cell = Vec::new();
                let played = |setting: &Setting| setting.plays(scenario.name);
                for setting in Setting::ALL.into_iter().filter(played) {
                    cell.push(self.mark(scenario.name, adapter, setting, &mut reasons));
                }
                cell.dedup_by(|next, before| next.starts_with('[') && next == before);
                let _ = write!(text, " {} |", cell.join(" "));
            }
            text.push('\n');
        }
        text.push_str(if reasons.is_empty() {
            "\nThere is no hole.\n"
        } else {
            "\nThe holes:\n\n"
        });
        for (number, reason) in reasons.iter().enumerate() {
            let _ = writeln!(text, "{}. {reason}", number + 1);
        }
        text
    }

    fn mark(
        &self,
        scenario: &str,
        adapter: &str,
        setting: Setting,
        reasons: &mut Vec<&'static str>,
    ) -> String {
        let is_it = |cell: &&Cell| {
            (cell.scenario, cell.adapter, cell.setting) == (scenario, adapter, setting)
        };
        let cell = self.cells.iter().find(is_it);
        match cell.map(|cell| &cell.outcome) {
            Some(Outcome::Passed(_)) => setting.letters(),
            Some(Outcome::Hole(reason)) => {
                let known = reasons.iter().position(|it| it == reason);
                let number = known.unwrap_or(reasons.len());
                if known.is_none() {
                    reasons.push(reason);
                }
                format!("[{}]", number + 1)
            }
            Some(Outcome::Failed(why)) => panic!("{adapter}, {setting}: {scenario}: {why}"),
            None => panic!("{adapter}, {setting}: {scenario} was not played"),
        }
    }
}

const HEAD: &str = "# Conformance

Every scenario on every adapter, as the last run of the suite found it. Generated: do not edit; `SHADOW_BLESS=1 cargo test -p
conformance --all-features` writes it anew.

`e3`, `e5`: passed on the embedded broker over MQTT 3.1.1 and 5. `m3`, `m5`: the same on Mosquitto. `t5`, `w5`: over MQTT 5 on Mosquitto
through mutual TLS and through a WebSocket, which ten scenarios are played through. A number in brackets is a hole; its
reason stands below the table.

";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Way, all};

    fn report(outcome: impl Fn(&str, Setting) -> Option<Outcome>) -> Report {
        let mut cells = Vec::new();
        for scenario in all() {
            for setting in Setting::ALL {
                let outcome = outcome(scenario.name, setting);
                cells.extend(outcome.map(|outcome| Cell {
                    scenario: scenario.name,
                    adapter: "mine",
                    setting,
                    outcome,
                }));
            }
        }
        Report {
            adapters: vec!["mine"],
            cells,
        }
    }

    const PASSED: Outcome = Outcome::Passed(Duration::from_secs(1));

    #[test]
    fn a_hole_names_its_reason_once() {
        let table = report(|_, setting| match setting.way {
            Way::Tcp => Some(PASSED),
            Way::Tls => Some(Outcome::Hole("no key")),
            Way::WebSocket => Some(Outcome::Hole("no frame")),
        })
        .table();
        assert!(table.contains("| a_delta_comes_once | e3 e5 m3 m5 [1] [2] |\n"));
        assert!(table.contains("| null_removes_a_key | e3 e5 m3 m5 |\n"));
        assert!(table.ends_with("\nThe holes:\n\n1. no key\n2. no frame\n"));
        let whole = report(|_, _| Some(PASSED)).table();
        assert!(whole.ends_with("\nThere is no hole.\n"));
    }

    #[test]
    #[should_panic(
        expected = "mine, the embedded broker, MQTT 5: a_delta_comes_once was not played"
    )]
    fn a_missing_cell_is_no_table() {
        let missing = ("a_delta_comes_once", "e5");
        let is_missing = |name: &str, setting: Setting| (name, &*setting.letters()) == missing;
        let _ = report(|name, setting| (!is_missing(name, setting)).then_some(PASSED)).table();
    }

    #[test]
    fn a_failure_is_told_and_is_no_table() {
        let report = report(|name, setting| {
            let failed = name == "a_delta_comes_once" && setting.letters() == "m3";
            Some(match failed {
                true => Outcome::Failed("two came".to_owned()),
                false => PASSED,
            })
        });
        let line = "mine, Mosquitto, MQTT 3.1.1: a_delta_comes_once: two came";
        assert_eq!(report.failures(), [line]);
        assert!(std::panic::catch_unwind(|| report.table()).is_err());
    }
}
