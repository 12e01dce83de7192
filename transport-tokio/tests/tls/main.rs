//! TLS against an acceptor of our own: what the client shows and names, and what it says when
//! something is wrong. Over streams in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

mod shown;
#[path = "../support/mod.rs"]
mod support;
mod wrong;

use std::sync::{Arc, Mutex};

use support::{
    accept_mqtt,
    pki::{Ca, Issued},
};
use tokio::{io::duplex, task::JoinHandle};
use tokio_rustls::{LazyConfigAcceptor, rustls::server::Acceptor};
use transport_tokio::{
    ConnectError, ConnectOptions, Pem, Roots, ShadowClient, TlsError, connect_with, open_over,
    rustls::ServerConfig,
};

const AWS: &str = "abc-ats.iot.eu-west-1.amazonaws.com";

/// What the acceptor saw.
#[derive(Default, Debug, Clone)]
struct Seen {
    sni: Option<String>,
    offered: Vec<String>,
    negotiated: Option<String>,
    certificates: usize,
    connect: Vec<u8>,
}

/// One attempt against a server with this configuration.
async fn attempt(
    options: ConnectOptions,
    server: ServerConfig,
) -> (Result<ShadowClient, ConnectError>, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let server = Arc::new(server);
    let result = {
        let seen = Arc::clone(&seen);
        connect_with(options, move |attempt| {
            let (near, far) = duplex(64 * 1024);
            drop(serve(far, Arc::clone(&server), Arc::clone(&seen)));
            open_over(attempt, near)
        })
        .await
    };
    (result, seen)
}

fn serve(
    stream: tokio::io::DuplexStream,
    config: Arc<ServerConfig>,
    seen: Arc<Mutex<Seen>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
            return;
        };
        let hello = start.client_hello();
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        {
            let mut seen = seen.lock().unwrap();
            seen.sni = hello.server_name().map(str::to_owned);
            seen.offered = hello.alpn().into_iter().flatten().map(text).collect();
        }
        let Ok(stream) = start.into_stream(config).await else {
            return;
        };
        {
            let (_, connection) = stream.get_ref();
            let mut seen = seen.lock().unwrap();
            seen.negotiated = connection.alpn_protocol().map(text);
            seen.certificates = connection.peer_certificates().map_or(0, <[_]>::len);
        }
        accept_mqtt(stream, |connect| seen.lock().unwrap().connect = connect).await;
    })
}

fn options(url: &str, ca: &Ca) -> ConnectOptions {
    let mut options = ConnectOptions::from_url(url).unwrap();
    options.tls.roots = Roots::Pem(Pem::bytes(ca.pem()));
    options
}

fn with_identity(mut options: ConnectOptions, issued: &Issued) -> ConnectOptions {
    let certificate = Pem::bytes(issued.certificate.as_str());
    options
        .tls
        .set_identity(certificate, Pem::bytes(issued.key.as_str()));
    options
}

fn tls_error(result: Result<ShadowClient, ConnectError>) -> TlsError {
    match result {
        Err(ConnectError::Open(error)) => match error.tls() {
            Some(tls) => {
                let text = error.to_string();
                assert!(text.starts_with("cannot connect to mqtts://"), "{text}");
                tls.clone()
            }
            None => panic!("not an error of TLS: {error:?}"),
        },
        other => panic!("{other:?}"),
    }
}
