//! Asking a proxy for a tunnel.

use std::time::SystemTime;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transport_core::{OpenError, Opening, ProxyHandshake};

use super::Layer;

/// Gives the stream back once it leads through the proxy.
pub(super) async fn tunnel(
    opening: &Opening,
    mut handshake: ProxyHandshake,
    mut stream: Layer,
) -> Result<Layer, OpenError> {
    let failed = |error| opening.error(&error, SystemTime::now());
    while !handshake.output().is_empty() {
        let count = stream.write(handshake.output()).await.map_err(failed)?;
        if count == 0 {
            return Err(opening.caused(handshake.handle_end()));
        }
        handshake.handle_written(count);
    }
    stream.flush().await.map_err(failed)?;
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).await.map_err(failed)?;
        if count == 0 {
            return Err(opening.caused(handshake.handle_end()));
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        match handshake.handle_bytes(bytes) {
            Ok(true) => return Ok(stream),
            Ok(false) => {}
            Err(error) => return Err(opening.caused(error)),
        }
    }
}
