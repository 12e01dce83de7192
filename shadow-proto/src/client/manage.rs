//! The shadows of a client: adding, removing, and what is watched of them.

use super::{Client, ShadowOptions, filters};
use crate::{
    error::{AddError, RegisterError, UnknownShadow},
    event::{RequestId, ShadowHandle},
    failure::Failure,
    name::ShadowId,
    record::{Input, pair},
    request::Interest,
    time::Instant,
};
use alloc::vec::Vec;

impl Client {
    /// Adds a shadow and subscribes to what `interest` says. If that holds deltas or documents,
    /// its document is fetched too (see [`Resync`](crate::Resync)), and [`Event::Ready`](crate::Event::Ready) follows.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
    /// assert_eq!(client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now), Err(AddError::Duplicate));
    /// assert_eq!(client.interest(lamp), Some(Interest::DELTA));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// It was added already, there are too many, or its filters do not fit the budget.
    pub fn add_shadow(
        &mut self,
        id: ShadowId,
        interest: Interest,
        now: Instant,
    ) -> Result<ShadowHandle, AddError> {
        self.advance(now);
        self.record(|| Input::add(&id, interest));
        let max = self.config.limits.shadows.min(u32::MAX as usize - 1);
        if self.find_shadow(&id).is_some() {
            return Err(AddError::Duplicate);
        }
        if self.shadows.len() >= max {
            return Err(AddError::TooMany { max });
        }
        let shadow = self.shadows.insert(id, Interest::NONE);
        if let Err(budget) = self.reserve(shadow, interest) {
            self.shadows.remove(shadow);
            self.settle();
            return Err(AddError::Budget(budget));
        }
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.interest = interest;
        }
        self.adopt(shadow);
        self.interest_changed(shadow, Interest::NONE);
        self.settle();
        Ok(shadow)
    }

    /// Forgets a shadow. Its requests end as [`Failure::Removed`], its filters are unsubscribed.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// client.remove_shadow(lamp, now)?;
    /// assert_eq!(client.remove_shadow(lamp, now), Err(UnknownShadow));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The handle is stale.
    pub fn remove_shadow(
        &mut self,
        shadow: ShadowHandle,
        now: Instant,
    ) -> Result<(), UnknownShadow> {
        self.advance(now);
        self.record(|| Input::Remove {
            shadow: pair(shadow),
        });
        self.shadows.get(shadow).ok_or(UnknownShadow)?;
        let ids: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|request| request.shadow == shadow)
            .map(|request| request.id)
            .collect();
        for id in ids {
            self.fail(id, |operation, stage| Failure::Removed { operation, stage });
        }
        self.lingering.retain(|(other, ..)| *other != shadow);
        self.orphan(shadow);
        self.shadows.remove(shadow);
        self.settle();
        Ok(())
    }

    /// Changes which topics of a shadow are subscribed besides those its operations need.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// client.register(lamp, Interest::DELTA | Interest::DOCUMENTS, now)?; // subscribes
    /// client.register(lamp, Interest::NONE, now)?; // and unsubscribes
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The handle is stale, or the filters do not fit the budget; then nothing changed.
    pub fn register(
        &mut self,
        shadow: ShadowHandle,
        interest: Interest,
        now: Instant,
    ) -> Result<(), RegisterError> {
        self.advance(now);
        self.record(|| Input::Register {
            shadow: pair(shadow),
            interest: interest.bits(),
        });
        let entry = self
            .shadows
            .get_mut(shadow)
            .ok_or(RegisterError::UnknownShadow)?;
        let before = core::mem::replace(&mut entry.interest, Interest::NONE);
        if let Err(budget) = self.reserve(shadow, interest) {
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.interest = before;
            }
            self.filters_changed(shadow);
            self.settle();
            return Err(RegisterError::Budget(budget));
        }
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.interest = interest;
            entry.refused = entry.refused.difference(interest);
        }
        self.interest_changed(shadow, before);
        self.settle();
        Ok(())
    }

    /// Sets what one shadow does otherwise than the client's configuration. Best called right
    /// after [`add_shadow`](Self::add_shadow); requests made before keep what they had.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// let mut options = ShadowOptions::default();
    /// options.subscriptions = Some(Subscriptions::PublishOnly);
    /// client.configure(lamp, options, now)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The handle is stale.
    pub fn configure(
        &mut self,
        shadow: ShadowHandle,
        options: ShadowOptions,
        now: Instant,
    ) -> Result<(), UnknownShadow> {
        self.advance(now);
        self.record(|| Input::Configure {
            shadow: pair(shadow),
            options,
        });
        let entry = self.shadows.get_mut(shadow).ok_or(UnknownShadow)?;
        entry.options = (options != ShadowOptions::default()).then(|| options.into());
        let interest = entry.interest;
        self.interest_changed(shadow, interest);
        self.settle();
        Ok(())
    }

    /// Whether events keep the payload they were read from, from now on: what
    /// [`Config::keep_payloads`](crate::Config) says for the time before.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// client.keep_payloads(true, now);
    /// assert!(client.config().keep_payloads);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_payloads(&mut self, keep: bool, now: Instant) {
        if self.config.keep_payloads != keep {
            self.advance(now);
            self.record(|| Input::KeepPayloads { keep });
            self.config.keep_payloads = keep;
        }
    }

    /// What was set for one shadow with [`configure`](Self::configure); `None` if the handle is
    /// stale.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// let mut options = client.shadow_options(lamp).unwrap_or_default();
    /// options.qos = Some(Qos::AtMostOnce); // and the others as they were
    /// client.configure(lamp, options, now)?;
    /// assert_eq!(client.shadow_options(lamp).and_then(|of| of.qos), Some(Qos::AtMostOnce));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shadow_options(&self, shadow: ShadowHandle) -> Option<ShadowOptions> {
        let entry = self.shadows.get(shadow)?;
        Some(entry.options.as_deref().copied().unwrap_or_default())
    }

    /// The handle of a shadow that was added.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// assert_eq!(client.find_shadow(&ShadowId::classic("lamp")?), Some(lamp));
    /// assert_eq!(client.find_shadow(&ShadowId::classic("fan")?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn find_shadow(&self, id: &ShadowId) -> Option<ShadowHandle> {
        self.shadows.find(id.thing(), id.shadow())
    }

    /// The names of a shadow.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// assert_eq!(client.shadow_id(lamp), Some(&ShadowId::classic("lamp")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shadow_id(&self, shadow: ShadowHandle) -> Option<&ShadowId> {
        Some(&self.shadows.get(shadow)?.id)
    }

    /// What [`add_shadow`](Self::add_shadow) or [`register`](Self::register) said last; `None` if
    /// the handle is stale.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
    /// client.register(lamp, Interest::DELTA | Interest::DOCUMENTS, now)?;
    /// assert_eq!(client.interest(lamp), Some(Interest::DELTA | Interest::DOCUMENTS));
    /// client.remove_shadow(lamp, now)?;
    /// assert_eq!(client.interest(lamp), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn interest(&self, shadow: ShadowHandle) -> Option<Interest> {
        Some(self.shadows.get(shadow)?.interest)
    }

    /// The response topics of a shadow whose filters are wanted, and those that are granted.
    /// Once nothing is under way the two are equal, but for what the broker refused.
    ///
    /// ```
    /// # fn grant(client: &mut Client, now: Instant) -> Vec<Output> {
    /// #     let mut rest = Vec::new();
    /// #     while let Some(output) = client.poll_output() {
    /// #         match output {
    /// #             Output::Subscribe { id, filters, .. } => {
    /// #                 client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], now);
    /// #             }
    /// #             other => rest.push(other),
    /// #         }
    /// #     }
    /// #     rest
    /// # }
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// client.register(lamp, Interest::UPDATE, now)?;
    /// assert_eq!(client.subscriptions(lamp), Some((Interest::UPDATE, Interest::NONE)));
    /// grant(&mut client, now); // answers what `poll_output` says
    /// assert_eq!(client.subscriptions(lamp), Some((Interest::UPDATE, Interest::UPDATE)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn subscriptions(&self, shadow: ShadowHandle) -> Option<(Interest, Interest)> {
        let entry = self.shadows.get(shadow)?;
        let wanted = filters::cover(self.wanted(shadow, entry), entry.wildcard);
        let wanted = wanted.fold(Interest::NONE, |topics, filter| topics | filter);
        Some((wanted, entry.granted))
    }
}
