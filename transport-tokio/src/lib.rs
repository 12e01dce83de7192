//! The AWS IoT Device Shadow client over tokio.
//!
//! [`connect`] makes one attempt, [`start`] goes on trying; both give a [`ShadowClient`], whose
//! connection a task of the runtime serves. Everything else is [`transport_core`], re-exported.

extern crate alloc;

mod driver;
mod stream;

use core::future::Future;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
};

pub use driver::Driver;
pub use stream::{Stream, open, open_over};
pub use transport_core::*;

/// Connects: makes one attempt and returns its error. Once connected, the client reconnects by
/// itself, for ever.
///
/// To be called within a tokio runtime, whose IO and time are enabled.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    connect_with(options, open).await
}

/// Begins to connect and returns at once: the client connects and reconnects for ever. Requests
/// wait for the connection, within their deadlines.
///
/// To be called within a tokio runtime, whose IO and time are enabled.
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no runtime.
pub fn start(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    start_with(options, open)
}

/// [`connect`] over streams that `connector` opens, one for each attempt: a proxy, a VPN, a modem,
/// a test. TLS and WebSocket are then the connector's business.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect_with<C, F, S, E>(
    options: ConnectOptions,
    connector: C,
) -> Result<ShadowClient, ConnectError>
where
    C: FnMut(Attempt) -> F + Send + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<OpenError>,
{
    let (client, driver) = Driver::new(options, connector)?;
    let connected = client.connected();
    runtime()?.spawn(driver.once());
    connected.await?;
    Ok(client)
}

/// [`start`] over streams that `connector` opens, one for each attempt.
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no runtime.
pub fn start_with<C, F, S, E>(
    options: ConnectOptions,
    connector: C,
) -> Result<ShadowClient, ConnectError>
where
    C: FnMut(Attempt) -> F + Send + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<OpenError>,
{
    let (client, driver) = Driver::new(options, connector)?;
    runtime()?.spawn(driver);
    Ok(client)
}

fn runtime() -> Result<Handle, OpenError> {
    Handle::try_current()
        .map_err(|_| OpenError::permanent("connect", "this is not called within a tokio runtime"))
}
