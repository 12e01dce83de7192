//! The page and its charts.

use std::fmt::Write as _;
use std::process::Command;

use benches::programs::root;
use benches::round_trip::{Found, ROWS, Setting, cpu_micros, median, rate};
use benches::{Case, Who};

use crate::Results;
use crate::chart::{self, Row};
use crate::core_cases::machine;
use crate::targets::{Answer, lines, ratio};

pub(super) fn page(results: &Results) -> String {
    let mut text = String::from("# Benchmarks\n\n");
    let how = if results.quick {
        "A QUICK RUN, to try the program: these figures mean nothing.\n\n"
    } else {
        ""
    };
    let _ = write!(
        text,
        "{how}Written by a program from one run of {} s; do not edit. To repeat it:\n\n```sh\ncargo xtask bench --report\n```\n\n\
         `cargo bench` measures the same with criterion, group by group; `cargo xtask test instructions` holds the hot paths \
         to their budgets.\n\n## Where\n\n",
        results.took.as_secs(),
    );
    for (name, value) in surroundings() {
        let _ = writeln!(text, "* {name}: {value}");
    }
    for skipped in &results.skipped {
        let _ = writeln!(text, "* left out: {skipped}");
    }
    text += "\nTimes are of this machine; compare those of one line. What is compared was measured in alternating rounds of this \
        one run: every way once in each round. A ratio is the middle of the rounds' own ratios.\n\n## Goals\n\n\
        | what | at most, or at least | measured | |\n| --- | --- | --- | --- |\n";
    let lines = lines(results);
    for line in &lines {
        let met = line.met.text();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {met} |",
            line.what, line.target, line.measured
        );
    }
    let count = |answer| lines.iter().filter(|line| line.met == answer).count();
    let _ = writeln!(
        text,
        "\n{} of {} are met, {} more by instructions alone.",
        count(Answer::Met),
        lines.len(),
        count(Answer::ByInstructions)
    );
    round_trips(&mut text, results);
    cases(&mut text, results);
    allocations(&mut text, results);
    text
}

/// Name and content of each.
pub(super) fn charts(results: &Results) -> Vec<(&'static str, String)> {
    let mut charts = vec![("core.svg", core_chart(results))];
    if !results.clients.is_empty() {
        charts.push((
            "rate.svg",
            client_chart(results, "Round trips a second", rate, "a second"),
        ));
        charts.push((
            "cpu.svg",
            client_chart(
                results,
                "Processor time of the client for a round trip",
                cpu_micros,
                "µs",
            ),
        ));
    }
    charts
}

/// Ours as a part of the best that is written by hand.
fn core_chart(results: &Results) -> String {
    let cases = benches::cases();
    let ours = cases.iter().filter(|case| case.who == Who::Ours);
    let rows: Vec<Row> = ours
        .filter_map(|ours| {
            let others = by_hand(&cases, ours);
            let part = others.iter().map(|other| results.cases.ratio(ours, other));
            let part = part.reduce(f64::max)?;
            Some(Row {
                name: format!("{} {}", ours.group, ours.input),
                bars: vec![(part, format!("{part:.2}"))],
            })
        })
        .collect();
    let title = "Our time as a part of the best that is written by hand (full width: as long)";
    chart::bars(title, &["ours"], &rows, Some(1.0))
}

fn by_hand<'a>(cases: &'a [Case], ours: &Case) -> Vec<&'a Case> {
    let is_other = |case: &&Case| {
        matches!(case.who, Who::ByHand(_)) && (case.group, case.input) == (ours.group, ours.input)
    };
    cases.iter().filter(is_other).collect()
}

fn client_chart(
    results: &Results,
    title: &str,
    of: fn(&bench_kit::tally::Report) -> f64,
    unit: &str,
) -> String {
    // Without the one that stalls, which would be a line of zeroes, or one beyond all others.
    let shown = [0, 1, 3, 4].map(|n| ROWS[n]);
    let names = shown.map(|row| row.name());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows: Vec<Row> = Setting::all()
        .into_iter()
        .map(|setting| Row {
            name: setting.name(),
            bars: shown
                .iter()
                .filter_map(|row| {
                    let found = found(results, setting, &row.name())?;
                    let value = median(found.reports.iter().map(of));
                    Some((value, format!("{value:.0} {unit}")))
                })
                .collect(),
        })
        .filter(|row| !row.bars.is_empty())
        .collect();
    chart::bars(title, &names, &rows, None)
}

fn found<'a>(results: &'a Results, setting: Setting, name: &str) -> Option<&'a Found> {
    let is_it = |found: &&Found| found.setting == setting && found.row.name() == name;
    results.clients.iter().find(is_it)
}

fn round_trips(text: &mut String, results: &Results) {
    if results.clients.is_empty() {
        return;
    }
    *text += "\n## Round trips\n\nAn update of one number, from the call to its answer; QoS 1 both ways, MQTT 3.1.1. Each client \
        is a process of its own, on one thread; CPU is its user and system time. `nodelay` is one option of rumqttc, off by default: \
        without it Nagle's algorithm waits for an acknowledgement that the other side delays, 44 ms each time. One responder of a few \
        lines answers all but the last row. Nothing was lost, and the responder counted each request once. The ratio is to rumqttc by \
        hand with nodelay.\n\n![Round trips a second](benchmarks/rate.svg)\n\n![Processor time](benchmarks/cpu.svg)\n";
    for setting in Setting::all() {
        let by_hand = found(results, setting, &ROWS[1].name());
        if by_hand.is_none() {
            continue;
        }
        let _ = writeln!(
            text,
            "\n### {}\n\n| client | a second | min–max | ratio | CPU, µs each | ratio | half within, µs | 99 % within, µs | resident, MiB |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            setting.name()
        );
        for row in ROWS {
            let (Some(it), Some(by_hand)) = (found(results, setting, &row.name()), by_hand) else {
                continue;
            };
            let middle =
                |of: &dyn Fn(&bench_kit::tally::Report) -> f64| median(it.reports.iter().map(of));
            let rates = || it.reports.iter().map(rate);
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.0}–{:.0} | {:.2} | {:.1} | {:.2} | {:.0} | {:.0} | {:.1} |",
                row.name(),
                middle(&rate),
                rates().fold(f64::MAX, f64::min),
                rates().fold(0.0, f64::max),
                ratio(it, by_hand, rate),
                middle(&cpu_micros),
                ratio(it, by_hand, cpu_micros),
                middle(&|report| f64::from(report.p50)),
                middle(&|report| f64::from(report.p99)),
                middle(&|report| report.resident_kib as f64 / 1024.0),
            );
        }
    }
}

fn cases(text: &mut String, results: &Results) {
    *text += "\n## In the core, the session, the service\n\nThe middle of the rounds for one call, our time as a part of it, and the \
        instructions that valgrind counts.\n\n![Ours as a part of what is written by hand](benchmarks/core.svg)\n";
    let cases = benches::cases();
    for group in cases.chunk_by(|a, b| a.group == b.group) {
        let mut ways: Vec<Who> = group.iter().map(|case| case.who).collect();
        ways.sort();
        ways.dedup();
        let mut inputs: Vec<&str> = group.iter().map(|case| case.input).collect();
        inputs.dedup();
        let names: Vec<&str> = ways.iter().map(|who| who.name()).collect();
        let _ = writeln!(
            text,
            "\n### {}\n\n| | {} |",
            group[0].group,
            names.join(" | ")
        );
        let _ = writeln!(text, "| --- |{}", " ---: |".repeat(ways.len()));
        for input in inputs {
            let with = |who: Who| {
                group
                    .iter()
                    .find(|case| case.who == who && case.input == input)
            };
            let cells = ways.iter().map(|who| match with(*who) {
                Some(case) => cell(results, case, with(Who::Ours)),
                None => String::new(),
            });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(text, "| {input} | {} |", cells.join(" | "));
        }
    }
}

fn cell(results: &Results, case: &Case, ours: Option<&Case>) -> String {
    let mut cell = spell(results.cases.time(case));
    if let Some(ours) = ours.filter(|ours| ours.who != case.who) {
        let _ = write!(cell, " ({:.2})", results.cases.ratio(ours, case));
    }
    if let Some(count) = results.cases.instructions(case) {
        let _ = write!(cell, ", {count}");
    }
    cell
}

fn allocations(text: &mut String, results: &Results) {
    *text += "\n## Allocations\n\nOf one call once it is warm, the most of a group's inputs.\n\n| | allocations |\n| --- | ---: |\n";
    let cases = benches::cases();
    for group in cases.chunk_by(|a, b| a.group == b.group) {
        let ours = group.iter().filter(|case| case.who == Who::Ours);
        let counts = ours.filter_map(|case| results.cases.memory(&case.name()));
        if let Some(most) = counts.max() {
            let _ = writeln!(text, "| {} | {most} |", group[0].group);
        }
    }
}

fn spell(ns: f64) -> String {
    if ns < 1_000.0 {
        format!("{ns:.1} ns")
    } else {
        format!("{:.2} µs", ns / 1_000.0)
    }
}

fn surroundings() -> Vec<(&'static str, String)> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let broker = testkit::find_program("mosquitto").map_or_else(
        |missing| missing.to_string(),
        |path| {
            output(&path.to_string_lossy(), &["-h"])
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        },
    );
    vec![
        ("machine", format!("{}, {processors} processors", machine())),
        ("system", output("uname", &["-srm"])),
        ("compiler", output("rustc", &["--version"])),
        (
            "broker",
            format!(
                "{broker}; the embedded one is the crate mqtt5 {}",
                version("Cargo.lock", "mqtt5")
            ),
        ),
        (
            "by hand",
            ["rumqttc", "serde_json", "rustls", "tokio"]
                .map(|name| format!("{name} {}", version("benches/by-hand/Cargo.lock", name)))
                .join(", "),
        ),
        ("valgrind", output("valgrind", &["--version"])),
        (
            "this project",
            output("git", &["describe", "--always", "--dirty", "--tags"]),
        ),
    ]
}

fn version(lock: &str, name: &str) -> String {
    let text = std::fs::read_to_string(root().join(lock)).unwrap_or_default();
    let wanted = format!("name = \"{name}\"");
    let mut lines = text.lines().skip_while(|line| *line != wanted);
    let version = lines
        .nth(1)
        .and_then(|line| line.strip_prefix("version = "));
    version.unwrap_or("?").trim_matches('"').to_owned()
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output();
    output.map_or_else(
        |_| format!("no {program}"),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
