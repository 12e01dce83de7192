//! A device with one shadow: connects, subscribes, reports, takes deltas and answers. What the modem would bring comes
//! from a volatile place, so that nothing is left out for being known beforehand.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec;
use core::hint::black_box;
use core::time::Duration;

use cortex_m_rt::entry;
use panic_halt as _;
use shadow_proto::{
    Client, Config, Event, Instant, Interest, Json, Output, PubackCode, RequestOptions, ShadowId,
    SubackCode, TokenPrefix, Update,
};

#[global_allocator]
static ALLOCATOR: emballoc::Allocator<65536> = emballoc::Allocator::new();

#[entry]
fn main() -> ! {
    let mut seconds = 0;
    let Ok(prefix) = TokenPrefix::new(black_box("lamp")) else {
        loop {}
    };
    let mut client = Client::new(Config::new(prefix));
    let Ok(id) = ShadowId::classic(black_box("lamp")) else {
        loop {}
    };
    let now = Instant::ORIGIN;
    let Ok(shadow) = client.add_shadow(id, Interest::DELTA, now) else {
        loop {}
    };
    client.handle_connected(black_box(false), now);
    loop {
        seconds += 1;
        let now = Instant::from_origin(Duration::from_secs(seconds));
        while let Some(output) = client.poll_output() {
            match output {
                Output::Subscribe { id, filters, .. } => {
                    let codes = vec![SubackCode::new(black_box(1)); filters.len()];
                    client.handle_suback(id, &codes, now);
                }
                Output::Publish {
                    id, topic, payload, ..
                } => {
                    black_box((topic, payload));
                    client.handle_puback(id, PubackCode::SUCCESS, now);
                }
                Output::Event(Event::Delta { .. }) => {
                    if let Ok(state) = Json::from_text(black_box(r#"{"color":"red"}"#)) {
                        let _ = black_box(client.update(shadow, Update::reported(&state), now));
                    }
                }
                other => {
                    black_box(other);
                }
            }
        }
        let message: (&str, &[u8]) = black_box(("", &[]));
        let _ = black_box(client.handle_publish(message.0, message.1, now));
        let _ = black_box(client.get(shadow, RequestOptions::default(), now));
        if black_box(false) {
            client.handle_disconnected(now);
        }
        client.handle_timeout(now);
        black_box(client.poll_timeout());
    }
}
