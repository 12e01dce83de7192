//! Opening a stream to a broker.

use tokio::net::TcpStream;
use transport_core::{Attempt, OpenError, Scheme};

pub(crate) async fn open(attempt: Attempt) -> Result<TcpStream, OpenError> {
    let endpoint = attempt.endpoint;
    let doing = format!("connect to {endpoint}");
    if endpoint.scheme() != Scheme::Mqtt {
        let message = "this build speaks mqtt:// alone; give a connector of your own";
        return Err(OpenError::permanent(doing, message));
    }
    let failed = |error| OpenError::new(doing.as_str(), &error);
    let stream = TcpStream::connect((endpoint.host(), endpoint.port()))
        .await
        .map_err(failed)?;
    // A request is one small packet that waits for an answer: the worst case of Nagle's algorithm.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}
