//! The handshake once more, with a library that says what is wrong.

use core::{
    future::Future as _,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{io, net::TcpStream, time::SystemTime};

use transport_core::{Attempt, OpenError, Opening, rustls::ClientConnection};

/// What the transports that make TLS themselves would say of this server; nothing if that is not
/// possible in this build, or if they would find nothing wrong.
pub(super) fn handshake(
    attempt: &Attempt,
    mut stream: TcpStream,
    patience: Duration,
) -> Option<OpenError> {
    let opening = opening(attempt)?;
    let tls = opening.tls.as_ref()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    let connection = ClientConnection::new(tls.config.clone(), tls.server_name.clone());
    let mut connection = connection.ok()?;
    // The second round is for what a server says after the handshake.
    for _ in 0..2 {
        let Err(error) = connection.complete_io(&mut stream) else {
            continue;
        };
        let nothing = [
            io::ErrorKind::WouldBlock,
            io::ErrorKind::TimedOut,
            io::ErrorKind::UnexpectedEof,
        ];
        if nothing.contains(&error.kind()) {
            return None;
        }
        return Some(opening.error(&error, SystemTime::now()));
    }
    None
}

fn opening(attempt: &Attempt) -> Option<Opening> {
    let opening = pin!(attempt.prepare(SystemTime::now()));
    match opening.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(opening) => opening.ok(),
        // It waits for credentials.
        Poll::Pending => None,
    }
}
