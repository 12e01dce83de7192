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

    /// `prefix`, a hyphen, `counter` and a point and `slot`, both in hexadecimal. It always
    /// fits: 40 + 1 + 16 + 1 + 6 bytes.
    pub(crate) fn generate(prefix: &TokenPrefix, counter: u64, slot: u32) -> Self {
        debug_assert!(slot < 1 << 24, "slots are bounded by the configuration");
        let mut token = Self {
            length: 0,
            bytes: [0; MAX_CLIENT_TOKEN],
        };
        for byte in prefix.as_str().bytes() {
            token.push(byte);
        }
        token.push(b'-');
        token.push_hex(counter);
        token.push(b'.');
        token.push_hex(u64::from(slot));
        token
    }

    fn push_hex(&mut self, number: u64) {
        let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            let nibble = (number >> (digit * 4)) as u8 & 0xf;
            self.push(if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' + nibble - 10
            });
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
        let bytes = self
            .bytes
            .get(..usize::from(self.length))
            .unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl PartialEq for ClientToken {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
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
        self.as_str().cmp(other.as_str())
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Box<str>")]
pub struct TokenPrefix(Box<str>);

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
        Ok(Self(prefix.into()))
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The counter and slot of a token that this prefix generated.
    pub(crate) fn read(&self, token: &str) -> Option<(u64, u32)> {
        let rest = token.strip_prefix(&*self.0)?.strip_prefix('-')?;
        let (counter, slot) = rest.split_once('.')?;
        Some((
            read_hex(counter, 16)?,
            u32::try_from(read_hex(slot, 6)?).ok()?,
        ))
    }
}

fn read_hex(text: &str, max: usize) -> Option<u64> {
    // Only the spelling that `push_hex` writes: a second spelling would be a foreign token.
    if text.is_empty() || text.len() > max || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, byte| {
        let nibble = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) + u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn tokens_are_read_back() {
        let prefix = TokenPrefix::new(&"p".repeat(40)).unwrap();
        for (counter, slot) in [(0, 0), (1, 15), (9, 10), (u64::MAX, (1 << 24) - 1)] {
            let token = ClientToken::generate(&prefix, counter, slot);
            assert!(token.as_str().len() <= MAX_CLIENT_TOKEN);
            assert_eq!(prefix.read(token.as_str()), Some((counter, slot)));
        }
        let prefix = TokenPrefix::new("p").unwrap();
        assert_eq!(
            ClientToken::generate(&prefix, 255, 16).to_string(),
            "p-ff.10"
        );
        assert_eq!(ClientToken::generate(&prefix, 9, 10).to_string(), "p-9.a");
        for foreign in [
            "p",
            "p-",
            "p-1",
            "p-01.0",
            "p-1.00",
            "p-G.0",
            "q-1.0",
            "p-1.0000000",
            "p-+1.0",
            "p-.0",
            "p-1.",
            "p-10000000000000000.0",
        ] {
            assert_eq!(prefix.read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn client_tokens_count_bytes() {
        assert!(ClientToken::new(&"é".repeat(32)).is_ok());
        assert!(ClientToken::new(&"é".repeat(33)).is_err());
    }
}
