//! What a driver calls: inputs of the connection and the clock, and what comes out.

use super::{Client, requests::Place, timers::Timer};
use crate::{
    config::Qos,
    document::Accepted,
    error::NotShadowTopic,
    event::{Output, PublishId, SubscribeId},
    failure::{PubackCode, Stage, SubackCode},
    record::{Input, Payload},
    request::Interest,
    time::Instant,
};
use alloc::borrow::ToOwned;

impl Client {
    /// Counts a publish of the application's own against [`Rates::publishes`](crate::Rates).
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// client.note_publish(now); // a telemetry message went out beside the shadows
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn note_publish(&mut self, now: Instant) {
        self.advance(now);
        self.record(|| Input::NotePublish);
        self.take_publish();
        self.settle();
    }

    /// The connection is up: CONNACK said whether the session is the one of before.
    ///
    /// A lost session fails the requests in flight and subscribes everything wanted again; a
    /// resumed one keeps both.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// client.add_shadow(ShadowId::classic("lamp")?, Interest::UPDATE, now)?;
    /// client.handle_connected(false, now);
    /// assert!(matches!(client.poll_output(), Some(Output::Subscribe { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_connected(&mut self, session_present: bool, now: Instant) {
        self.advance(now);
        self.record(|| Input::Connected { session_present });
        if self.connected {
            self.disconnect();
        }
        self.connected = true;
        self.stats.connects += 1;
        if !session_present {
            self.stats.sessions_lost += 1;
            self.lose_session();
        }
        for shadow in self.shadows.handles() {
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.refused = Interest::NONE;
                entry.resubscribe_at = None;
                entry.failures = 0;
                entry.ready_due |= !session_present && !entry.interest.is_empty();
            }
            self.mark_dirty(shadow);
            self.resync_on_connect(shadow, session_present);
        }
        self.settle();
    }

    /// The session that the server kept may be a newer one than the one this client knows, since a
    /// CONNECT went unanswered before: call it after [`handle_connected`](Self::handle_connected)
    /// if whoever calls sees to the subscriptions by itself. What was published in between may be
    /// lost, so the document of every followed shadow is fetched, not sooner than
    /// [`Resync::min_interval`](crate::Resync) after the last time, but for those whose policy is
    /// [`ResyncPolicy::Never`](crate::ResyncPolicy::Never).
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
    /// client.handle_connected(true, now);
    /// client.handle_session_doubted(now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_session_doubted(&mut self, now: Instant) {
        self.advance(now);
        self.record(|| Input::SessionDoubted);
        for shadow in self.shadows.handles() {
            self.resync_soon(shadow);
        }
        self.settle();
    }

    /// The connection is down. What was not polled counts as not sent; what was sent stays in
    /// flight until its deadline, or until the next connection says that the session was lost.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// client.handle_connected(false, now);
    /// let request = client.get(lamp, RequestOptions::default(), now)?;
    /// client.handle_disconnected(now);
    /// assert_eq!(client.poll_output(), None); // the SUBSCRIBE was not taken: it is withdrawn
    /// assert_eq!(client.stage(request), Some(Stage::Queued));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.advance(now);
        self.record(|| Input::Disconnected);
        if self.connected {
            self.disconnect();
        }
        self.settle();
    }

    /// The SUBACK to [`Output::Subscribe`], a code for each filter. Ids of an earlier connection
    /// are ignored.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// client.register(lamp, Interest::GET, now)?;
    /// let Some(Output::Subscribe { id, .. }) = client.poll_output() else { panic!() };
    /// client.handle_suback(id, &[SubackCode::new(1), SubackCode::new(0x87)], now);
    /// let Some(Output::Event(Event::Refused { filter, .. })) = client.poll_output() else { panic!() };
    /// assert_eq!(&*filter, "$aws/things/lamp/shadow/get/rejected");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_suback(&mut self, id: SubscribeId, codes: &[SubackCode], now: Instant) {
        self.advance(now);
        self.record(|| Input::Suback {
            id: id.0,
            codes: codes.iter().map(|code| code.number()).collect(),
        });
        self.subscribed(id, codes);
        self.settle();
    }

    /// A SUBSCRIBE could not be sent; its filters are asked for again after a backoff.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// client.register(lamp, Interest::GET, now)?;
    /// let Some(Output::Subscribe { id, .. }) = client.poll_output() else { panic!() };
    /// client.handle_subscribe_failed(id, now);
    /// assert_eq!(client.poll_output(), None);
    /// let again = client.poll_timeout().unwrap();
    /// client.handle_timeout(again);
    /// assert!(matches!(client.poll_output(), Some(Output::Subscribe { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_subscribe_failed(&mut self, id: SubscribeId, now: Instant) {
        self.advance(now);
        self.record(|| Input::SubscribeFailed { id: id.0 });
        self.subscribe_failed(id);
        self.settle();
    }

    /// The UNSUBACK to [`Output::Unsubscribe`].
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
    /// client.register(lamp, Interest::GET, now)?;
    /// grant(&mut client, now); // answers what `poll_output` says
    /// client.register(lamp, Interest::NONE, now)?;
    /// let Some(Output::Unsubscribe { id, .. }) = client.poll_output() else { panic!() };
    /// client.handle_unsuback(id, now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_unsuback(&mut self, id: SubscribeId, now: Instant) {
        self.advance(now);
        self.record(|| Input::Unsuback { id: id.0 });
        self.unsubscribed(id);
        self.settle();
    }

    /// The PUBACK to [`Output::Publish`] at QoS 1. That of a publish the session repeated after it
    /// was resumed counts as well.
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
    /// for output in grant(&mut client, now) {
    ///     if let Output::Publish { id, .. } = output {
    ///         client.handle_puback(id, PubackCode::SUCCESS, now);
    ///     }
    /// }
    /// assert_eq!(client.stage(request), Some(Stage::Acknowledged));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_puback(&mut self, id: PublishId, code: PubackCode, now: Instant) {
        self.advance(now);
        self.record(|| Input::Puback {
            id: (id.counter, id.slot),
            code: code.number(),
        });
        self.acknowledged(id, code);
        self.settle();
    }

    /// A PUBLISH was not sent, which is certain. While connected, the connection did not take it (too
    /// large for the broker, say): its request fails. After [`handle_disconnected`](Self::handle_disconnected)
    /// the connection went before it could leave: its request waits for the next one, as one that
    /// was never polled, unless it was not to wait.
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
    /// client.get(lamp, RequestOptions::default(), now)?;
    /// for output in grant(&mut client, now) {
    ///     if let Output::Publish { id, .. } = output {
    ///         client.handle_send_failed(id, now);
    ///     }
    /// }
    /// let Some(Output::Event(Event::Response { outcome, .. })) = client.poll_output() else { panic!() };
    /// assert!(matches!(outcome, Err(Failure::NotSent { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_send_failed(&mut self, id: PublishId, now: Instant) {
        self.advance(now);
        self.record(|| Input::SendFailed {
            id: (id.counter, id.slot),
        });
        self.unsent(id);
        self.settle();
    }

    /// A message arrived on the connection. What is ours but cannot be read becomes
    /// [`Event::Undecodable`](crate::Event::Undecodable) and changes nothing.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// assert_eq!(client.handle_publish("sensors/1", b"21.5", now), Err(NotShadowTopic));
    /// client.handle_publish("$aws/things/lamp/shadow/get/accepted", b"garbage", now)?;
    /// assert!(matches!(client.poll_output(), Some(Output::Event(Event::Undecodable { .. }))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// It is not on a response topic of a shadow of this client; nothing was done with it.
    pub fn handle_publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), NotShadowTopic> {
        self.advance(now);
        self.record(|| Input::Publish {
            topic: topic.to_owned(),
            payload: Payload::of(payload),
        });
        self.receive(topic, payload)?;
        self.settle();
        Ok(())
    }

    /// Time has passed: call it when [`poll_timeout`](Self::poll_timeout) says so, with a fresh
    /// reading of the clock.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// client.get(lamp, RequestOptions::default(), now)?;
    /// let deadline = client.poll_timeout().unwrap();
    /// client.handle_timeout(deadline);
    /// let Some(Output::Event(Event::Response { outcome, .. })) = client.poll_output() else { panic!() };
    /// assert!(matches!(outcome, Err(Failure::TimedOut { stage: Stage::Queued, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.record(|| Input::Timeout);
        while let Some((at, timer)) = self.timers.peek().filter(|(at, _)| *at <= self.now) {
            self.timers.pop();
            if self.is_alive(at, timer) {
                self.fire(timer);
            }
        }
        self.settle();
    }

    /// The next thing to do, in the order things happened. A [`Output::Publish`] that was taken
    /// counts as sent.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// client.get(lamp, RequestOptions::default(), now)?;
    /// let Some(Output::Subscribe { filters, .. }) = client.poll_output() else { panic!() };
    /// assert_eq!(&*filters[0], "$aws/things/lamp/shadow/get/accepted");
    /// assert_eq!(client.poll_output(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(recorder) = &mut self.recorder {
            recorder.polled();
        }
        while let Output::Publish { id, .. } = self.outputs.front()? {
            let id = *id;
            let output = self.outputs.pop();
            if self.take_off(id) {
                return output;
            }
        }
        self.outputs.pop()
    }

    /// The driver takes a publish, unless its request ended meanwhile: then it is not published any more.
    fn take_off(&mut self, id: PublishId) -> bool {
        let Some(request) = self.try_of(id) else {
            return false;
        };
        let Some(entry) = self.requests.get_mut(request) else {
            return false;
        };
        entry.place = Place::InFlight;
        entry.stage = entry.stage.max(Stage::Sent);
        let ends = entry.publish_only && entry.qos == Qos::AtMostOnce;
        self.requests.took_off(request);
        self.stats.publishes += 1;
        if ends {
            self.finish(request, Ok(Accepted::Published), None);
            self.settle();
        }
        true
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// assert_eq!(client.poll_timeout(), None);
    /// client.get(lamp, RequestOptions::default(), now)?;
    /// assert_eq!(client.poll_timeout(), Some(now + client.config().response_timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|(at, _)| at);
        match (timer, self.pump_at) {
            (Some(timer), Some(pump)) => Some(timer.min(pump)),
            (timer, pump) => timer.or(pump),
        }
    }

    fn disconnect(&mut self) {
        self.connected = false;
        self.stats.disconnects += 1;
        self.forget_pending();
        self.withdraw();
    }

    /// Whether a timer's owner still wants to be woken at that time.
    pub(super) fn is_alive(&self, at: Instant, timer: Timer) -> bool {
        match timer {
            Timer::Deadline(id) => self
                .requests
                .get(id)
                .is_some_and(|request| request.deadline == Some(at)),
            Timer::Retry(id) => self
                .requests
                .get(id)
                .is_some_and(|request| request.retry_at == Some(at)),
            Timer::Suback(id) => self.pending.iter().any(|pending| pending.is_due(id, at)),
            Timer::Resubscribe(shadow) => self
                .shadows
                .get(shadow)
                .is_some_and(|entry| entry.resubscribe_at == Some(at)),
            Timer::Linger(shadow, operation) => self.lingering.contains(&(shadow, operation, at)),
            Timer::Orphans => self.orphans.retry_at == Some(at),
            Timer::Resync(shadow) => self
                .shadows
                .get(shadow)
                .is_some_and(|entry| entry.resync_at == Some(at)),
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Deadline(id) => self.expire(id),
            Timer::Retry(id) => self.retry_now(id),
            Timer::Suback(id) => self.suback_overdue(id),
            Timer::Resubscribe(shadow) => {
                if let Some(entry) = self.shadows.get_mut(shadow) {
                    entry.resubscribe_at = None;
                }
                self.mark_dirty(shadow);
            }
            Timer::Linger(shadow, operation) => self.linger_over(shadow, operation),
            Timer::Orphans => self.orphans.retry_at = None,
            Timer::Resync(shadow) => {
                if let Some(entry) = self.shadows.get_mut(shadow) {
                    entry.resync_at = None;
                }
                self.start_resync(shadow);
            }
        }
    }
}
