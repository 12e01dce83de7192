//! An update from the call to its answer, over a broker: each client a process of its own, one after the other in
//! alternating rounds. Its rate, its processor time, and that nothing was lost.

use std::time::Duration;

use bench_kit::tally::Report;
use testkit::Process;

use crate::Who;
use crate::programs::Programs;
use crate::servers::{Answers, Broker, Servers};

/// What a client may take beyond its time before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many requests are outstanding when they are pipelined.
pub const PIPELINED: usize = 200;

/// What the clients of one comparison have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Setting {
    /// Over which broker.
    pub broker: Broker,
    /// Over TLS, or plain TCP.
    pub tls: bool,
    /// How many requests are outstanding at a time.
    pub outstanding: usize,
}

impl Setting {
    /// As the reports call it.
    #[must_use]
    pub fn name(self) -> String {
        let over = if self.tls { "TLS" } else { "TCP" };
        let how = match self.outstanding {
            1 => "one at a time".to_owned(),
            count => format!("{count} outstanding"),
        };
        format!("{}, {over}, {how}", self.broker.name())
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for broker in [Broker::Embedded, Broker::Mosquitto] {
            for tls in [false, true] {
                all.extend([1, PIPELINED].map(|outstanding| Self {
                    broker,
                    tls,
                    outstanding,
                }));
            }
        }
        all
    }
}

/// A client, and who answers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Who it is.
    pub who: Who,
    /// Who answers.
    pub answers: Answers,
    program: &'static str,
    args: &'static [&'static str],
}

impl Row {
    /// As the reports call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self.answers {
            Answers::Responder => self.who.name().to_owned(),
            Answers::Service => format!("{}, real service", self.who.name()),
        }
    }
}

/// All clients, ours first.
pub const ROWS: [Row; 5] = [
    Row {
        who: Who::Ours,
        answers: Answers::Responder,
        program: "bench-ours",
        args: &[],
    },
    Row {
        who: Who::ByHand("rumqttc by hand, nodelay"),
        answers: Answers::Responder,
        program: "bench-rumqttc",
        args: &[],
    },
    Row {
        who: Who::ByHand("rumqttc by hand, its default"),
        answers: Answers::Responder,
        program: "bench-rumqttc",
        args: &["--default-nagle"],
    },
    Row {
        who: Who::Floor("raw socket"),
        answers: Answers::Responder,
        program: "bench-raw",
        args: &[],
    },
    Row {
        who: Who::Ours,
        answers: Answers::Service,
        program: "bench-ours",
        args: &[],
    },
];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often each client runs.
    pub rounds: usize,
    /// How long it makes requests each time.
    pub time: Duration,
}

/// What one client found, once for each round.
#[derive(Clone, Debug)]
pub struct Found {
    /// In which comparison.
    pub setting: Setting,
    /// Which client.
    pub row: Row,
    /// One for each round, in their order.
    pub reports: Vec<Report>,
}

/// Measures those whose name `wanted` accepts. Each round has each of them once; every other one goes backwards, so that
/// none is always behind the same one.
///
/// # Panics
/// When a client loses a request, or does not end.
#[must_use]
pub fn measure(
    programs: &Programs,
    servers: &Servers,
    effort: Effort,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Found> {
    let mut all = Vec::new();
    for setting in Setting::all() {
        for row in ROWS {
            let is_there = servers.find(setting.broker, row.answers).is_some();
            if is_there && wanted(&name(setting, &row)) {
                all.push(Found {
                    setting,
                    row,
                    reports: Vec::new(),
                });
            }
        }
    }
    for round in 0..effort.rounds {
        let mut order: Vec<&mut Found> = all.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for found in order {
            let report = run(programs, servers, found.setting, &found.row, effort.time);
            found.reports.push(report);
        }
    }
    all
}

/// `round_trip/WHO/SETTING`, as the other groups' cases are named.
#[must_use]
pub fn name(setting: Setting, row: &Row) -> String {
    format!("round_trip/{}/{}", row.name(), setting.name())
}

fn run(
    programs: &Programs,
    servers: &Servers,
    setting: Setting,
    row: &Row,
    time: Duration,
) -> Report {
    let server = servers.find(setting.broker, row.answers);
    let server = server.expect("only those that run are measured");
    let mut command = programs.command(row.program);
    let port = if setting.tls {
        server.tls
    } else {
        server.plain
    };
    command
        .args(["--port", &port.to_string()])
        .args(["--outstanding", &setting.outstanding.to_string()])
        .args(["--millis", &time.as_millis().to_string()])
        .args(row.args);
    if setting.tls {
        command.arg("--ca").arg(&servers.ca);
    }
    let mut process = Process::spawn(&mut command);
    let line = process.wait_for(time + PATIENCE, "result ");
    let report = Report::read(&line).expect("its own line");
    let name = name(setting, row);
    assert_eq!(report.failed, 0, "{name} lost: {:?}", process.output());
    // The service counts each shadow on its own.
    if row.answers == Answers::Responder {
        assert_eq!(
            report.done, report.counted,
            "{name}: requests answered, and made"
        );
    }
    let ended = process.wait(PATIENCE);
    assert!(
        ended.is_some_and(|status| status.success()),
        "{name}: {:?}",
        process.output()
    );
    report
}

/// Prints a table: medians of the rounds.
pub fn print(all: &[Found]) {
    for found in all {
        let rates = found.reports.iter().map(rate);
        let cpus = found.reports.iter().map(cpu_micros);
        let p50 = found.reports.iter().map(|it| f64::from(it.p50));
        println!(
            "{:62} {:9.0} a second {:8.1} µs of processor time each, half within {:7.0} µs, none of {} lost",
            name(found.setting, &found.row),
            median(rates),
            median(cpus),
            median(p50),
            found.reports.iter().map(|it| it.done).sum::<usize>(),
        );
    }
}

/// Requests a second.
#[must_use]
pub fn rate(report: &Report) -> f64 {
    report.done as f64 / report.time.as_secs_f64()
}

/// The client's processor time for one request, in microseconds.
#[must_use]
pub fn cpu_micros(report: &Report) -> f64 {
    report.cpu.as_secs_f64() * 1e6 / report.done.max(1) as f64
}

/// The middle one, 0 of none.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
