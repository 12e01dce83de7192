//! The words of a command line, and what they can be read as.

use alloc::vec::IntoIter;
use core::{fmt, time::Duration};
use std::ffi::OsString;

use crate::backoff::Reconnect;

/// What is wrong with a command line, in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlagError(Box<str>);

impl FlagError {
    /// An error in these words.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for FlagError {}

/// The words of a command line: flags as `--flag value` or `--flag=value`, and what is none.
#[derive(Clone)]
pub struct Words {
    words: IntoIter<OsString>,
    flag: String,
    /// The value that came with the flag, until it is taken.
    inline: Option<String>,
}

impl Words {
    /// The words after the program's name.
    pub fn new(words: impl Iterator<Item = OsString>) -> Self {
        Self {
            words: words.collect::<Vec<_>>().into_iter(),
            flag: String::new(),
            inline: None,
        }
    }

    /// The next flag, without a value that came with it, and with dashes in place of underscores;
    /// or the next word that is no flag, as it is. `None` at the end.
    ///
    /// # Errors
    /// The flag before came with a value that nobody took.
    pub fn next_flag(&mut self) -> Result<Option<String>, FlagError> {
        if self.inline.is_some() {
            return Err(FlagError::new(format!("{} takes no value", self.flag)));
        }
        let Some(word) = self.words.next() else {
            return Ok(None);
        };
        // What is not UTF-8 is no flag that anyone knows.
        let word = word.to_string_lossy().into_owned();
        (self.flag, self.inline) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (dashed(flag), Some(value.to_owned())),
            _ if word.starts_with("--") => (dashed(&word), None),
            _ => (word, None),
        };
        Ok(Some(self.flag.clone()))
    }

    /// The value of the flag that came last. One that begins with two dashes can only be given as
    /// `--flag=--value`: otherwise the value was forgotten.
    ///
    /// # Errors
    /// There is none, or it is not UTF-8.
    pub fn value(&mut self) -> Result<String, FlagError> {
        let flag = &self.flag;
        let needs = || FlagError::new(format!("{flag} needs a value"));
        let value = match self.inline.take() {
            Some(value) => value,
            None => {
                let next = self.words.as_slice().first().ok_or_else(needs)?;
                if next.to_string_lossy().starts_with("--") {
                    return Err(needs());
                }
                let word = self.words.next().unwrap_or_default();
                word.to_string_lossy().into_owned()
            }
        };
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(FlagError::new(format!("{flag} {value:?}: not UTF-8")));
        }
        Ok(value)
    }

    /// The value of the flag that came last, as a number or anything else that is read from text;
    /// `what` says what it has to be, as in `a number`.
    ///
    /// # Errors
    /// There is none, or it cannot be read so.
    pub fn parsed<T: core::str::FromStr>(&mut self, what: &str) -> Result<T, FlagError> {
        let value = self.value()?;
        let wrong = |_| FlagError::new(format!("{} {value}: not {what}", self.flag));
        value.parse().map_err(wrong)
    }

    /// The value of the flag that came last, as a time in seconds, with decimals.
    ///
    /// # Errors
    /// There is none, or it is not a number of seconds, or too large.
    pub fn seconds(&mut self) -> Result<Duration, FlagError> {
        let value = self.value()?;
        seconds(&value).ok_or_else(|| no_seconds(&self.flag, &value))
    }

    /// Says that nobody knows the flag or word that came last.
    #[must_use]
    pub fn unknown(&self) -> FlagError {
        FlagError::new(format!("unknown argument {}; --help lists them", self.flag))
    }
}

/// A value can be a secret.
impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words")
            .field("flag", &self.flag)
            .finish_non_exhaustive()
    }
}

fn dashed(flag: &str) -> String {
    flag.replace('_', "-")
}

pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port != 0)
}

/// A time that is not zero.
pub(super) fn timeout(flag: &str, text: &str) -> Result<Duration, FlagError> {
    match seconds(text) {
        Some(Duration::ZERO) => Err(FlagError::new(format!(
            "{flag} {text}: it has to be longer than nothing"
        ))),
        Some(length) => Ok(length),
        None => Err(no_seconds(flag, text)),
    }
}

/// `BASE,MAX,STABLE`.
pub(super) fn backoff(flag: &str, text: &str) -> Result<Reconnect, FlagError> {
    let wrong = |what: &str| FlagError::new(format!("{flag} {text}: {what}"));
    let parts: Option<Vec<Duration>> = text.split(',').map(|part| seconds(part.trim())).collect();
    match parts.as_deref() {
        Some([base, _, _]) if base.is_zero() => Err(wrong("BASE has to be longer than nothing")),
        Some([base, max, _]) if base > max => Err(wrong("BASE is longer than MAX")),
        Some([base, max, stable]) => Ok(Reconnect::new(*base, *max, *stable)),
        _ => Err(wrong("expected BASE,MAX,STABLE in seconds, as in 1,32,20")),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn no_seconds(flag: &str, text: &str) -> FlagError {
    FlagError::new(format!("{flag} {text}: not a number of seconds"))
}
