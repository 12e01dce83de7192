//! MQTT in a WebSocket against an acceptor of another implementation: what is asked for, that
//! bytes go both ways in any pieces, and what is said when something is wrong. Over streams in
//! memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

mod support;

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use support::pki::Ca;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use transport_tokio::{
    Authorizer, ConnectError, ConnectOptions, Credentials, CredentialsSource, OpenCause, OpenError,
    Pem, Roots, Secret, SigV4, Stream, UpgradeError, WebSocketError, connect_with, open_over,
};

const AWS: &str = "abc-ats.iot.eu-west-1.amazonaws.com";
/// MQTT 5: success, no session, no properties.
const CONNACK: &[u8] = &[0x20, 0x03, 0x00, 0x00, 0x00];

/// A request for a WebSocket as the acceptor saw it.
#[derive(Debug)]
struct Asked {
    target: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Accepts a WebSocket for MQTT.
async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> (WebSocketStream<S>, Asked) {
    let mut asked = None;
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let look = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let headers = request.headers().iter();
        asked = Some(Asked {
            target: request.uri().to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
        });
        let protocol = "mqtt".parse().unwrap();
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let socket = accept_hdr_async(stream, look).await.unwrap();
    (socket, asked.unwrap())
}

/// Connects with these options, one attempt. The far end of its stream is given out.
fn connect(
    options: ConnectOptions,
) -> (
    impl Future<Output = Result<transport_tokio::ShadowClient, ConnectError>>,
    mpsc::UnboundedReceiver<DuplexStream>,
) {
    let (far_ends, streams) = mpsc::unbounded_channel();
    let connecting = connect_with(options, move |attempt| {
        let (near, far) = duplex(4096);
        far_ends.send(far).unwrap();
        open_over(attempt, near)
    });
    (connecting, streams)
}

/// An open stream, without MQTT, and the far end's WebSocket.
async fn open(url: &str) -> (Stream, WebSocketStream<DuplexStream>) {
    let taken = Arc::new(Mutex::new(None));
    let options = ConnectOptions::from_url(url).unwrap();
    let (near, far) = duplex(4096);
    let near = Arc::new(Mutex::new(Some(near)));
    let connecting = {
        let taken = Arc::clone(&taken);
        connect_with(options, move |attempt| {
            let (taken, near) = (Arc::clone(&taken), near.lock().unwrap().take().unwrap());
            async move {
                *taken.lock().unwrap() = Some(open_over(attempt, near).await);
                Err::<Stream, _>(OpenError::permanent("go on", "the test took the stream"))
            }
        })
    };
    let (failed, (socket, _)) = tokio::join!(connecting, accept(far));
    drop(failed.unwrap_err());
    let stream = taken.lock().unwrap().take().unwrap();
    (stream.unwrap(), socket)
}

fn websocket_error(result: Result<transport_tokio::ShadowClient, ConnectError>) -> WebSocketError {
    match result {
        Err(ConnectError::Open(error)) => match error.cause.as_deref() {
            Some(OpenCause::WebSocket(cause)) => cause.clone(),
            _ => panic!("{error:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection() {
    let mut options = ConnectOptions::from_url("ws://broker.example:8080").unwrap();
    options.websocket_headers = vec![("X-Own".into(), Secret::new("hush"))];
    let (connecting, mut streams) = connect(options);
    let server = async {
        let (mut socket, asked) = accept(streams.recv().await.unwrap()).await;
        assert_eq!(asked.target, "/mqtt");
        assert_eq!(asked.header("host"), Some("broker.example:8080"));
        assert_eq!(asked.header("sec-websocket-protocol"), Some("mqtt"));
        assert_eq!(asked.header("sec-websocket-version"), Some("13"));
        assert_eq!(asked.header("x-own"), Some("hush"));
        assert_eq!(asked.header("sec-websocket-extensions"), None);
        let connect = socket.next().await.unwrap().unwrap();
        assert!(connect.is_binary());
        assert_eq!(connect.into_data()[0], 0x10);
        // A packet in pieces, with a ping in between.
        socket
            .send(Message::binary(CONNACK[..1].to_vec()))
            .await
            .unwrap();
        socket
            .send(Message::Ping("are you there".into()))
            .await
            .unwrap();
        socket
            .send(Message::binary(CONNACK[1..].to_vec()))
            .await
            .unwrap();
        let pong = socket.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("are you there".into()));
        socket
    };
    let (client, mut socket) = tokio::join!(connecting, server);
    let client = client.unwrap();
    let goodbye = async {
        let disconnect = socket.next().await.unwrap().unwrap();
        assert_eq!(disconnect.into_data()[0], 0xe0);
        let close = socket.next().await.unwrap().unwrap();
        let Message::Close(Some(frame)) = close else {
            panic!("{close:?}");
        };
        assert_eq!(frame.code, CloseCode::Normal);
    };
    let (stopped, ()) = tokio::join!(client.shutdown(core::time::Duration::from_secs(5)), goodbye);
    stopped.unwrap();
}

#[tokio::test]
async fn a_megabyte_there_and_back() {
    let (stream, mut socket) = open("ws://h").await;
    let echo = tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let sent: Vec<u8> = (0..1_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let (mut read, mut write) = tokio::io::split(stream);
    let writing = async {
        for chunk in sent.chunks(70_001) {
            write.write_all(chunk).await.unwrap();
            write.flush().await.unwrap();
        }
    };
    let reading = async {
        let mut received = vec![0; sent.len()];
        read.read_exact(&mut received).await.unwrap();
        received
    };
    let ((), received) = tokio::join!(writing, reading);
    assert!(received == sent);
    write.shutdown().await.unwrap();
    assert_eq!(read.read(&mut [0; 10]).await.unwrap(), 0);
    echo.await.unwrap();
}

#[tokio::test]
async fn a_server_that_leaves() {
    let (mut stream, mut socket) = open("ws://h").await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    let frame = CloseFrame {
        code: CloseCode::Policy,
        reason: "client id taken".into(),
    };
    socket.close(Some(frame)).await.unwrap();
    let mut received = [0; 3];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(received, [1, 2, 3]);
    let error = OpenError::from(stream.read(&mut received).await.unwrap_err());
    assert_eq!(
        error.to_string(),
        "cannot connect to ws://h:80/mqtt: the server closed the WebSocket: 1008 client id taken"
    );

    let (mut stream, mut socket) = open("ws://h").await;
    socket.close(None).await.unwrap();
    assert_eq!(stream.read(&mut received).await.unwrap(), 0);

    let (mut stream, mut socket) = open("ws://h").await;
    socket.send(Message::text("hello")).await.unwrap();
    let error = OpenError::from(stream.read(&mut received).await.unwrap_err());
    assert!(
        error
            .to_string()
            .ends_with("broke the WebSocket protocol: a text message"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_refuses() {
    for (answer, expected) in [
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "the server refused the WebSocket: 404 Not Found; check the path",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n<html>",
            "the server refused the WebSocket: 200 OK",
        ),
        (
            "\x20\x02\0\x01",
            "the server does not speak HTTP, which WebSockets need: check the port",
        ),
        (
            "",
            "the server ended the connection before it opened the WebSocket",
        ),
    ] {
        let (connecting, mut streams) = connect(ConnectOptions::from_url("ws://h").unwrap());
        let server = async {
            let mut stream = streams.recv().await.unwrap();
            let _ = stream.read(&mut [0; 1000]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (result, ()) = tokio::join!(connecting, server);
        let error = websocket_error(result);
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.is_permanent(), !answer.is_empty());
        assert!(
            matches!(error, WebSocketError::Upgrade(UpgradeError::Refused { .. }))
                == answer.starts_with("HTTP")
        );
    }
}

#[tokio::test]
async fn a_custom_authorizer_finds_its_token() {
    let mut authorizer = Authorizer::named("fleet");
    authorizer.set_token("X-Token", "hush", "c2ln+A==");
    for in_query in [false, true] {
        let mut options = ConnectOptions::from_url("ws://h/mqtt?a=b").unwrap();
        authorizer.in_query = in_query;
        options.authorizer = Some(authorizer.clone());
        options.user_name = Some("me".into());
        let (connecting, mut streams) = connect(options);
        let server = async {
            let (mut socket, asked) = accept(streams.recv().await.unwrap()).await;
            if in_query {
                assert_eq!(
                    asked.target,
                    "/mqtt?a=b&x-amz-customauthorizer-name=fleet\
                     &x-amz-customauthorizer-signature=c2ln%2BA%3D%3D&X-Token=hush"
                );
                assert_eq!(asked.header("x-token"), None);
            } else {
                assert_eq!(asked.target, "/mqtt?a=b");
                assert_eq!(asked.header("x-amz-customauthorizer-name"), Some("fleet"));
                assert_eq!(
                    asked.header("x-amz-customauthorizer-signature"),
                    Some("c2ln+A==")
                );
                assert_eq!(asked.header("x-token"), Some("hush"));
            }
            let connect = socket.next().await.unwrap().unwrap().into_data();
            assert!(
                connect.ends_with(b"\0\x02me"),
                "the user name is left alone"
            );
            socket
                .send(Message::binary(CONNACK.to_vec()))
                .await
                .unwrap();
            socket
        };
        let (client, _socket) = tokio::join!(connecting, server);
        client.unwrap();
    }
}

#[tokio::test]
async fn sigv4_is_signed_afresh_at_each_connect() {
    let ca = Ca::new();
    let acceptor = TlsAcceptor::from(Arc::new(Ca::config(&ca.server(&[AWS]), None, &[])));
    let mut options = ConnectOptions::from_url(&format!("wss://{AWS}")).unwrap();
    options.tls.roots = Roots::Pem(Pem::bytes(ca.pem()));
    let asked = Arc::new(Mutex::new(0));
    options.sigv4 = Some(SigV4::new(CredentialsSource::callback(move || {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        let id = format!("AKID{asked}");
        async move { Ok(Credentials::new(id, "hush").with_session_token("a/token+=")) }
    })));
    options.reconnect.base = core::time::Duration::ZERO;
    let (connecting, mut streams) = connect(options);
    let mut next = async || {
        let stream = acceptor
            .accept(streams.recv().await.unwrap())
            .await
            .unwrap();
        let (mut socket, asked) = accept(stream).await;
        let connect = socket.next().await.unwrap().unwrap();
        assert_eq!(connect.into_data()[0], 0x10);
        socket
            .send(Message::binary(CONNACK.to_vec()))
            .await
            .unwrap();
        (socket, asked)
    };
    let (client, (mut socket, first)) = tokio::join!(connecting, next());
    let client = client.unwrap();
    socket.close(None).await.unwrap();
    drop(socket);
    let (_socket, second) = next().await;
    for (asked, id) in [(&first, "AKID1"), (&second, "AKID2")] {
        assert_eq!(asked.header("host"), Some(AWS));
        let (path, query) = asked.target.split_once('?').unwrap();
        assert_eq!(path, "/mqtt");
        let keys: Vec<_> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .collect();
        let expected = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
            "X-Amz-Security-Token",
        ];
        assert_eq!(
            keys.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            expected
        );
        assert!(keys[1].1.starts_with(&format!("{id}%2F20")), "{query}");
        assert!(
            keys[1]
                .1
                .ends_with("%2Feu-west-1%2Fiotdevicegateway%2Faws4_request"),
            "{query}"
        );
        assert_eq!(keys[5].1.len(), 64);
        assert_eq!(keys[6].1, "a%2Ftoken%2B%3D");
    }
    assert!(!format!("{client:?}").contains("hush"));
}

#[tokio::test]
async fn what_cannot_be_signed_is_said() {
    let error = async |url: &str, source: CredentialsSource| {
        let mut options = ConnectOptions::from_url(url).unwrap();
        options.tls.roots = Roots::Amazon;
        options.sigv4 = Some(SigV4::new(source));
        let (connecting, _streams) = connect(options);
        connecting.await.unwrap_err().to_string()
    };
    let good = || Credentials::new("AKID", "hush").into();
    assert_eq!(
        error("mqtts://h", good()).await,
        "cannot connect to mqtts://h:8883: signing in with AWS credentials (SigV4) needs wss://"
    );
    assert_eq!(
        error("wss://h.example", good()).await,
        "cannot connect to wss://h.example:443/mqtt: the host's name tells no AWS region to sign \
         for: set the region"
    );
    let bad = CredentialsSource::from(Credentials::new("AKID", "hush\n"));
    let text = error(&format!("wss://{AWS}"), bad).await;
    assert!(
        text.ends_with(
            "no AWS credentials: there are spaces, control characters or nothing in them"
        ),
        "{text}"
    );
    let missing = CredentialsSource::SharedFile {
        path: Some("/nowhere/credentials".into()),
        profile: None,
    };
    let text = error(&format!("wss://{AWS}"), missing).await;
    assert!(
        text.contains("no AWS credentials: cannot read /nowhere/credentials: "),
        "{text}"
    );
}

#[tokio::test]
async fn headers_that_would_be_others_are_refused() {
    for (name, value) in [("X y", "1"), ("X", "1\r\nHost: evil"), ("", "1")] {
        let mut options = ConnectOptions::from_url("ws://h").unwrap();
        options.websocket_headers = vec![(name.into(), Secret::new(value))];
        let (connecting, _streams) = connect(options);
        let error = connecting.await.unwrap_err();
        assert!(error.is_permanent());
        let text = error.to_string();
        assert!(
            text.contains("is no header") && !text.contains("evil"),
            "{text}"
        );
    }
}
