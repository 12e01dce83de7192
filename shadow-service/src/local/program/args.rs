//! The command line.

use crate::{
    local::{FaultRule, TlsFiles, republish::Rule},
    settings::{MessageOrder, Rate, Settings},
};
use core::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
};
use shadow_proto::TopicPrefix;
use std::{
    borrow::ToOwned, boxed::Box, ffi::OsString, format, net::ToSocketAddrs as _, path::PathBuf,
    string::String, string::ToString as _, vec::Vec,
};
use transport_tokio::{
    ConnectOptions,
    flags::{self, ConnectionFlags, FlagError, Words},
};

const HELP: &str = "\
The Device Shadow service of AWS IoT on this machine, for tests, demos and sites without AWS.

Usage: shadow-local [OPTIONS]

  --listen ADDR     serve MQTT 3.1.1 and 5 on an embedded broker there; port 0 takes a free one
                    [default: 127.0.0.1:1883, unless --tls-listen, --ws-listen or --wss-listen]
  --tls-listen ADDR the same over TLS
  --ws-listen ADDR  the same over WebSocket, on the path /mqtt
  --wss-listen ADDR the same over WebSocket and TLS
  --broker HOST     serve as a client of a broker that is running, instead: a URL such as
                    mqtts://broker:8883, or a host; one service for each broker
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

Certificates for TLS, files in PEM form; with --broker the first three are those of the connection
to it (see below), and --https-cert, --https-key and --https-ca those of --https:
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
  --in-flight N             requests of a thing that came and whose answers are not published yet,
                            else 429 [default: no limit; AWS has 10]
  --shuffle SEED            publish the messages of an update in varying order, as AWS may

What goes wrong, to test devices with:
  --fault WHAT[,WHAT...][@THING]    for one thing, or for all; repeatable, the first that fits holds
                    swallow          a request is neither served nor answered
                    answer=CODE      a request is not served, and answered with this code
                    lose-answer      a request is served, and not answered
                    fail-applied     a request is served, and answered with 500
                    drop, duplicate, reorder        what becomes of a message of the service
                    delay=200ms, delay=0ms..2s      how long a message waits
                    no-token         answers of 429 carry no client token
                    each but delay with how often: swallow=5%, answer=503:5% [default: 100%]
  --fault-seed N    equal seeds let the same things go wrong [default: 0]

ADDR is HOST:PORT, or a port alone for 127.0.0.1.

How to connect to the --broker, with the names of the AWS samples; dashes and underscores are alike:
";

/// What `--help` prints.
pub(crate) fn help() -> String {
    HELP.to_owned() + &flags::help(BROKER)
}

const BROKER: &str = "--broker";

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
    Broker(Box<ConnectOptions>),
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
    pub(crate) in_flight: Option<u32>,
    pub(crate) faults: Vec<FaultRule>,
    pub(crate) fault_seed: u64,
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
    /// Reads the arguments after the program's name. `var` looks a variable of the environment up.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub(crate) fn read(
        args: impl IntoIterator<Item = OsString>,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, FlagError> {
        let args: Vec<OsString> = args.into_iter().collect();
        // Says whose certificates are meant, wherever it stands.
        let attached = args.iter().any(|arg| {
            let arg = arg.to_string_lossy();
            arg.split('=').next() == Some(BROKER)
        });
        let mut words = Words::new(args.into_iter());
        let mut run = Run {
            mqtt: Mqtt::Listen(Listen::default()),
            http: None,
            https: None,
            certificates: None,
            data: None,
            republish: Vec::new(),
            verbose: false,
            settings: Settings::default(),
            in_flight: None,
            faults: Vec::new(),
            fault_seed: 0,
        };
        let mut listen = Listen::default();
        let mut connection = ConnectionFlags::new("shadow-local-").with_endpoint_flag(BROKER);
        let mut files = Files::default();
        while let Some(flag) = words.next_flag()? {
            let flag = flag.as_str();
            let settings = &mut run.settings;
            match flag {
                "--listen" => listen.plain = Some(address(flag, &words.value()?)?),
                "--tls-listen" => listen.tls = Some(address(flag, &words.value()?)?),
                "--ws-listen" => listen.websocket = Some(address(flag, &words.value()?)?),
                "--wss-listen" => listen.websocket_tls = Some(address(flag, &words.value()?)?),
                "--http" => run.http = Some(address(flag, &words.value()?)?),
                "--https" => run.https = Some(address(flag, &words.value()?)?),
                "--https-cert" => files.cert = Some(words.value()?.into()),
                "--https-key" => files.key = Some(words.value()?.into()),
                "--https-ca" => files.ca = Some(words.value()?.into()),
                "--cert" if !attached => files.cert = Some(words.value()?.into()),
                "--key" if !attached => files.key = Some(words.value()?.into()),
                "--ca" | "--ca-file" if !attached => files.ca = Some(words.value()?.into()),
                "--dev-certs" => files.dev = Some(words.value()?.into()),
                "--dev-name" => files.names.push(words.value()?),
                "--data" => run.data = Some(words.value()?.into()),
                "--republish" => {
                    let rule = words.value()?.parse();
                    run.republish
                        .push(rule.map_err(|error| wrong(flag, error))?);
                }
                "--prefix" => {
                    let prefix = TopicPrefix::new(&words.value()?);
                    settings.prefix = prefix.map_err(|error| wrong(flag, error))?;
                }
                "--max-document-bytes" => {
                    settings.limits.max_document_bytes = words.parsed(NUMBER)?;
                }
                "--max-depth" => settings.limits.max_depth = words.parsed(NUMBER)?,
                "--rate" => {
                    let rate = words.parsed(NUMBER)?;
                    settings.rate = Some(Rate::new(rate, rate));
                }
                "--in-flight" => run.in_flight = Some(words.parsed(NUMBER)?),
                "--fault" => {
                    let rule = words.value()?.parse();
                    run.faults.push(rule.map_err(|error| wrong(flag, error))?);
                }
                "--fault-seed" => run.fault_seed = words.parsed(NUMBER)?,
                "--shuffle" => {
                    let seed = words.parsed(NUMBER)?;
                    settings.order = MessageOrder::Shuffled { seed };
                }
                "--verbose" | "-v" => run.verbose = true,
                "--help" | "-h" => return Ok(Self::Help),
                "--version" | "-V" => return Ok(Self::Version),
                _ if connection.read(flag, &mut words)? => {}
                _ => return Err(words.unknown()),
            }
        }
        if attached {
            if listen.any() {
                return Err(FlagError::new("--broker excludes --listen and its kind"));
            }
            run.mqtt = Mqtt::Broker(Box::new(options(&connection, var)?));
        } else {
            if let Some(flag) = connection.given().first() {
                return Err(FlagError::new(format!("{flag} goes with {BROKER}")));
            }
            let secure = listen.tls.or(listen.websocket_tls).or(run.https).is_some();
            if !listen.any() {
                listen.plain = Some(SocketAddr::from(([127, 0, 0, 1], 1883)));
            }
            if files.dev.is_some() && !secure {
                listen.tls = Some(SocketAddr::from(([127, 0, 0, 1], 8883)));
            }
            run.mqtt = Mqtt::Listen(listen);
        }
        let certificates = files.check(run.tls_addresses());
        run.certificates = certificates.map_err(FlagError::new)?;
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

/// How to connect to the broker.
fn options(
    connection: &ConnectionFlags,
    var: impl Fn(&str) -> Option<String>,
) -> Result<ConnectOptions, FlagError> {
    let of_sessions = ["--clean-session", "--session-expiry"];
    if let Some(flag) = connection
        .given()
        .iter()
        .find(|flag| of_sessions.contains(flag))
    {
        // A request that waited for the service would be executed after its client gave up.
        return Err(FlagError::new(format!(
            "{flag}: the service begins anew with each connection"
        )));
    }
    connection.options(var)
}

fn wrong(flag: &str, error: impl Display) -> FlagError {
    FlagError::new(format!("{flag}: {error}"))
}

const NUMBER: &str = "a number that fits";

fn address(flag: &str, text: &str) -> Result<SocketAddr, FlagError> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let resolved = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    let example = "127.0.0.1:1883";
    resolved.ok_or_else(|| {
        wrong(
            flag,
            format!("{text:?} is not an address such as {example}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &str) -> Result<Args, FlagError> {
        Args::read(args.split_whitespace().map(Into::into), |_| None)
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
            Mqtt::Broker(options) => panic!("{options:?}"),
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
    fn how_it_connects_to_a_broker() {
        let broker = |args: &str| match run(args).mqtt {
            Mqtt::Broker(options) => *options,
            Mqtt::Listen(listen) => panic!("{listen:?}"),
        };
        let plain = broker("--broker=mqtt://x");
        assert_eq!(plain.endpoint.to_string(), "mqtt://x:1883");
        assert!(plain.client_id.starts_with("shadow-local-"));
        let other = broker("--mqtt 3 --user me --broker x --port 7 --client_id one --keep-alive 9");
        assert_eq!(other.endpoint.to_string(), "mqtt://x:7");
        assert_eq!(other.user_name.as_deref(), Some("me"));
        assert_eq!((&*other.client_id, other.keep_alive.as_secs()), ("one", 9));
        let both = run("--broker x --https 0 --https-cert c --https-key k --https-ca a");
        let files = TlsFiles::new("c", "k").with_authority("a");
        assert!(matches!(both.certificates, Some(Certificates::Files(it)) if it == files));
    }

    #[test]
    fn every_flag_is_read() {
        let all = run("--listen 0.0.0.0:0 --http=8080 -v --data /x/y \
             --republish p/+=$aws/things/+/shadow/update \
             --republish=q=$aws/things/t/shadow/get --prefix site/1 --max-document-bytes 30720 \
             --max-depth=6 --rate 20 --shuffle 7 --in-flight 10 --fault drop=5%@t --fault=swallow \
             --fault-seed 9");
        assert_eq!(listen(&all).plain.unwrap().to_string(), "0.0.0.0:0");
        assert_eq!(all.http.unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(all.data, Some(PathBuf::from("/x/y")));
        assert_eq!(all.republish.len(), 2);
        assert!(all.verbose);
        assert_eq!(all.settings.prefix.as_str(), "site/1");
        assert_eq!(all.settings.limits.max_document_bytes, 30720);
        assert_eq!(all.settings.limits.max_depth, 6);
        assert_eq!(all.settings.rate, Some(Rate::new(20, 20)));
        assert_eq!((all.in_flight, all.fault_seed), (Some(10), 9));
        assert_eq!(all.faults.len(), 2);
        assert_eq!(all.settings.order, MessageOrder::Shuffled { seed: 7 });
        let plain = listen(&run("")).plain.unwrap();
        assert_eq!(plain.to_string(), "127.0.0.1:1883");
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
            ("--fault explode", "--fault: \"explode\": known are"),
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
            ("--user me", "--user goes with --broker"),
            ("--broker", "--broker needs a value"),
            ("--broker http://x", "--broker: unknown scheme \"http\""),
            ("--broker x --cert c", "--cert goes with --key"),
            (
                "--broker x --clean-session=false",
                "begins anew with each connection",
            ),
            ("--verbose=yes", "--verbose takes no value"),
            ("listen", "unknown argument listen"),
            ("--frobnicate", "--help"),
        ] {
            let error = read(args).unwrap_err().to_string();
            assert!(error.contains(part), "{args}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
