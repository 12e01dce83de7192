//! What holds for one shadow: its own settings, else the client's.

use super::Client;
use crate::{
    config::{Qos, Resync, ResyncPolicy, Subscriptions},
    event::ShadowHandle,
    request::Interest,
};
use serde::{Deserialize, Serialize};

/// What is set for one shadow; `None` takes the client's setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShadowOptions {
    /// How the subscriptions of its operations are kept.
    pub subscriptions: Option<Subscriptions>,
    /// When its document is fetched.
    pub resync: Option<Resync>,
    /// QoS of its subscriptions and requests.
    pub qos: Option<Qos>,
    /// Whether updates that report wait until the shadow was ready once.
    pub gate_reports: Option<bool>,
}

impl Client {
    pub(super) fn mode(&self, shadow: ShadowHandle) -> Subscriptions {
        let options = self
            .shadows
            .get(shadow)
            .and_then(|entry| entry.options.as_deref());
        options
            .and_then(|options| options.subscriptions)
            .unwrap_or(self.config.subscriptions)
    }

    pub(super) fn qos(&self, shadow: ShadowHandle) -> Qos {
        let options = self
            .shadows
            .get(shadow)
            .and_then(|entry| entry.options.as_deref());
        options
            .and_then(|options| options.qos)
            .unwrap_or(self.config.qos)
    }

    pub(super) fn gates(&self, shadow: ShadowHandle) -> bool {
        let options = self
            .shadows
            .get(shadow)
            .and_then(|entry| entry.options.as_deref());
        options
            .and_then(|options| options.gate_reports)
            .unwrap_or(self.config.gate_reports)
    }

    /// How the shadow's document is fetched; `None` if it is not.
    pub(super) fn follows(&self, shadow: ShadowHandle) -> Option<Resync> {
        let entry = self.shadows.get(shadow)?;
        if !self.is_followed(shadow) {
            return None;
        }
        let own = entry.options.as_deref().and_then(|options| options.resync);
        let resync = own.unwrap_or(self.config.resync);
        (resync.policy != ResyncPolicy::Never).then_some(resync)
    }

    /// Whether there is interest in what becomes of the document, so that fetching it has a meaning.
    pub(super) fn is_followed(&self, shadow: ShadowHandle) -> bool {
        let interest = self.shadows.get(shadow).map(|entry| entry.interest);
        let followed = interest.map(|it| it.intersection(Interest::DELTA | Interest::DOCUMENTS));
        followed.is_some_and(|followed| !followed.is_empty())
            && self.mode(shadow) != Subscriptions::PublishOnly
    }
}
