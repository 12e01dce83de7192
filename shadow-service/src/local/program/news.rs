//! What the program says about its connection to a broker.

use std::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
    sync::{Mutex, PoisonError},
};
use transport_tokio::ConnectionEvent;

/// Tells each thing once: that the broker is gone, and each reason why it cannot be had again.
#[derive(Debug, Default)]
pub(super) struct News(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    keep_alive: bool,
    failure: Option<String>,
}

impl News {
    /// A line for this event, if it is news.
    pub(super) fn line(&self, event: &ConnectionEvent) -> Option<String> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let ConnectionEvent::Connected(info) = event {
            told.failure = None;
            let connack = info.connack.as_ref()?;
            let first = !core::mem::replace(&mut told.keep_alive, true);
            let length = connack.keep_alive;
            return (first && connack.keep_alive_from_server)
                .then(|| format!("the broker set the keep-alive to {length:?}"));
        }
        // Without another attempt the program ends, and says why.
        if let ConnectionEvent::Disconnected {
            reason,
            retry_in: Some(_),
            ..
        } = event
        {
            let text = "nothing is served until it is back";
            return Some(format!("the broker is gone: {reason}; {text}"));
        }
        if let ConnectionEvent::ConnectFailed {
            error,
            retry_in: Some(_),
        } = event
        {
            let error = error.to_string();
            let news = told.failure.as_deref() != Some(&error);
            told.failure = Some(error.to_owned());
            return news.then(|| format!("still no broker: {error}"));
        }
        None
    }
}
