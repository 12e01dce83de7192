//! AWS credentials: what they are, and where they come from.

mod file;

use alloc::sync::Arc;
use core::{fmt, future::Future, pin::Pin};
use std::{env, io, path::PathBuf};

use crate::secret::Secret;

/// An access key. `Debug` shows its id alone.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Credentials {
    /// The id of the access key, which is no secret.
    pub access_key_id: Box<str>,
    /// The key.
    pub secret_access_key: Secret,
    /// What temporary credentials have in addition.
    pub session_token: Option<Secret>,
}

impl Credentials {
    /// An access key that lasts.
    #[must_use]
    pub fn new(access_key_id: impl Into<Box<str>>, secret_access_key: impl Into<Secret>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        }
    }

    /// The same with a session token: temporary credentials, from STS or Cognito say.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<Secret>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    /// From the variables that all AWS tools know: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`
    /// and, for temporary credentials, `AWS_SESSION_TOKEN`. `var` looks a variable up; an empty
    /// one counts as not set.
    ///
    /// # Errors
    /// [`CredentialsError::Variable`] names the variable that is not set.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, CredentialsError> {
        let var = |name| var(name).filter(|value| !value.is_empty());
        let needed = |name| var(name).ok_or(CredentialsError::Variable { name });
        Ok(Self {
            access_key_id: needed("AWS_ACCESS_KEY_ID")?.into(),
            secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?.into(),
            session_token: var("AWS_SESSION_TOKEN").map(Secret::from),
        })
    }

    /// From the text of a shared credentials file (`~/.aws/credentials`), of this profile; `path`
    /// is for errors.
    ///
    /// # Errors
    /// [`CredentialsError`] says which profile or key is missing.
    pub fn from_file(
        text: &str,
        profile: &str,
        path: impl Into<PathBuf>,
    ) -> Result<Self, CredentialsError> {
        file::read(text, profile, path.into())
    }

    /// Whether they can be in an HTTP request: nothing in them may end a line.
    fn check(self) -> Result<Self, CredentialsError> {
        let legal = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
        let texts = [&*self.access_key_id, self.secret_access_key.expose()];
        let token = self.session_token.as_ref().map(Secret::expose);
        if texts.into_iter().chain(token).all(legal) {
            Ok(self)
        } else {
            Err(CredentialsError::Illegal)
        }
    }
}

/// Where credentials come from. They are asked for anew at each connect, so temporary ones may
/// change.
#[derive(Clone)]
#[non_exhaustive]
pub enum CredentialsSource {
    /// These.
    Static(Credentials),
    /// The environment: see [`Credentials::from_vars`].
    Environment,
    /// The shared credentials file.
    SharedFile {
        /// The file; default `AWS_SHARED_CREDENTIALS_FILE`, else `.aws/credentials` in the home
        /// folder.
        path: Option<PathBuf>,
        /// The profile; default `AWS_PROFILE`, else `default`.
        profile: Option<String>,
    },
    /// A callback: see [`callback`](Self::callback).
    Callback(CredentialsCallback),
}

/// Gets credentials from somewhere.
pub type CredentialsCallback = Arc<dyn Fn() -> CredentialsFuture + Send + Sync>;

/// What a callback gives: credentials, or words that say why there are none.
///
/// ```
/// use transport_core::{CredentialsFuture, CredentialsSource};
///
/// fn of_the_vault() -> CredentialsFuture {
///     // … ask it. The words are in the error if there are none.
///     Box::pin(async { Err("the vault is sealed".to_owned()) })
/// }
/// let source = CredentialsSource::callback(of_the_vault);
/// # drop(source);
/// ```
pub type CredentialsFuture =
    Pin<Box<dyn Future<Output = Result<Credentials, String>> + Send + 'static>>;

impl CredentialsSource {
    /// A callback that is asked at each connect. Its error is shown to the user; the time it
    /// takes is part of the connect timeout.
    ///
    /// ```
    /// use transport_core::{Credentials, CredentialsSource};
    ///
    /// let source = CredentialsSource::callback(|| async {
    ///     // ask STS, Cognito, the instance's metadata, …
    ///     Ok(Credentials::new("AKIDEXAMPLE", "secret").with_session_token("token"))
    /// });
    /// # let _ = source;
    /// ```
    pub fn callback<F, R>(ask: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Credentials, String>> + Send + 'static,
    {
        Self::Callback(Arc::new(move || Box::pin(ask())))
    }

    /// The profile of this name in the shared credentials file.
    #[must_use]
    pub fn profile(name: impl Into<String>) -> Self {
        Self::SharedFile {
            path: None,
            profile: Some(name.into()),
        }
    }

    /// Whether they can be had now, as far as that can be told without asking anyone; `var` looks
    /// a variable of the environment up.
    #[cfg(feature = "flags")]
    pub(crate) fn check(
        &self,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<(), CredentialsError> {
        let given = match self {
            Self::Static(credentials) => credentials.clone(),
            Self::Environment => Credentials::from_vars(var)?,
            Self::SharedFile { path, profile } => {
                file::load(path.as_deref(), profile.as_deref(), var)?
            }
            Self::Callback(_) => return Ok(()),
        };
        given.check().map(|_| ())
    }

    /// Gets them.
    ///
    /// # Errors
    /// [`CredentialsError`] says what is missing, and where.
    pub async fn get(&self) -> Result<Credentials, CredentialsError> {
        let var = |name: &str| env::var(name).ok();
        match self {
            Self::Static(credentials) => credentials.clone().check(),
            Self::Environment => Credentials::from_vars(var)?.check(),
            Self::SharedFile { path, profile } => {
                file::load(path.as_deref(), profile.as_deref(), var)?.check()
            }
            Self::Callback(ask) => {
                let given = ask().await;
                let message = |message: String| CredentialsError::Callback {
                    message: message.into(),
                };
                given.map_err(message)?.check()
            }
        }
    }
}

impl From<Credentials> for CredentialsSource {
    fn from(credentials: Credentials) -> Self {
        Self::Static(credentials)
    }
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(credentials) => credentials.fmt(f),
            Self::Environment => f.write_str("Environment"),
            Self::SharedFile { path, profile } => f
                .debug_struct("SharedFile")
                .field("path", path)
                .field("profile", profile)
                .finish(),
            Self::Callback(_) => f.write_str("Callback(..)"),
        }
    }
}

/// Why there are no credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A variable is not set in the environment.
    Variable {
        /// Its name.
        name: &'static str,
    },
    /// The shared credentials file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What kind of error it was.
        kind: io::ErrorKind,
        /// What the system said.
        message: Box<str>,
    },
    /// Nothing says where the home folder is.
    NoHome,
    /// The file has no such profile.
    NoProfile {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: Box<str>,
    },
    /// The profile lacks a key.
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: Box<str>,
        /// The key that is missing.
        key: &'static str,
    },
    /// There are characters in them that no credentials have.
    Illegal,
    /// The callback gave none.
    Callback {
        /// What it said.
        message: Box<str>,
    },
}

impl CredentialsError {
    /// Whether asking again is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Variable { .. }
            | Self::File { .. }
            | Self::NoHome
            | Self::NoProfile { .. }
            | Self::Incomplete { .. }
            | Self::Illegal => true,
            Self::Callback { .. } => false,
        }
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no AWS credentials: ")?;
        match self {
            Self::Variable { name } => write!(f, "the environment variable {name} is not set"),
            Self::File { path, message, .. } => {
                write!(
                    f,
                    "cannot read {}: {message}; check the path, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                    path.display()
                )
            }
            Self::NoHome => f.write_str(
                "the home folder is not known; set AWS_SHARED_CREDENTIALS_FILE or give a path",
            ),
            Self::NoProfile { path, profile } => {
                write!(f, "{} has no profile [{profile}]", path.display())
            }
            Self::Incomplete { path, profile, key } => {
                let path = path.display();
                write!(f, "profile [{profile}] in {path} has no {key}")
            }
            Self::Illegal => f.write_str("there are spaces, control characters or nothing in them"),
            Self::Callback { message } => f.write_str(message),
        }
    }
}

impl core::error::Error for CredentialsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use core::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    fn get(source: &CredentialsSource) -> Result<Credentials, CredentialsError> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(source.get()).poll(&mut context) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("waits"),
        }
    }

    #[test]
    fn variables() {
        let vars = |set: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            }
        };
        let found = Credentials::from_vars(vars(&[
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
            ("AWS_SESSION_TOKEN", ""),
        ]));
        assert_eq!(found, Ok(Credentials::new("id", "key")));
        let found = Credentials::from_vars(vars(&[
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
            ("AWS_SESSION_TOKEN", "token"),
        ]));
        let expected = Credentials::new("id", "key").with_session_token("token");
        assert_eq!(found, Ok(expected));
        let missing = Credentials::from_vars(vars(&[("AWS_ACCESS_KEY_ID", "id")])).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "no AWS credentials: the environment variable AWS_SECRET_ACCESS_KEY is not set"
        );
    }

    #[test]
    fn callbacks_are_asked_each_time() {
        use core::sync::atomic::{AtomicU32, Ordering};
        let count = Arc::new(AtomicU32::new(0));
        let source = {
            let count = Arc::clone(&count);
            CredentialsSource::callback(move || {
                let number = count.fetch_add(1, Ordering::Relaxed);
                async move {
                    match number {
                        0 => Err("the metadata service is away".to_owned()),
                        _ => Ok(Credentials::new(format!("id{number}"), "key")),
                    }
                }
            })
        };
        let error = get(&source).unwrap_err();
        assert!(!error.is_permanent());
        assert_eq!(
            error.to_string(),
            "no AWS credentials: the metadata service is away"
        );
        assert_eq!(&*get(&source).unwrap().access_key_id, "id1");
        assert_eq!(&*get(&source).unwrap().access_key_id, "id2");
    }

    #[test]
    fn what_would_end_a_line_is_refused() {
        for bad in ["", "a b", "a\r\nHost: x", "é"] {
            let source = Credentials::new("id", "key").with_session_token(bad).into();
            assert_eq!(get(&source), Err(CredentialsError::Illegal), "{bad:?}");
            let source = Credentials::new("id", bad).into();
            assert_eq!(get(&source), Err(CredentialsError::Illegal), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials::new("AKID", "hush-key").with_session_token("hush-token");
        let source = CredentialsSource::from(credentials.clone());
        let asks = CredentialsSource::callback(|| async { Err("hush".to_owned()) });
        let shown = format!("{credentials:?} {source:?} {asks:?}");
        assert!(shown.contains("AKID") && !shown.contains("hush"), "{shown}");
    }
}
