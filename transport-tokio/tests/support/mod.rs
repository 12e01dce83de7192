//! What the tests of connections share. Nothing here opens a socket or reads a clock: streams are
//! pairs in memory.

#![allow(dead_code, reason = "each test target uses its part")]

#[cfg(feature = "tls")]
pub(crate) mod pki;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Plays the broker: reads the CONNECT, tells of it, accepts it, and reads on to the end.
pub(crate) async fn accept_mqtt<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    tell: impl FnOnce(Vec<u8>),
) {
    let Some(connect) = read_packet(&mut stream).await else {
        return;
    };
    tell(connect);
    // MQTT 5: success, no session, no properties.
    let connack = [0x20, 0x03, 0x00, 0x00, 0x00];
    if stream.write_all(&connack).await.is_ok() && stream.flush().await.is_ok() {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
}

/// One MQTT packet of less than 16 KiB.
pub(crate) async fn read_packet<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Vec<u8>> {
    let mut packet = vec![stream.read_u8().await.ok()?, stream.read_u8().await.ok()?];
    let mut length = usize::from(packet[1] & 0x7f);
    if packet[1] & 0x80 != 0 {
        packet.push(stream.read_u8().await.ok()?);
        length += usize::from(packet[2]) * 128;
    }
    let start = packet.len();
    packet.resize(start + length, 0);
    stream.read_exact(&mut packet[start..]).await.ok()?;
    Some(packet)
}
