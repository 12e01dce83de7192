//! A way to the broker that counts bytes.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Passes bytes on and counts them.
pub(super) struct Wire {
    pub(super) port: u16,
    bytes: Arc<AtomicU64>,
}

impl Wire {
    /// In front of the broker at this port.
    pub(super) fn start(broker: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // What goes wrong is seen by the client, whose connection ends.
                let _ = join(client, broker, &counted);
            }
        });
        Ok(Self { port, bytes })
    }

    /// Both directions together, so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}

fn join(client: TcpStream, broker: u16, bytes: &Arc<AtomicU64>) -> io::Result<()> {
    let broker = TcpStream::connect(("127.0.0.1", broker))?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let ways = [(client.try_clone()?, broker.try_clone()?), (broker, client)];
    for (from, to) in ways {
        let bytes = Arc::clone(bytes);
        thread::spawn(move || pass(from, to, &bytes));
    }
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, bytes: &AtomicU64) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            let _ = from.shutdown(Shutdown::Both);
            return to.shutdown(Shutdown::Both);
        }
        bytes.fetch_add(count as u64, Ordering::SeqCst);
        to.write_all(&buffer[..count])?;
    }
}
