//! The floor: packets that are encoded beforehand, on a raw socket. What is ready is written at once; nothing is parsed
//! but the number of the request that an answer carries.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bench_kit::packets::{Arrived, Packets, puback, publish};
use bench_kit::{Args, CONNECTED, Measured, Tally, thing, things};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn main() -> io::Result<()> {
    let args = Args::read();
    let socket = TcpStream::connect(("127.0.0.1", args.port))?;
    socket.set_nodelay(true)?;
    match &args.ca {
        None => measure(&args, socket),
        Some(ca) => {
            let ca = CertificateDer::from_pem_file(ca).map_err(io::Error::other)?;
            let mut roots = RootCertStore::empty();
            roots.add(ca).map_err(io::Error::other)?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_root_certificates(roots)
                .with_no_client_auth();
            let name = ServerName::try_from(args.host()).map_err(io::Error::other)?;
            let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
            measure(&args, StreamOwned::new(tls, socket))
        }
    }
}

fn measure(args: &Args, mut stream: impl Read + Write) -> io::Result<()> {
    if !args.idle {
        return Client::connect(args, stream)?.run(args);
    }
    Packets::default().begin("bench-raw", &[], &mut stream)?;
    println!("{CONNECTED}");
    thread::sleep(args.time);
    println!("resident {}", bench_kit::tally::resident_kib());
    Ok(())
}

struct Client<S> {
    stream: S,
    packets: Packets,
    /// One packet for each request that may be outstanding.
    requests: Vec<Vec<u8>>,
    /// When each was sent.
    sent: Vec<Option<Instant>>,
    out: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    fn connect(args: &Args, mut stream: S) -> io::Result<Self> {
        let mut packets = Packets::default();
        let count = things(args.outstanding);
        let topic = |n| format!("$aws/things/{}/shadow/update", thing(n));
        let filters: Vec<String> = (0..count).map(|n| topic(n) + "/accepted").collect();
        packets.begin("bench-raw", &filters, &mut stream)?;
        println!("{CONNECTED}");
        let requests = (0..args.outstanding).map(|slot| {
            let payload = format!(
                r#"{{"state":{{"reported":{{"temperature":21.5}}}},"clientToken":"raw-{slot:04}"}}"#
            );
            let mut packet = Vec::new();
            let id = slot as u16 + 1;
            publish(
                id,
                topic(slot % count).as_bytes(),
                payload.as_bytes(),
                &mut packet,
            );
            packet
        });
        Ok(Self {
            stream,
            packets,
            requests: requests.collect(),
            sent: vec![None; args.outstanding],
            out: Vec::new(),
        })
    }

    fn run(mut self, args: &Args) -> io::Result<()> {
        self.rounds(|tally| tally.count() < 20 * args.outstanding)?;
        let measured = Measured::begin();
        let end = Instant::now() + args.time;
        let tally = self.rounds(|tally| match args.count {
            Some(count) => tally.count() < count,
            None => Instant::now() < end,
        })?;
        measured.end(tally);
        Ok(())
    }

    /// Makes requests as long as `more` says so, and waits for all answers.
    fn rounds(&mut self, more: impl Fn(&Tally) -> bool) -> io::Result<Tally> {
        let mut tally = Tally::default();
        self.out.clear();
        for slot in 0..self.requests.len() {
            self.send(slot);
        }
        self.flush()?;
        while self.sent.iter().any(Option::is_some) {
            self.packets.fill(&mut self.stream)?;
            while let Some(packet) = self.packets.take() {
                let Arrived::Publish { id, payload, .. } = packet else {
                    continue;
                };
                puback(id, &mut self.out);
                let (slot, version) = numbers(payload);
                match self.sent[slot].take() {
                    Some(sent) => tally.done(sent, version),
                    None => tally.failed("an answer that was not outstanding"),
                }
                if more(&tally) {
                    self.send(slot);
                }
            }
            self.flush()?;
        }
        Ok(tally)
    }

    fn send(&mut self, slot: usize) {
        self.out.extend_from_slice(&self.requests[slot]);
        self.sent[slot] = Some(Instant::now());
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        self.stream.flush()
    }
}

/// The request's number and the version, from where the responder puts them: `…"version":V,"clientToken":"raw-0000"}`.
fn numbers(payload: &[u8]) -> (usize, u64) {
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    };
    let token = payload.len() - 2 - 4;
    let slot = number(&payload[token..token + 4]);
    let version = token - r#","clientToken":"raw-"#.len();
    (slot as usize, number(&payload[version - 10..version]))
}
