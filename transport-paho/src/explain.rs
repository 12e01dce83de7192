//! What is behind the errors of the C library.

#[cfg(feature = "ssl")]
mod tls;

use alloc::sync::Arc;
use core::time::Duration;
use std::{
    io,
    net::{TcpStream, ToSocketAddrs as _},
    thread,
};

use paho_mqtt::{self as paho, PropertyCode};
use transport_core::{
    Attempt, ConnectError, DisconnectReason, OpenError, Plan,
    mqtt_session::{ConnectCode, Refusal},
};

#[cfg(feature = "ssl")]
use self::tls::handshake;
use crate::{
    inbox::{Epoch, Fact, Inbox},
    session::number,
};

/// What is known at once of a failed attempt, or else that more has to be found out.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the bindings have an error for everything; what cannot come is told in their words"
)]
pub(crate) fn known(error: &paho::Error, plan: &Plan) -> Option<ConnectError> {
    match error {
        paho::Error::ConnectReturn(code) => {
            let refusal = Refusal::new(ConnectCode::new(return_code(*code)));
            Some(ConnectError::Refused(Box::new(refusal)))
        }
        paho::Error::ReasonCode(code, properties) => {
            let mut refusal = Refusal::new(ConnectCode::new(number(*code)));
            refusal.reason_string = properties.get_string(PropertyCode::ReasonString);
            refusal.server_reference = properties.get_string(PropertyCode::ServerReference);
            Some(ConnectError::Refused(Box::new(refusal)))
        }
        paho::Error::TcpConnectTimeout | paho::Error::Timeout => Some(ConnectError::TimedOut),
        // With TLS 1.3 a client certificate is refused only after the handshake.
        paho::Error::TcpConnectCompletionFailure if plan.tls.is_none() => {
            Some(ConnectError::closed(DisconnectReason::TransportClosed))
        }
        paho::Error::TcpConnectCompletionFailure
        | paho::Error::TcpTlsConnectFailure
        | paho::Error::Failure
        | paho::Error::SocketError(_)
        | paho::Error::Disconnected
        | paho::Error::OperationIncomplete
        | paho::Error::ReceivedDisconnect(_) => None,
        error => Some(ConnectError::Open(plan.impossible(error.to_string()))),
    }
}

/// Looks on a thread of its own why an attempt failed, since the C library says "failure" to a
/// name that does not resolve, a port that is closed and a certificate that is not trusted.
pub(crate) fn find_out(
    inbox: &Arc<Inbox>,
    epoch: Epoch,
    attempt: Attempt,
    plan: Plan,
    error: &paho::Error,
) {
    let closed = matches!(error, paho::Error::TcpConnectCompletionFailure);
    let guess = match closed {
        true => ConnectError::closed(DisconnectReason::TransportClosed),
        false => ConnectError::Open(unknown(&plan)),
    };
    let work = {
        let (inbox, guess) = (Arc::clone(inbox), guess.clone());
        move || {
            let found = look(&attempt, &plan);
            let error = found.map_or(guess, ConnectError::Open);
            inbox.push(epoch, Fact::Explained(Box::new(error)));
        }
    };
    let thread = thread::Builder::new().name("shadow-paho-why".into());
    if thread.spawn(work).is_err() {
        inbox.push(epoch, Fact::Explained(Box::new(guess)));
    }
}

fn unknown(plan: &Plan) -> OpenError {
    let what = match (&plan.tls, plan.headers.is_empty()) {
        (Some(_), _) => "the TLS handshake, or what follows it, failed",
        (None, _) => "the server did not speak MQTT with us",
    };
    let message = format!("{what}; the C library does not say why");
    plan.error(&io::Error::other(message))
}

/// Goes the way that the C library went, as far as it can be gone here.
fn look(attempt: &Attempt, plan: &Plan) -> Option<OpenError> {
    // Through a proxy it would take more than this.
    if plan.proxy.is_some() {
        return None;
    }
    let endpoint = &attempt.endpoint;
    match dial(endpoint.host(), endpoint.port()) {
        Ok(stream) => handshake(attempt, stream, PATIENCE),
        Err(error) => Some(plan.error(&error)),
    }
}

fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(not(feature = "ssl"))]
fn handshake(_: &Attempt, _: TcpStream, _: Duration) -> Option<OpenError> {
    None
}

#[expect(
    clippy::as_conversions,
    reason = "the bindings give its number in no other way"
)]
fn return_code(code: paho::ConnectReturnCode) -> u8 {
    code as u8
}

/// For each step.
const PATIENCE: Duration = Duration::from_secs(3);
