//! What the application asks for.

use super::{Client, requests::Purpose, submit::Ask};
use crate::{
    error::{RequestError, ResyncError, UnknownRequest},
    event::{RequestId, ShadowHandle},
    failure::{Failure, Stage},
    record::{Input, Options, pair},
    request::{RequestOptions, Update},
    time::Instant,
    token::ClientToken,
    topic::Operation,
};

impl Client {
    /// Asks for the document. The outcome is [`Accepted::Get`](crate::Accepted::Get), or a rejection with the code 404
    /// if there is no such shadow.
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
    /// let request = client.get(lamp, RequestOptions::default(), now)?;
    /// grant(&mut client, now); // answers what `poll_output` says
    /// let token = client.token(request).unwrap();
    /// let answer = format!(r#"{{"state":{{"reported":{{"on":true}}}},"version":3,"clientToken":"{token}"}}"#);
    /// client.handle_publish("$aws/things/lamp/shadow/get/accepted", answer.as_bytes(), now)?;
    /// let Some(Output::Event(Event::Response { outcome, .. })) = client.poll_output() else { panic!() };
    /// assert_eq!(outcome?.document().unwrap().reported.value().unwrap().at("/on"), Some("true"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError`]; then nothing was kept of it.
    pub fn get(
        &mut self,
        shadow: ShadowHandle,
        options: RequestOptions<'_>,
        now: Instant,
    ) -> Result<RequestId, RequestError> {
        self.advance(now);
        self.record(|| Input::Get {
            shadow: pair(shadow),
            options: Options::of(&options),
        });
        let ask = Ask::plain(Operation::Get, options);
        let id = self.submit(shadow, ask, Purpose::Application);
        self.settle();
        id
    }

    /// Merges a partial document into the shadow, and makes the shadow if there is none. The
    /// outcome is [`Accepted::Update`](crate::Accepted::Update), or a rejection: with the code 409 if `update` insisted on
    /// a version that the document does not have.
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
    /// let state = Json::from_text(r#"{"color":"teal","timer":null}"#)?;
    /// let request = client.update(lamp, Update::desired(&state).if_version(Version::new(3)), now)?;
    /// grant(&mut client, now); // answers what `poll_output` says
    /// let token = client.token(request).unwrap();
    /// let answer = format!(r#"{{"code":409,"message":"Version conflict","clientToken":"{token}"}}"#);
    /// client.handle_publish("$aws/things/lamp/shadow/update/rejected", answer.as_bytes(), now)?;
    /// let Some(Output::Event(Event::Response { outcome, .. })) = client.poll_output() else { panic!() };
    /// let Err(Failure::Rejected(rejection)) = outcome else { panic!() };
    /// assert_eq!(rejection.code, ErrorCode::CONFLICT);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError`]; then nothing was kept of it.
    pub fn update(
        &mut self,
        shadow: ShadowHandle,
        update: Update<'_>,
        now: Instant,
    ) -> Result<RequestId, RequestError> {
        self.advance(now);
        self.record(|| Input::update(shadow, &update));
        let id = self.submit(shadow, Ask::update(&update)?, Purpose::Application);
        // A refusal for the budget has made room, too.
        self.settle();
        id
    }

    /// Removes the shadow. The outcome is [`Accepted::Delete`](crate::Accepted::Delete), or a rejection with the code 404
    /// if there is no such shadow.
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
    /// let request = client.delete(lamp, RequestOptions::default(), now)?;
    /// grant(&mut client, now); // answers what `poll_output` says
    /// let token = client.token(request).unwrap();
    /// let answer = format!(r#"{{"version":3,"timestamp":1767225600,"clientToken":"{token}"}}"#);
    /// client.handle_publish("$aws/things/lamp/shadow/delete/accepted", answer.as_bytes(), now)?;
    /// let Some(Output::Event(Event::Response { outcome, .. })) = client.poll_output() else { panic!() };
    /// assert_eq!(outcome?.version(), Some(Version::new(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError`]; then nothing was kept of it.
    pub fn delete(
        &mut self,
        shadow: ShadowHandle,
        options: RequestOptions<'_>,
        now: Instant,
    ) -> Result<RequestId, RequestError> {
        self.advance(now);
        self.record(|| Input::Delete {
            shadow: pair(shadow),
            options: Options::of(&options),
        });
        let ask = Ask::plain(Operation::Delete, options);
        let id = self.submit(shadow, ask, Purpose::Application);
        self.settle();
        id
    }

    /// Ends a request: its outcome is [`Failure::Cancelled`](crate::Failure::Cancelled) with the stage it had reached. What
    /// was sent cannot be called back; its answer comes as [`Event::LateAnswer`](crate::Event::LateAnswer).
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// let request = client.get(lamp, RequestOptions::default(), now)?;
    /// client.cancel(request, now)?;
    /// let Some(Output::Event(Event::Response { outcome, .. })) = client.poll_output() else { panic!() };
    /// let (operation, stage) = (Operation::Get, Stage::Queued);
    /// assert_eq!(outcome, Err(Failure::Cancelled { operation, stage }));
    /// assert_eq!(client.cancel(request, now), Err(UnknownRequest));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The request is over.
    pub fn cancel(&mut self, request: RequestId, now: Instant) -> Result<(), UnknownRequest> {
        self.advance(now);
        self.record(|| Input::Cancel {
            request: (request.serial, request.slot),
        });
        let known = self.requests.get(request);
        known
            .filter(|known| known.purpose == Purpose::Application)
            .ok_or(UnknownRequest)?;
        self.fail(request, |operation, stage| Failure::Cancelled {
            operation,
            stage,
        });
        self.settle();
        Ok(())
    }

    /// The token a request was sent with last; before it is sent, the caller's own, or the one
    /// that was reserved.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// let mut options = RequestOptions::default();
    /// options.token = Some("app-17");
    /// let request = client.get(lamp, options, now)?;
    /// assert_eq!(client.token(request).unwrap().as_str(), "app-17");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn token(&self, request: RequestId) -> Option<ClientToken> {
        let asked = self.requests.get(request)?;
        let request = self.leader(asked);
        let sent = request.last_sent().map(|counter| (counter, request.id));
        let reserved = || asked.reserved.map(|counter| (counter, asked.id));
        match &request.own_token {
            Some(token) => Some(**token),
            None if !request.has_token() => None,
            None => {
                let (counter, id) = sent.or_else(reserved)?;
                Some(self.generate(counter, id.slot))
            }
        }
    }

    /// The request that one of our tokens belongs to: the inverse of [`token`](Self::token), for
    /// a message that was received by other means. `None` if the request is over, or the token is
    /// somebody else's.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// assert_eq!(client.request_of("somebody-else's"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn request_of(&self, token: &str) -> Option<RequestId> {
        let prefix = &self.config.token_prefix;
        self.requests.live(token, prefix)
    }

    /// How far a request got; `None` once it is over.
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
    /// let request = client.get(lamp, RequestOptions::default(), now)?;
    /// assert_eq!(client.stage(request), Some(Stage::Queued)); // there is no connection yet
    /// client.handle_connected(false, now);
    /// assert_eq!(client.stage(request), Some(Stage::Subscribing));
    /// grant(&mut client, now); // answers what `poll_output` says
    /// assert_eq!(client.stage(request), Some(Stage::Sent));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stage(&self, request: RequestId) -> Option<Stage> {
        Some(self.stage_of(self.leader(self.requests.get(request)?)))
    }

    /// Fetches the document of a followed shadow again, however young the last one is, also if the
    /// shadow's [`Resync`](crate::Resync) says never; answered by [`Event::Ready`](crate::Event::Ready)
    /// or [`Event::ResyncFailed`](crate::Event::ResyncFailed).
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// assert_eq!(client.resync(lamp, now), Err(ResyncError::NotFollowed));
    /// client.register(lamp, Interest::DELTA, now)?;
    /// client.resync(lamp, now)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The handle is stale, or nothing of the shadow is followed; or its filters do not fit the
    /// budget, which reserves none for a shadow whose document is never fetched by itself.
    pub fn resync(&mut self, shadow: ShadowHandle, now: Instant) -> Result<(), ResyncError> {
        self.advance(now);
        self.record(|| Input::Resync {
            shadow: pair(shadow),
        });
        let asked = self.resync_asked(shadow);
        self.settle();
        asked
    }

    /// How many requests are not yet over, those of the client itself included.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// client.get(lamp, RequestOptions::default(), now)?;
    /// assert_eq!(client.outstanding(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.requests.iter().count()
    }
}
