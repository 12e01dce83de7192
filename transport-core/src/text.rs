//! Spellings of bytes as text.

use core::fmt::{self, Write as _};

/// Lower-case hexadecimal.
#[cfg(feature = "sigv4")]
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [digit(DIGITS, byte >> 4), digit(DIGITS, byte & 15)])
        .collect()
}

/// Percent-encoding of everything but the characters that RFC 3986 leaves alone, and `kept`.
pub(crate) struct Encoded<'a> {
    pub(crate) text: &'a str,
    /// Also left alone: `/` in a path.
    pub(crate) kept: &'a str,
}

/// Percent-encodes a part of a path, or a key or value of a query.
pub(crate) fn percent(text: &str) -> Encoded<'_> {
    Encoded { text, kept: "" }
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        for byte in self.text.bytes() {
            let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            if plain || self.kept.as_bytes().contains(&byte) {
                f.write_char(char::from(byte))?;
            } else {
                f.write_char('%')?;
                f.write_char(digit(DIGITS, byte >> 4))?;
                f.write_char(digit(DIGITS, byte & 15))?;
            }
        }
        Ok(())
    }
}

/// Whether a header can be sent: nothing in it may end the line.
#[cfg(any(feature = "websocket", feature = "rest"))]
pub(crate) fn is_header(name: &str, value: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let text = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    !name.is_empty() && name.bytes().all(token) && value.bytes().all(text)
}

/// The standard base64, padded.
#[cfg(any(feature = "http-proxy", feature = "websocket"))]
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        for (to, from) in padded.iter_mut().skip(1).zip(group) {
            *to = *from;
        }
        let bits = u32::from_be_bytes(padded);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let [_, _, _, low] = (bits >> shift).to_be_bytes();
            text.push(if index > group.len() {
                '='
            } else {
                digit(DIGITS, low & 63)
            });
        }
    }
    text
}

fn digit<const N: usize>(digits: &[u8; N], value: u8) -> char {
    char::from(digits.get(usize::from(value)).copied().unwrap_or(b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sigv4")]
    #[test]
    fn hexadecimal() {
        assert_eq!(hex(&[0x00, 0x9f, 0xff]), "009fff");
    }

    #[test]
    fn percent_encoding() {
        let all: String = (' '..='~').collect();
        assert_eq!(
            percent(&all).to_string(),
            "%20%21%22%23%24%25%26%27%28%29%2A%2B%2C-.%2F0123456789%3A%3B%3C%3D%3E%3F%40\
             ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60abcdefghijklmnopqrstuvwxyz%7B%7C%7D~"
        );
        assert_eq!(percent("é\r\n").to_string(), "%C3%A9%0D%0A");
        let path = Encoded {
            text: "/a%2F b",
            kept: "/",
        };
        assert_eq!(path.to_string(), "/a%252F%20b");
    }

    #[cfg(any(feature = "websocket", feature = "rest"))]
    #[test]
    fn headers() {
        assert!(is_header("X-Own_1", "a b=\"c\""));
        for (name, value) in [
            ("", "a"),
            ("a b", "c"),
            ("a:", "b"),
            ("a", "b\r\nc"),
            ("a", "é"),
        ] {
            assert!(!is_header(name, value), "{name:?} {value:?}");
        }
    }

    /// RFC 4648, section 10.
    #[cfg(any(feature = "http-proxy", feature = "websocket"))]
    #[test]
    fn base64_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
