//! A fleet: prints every document of every thing, classic and named shadows, as they change.
//!
//! ```text
//! cargo run --example fleet --features tokio -- --endpoint mqtt://broker:1883
//! cargo run --example fleet --features tokio,tls -- \
//!     --endpoint abc-ats.iot.eu-west-1.amazonaws.com --cert F --key F --share backend
//! ```
//!
//! Two plain subscriptions with wildcards hear the documents of all things; with `--share` each
//! message goes to one of those who subscribe in that group, so that several share the work.
//! (Mosquitto 2.0 gives shared subscriptions nothing of topics that begin with a dollar.)

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a program is std's"
)]

use std::{error::Error, io::Write as _, process::ExitCode, time::Duration};

use device_shadow::{
    proto::{
        Topic, TopicKind,
        wire::{self, Sections},
    },
    tokio::{
        ConnectOptions, Message, Qos, connect,
        flags::{self, ConnectionFlags, FlagError, Words},
    },
};

const HELP: &str = "\
Prints each document of each shadow as it changes: thing, shadow, version, desired, reported.

Usage: fleet --endpoint HOST [OPTIONS]

  --share GROUP               share the messages with the others of that group
  --help                      print this
";

/// Of all things: their classic shadows, their named shadows.
const FILTERS: [&str; 2] = [
    "$aws/things/+/shadow/update/documents",
    "$aws/things/+/shadow/name/+/update/documents",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (error, code) = match read() {
        Ok(None) => {
            say(&format!("{HELP}{}", flags::help("--endpoint").trim_end()));
            return ExitCode::SUCCESS;
        }
        Ok(Some((options, group))) => match run(options, group).await {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, 1),
        },
        Err(error) => (error.into(), 64),
    };
    eprintln!("fleet: {error}");
    ExitCode::from(code)
}

/// The options and the group; `None` if help was asked for.
fn read() -> Result<Option<(ConnectOptions, Option<String>)>, FlagError> {
    let mut words = Words::new(std::env::args_os().skip(1));
    let (mut connection, mut group) = (ConnectionFlags::new("fleet-"), None);
    while let Some(flag) = words.next_flag()? {
        match flag.as_str() {
            "--share" => group = Some(words.value()?),
            "--help" | "-h" => return Ok(None),
            _ if connection.read(&flag, &mut words)? => {}
            _ => return Err(words.unknown()),
        }
    }
    let options = connection.options(|name| std::env::var(name).ok())?;
    Ok(Some((options, group)))
}

async fn run(options: ConnectOptions, group: Option<String>) -> Result<(), Box<dyn Error>> {
    let client = connect(options).await?;
    let subscribe = async |filter: &str| {
        let filter = match &group {
            None => filter.to_owned(),
            Some(group) => format!("$share/{group}/{filter}"),
        };
        let granted = client.subscribe(&filter, Qos::AtLeastOnce).await;
        granted.map_err(|error| format!("{filter}: {error}"))
    };
    let mut classic = subscribe(FILTERS[0]).await?;
    let mut named = subscribe(FILTERS[1]).await?;
    say("every document from now on:");
    loop {
        let message = tokio::select! {
            message = classic.next() => message,
            message = named.next() => message,
            stop = tokio::signal::ctrl_c() => {
                stop?;
                break;
            }
        };
        match message {
            Some(Ok(message)) => say(&shown(&message)),
            Some(Err(lagged)) => say(&format!("too slow: {} messages are lost", lagged.0)),
            None => return Err("the client has stopped".into()),
        }
    }
    // What did not get through within that time does not matter to a listener.
    let _ = client.shutdown(Duration::from_secs(2)).await;
    Ok(())
}

/// A line about a message.
fn shown(message: &Message) -> String {
    let Some(topic) = Topic::parse(&message.topic) else {
        return format!("not a shadow's topic: {}", message.topic);
    };
    debug_assert_eq!(topic.kind(), TopicKind::UpdateDocuments);
    let mut whose = topic.thing().to_owned();
    if let Some(name) = topic.shadow() {
        whose = format!("{whose} {name}");
    }
    match wire::decode(topic.kind(), &message.payload) {
        Ok(wire::Message::Documents(documents)) => {
            let current = documents.current;
            format!(
                "{whose}: version {}, {}",
                current.version,
                state(&current.state)
            )
        }
        Ok(other) => format!("{whose}: {other:?}"),
        Err(error) => format!("{whose}: cannot be read: {error}"),
    }
}

fn state(sections: &Sections<'_>) -> String {
    let text = |name, section: Option<&_>| match section {
        Some(json) => format!("{name} {json}"),
        None => format!("nothing {name}"),
    };
    let desired = text("desired", sections.desired.value().copied());
    let reported = text("reported", sections.reported.value().copied());
    format!("{desired}, {reported}")
}

/// Prints a line. Nobody reading it is no reason to stop.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
