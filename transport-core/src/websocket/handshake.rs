//! The request for a WebSocket and its answer: RFC 6455, section 4, and MQTT 5, section 6.

use core::fmt::Write as _;
use std::time::SystemTime;

use bytes::BytesMut;

use super::error::{UpgradeError, WebSocketError};
use crate::{
    calendar,
    http::{Head, HeadError, HeadReader},
    random::random_bits,
    secret::Secret,
    text::base64,
};

/// What is asked for. `Debug` shows neither query nor headers.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The Host header.
    pub(crate) host: Box<str>,
    /// Path and query.
    pub(crate) target: Secret,
    /// Headers beside those that a WebSocket needs; checked already.
    pub(crate) headers: Vec<(Box<str>, Secret)>,
    /// What this machine's clock says.
    pub(crate) now: SystemTime,
}

/// Waits for the answer.
pub(super) struct Handshake {
    accept: String,
    reader: HeadReader,
    now: SystemTime,
}

impl Handshake {
    /// Gives the request, too.
    pub(super) fn new(request: Request) -> (Self, BytesMut) {
        let nonce = [random_bits().to_le_bytes(), random_bits().to_le_bytes()].concat();
        let key = base64(&nonce);
        let mut text = String::new();
        let Request { host, target, .. } = &request;
        let _ = write!(
            text,
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {PROTOCOL}\r\n",
            target.expose()
        );
        for (name, value) in &request.headers {
            let _ = write!(text, "{name}: {}\r\n", value.expose());
        }
        text.push_str("\r\n");
        let handshake = Self {
            accept: accept(&key),
            reader: HeadReader::default(),
            now: request.now,
        };
        (handshake, BytesMut::from(text.as_bytes()))
    }

    /// Takes bytes; once the WebSocket is open, gives those that came after the answer.
    pub(super) fn handle_bytes(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<BytesMut>, WebSocketError> {
        match self.reader.handle_bytes(bytes) {
            Ok(None) => Ok(None),
            Ok(Some((head, rest))) => {
                self.check(&head)?;
                Ok(Some(rest))
            }
            Err(HeadError::TooLong) => Err(UpgradeError::TooLong.into()),
            Err(HeadError::NotHttp) => Err(UpgradeError::NotHttp.into()),
        }
    }

    fn check(&self, head: &Head) -> Result<(), UpgradeError> {
        if head.status != 101 {
            return Err(UpgradeError::Refused {
                status: head.status,
                reason: head.reason.clone(),
                kind: head.header("x-amzn-errortype").map(crate::http::printable),
                server_time: head.header("date").and_then(date),
                now: self.now,
            });
        }
        let upgraded = head.has_token("upgrade", "websocket")
            && head.has_token("connection", "upgrade")
            && head.header("sec-websocket-accept") == Some(&self.accept)
            && head.header("sec-websocket-extensions").is_none();
        if !upgraded {
            return Err(UpgradeError::NotWebSocket);
        }
        if head.header("sec-websocket-protocol") != Some(PROTOCOL) {
            return Err(UpgradeError::NotMqtt);
        }
        Ok(())
    }
}

/// What the server makes of the key, to show that it understood.
fn accept(key: &str) -> String {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID.as_bytes());
    base64(&hash.digest().bytes())
}

/// The time in a Date header: `Fri, 02 Jan 2026 03:04:05 GMT`. The two older forms are not read:
/// the time is used for a hint alone.
fn date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day = number(words.next()?)?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year = number(words.next()?)?;
    let mut clock = words.next()?.split(':').map(number);
    let mut next = || clock.next().flatten();
    let (hour, minute, second) = (next()?, next()?, next()?);
    if year > 9999 || hour > 23 || minute > 59 || second > 60 || words.next()? != "GMT" {
        return None;
    }
    let days = calendar::days(year, month, day)?;
    let seconds = days * calendar::DAY + hour * 3600 + minute * 60 + second;
    Some(calendar::from_seconds(seconds))
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

const PROTOCOL: &str = "mqtt";

/// For tests: what a server answers to a request.
#[cfg(test)]
pub(super) fn accept_of(request: &[u8]) -> String {
    let text = core::str::from_utf8(request).unwrap();
    let key = text.split("Sec-WebSocket-Key: ").nth(1).unwrap();
    accept(key.split('\r').next().unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Utc;

    fn request() -> Request {
        Request {
            host: "h:8080".into(),
            target: Secret::new("/mqtt?a=b"),
            headers: vec![("x-one".into(), Secret::new("1"))],
            now: calendar::from_seconds(1_767_323_045 + 4000),
        }
    }

    #[test]
    fn requests() {
        let (_, output) = Handshake::new(request());
        let text = core::str::from_utf8(&output).unwrap();
        let (before, rest) = text.split_once("Sec-WebSocket-Key: ").unwrap();
        let (key, after) = rest.split_once("\r\n").unwrap();
        assert_eq!(
            before,
            "GET /mqtt?a=b HTTP/1.1\r\nHost: h:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        );
        assert_eq!((key.len(), key.ends_with("==")), (24, true));
        assert_eq!(
            after,
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\nx-one: 1\r\n\r\n"
        );
        assert_ne!(Handshake::new(request()).1, output);
    }

    /// RFC 6455, section 1.3.
    #[test]
    fn the_key_of_the_rfc() {
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn answers() {
        let good = |accept: &str| {
            format!(
                "HTTP/1.1 101 x\r\nupgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\n\
                 sec-websocket-accept: {accept}\r\nsec-websocket-protocol: mqtt\r\n\r\nrest"
            )
        };
        let (mut handshake, _) = Handshake::new(request());
        let rest = handshake.handle_bytes(good(&handshake.accept.clone()).as_bytes());
        assert_eq!(&rest.unwrap().unwrap()[..], b"rest");

        let error = |answer: &dyn Fn(&str) -> String| {
            let (mut handshake, _) = Handshake::new(request());
            let answer = answer(&handshake.accept);
            match handshake.handle_bytes(answer.as_bytes()) {
                Err(WebSocketError::Upgrade(error)) => error,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(error(&|_| good("x")), UpgradeError::NotWebSocket);
        for (what, instead) in [
            ("upgrade: WebSocket\r\n", ""),
            ("Upgrade\r\nsec", "close\r\nsec"),
            ("\r\n\r\n", "\r\nsec-websocket-extensions: x\r\n\r\n"),
        ] {
            let answer = |accept: &str| good(accept).replace(what, instead);
            assert_eq!(error(&answer), UpgradeError::NotWebSocket, "{what}");
        }
        for instead in ["", "sec-websocket-protocol: amqp\r\n"] {
            let what = "sec-websocket-protocol: mqtt\r\n";
            let answer = |accept: &str| good(accept).replace(what, instead);
            assert_eq!(error(&answer), UpgradeError::NotMqtt);
        }
        let refused = error(&|_| {
            "HTTP/1.1 403 Forbidden\r\nx-amzn-ErrorType: ForbiddenException\r\n\
             Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n\r\n"
                .into()
        });
        assert!(refused.clock_may_be_wrong() && !refused.is_permanent());
        assert_eq!(
            refused.to_string(),
            "the server refused the WebSocket: 403 Forbidden (ForbiddenException); this machine's \
             clock says 2026-01-02 04:10:45 UTC, the server's 2026-01-02 03:04:05 UTC: set the clock"
        );
        let refused = error(&|_| "HTTP/1.1 403 Forbidden\r\n\r\n".into());
        assert!(refused.is_permanent());
        assert_eq!(
            refused.to_string(),
            "the server refused the WebSocket: 403 Forbidden; check the credentials and their \
             permissions"
        );
        assert!(!error(&|_| "HTTP/1.1 503 Busy\r\n\r\n".into()).is_permanent());
        assert_eq!(error(&|_| "SSH-2.0".into()), UpgradeError::NotHttp);
        let long = format!("HTTP/1.1 101 {}", "x".repeat(9000));
        assert_eq!(error(&|_| long.clone()), UpgradeError::TooLong);
    }

    #[test]
    fn dates() {
        let spelled = |text| date(text).map(|time| Utc::new(time).to_string());
        assert_eq!(
            spelled("Sun, 06 Nov 1994 08:49:37 GMT").as_deref(),
            Some("1994-11-06 08:49:37 UTC")
        );
        for bad in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999999999 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }
}
