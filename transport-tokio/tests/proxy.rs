//! Through an HTTP proxy of our own, on the loopback address.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

mod support;

use std::sync::Arc;

use support::{accept_mqtt, pki::Ca};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;
use transport_tokio::{
    ConnectError, ConnectOptions, OpenCause, Pem, Proxy, ProxyError, Roots, connect,
};

/// Listens as a proxy.
async fn proxy() -> (TcpListener, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Proxy::new("127.0.0.1", port))
}

/// The next client, and the lines it asks with.
async fn asked(listener: &TcpListener) -> (TcpStream, Vec<String>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    assert!(
        stream.buffer().is_empty(),
        "the client waits for the answer"
    );
    (stream.into_inner(), lines)
}

#[tokio::test]
async fn a_tunnel_and_tls_in_it() {
    let ca = Ca::new();
    let acceptor = TlsAcceptor::from(Arc::new(Ca::config(
        &ca.server(&["broker.example"]),
        None,
        &[],
    )));
    let (listener, mut proxy) = proxy().await;
    proxy.set_user("me", "hush");
    let mut options = ConnectOptions::from_url("mqtts://broker.example").unwrap();
    options.tls.roots = Roots::Pem(Pem::bytes(ca.pem()));
    options.proxy = Some(proxy);
    assert!(!format!("{options:?}").contains("hush"));
    let (done, answered) = oneshot::channel();
    let server = tokio::spawn(async move {
        let (mut stream, lines) = asked(&listener).await;
        // In pieces.
        for part in [
            "HTTP/1.1 200 Connection",
            " established\r\nVia: test\r",
            "\n\r\n",
        ] {
            stream.write_all(part.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        done.send(lines).unwrap();
        accept_mqtt(acceptor.accept(stream).await.unwrap(), drop).await;
    });
    let client = connect(options).await.unwrap();
    assert_eq!(
        answered.await.unwrap(),
        [
            "CONNECT broker.example:8883 HTTP/1.1",
            "Host: broker.example:8883",
            "Proxy-Authorization: Basic bWU6aHVzaA==",
        ]
    );
    drop(client);
    server.await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(9000));
    for (answer, expected) in [
        (
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n",
            "wants a user and password, or others (407, Basic)",
        ),
        (
            "HTTP/1.1 403 Not there\r\n\r\n",
            "refused the tunnel: 403 Not there",
        ),
        (
            "SSH-2.0-x\r\n",
            "does not answer as an HTTP proxy: check host and port",
        ),
        (long.as_str(), "is longer than 8 KiB"),
        ("", "ended the connection without an answer"),
    ] {
        let (listener, proxy) = proxy().await;
        let mut options = ConnectOptions::from_url("mqtt://broker.example").unwrap();
        options.proxy = Some(proxy);
        let server = async {
            let (mut stream, lines) = asked(&listener).await;
            assert_eq!(
                lines.first().map(String::as_str),
                Some("CONNECT broker.example:1883 HTTP/1.1")
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (result, ()) = tokio::join!(connect(options), server);
        let ConnectError::Open(error) = result.unwrap_err() else {
            panic!("not an error of opening");
        };
        assert!(
            matches!(error.cause.as_deref(), Some(OpenCause::Proxy(_))),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.starts_with("cannot connect to mqtt://broker.example:1883: "),
            "{text}"
        );
        assert!(
            text.contains("127.0.0.1:") && text.ends_with(expected),
            "{text}"
        );
        let closed = matches!(
            error.cause.as_deref(),
            Some(OpenCause::Proxy(ProxyError::Closed { .. }))
        );
        assert_eq!(error.permanent, !closed);
    }
}

#[tokio::test]
async fn no_proxy_there() {
    let (listener, proxy) = proxy().await;
    drop(listener);
    let mut options = ConnectOptions::from_url("mqtt://broker.example").unwrap();
    options.proxy = Some(proxy);
    let error = connect(options).await.unwrap_err();
    assert!(!error.is_permanent(), "{error:?}");
}
