//! The head of an HTTP/1.1 answer: of a proxy, or to the request for a WebSocket. Nothing else of
//! HTTP.

use bytes::BytesMut;

/// Collects bytes until the head is complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadReader {
    buffer: BytesMut,
}

/// A status line and headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// What the server says beside the number, for errors: short and printable.
    pub(crate) reason: Box<str>,
    /// Names in lower case.
    headers: Vec<(Box<str>, Box<str>)>,
}

/// Why bytes are no head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeadError {
    /// There is no end of it within [`HeadReader::LIMIT`].
    TooLong,
    /// It is not HTTP/1.
    NotHttp,
}

impl HeadReader {
    /// The most bytes a head can have.
    pub(crate) const LIMIT: usize = 8 * 1024;

    /// Takes bytes; gives the head once it is complete, and what came after it.
    pub(crate) fn handle_bytes(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(Head, BytesMut)>, HeadError> {
        // The end can begin in what was there before.
        let from = self.buffer.len().saturating_sub(3);
        self.buffer.extend_from_slice(bytes);
        // Said at once, so that nobody waits for the end of what is no HTTP.
        let start = self.buffer.get(..PREFIX.len()).unwrap_or(&self.buffer);
        if !PREFIX.starts_with(start) {
            return Err(HeadError::NotHttp);
        }
        let new = self.buffer.get(from..).unwrap_or_default();
        let end = new.windows(END.len()).position(|window| window == END);
        let Some(end) = end.map(|at| from + at + END.len()) else {
            let too_long = self.buffer.len() > Self::LIMIT;
            return if too_long {
                Err(HeadError::TooLong)
            } else {
                Ok(None)
            };
        };
        if end > Self::LIMIT {
            return Err(HeadError::TooLong);
        }
        let head = self.buffer.split_to(end);
        let head = Head::parse(&head).ok_or(HeadError::NotHttp)?;
        Ok(Some((head, self.buffer.split())))
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let (version, rest) = lines.next()?.split_once(' ')?;
        if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
            return None;
        }
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let digits = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        let status = status.parse().ok().filter(|_| digits)?;
        let mut headers = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            headers.push((name.to_ascii_lowercase().into(), value.trim().into()));
        }
        Some(Self {
            status,
            reason: printable(reason),
            headers,
        })
    }

    /// The first header of this name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| &**key == name);
        found.map(|(_, value)| &**value)
    }

    /// Whether a header that is a list of tokens has this one.
    #[cfg(feature = "websocket")]
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(key, _)| &**key == name)
            .flat_map(|(_, value)| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}

/// The peer's words, fit for a line of a log.
pub(crate) fn printable(text: &str) -> Box<str> {
    text.chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(100)
        .collect::<String>()
        .trim()
        .into()
}

const PREFIX: &[u8] = b"HTTP/1.";
const END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 Connection established\r\nVia: a\r\nX-Empty:\r\nVIA: b, Upgrade \r\n\r\nrest";

    #[test]
    fn any_chunking() {
        for size in 1..ANSWER.len() {
            let mut reader = HeadReader::default();
            let mut chunks = ANSWER.chunks(size);
            let (head, mut rest) = loop {
                let chunk = chunks.next().unwrap();
                if let Some(complete) = reader.handle_bytes(chunk).unwrap() {
                    break complete;
                }
            };
            for chunk in chunks {
                rest.extend_from_slice(chunk);
            }
            assert_eq!(head.status, 200);
            assert_eq!(&*head.reason, "Connection established");
            assert_eq!(head.header("via"), Some("a"));
            assert_eq!(head.header("x-empty"), Some(""));
            assert_eq!(head.header("x"), None);
            assert_eq!(&rest[..], b"rest");
        }
    }

    #[cfg(feature = "websocket")]
    #[test]
    fn tokens() {
        let (head, _) = HeadReader::default().handle_bytes(ANSWER).unwrap().unwrap();
        assert!(head.has_token("via", "upgrade") && head.has_token("via", "A"));
        assert!(!head.has_token("via", "grade"));
    }

    #[test]
    fn what_is_no_head() {
        let read = |bytes: &[u8]| HeadReader::default().handle_bytes(bytes);
        for bad in [
            &b"\x15\x03\x03"[..],
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 +20 OK\r\n\r\n",
            b"HTTP/1.15 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(read(bad), Err(HeadError::NotHttp), "{bad:?}");
        }
        let long = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'a'; 9000]].concat();
        assert_eq!(read(&long), Err(HeadError::TooLong));
        let ended = [&long[..], b"\r\n\r\n"].concat();
        assert_eq!(read(&ended), Err(HeadError::TooLong));
        let (head, _) = read(b"HTTP/1.0 407\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.status, &*head.reason), (407, ""));
    }

    #[test]
    fn reasons_are_made_printable() {
        assert_eq!(&*printable(" no\x1b[31m\t entry\u{7f}é "), "no[31m entry");
        assert_eq!(printable(&"x".repeat(500)).len(), 100);
    }
}
