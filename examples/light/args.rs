//! The command line.

use std::{ffi::OsString, time::Duration};

use device_shadow::{
    proto::ShadowId,
    tokio::{Endpoint, Scheme},
};

pub(crate) const HELP: &str = "\
A light that keeps one property in sync with its shadow.

Usage: light [OPTIONS]

  --endpoint URL      the broker: mqtt://HOST[:PORT], or a bare host; without it, a shadow
                      service of our own in this process
  --port PORT         the broker's port, instead of the endpoint's [default: 1883]
  --thing-name NAME   the thing [default: light]
  --shadow-name NAME  a named shadow of it [default: the classic shadow]
  --property NAME     the property [default: color]
  --client-id ID      the MQTT client id [default: test- and a random suffix]
  --mqtt 3|5          the MQTT version: 3.1.1 or 5 [default: 5]
  --mute              never report, to see what an application sees of a stuck device
  --patience SECONDS  how long the application waits for a report [default: 10]
  --help              print this

While it runs, a line VALUE sets the property here and in the shadow, `none` removes it,
`clear_shadow` empties the shadow, `quit` or `exit` ends. Without --endpoint, `desired VALUE`
(or `desired none`) plays the application; when standard input is not a terminal, the
application plays by itself.";

pub(crate) enum Parsed {
    Run(Args),
    Help,
}

pub(crate) struct Args {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) thing_name: String,
    pub(crate) shadow_name: Option<String>,
    pub(crate) property: String,
    pub(crate) client_id: String,
    pub(crate) mqtt: String,
    pub(crate) mute: bool,
    pub(crate) patience: Duration,
}

impl Args {
    pub(crate) fn read(words: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
        let mut words = words.map(|word| word.to_string_lossy().into_owned());
        let mut args = Self {
            endpoint: None,
            thing_name: "light".to_owned(),
            shadow_name: None,
            property: "color".to_owned(),
            client_id: format!("test-{:08x}", random()),
            mqtt: "5".to_owned(),
            mute: false,
            patience: Duration::from_secs(10),
        };
        let (mut endpoint, mut port) = (None, None);
        while let Some(word) = words.next() {
            let (flag, inline) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            // `--thing_name` is how the AWS samples spell it.
            let flag = flag.replace('_', "-");
            let mut value = || {
                let value = inline.clone().or_else(|| words.next());
                value.ok_or_else(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--endpoint" => endpoint = Some(value()?),
                "--port" => port = Some(value()?),
                "--thing-name" => args.thing_name = value()?,
                "--shadow-name" => args.shadow_name = Some(value()?),
                "--property" | "--shadow-property" => args.property = value()?,
                "--client-id" => args.client_id = value()?,
                "--mqtt" => args.mqtt = value()?,
                "--patience" => args.patience = seconds(&value()?)?,
                "--mute" | "--help" if inline.is_some() => {
                    return Err(format!("{flag} takes no value"));
                }
                "--mute" => args.mute = true,
                "--help" | "-h" => return Ok(Parsed::Help),
                _ => return Err(format!("unknown argument {flag}; --help lists them")),
            }
        }
        args.shadow_id()?;
        if args.property.is_empty() {
            return Err("--property: the name is empty".to_owned());
        }
        if !["3", "5"].contains(&args.mqtt.as_str()) {
            return Err(format!("--mqtt {}: use 3 (for 3.1.1) or 5", args.mqtt));
        }
        if let Some(text) = endpoint {
            let endpoint = Endpoint::with_scheme(Scheme::Mqtt, &text)
                .map_err(|error| format!("--endpoint {text}: {error}"))?;
            args.endpoint = Some(match port {
                None => endpoint,
                Some(port) => match port.parse() {
                    Ok(port) if port != 0 => endpoint.with_port(port),
                    _ => return Err(format!("--port {port}: not a port number")),
                },
            });
        } else if port.is_some() {
            return Err("--port goes with --endpoint".to_owned());
        }
        Ok(Parsed::Run(args))
    }

    pub(crate) fn shadow_id(&self) -> Result<ShadowId, String> {
        ShadowId::new(&self.thing_name, self.shadow_name.as_deref())
            .map_err(|error| error.to_string())
    }

    pub(crate) fn shown_shadow(&self) -> String {
        match &self.shadow_name {
            None => format!("thing {}", self.thing_name),
            Some(name) => format!("thing {}, shadow {name}", self.thing_name),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let patience = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    patience.ok_or_else(|| format!("--patience {text}: not a number of seconds"))
}

/// Random enough for a client id: std seeds its hashers from the system.
fn random() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id()) as u32
}
