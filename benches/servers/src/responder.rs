//! Answers every update with the same few bytes: a counted version, and the request's token. Hand-written and O(1), so
//! that what is measured through it is the client and the broker.

use std::net::TcpStream;

use bench_kit::packets::{Arrived, Packets, puback, publish};
use bench_kit::{Args, CONNECTED};

const ANSWER: &str = r#"{"state":{"reported":{"temperature":21.5}},"metadata":{"reported":{"temperature":{"timestamp":1767225600}}},"timestamp":1767225600,"version":"#;
const TOKEN: &[u8] = br#""clientToken":""#;

fn main() {
    let args = Args::read();
    if let Err(error) = serve(args.port) {
        // The broker has gone, and with it the reason to be.
        eprintln!("bench-responder: {error}");
    }
}

fn serve(port: u16) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut packets = Packets::default();
    let filters = ["$aws/things/+/shadow/update".to_owned()];
    packets.begin("bench-responder", &filters, &mut stream)?;
    println!("{CONNECTED}");
    let (mut out, mut answer, mut to) = (Vec::new(), Vec::new(), Vec::new());
    let (mut id, mut version) = (0_u16, 1_000_000_000_u64);
    loop {
        packets.fill(&mut stream)?;
        out.clear();
        while let Some(packet) = packets.take() {
            let Arrived::Publish {
                topic,
                id: request,
                payload,
            } = packet
            else {
                continue;
            };
            puback(request, &mut out);
            let Some(token) = token(payload) else {
                continue;
            };
            version += 1;
            answer.clear();
            answer.extend_from_slice(ANSWER.as_bytes());
            answer.extend_from_slice(version.to_string().as_bytes());
            answer.extend_from_slice(br#","clientToken":""#);
            answer.extend_from_slice(token);
            answer.extend_from_slice(br#""}"#);
            to.clear();
            to.extend_from_slice(topic);
            to.extend_from_slice(b"/accepted");
            id = id.wrapping_add(1).max(1);
            publish(id, &to, &answer, &mut out);
        }
        std::io::Write::write_all(&mut stream, &out)?;
    }
}

fn token(payload: &[u8]) -> Option<&[u8]> {
    let mut windows = payload.windows(TOKEN.len());
    let at = windows.rposition(|window| window == TOKEN)? + TOKEN.len();
    let rest = &payload[at..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    Some(&rest[..end])
}
