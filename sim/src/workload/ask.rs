//! A request of an application, and how it wants to be treated.

use super::{Options, Want};
use crate::{checker::Ask, totals::Happened, world::World};
use shadow_proto::{
    Operation, Qos, RequestError, RequestId, RequestOptions, Retry, Section, Update, WhenOffline,
};
use std::time::Duration;

impl World {
    pub(crate) fn draw_options(&mut self, node: usize, device: bool) -> Options {
        let work = &mut self.work;
        let mut options = Options::default();
        if work.chance(200) {
            options.timeout = Some(*work.pick(&[
                Duration::ZERO,
                Duration::from_millis(100),
                Duration::from_millis(600),
                Duration::from_secs(2),
                Duration::from_secs(30),
            ]));
        }
        if work.chance(100) {
            options.offline = WhenOffline::Fail;
        }
        if work.chance(100) {
            options.qos = Some(*work.pick(&[Qos::AtMostOnce, Qos::AtLeastOnce]));
        }
        options.retry = *work.pick(&[
            Retry::Safe,
            Retry::Safe,
            Retry::Safe,
            Retry::Always,
            Retry::Never,
        ]);
        options.latest = work.chance(200);
        if !device && work.chance(60) {
            options.token = Some(format!("app-{node}-{:x}", work.draw()));
        }
        options
    }

    /// Makes a request, and remembers that it was made. What comes of it is not taken out yet.
    pub(crate) fn ask(
        &mut self,
        node: usize,
        held: usize,
        want: &Want,
        options: &Options,
    ) -> Result<RequestId, RequestError> {
        let now = self.now;
        let it = &mut self.nodes[node];
        let (handle, shadow) = (it.held[held].handle, it.held[held].shadow);
        let config = it.client.config();
        let publish_only = config.subscriptions == shadow_proto::Subscriptions::PublishOnly;
        let timeout = options.timeout.unwrap_or(config.response_timeout);
        let limit = config.limits.requests;
        let mut how = RequestOptions::default();
        how.timeout = options.timeout;
        how.token = options.token.as_deref();
        how.when_offline = options.offline;
        how.qos = options.qos;
        how.latest = options.latest;
        how.retry = options.retry;
        let client = &mut it.client;
        let result = match want {
            Want::Get => client.get(handle, how, now),
            Want::Delete => client.delete(handle, how, now),
            Want::Report(json) => {
                client.update(handle, Update::reported(json).with_options(how), now)
            }
            Want::Desire(json) => {
                client.update(handle, Update::desired(json).with_options(how), now)
            }
            Want::Both(desired, reported) => {
                let update = Update::both(desired, reported).with_options(how);
                client.update(handle, update, now)
            }
            Want::ClearDesired => {
                let mut update = Update::default().with_options(how);
                update.desired = Section::Clear;
                client.update(handle, update, now)
            }
            Want::ClearReported => {
                let mut update = Update::default().with_options(how);
                update.reported = Section::Clear;
                client.update(handle, update, now)
            }
            Want::Clear => client.update(handle, Update::clear().with_options(how), now),
            Want::Insist(json, version) => {
                let update = Update::desired(json).if_version(*version).with_options(how);
                client.update(handle, update, now)
            }
        };
        // Some may be over already, which only the next outputs say.
        let unsure = it.check.unpolled;
        it.check.unpolled += 1;
        let open = it.check.open;
        match &result {
            Ok(id) => {
                assert!(
                    it.stalled || it.draining || open < limit + unsure,
                    "client {node}: the queue is longer than {limit}"
                );
                let operation = match want {
                    Want::Get => Operation::Get,
                    Want::Delete => Operation::Delete,
                    _ => Operation::Update,
                };
                let mergeable = options.latest
                    && options.token.is_none()
                    && operation == Operation::Update
                    && !matches!(want, Want::Clear | Want::Insist(..));
                let ask = Ask {
                    shadow,
                    operation,
                    publish_only,
                    deadline: now + timeout,
                    own_token: options.token.clone(),
                    fails_offline: options.offline == WhenOffline::Fail,
                    mergeable,
                    ..Ask::default()
                };
                it.check.asked(*id, ask);
                self.log(|| format!("client {node}: asks {id:?} {want:?} {options:?}"));
            }
            Err(RequestError::QueueFull { .. }) => {
                // One that was cancelled may go on for others.
                let most = open.max(it.client.outstanding());
                assert!(most >= limit, "client {node}: the queue is not full");
                self.totals.note(Happened::QueueFull);
            }
            Err(RequestError::Budget(_)) => self.totals.note(Happened::Budget),
            Err(RequestError::TokenInUse) => self.totals.note(Happened::TokenInUse),
            Err(RequestError::TokenPrefixed) => self.totals.note(Happened::TokenPrefixed),
            Err(RequestError::TooLarge { .. }) => self.totals.note(Happened::TooLarge),
            Err(error) => panic!("client {node}: a request is not taken: {error}"),
        }
        result
    }
}
