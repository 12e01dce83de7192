//! The REST client: against the data plane of the local service, and against an acceptor of our own
//! for how it signs in.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

mod support;

use core::time::Duration;
use std::{collections::BTreeMap, sync::Arc};

use shadow_service::local::{Options, Server};
use support::pki::Ca;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use transport_tokio::{
    Authorizer, Credentials, Json, ListOptions, Pem, Proxy, RestClient, RestError, RestOptions,
    Roots, ShadowId, SigV4, TlsError, Update, Version,
};

const AWS: &str = "abc-ats.iot.eu-west-1.amazonaws.com";
const DOCUMENT: &str = r#"{"state":{"reported":{"on":true}},"version":3,"timestamp":17}"#;

fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

fn shadow() -> ShadowId {
    ShadowId::classic("lamp").unwrap()
}

/// The local service and a client of it.
async fn service() -> (Server, RestClient) {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let url = format!("http://{}", server.http_address().unwrap());
    let client = RestClient::new(RestOptions::new(&url).unwrap());
    (server, client)
}

#[tokio::test]
async fn a_shadow_from_birth_to_death() {
    let (_server, client) = service().await;
    for shadow in [shadow(), ShadowId::named("lamp", "night:mode").unwrap()] {
        let missing = client.get(&shadow).await.unwrap_err();
        assert!(missing.is_not_found(), "{missing}");

        let state = json(r#"{"color":"red","old":null}"#);
        let updated = client
            .update(&shadow, &Update::desired(&state))
            .await
            .unwrap();
        assert_eq!(updated.version.number(), 1);
        assert_eq!(updated.desired.value(), Some(&state));

        let reported = json(r#"{"color":"green"}"#);
        let update = Update::reported(&reported).if_version(Version::new(1));
        assert_eq!(
            client
                .update(&shadow, &update)
                .await
                .unwrap()
                .version
                .number(),
            2
        );
        let conflict = client.update(&shadow, &update).await.unwrap_err();
        assert!(conflict.is_conflict());
        assert_eq!(
            conflict.to_string(),
            "409 Version conflict (ConflictException)"
        );

        let document = client.get(&shadow).await.unwrap();
        assert_eq!(document.version.number(), 2);
        assert_eq!(document.desired.value(), Some(&json(r#"{"color":"red"}"#)));
        assert_eq!(document.reported.value(), Some(&reported));
        assert_eq!(document.delta.value(), Some(&json(r#"{"color":"red"}"#)));
        assert!(document.metadata.timestamp("/reported/color").is_some());

        let deleted = client.delete(&shadow).await.unwrap();
        assert_eq!(deleted.version.map(Version::number), Some(2));
        assert!(client.delete(&shadow).await.unwrap_err().is_not_found());
    }
    let bad = json("[1]");
    let bad = client
        .update(&shadow(), &Update::desired(&bad))
        .await
        .unwrap_err();
    assert_eq!(bad.code().map(|code| code.number()), Some(400));
}

#[tokio::test]
async fn names_page_by_page() {
    let (_server, client) = service().await;
    assert!(client.list("lamp").await.unwrap().is_empty());
    let names: Vec<String> = (0..103)
        .map(|number| format!("shadow{number:03}"))
        .collect();
    let state = json(r#"{"a":1}"#);
    for name in &names {
        let shadow = ShadowId::named("lamp", name).unwrap();
        client
            .update(&shadow, &Update::reported(&state))
            .await
            .unwrap();
    }
    assert_eq!(client.list("lamp").await.unwrap(), names);
    let mut options = ListOptions::default();
    let page = client.list_page("lamp", &options).await.unwrap();
    assert_eq!((page.names.len(), page.next_token.is_some()), (25, true));
    assert!(page.timestamp.is_some());
    options.page_size = Some(60);
    let first = client.list_page("lamp", &options).await.unwrap();
    options.next_token = first.next_token;
    let last = client.list_page("lamp", &options).await.unwrap();
    assert_eq!([first.names, last.names].concat(), names);
    assert_eq!(last.next_token, None);
    options.page_size = Some(101);
    let error = client.list_page("lamp", &options).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.number()), Some(400));
    assert!(matches!(client.list("a/b").await, Err(RestError::Name(_))));
}

/// Requests at once, each over a connection of its own or one that is free.
#[tokio::test]
async fn many_at_once() {
    let (_server, client) = service().await;
    let state = json(r#"{"a":1}"#);
    client
        .update(&shadow(), &Update::reported(&state))
        .await
        .unwrap();
    for _ in 0..3 {
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.get(&shadow()).await.unwrap().version.number() })
            })
            .collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap(), 1);
        }
    }
}

/// A request as an acceptor saw it.
#[derive(Debug)]
struct Asked {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Asked {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next().unwrap_or_default();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        })
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    Asked {
        line,
        headers,
        body,
    }
}

fn answer(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    BufReader::new(listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn connections_are_kept_and_made_anew() {
    let (listener, url) = listen().await;
    let client = RestClient::new(RestOptions::new(&url).unwrap());
    let server = async {
        let mut stream = accept(&listener).await;
        for _ in 0..2 {
            let asked = read(&mut stream).await;
            assert_eq!(asked.line, "GET /things/lamp/shadow HTTP/1.1");
            assert!(!asked.headers.contains_key("content-type"));
            stream.write_all(&answer(DOCUMENT)).await.unwrap();
        }
        // It closes the idle connection, and one whose request it has read.
        drop(stream);
        let mut stream = accept(&listener).await;
        read(&mut stream).await;
        stream.write_all(&answer(DOCUMENT)).await.unwrap();
        read(&mut stream).await;
        drop(stream);
        let mut stream = accept(&listener).await;
        read(&mut stream).await;
        stream.write_all(&answer(DOCUMENT)).await.unwrap();
        stream
    };
    let asking = async {
        for _ in 0..4 {
            assert_eq!(client.get(&shadow()).await.unwrap().version.number(), 3);
        }
    };
    let (_stream, ()) = tokio::join!(server, asking);
}

#[tokio::test]
async fn an_update_is_not_sent_twice() {
    let (listener, url) = listen().await;
    let client = RestClient::new(RestOptions::new(&url).unwrap());
    let state = json(r#"{"on":true}"#);
    let server = async {
        let mut stream = accept(&listener).await;
        read(&mut stream).await;
        stream.write_all(&answer(DOCUMENT)).await.unwrap();
        let asked = read(&mut stream).await;
        assert_eq!(asked.line, "POST /things/lamp/shadow HTTP/1.1");
        assert_eq!(asked.body, r#"{"state":{"reported":{"on":true}}}"#);
        assert_eq!(asked.headers["content-type"], "application/json");
    };
    let asking = async {
        client.get(&shadow()).await.unwrap();
        client.update(&shadow(), &Update::reported(&state)).await
    };
    let ((), result) = tokio::join!(server, asking);
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            RestError::Broken {
                sent: true,
                changing: true,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_goes_wrong_is_said() {
    let (listener, url) = listen().await;
    let mut options = RestOptions::new(&url).unwrap();
    options.operation_timeout = Duration::from_millis(20);
    let silent = RestClient::new(options);
    let lamp = shadow();
    let (result, _stream) = tokio::join!(silent.get(&lamp), accept(&listener));
    let changing = false;
    assert_eq!(result.unwrap_err(), RestError::TimedOut { changing });
    let state = json(r#"{"on":true}"#);
    let update = Update::reported(&state);
    let (result, _stream) = tokio::join!(silent.update(&lamp, &update), accept(&listener));
    let changing = true;
    assert_eq!(result.unwrap_err(), RestError::TimedOut { changing });

    let client = RestClient::new(RestOptions::new(&url).unwrap());
    for (bytes, expected) in [
        (answer("<html>"), "the answer cannot be read: "),
        (b"SSH-2.0\r\n\r\n".to_vec(), "the connection broke: "),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n".to_vec(),
            "the connection broke: ",
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n<>".to_vec(),
            "502",
        ),
    ] {
        let server = async {
            let mut stream = accept(&listener).await;
            read(&mut stream).await;
            stream.write_all(&bytes).await.unwrap();
        };
        let lamp = shadow();
        let (result, ()) = tokio::join!(client.get(&lamp), server);
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
    drop(listener);
    let error = client.get(&shadow()).await.unwrap_err();
    let RestError::Open(error) = error else {
        panic!("{error:?}");
    };
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot connect to {url}: ")),
        "{error}"
    );
}

/// Options for AWS by way of a proxy on the loopback address, behind which [`Aws`] plays it.
async fn aws(ca: &Ca, port: u16) -> (RestOptions, Aws) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = RestOptions::new(&format!("https://{AWS}:{port}")).unwrap();
    options.proxy = Some(Proxy::new(
        "127.0.0.1",
        listener.local_addr().unwrap().port(),
    ));
    options.tls.roots = Roots::Pem(Pem::bytes(ca.pem()));
    (options, Aws { listener, port })
}

struct Aws {
    listener: TcpListener,
    port: u16,
}

impl Aws {
    /// Accepts one connection.
    async fn accept(
        &self,
        acceptor: &TlsAcceptor,
    ) -> std::io::Result<BufReader<TlsStream<TcpStream>>> {
        let mut stream = accept(&self.listener).await;
        let asked = read(&mut stream).await;
        assert_eq!(asked.line, format!("CONNECT {AWS}:{} HTTP/1.1", self.port));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        acceptor
            .accept(stream.into_inner())
            .await
            .map(BufReader::new)
    }
}

#[tokio::test]
async fn a_client_certificate_and_the_protocol_that_goes_with_it() {
    let ca = Ca::new();
    let config = Ca::config(&ca.server(&[AWS]), Some(&ca), &["x-amzn-http-ca"]);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for (port, protocol) in [(443, Some(&b"x-amzn-http-ca"[..])), (8443, None)] {
        let (mut options, aws) = aws(&ca, port).await;
        let issued = ca.client();
        options
            .tls
            .set_identity(Pem::bytes(issued.certificate), Pem::bytes(issued.key));
        let client = RestClient::new(options);
        let server = async {
            let mut stream = aws.accept(&acceptor).await.unwrap();
            let (_, connection) = stream.get_ref().get_ref();
            assert_eq!(connection.alpn_protocol(), protocol);
            assert_eq!(connection.server_name(), Some(AWS));
            assert_eq!(connection.peer_certificates().map(<[_]>::len), Some(1));
            let asked = read(&mut stream).await;
            let host = match port {
                443 => AWS.to_owned(),
                _ => format!("{AWS}:{port}"),
            };
            assert_eq!(asked.headers["host"], host);
            stream.write_all(&answer(DOCUMENT)).await.unwrap();
            stream.flush().await.unwrap();
            stream
        };
        let lamp = shadow();
        let (document, _stream) = tokio::join!(client.get(&lamp), server);
        assert_eq!(document.unwrap().version.number(), 3);
    }
}

#[tokio::test]
async fn a_missing_client_certificate_is_the_reason_given() {
    let ca = Ca::new();
    let config = Ca::config(&ca.server(&[AWS]), Some(&ca), &[]);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (options, aws) = aws(&ca, 8443).await;
    let client = RestClient::new(options);
    let lamp = shadow();
    let (result, refused) = tokio::join!(client.get(&lamp), aws.accept(&acceptor));
    assert!(refused.is_err());
    let error = result.unwrap_err();
    let RestError::Open(error) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(error.tls(), Some(TlsError::CertificateRequired { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn signatures_and_tokens_are_in_the_headers() {
    let ca = Ca::new();
    let acceptor = TlsAcceptor::from(Arc::new(Ca::config(&ca.server(&[AWS]), None, &[])));
    let (mut options, aws) = aws(&ca, 443).await;
    let credentials = Credentials::new("AKID", "hush").with_session_token("hush/token");
    let mut authorizer = Authorizer::named("fleet");
    authorizer.set_token("X-Token", "hush", "c2ln");
    let mut by_authorizer = options.clone();
    by_authorizer.authorizer = Some(authorizer.clone());
    let mut by_query = options.clone();
    authorizer.in_query = true;
    by_query.authorizer = Some(authorizer);
    options.sigv4 = Some(SigV4::new(credentials));
    assert!(!format!("{options:?} {by_query:?}").contains("hush"));
    let ask = async |options: RestOptions| {
        let client = RestClient::new(options);
        let named = ShadowId::named("lamp", "x").unwrap();
        let server = async {
            let mut stream = aws.accept(&acceptor).await.unwrap();
            let asked = read(&mut stream).await;
            stream.write_all(&answer(DOCUMENT)).await.unwrap();
            stream.flush().await.unwrap();
            (asked, stream)
        };
        let (document, (asked, _stream)) = tokio::join!(client.get(&named), server);
        document.unwrap();
        asked
    };
    let asked = ask(options).await;
    assert_eq!(asked.line, "GET /things/lamp/shadow?name=x HTTP/1.1");
    assert_eq!(asked.headers["x-amz-security-token"], "hush/token");
    assert_eq!(asked.headers["x-amz-date"].len(), "20260102T030405Z".len());
    let authorization = &asked.headers["authorization"];
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20"),
        "{authorization}"
    );
    assert!(authorization.contains("/eu-west-1/iotdata/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="), "{authorization}");

    let asked = ask(by_authorizer).await;
    assert_eq!(asked.headers["x-amz-customauthorizer-name"], "fleet");
    assert_eq!(asked.headers["x-token"], "hush");

    let asked = ask(by_query).await;
    assert_eq!(
        asked.line,
        "GET /things/lamp/shadow?name=x&x-amz-customauthorizer-name=fleet\
         &x-amz-customauthorizer-signature=c2ln&X-Token=hush HTTP/1.1"
    );
    assert!(!asked.headers.contains_key("x-token"));
}
