use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// An HTTP proxy on the loopback address that opens a tunnel (`CONNECT`) to wherever it is asked, for whoever has the
/// right name. Its threads end with the test.
#[derive(Debug)]
pub struct HttpProxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpProxy {
    /// Listens. `credentials` is what has to follow `Proxy-Authorization: Basic `; without it everyone may.
    ///
    /// # Panics
    ///
    /// When the system has no free port.
    #[must_use]
    pub fn start(credentials: Option<&str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free TCP port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let asked = Arc::default();
        let (credentials, log) = (credentials.map(str::to_owned), Arc::clone(&asked));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (credentials, log) = (credentials.clone(), Arc::clone(&log));
                // What goes wrong is seen by the client, whose tunnel ends.
                thread::spawn(move || serve(client, credentials.as_deref(), &log));
            }
        });
        Self {
            port: address.port(),
            asked,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The `host:port` of each tunnel that it opened so far.
    #[must_use]
    pub fn tunnels(&self) -> Vec<String> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(client: TcpStream, credentials: Option<&str>, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let mut client = client.into_inner();
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let Some(target) = first
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.strip_suffix(" HTTP/1.1"))
    else {
        return client.write_all(b"HTTP/1.1 400 CONNECT alone is served here\r\n\r\n");
    };
    let shown = lines.iter().filter_map(|line| line.split_once(": "));
    let mut shown = shown.filter(|(name, _)| name.eq_ignore_ascii_case("Proxy-Authorization"));
    let wanted = credentials.map(|it| format!("Basic {it}"));
    if wanted.is_some_and(|wanted| shown.all(|(_, value)| value != wanted)) {
        let answer = "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"test\"\r\n\r\n";
        return client.write_all(answer.as_bytes());
    }
    let Ok(server) = TcpStream::connect(target) else {
        return client.write_all(b"HTTP/1.1 502 Nobody there\r\n\r\n");
    };
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(target.to_owned());
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass_on(from_client, to_server));
    pass_on(server, client);
    Ok(())
}

/// Bytes of one to the other until either ends; then both have.
fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
