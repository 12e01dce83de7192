//! A connection's way to its broker, which can lose packets, refuse filters, break and be down.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use transport_core::MqttVersion;

/// A TCP proxy in front of a broker, on a port of its own. Ends with its connections on drop.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    cut: watch::Sender<u32>,
    task: JoinHandle<()>,
}

/// A kind of MQTT packet, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "MQTT's words")]
pub enum Packet {
    Publish = 3,
    Puback = 4,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Disconnect = 14,
}

#[derive(Debug, Default)]
struct State {
    five: bool,
    down: bool,
    refuses_filters: bool,
    lost_from_client: BTreeSet<u8>,
    lost_from_broker: BTreeSet<u8>,
    /// Numbers of the kinds of packets that the client sent.
    sent: Vec<u8>,
    filters: BTreeSet<String>,
    connections: usize,
}

impl Proxy {
    /// In front of the broker at this port of this machine.
    pub(crate) async fn start(broker: u16, version: MqttVersion) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            five: version == MqttVersion::V5,
            ..State::default()
        }));
        let (cut, watching) = watch::channel(0);
        let task = tokio::spawn(accept(listener, broker, Arc::clone(&state), watching));
        Self {
            port,
            state,
            cut,
            task,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Whether new connections are closed at once.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Whether every filter is refused: SUBACKs are changed on the way.
    pub fn refuse_filters(&self, refuses: bool) {
        self.lock().refuses_filters = refuses;
    }

    /// Loses packets of this kind on the way to the client.
    pub fn lose_from_broker(&self, packet: Packet) {
        self.lock().lost_from_broker.insert(packet as u8);
    }

    /// Loses packets of this kind on the way to the broker.
    pub fn lose_from_client(&self, packet: Packet) {
        self.lock().lost_from_client.insert(packet as u8);
    }

    /// Loses nothing any more.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.lost_from_broker.clear();
        state.lost_from_client.clear();
    }

    /// How many packets of this kind the client has sent.
    pub fn count(&self, packet: Packet) -> usize {
        let number = packet as u8;
        self.lock().sent.iter().filter(|&&it| it == number).count()
    }

    /// The filters that the client has asked for and not given back since it connected.
    pub fn filters(&self) -> BTreeSet<String> {
        self.lock().filters.clone()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    broker: u16,
    state: Arc<Mutex<State>>,
    cut: watch::Receiver<u32>,
) {
    while let Ok((near, _)) = listener.accept().await {
        if lock(&state).down {
            continue;
        }
        let (state, mut cut) = (Arc::clone(&state), cut.clone());
        cut.mark_unchanged();
        tokio::spawn(async move {
            {
                let mut state = lock(&state);
                state.connections += 1;
                state.filters.clear();
            }
            let (mut near_read, mut near_write) = near.into_split();
            tokio::select! {
                _ = pass(&mut near_read, &mut near_write, broker, &state) => {}
                _ = cut.changed() => {}
            }
            lock(&state).connections -= 1;
            hang_up(near_read, near_write).await;
        });
    }
}

/// Ends a connection as a FIN does and not as a reset: what the client still sends is read. The C library of Paho frees
/// a message twice when a reset meets it in the middle of a PUBLISH (eclipse-paho/paho.mqtt.c issue 1621), and its
/// process ends; that is no behaviour of an adapter.
async fn hang_up(mut near: OwnedReadHalf, mut near_write: OwnedWriteHalf) {
    let _ = near_write.shutdown().await;
    let rest = async { tokio::io::copy(&mut near, &mut tokio::io::sink()).await };
    let _ = timeout(LINGER, rest).await;
}

async fn pass(
    near_read: &mut OwnedReadHalf,
    near_write: &mut OwnedWriteHalf,
    broker: u16,
    state: &Mutex<State>,
) -> io::Result<()> {
    let broker = SocketAddr::from((Ipv4Addr::LOCALHOST, broker));
    let far = TcpStream::connect(broker).await?;
    near_write.as_ref().set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut far_read, mut far_write) = far.into_split();
    let from_client = forward(near_read, &mut far_write, |packet| state_of(state, packet));
    let from_broker = forward(&mut far_read, near_write, |packet| {
        let mut state = lock(state);
        let number = packet[0] >> 4;
        if number == Packet::Suback as u8 && state.refuses_filters {
            refuse(packet, state.five);
            state.filters.clear();
        }
        !state.lost_from_broker.contains(&number)
    });
    // One that ends ends the other.
    tokio::select! {
        ended = from_client => ended,
        ended = from_broker => ended,
    }
}

/// Notes what the client sends; whether it is passed on.
fn state_of(state: &Mutex<State>, packet: &mut [u8]) -> bool {
    let mut state = lock(state);
    let number = packet[0] >> 4;
    state.sent.push(number);
    let with_qos = number == Packet::Subscribe as u8;
    if with_qos || number == Packet::Unsubscribe as u8 {
        for filter in filters(packet, state.five, with_qos) {
            if with_qos {
                state.filters.insert(filter);
            } else {
                state.filters.remove(&filter);
            }
        }
    }
    !state.lost_from_client.contains(&number)
}

/// Packet by packet.
async fn forward(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut see: impl FnMut(&mut [u8]) -> bool,
) -> io::Result<()> {
    let mut packet = Vec::new();
    loop {
        packet.clear();
        packet.push(from.read_u8().await?);
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = from.read_u8().await?;
            packet.push(byte);
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let start = packet.len();
        packet.resize(start + length, 0);
        from.read_exact(&mut packet[start..]).await?;
        if see(&mut packet) {
            to.write_all(&packet).await?;
        }
    }
}

/// Where the payload of a packet begins that has a packet id and, in MQTT 5, properties.
fn payload_start(packet: &[u8], five: bool) -> usize {
    let length = |from: usize| packet[from..].iter().take_while(|&&byte| byte & 0x80 != 0);
    let mut at = 1 + length(1).count() + 1 + 2;
    if five {
        let size = length(at).count() + 1;
        let bytes = packet[at..at + size].iter().rev();
        let properties = bytes.fold(0, |sum, &byte| sum << 7 | usize::from(byte & 0x7f));
        at += size + properties;
    }
    at
}

fn filters(packet: &[u8], five: bool, with_qos: bool) -> Vec<String> {
    let mut rest = &packet[payload_start(packet, five)..];
    let mut filters = Vec::new();
    while let [high, low, after @ ..] = rest {
        let length = usize::from(*high) << 8 | usize::from(*low);
        filters.push(String::from_utf8_lossy(&after[..length]).into_owned());
        rest = &after[length + usize::from(with_qos)..];
    }
    filters
}

/// Every filter of a SUBACK: not authorized, in MQTT 3.1.1 just failed.
fn refuse(packet: &mut [u8], five: bool) {
    let start = payload_start(packet, five);
    packet[start..].fill(if five { 0x87 } else { 0x80 });
}

/// Longest that the client may go on sending after the end.
const LINGER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_filters_of_both_versions() {
        let three = b"\x82\x0c\x00\x01\x00\x01a\x01\x00\x02b/\x01";
        assert_eq!(filters(three, false, true), ["a", "b/"]);
        let five = b"\x82\x08\x00\x01\x02\x0b\x01\x00\x01a\x01";
        assert_eq!(filters(five, true, true), ["a"]);
        let end = b"\xa2\x05\x00\x01\x00\x01a";
        assert_eq!(filters(end, false, false), ["a"]);
    }

    #[test]
    fn refuses_all_codes() {
        let mut suback = *b"\x90\x05\x00\x01\x00\x01\x01";
        refuse(&mut suback, true);
        assert_eq!(suback, *b"\x90\x05\x00\x01\x00\x87\x87");
    }
}
