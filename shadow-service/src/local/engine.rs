//! The service between its ways in and the broker: one lock, one queue of messages out.

use crate::{
    error::{Rejection, ShadowError},
    local::Clock,
    reply::{Answer, Ignored, Outgoing, Page},
    service::Service,
    store::Store,
    time::UnixTime,
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
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    service: Mutex<Service<DynStore>>,
    clock: Clock,
    outgoing: mpsc::Sender<Vec<Outgoing>>,
    observer: Option<Observer>,
}

/// A request that was served, for those who watch.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Served<'a> {
    /// How it came.
    pub way: Way,
    /// Which shadow, or the listing of which thing's.
    pub request: Request<'a>,
    /// The version of the answer (none for a listing), or why the request was rejected.
    pub outcome: Result<Option<u64>, &'a ShadowError>,
    /// When.
    pub time: UnixTime,
}

/// How a request came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Way {
    /// Published to a request topic.
    Mqtt,
    /// A call of the REST data plane.
    Rest,
}

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Something of one shadow.
    Shadow(&'a ShadowId, Operation),
    /// The named shadows of this thing.
    List(&'a str),
}

/// `mqtt update lamp~config: version 4`, or `rest get lamp: 404 No shadow exists …`.
impl fmt::Display for Served<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::Mqtt => "mqtt ",
            Way::Rest => "rest ",
        })?;
        match self.request {
            Request::Shadow(shadow, operation) => write!(f, "{operation} {shadow}: ")?,
            Request::List(thing) => write!(f, "list {thing}: ")?,
        }
        match self.outcome {
            Ok(Some(version)) => write!(f, "version {version}"),
            Ok(None) => f.write_str("ok"),
            Err(error) => write!(f, "{} {error}", error.code()),
        }
    }
}

impl Engine {
    /// An engine, and the messages it wants published.
    #[must_use]
    pub fn new(
        service: Service<DynStore>,
        clock: Clock,
        observer: Option<Observer>,
    ) -> (Self, mpsc::Receiver<Vec<Outgoing>>) {
        let (outgoing, messages) = mpsc::channel(QUEUE);
        let inner = Inner {
            service: Mutex::new(service),
            clock,
            outgoing,
            observer,
        };
        (Self(Arc::new(inner)), messages)
    }

    /// Serves a message from MQTT. The answers go into the queue.
    ///
    /// # Errors
    /// [`Ignored`] if the topic carries no requests.
    pub async fn handle_publish(&self, topic: &str, payload: &[u8]) -> Result<(), Ignored> {
        // Closed means that the server stops: the request is served and nobody hears of it.
        let place = self.0.outgoing.reserve().await;
        let now = self.0.clock.now();
        let handled = {
            let mut service = self.service();
            let mut handled = service.handle_publish(topic, payload, now)?;
            if let Ok(place) = place {
                place.send(core::mem::take(&mut handled.messages));
            }
            handled
        };
        let request = Request::Shadow(&handled.shadow, handled.operation);
        self.observe(
            Way::Mqtt,
            request,
            handled.outcome.as_ref().map(|v| Some(*v)),
            now,
        );
        Ok(())
    }

    /// Serves an operation from elsewhere. An accepted update or delete goes into the queue of
    /// messages too; a get and a rejection concern the caller alone.
    ///
    /// # Errors
    /// As the operation of [`Service`].
    pub async fn call(
        &self,
        shadow: &ShadowId,
        operation: Operation,
        payload: &[u8],
    ) -> Result<Answer, Rejection> {
        let place = self.0.outgoing.reserve().await;
        let now = self.0.clock.now();
        let answer = {
            let mut service = self.service();
            let answer = match operation {
                Operation::Get => service.get(shadow, payload, now),
                Operation::Update => service.update(shadow, payload, now),
                Operation::Delete => service.delete(shadow, payload, now),
            };
            if let (Ok(answer), Ok(place), true) = (&answer, place, operation != Operation::Get) {
                place.send(service.messages(shadow, operation, answer.clone()));
            }
            answer
        };
        let outcome = match &answer {
            Ok(answer) => Ok(Some(answer.version)),
            Err(rejection) => Err(&rejection.error),
        };
        self.observe(Way::Rest, Request::Shadow(shadow, operation), outcome, now);
        answer
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
        let outcome = page.as_ref().map(|_| None);
        self.observe(Way::Rest, Request::List(thing), outcome, now);
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

    fn observe(
        &self,
        way: Way,
        request: Request<'_>,
        outcome: Result<Option<u64>, &ShadowError>,
        time: UnixTime,
    ) {
        let served = Served {
            way,
            request,
            outcome,
            time,
        };
        if let Err(ShadowError::Internal { cause }) = outcome {
            tracing::error!(%cause, "the store failed");
        }
        tracing::debug!("{served}");
        if let Some(observer) = &self.0.observer {
            observer(&served);
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Requests whose messages may wait to be published. Each holds a few kilobytes.
const QUEUE: usize = 1024;
