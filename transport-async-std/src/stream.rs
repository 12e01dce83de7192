//! Opening a stream to a broker.

use core::future::Future;
use std::io;

use transport_core::{Attempt, OpenError, Scheme};

/// Opens what an attempt asks for over a TCP connection that `connect` makes.
pub(crate) async fn open<S, F>(
    attempt: Attempt,
    connect: impl FnOnce(String, u16) -> F,
) -> Result<S, OpenError>
where
    F: Future<Output = io::Result<S>>,
{
    let endpoint = attempt.endpoint;
    let doing = format!("connect to {endpoint}");
    if endpoint.scheme() != Scheme::Mqtt {
        let message = "this build speaks mqtt:// alone; give a connector of your own";
        return Err(OpenError::permanent(doing, message));
    }
    connect(endpoint.host().into(), endpoint.port())
        .await
        .map_err(|error| OpenError::new(doing, &error))
}
