//! The command line, read by hand: a dozen flags are not worth a dependency.

use crate::{
    local::{TlsFiles, republish::Rule},
    settings::{MessageOrder, Rate, Settings},
};
use core::net::{IpAddr, SocketAddr};
use shadow_proto::TopicPrefix;
use std::{
    borrow::ToOwned, boxed::Box, format, net::ToSocketAddrs as _, path::PathBuf, string::String,
    string::ToString as _, vec::Vec,
};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
The Device Shadow service of AWS IoT on this machine, for tests, demos and sites without AWS.

Usage: shadow-local [OPTIONS]

  --listen ADDR     serve MQTT 3.1.1 and 5 on an embedded broker there; port 0 takes a free one
                    [default: 127.0.0.1:1883, unless --tls-listen, --ws-listen or --wss-listen]
  --tls-listen ADDR the same over TLS
  --ws-listen ADDR  the same over WebSocket, on the path /mqtt
  --wss-listen ADDR the same over WebSocket and TLS
  --broker URL      serve as a client of a broker that is running, instead: MQTT 5,
                    such as mqtt://127.0.0.1:1883; one service for each broker
  --republish FILTER=TOPIC
                    make shadow requests of messages on other topics, as a rule does on AWS:
                    a last will on presence/lamp updates the shadow of lamp, with
                    --republish 'presence/+=$aws/things/+/shadow/update'; repeatable
  --http ADDR       serve the REST data plane (AWS SDKs: iot-data) there
  --https ADDR      the same over TLS
  --data DIR        keep documents there; without it they end with the process
  --verbose, -v     print one line for each request
  --help, -h        print this
  --version, -V     print the version

Certificates for TLS, files in PEM form:
  --cert FILE       the server's certificate
  --key FILE        its private key
  --ca FILE         let in only clients with a certificate that this authority has signed
  --dev-certs DIR   in place of these three: make an authority, a server and a client there, or use
                    what is there; by itself it means --tls-listen 127.0.0.1:8883 too
  --dev-name NAME   a host name or address by which clients reach this machine, for the
                    certificate that --dev-certs makes; repeatable

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
    Listen(Listen),
    Broker(String),
}

/// Where the embedded broker listens.
#[derive(Debug, Default)]
pub(crate) struct Listen {
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) websocket: Option<SocketAddr>,
    pub(crate) websocket_tls: Option<SocketAddr>,
}

/// Where certificates come from.
#[derive(Debug)]
pub(crate) enum Certificates {
    Files(TlsFiles),
    Made {
        directory: PathBuf,
        names: Vec<String>,
    },
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) mqtt: Mqtt,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) republish: Vec<Rule>,
    pub(crate) verbose: bool,
    pub(crate) settings: Settings,
}

/// Certificates as the flags name them, before it is known whether they fit.
#[derive(Debug, Default)]
struct Files {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    dev: Option<PathBuf>,
    names: Vec<String>,
}

impl Args {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut run = Run {
            mqtt: Mqtt::Listen(Listen::default()),
            http: None,
            https: None,
            certificates: None,
            data: None,
            republish: Vec::new(),
            verbose: false,
            settings: Settings::default(),
        };
        let (mut listen, mut broker) = (Listen::default(), None);
        let mut files = Files::default();
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
                "--listen" => listen.plain = Some(address(flag, &value()?)?),
                "--tls-listen" => listen.tls = Some(address(flag, &value()?)?),
                "--ws-listen" => listen.websocket = Some(address(flag, &value()?)?),
                "--wss-listen" => listen.websocket_tls = Some(address(flag, &value()?)?),
                "--broker" => broker = Some(value()?),
                "--http" => run.http = Some(address(flag, &value()?)?),
                "--https" => run.https = Some(address(flag, &value()?)?),
                "--cert" => files.cert = Some(PathBuf::from(value()?)),
                "--key" => files.key = Some(PathBuf::from(value()?)),
                "--ca" => files.ca = Some(PathBuf::from(value()?)),
                "--dev-certs" => files.dev = Some(PathBuf::from(value()?)),
                "--dev-name" => files.names.push(value()?),
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
        match broker {
            Some(_) if listen.any() => {
                return Err("--broker excludes --listen and its kind".to_owned());
            }
            Some(url) => run.mqtt = Mqtt::Broker(url),
            None => {
                let secure = listen.tls.or(listen.websocket_tls).or(run.https).is_some();
                if !listen.any() {
                    listen.plain = Some(SocketAddr::from(([127, 0, 0, 1], 1883)));
                }
                if files.dev.is_some() && !secure {
                    listen.tls = Some(SocketAddr::from(([127, 0, 0, 1], 8883)));
                }
                run.mqtt = Mqtt::Listen(listen);
            }
        }
        run.certificates = files.check(run.tls_addresses())?;
        Ok(Self::Run(Box::new(run)))
    }
}

impl Listen {
    const fn any(&self) -> bool {
        self.plain.is_some()
            || self.tls.is_some()
            || self.websocket.is_some()
            || self.websocket_tls.is_some()
    }
}

impl Run {
    fn tls_addresses(&self) -> Vec<SocketAddr> {
        let mqtt = match &self.mqtt {
            Mqtt::Listen(listen) => [listen.tls, listen.websocket_tls],
            Mqtt::Broker(_) => [None, None],
        };
        mqtt.into_iter().chain([self.https]).flatten().collect()
    }
}

impl Files {
    /// What they amount to, given where TLS is served.
    fn check(self, addresses: Vec<SocketAddr>) -> Result<Option<Certificates>, String> {
        let given = [
            ("--dev-certs", self.dev.is_some()),
            ("--cert", self.cert.is_some()),
            ("--key", self.key.is_some()),
            ("--ca", self.ca.is_some()),
            ("--dev-name", !self.names.is_empty()),
        ];
        let given = given.iter().find(|(_, given)| *given);
        if let (Some((flag, _)), true) = (given, addresses.is_empty()) {
            return Err(format!(
                "{flag} is for --tls-listen, --wss-listen and --https, and none is given"
            ));
        }
        match (self.dev, self.cert, self.key, self.ca) {
            _ if addresses.is_empty() => Ok(None),
            (Some(directory), None, None, None) => {
                let mut names = self.names;
                // Such as devices on the same network use.
                let plain = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_loopback();
                let ips = addresses.iter().map(SocketAddr::ip).filter(plain);
                names.extend(ips.map(|ip| ip.to_string()));
                Ok(Some(Certificates::Made { directory, names }))
            }
            (Some(_), ..) => Err("--dev-certs excludes --cert, --key and --ca".to_owned()),
            (None, ..) if !self.names.is_empty() => Err("--dev-name is for --dev-certs".to_owned()),
            (None, Some(cert), Some(key), ca) => {
                let files = TlsFiles::new(cert, key);
                Ok(Some(Certificates::Files(match ca {
                    Some(ca) => files.with_authority(ca),
                    None => files,
                })))
            }
            (None, ..) => Err(
                "TLS needs --cert and --key, and --ca to check clients; or --dev-certs".to_owned(),
            ),
        }
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

    fn read(args: &str) -> Result<Args, String> {
        Args::read(args.split_whitespace().map(str::to_owned))
    }

    fn run(args: &str) -> Run {
        match read(args).unwrap() {
            Args::Run(run) => *run,
            other @ (Args::Help | Args::Version) => panic!("{other:?}"),
        }
    }

    fn listen(run: &Run) -> &Listen {
        match &run.mqtt {
            Mqtt::Listen(listen) => listen,
            Mqtt::Broker(url) => panic!("{url}"),
        }
    }

    #[test]
    fn where_tls_is_served_and_with_what() {
        let all = run(
            "--tls-listen 8883 --ws-listen 0 --wss-listen=[::1]:443 --https 0 \
             --cert c --key k --ca a",
        );
        assert_eq!(listen(&all).plain, None);
        assert_eq!(listen(&all).tls.unwrap().to_string(), "127.0.0.1:8883");
        assert_eq!(listen(&all).websocket.unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(listen(&all).websocket_tls.unwrap().to_string(), "[::1]:443");
        assert!(all.https.is_some());
        let files = TlsFiles::new("c", "k").with_authority("a");
        assert!(matches!(all.certificates, Some(Certificates::Files(all)) if all == files));

        let impatient = run("--dev-certs d");
        assert!(listen(&impatient).plain.is_some());
        assert_eq!(listen(&impatient).tls.unwrap().port(), 8883);
        let named = run("--dev-certs d --https 192.0.2.7:0 --dev-name gateway");
        assert_eq!(listen(&named).tls, None);
        let Some(Certificates::Made { directory, names }) = named.certificates else {
            panic!("{:?}", named.certificates);
        };
        assert_eq!(directory, PathBuf::from("d"));
        assert_eq!(names, ["gateway", "192.0.2.7"]);
        assert!(
            run("--broker mqtt://x --https 0 --dev-certs d")
                .https
                .is_some()
        );
    }

    #[test]
    fn every_flag_is_read() {
        let all = run("--listen 0.0.0.0:0 --http=8080 -v --data /x/y \
             --republish p/+=$aws/things/+/shadow/update \
             --republish=q=$aws/things/t/shadow/get --prefix site/1 --max-document-bytes 30720 \
             --max-depth=6 --rate 20 --shuffle 7");
        assert_eq!(listen(&all).plain.unwrap().to_string(), "0.0.0.0:0");
        assert_eq!(all.http.unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(all.data, Some(PathBuf::from("/x/y")));
        assert_eq!(all.republish.len(), 2);
        assert!(all.verbose);
        assert_eq!(all.settings.prefix.as_str(), "site/1");
        assert_eq!(all.settings.limits.max_document_bytes, 30720);
        assert_eq!(all.settings.limits.max_depth, 6);
        assert_eq!(all.settings.rate, Some(Rate::new(20, 20)));
        assert_eq!(all.settings.order, MessageOrder::Shuffled { seed: 7 });
        let plain = listen(&run("")).plain.unwrap();
        assert_eq!(plain.to_string(), "127.0.0.1:1883");
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
            ("--listen 1 --broker mqtt://x", "--broker excludes --listen"),
            (
                "--broker mqtt://x --ws-listen 1",
                "--broker excludes --listen",
            ),
            ("--tls-listen 1", "TLS needs --cert and --key"),
            ("--https 1 --cert c --ca a", "TLS needs --cert and --key"),
            ("--https 1 --cert c --dev-certs d", "--dev-certs excludes"),
            (
                "--https 1 --cert c --key k --dev-name n",
                "is for --dev-certs",
            ),
            ("--cert c --key k", "--cert is for --tls-listen"),
            ("--broker mqtt://x --dev-certs d", "--dev-certs is for"),
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
