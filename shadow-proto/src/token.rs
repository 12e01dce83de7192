//! Client tokens: how an answer is told from those of others.

use crate::name::{MAX_CLIENT_TOKEN, MAX_TOKEN_PREFIX, NameError, NameKind, check, is_thing_byte};
use alloc::boxed::Box;
use core::{fmt, hash, num::NonZeroU8, str::FromStr};
use serde::{Deserialize, Serialize};

/// What a client writes into a request so that it can tell the answer: at most 64 bytes of UTF-8.
///
/// Held inline, so making and matching one allocates nothing.
#[derive(Clone, Copy)]
pub struct ClientToken {
    /// So that a token that may be missing takes no more room than one.
    length: NonZeroU8,
    /// Zero after its end.
    words: [[u8; 8]; MAX_CLIENT_TOKEN / 8],
}

impl ClientToken {
    /// A token of the caller's own spelling.
    ///
    /// # Errors
    /// [`NameError`] if it is empty or longer than 64 bytes.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let kind = NameKind::ClientToken;
        Self::read(text).ok_or(match text.len() {
            0 => NameError::Empty { kind },
            length => NameError::TooLong {
                kind,
                length,
                max: MAX_CLIENT_TOKEN,
            },
        })
    }

    /// One that another client may have chosen. `None` if it is empty or longer than 64 bytes.
    ///
    /// Word by word, in registers: a token is copied right after, which would have to wait for what was written
    /// otherwise.
    #[inline]
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let length = NonZeroU8::new(u8::try_from(text.len()).ok()?)?;
        if text.len() > MAX_CLIENT_TOKEN {
            return None;
        }
        let mut chunks = text.chunks_exact(8);
        let mut rest = last_word(text, chunks.remainder());
        let words = core::array::from_fn(|_| match chunks.next() {
            Some(chunk) => chunk.try_into().unwrap_or_default(),
            None => core::mem::take(&mut rest),
        });
        Some(Self { length, words })
    }

    /// `prefix`, a hyphen, `counter` and a point and `slot`, both by the [`DIGITS`]. It always
    /// fits: 40 + 1 + 11 + 1 + 4 bytes.
    pub(crate) fn generate(prefix: &TokenPrefix, counter: u64, slot: u32) -> Self {
        debug_assert!(slot < 1 << 24, "slots are bounded by the configuration");
        let slot = Digits::of(u64::from(slot)).after(b'.');
        match counter < 1 << 42 {
            true => prefix.start.then(Digits::of(counter), slot),
            false => Self::generate_long(prefix, counter, slot),
        }
    }

    #[cold]
    fn generate_long(prefix: &TokenPrefix, counter: u64, slot: Digits) -> Self {
        let mut token = prefix.start;
        token.append(Digits::of(counter >> 42));
        token.append(Digits::seven_of(counter % (1 << 42)));
        token.append(slot);
        token
    }

    /// Appends both. Word by word, in registers: a token is copied right after, which would have to wait for what
    /// was written otherwise.
    #[inline]
    fn then(&self, one: Digits, two: Digits) -> Self {
        let (low, high) = shifted(two.text, one.length);
        let length = self.length.get();
        let (low, middle) = shifted(low | one.text, length % 8);
        let (over, high) = shifted(high, length % 8);
        let mut ahead = (length / 8) as i8;
        let words = self.words.map(|word| {
            let more = match ahead {
                0 => low,
                -1 => middle | over,
                -2 => high,
                _ => 0,
            };
            ahead -= 1;
            (u64::from_le_bytes(word) | more).to_le_bytes()
        });
        Self {
            length: self.length.saturating_add(one.length + two.length),
            words,
        }
    }

    fn append(&mut self, digits: Digits) {
        let length = usize::from(self.length.get());
        let place = self.words.as_flattened_mut().iter_mut().skip(length);
        let text = digits.text.to_le_bytes();
        for (byte, digit) in place.zip(text).take(digits.length.into()) {
            *byte = digit;
            self.length = self.length.saturating_add(1);
        }
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let length = usize::from(self.length.get());
        self.words.as_flattened().get(..length).unwrap_or_default()
    }
}

/// Some bytes of a token, eight at most, the first of them lowest.
#[derive(Clone, Copy)]
struct Digits {
    text: u64,
    length: u8,
}

impl Digits {
    const NONE: Self = Self { text: 0, length: 0 };

    /// A number below 2^48.
    #[inline]
    fn of(mut number: u64) -> Self {
        let mut digits = Self::NONE;
        loop {
            digits = digits.after(digit(number));
            number >>= 6;
            if number == 0 {
                return digits;
            }
        }
    }

    /// A number below 2^42, with the zeros that it begins with.
    fn seven_of(number: u64) -> Self {
        let places = 0..7;
        places.fold(Self::NONE, |digits, place| {
            digits.after(digit(number >> (6 * place)))
        })
    }

    #[inline]
    fn after(self, byte: u8) -> Self {
        Self {
            text: self.text << 8 | u64::from(byte),
            length: self.length + 1,
        }
    }
}

/// The last bytes of a text as a word: what is left after whole ones, and then zero.
#[inline]
fn last_word(text: &[u8], rest: &[u8]) -> [u8; 8] {
    let bits = 8 * rest.len() as u32;
    let word = match text.last_chunk() {
        // Of no bytes that are left, none is.
        Some(last) => u64::from_le_bytes(*last).checked_shr(64 - bits),
        None => Some(
            rest.iter()
                .rfold(0, |word, byte| word << 8 | u64::from(*byte)),
        ),
    };
    word.unwrap_or_default().to_le_bytes()
}

/// A word behind so many bytes, seven at most, and what is carried into the next one.
#[inline]
fn shifted(word: u64, bytes: u8) -> (u64, u64) {
    let bits = u32::from(bytes % 8 * 8);
    (word << bits, word >> 1 >> (63 - bits))
}

/// The digit for the lowest six bits.
#[inline]
fn digit(number: u64) -> u8 {
    let digit = DIGITS.get((number % 64) as usize);
    digit.copied().unwrap_or_default()
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
        start.append(Digits::NONE.after(b'-'));
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

    /// Whether a token of this prefix may begin like that.
    #[inline]
    pub(crate) fn begins(&self, head: &[u8]) -> bool {
        let start = self.start.words.as_flattened().get(..head.len());
        start.is_some_and(|start| same(head, start))
    }
}

/// The slot that a generated token with this end names. Of another token it says nothing.
#[inline]
pub(crate) fn slot_in(end: u128) -> usize {
    let (mut slot, mut rest) = (0, end as u64);
    for place in 0..4 {
        let value = VALUES.get((rest & 0xff) as usize);
        match value {
            Some(value) if *value != NO_DIGIT => slot |= usize::from(*value) << (6 * place),
            Some(_) | None => break,
        }
        rest >>= 8;
    }
    slot
}

/// Whether two texts of one length are the same; looks at eight bytes at a time.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(last), Some(of_other)) => {
            let mut words = one.chunks_exact(8).zip(other.chunks_exact(8));
            let word = |chunk: &[u8]| chunk.try_into().map_or(0, u64::from_ne_bytes);
            last == of_other && words.all(|(one, other)| word(one) == word(other))
        }
        _ => one.iter().eq(other),
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
/// Only the spelling that [`Digits`] writes: a second spelling would be a foreign token.
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
        let every = if cfg!(miri) { 7 } else { 1 };
        let slots = (0..24)
            .step_by(every)
            .flat_map(|bit| [(1 << bit) - 1, 1 << bit]);
        for slot in slots.chain([(1 << 24) - 1]) {
            let counters = (0..64)
                .step_by(every)
                .flat_map(|bit| [(1 << bit) - 1, 1 << bit]);
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
    fn tokens_are_recognised_by_both_ends() {
        for length in (1..=40).step_by(if cfg!(miri) { 13 } else { 1 }) {
            let prefix = TokenPrefix::new(&"p".repeat(length)).unwrap();
            let numbers = [1, 63, 64, 4095, 4096, 262_143, 262_144, (1 << 24) - 1];
            for (counter, slot) in numbers.into_iter().flat_map(|n| numbers.map(|m| (n, m))) {
                let token = ClientToken::generate(&prefix, counter, slot as u32);
                let bytes = token.as_bytes();
                let Some((head, end)) = bytes.split_last_chunk() else {
                    assert!(bytes.len() < 16, "{token}");
                    continue;
                };
                assert_eq!(slot_in(u128::from_be_bytes(*end)), slot as usize, "{token}");
                assert!(prefix.begins(head), "{token}");
                for at in 0..head.len() {
                    let mut other = head.to_vec();
                    other[at] ^= 1;
                    assert!(!prefix.begins(&other), "{other:?}");
                }
            }
        }
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
    fn client_tokens_are_kept_as_they_are() {
        let text = "0123456789abcdefghijklmnopqrstuvwxyz-:_ABCDEFGHIJKLMNOPQRSTUVWXYZ!";
        for length in 1..=64 {
            let text = text.get(..length).unwrap();
            let token = ClientToken::new(text).unwrap();
            assert_eq!(token.as_str(), text);
            let bytes = token.words.as_flattened();
            assert!(bytes.iter().skip(length).all(|byte| *byte == 0), "{text}");
        }
        for text in [65, 256, 257, 300].map(|length| "t".repeat(length)) {
            assert!(matches!(
                ClientToken::new(&text),
                Err(NameError::TooLong { length, .. }) if length == text.len()
            ));
        }
        assert!(matches!(ClientToken::new(""), Err(NameError::Empty { .. })));
    }

    #[test]
    fn client_tokens_count_bytes() {
        assert!(ClientToken::new(&"é".repeat(32)).is_ok());
        assert!(ClientToken::new(&"é".repeat(33)).is_err());
    }
}
