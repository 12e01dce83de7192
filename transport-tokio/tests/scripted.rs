//! A server of MQTT 5 that follows a script, over streams in memory and in paused time: what the
//! client makes of a server that ends the connection, and how little an idle one does.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests"
)]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

#[allow(dead_code, reason = "each test target uses its part")]
#[path = "support/counted.rs"]
mod counted;
mod support;

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::sync::Arc;

use counted::Counted;
use mqtt_session::DisconnectCode;
use support::read_packet;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{Instant, sleep},
};
use transport_tokio::{
    ConnectError, ConnectOptions, ConnectionEvent, ConnectionEvents, DisconnectReason, Driver,
    Hint, OpenError, connect_with, start_with,
};

/// What the server does with each connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    /// It ends in place of the CONNACK.
    Close,
    /// It answers the CONNECT with this.
    Say(&'static [u8]),
    /// After so long there is a DISCONNECT with this code.
    Disconnect(Duration, u8),
    /// The connection just ends after so long.
    End(Duration),
    /// Each PINGREQ is answered.
    Serve,
}

fn open(script: Script) -> Result<DuplexStream, OpenError> {
    let (near, far) = duplex(4096);
    tokio::spawn(serve(far, script));
    Ok(near)
}

async fn serve(mut stream: DuplexStream, script: Script) {
    let connect = read_packet(&mut stream).await.unwrap();
    assert_eq!(connect[0], 0x10);
    if script == Script::Close {
        return;
    }
    if let Script::Say(what) = script {
        stream.write_all(what).await.unwrap();
        return;
    }
    // Success, no session, no properties.
    stream.write_all(b"\x20\x03\x00\x00\x00").await.unwrap();
    match script {
        Script::Close | Script::Say(_) => {}
        Script::End(after) => sleep(after).await,
        Script::Disconnect(after, code) => {
            let mut rest = Vec::new();
            tokio::select! {
                () = sleep(after) => {}
                _ = stream.read_to_end(&mut rest) => return,
            }
            stream.write_all(&[0xe0, 0x01, code]).await.unwrap();
            let _ = stream.read_to_end(&mut rest).await;
        }
        Script::Serve => {
            while let Some(packet) = read_packet(&mut stream).await {
                if packet == [0xc0, 0x00] && stream.write_all(b"\xd0\x00").await.is_err() {
                    return;
                }
            }
        }
    }
}

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::from_url("mqtt://broker").unwrap();
    options.keep_alive = Duration::ZERO;
    options.reconnect.jitter_percent = 0;
    options
}

/// Reason and delay of the next connection that ends.
async fn lost(events: &mut ConnectionEvents) -> (DisconnectReason, u64) {
    loop {
        if let ConnectionEvent::Disconnected {
            reason, retry_in, ..
        } = events.next().await.unwrap()
        {
            return (reason, retry_in.unwrap().as_secs());
        }
    }
}

fn code(reason: &DisconnectReason) -> Option<DisconnectCode> {
    let DisconnectReason::ByServer { code, .. } = reason else {
        return None;
    };
    Some(*code)
}

/// Two clients with one id push each other off for ever; each round has to be slower than the one
/// before, however long it lasted.
#[tokio::test(start_paused = true)]
async fn a_take_over_is_told_and_the_delay_grows() {
    let minute = Duration::from_secs(60);
    let script = Script::Disconnect(minute, DisconnectCode::SESSION_TAKEN_OVER.value());
    let connector = move |_| core::future::ready(open(script));
    let client = start_with(options(), connector).unwrap();
    let mut events = client.connection_events();
    let mut delays = Vec::new();
    for _ in 0..8 {
        let (reason, delay) = lost(&mut events).await;
        let code = code(&reason);
        assert_eq!(code, Some(DisconnectCode::SESSION_TAKEN_OVER));
        assert!(reason.to_string().contains("taken over"), "{reason}");
        delays.push(delay);
    }
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 32, 32]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_down_says_so_and_is_tried_again_soon() {
    let minute = Duration::from_secs(60);
    let script = Script::Disconnect(minute, DisconnectCode::SERVER_SHUTTING_DOWN.value());
    let connector = move |_| core::future::ready(open(script));
    let client = start_with(options(), connector).unwrap();
    let mut events = client.connection_events();
    for _ in 0..3 {
        let (reason, delay) = lost(&mut events).await;
        let code = code(&reason);
        assert_eq!(code, Some(DisconnectCode::SERVER_SHUTTING_DOWN));
        assert_eq!(delay, 1);
    }
}

/// MQTT 3.1.1, and many brokers of MQTT 5, take over without a word.
#[tokio::test(start_paused = true)]
async fn connections_that_end_soon_are_made_ever_more_slowly() {
    let connector = |_| core::future::ready(open(Script::End(Duration::from_secs(3))));
    let client = start_with(options(), connector).unwrap();
    let mut events = client.connection_events();
    for expected in [1, 2, 4, 8, 16, 32] {
        let (reason, delay) = lost(&mut events).await;
        assert_eq!(reason, DisconnectReason::TransportClosed);
        assert_eq!(delay, expected);
    }
}

/// Just-in-time registration: AWS closes the first connection of a certificate that it does not
/// know yet, and registers it.
#[tokio::test(start_paused = true)]
async fn a_first_connection_that_the_server_closes_is_made_again() {
    let mut attempts = 0;
    let connector = move |_| {
        attempts += 1;
        let known = attempts > 1;
        core::future::ready(open(if known { Script::Serve } else { Script::Close }))
    };
    let begin = Instant::now();
    let client = start_with(options(), connector).unwrap();
    client.connected().await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 1);

    // One attempt alone says that another may have more luck.
    let connector = |_| core::future::ready(open(Script::Close));
    let error = connect_with(options(), connector).await.unwrap_err();
    assert!(matches!(error, ConnectError::Closed { .. }), "{error:?}");
    assert!(!error.is_permanent());
    assert_eq!(error.hint(), Some(Hint::WantsTls));
}

/// What a port for something else does with a CONNECT.
#[tokio::test(start_paused = true)]
async fn what_does_not_answer_like_mqtt_is_guessed() {
    let alert = b"\x15\x03\x01\x00\x02\x02\x46";
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    for (script, hint) in [
        (Script::Say(alert), Some(Hint::WantsTls)),
        (Script::Say(http), Some(Hint::WantsWebSocket)),
        (Script::Say(b"\x20\xff\xff\xff\xff"), None),
    ] {
        let connector = move |_| core::future::ready(open(script));
        let error = connect_with(options(), connector).await.unwrap_err();
        assert_eq!(error.hint(), hint, "{error}");
        let hinted = hint.is_none_or(|hint| error.to_string().ends_with(&hint.to_string()));
        assert!(hinted, "{error}");
    }
}

/// The clock of the hour is virtual; what is counted is how often the driver runs.
#[tokio::test(start_paused = true)]
async fn an_idle_client_wakes_for_keep_alives_alone() {
    for (keep_alive, most) in [(0, 0), (60, 60 * 4), (5, 720 * 4)] {
        let mut options = options();
        options.keep_alive = Duration::from_secs(keep_alive);
        let connector = |_| core::future::ready(open(Script::Serve));
        let (client, driver) = Driver::new(options, connector).unwrap();
        let polls = Arc::new(AtomicU64::new(0));
        let driver = tokio::spawn(Counted::new(driver, &polls));
        client.connected().await.unwrap();
        // What belongs to connecting is over, its timer included.
        sleep(Duration::from_secs(60)).await;
        polls.store(0, Ordering::Relaxed);
        sleep(Duration::from_secs(3600)).await;
        let polls = polls.load(Ordering::Relaxed);
        assert!(polls <= most, "{polls} in an hour at {keep_alive} s");
        assert!(client.is_connected() && !driver.is_finished());
    }
}
