//! The service between its ways in and the broker: one lock, one queue of messages out.

use crate::{
    error::{Rejection, ShadowError},
    fault::{AnswerFate, Fate},
    local::{
        Clock,
        faults::{FaultRule, Gate, InFlight, Trouble},
        recent::Recent,
        served::{Request, Served, Way, called, served},
    },
    reply::{Answer, Handled, Ignored, Outgoing, Page},
    service::Service,
    settings::InFlightScope,
    store::Store,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;
use shadow_proto::{Operation, ShadowId};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// A store of any kind.
pub type DynStore = Box<dyn Store + Send>;

/// Called after each request, on the task that served it: keep it short.
pub type Observer = Arc<dyn Fn(&Served<'_>) + Send + Sync>;

/// One service with several ways in. Cheap to clone; all clones are one engine.
///
/// What a request makes the service publish goes into the queue whose other end
/// [`new`](Self::new) gives, in the order in which requests were served: the place in the
/// queue is taken before the lock and filled under it. A full queue makes requests wait.
///
/// A [`Server`](crate::local::Server) has one around its own broker. For another way in, hand it
/// what comes, and publish what comes out:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use shadow_service::{
///     MemoryStore, Service, Settings,
///     local::{Batch, DynStore, Engine, EngineOptions},
/// };
///
/// let store: DynStore = Box::new(MemoryStore::new());
/// let mut options = EngineOptions::default();
/// options.in_flight = Some(1);
/// let (engine, mut queue) = Engine::new(Service::with_store(Settings::default(), store), options);
///
/// let request = br#"{"state": {"reported": {"on": true}}}"#;
/// engine.handle_publish("$aws/things/lamp/shadow/update", request).await?;
/// let batch: Batch = queue.recv().await.unwrap();
/// assert_eq!(&*batch.messages[0].topic, "$aws/things/lamp/shadow/update/accepted");
///
/// // Until its messages are published, the request counts: another one is too many.
/// engine.handle_publish("$aws/things/lamp/shadow/get", b"").await?;
/// let refused = queue.recv().await.unwrap();
/// assert!(refused.messages[0].payload.contains(r#""code":429"#));
/// drop(batch);
/// engine.handle_publish("$aws/things/lamp/shadow/get", b"").await?;
/// let got = queue.recv().await.unwrap();
/// assert_eq!(&*got.messages[0].topic, "$aws/things/lamp/shadow/get/accepted");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    service: Mutex<Service<DynStore>>,
    clock: Clock,
    outgoing: mpsc::Sender<Batch>,
    observer: Option<Observer>,
    gate: Arc<Gate>,
    in_flight: Option<u32>,
    scope: InFlightScope,
    trouble: Option<Trouble>,
    recent: Recent,
}

/// What an [`Engine`] does besides serving. The default is nothing, by the system's clock.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Where the time comes from.
    pub clock: Clock,
    /// Who is told of every request.
    pub observer: Option<Observer>,
    /// How many requests of a thing may be in flight: they have come, and their answers are not
    /// published yet. More are answered with 429. AWS has 10, of a thing or of a connection:
    /// [`Behaviour::in_flight`](crate::Behaviour::in_flight). Default: any number.
    pub in_flight: Option<u32>,
    /// What is to go wrong. Delays are tokio's.
    pub faults: Vec<FaultRule>,
    /// Equal seeds let the same things go wrong.
    pub fault_seed: u64,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("clock", &self.clock)
            .field("in_flight", &self.in_flight)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// Messages to publish, in this order. The request is in flight until it is dropped.
#[derive(Debug, Default)]
pub struct Batch {
    /// The messages.
    pub messages: Vec<Outgoing>,
    pub(crate) guard: Option<Arc<InFlight>>,
}

impl Engine {
    /// An engine, and the messages it wants published.
    #[must_use]
    pub fn new(
        service: Service<DynStore>,
        options: EngineOptions,
    ) -> (Self, mpsc::Receiver<Batch>) {
        let (outgoing, messages) = mpsc::channel(QUEUE);
        let faults = options.faults;
        let inner = Inner {
            scope: service.settings().behaviour.in_flight,
            service: Mutex::new(service),
            clock: options.clock,
            outgoing,
            observer: options.observer,
            gate: Arc::default(),
            in_flight: options.in_flight,
            trouble: (!faults.is_empty()).then(|| Trouble::new(faults, options.fault_seed)),
            recent: Recent::default(),
        };
        (Self(Arc::new(inner)), messages)
    }

    /// Serves a message from MQTT. The answers go into the queue.
    ///
    /// # Errors
    /// [`Ignored`] if the topic carries no requests.
    pub async fn handle_publish(&self, topic: &str, payload: &[u8]) -> Result<(), Ignored> {
        self.handle_publish_of(None, topic, payload).await
    }

    /// As [`handle_publish`](Self::handle_publish), for a broker that knows whose message it is:
    /// `client` is the client id of the connection.
    ///
    /// # Errors
    /// [`Ignored`] if the topic carries no requests.
    pub async fn handle_publish_of(
        &self,
        client: Option<&str>,
        topic: &str,
        payload: &[u8],
    ) -> Result<(), Ignored> {
        let (shadow, operation) = self.service().request(topic)?;
        let whose = match self.0.scope {
            InFlightScope::Thing => shadow.thing(),
            InFlightScope::Connection => client.unwrap_or_else(|| shadow.thing()),
        };
        let (fate, guard) = self.fate(&shadow, Some(whose));
        // Closed means that the server stops: the request is served and nobody hears of it.
        let place = self.0.outgoing.reserve().await;
        let now = self.0.clock.now();
        let (handled, fault) = {
            let mut service = self.service();
            let (mut handled, fault) = match fate {
                Fate::Serve => {
                    let mut handled = service.handle_publish(topic, payload, now)?;
                    let fault = self.spoil(&service, &mut handled, payload);
                    (handled, fault)
                }
                Fate::Swallow => {
                    let handled = Handled {
                        shadow,
                        operation,
                        outcome: Err(ShadowError::Unavailable),
                        messages: Vec::new(),
                    };
                    (handled, Some("swallowed"))
                }
                Fate::Refuse { error, nameless } => {
                    let payload = if nameless { b"" } else { payload };
                    (service.refuse(&shadow, operation, payload, error), None)
                }
            };
            self.0.recent.note(
                now,
                &served(Way::Mqtt, &handled, fault, now),
                &handled.messages,
            );
            if let Ok(place) = place {
                let messages = core::mem::take(&mut handled.messages);
                let batch = self.deliver(&handled.shadow, Batch { messages, guard });
                place.send(batch);
            }
            (handled, fault)
        };
        self.observe(&served(Way::Mqtt, &handled, fault, now));
        Ok(())
    }

    /// Serves an operation from elsewhere. An accepted update or delete goes into the queue of
    /// messages too; a get and a rejection concern the caller alone.
    ///
    /// A request that a fault leaves unanswered waits for ever.
    ///
    /// # Errors
    /// As the operation of [`Service`].
    pub async fn call(
        &self,
        shadow: &ShadowId,
        operation: Operation,
        payload: &[u8],
    ) -> Result<Answer, Rejection> {
        let whose = match self.0.scope {
            InFlightScope::Thing => Some(shadow.thing()),
            InFlightScope::Connection => None,
        };
        let (fate, guard) = self.fate(shadow, whose);
        let place = self.0.outgoing.reserve().await;
        let now = self.0.clock.now();
        let (answer, fault) = {
            let mut service = self.service();
            let (answer, fault) = match fate {
                Fate::Serve => {
                    let answer = match operation {
                        Operation::Get => service.get(shadow, payload, now),
                        Operation::Update => service.update(shadow, payload, now),
                        Operation::Delete => service.delete(shadow, payload, now),
                    };
                    let fault = match self.answer_fate(shadow, answer.is_ok()) {
                        AnswerFate::Send => None,
                        AnswerFate::Fail => Some(FAILED),
                        AnswerFate::Lose => Some(LOST),
                    };
                    (answer, fault)
                }
                Fate::Swallow => (Err(ShadowError::Unavailable.into()), Some("swallowed")),
                Fate::Refuse { error, .. } => (Err(error.into()), None),
            };
            let messages = match &answer {
                Ok(answer) if operation != Operation::Get => {
                    service.messages(shadow, operation, answer.clone())
                }
                Ok(_) | Err(_) => Vec::new(),
            };
            let served = called(shadow, operation, &answer, fault, now);
            self.0.recent.note(now, &served, &messages);
            if let (Ok(place), false) = (place, messages.is_empty()) {
                place.send(self.deliver(shadow, Batch { messages, guard }));
            }
            (answer, fault)
        };
        self.observe(&called(shadow, operation, &answer, fault, now));
        if let Some(trouble) = &self.0.trouble {
            let faults = trouble.of(shadow.thing());
            let wait = faults.map(|faults| trouble.draw(|below| faults.wait(below)));
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                tokio::time::sleep(wait).await;
            }
        }
        match fault {
            None => answer,
            Some(FAILED) => Err(injected().into()),
            Some(_) => core::future::pending().await,
        }
    }

    /// Lists the named shadows of a thing: [`Service::list_named`].
    ///
    /// # Errors
    /// As [`Service::list_named`].
    pub fn list_named(
        &self,
        thing: &str,
        page_size: Option<usize>,
        next_token: Option<&str>,
    ) -> Result<Page, ShadowError> {
        let now = self.0.clock.now();
        let page = self.service().list_named(thing, page_size, next_token, now);
        self.observe(&Served {
            way: Way::Rest,
            request: Request::List(thing),
            outcome: page.as_ref().map(|_| None),
            fault: None,
            time: now,
        });
        page
    }

    /// The service, for what the engine has no call for. The lock is the engine's own: hold it
    /// shortly, and never across an await.
    pub fn service(&self) -> MutexGuard<'_, Service<DynStore>> {
        // A panic while serving leaves the store as it was: updates are committed whole.
        let service = self.0.service.lock();
        service.unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// What is assumed of the open questions.
    #[cfg(feature = "http")]
    pub(crate) fn behaviour(&self) -> crate::settings::Behaviour {
        self.service().settings().behaviour
    }

    /// What was served lately.
    #[cfg(feature = "http")]
    pub(crate) fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// What becomes of a request, and its place among those of `whose` in flight.
    fn fate(&self, shadow: &ShadowId, whose: Option<&str>) -> (Fate, Option<Arc<InFlight>>) {
        let guard = match self.0.in_flight.zip(whose) {
            None => None,
            Some((most, whose)) => {
                let guard = self.0.gate.enter(whose, most);
                if guard.is_none() {
                    let error = ShadowError::TooManyRequests;
                    let nameless = !self.service().settings().behaviour.echo_throttled_token;
                    return (Fate::Refuse { error, nameless }, None);
                }
                guard
            }
        };
        let trouble = self.0.trouble.as_ref();
        let fate = trouble.map_or(Fate::Serve, |trouble| trouble.fate(shadow));
        (fate, guard)
    }

    fn answer_fate(&self, shadow: &ShadowId, accepted: bool) -> AnswerFate {
        let trouble = self.0.trouble.as_ref().filter(|_| accepted);
        let faults = trouble.and_then(|trouble| Some((trouble, trouble.of(shadow.thing())?)));
        match faults {
            Some((trouble, faults)) => trouble.draw(|below| faults.answer(below)),
            None => AnswerFate::Send,
        }
    }

    /// Takes the answer out of what is published, or puts another in its place.
    fn spoil(
        &self,
        service: &Service<DynStore>,
        handled: &mut Handled,
        payload: &[u8],
    ) -> Option<&'static str> {
        let fate = self.answer_fate(&handled.shadow, handled.outcome.is_ok());
        let (shadow, operation) = (&handled.shadow, handled.operation);
        let accepted = service.topic(shadow, operation.accepted());
        let is_answer = |message: &Outgoing| message.topic == accepted;
        match fate {
            AnswerFate::Send => None,
            AnswerFate::Lose => {
                handled.messages.retain(|message| !is_answer(message));
                Some(LOST)
            }
            AnswerFate::Fail => {
                let failed = service.refuse(shadow, operation, payload, injected());
                let mut failed = failed.messages.into_iter();
                for message in &mut handled.messages {
                    if is_answer(message) {
                        *message = failed.next()?;
                    }
                }
                Some(FAILED)
            }
        }
    }

    fn deliver(&self, shadow: &ShadowId, batch: Batch) -> Batch {
        match &self.0.trouble {
            Some(trouble) => trouble.deliver(shadow.thing(), batch, &self.0.outgoing),
            None => batch,
        }
    }

    fn observe(&self, served: &Served<'_>) {
        if let Err(ShadowError::Internal { cause }) = served.outcome {
            tracing::error!(name: "service.store_failed", %cause, "the store failed");
        }
        let code = served.outcome.map_or_else(ShadowError::code, |_| 200);
        tracing::debug!(name: "service.request", request = %served.request, code, "{served}");
        if let Some(observer) = &self.0.observer {
            observer(served);
        }
    }
}

fn injected() -> ShadowError {
    ShadowError::Internal {
        cause: "a fault that was asked for".into(),
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A fault of the answer: it says 500.
const FAILED: &str = "answered with 500";
/// A fault of the answer: there is none.
const LOST: &str = "the answer is lost";
/// Requests whose messages may wait to be published. Each holds a few kilobytes.
const QUEUE: usize = 1024;
