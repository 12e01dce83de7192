//! Runs steps one after the other, and says at the end how long each took.

use std::time::{Duration, Instant};

use crate::Stop;
use crate::exec::{Cx, complain, say};
use crate::workspace::Workspace;

/// A step that takes longer is marked: the whole has to stay below [`TOTAL_LIMIT`].
const STEP_LIMIT: Duration = Duration::from_secs(4 * 60);

/// What everything together may take on two cores with nothing built.
const TOTAL_LIMIT: Duration = Duration::from_secs(40 * 60);

/// One thing that has to hold.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// In a few words, for `--list`.
    pub(crate) about: &'static str,
    /// Whether it needs what the step `setup` installs.
    pub(crate) needs_tools: bool,
    pub(crate) run: fn(&Cx, &Workspace) -> Result<Done, String>,
}

impl Step {
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        run: fn(&Cx, &Workspace) -> Result<Done, String>,
    ) -> Self {
        Self {
            name,
            about,
            needs_tools: false,
            run,
        }
    }

    /// A step that needs what the step `setup` installs.
    pub(crate) const fn with_tools(mut self) -> Self {
        self.needs_tools = true;
        self
    }
}

/// How a step ends that does not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Passed,
    /// What it checks does not exist yet.
    Nothing(String),
}

/// Runs the steps. `repeat` is the command that takes a step's name.
pub(crate) fn run(steps: &[&Step], keep_going: bool, repeat: &str) -> Result<(), Stop> {
    let begin = Instant::now();
    let cx = Cx::new()?;
    let workspace = Workspace::load(&cx)?;
    let mut rows = Vec::new();
    let mut failed = false;
    for step in steps {
        if failed && !keep_going {
            rows.push(Row {
                name: step.name,
                took: None,
                result: "not run".to_owned(),
            });
            continue;
        }
        say(&format!("\n== {}: {}", step.name, step.about));
        cx.forget_last_command();
        let begin = Instant::now();
        let result = (step.run)(&cx, &workspace);
        let took = begin.elapsed();
        let result = match result {
            Ok(Done::Passed) => "ok".to_owned(),
            Ok(Done::Nothing(why)) => {
                say(&why);
                format!("nothing to do: {why}")
            }
            Err(error) => {
                failed = true;
                complain(&format!("\nstep {} failed: {error}", step.name));
                let command = cx.last_command();
                if !command.is_empty() && !error.contains(&command) {
                    complain(&format!("its last command: {command}"));
                }
                complain(&format!("to repeat the step: {repeat} {}", step.name));
                "FAILED".to_owned()
            }
        };
        rows.push(Row {
            name: step.name,
            took: Some(took),
            result,
        });
    }
    say(&table(&rows, begin.elapsed()));
    for note in cx.take_notes() {
        say(&format!("note: {note}"));
    }
    if failed {
        let names: Vec<&str> = rows
            .iter()
            .filter(|row| row.result == "FAILED")
            .map(|row| row.name)
            .collect();
        return Err(Stop::Because(format!(
            "failed: {}; to repeat: {repeat} {}",
            names.join(", "),
            names.join(" ")
        )));
    }
    Ok(())
}

struct Row {
    name: &'static str,
    /// `None`: not run.
    took: Option<Duration>,
    result: String,
}

fn table(rows: &[Row], total: Duration) -> String {
    let width = rows
        .iter()
        .map(|row| row.name.len())
        .max()
        .unwrap_or(0)
        .max("total".len());
    let mut text = format!("\n{:width$}  seconds", "step");
    for row in rows {
        let seconds = row.took.map_or_else(String::new, seconds);
        let mark = if row.took.is_some_and(|took| took > STEP_LIMIT) {
            "  OVER 4 MINUTES"
        } else {
            ""
        };
        text += &format!("\n{:width$}  {seconds:>7}  {}{mark}", row.name, row.result);
    }
    let mark = if total > TOTAL_LIMIT {
        "  OVER 40 MINUTES"
    } else {
        ""
    };
    text + &format!("\n{:width$}  {:>7}{mark}", "total", seconds(total))
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_step_is_marked() {
        let row = |name, seconds| Row {
            name,
            took: Some(Duration::from_secs(seconds)),
            result: "ok".to_owned(),
        };
        let rows = [
            row("fmt", 1),
            row("clippy", 241),
            Row {
                name: "docs",
                took: None,
                result: "not run".to_owned(),
            },
        ];
        let expected = "
step    seconds
fmt         1.0  ok
clippy    241.0  ok  OVER 4 MINUTES
docs             not run
total    2401.0  OVER 40 MINUTES";
        assert_eq!(table(&rows, Duration::from_secs(2401)), expected);
    }
}
