//! The arguments of a client.

use std::path::PathBuf;
use std::time::Duration;

/// What a client is to do.
#[derive(Clone, Debug)]
pub struct Args {
    /// The broker's port.
    pub port: u16,
    /// The authority that signed the broker's certificate: with it, TLS.
    pub ca: Option<PathBuf>,
    /// How many requests are outstanding at a time.
    pub outstanding: usize,
    /// How long new requests are made.
    pub time: Duration,
    /// How many requests are made, in place of a time.
    pub count: Option<usize>,
    /// Leave the library's default for Nagle's algorithm in place of switching it off.
    pub default_nagle: bool,
    /// The keep alive; default that of the library.
    pub keep_alive: Option<Duration>,
    /// Make no requests but stay connected for the time.
    pub idle: bool,
}

impl Args {
    /// Those of this process.
    ///
    /// # Panics
    /// When they are wrong: they are written by the benchmark, not by people.
    #[must_use]
    pub fn read() -> Self {
        let mut args = Self {
            port: 0,
            ca: None,
            outstanding: 1,
            time: Duration::from_secs(1),
            count: None,
            default_nagle: false,
            keep_alive: None,
            idle: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .unwrap_or_else(|| panic!("{word} takes a value"))
            };
            match word.as_str() {
                "--port" => args.port = value().parse().expect("a port"),
                "--ca" => args.ca = Some(value().into()),
                "--outstanding" => args.outstanding = value().parse().expect("a number"),
                "--millis" => {
                    args.time = Duration::from_millis(value().parse().expect("a number"));
                }
                "--count" => args.count = Some(value().parse().expect("a number")),
                "--keep-alive" => {
                    let seconds = value().parse().expect("a number");
                    args.keep_alive = Some(Duration::from_secs(seconds));
                }
                "--default-nagle" => args.default_nagle = true,
                "--idle" => args.idle = true,
                other => panic!("no argument is called {other:?}"),
            }
        }
        args
    }

    /// The host in URLs: the name in the certificate, or an address that needs no name.
    #[must_use]
    pub const fn host(&self) -> &'static str {
        if self.ca.is_some() {
            "localhost"
        } else {
            "127.0.0.1"
        }
    }
}
