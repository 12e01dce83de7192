//! The command line.

use std::{ffi::OsString, time::Duration};

use device_shadow::{
    proto::ShadowId,
    tokio::{
        ConnectOptions, Endpoint,
        flags::{self, ConnectionFlags, FlagError, Words},
    },
};

const HELP: &str = "\
A light that keeps one property in sync with its shadow.

Usage: light [OPTIONS]

  --thing-name NAME           the thing [default: light]
  --shadow-name NAME          a named shadow of it [default: the classic shadow]
  --shadow-property NAME      the property, also --property [default: color]
  --mute                      never report, to see what an application sees of a stuck device
  --patience SECONDS          how long the application waits for a report [default: 10]
  --help                      print this

While it runs, a line VALUE sets the property here and in the shadow, `none` removes it,
`clear_shadow` empties the shadow, `quit` or `exit` ends. Without --endpoint there is a shadow
service of our own in this process, and `desired VALUE` (or `desired none`) plays the application;
when standard input is not a terminal, the application plays by itself.

How to connect, with the names of the AWS samples; dashes and underscores are alike:
";

/// What `--help` prints.
pub(crate) fn help() -> String {
    let connection = flags::help("--endpoint");
    // The client id begins as the samples' policy wants it.
    let connection = connection.replace("a random one]", "test- and random digits]");
    format!("{HELP}{}", connection.trim_end())
}

pub(crate) enum Parsed {
    Run(Box<Args>),
    Help,
}

pub(crate) struct Args {
    /// How to connect to the broker, if it is not to be our own.
    pub(crate) broker: Option<ConnectOptions>,
    connection: ConnectionFlags,
    pub(crate) thing_name: String,
    pub(crate) shadow_name: Option<String>,
    pub(crate) property: String,
    pub(crate) mute: bool,
    pub(crate) patience: Duration,
}

impl Args {
    pub(crate) fn read(words: impl Iterator<Item = OsString>) -> Result<Parsed, FlagError> {
        let mut words = Words::new(words);
        let mut args = Self {
            broker: None,
            connection: ConnectionFlags::new("test-"),
            thing_name: "light".to_owned(),
            shadow_name: None,
            property: "color".to_owned(),
            mute: false,
            patience: Duration::from_secs(10),
        };
        while let Some(flag) = words.next_flag()? {
            match flag.as_str() {
                "--thing-name" => args.thing_name = words.value()?,
                "--shadow-name" => args.shadow_name = Some(words.value()?),
                "--property" | "--shadow-property" => args.property = words.value()?,
                "--patience" => args.patience = words.seconds()?,
                "--mute" => args.mute = true,
                "--help" | "-h" => return Ok(Parsed::Help),
                _ if args.connection.read(&flag, &mut words)? => {}
                _ => return Err(words.unknown()),
            }
        }
        args.shadow_id()?;
        if args.property.is_empty() {
            return Err(FlagError::new("--property: the name is empty"));
        }
        if args.connection.has_endpoint() {
            let var = |name: &str| std::env::var(name).ok();
            args.broker = Some(args.connection.options(var)?);
        } else {
            // Our own one has no address yet; what is wrong is wrong for any.
            let any = "mqtt://localhost".parse();
            args.options_for(any.map_err(|_| FlagError::new("no host"))?)?;
        }
        Ok(Parsed::Run(Box::new(args)))
    }

    /// How to connect to a broker of our own.
    pub(crate) fn options_for(&self, endpoint: Endpoint) -> Result<ConnectOptions, FlagError> {
        self.connection.options_for(endpoint)
    }

    pub(crate) fn shadow_id(&self) -> Result<ShadowId, FlagError> {
        ShadowId::new(&self.thing_name, self.shadow_name.as_deref())
            .map_err(|error| FlagError::new(error.to_string()))
    }

    pub(crate) fn shown_shadow(&self) -> String {
        match &self.shadow_name {
            None => format!("thing {}", self.thing_name),
            Some(name) => format!("thing {}, shadow {name}", self.thing_name),
        }
    }
}
