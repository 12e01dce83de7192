//! Client tokens: how an answer is told from those of others.

use crate::name::{MAX_CLIENT_TOKEN, MAX_TOKEN_PREFIX, NameError, NameKind, check, is_thing_byte};
use alloc::boxed::Box;
use core::{fmt, hash, str::FromStr};
use serde::{Deserialize, Serialize};

/// What a client writes into a request so that it can tell the answer: at most 64 bytes of UTF-8.
///
/// Held inline, so making and matching one allocates nothing.
#[derive(Clone, Copy)]
pub struct ClientToken {
    length: u8,
    bytes: [u8; MAX_CLIENT_TOKEN],
}

impl ClientToken {
    /// A token of the caller's own spelling.
    ///
    /// # Errors
    /// [`NameError`] if it is empty or longer than 64 bytes.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let kind = NameKind::ClientToken;
        if text.is_empty() {
            return Err(NameError::Empty { kind });
        }
        let too_long = NameError::TooLong {
            kind,
            length: text.len(),
            max: MAX_CLIENT_TOKEN,
        };
        let mut bytes = [0; MAX_CLIENT_TOKEN];
        bytes
            .get_mut(..text.len())
            .ok_or(too_long)?
            .copy_from_slice(text.as_bytes());
        Ok(Self {
            length: text.len() as u8,
            bytes,
        })
    }

    /// `prefix`, a hyphen, `counter` and a point and `slot`, both by the [`DIGITS`]. It always
    /// fits: 40 + 1 + 11 + 1 + 4 bytes.
    pub(crate) fn generate(prefix: &TokenPrefix, counter: u64, slot: u32) -> Self {
        debug_assert!(slot < 1 << 24, "slots are bounded by the configuration");
        let mut token = prefix.start;
        token.push_number(counter);
        token.push(b'.');
        token.push_number(u64::from(slot));
        token
    }

    fn push_number(&mut self, number: u64) {
        let mut place = number.checked_ilog2().unwrap_or_default() / 6;
        loop {
            let digit = (number >> (place * 6)) as usize % DIGITS.len();
            self.push(DIGITS.get(digit).copied().unwrap_or_default());
            let Some(next) = place.checked_sub(1) else {
                return;
            };
            place = next;
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.length)) {
            *place = byte;
            self.length += 1;
        }
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        let length = usize::from(self.length);
        self.bytes.get(..length).unwrap_or_default()
    }
}

impl PartialEq for ClientToken {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ClientToken {}

impl PartialOrd for ClientToken {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClientToken {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl hash::Hash for ClientToken {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientToken({})", self.as_str())
    }
}

impl FromStr for ClientToken {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// What every token of one [`Client`](crate::Client) begins with.
///
/// It must differ between any two clients that could see each other's answers, and between two
/// starts of one program: the core has no entropy of its own, so adapters append 64 random bits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct TokenPrefix {
    /// With the hyphen: how each token starts.
    start: ClientToken,
}

impl fmt::Debug for TokenPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenPrefix({:?})", self.as_str())
    }
}

impl From<TokenPrefix> for Box<str> {
    fn from(prefix: TokenPrefix) -> Self {
        prefix.as_str().into()
    }
}

impl TryFrom<Box<str>> for TokenPrefix {
    type Error = NameError;

    fn try_from(prefix: Box<str>) -> Result<Self, NameError> {
        Self::new(&prefix)
    }
}

impl TokenPrefix {
    /// Checks a prefix.
    ///
    /// # Errors
    /// [`NameError`] unless it is 1 to 40 of `a-z A-Z 0-9 : _ -`.
    pub fn new(prefix: &str) -> Result<Self, NameError> {
        check(
            NameKind::TokenPrefix,
            prefix,
            MAX_TOKEN_PREFIX,
            is_thing_byte,
        )?;
        let mut start = ClientToken::new(prefix)?;
        start.push(b'-');
        Ok(Self { start })
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.start.as_str().strip_suffix('-').unwrap_or_default()
    }

    /// The counter and slot of a token that this prefix generated.
    pub(crate) fn read(&self, token: &str) -> Option<(u64, u32)> {
        let rest = token.as_bytes().strip_prefix(self.start.as_bytes())?;
        let (counter, rest) = read_number(rest, u64::BITS)?;
        let (slot, rest) = read_number(rest.strip_prefix(b".")?, 24)?;
        rest.is_empty().then_some((counter, slot as u32))
    }
}

/// Numbers in tokens are written to base 64: short on the wire.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// The value of each byte as a digit; [`NO_DIGIT`] if it is none.
#[expect(clippy::indexing_slicing, reason = "a byte has one of 256 values")]
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut rest: &[u8] = DIGITS;
    while let [fewer @ .., digit] = rest {
        values[*digit as usize] = fewer.len() as u8;
        rest = fewer;
    }
    values
};

const NO_DIGIT: u8 = u8::MAX;

/// The number of at most this many bits that `rest` begins with, and what follows it.
///
/// Only the spelling that `push_number` writes: a second spelling would be a foreign token.
fn read_number(rest: &[u8], bits: u32) -> Option<(u64, &[u8])> {
    let (mut number, mut rest) = read_digit(rest)?;
    let first = number;
    while let Some((value, tail)) = read_digit(rest) {
        if first == 0 || number >> (bits - 6) != 0 {
            return None;
        }
        number = number << 6 | value;
        rest = tail;
    }
    Some((number, rest))
}

#[inline]
fn read_digit(rest: &[u8]) -> Option<(u64, &[u8])> {
    let (digit, tail) = rest.split_first()?;
    let value = VALUES.get(usize::from(*digit)).copied()?;
    (value != NO_DIGIT).then_some((u64::from(value), tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn tokens_are_read_back() {
        let prefix = TokenPrefix::new(&"p".repeat(40)).unwrap();
        assert_eq!(prefix.as_str().len(), 40);
        let slots = (0..24).flat_map(|bit| [(1 << bit) - 1, 1 << bit]);
        for slot in slots.chain([(1 << 24) - 1]) {
            let counters = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]);
            for counter in counters.chain([u64::MAX]) {
                let token = ClientToken::generate(&prefix, counter, slot);
                assert!(token.as_str().len() <= 40 + 1 + 11 + 1 + 4);
                assert_eq!(prefix.read(token.as_str()), Some((counter, slot)));
            }
        }
        let prefix = TokenPrefix::new("p").unwrap();
        let token = |counter, slot| ClientToken::generate(&prefix, counter, slot).to_string();
        assert_eq!(token(9, 10), "p-9.A");
        assert_eq!(token(63, 64), "p-_.10");
        assert_eq!(token(4095, 61), "p-__.z");
        for foreign in [
            "p", "p-", "p-1", "p-01.0", "p-1.00", "p-$.0", "q-1.0", "p-+1.0", "p-.0", "p-1.",
            "p-1.0.", "p-1.0 ", "p-1..0", "p1.0",
        ] {
            assert_eq!(prefix.read(foreign), None, "{foreign}");
        }
        // The greatest numbers, and one more.
        assert_eq!(
            prefix.read("p-F__________.____"),
            Some((u64::MAX, (1 << 24) - 1))
        );
        assert_eq!(prefix.read("p-G0000000000.0"), None);
        assert_eq!(prefix.read("p-100000000000.0"), None);
        assert_eq!(prefix.read("p-1.10000"), None);
    }

    #[test]
    fn prefixes_are_kept_as_text() {
        let prefix = TokenPrefix::new("lamp-").unwrap();
        assert_eq!(prefix.as_str(), "lamp-");
        assert_eq!(alloc::format!("{prefix:?}"), r#"TokenPrefix("lamp-")"#);
        let json = serde_json::to_string(&prefix).unwrap();
        assert_eq!(json, r#""lamp-""#);
        assert_eq!(serde_json::from_str::<TokenPrefix>(&json).unwrap(), prefix);
        assert!(serde_json::from_str::<TokenPrefix>(r#""a b""#).is_err());
    }

    #[test]
    fn client_tokens_count_bytes() {
        assert!(ClientToken::new(&"é".repeat(32)).is_ok());
        assert!(ClientToken::new(&"é".repeat(33)).is_err());
    }
}
