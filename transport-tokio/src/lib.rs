//! The AWS IoT Device Shadow client over tokio.

pub use transport_core::*;

/// Connects: one attempt, whose error is returned. After that the client reconnects by itself.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    let client = start(options)?;
    client.connected().await?;
    Ok(client)
}

/// Begins to connect, retries for ever, and returns at once.
///
/// # Errors
/// An option cannot be said in a CONNECT.
pub fn start(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    options.session()?;
    let (client, _hub) = Hub::new(
        options.shadow_config(),
        HubOptions::default(),
        system_clock(),
    );
    Ok(client)
}
