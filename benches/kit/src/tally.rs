//! What one client did: how many requests ended how, how long each took, what that cost.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// Counts what a worker does; the workers' tallies are added up.
#[derive(Debug, Default)]
pub struct Tally {
    micros: Vec<u32>,
    failed: usize,
    versions: Vec<u64>,
}

impl Tally {
    /// Counts a request that was sent at `sent` and answered with this version now.
    pub fn done(&mut self, sent: Instant, version: u64) {
        let micros = sent.elapsed().as_micros();
        self.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
        self.versions.push(version);
    }

    /// Counts a request that had no answer, or not the right one.
    pub fn failed(&mut self, why: impl fmt::Display) {
        eprintln!("lost: {why}");
        self.failed += 1;
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.versions.extend(other.versions);
        self.failed += other.failed;
    }

    /// How many have been counted.
    #[must_use]
    pub fn count(&self) -> usize {
        self.micros.len() + self.failed
    }
}

/// Begins where the requests that count begin.
#[derive(Debug)]
pub struct Measured {
    begin: Instant,
    cpu: ProcessTime,
}

impl Measured {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            begin: Instant::now(),
            cpu: ProcessTime::now(),
        }
    }

    /// Until now: prints the line that [`Report::read`] reads.
    pub fn end(self, mut tally: Tally) {
        let cpu = self.cpu.elapsed();
        let time = self.begin.elapsed();
        tally.micros.sort_unstable();
        // The responder counts all requests up, whoever asks and about whichever thing; so a request that was made
        // twice, or merged with another, shows as a gap or a repetition.
        let (least, most) = (tally.versions.iter().min(), tally.versions.iter().max());
        let span = least.zip(most).map_or(0, |(least, most)| most - least + 1);
        let report = Report {
            done: tally.micros.len(),
            failed: tally.failed,
            counted: span as usize,
            time,
            cpu,
            p50: percentile(&tally.micros, 50),
            p99: percentile(&tally.micros, 99),
            resident_kib: resident_kib(),
        };
        println!("{report}");
    }
}

/// What a client found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Requests that were answered.
    pub done: usize,
    /// Requests that were not.
    pub failed: usize,
    /// How many requests whoever answers has counted, if it counts all together.
    pub counted: usize,
    /// From the first request to the last answer.
    pub time: Duration,
    /// Processor time of the process in that time, user and system.
    pub cpu: Duration,
    /// Half of the answers came within this many microseconds.
    pub p50: u32,
    /// 99 of 100 did.
    pub p99: u32,
    /// Resident memory at the end, 0 where the system does not say.
    pub resident_kib: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "result {} {} {} {} {} {} {} {}",
            self.done,
            self.failed,
            self.counted,
            self.time.as_nanos(),
            self.cpu.as_nanos(),
            self.p50,
            self.p99,
            self.resident_kib,
        )
    }
}

impl Report {
    /// From the line that [`Measured::end`] prints.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let numbers = line.strip_prefix("result ")?.split(' ');
        let numbers: Vec<u64> = numbers.map(|it| it.parse().ok()).collect::<Option<_>>()?;
        let &[done, failed, counted, time, cpu, p50, p99, resident_kib] = numbers.as_slice() else {
            return None;
        };
        Some(Self {
            done: done as usize,
            failed: failed as usize,
            counted: counted as usize,
            time: Duration::from_nanos(time),
            cpu: Duration::from_nanos(cpu),
            p50: p50 as u32,
            p99: p99 as u32,
            resident_kib,
        })
    }
}

fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0)
}

/// Resident memory of this process, 0 where the system does not say.
#[must_use]
pub fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_is_printed() {
        let report = Report {
            done: 1,
            failed: 2,
            counted: 3,
            time: Duration::from_nanos(4),
            cpu: Duration::from_nanos(5),
            p50: 6,
            p99: 7,
            resident_kib: 8,
        };
        assert_eq!(Report::read(&report.to_string()), Some(report));
        assert_eq!(Report::read("connected"), None);
        assert_eq!(Report::read("result 1 2"), None);
    }

    #[test]
    fn percentiles_of_few() {
        assert_eq!(percentile(&[], 50), 0);
        assert_eq!(percentile(&[3], 99), 3);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), 3);
    }
}
