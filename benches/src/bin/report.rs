//! Writes `docs/benchmarks.md` and its chart from what `cargo bench` measured last: nothing in them is typed by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use benches::{Case, Who};
use serde_json::Value;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut found = Measured::new();
    collect(&target.join("criterion"), &mut found);
    if found.is_empty() {
        eprintln!("nothing was measured yet: `cargo bench` first");
        return ExitCode::FAILURE;
    }
    let docs = root.join("docs");
    fs::create_dir_all(&docs).expect("the folder can be made");
    fs::write(docs.join("benchmarks.md"), report(&found)).expect("it can be written");
    fs::write(docs.join("benchmarks.svg"), chart(&found)).expect("it can be written");
    ExitCode::SUCCESS
}

/// Nanoseconds by the case's name.
type Measured = BTreeMap<String, f64>;

/// Criterion leaves one folder `new` for each case.
fn collect(folder: &Path, found: &mut Measured) {
    let read = |name: &str| -> Option<Value> {
        serde_json::from_slice(&fs::read(folder.join("new").join(name)).ok()?).ok()
    };
    if let (Some(name), Some(estimates)) = (read("benchmark.json"), read("estimates.json")) {
        let name = name["full_id"].as_str().unwrap_or_default().to_owned();
        found.extend(
            estimates["median"]["point_estimate"]
                .as_f64()
                .map(|ns| (name, ns)),
        );
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), found);
        }
    }
}

fn report(found: &Measured) -> String {
    let mut text = String::from(
        "# Benchmarks\n\nGenerated from a run; do not edit. To repeat it:\n\n```sh\ncargo bench\ncargo run --package benches --bin report\n```\n\n",
    );
    let _ = writeln!(
        text,
        "Machine: {}, {} processors. Compiler: {}.\n\nTimes are medians of one call; compare those of one line, for machines \
         differ. The number behind a time is our time as a part of it.\n\n![Our time as a part of others'](benchmarks.svg)",
        machine(),
        std::thread::available_parallelism().map_or(1, Into::into),
        output("rustc", &["--version"]),
    );
    let cases = benches::cases();
    let mut groups: Vec<&str> = cases.iter().map(|case| case.group).collect();
    groups.dedup();
    for group in groups {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.group == group).collect();
        let mut ways: Vec<Who> = cases.iter().map(|case| case.who).collect();
        ways.sort();
        ways.dedup();
        let mut inputs: Vec<&str> = cases.iter().map(|case| case.input).collect();
        inputs.dedup();
        let names: Vec<&str> = ways.iter().map(|who| who.name()).collect();
        let _ = writeln!(text, "\n## {group}\n\n| | {} |", names.join(" | "));
        let _ = writeln!(text, "| --- |{}", " ---: |".repeat(ways.len()));
        for input in inputs {
            let time = |who: &Who| found.get(&format!("{group}/{}/{input}", who.name()));
            let ours = time(&Who::Ours);
            let cells: Vec<String> = ways
                .iter()
                .map(|who| match (time(who), ours) {
                    (None, _) => String::new(),
                    (Some(ns), Some(ours)) if *who != Who::Ours => {
                        format!("{} ({:.2})", spell(*ns), ours / ns)
                    }
                    (Some(ns), _) => spell(*ns),
                })
                .collect();
            let _ = writeln!(text, "| {input} | {} |", cells.join(" | "));
        }
    }
    text
}

/// A bar for each thing that is also written by hand: our time as a part of the best other's.
fn chart(found: &Measured) -> String {
    let mut bars = Vec::new();
    for case in benches::cases() {
        if case.who != Who::Ours {
            continue;
        }
        let by_hand = benches::cases().into_iter().filter(|other| {
            let is_other = matches!(other.who, Who::ByHand(_));
            is_other && other.group == case.group && other.input == case.input
        });
        let best = by_hand
            .filter_map(|other| found.get(&other.name()))
            .copied()
            .reduce(f64::min);
        if let (Some(ours), Some(best)) = (found.get(&case.name()), best) {
            bars.push((format!("{} {}", case.group, case.input), ours / best));
        }
    }
    let height = bars.len() * 18 + 10;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    for (n, (name, part)) in bars.iter().enumerate() {
        let (y, width) = (n * 18 + 5, part.min(1.5) * 260.0);
        let _ = writeln!(
            svg,
            "<text x=\"190\" y=\"{}\" text-anchor=\"end\" fill=\"#888\">{name}</text>\
             <rect x=\"200\" y=\"{y}\" width=\"{width:.0}\" height=\"13\" fill=\"#3b7dd8\"/>\
             <text x=\"{:.0}\" y=\"{}\" fill=\"#888\">{part:.2}</text>",
            y + 11,
            width + 206.0,
            y + 11,
        );
    }
    svg + "</svg>\n"
}

fn spell(ns: f64) -> String {
    if ns < 1_000.0 {
        format!("{ns:.1} ns")
    } else {
        format!("{:.2} µs", ns / 1_000.0)
    }
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|model| model.trim_start_matches([':', '\t', ' ']).to_owned());
    model.unwrap_or_else(|| format!("{} {}", env::consts::OS, env::consts::ARCH))
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
