//! Command lines: what they lead to, and what is wrong with them. Nothing is connected here.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "helpers of tests fail as tests do, and are std's"
)]

mod support;

use std::{ffi::OsString, time::Duration};

use support::pki::{Ca, expired};
use testkit::TempDir;
use transport_tokio::{
    Alpn, ConnectOptions, CredentialsSource, Identity, MqttVersion, Pem, Roots,
    flags::{ALL, ConnectionFlags, FlagError, Words, help},
};

/// A folder with what flags name: `ca.pem`, `client.pem`, `client.key`, and some that are wrong.
fn files() -> TempDir {
    let dir = TempDir::new();
    let ca = Ca::new();
    let (client, old) = (ca.client(), ca.issue(&[], expired));
    for (name, content) in [
        ("ca.pem", ca.pem()),
        ("client.pem", client.certificate),
        ("client.key", client.key),
        ("other.key", ca.client().key),
        ("expired.pem", old.certificate),
        ("expired.key", old.key),
        ("text", "hello".to_owned()),
        (
            "credentials",
            "[lamps]\naws_access_key_id = AKID\naws_secret_access_key = hush\n".to_owned(),
        ),
    ] {
        dir.write(name, content);
    }
    dir
}

/// Reads a command line, in which `%` in front of a word puts it into the folder.
fn read(dir: &TempDir, line: &str, vars: &[(&str, &str)]) -> Result<ConnectOptions, FlagError> {
    let place = |word: &str| match word.split_once('%') {
        Some((front, file)) => format!("{front}{}", dir.path().join(file).display()),
        None => word.to_owned(),
    };
    let words = line.split_whitespace().map(|word| place(word).into());
    let mut words = Words::new(words);
    let mut flags = ConnectionFlags::new("test-");
    while let Some(flag) = words.next_flag()? {
        if !flags.read(&flag, &mut words)? {
            return Err(words.unknown());
        }
    }
    flags.options(|name| {
        let found = vars.iter().find(|(key, _)| *key == name)?;
        Some(place(found.1))
    })
}

#[test]
fn where_they_lead() {
    let dir = files();
    let aws = "abc-ats.iot.eu-west-1.amazonaws.com";
    for (line, expected) in [
        ("--endpoint h", "mqtt://h:1883"),
        ("--endpoint h --port 1", "mqtt://h:1"),
        ("--endpoint h:7 --port 7", "mqtt://h:7"),
        ("--endpoint ws://h:9001 --websocket", "ws://h:9001/mqtt"),
        // The AWS sample's own command line.
        (
            "--endpoint AWS --cert %client.pem --key %client.key --thing_name n",
            "mqtts://AWS:8883",
        ),
        (
            "--endpoint AWS --cert %client.pem --key %client.key --ca_file %ca.pem --port 443",
            "mqtts://AWS:443",
        ),
        ("--endpoint h --ca %ca.pem", "mqtts://h:8883"),
        (
            "--endpoint h --websocket --ca-file=%ca.pem",
            "wss://h:443/mqtt",
        ),
        (
            "--endpoint AWS --sigv4 --profile lamps",
            "wss://AWS:443/mqtt",
        ),
        (
            "--endpoint AWS --custom_auth_authorizer_name fleet",
            "mqtts://AWS:443",
        ),
        (
            "--endpoint AWS --user me --password word",
            "mqtts://AWS:443",
        ),
    ] {
        let line = line
            .replace("AWS", aws)
            .replace("--thing_name n", "--client_id n");
        let vars = [("AWS_SHARED_CREDENTIALS_FILE", "%credentials")];
        let options = read(&dir, &line, &vars).unwrap_or_else(|error| panic!("{line}: {error}"));
        let expected = expected.replace("AWS", aws);
        assert_eq!(options.endpoint.to_string(), expected, "{line}");
    }
}

#[test]
fn what_they_set() {
    let dir = files();
    let seconds = Duration::from_secs;
    let options = read(
        &dir,
        "--endpoint h --cert %client.pem --key=%client.key --ca_file %ca.pem --client_id lamp \
         --clean-session false --session-expiry 90 --keep-alive 30 --connect-timeout 2.5 \
         --operation_timeout 7 --backoff 0.5,8,60 --alpn own --proxy_host p --proxy_port 3128 \
         --proxy-user me",
        &[("DEVICE_SHADOW_PROXY_PASSWORD", "word")],
    )
    .unwrap();
    assert_eq!(options.client_id, "lamp");
    assert_eq!(options.version, MqttVersion::V5);
    assert!(!options.clean_start);
    assert_eq!(options.session_expiry, Some(seconds(90)));
    assert_eq!(options.keep_alive, seconds(30));
    assert_eq!(options.connect_timeout, Duration::from_millis(2500));
    assert_eq!(options.operation_timeout, seconds(7));
    let reconnect = options.reconnect;
    assert_eq!(reconnect.base, Duration::from_millis(500));
    assert_eq!((reconnect.max, reconnect.stable), (seconds(8), seconds(60)));
    let file = |name: &str| Pem::file(dir.path().join(name));
    assert_eq!(options.tls.roots, Roots::Pem(file("ca.pem")));
    match options.tls.identity {
        Some(Identity::Pem { certificate, key }) => {
            assert_eq!((certificate, key), (file("client.pem"), file("client.key")));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(options.tls.alpn, Alpn::Protocols(vec!["own".to_owned()]));
    assert_eq!("http://me:word@p:3128".parse().ok(), options.proxy);

    let options = read(
        &dir,
        "--endpoint h --mqtt 3 --clean-session false --client-id=lamp --user me --proxy-host p",
        &[("DEVICE_SHADOW_PASSWORD", "word")],
    )
    .unwrap();
    assert_eq!(options.version, MqttVersion::V3_1_1);
    assert_eq!((options.clean_start, options.session_expiry), (false, None));
    assert_eq!(options.user_name.as_deref(), Some("me"));
    assert_eq!(options.password.as_deref(), Some("word"));
    assert_eq!("http://p:8080".parse().ok(), options.proxy);

    // What is given again counts, and nothing is taken from the environment unasked.
    let options = read(
        &dir,
        "--endpoint h --mqtt 3 --mqtt=5 --clean-session false --client-id a --client_id b",
        &[("DEVICE_SHADOW_PASSWORD", "word")],
    )
    .unwrap();
    assert_eq!(options.version, MqttVersion::V5);
    assert_eq!(options.client_id, "b");
    assert_eq!(options.session_expiry, Some(seconds(3600)));
    assert_eq!((options.user_name, options.password), (None, None));

    let random = read(&dir, "--endpoint h", &[]).unwrap().client_id;
    assert!(
        random.starts_with("test-") && random.len() == 13,
        "{random}"
    );
}

#[test]
fn how_they_sign_in() {
    let dir = files();
    let token = [
        ("DEVICE_SHADOW_AUTH_TOKEN", "hush"),
        ("DEVICE_SHADOW_AUTH_SIGNATURE", "signed"),
    ];
    let line = "--endpoint h --custom-auth-authorizer-name fleet --custom-auth-token-key-name key";
    let options = read(&dir, line, &token).unwrap();
    let query =
        "?x-amz-customauthorizer-name=fleet&x-amz-customauthorizer-signature=signed&key=hush";
    assert_eq!(options.session().unwrap().user_name.as_deref(), Some(query));

    let source = |line: &str, vars: &[(&str, &str)]| {
        let options = read(&dir, line, vars).unwrap();
        let sigv4 = options.sigv4.unwrap();
        (sigv4.credentials, sigv4.region)
    };
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ];
    let (credentials, region) = source("--endpoint h --sigv4 --region eu-west-1", &keys);
    assert!(matches!(credentials, CredentialsSource::Environment));
    assert_eq!(region.as_deref(), Some("eu-west-1"));
    let file = [
        keys[0],
        keys[1],
        ("AWS_SHARED_CREDENTIALS_FILE", "%credentials"),
    ];
    let (credentials, _) = source("--endpoint h --sigv4 --region r --profile lamps", &file);
    match credentials {
        CredentialsSource::SharedFile { profile, .. } => {
            assert_eq!(profile.as_deref(), Some("lamps"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let dir = files();
    for (line, said) in [
        ("", "--endpoint is missing"),
        ("--endpoint", "--endpoint needs a value"),
        ("--endpoint=", "--endpoint needs a value"),
        ("--endpoint --cert c", "--endpoint needs a value"),
        ("--endpoint h --websocket=yes", "--websocket takes no value"),
        (
            "--endpoint h --bogus",
            "unknown argument --bogus; --help lists them",
        ),
        (
            "--endpoint h lamp",
            "unknown argument lamp; --help lists them",
        ),
        ("--endpoint http://h", "unknown scheme \"http\""),
        (
            "--endpoint mqtt://me:hush@h",
            "--endpoint: the URL holds a user name or password",
        ),
        ("--endpoint h --port 0", "--port 0: not a port number"),
        ("--endpoint h --port x", "--port x: not a port number"),
        (
            "--endpoint h:1 --port 2",
            "--port 2: --endpoint names another port already",
        ),
        (
            "--endpoint mqtt://[::1]:1 --port 2",
            "--port 2: --endpoint names another port",
        ),
        ("--endpoint h --mqtt 4", "--mqtt 4: use 3 (for 3.1.1) or 5"),
        (
            "--endpoint h --clean-session no",
            "--clean-session no: true or false is possible",
        ),
        (
            "--endpoint h --clean-session false",
            "--clean-session false needs --client-id",
        ),
        (
            "--endpoint h --session-expiry 1.5",
            "--session-expiry 1.5: not a whole number",
        ),
        (
            "--endpoint h --session-expiry 9 --mqtt 3",
            "--session-expiry: MQTT 3.1.1 has none",
        ),
        (
            "--endpoint h --keep-alive 65536",
            "--keep-alive 65536: 0 to 65535 seconds",
        ),
        (
            "--endpoint h --connect-timeout soon",
            "--connect-timeout soon: not a number of seconds",
        ),
        (
            "--endpoint h --connect-timeout -1",
            "--connect-timeout -1: not a number of seconds",
        ),
        (
            "--endpoint h --connect-timeout inf",
            "--connect-timeout inf: not a number of seconds",
        ),
        (
            "--endpoint h --operation-timeout 0",
            "--operation-timeout 0: it has to be longer",
        ),
        (
            "--endpoint h --backoff 1,2",
            "--backoff 1,2: expected BASE,MAX,STABLE in seconds",
        ),
        ("--endpoint h --backoff 1,2,3,4", "expected BASE,MAX,STABLE"),
        ("--endpoint h --backoff 9,2,3", "BASE is longer than MAX"),
        (
            "--endpoint h --backoff 0,2,3",
            "BASE has to be longer than nothing",
        ),
        ("--endpoint h --cert %client.pem", "--cert goes with --key"),
        ("--endpoint h --key %client.key", "--key goes with --cert"),
        (
            "--endpoint h --cert %no-such --key %client.key",
            "no-such (client certificate): No such file or directory",
        ),
        (
            "--endpoint h --cert %client.pem --key %no-such",
            "no-such (private key): No such file or directory",
        ),
        ("--endpoint h --ca-file %no-such", "no-such"),
        ("--endpoint h --ca-file %text", "holds no"),
        (
            "--endpoint h --ca-file %client.key",
            "give the certificates of the authorities",
        ),
        (
            "--endpoint h --cert %text --key %client.key",
            "convert a DER file",
        ),
        (
            "--endpoint h --cert %client.key --key %client.pem",
            "are certificate and key swapped?",
        ),
        (
            "--endpoint h --cert %client.pem --key %other.key",
            "is not the one of the certificate",
        ),
        (
            "--endpoint h --cert %expired.pem --key %expired.key",
            "expired at 2021-01-01",
        ),
        (
            "--endpoint mqtt://h --ca-file %ca.pem",
            "--ca-file: mqtt://h:1883 has no TLS",
        ),
        (
            "--endpoint ws://h --alpn x",
            "--alpn: ws://h:80/mqtt has no TLS",
        ),
        (
            "--endpoint mqtts://h --websocket",
            "--websocket: mqtts://h:8883 is none; give ws://",
        ),
        (
            "--endpoint ws://h --sigv4",
            "--sigv4: ws://h:80/mqtt is no WebSocket over TLS",
        ),
        (
            "--endpoint h --sigv4 --profile lamps",
            "tells no AWS region to sign for: give --region",
        ),
        (
            "--endpoint h --sigv4 --region r --profile x",
            "has no profile [x]",
        ),
        (
            "--endpoint h --sigv4 --region r",
            "has no profile [default]",
        ),
        ("--endpoint h --region r", "--region goes with --sigv4"),
        ("--endpoint h --profile r", "--profile goes with --sigv4"),
        (
            "--endpoint h --sigv4 --cert %client.pem --key %client.key",
            "--sigv4 and --cert exclude each other",
        ),
        (
            "--endpoint abc-ats.iot.eu-west-1.amazonaws.com",
            "AWS IoT Core lets nobody in without a sign-in: give --cert and --key",
        ),
        (
            "--endpoint h --password x --mqtt 3",
            "--password goes with --user",
        ),
        (
            "--endpoint h --custom-auth-token-value x",
            "goes with --custom-auth-token-key-name",
        ),
        (
            "--endpoint h --custom-auth-token-key-name k",
            "needs --custom-auth-token-value or the variable DEVICE_SHADOW_AUTH_TOKEN",
        ),
        (
            "--endpoint h --proxy-port 1",
            "--proxy-port goes with --proxy-host",
        ),
        (
            "--endpoint h --proxy-user me",
            "--proxy-user goes with --proxy-host",
        ),
        (
            "--endpoint h --proxy-host p --proxy-password x",
            "--proxy-password goes with --proxy-user",
        ),
        (
            "--endpoint h --proxy-host http://p",
            "--proxy-host: \"http://p\" is not a host",
        ),
    ] {
        let vars = [("AWS_SHARED_CREDENTIALS_FILE", "%credentials")];
        let error = match read(&dir, line, &vars) {
            Err(error) => error.to_string(),
            Ok(options) => panic!("{line}: {options:?}"),
        };
        assert!(error.contains(said), "{line}: {error}");
        assert!(
            !error.contains('\n') && !error.contains("hush"),
            "{line}: {error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;

    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let mut words = Words::new([word(b"--cert"), word(b"\xff"), word(b"\xfe")].into_iter());
    assert_eq!(words.next_flag().unwrap().as_deref(), Some("--cert"));
    let error = words.value().unwrap_err().to_string();
    assert_eq!(error, "--cert \"\u{fffd}\": not UTF-8");
    words.next_flag().unwrap();
    assert!(words.unknown().to_string().contains('\u{fffd}'));
}

#[test]
fn a_program_may_name_the_broker_itself() {
    let options_for = |words: &[&str]| {
        let mut words = Words::new(words.iter().map(Into::into));
        let mut flags = ConnectionFlags::new("x-").with_endpoint_flag("--broker");
        while let Some(flag) = words.next_flag()? {
            assert!(flags.read(&flag, &mut words)?, "{flag}");
        }
        assert!(!flags.has_endpoint());
        flags.options_for("mqtt://h".parse().unwrap())
    };
    let options = options_for(&["--keep-alive", "9", "--mqtt=3"]).unwrap();
    assert_eq!(options.keep_alive, Duration::from_secs(9));
    assert_eq!(options.version, MqttVersion::V3_1_1);
    let error = options_for(&["--port", "1"]).unwrap_err();
    assert_eq!(error.to_string(), "--port goes with --broker");
}

/// Settings from elsewhere, and each flag by its name: none is in the list alone.
#[test]
fn every_flag_of_the_list_is_taken_and_told() {
    let help = help("--broker");
    assert!(!help.contains("--endpoint") || help.contains("--broker HOST"));
    for info in ALL {
        let mut flags = ConnectionFlags::new("x-");
        let value = match info.value {
            None => "true",
            Some("SECONDS" | "PORT" | "3|5") => "5",
            Some("BASE,MAX,STABLE") => "1,2,3",
            Some("true|false") => "true",
            Some(_) => "text",
        };
        let samples = info.name.replace('-', "_").replacen("__", "--", 1);
        assert_eq!(flags.set(&samples, value), Ok(true), "{samples}");
        for alias in info.aliases {
            assert_eq!(flags.set(alias, value), Ok(true), "{alias}");
        }
        let mentioned = info.name == "--endpoint" || help.contains(info.name);
        assert!(mentioned, "{}", info.name);
    }
    let mut flags = ConnectionFlags::new("x-");
    assert_eq!(flags.set("--bogus", "1"), Ok(false));
    assert_eq!(flags.set("--websocket", "false"), Ok(true));
    assert!(flags.set("--websocket", "perhaps").is_err());
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "{help}"
    );
}
