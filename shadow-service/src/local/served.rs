//! Requests that were served, for those who watch.

use crate::{
    error::{Rejection, ShadowError},
    reply::{Answer, Handled},
    time::UnixTime,
};
use core::fmt;
use shadow_proto::{Operation, ShadowId};

/// A request that was served, for those who watch.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use shadow_service::{
///     local::{Options, Request, Served, Server, Way},
///     shadow_proto::{Operation, ShadowId},
/// };
/// use std::sync::{Arc, Mutex};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&seen);
/// let mut options = Options::default();
/// options.observer = Some(Arc::new(move |served: &Served<'_>| {
///     // Calls in this process count as REST, as those over HTTP do.
///     assert_eq!(served.way, Way::Rest);
///     if let Request::Shadow(shadow, Operation::Get) = served.request {
///         assert_eq!(shadow.thing(), "lamp");
///     }
///     log.lock().unwrap().push(served.to_string());
/// }));
/// let server = Server::start(options).await?;
/// let lamp = ShadowId::classic("lamp")?;
/// let update = br#"{"state": {"reported": {"on": true}}}"#;
/// server.engine().call(&lamp, Operation::Update, update).await?;
/// server.engine().call(&lamp, Operation::Get, b"").await?;
/// server.engine().list_named("lamp", None, None)?;
/// let seen = seen.lock().unwrap();
/// assert_eq!(*seen, ["rest update lamp: version 1", "rest get lamp: version 1", "rest list lamp: ok"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Served<'a> {
    /// How it came.
    pub way: Way,
    /// Which shadow, or the listing of which thing's.
    pub request: Request<'a>,
    /// The version of the answer (none for a listing), or why the request was rejected.
    pub outcome: Result<Option<u64>, &'a ShadowError>,
    /// The fault that the client sees instead, if one was asked for.
    pub fault: Option<&'static str>,
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

/// `update lamp~config`, `list lamp`.
impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadow(shadow, operation) => write!(f, "{operation} {shadow}"),
            Self::List(thing) => write!(f, "list {thing}"),
        }
    }
}

/// `mqtt update lamp~config: version 4`, or `rest get lamp: 404 No shadow exists …`.
impl fmt::Display for Served<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::Mqtt => "mqtt ",
            Way::Rest => "rest ",
        })?;
        write!(f, "{}: ", self.request)?;
        match self.outcome {
            Ok(Some(version)) => write!(f, "version {version}"),
            Ok(None) => f.write_str("ok"),
            Err(error) => write!(f, "{} {error}", error.code()),
        }?;
        match self.fault {
            Some(fault) => write!(f, " (fault: {fault})"),
            None => Ok(()),
        }
    }
}

pub(super) fn served<'a>(
    way: Way,
    handled: &'a Handled,
    fault: Option<&'static str>,
    time: UnixTime,
) -> Served<'a> {
    Served {
        way,
        request: Request::Shadow(&handled.shadow, handled.operation),
        outcome: handled.outcome.as_ref().map(|version| Some(*version)),
        fault,
        time,
    }
}

pub(super) fn called<'a>(
    shadow: &'a ShadowId,
    operation: Operation,
    answer: &'a Result<Answer, Rejection>,
    fault: Option<&'static str>,
    time: UnixTime,
) -> Served<'a> {
    Served {
        way: Way::Rest,
        request: Request::Shadow(shadow, operation),
        outcome: match answer {
            Ok(answer) => Ok(Some(answer.version)),
            Err(rejection) => Err(&rejection.error),
        },
        fault,
        time,
    }
}
