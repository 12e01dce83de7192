//! The goals, line by line: what was to be reached, what was measured, whether it is met.

use benches::Case;
use benches::round_trip::{Found, PIPELINED, cpu_micros, median, rate};
use benches::servers::Broker;
use benches::small_device::{FLASH_KIB, HEAP_KIB};

use crate::Results;
use crate::core_cases::{find, ours};
use crate::footprint::middle;

/// One line of the table.
pub(super) struct Line {
    pub(super) what: String,
    pub(super) target: String,
    pub(super) measured: String,
    pub(super) met: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Met,
    /// By the count of instructions, which does not depend on the machine, but not by time.
    ByInstructions,
    Missed,
}

impl Answer {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::ByInstructions => "met by instructions, not by time",
            Self::Missed => "**not met**",
        }
    }

    const fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

fn line(what: &str, target: &str, measured: String, met: Answer) -> Line {
    Line {
        what: what.to_owned(),
        target: target.to_owned(),
        measured,
        met,
    }
}

/// What a way of ours may take, as a multiple of another's with the same input.
struct Ratio {
    what: &'static str,
    group: &'static str,
    /// Which inputs it is about.
    inputs: fn(&str) -> bool,
    /// Whom it is compared with.
    with: &'static str,
    most: f64,
}

const RATIOS: [Ratio; 8] = [
    Ratio {
        what: "topic classified, any that is ours",
        group: "topic",
        inputs: |input| !input.starts_with("not ours"),
        with: "split into Vec",
        most: 0.12,
    },
    Ratio {
        what: "topic that is not ours",
        group: "topic",
        inputs: |input| input.starts_with("not ours"),
        with: "split into Vec",
        most: 0.03,
    },
    Ratio {
        what: "delta to event",
        group: "delta",
        inputs: |_| true,
        with: "bare RawValue parse",
        most: 1.15,
    },
    Ratio {
        what: "token generated",
        group: "token",
        inputs: |input| input == "generate",
        with: "uuid v4 to_string",
        most: 0.02,
    },
    Ratio {
        what: "token matched, 1 to 10,000 outstanding",
        group: "token",
        inputs: |input| input != "generate",
        with: "HashMap<String, _> of uuids",
        most: 0.27,
    },
    Ratio {
        what: "request, call to outcome, 0.25 KB, in the core",
        group: "request",
        inputs: |_| true,
        with: "bare RawValue parse of the answer",
        most: 4.0,
    },
    Ratio {
        what: "session PUBLISH in and out",
        group: "session",
        inputs: |_| true,
        with: "bare mqttbytes",
        most: 1.3,
    },
    Ratio {
        what: "service, 1 KB update in process",
        group: "service",
        inputs: |input| input == benches::service::WHOLE,
        with: "bare RawValue parse of the request",
        most: 8.0,
    },
];

pub(super) fn lines(results: &Results) -> Vec<Line> {
    let mut lines: Vec<Line> = RATIOS
        .iter()
        .map(|ratio| of_ratio(results, ratio))
        .collect();
    lines.extend(idle(results));
    lines.extend(round_trips(results));
    lines.extend(latency(results));
    lines.extend(footprint(results));
    lines
}

/// The worst input counts.
fn of_ratio(results: &Results, ratio: &Ratio) -> Line {
    let mut cases = ours(ratio.group);
    cases.retain(|case| (ratio.inputs)(case.input));
    let other = |case: &Case| find(ratio.group, case.input, ratio.with);
    let worst = |of: &dyn Fn(&Case) -> Option<f64>| {
        let all = cases
            .iter()
            .filter_map(|case| Some((of(case)?, case.input)));
        all.max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let times = worst(&|case| Some(results.cases.ratio(case, &other(case))));
    let (time, input) = times.expect("every group has cases");
    let mut measured = format!("{time:.3} x ({input})");
    let mut met = Answer::of(time <= ratio.most);
    let counts = worst(&|case| results.cases.instruction_ratio(case, &other(case)));
    if let Some((count, input)) = counts {
        measured += &format!("; by instructions {count:.3} x ({input})");
        if met == Answer::Missed && count <= ratio.most {
            met = Answer::ByInstructions;
        }
    }
    let target = format!("{} x {}", ratio.most, ratio.with);
    line(ratio.what, &target, measured, met)
}

fn idle(results: &Results) -> Vec<Line> {
    let ratio = |which: &str| {
        let of = |count: &str| find("idle", &format!("{count} shadows, {which}"), "ours");
        results.cases.ratio(&of("100000"), &of("10"))
    };
    let (drawn, same) = (ratio("all drawn"), ratio("one busy"));
    let mut lines = vec![
        line(
            "message with 100,000 shadows open, targets drawn at random",
            "1.5 x of with 10",
            format!("{drawn:.2} x"),
            Answer::of(drawn <= 1.5),
        ),
        line(
            "the same, one target",
            "1.02 x of with 10",
            format!("{same:.2} x"),
            Answer::of(same <= 1.02),
        ),
    ];
    if let Some(bytes) = results.cases.memory("idle shadow") {
        let measured = format!("{bytes} bytes");
        let met = Answer::of(bytes <= 400);
        lines.push(line("idle shadow", "400 bytes", measured, met));
    }
    lines
}

const BY_HAND: &str = "rumqttc by hand, nodelay";

fn round_trips(results: &Results) -> Vec<Line> {
    let mut lines = Vec::new();
    for (outstanding, rates, cpus) in [(1, 1.3, 0.6), (PIPELINED, 1.0, 0.7)] {
        for broker in [Broker::Embedded, Broker::Mosquitto] {
            for tls in [false, true] {
                let of = |who: &str| {
                    results.clients.iter().find(|found| {
                        let setting = found.setting;
                        found.row.name() == who
                            && (setting.broker, setting.tls, setting.outstanding)
                                == (broker, tls, outstanding)
                    })
                };
                let (Some(ours), Some(other)) = (of("ours"), of(BY_HAND)) else {
                    continue;
                };
                let rate = ratio(ours, other, rate);
                let cpu = ratio(ours, other, cpu_micros);
                lines.push(line(
                    &format!("round trip: {}", ours.setting.name()),
                    &format!("rate {rates:.1} x, CPU {cpus:.1} x {BY_HAND}"),
                    format!("rate {rate:.2} x, CPU {cpu:.2} x, none lost"),
                    Answer::of(rate >= rates && cpu <= cpus),
                ));
            }
        }
    }
    lines
}

/// The middle of the rounds' own ratios.
pub(super) fn ratio(ours: &Found, other: &Found, of: fn(&bench_kit::tally::Report) -> f64) -> f64 {
    let pairs = ours.reports.iter().zip(&other.reports);
    median(pairs.map(|(ours, other)| of(ours) / of(other)))
}

fn latency(results: &Results) -> Vec<Line> {
    let all = &results.footprint.latency;
    let many = all.get("shadows").and_then(|figures| figures.first());
    let many = many.copied().unwrap_or(0.0);
    [
        ("ready", "CONNECT to Ready, one shadow".to_owned(), 3.0),
        (
            "ready-many",
            format!("CONNECT to Ready, {many} shadows, as many as fit one SUBSCRIBE"),
            3.0,
        ),
        ("answer", "answer after the call".to_owned(), 1.0),
        (
            "heal",
            "converged after a heal, from the transport that the scheduled backoff opened"
                .to_owned(),
            3.0,
        ),
    ]
    .into_iter()
    .filter_map(|(name, what, most)| {
        let figures = all.get(name)?;
        let &[none, middle, late] = figures.as_slice() else {
            return None;
        };
        Some(line(
            &format!("network round trips: {what}"),
            &format!("{most}"),
            format!("{none:.2}; with 5 % loss half within {middle:.2}, 95 of 100 within {late:.2}"),
            Answer::of(none <= most + 1e-6 && middle <= most + 1e-6),
        ))
    })
    .collect()
}

fn footprint(results: &Results) -> Vec<Line> {
    let found = &results.footprint;
    let mut lines = Vec::new();
    for (what, bytes) in [
        (
            "bytes on the wire per reported property, answer and acknowledgements included",
            &found.report_bytes,
        ),
        ("bytes on the wire per idle hour", &found.idle_bytes),
    ] {
        if let &[Some(ours), Some(other)] = bytes {
            let measured = format!("{ours:.0}, by hand {other:.0}");
            let met = Answer::of(ours <= other);
            lines.push(line(what, "not more than rumqttc by hand", measured, met));
        }
    }
    if !found.start[0].is_empty() {
        let pairs = found.start[0].iter().zip(&found.start[1]);
        let ratio = median(pairs.map(|(ours, other)| ours / other));
        let [ours, other, floor] = [0, 1, 2].map(|n| middle(&found.start[n]));
        lines.push(line(
            "start to connected over TLS",
            "0.6 x rumqttc by hand",
            format!("{ratio:.2} x ({ours:.1} ms, by hand {other:.1} ms, raw socket {floor:.1} ms)"),
            Answer::of(ratio <= 0.6),
        ));
        let [ours, other, floor] = [0, 1, 2].map(|n| middle(&found.resident[n]) / 1024.0);
        lines.push(line(
            "resident memory, connected over TLS",
            "4 MiB",
            format!("{ours:.1} MiB, by hand {other:.1} MiB, raw socket {floor:.1} MiB"),
            Answer::of(ours <= 4.0),
        ));
    }
    if let [Some(ours), Some(other)] = found.crates {
        let measured = format!("{ours}, by hand {other}");
        lines.push(line(
            "crates with TLS",
            "45",
            measured,
            Answer::of(ours <= 45),
        ));
    }
    if let Some(flash) = found.flash {
        let kib = flash as f64 / 1024.0;
        lines.push(line(
            "shadow-proto on a Cortex-M4F, size-optimised: flash",
            &format!("budget {FLASH_KIB} KiB"),
            format!("{kib:.1} KiB, start-up code and allocator included"),
            Answer::of(kib <= f64::from(FLASH_KIB)),
        ));
    }
    if let Some(bytes) = results.cases.memory("peak heap") {
        let kib = bytes as f64 / 1024.0;
        lines.push(line(
            "its peak heap with one shadow of 8 KB",
            &format!("budget {HEAP_KIB} KiB"),
            format!("{kib:.1} KiB, counted on this 64-bit machine"),
            Answer::of(kib <= f64::from(HEAP_KIB)),
        ));
    }
    lines
}
