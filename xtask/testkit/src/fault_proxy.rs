use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A proxy in front of a broker whose connections all go wrong, at a byte that may be in the midst of a packet: late
/// bytes, a cut, a stall, garbage. What happens to the first, the second, … follows from the seed.
///
/// Its threads end with its connections. Once healed, new connections are left alone.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

/// What goes wrong with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// Bytes are held back for this long, then the connection is cut.
    Delay(Duration),
    /// Both directions end.
    Cut,
    /// Nothing passes any more, in either direction, and nobody is told.
    Stall,
    /// Bytes of nobody's appear on the way to the client, and then those that belong there.
    Garbage,
}

/// A fault, and where it occurs.
#[derive(Clone, Copy, Debug)]
struct Plan {
    fault: Fault,
    /// In which direction the bytes are counted.
    to_client: bool,
    /// Behind how many bytes.
    after: usize,
    /// What garbage is made of.
    seed: u64,
}

#[derive(Debug)]
struct Shared {
    broker: SocketAddr,
    seed: u64,
    healed: AtomicBool,
    connections: AtomicUsize,
    open: AtomicUsize,
}

impl FaultProxy {
    /// Listens on a port of its own, in front of the broker at this port.
    ///
    /// # Panics
    ///
    /// When the system has no free port.
    #[must_use]
    pub fn start(broker: u16, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free TCP port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            broker: (Ipv4Addr::LOCALHOST, broker).into(),
            seed,
            healed: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        let its = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let index = its.connections.fetch_add(1, Ordering::SeqCst);
                let plan = Plan::of(its.seed, index, its.healed.load(Ordering::SeqCst));
                let its = Arc::clone(&its);
                thread::spawn(move || {
                    its.open.fetch_add(1, Ordering::SeqCst);
                    // What goes wrong beyond the plan is a connection that ends, too.
                    let _ = serve(client, its.broker, plan);
                    its.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            port: address.port(),
            shared,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Nothing goes wrong with connections that begin from now on.
    pub fn heal(&self) {
        self.shared.healed.store(true, Ordering::SeqCst);
    }
}

impl Plan {
    fn of(seed: u64, index: usize, healed: bool) -> Self {
        let mut state = seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = |below: u64| {
            state = mix(state);
            state % below
        };
        let fault = match draw(10) {
            _ if healed => Fault::None,
            0..=2 => Fault::Delay(Duration::from_millis(draw(200))),
            3..=5 => Fault::Cut,
            6 => Fault::Stall,
            _ => Fault::Garbage,
        };
        Self {
            fault,
            to_client: fault == Fault::Garbage || draw(2) == 0,
            after: usize::try_from(draw(700)).unwrap_or_default(),
            seed: draw(u64::MAX),
        }
    }
}

/// `SplitMix64`.
fn mix(input: u64) -> u64 {
    let mut mixed = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn serve(client: TcpStream, broker: SocketAddr, plan: Plan) -> io::Result<()> {
    let broker = TcpStream::connect(broker)?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let stalled = Arc::new(AtomicBool::new(false));
    let (client_too, broker_too) = (client.try_clone()?, broker.try_clone()?);
    let stalled_too = Arc::clone(&stalled);
    let back = thread::spawn(move || {
        let faulty = plan.to_client.then_some(plan);
        pass_on(broker_too, client_too, faulty, &stalled_too)
    });
    let faulty = (!plan.to_client).then_some(plan);
    let ended = pass_on(client, broker, faulty, &stalled);
    let _ = back.join();
    ended
}

/// Bytes of one to the other until either ends; then both have.
fn pass_on(
    mut from: TcpStream,
    mut to: TcpStream,
    plan: Option<Plan>,
    stalled: &AtomicBool,
) -> io::Result<()> {
    let passed = pass_until_fault(&mut from, &mut to, plan, stalled);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
    passed
}

fn pass_until_fault(
    from: &mut TcpStream,
    to: &mut TcpStream,
    plan: Option<Plan>,
    stalled: &AtomicBool,
) -> io::Result<()> {
    let mut bytes = [0; 4096];
    let mut left = plan.map_or(usize::MAX, |plan| plan.after);
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        if stalled.load(Ordering::SeqCst) {
            continue;
        }
        let Some(plan) = plan.filter(|_| count > left) else {
            left = left.saturating_sub(count);
            to.write_all(&bytes[..count])?;
            continue;
        };
        to.write_all(&bytes[..left])?;
        let rest = &bytes[left..count];
        match plan.fault {
            Fault::None => to.write_all(rest)?,
            Fault::Delay(length) => {
                thread::sleep(length);
                to.write_all(rest)?;
                // So that another connection follows.
                return Ok(());
            }
            Fault::Cut => return Ok(()),
            Fault::Stall => stalled.store(true, Ordering::SeqCst),
            Fault::Garbage => {
                let length = 1 + usize::try_from(plan.seed % 64).unwrap_or_default();
                let mut state = plan.seed;
                let garbage = (0..length).map(|_| {
                    state = mix(state);
                    state.to_le_bytes()[0]
                });
                to.write_all(&garbage.collect::<Vec<u8>>())?;
                to.write_all(rest)?;
                // Some garbage looks like the beginning of a long packet: it must not stay for ever.
                let limit = Duration::from_millis(300);
                from.set_read_timeout(Some(limit))?;
                thread::sleep(limit.min(Duration::from_millis(plan.seed % 100)));
                if plan.seed % 2 == 0 {
                    return Ok(());
                }
            }
        }
        left = usize::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_and_a_seed_repeats_it() {
        let of = |seed| (0..100).map(move |index| Plan::of(seed, index, false).fault);
        let faults: Vec<Fault> = of(1).collect();
        assert_eq!(faults, of(1).collect::<Vec<_>>());
        assert_ne!(faults, of(2).collect::<Vec<_>>());
        for fault in [Fault::Cut, Fault::Stall, Fault::Garbage] {
            assert!(faults.contains(&fault), "{fault:?}");
        }
        assert!(faults.iter().any(|it| matches!(it, Fault::Delay(_))));
        assert!(!faults.contains(&Fault::None));
        assert_eq!(Plan::of(1, 1, true).fault, Fault::None);
    }
}
