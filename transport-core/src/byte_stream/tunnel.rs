//! Asking a proxy for a tunnel.

use std::time::SystemTime;

use super::{
    Layer,
    io_futures::{read, write},
};
use crate::{attempt::Opening, error::OpenError, proxy::ProxyHandshake};

/// Gives the stream back once it leads through the proxy.
pub(super) async fn open(
    opening: &Opening,
    mut handshake: ProxyHandshake,
    mut stream: Layer,
) -> Result<Layer, OpenError> {
    let failed = |error| opening.error(&error, SystemTime::now());
    let request = handshake.output();
    write(&mut stream, request).await.map_err(failed)?;
    handshake.handle_written(request.len());
    let mut buffer = [0; 1024];
    loop {
        let count = read(&mut stream, &mut buffer).await.map_err(failed)?;
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
