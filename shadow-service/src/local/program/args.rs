//! The command line, read by hand: a dozen flags are not worth a dependency.

use crate::{
    local::republish::Rule,
    settings::{MessageOrder, Rate, Settings},
};
use core::net::SocketAddr;
use shadow_proto::TopicPrefix;
use std::{
    borrow::ToOwned, boxed::Box, format, net::ToSocketAddrs as _, path::PathBuf, string::String,
    vec::Vec,
};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
The Device Shadow service of AWS IoT on this machine, for tests, demos and sites without AWS.

Usage: shadow-local [OPTIONS]

  --listen ADDR     serve MQTT 3.1.1 and 5 on an embedded broker there
                    [default: 127.0.0.1:1883]; port 0 takes a free one
  --broker URL      serve as a client of a broker that is running, instead: MQTT 5,
                    such as mqtt://127.0.0.1:1883; one service for each broker
  --republish FILTER=TOPIC
                    make shadow requests of messages on other topics, as a rule does on AWS:
                    a last will on presence/lamp updates the shadow of lamp, with
                    --republish 'presence/+=$aws/things/+/shadow/update'; repeatable
  --http ADDR       serve the REST data plane (AWS SDKs: iot-data) there
  --data DIR        keep documents there; without it they end with the process
  --verbose, -v     print one line for each request
  --help, -h        print this
  --version, -V     print the version

How the service behaves:
  --prefix PREFIX           what stands before /things/… in topics [default: $aws]
  --max-document-bytes N    size of desired and reported together [default: 8192]
  --max-depth N             levels in a section [default: 8]
  --rate N                  requests a second for each thing, else 429 [default: no limit;
                            AWS has 20]
  --shuffle SEED            publish the messages of an update in varying order, as AWS may

ADDR is HOST:PORT, or a port alone for 127.0.0.1.
";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Args {
    Help,
    Version,
    Run(Box<Run>),
}

/// Where requests come from.
#[derive(Debug)]
pub(crate) enum Mqtt {
    Listen(SocketAddr),
    Broker(String),
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) mqtt: Mqtt,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) republish: Vec<Rule>,
    pub(crate) verbose: bool,
    pub(crate) settings: Settings,
}

impl Args {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut run = Run {
            mqtt: Mqtt::Listen(SocketAddr::from(([127, 0, 0, 1], 1883))),
            http: None,
            data: None,
            republish: Vec::new(),
            verbose: false,
            settings: Settings::default(),
        };
        let (mut listen, mut broker) = (None, None);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            // Both `--flag value` and `--flag=value`.
            let (flag, inline) = match arg.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            let has_value = inline.is_some();
            let mut value = || {
                let value = inline.clone().or_else(|| args.next());
                value.ok_or_else(|| format!("{flag} needs a value"))
            };
            let settings = &mut run.settings;
            match flag {
                "--listen" => listen = Some(Mqtt::Listen(address(flag, &value()?)?)),
                "--broker" => broker = Some(Mqtt::Broker(value()?)),
                "--http" => run.http = Some(address(flag, &value()?)?),
                "--data" => run.data = Some(PathBuf::from(value()?)),
                "--republish" => {
                    let rule = value()?.parse();
                    run.republish
                        .push(rule.map_err(|error| format!("{flag}: {error}"))?);
                }
                "--prefix" => {
                    let prefix = TopicPrefix::new(&value()?);
                    settings.prefix = prefix.map_err(|error| format!("{flag}: {error}"))?;
                }
                "--max-document-bytes" => {
                    settings.limits.max_document_bytes = number(flag, &value()?)?;
                }
                "--max-depth" => settings.limits.max_depth = number(flag, &value()?)?,
                "--rate" => {
                    let rate = number(flag, &value()?)?;
                    settings.rate = Some(Rate::new(rate, rate));
                }
                "--shuffle" => {
                    let seed = number(flag, &value()?)?;
                    settings.order = MessageOrder::Shuffled { seed };
                }
                _ if has_value => return Err(unknown(&arg)),
                "--verbose" | "-v" => run.verbose = true,
                "--help" | "-h" => return Ok(Self::Help),
                "--version" | "-V" => return Ok(Self::Version),
                _ => return Err(unknown(&arg)),
            }
        }
        if listen.is_some() && broker.is_some() {
            return Err("--listen and --broker exclude each other".to_owned());
        }
        if let Some(mqtt) = listen.or(broker) {
            run.mqtt = mqtt;
        }
        Ok(Self::Run(Box::new(run)))
    }
}

fn unknown(arg: &str) -> String {
    format!("unknown argument {arg:?}; --help lists them")
}

fn number<N: core::str::FromStr>(flag: &str, text: &str) -> Result<N, String> {
    let number = text.parse();
    number.map_err(|_| format!("{flag}: {text:?} is not a number that fits"))
}

fn address(flag: &str, text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let resolved = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    resolved.ok_or_else(|| format!("{flag}: {text:?} is not an address such as 127.0.0.1:1883"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    fn read(args: &str) -> Result<Args, String> {
        Args::read(args.split_whitespace().map(str::to_owned))
    }

    fn run(args: &str) -> Run {
        match read(args).unwrap() {
            Args::Run(run) => *run,
            other @ (Args::Help | Args::Version) => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_flag_is_read() {
        let all = run("--listen 0.0.0.0:0 --http=8080 -v --data /x/y \
             --republish p/+=$aws/things/+/shadow/update \
             --republish=q=$aws/things/t/shadow/get --prefix site/1 --max-document-bytes 30720 \
             --max-depth=6 --rate 20 --shuffle 7");
        assert!(matches!(all.mqtt, Mqtt::Listen(at) if at.to_string() == "0.0.0.0:0"));
        assert_eq!(all.http.unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(all.data, Some(PathBuf::from("/x/y")));
        assert_eq!(all.republish.len(), 2);
        assert!(all.verbose);
        assert_eq!(all.settings.prefix.as_str(), "site/1");
        assert_eq!(all.settings.limits.max_document_bytes, 30720);
        assert_eq!(all.settings.limits.max_depth, 6);
        assert_eq!(all.settings.rate, Some(Rate::new(20, 20)));
        assert_eq!(all.settings.order, MessageOrder::Shuffled { seed: 7 });
        assert!(matches!(run("").mqtt, Mqtt::Listen(at) if at.to_string() == "127.0.0.1:1883"));
        assert!(matches!(run("--broker=mqtt://x").mqtt, Mqtt::Broker(url) if url == "mqtt://x"));
        assert!(matches!(read("-v --help"), Ok(Args::Help)));
        assert!(matches!(read("-V"), Ok(Args::Version)));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (args, part) in [
            ("--listen", "--listen needs a value"),
            ("--listen nowhere", "127.0.0.1:1883"),
            ("--http 70000", "\"70000\" is not an address"),
            ("--republish p", "expected FILTER=TOPIC"),
            ("--rate -1", "not a number"),
            ("--rate=", "not a number"),
            ("--prefix a/#", "'#'"),
            ("--listen 1 --broker mqtt://x", "exclude each other"),
            ("--verbose=yes", "unknown argument \"--verbose=yes\""),
            ("listen", "unknown argument \"listen\""),
            ("--frobnicate", "--help"),
        ] {
            let error = read(args).unwrap_err();
            assert!(error.contains(part), "{args}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
