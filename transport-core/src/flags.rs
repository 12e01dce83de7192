//! Connection flags of a program: words in, [`ConnectOptions`] out (feature `flags`).
//!
//! The names are those of the AWS IoT samples where these have one, and underscores and dashes
//! are alike: a command line for a sample needs another program name and nothing else. What is
//! wrong, missing, contradictory or unreadable is said in one line, before anything is sent.
//!
//! ```
//! use transport_core::flags::{ConnectionFlags, FlagError, Words};
//!
//! fn read(words: &[&str]) -> Result<(bool, ConnectionFlags), FlagError> {
//!     let mut words = Words::new(words.iter().map(Into::into));
//!     let (mut verbose, mut connection) = (false, ConnectionFlags::new("test-"));
//!     while let Some(flag) = words.next_flag()? {
//!         match flag.as_str() {
//!             "--verbose" => verbose = true,
//!             _ if connection.read(&flag, &mut words)? => {}
//!             _ => return Err(words.unknown()),
//!         }
//!     }
//!     Ok((verbose, connection))
//! }
//!
//! let (_, connection) = read(&["--endpoint", "broker.example", "--port=1884", "--verbose"])?;
//! let options = connection.options(|name| std::env::var(name).ok())?;
//! assert_eq!(options.endpoint.to_string(), "mqtt://broker.example:1884");
//!
//! let error = read(&["--endpoint", "broker.example", "--prot=1884"]).unwrap_err();
//! assert_eq!(error.to_string(), "unknown argument --prot; --help lists them");
//! # Ok::<(), FlagError>(())
//! ```
//!
//! # Secrets
//!
//! Other users of a machine can read its command lines, and shells remember them. So each secret
//! has a variable of the environment in its place: `DEVICE_SHADOW_PASSWORD`,
//! `DEVICE_SHADOW_PROXY_PASSWORD`, `DEVICE_SHADOW_AUTH_TOKEN`, `DEVICE_SHADOW_AUTH_SIGNATURE`, and
//! the variables and the file that all AWS tools know for `--sigv4`. A variable counts only where
//! a flag asks for it (`--user`, `--proxy-user`, `--custom-auth-token-key-name`, `--sigv4`), so
//! nothing is sent to a broker by accident. Private keys are files.

mod build;
mod list;
mod words;

pub use list::{ALL, FlagInfo, help};
pub use words::{FlagError, Words};

use core::time::Duration;
use std::path::PathBuf;

use mqtt_session::Version;

use crate::{backoff::Reconnect, options::ConnectOptions, random::random_bits, secret::Secret};

/// The connection flags of one command line. A flag that is given again replaces what it said.
///
/// `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct ConnectionFlags {
    /// How the program calls the flag that says where the broker is.
    endpoint_flag: &'static str,
    client_id: String,
    /// Whether the program signs in without flags.
    own_sign_in: bool,
    /// The names of all flags that were given.
    given: Vec<&'static str>,

    endpoint: Option<Secret>,
    port: Option<u16>,
    ca_file: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    alpn: Option<String>,
    websocket: bool,
    sigv4: bool,
    region: Option<String>,
    profile: Option<String>,
    user: Option<Secret>,
    password: Option<Secret>,
    authorizer: Option<String>,
    token_key: Option<String>,
    token: Option<Secret>,
    signature: Option<Secret>,
    proxy_host: Option<String>,
    proxy_port: Option<u16>,
    proxy_user: Option<String>,
    proxy_password: Option<Secret>,

    version: Option<Version>,
    clean_session: Option<bool>,
    session_expiry: Option<Duration>,
    keep_alive: Option<Duration>,
    connect_timeout: Option<Duration>,
    operation_timeout: Option<Duration>,
    reconnect: Option<Reconnect>,
}

impl ConnectionFlags {
    /// No flags yet. Unless one says otherwise, the client id will be `client_id_prefix` and
    /// eight random hexadecimal digits.
    #[must_use]
    pub fn new(client_id_prefix: &str) -> Self {
        // Half of the bits is random enough to tell clients of one broker apart.
        let random = random_bits() >> 32;
        Self {
            endpoint_flag: "--endpoint",
            client_id: format!("{client_id_prefix}{random:08x}"),
            own_sign_in: false,
            given: Vec::new(),
            endpoint: None,
            port: None,
            ca_file: None,
            cert: None,
            key: None,
            alpn: None,
            websocket: false,
            sigv4: false,
            region: None,
            profile: None,
            user: None,
            password: None,
            authorizer: None,
            token_key: None,
            token: None,
            signature: None,
            proxy_host: None,
            proxy_port: None,
            proxy_user: None,
            proxy_password: None,
            version: None,
            clean_session: None,
            session_expiry: None,
            keep_alive: None,
            connect_timeout: None,
            operation_timeout: None,
            reconnect: None,
        }
    }

    /// The same, for a program that calls `--endpoint` otherwise.
    #[must_use]
    pub fn with_endpoint_flag(self, name: &'static str) -> Self {
        Self {
            endpoint_flag: name,
            ..self
        }
    }

    /// The same, for a program that itself adds what it signs in with, so that flags need not say.
    #[must_use]
    pub fn with_own_sign_in(self) -> Self {
        Self {
            own_sign_in: true,
            ..self
        }
    }

    /// Takes `flag` with its value from `words`, or says that it is none of these.
    ///
    /// # Errors
    /// The value is missing or makes no sense.
    pub fn read(&mut self, flag: &str, words: &mut Words) -> Result<bool, FlagError> {
        let Some(info) = self.find(flag) else {
            return Ok(false);
        };
        let value = match info.value {
            Some(_) => words.value()?,
            None => String::new(),
        };
        self.take(info.name, value)?;
        Ok(true)
    }

    /// Takes `flag` with a value from elsewhere, such as a file of settings, or says that it is
    /// none of these. One that has no value ([`FlagInfo::value`]) is switched on by `true`.
    ///
    /// # Errors
    /// The value makes no sense.
    pub fn set(&mut self, flag: &str, value: &str) -> Result<bool, FlagError> {
        let Some(info) = self.find(flag) else {
            return Ok(false);
        };
        match (info.value, value) {
            (None, "false") => return Ok(true),
            (None, "true") | (Some(_), _) => {}
            (None, _) => {
                return Err(FlagError::new(format!(
                    "{flag} {value}: true or false is possible"
                )));
            }
        }
        self.take(info.name, value.to_owned())?;
        Ok(true)
    }

    /// Whether there is an endpoint.
    #[must_use]
    pub fn has_endpoint(&self) -> bool {
        self.endpoint.is_some()
    }

    /// The names of all flags that were given, as they are in [`ALL`], in their order.
    #[must_use]
    pub fn given(&self) -> &[&'static str] {
        &self.given
    }

    /// The client id: the one given, or a random one.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What these flags say, with everything else at its default. Files are read and checked.
    /// `var` looks a variable of the environment up.
    ///
    /// # Errors
    /// One line that says which flag is missing, wrong, contradicts another one, or names a file
    /// that cannot be used; or which feature this build lacks for it.
    pub fn options(
        &self,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<ConnectOptions, FlagError> {
        build::options(self, &var)
    }

    /// What these flags say about a connection to a broker that the program itself names.
    ///
    /// # Errors
    /// As [`options`](Self::options); and a flag makes sense only for an endpoint that is given.
    pub fn options_for(&self, endpoint: crate::Endpoint) -> Result<ConnectOptions, FlagError> {
        build::options_for(self, endpoint)
    }

    fn find(&self, flag: &str) -> Option<&'static FlagInfo> {
        // As `Words` has it; a name from elsewhere may be spelled as in the samples.
        let flag = flag.replace('_', "-");
        if flag == self.endpoint_flag {
            return list::find("--endpoint");
        }
        list::find(&flag).filter(|info| info.name != "--endpoint")
    }

    fn has(&self, flag: &str) -> bool {
        self.given.contains(&flag)
    }

    /// The name of a flag as the program calls it.
    fn shown(&self, flag: &'static str) -> &'static str {
        match flag {
            "--endpoint" => self.endpoint_flag,
            flag => flag,
        }
    }

    fn take(&mut self, flag: &'static str, value: String) -> Result<(), FlagError> {
        let shown = self.shown(flag);
        // An MQTT 5 broker chooses a client id in place of an empty one.
        let may_be_empty = list::find(flag).is_some_and(|info| info.value.is_none());
        if value.is_empty() && !may_be_empty && flag != "--client-id" {
            return Err(FlagError::new(format!("{shown} needs a value")));
        }
        let bad = |what: &str| FlagError::new(format!("{shown} {value}: {what}"));
        match flag {
            "--endpoint" => self.endpoint = Some(value.into()),
            "--port" => self.port = Some(words::port(&value).ok_or_else(|| bad(NO_PORT))?),
            "--ca-file" => self.ca_file = Some(value.into()),
            "--cert" => self.cert = Some(value.into()),
            "--key" => self.key = Some(value.into()),
            "--alpn" => self.alpn = Some(value),
            "--websocket" => self.websocket = true,
            "--sigv4" => self.sigv4 = true,
            "--region" => self.region = Some(value),
            "--profile" => self.profile = Some(value),
            "--user" => self.user = Some(value.into()),
            "--password" => self.password = Some(value.into()),
            "--custom-auth-authorizer-name" => self.authorizer = Some(value),
            "--custom-auth-token-key-name" => self.token_key = Some(value),
            "--custom-auth-token-value" => self.token = Some(value.into()),
            "--custom-auth-authorizer-signature" => self.signature = Some(value.into()),
            "--proxy-host" => self.proxy_host = Some(value),
            "--proxy-port" => {
                self.proxy_port = Some(words::port(&value).ok_or_else(|| bad(NO_PORT))?);
            }
            "--proxy-user" => self.proxy_user = Some(value),
            "--proxy-password" => self.proxy_password = Some(value.into()),
            "--client-id" => self.client_id = value,
            "--mqtt" => {
                self.version = Some(match value.as_str() {
                    "3" | "3.1.1" => Version::V3_1_1,
                    "5" | "5.0" => Version::V5,
                    _ => return Err(bad("use 3 (for 3.1.1) or 5")),
                });
            }
            "--clean-session" => {
                self.clean_session = Some(match value.as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(bad("true or false is possible")),
                });
            }
            "--session-expiry" => {
                let seconds = value.parse::<u32>();
                let seconds = seconds.map_err(|_| bad("not a whole number of seconds"))?;
                self.session_expiry = Some(Duration::from_secs(seconds.into()));
            }
            "--keep-alive" => {
                let seconds = value.parse::<u16>();
                let seconds = seconds.map_err(|_| bad("0 to 65535 seconds are possible"))?;
                self.keep_alive = Some(Duration::from_secs(seconds.into()));
            }
            "--connect-timeout" => self.connect_timeout = Some(words::timeout(shown, &value)?),
            "--operation-timeout" => self.operation_timeout = Some(words::timeout(shown, &value)?),
            "--backoff" => self.reconnect = Some(words::backoff(shown, &value)?),
            _ => debug_assert!(false, "{flag} is in the list and nowhere else"),
        }
        self.given.push(flag);
        Ok(())
    }
}

const NO_PORT: &str = "not a port number";
