//! What a command works with: the settings, the connection, the printer.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgMatches, parser::ValueSource};
use transport_tokio::{
    ConnectOptions, ConnectionEvent, Failure, Operation, RequestFailure, RestClient, RestError,
    RestOptions, Shadow, ShadowClient, ShadowId, connect, flags, flags::ConnectionFlags, policy,
};

use crate::{
    cli::plain,
    output::Printer,
    problem::{self, Problem},
};

/// Where a service that was started without options is.
const LOCAL: &str = "mqtt://127.0.0.1:1883";
/// And where it serves the data plane, if it was asked to as the guide has it.
const LOCAL_REST: &str = "http://127.0.0.1:8080";

pub(crate) struct Context {
    options: ConnectOptions,
    rest_url: Option<String>,
    pub(crate) printer: Printer,
    client: RefCell<Option<ShadowClient>>,
}

impl Context {
    /// Reads the settings: flags, else variables, else the profile file.
    pub(crate) fn new(matches: &ArgMatches, printer: Printer) -> Result<Self, Problem> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut settings = profile(matches, &variable)?;
        for name in names() {
            let name_of_variable = format!("SHADOW_{}", name.to_uppercase().replace('-', "_"));
            if let Some(value) = variable(&name_of_variable) {
                replace(&mut settings, name, value);
            }
        }
        for name in names() {
            if matches.try_contains_id(name).is_err()
                || matches.value_source(name) != Some(ValueSource::CommandLine)
            {
                continue;
            }
            let value = match matches.try_get_one::<String>(name) {
                Ok(Some(value)) => value.clone(),
                _ => "true".to_owned(),
            };
            replace(&mut settings, name, value);
        }

        let mut rest_url = settings.remove("rest-url");
        let mut connection = ConnectionFlags::new("shadow-cli-");
        for (name, value) in &settings {
            connection
                .set(&format!("--{name}"), value)
                .map_err(|error| Problem::Usage(error.to_string()))?;
        }
        if !connection.has_endpoint() {
            rest_url.get_or_insert_with(|| LOCAL_REST.to_owned());
            connection
                .set("--endpoint", LOCAL)
                .map_err(|error| Problem::Usage(error.to_string()))?;
        }
        let options = connection.options(|name| variable(name));
        let mut options = options.map_err(|error| Problem::Usage(error.to_string()))?;
        // What is printed is what came.
        options.shadows.keep_payloads = true;
        Ok(Self {
            options,
            rest_url,
            printer,
            client: RefCell::new(None),
        })
    }

    /// Connects, once.
    pub(crate) async fn client(&self) -> Result<ShadowClient, Problem> {
        if let Some(client) = self.client.borrow().clone() {
            return Ok(client);
        }
        let endpoint = &self.options.endpoint;
        let client = connect(self.options.clone()).await.map_err(|error| {
            let hint = match endpoint.to_string() == LOCAL {
                true => "; `shadow local` starts a service there, --endpoint names another broker",
                false => "",
            };
            let text = error.to_string();
            let at = endpoint.to_string();
            // Some errors name it already.
            let problem = Problem::Connection(match text.contains(&at) {
                true => format!("{text}{hint}"),
                false => format!("{at}: {text}{hint}"),
            });
            problem.with_hint(policy::missing_for_client(&self.options.client_id, &error))
        })?;
        *self.client.borrow_mut() = Some(client.clone());
        Ok(client)
    }

    /// A handle of the shadow that the command line names, on a connection.
    pub(crate) async fn shadow(&self, matches: &ArgMatches) -> Result<Shadow, Problem> {
        let id = shadow_id(matches)?;
        let client = self.client().await?;
        let shadow = client.shadow(id);
        shadow.map_err(|error| Problem::Other(error.to_string()))
    }

    /// What went wrong with a request, and the right that is probably missing.
    pub(crate) fn explain(
        &self,
        matches: &ArgMatches,
        operation: Operation,
        failure: RequestFailure,
    ) -> Problem {
        let missing = match (&failure, shadow_id(matches)) {
            (RequestFailure::Failure(failure), Ok(id)) => self.missing(&id, operation, failure),
            _ => None,
        };
        Problem::from(failure).with_hint(missing)
    }

    /// The right that is probably missing if a request failed so.
    pub(crate) fn missing(
        &self,
        id: &ShadowId,
        operation: Operation,
        failure: &Failure,
    ) -> Option<String> {
        policy::missing_for_request(id, operation, failure, self.options.version)
    }

    /// The same, as the end of a command, if the broker said that it is so.
    pub(crate) fn refused(
        &self,
        id: &ShadowId,
        operation: Operation,
        failure: &Failure,
    ) -> Option<Problem> {
        let missing = self.missing(id, operation, failure);
        let refused = match failure {
            Failure::SubscribeRefused { .. } => true,
            // Or there is another reason, which may pass.
            Failure::PublishRefused { .. } => missing.is_some(),
            _ => false,
        };
        refused.then(|| Problem::from(failure.clone()).with_hint(missing))
    }

    /// The REST data plane.
    pub(crate) fn rest(&self) -> Result<RestClient, Problem> {
        let mut options = RestOptions::of(&self.options);
        if let Some(url) = &self.rest_url {
            let scheme = url.split_once("://").map(|(scheme, _)| scheme);
            if scheme.is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
                let text = format!("--rest-url {url}: use http:// or https://");
                return Err(Problem::Usage(text));
            }
            let at = RestOptions::new(url);
            let mut at =
                at.map_err(|error| Problem::Usage(format!("--rest-url {url}: {error}")))?;
            at.tls = options.tls;
            at.sigv4 = options.sigv4;
            at.authorizer = options.authorizer;
            at.proxy = options.proxy;
            options = at;
        }
        Ok(RestClient::new(options))
    }

    /// What went wrong with a request over REST, and what may mend it.
    pub(crate) fn explain_rest(&self, error: RestError) -> Problem {
        let nobody = matches!(error, RestError::Open(_) | RestError::TimedOut { .. });
        let hint = match self.rest_url.as_deref() {
            None => "--rest-url says where the REST data plane is, if not on the broker's host",
            Some(LOCAL_REST) => "`shadow local --http 8080` serves the REST data plane there",
            Some(_) => return error.into(),
        };
        Problem::from(error).with_hint(nobody.then(|| hint.to_owned()))
    }

    /// Says what happens to the connection, for as long as it is awaited.
    pub(crate) async fn tell_of_connection(&self, client: &ShadowClient) {
        let mut events = client.connection_events();
        while let Some(event) = events.next().await {
            match event {
                ConnectionEvent::Connecting { .. } | ConnectionEvent::Stopped => {}
                other => self.printer.note(&other.to_string()),
            }
        }
        std::future::pending().await
    }

    /// Ends the connection, if there is one.
    pub(crate) async fn close(&self, patience: Duration) {
        let client = self.client.borrow_mut().take();
        if let Some(client) = client {
            let _ = client.shutdown(patience).await;
        }
    }
}

/// The shadow that the command line names.
pub(crate) fn shadow_id(matches: &ArgMatches) -> Result<ShadowId, Problem> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let thing = text("thing").unwrap_or_default();
    let id = match text("name") {
        Some(name) => ShadowId::named(thing, name),
        None => ShadowId::classic(thing),
    };
    id.map_err(|error| Problem::Usage(error.to_string()))
}

/// What can be set in the environment and in a profile.
fn names() -> impl Iterator<Item = &'static str> {
    flags::ALL
        .iter()
        .map(|info| plain(info.name))
        .chain(["rest-url"])
}

/// Sets one from a place that counts more.
fn replace(settings: &mut BTreeMap<String, String>, name: &str, value: String) {
    // The port and the REST address belong to the endpoint of the same place.
    if name == "endpoint" {
        settings.remove("port");
        settings.remove("rest-url");
    }
    settings.insert(name.to_owned(), value);
}

/// Reads the section of the profile file, if there is one.
fn profile(
    matches: &ArgMatches,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Problem> {
    let asked = matches.get_one::<PathBuf>("profiles").cloned();
    let asked = asked.or_else(|| variable("SHADOW_PROFILES").map(PathBuf::from));
    let site = matches.get_one::<String>("site").cloned();
    let site = site.or_else(|| variable("SHADOW_SITE"));
    let home = || {
        let base = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || Some(PathBuf::from(variable("HOME")?).join(".config"));
        Some(base.or_else(home)?.join("shadow/profiles"))
    };
    let Some(path) = asked.clone().or_else(home) else {
        return Ok(BTreeMap::new());
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) if asked.is_none() && site.is_none() => return Ok(BTreeMap::new()),
        Err(error) => return Err(problem::file(&path, &error)),
    };
    section(&path, &text, site.as_deref())
}

fn section(
    path: &Path,
    text: &str,
    wanted: Option<&str>,
) -> Result<BTreeMap<String, String>, Problem> {
    let name = wanted.unwrap_or("default");
    let (mut settings, mut current, mut found) = (BTreeMap::new(), String::new(), false);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |what: &str| {
            let path = path.display();
            Problem::Usage(format!("{path}:{}: {what}", number + 1))
        };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let header = header.strip_suffix(']');
            current = header.ok_or_else(|| wrong("`]` is missing"))?.trim().into();
            found |= current == name;
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| wrong("expected NAME = VALUE"))?;
        let key = key.trim().replace('_', "-");
        if !names().any(|known| known == key) {
            return Err(wrong(&format!("{key} is not a connection option")));
        }
        if current == name {
            settings.insert(key, value.trim().trim_matches('"').to_owned());
        }
    }
    match (wanted, found) {
        (Some(name), false) => Err(Problem::Usage(format!(
            "{}: there is no section [{name}]",
            path.display()
        ))),
        _ => Ok(settings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_of_a_profile_file() {
        let path = Path::new("profiles");
        let text = "# mine\n[default]\nendpoint = mqtt://a\n\n[factory]\nendpoint=mqtts://b\nca_file = \"/x y\"\n";
        let read = |site| section(path, text, site);
        assert_eq!(read(None).unwrap()["endpoint"], "mqtt://a");
        let factory = read(Some("factory")).unwrap();
        assert_eq!(factory["endpoint"], "mqtts://b");
        assert_eq!(factory["ca-file"], "/x y");
        assert!(
            read(Some("home"))
                .unwrap_err()
                .to_string()
                .contains("[home]")
        );
        for (wrong, line) in [
            ("[a\n", ":1: "),
            ("\nendpoint\n", ":2: "),
            ("colour = 1", ":1: "),
        ] {
            let error = section(path, wrong, None).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
