//! The shadow sample: a light that keeps its color in sync with its shadow.
//!
//! ```text
//! cargo run --example light --features tokio                       # all by itself
//! cargo run --example light --features tokio -- --endpoint mqtt://broker:1883 --thing_name lamp
//! cargo run --example light --features tokio,tls -- \
//!     --endpoint abc-ats.iot.eu-west-1.amazonaws.com --cert F --key F --thing_name lamp
//! ```
//!
//! Without `--endpoint` it starts a shadow service of its own, in this process. Then, in a
//! terminal, `desired VALUE` plays the application; from a pipe the application plays by itself.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "a program is std's, and a light need not know every event"
)]

#[path = "light/application.rs"]
mod application;
#[path = "light/args.rs"]
mod args;
#[path = "light/console.rs"]
mod console;
#[path = "light/device.rs"]
mod device;

use std::{pin::pin, process::ExitCode, time::Duration};

use application::Application;
use args::{Args, Parsed};
use console::{Console, Input, say};
use device::{Device, Done};
use device_shadow::tokio::{ConnectError, ConnectOptions, Endpoint, ShadowClient, connect, policy};
use shadow_service::local::{Options, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os().skip(1)) {
        Ok(Parsed::Run(args)) => args,
        Ok(Parsed::Help) => {
            say(&args::help());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("light: {error}");
            return ExitCode::from(64);
        }
    };
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("light: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn run(args: &Args) -> Result<()> {
    let console = Console::start()?;
    match &args.broker {
        Some(options) => with_broker(args, options.clone(), console).await,
        None => all_by_itself(args, console).await,
    }
}

/// On a broker that is there, with a shadow service behind it.
async fn with_broker(args: &Args, options: ConnectOptions, mut console: Console) -> Result<()> {
    let (endpoint, id) = (&options.endpoint, &options.client_id);
    say(&format!("connecting to {endpoint} as {id}"));
    let version = options.version;
    let client = tokio::select! {
        client = connect(options.clone()) => client.map_err(|error| refused(&error, id))?,
        () = console.stopped() => return Ok(()),
    };
    say(&format!("connected, {}", args.shown_shadow()));
    if console.terminal {
        say("type what you like; for example");
        say(BY_HAND);
    }
    let mut device = Device::start(&client, args, version)?;
    let done = loop {
        let listens = device.listens();
        tokio::select! {
            done = device.step() => if let Some(done) = done { break done },
            input = console.next(listens) => match input {
                Input::Line(line) => if device.typed(&line) { break Done::Quit },
                // A pipe that ends leaves a device that goes on.
                Input::End => {}
                Input::Stop => break Done::Quit,
            },
        }
    };
    goodbye(device, &[client], &mut console).await;
    match done {
        Done::Quit => say("goodbye"),
        Done::Failed(error) => return Err(error.into()),
    }
    Ok(())
}

/// Why there is no connection, and the right that may be missing for one.
fn refused(error: &ConnectError, client_id: &str) -> String {
    match policy::missing_for_client(client_id, error) {
        Some(missing) => format!("{error}; {missing}"),
        None => error.to_string(),
    }
}

/// With a shadow service in this process, and the application too.
async fn all_by_itself(args: &Args, mut console: Console) -> Result<()> {
    let server = Server::start(Options::on_free_ports()).await?;
    let address = server
        .mqtt_address()
        .ok_or("the local service has no broker")?;
    let endpoint: Endpoint = format!("mqtt://{address}").parse()?;
    say(&format!(
        "a shadow service of our own listens on {endpoint}, {}",
        args.shown_shadow()
    ));

    let options = args.options_for(endpoint)?;
    let client = connect(options.clone()).await?;
    let mut device = Device::start(&client, args, options.version)?;
    let mut options_of_application = options;
    options_of_application.client_id += "-application";
    let client_of_application = connect(options_of_application).await?;
    let application = Application::new(&client_of_application, args)?;

    let typed = console.terminal;
    if typed {
        say("type what you like; for example");
        say("  desired blue   as the application: the light is told, and reports");
        say(BY_HAND);
    }
    let mut play = pin!(application.play());
    let end = loop {
        let listens = typed && device.listens();
        tokio::select! {
            done = device.step() => match done {
                Some(Done::Failed(error)) => break Err(error.into()),
                Some(Done::Quit) => break Ok(None),
                None => {}
            },
            played = &mut play, if !typed => break played.map(Some),
            input = console.next(listens) => match input {
                Input::Line(line) => match line.trim().split_once(char::is_whitespace) {
                    Some(("desired", value)) => application.desire(value.trim()),
                    None if line.trim() == "desired" => say("desired what? type: desired VALUE"),
                    _ => if device.typed(&line) { break Ok(None) },
                },
                Input::End | Input::Stop => break Ok(None),
            },
        }
    };
    goodbye(device, &[client, client_of_application], &mut console).await;
    server.stop().await;
    match end? {
        Some(last) => say(&format!("in sync: {} = {last}", args.property)),
        None => say("goodbye"),
    }
    Ok(())
}

/// Lets what is on its way arrive, for a while; a second Ctrl-C cuts it short.
async fn goodbye(mut device: Device, clients: &[ShadowClient], console: &mut Console) {
    const PATIENCE: Duration = Duration::from_secs(2);
    let leave = async {
        if tokio::time::timeout(PATIENCE, device.finish())
            .await
            .is_err()
        {
            say("no answer to the last update");
        }
        for client in clients {
            let _ = client.shutdown(PATIENCE).await;
        }
    };
    tokio::select! {
        () = leave => {}
        () = console.stopped() => {}
    }
}

const BY_HAND: &str = "  red            by hand at the light: reported and desired at once
  none, clear_shadow, quit";
