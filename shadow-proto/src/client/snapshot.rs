//! A client's knowledge across a restart inside a surviving session.

use super::{Client, outputs::Untold, requests::Past, shadows::Shadow, versions::Versions};
use crate::{
    config::Config,
    error::AddError,
    name::{NameError, ShadowId},
    request::Interest,
    time::Instant,
    token::ClientToken,
    topic::Operation,
};
use alloc::{
    borrow::ToOwned,
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use serde::{Deserialize, Serialize};

impl Client {
    /// What must be known after a restart so that a session that survived it goes on: the shadows
    /// with their subscriptions, watermarks and epochs, and the tokens whose answers may still
    /// come. Text (JSON, with a version of its own), to be kept wherever the application likes.
    ///
    /// It holds no document: fetch one, or keep what `Ready` and `Delta` brought. A shadow whose
    /// document was being fetched, or of which `poll_output` has not given out everything yet, is
    /// fetched again by the restored client, so that nothing is lost.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// let snapshot = client.snapshot();
    /// let config = Config::new(TokenPrefix::new("doc-2")?); // another prefix: this is another start
    /// let restored = Client::restore(config, &snapshot)?;
    /// assert!(restored.find_shadow(&ShadowId::classic("lamp")?).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> String {
        let shadows: Vec<_> = self.shadows.iter().collect();
        let position = |handle| shadows.iter().position(|(other, _)| *other == handle);
        let tokens = self.requests.outstanding(&self.config.token_prefix);
        let untold = self.outputs.untold();
        let saved = Saved {
            format: FORMAT,
            shadows: shadows
                .iter()
                .map(|(handle, shadow)| SavedShadow::of(shadow, untold.get(handle)))
                .collect(),
            tokens: tokens
                .iter()
                .filter_map(|past| {
                    let shadow = position(past.shadow)?;
                    let operation = past.operation as u8;
                    Some(SavedToken {
                        token: past.token.to_string(),
                        shadow,
                        operation,
                    })
                })
                .collect(),
        };
        serde_json::to_string(&saved).unwrap_or_default()
    }

    /// A client that knows what another knew when it made `snapshot`. The shadows are added; find
    /// them with [`find_shadow`](Self::find_shadow). With
    /// [`ResyncPolicy::SessionLost`](crate::ResyncPolicy) a connect that finds the session needs no
    /// get. `config` must have another token prefix than the client of before.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let now = Instant::ORIGIN;
    /// let lamp = ShadowId::classic("lamp")?;
    /// let mut client = Client::new(Config::new(TokenPrefix::new("start-1")?));
    /// client.add_shadow(lamp.clone(), Interest::UPDATE, now)?;
    /// client.handle_connected(false, now);
    /// let Some(Output::Subscribe { id, .. }) = client.poll_output() else { panic!() };
    /// client.handle_suback(id, &[SubackCode::new(1); 2], now);
    ///
    /// let saved = client.snapshot(); // then the process ends, and another begins
    /// let mut client = Client::restore(Config::new(TokenPrefix::new("start-2")?), &saved)?;
    /// client.handle_connected(true, now); // the broker kept the session
    /// while let Some(output) = client.poll_output() {
    ///     assert!(!matches!(output, Output::Subscribe { .. })); // nothing is subscribed again
    /// }
    /// let lamp = client.find_shadow(&lamp).unwrap();
    /// assert_eq!(client.subscriptions(lamp), Some((Interest::UPDATE, Interest::UPDATE)));
    /// assert!(Client::restore(Config::new(TokenPrefix::new("start-3")?), "{}").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The text is no such snapshot, or its shadows do not fit `config`.
    pub fn restore(config: Config, snapshot: &str) -> Result<Self, RestoreError> {
        let saved: Saved = serde_json::from_str(snapshot)
            .map_err(|error| RestoreError::Unreadable(error.to_string().into()))?;
        if saved.format != FORMAT {
            return Err(RestoreError::Format(saved.format));
        }
        let mut client = Self::new(config);
        let mut handles = Vec::new();
        for shadow in saved.shadows {
            let id = ShadowId::new(&shadow.thing, shadow.shadow.as_deref())
                .map_err(RestoreError::Name)?;
            let interest = Interest::from_bits(shadow.interest);
            let handle = client
                .add_shadow(id, interest, Instant::ORIGIN)
                .map_err(RestoreError::Add)?;
            if let Some(entry) = client.shadows.get_mut(handle) {
                shadow.apply(entry);
            }
            client.filters_changed(handle);
            handles.push(handle);
        }
        for saved in saved.tokens {
            let token = ClientToken::new(&saved.token).map_err(RestoreError::Name)?;
            let operation = Operation::ALL.get(usize::from(saved.operation)).copied();
            let Some((shadow, operation)) = handles.get(saved.shadow).copied().zip(operation)
            else {
                return Err(RestoreError::Unreadable("a token without shadow".into()));
            };
            let past = Past {
                token,
                request: None,
                shadow,
                operation,
                answered: false,
            };
            client.requests.remember(past, true);
        }
        client.settle();
        Ok(client)
    }
}

/// Why a snapshot was not restored.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RestoreError {
    /// It is not a snapshot.
    Unreadable(Box<str>),
    /// It was made by another release, in this format.
    Format(u32),
    /// It holds a name that is not legal.
    Name(NameError),
    /// A shadow could not be added.
    Add(AddError),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "not a snapshot: {reason}"),
            Self::Format(format) => {
                write!(
                    f,
                    "the snapshot has format {format}, this release reads format {FORMAT}"
                )
            }
            Self::Name(error) => error.fmt(f),
            Self::Add(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RestoreError {}

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    shadows: Vec<SavedShadow>,
    tokens: Vec<SavedToken>,
}

#[derive(Serialize, Deserialize)]
struct SavedShadow {
    thing: String,
    shadow: Option<String>,
    interest: u8,
    used: u8,
    granted: u8,
    wildcard: bool,
    /// Perhaps subscribed, not known to be granted.
    unsure: u8,
    ready: bool,
    /// Whether the application knows its document, so that only a lost session makes it unknown.
    synced: bool,
    versions: Versions,
}

#[derive(Serialize, Deserialize)]
struct SavedToken {
    token: String,
    shadow: usize,
    operation: u8,
}

impl SavedShadow {
    /// `untold`: what the application was to be told of it will never be.
    fn of(shadow: &Shadow, untold: Option<&Untold>) -> Self {
        let fetching = shadow.unsynced || shadow.resync.is_some() || shadow.held.is_some();
        let unsure = shadow.unsure | shadow.asked | shadow.leaving;
        let mut versions = shadow.versions.clone();
        if let Some(untold) = untold {
            versions.untell(untold.delta.0, untold.documents.0);
        }
        Self {
            thing: shadow.id.thing().to_owned(),
            shadow: shadow.id.shadow().map(str::to_owned),
            interest: shadow.interest.bits(),
            used: shadow.used.bits(),
            granted: shadow.granted.bits(),
            wildcard: shadow.wildcard,
            unsure: unsure.difference(shadow.granted).bits(),
            ready: shadow.ready,
            synced: shadow.ready && !fetching && untold.is_none(),
            versions,
        }
    }

    fn apply(self, shadow: &mut Shadow) {
        shadow.used = Interest::from_bits(self.used);
        shadow.granted = Interest::from_bits(self.granted);
        shadow.unsure = Interest::from_bits(self.unsure);
        shadow.wildcard = self.wildcard;
        shadow.ready = self.ready;
        shadow.versions = self.versions;
        if self.synced {
            shadow.resynced_at = Some(Instant::ORIGIN);
        }
    }
}
