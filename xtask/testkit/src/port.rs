use std::net::{Ipv4Addr, TcpListener};

/// MQTT's registered ports, where a broker of the machine's owner may listen or want to.
const WELL_KNOWN: [u16; 2] = [1883, 8883];

/// A TCP port of the loopback address that nobody listens on at this moment, never 1883 or 8883.
///
/// Another process can take it before the caller does, so a caller that can try again should.
///
/// # Panics
///
/// When the system has no free port.
#[must_use]
pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free TCP port");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        if !WELL_KNOWN.contains(&port) {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wait_until;

    #[test]
    fn is_free_and_not_the_well_known_one() {
        let port = free_port();
        assert!(!WELL_KNOWN.contains(&port));
        // A child that another test starts at this moment holds a copy of the probe's socket until it runs its program.
        let bound = wait_until(Duration::from_secs(10), || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        assert!(bound, "port {port} is not free");
    }
}
