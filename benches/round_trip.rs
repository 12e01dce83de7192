//! `cargo bench --bench round_trip`; what is measured is in `src/round_trip.rs`. Takes a part of a name, `--test` for a
//! short run that measures nothing, and ignores what is meant for criterion.

use std::process::ExitCode;
use std::time::Duration;

use benches::programs::{Profile, Programs};
use benches::round_trip::{self, Effort};
use benches::servers::Servers;

fn main() -> ExitCode {
    let mut test = false;
    let mut filters = Vec::new();
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--test" => test = true,
            flag if flag.starts_with('-') => {}
            // Criterion's values of flags.
            number if number.parse::<f64>().is_ok() => {}
            filter => filters.push(filter.to_owned()),
        }
    }
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|it| name.contains(it));
    let names = round_trip::Setting::all()
        .into_iter()
        .flat_map(|setting| round_trip::ROWS.map(|row| round_trip::name(setting, &row)));
    if !names.into_iter().any(|name| wanted(&name)) {
        return ExitCode::SUCCESS;
    }
    let (profile, effort) = if test {
        let effort = Effort {
            rounds: 1,
            time: Duration::from_millis(20),
        };
        (Profile::Dev, effort)
    } else {
        let effort = Effort {
            rounds: 3,
            time: Duration::from_millis(500),
        };
        (Profile::Bench, effort)
    };
    let programs = match Programs::build(profile) {
        Ok(programs) => programs,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let servers = match Servers::start(&programs) {
        Ok(servers) => servers,
        Err(missing) => {
            println!("skipped: round_trip: {missing}");
            return ExitCode::SUCCESS;
        }
    };
    for skipped in &servers.skipped {
        println!("skipped: round_trip {skipped}");
    }
    let all = round_trip::measure(&programs, &servers, effort, wanted);
    if test {
        println!("round_trip: {} clients, nothing lost", all.len());
    } else {
        round_trip::print(&all);
    }
    ExitCode::SUCCESS
}
