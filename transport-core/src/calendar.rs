//! Wall-clock time as people and signatures write it. No time zones, no leap seconds.

use core::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A second of Coordinated Universal Time, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Utc {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Utc {
    /// Times before 1970 count as its first second.
    pub(crate) fn new(time: SystemTime) -> Self {
        let seconds = seconds(time);
        let (year, month, day) = civil(seconds / DAY);
        let rest = seconds % DAY;
        Self {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// `20260102`, as a signature names the day.
    #[cfg(feature = "sigv4")]
    pub(crate) fn basic_date(self) -> String {
        let Self {
            year, month, day, ..
        } = self;
        format!("{year:04}{month:02}{day:02}")
    }

    /// `20260102T030405Z`, as a signature names the second.
    #[cfg(feature = "sigv4")]
    pub(crate) fn basic(self) -> String {
        let Self {
            hour,
            minute,
            second,
            ..
        } = self;
        let date = self.basic_date();
        format!("{date}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// `2026-01-02 03:04:05 UTC`.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC"
        )
    }
}

/// Seconds since 1970-01-01 00:00:00 UTC; zero for times before.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The time so many seconds after 1970-01-01 00:00:00 UTC.
#[cfg(any(feature = "_rustls", feature = "websocket", test))]
pub(crate) fn from_seconds(seconds: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(core::time::Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH)
}

/// The day so many days after 1970-01-01, in the Gregorian calendar: years of 400-year eras that
/// begin in March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// The other way round; months from 1, days from 1. `None` before 1970 or if there is no such
/// month or day in any year.
#[cfg(any(feature = "_rustls", feature = "websocket", test))]
pub(crate) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era.checked_mul(146_097)? + day_of_era).checked_sub(719_468)
}

/// Seconds of a day.
pub(crate) const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_767_323_045, "2026-01-02 03:04:05 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(Utc::new(from_seconds(seconds)).to_string(), text);
        }
        let before = UNIX_EPOCH - core::time::Duration::from_secs(5);
        assert_eq!(Utc::new(before).to_string(), "1970-01-01 00:00:00 UTC");
    }

    #[test]
    fn every_day_comes_back() {
        for day in 0..200_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
        assert_eq!(days(1969, 12, 31), None);
        assert_eq!(days(2026, 13, 1), None);
        assert_eq!(days(2026, 1, 0), None);
    }

    #[cfg(feature = "sigv4")]
    #[test]
    fn basic_forms() {
        let time = Utc::new(from_seconds(1_767_323_045));
        assert_eq!(time.basic_date(), "20260102");
        assert_eq!(time.basic(), "20260102T030405Z");
    }
}
