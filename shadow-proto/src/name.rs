//! Names that are legal by construction: things, shadows, client tokens, topic prefixes.

use alloc::{borrow::ToOwned, boxed::Box};
use core::fmt;
use serde::{Deserialize, Serialize};

mod shadow_id;

pub use shadow_id::ShadowId;

/// Longest thing name, in bytes (AWS IoT quotas).
///
/// ```
/// use shadow_proto::{MAX_SHADOW_NAME, MAX_THING_NAME, ShadowId};
///
/// let (thing, shadow) = ("t".repeat(MAX_THING_NAME), "s".repeat(MAX_SHADOW_NAME));
/// assert!(ShadowId::named(&thing, &shadow).is_ok());
/// assert!(ShadowId::named(&thing, &(shadow + "s")).is_err());
/// ```
pub const MAX_THING_NAME: usize = 128;
/// Longest shadow name, in bytes (AWS IoT quotas).
pub const MAX_SHADOW_NAME: usize = 64;
/// Longest client token, in bytes of UTF-8 (AWS IoT developer guide, shadow error messages).
///
/// ```
/// use shadow_proto::{ClientToken, MAX_CLIENT_TOKEN, MAX_TOKEN_PREFIX, TokenPrefix};
///
/// assert!(ClientToken::new(&"t".repeat(MAX_CLIENT_TOKEN)).is_ok());
/// // A prefix leaves room for what the client puts behind it.
/// assert!(TokenPrefix::new(&"p".repeat(MAX_TOKEN_PREFIX)).is_ok());
/// assert!(TokenPrefix::new(&"p".repeat(MAX_TOKEN_PREFIX + 1)).is_err());
/// ```
pub const MAX_CLIENT_TOKEN: usize = 64;
/// Longest token prefix, in bytes: leaves room for the counter within [`MAX_CLIENT_TOKEN`].
pub const MAX_TOKEN_PREFIX: usize = 40;

/// Checks a thing name: 1 to 128 of `a-z A-Z 0-9 : _ -`.
///
/// # Errors
/// [`NameError`] that says what is wrong.
pub fn check_thing_name(name: &str) -> Result<(), NameError> {
    check(NameKind::Thing, name, MAX_THING_NAME, is_thing_byte)
}

/// Checks a shadow name: 1 to 64 of `a-z A-Z 0-9 : _ - $`.
///
/// # Errors
/// [`NameError`] that says what is wrong.
pub fn check_shadow_name(name: &str) -> Result<(), NameError> {
    check(NameKind::Shadow, name, MAX_SHADOW_NAME, is_shadow_byte)
}

pub(crate) fn check(
    kind: NameKind,
    name: &str,
    max: usize,
    legal: fn(u8) -> bool,
) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if name.len() > max {
        return Err(NameError::TooLong {
            kind,
            length: name.len(),
            max,
        });
    }
    match name
        .char_indices()
        .find(|(_, c)| !u8::try_from(*c).is_ok_and(legal))
    {
        None => Ok(()),
        Some((at, character)) => Err(NameError::BadCharacter {
            kind,
            character,
            at,
        }),
    }
}

/// Whether it is a legal thing name.
#[inline]
pub(crate) fn is_thing(name: &str) -> bool {
    (1..=MAX_THING_NAME).contains(&name.len()) && are_in(name, THING)
}

/// Whether it is a legal shadow name.
#[inline]
pub(crate) fn is_shadow(name: &str) -> bool {
    (1..=MAX_SHADOW_NAME).contains(&name.len()) && are_in(name, SHADOW)
}

pub(crate) fn is_thing_byte(byte: u8) -> bool {
    bits(byte) & THING != 0
}

fn is_shadow_byte(byte: u8) -> bool {
    bits(byte) & SHADOW != 0
}

/// Four bytes between two branches, the last four once more if need be: names are legal as a rule.
#[inline(always)]
fn are_in(name: &str, names: u8) -> bool {
    let all = |bytes: &[u8]| bytes.iter().fold(names, |all, byte| all & bits(*byte)) != 0;
    match name.as_bytes().last_chunk::<4>() {
        Some(last) => name.as_bytes().chunks_exact(4).all(all) && all(last),
        None => all(name.as_bytes()),
    }
}

/// The names that may hold the byte.
fn bits(byte: u8) -> u8 {
    BYTES.get(usize::from(byte)).copied().unwrap_or(0)
}

const THING: u8 = 1;
const SHADOW: u8 = 2;

/// Which bytes names are made of.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler evaluates it, and every index is a byte"
)]
static BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut rest: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-";
    while let [byte, others @ ..] = rest {
        table[*byte as usize] = THING | SHADOW;
        rest = others;
    }
    table[b'$' as usize] = SHADOW;
    table
};

/// The first level or levels of every shadow topic: `$aws` on AWS, something else on a broker
/// that reserves `$` topics for itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Box<str>")]
pub struct TopicPrefix(Box<str>);

impl TryFrom<Box<str>> for TopicPrefix {
    type Error = NameError;

    fn try_from(prefix: Box<str>) -> Result<Self, NameError> {
        Self::new(&prefix)
    }
}

impl TopicPrefix {
    /// The prefix AWS IoT Core uses.
    pub const AWS: &'static str = "$aws";

    /// Checks a prefix.
    ///
    /// # Errors
    /// [`NameError`] if it is empty, longer than 128 bytes, begins or ends with `/`, or holds
    /// `+`, `#` or a control character.
    pub fn new(prefix: &str) -> Result<Self, NameError> {
        let kind = NameKind::TopicPrefix;
        if prefix.is_empty() {
            return Err(NameError::Empty { kind });
        }
        if prefix.len() > MAX_THING_NAME {
            return Err(NameError::TooLong {
                kind,
                length: prefix.len(),
                max: MAX_THING_NAME,
            });
        }
        let edge = |at: usize| at == 0 || at + 1 == prefix.len();
        let bad =
            |at: usize, c: char| matches!(c, '+' | '#') || c.is_control() || (c == '/' && edge(at));
        match prefix.char_indices().find(|(at, c)| bad(*at, *c)) {
            None => Ok(Self(prefix.to_owned().into())),
            Some((at, character)) => Err(NameError::BadCharacter {
                kind,
                character,
                at,
            }),
        }
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TopicPrefix {
    fn default() -> Self {
        Self(Self::AWS.into())
    }
}

/// Which name a [`NameError`] is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameKind {
    /// A thing name.
    Thing,
    /// The name of a named shadow.
    Shadow,
    /// A client token.
    ClientToken,
    /// The prefix of generated client tokens.
    TokenPrefix,
    /// The prefix of all topics.
    TopicPrefix,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thing => "thing name",
            Self::Shadow => "shadow name",
            Self::ClientToken => "client token",
            Self::TokenPrefix => "token prefix",
            Self::TopicPrefix => "topic prefix",
        })
    }
}

/// Why a name is not legal.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters.
    Empty {
        /// Which name.
        kind: NameKind,
    },
    /// It has too many bytes.
    TooLong {
        /// Which name.
        kind: NameKind,
        /// Its length in bytes.
        length: usize,
        /// The greatest legal length in bytes.
        max: usize,
    },
    /// It holds a character that the service does not allow there.
    BadCharacter {
        /// Which name.
        kind: NameKind,
        /// The first such character.
        character: char,
        /// Its position in bytes.
        at: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { kind } => write!(f, "the {kind} is empty"),
            Self::TooLong { kind, length, max } => {
                write!(
                    f,
                    "the {kind} has {length} bytes, at most {max} are allowed"
                )
            }
            Self::BadCharacter {
                kind,
                character,
                at,
            } => {
                write!(f, "the {kind} holds {character:?} at byte {at}")?;
                match kind {
                    NameKind::Thing | NameKind::TokenPrefix => {
                        f.write_str("; allowed are a-z A-Z 0-9 : _ -")
                    }
                    NameKind::Shadow => f.write_str("; allowed are a-z A-Z 0-9 : _ - $"),
                    NameKind::ClientToken | NameKind::TopicPrefix => Ok(()),
                }
            }
        }
    }
}

impl core::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(ShadowId::classic(&"a".repeat(128)).is_ok());
        assert!(matches!(
            ShadowId::classic(&"a".repeat(129)),
            Err(NameError::TooLong { length: 129, .. })
        ));
        assert!(matches!(
            ShadowId::classic(""),
            Err(NameError::Empty { .. })
        ));
        assert!(matches!(
            ShadowId::classic("a$b"),
            Err(NameError::BadCharacter {
                character: '$',
                at: 1,
                ..
            })
        ));
        assert!(ShadowId::named("a", "$b").is_ok());
        assert!(ShadowId::named("a", &"b".repeat(65)).is_err());
        assert!(ShadowId::classic("lämp").is_err());
    }

    #[test]
    fn topic_prefixes_are_checked() {
        for good in ["$aws", "site/1", "é"] {
            assert!(TopicPrefix::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/+", "a#", "a\0"] {
            assert!(TopicPrefix::new(bad).is_err(), "{bad}");
        }
    }
}
