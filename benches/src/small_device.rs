//! What the core may weigh on a small device. Flash is measured by the report, the heap by `tests/allocations.rs` too.

use shadow_proto::{Json, Output, RequestOptions, Update};

use crate::device::{self, NOW};
use crate::message::{Shape, delta, get_accepted, state_of_size};

/// Flash on a Cortex-M4F, size-optimised, in KiB: what was measured (112), and some.
pub const FLASH_KIB: u32 = 116;

/// The most heap that [`day`] takes, in KiB: what was measured (36), and some.
pub const HEAP_KIB: u32 = 38;

/// A device's day: it fetches its document, takes a delta as large, reports as much, and is answered.
pub fn day() {
    const SIZE: usize = 8 * 1024;
    let (mut client, shadows) = device::connected(1);
    let thing = device::thing(0);
    let get = client.get(shadows[0], RequestOptions::default(), NOW);
    let get = get.expect("room for it");
    device::drain(&mut client);
    let token = client.token(get).expect("it was sent").to_string();
    let document = get_accepted(SIZE, &token);
    let topic = format!("$aws/things/{thing}/shadow/get/accepted");
    let taken = client.handle_publish(&topic, document.as_bytes(), NOW);
    assert!(taken.is_ok());
    drop(document);
    device::drain(&mut client);

    let message = delta(SIZE, Shape::Shallow);
    let topic = format!("$aws/things/{thing}/shadow/update/delta");
    let taken = client.handle_publish(&topic, &message.bytes, NOW);
    assert!(taken.is_ok());
    drop(message);
    device::drain(&mut client);

    let state = state_of_size(SIZE - 100);
    let state = Json::from_text(&state).expect("valid");
    let update = client.update(shadows[0], Update::reported(&state), NOW);
    update.expect("room for it");
    while let Some(output) = client.poll_output() {
        if let Output::Subscribe { id, filters, .. } = output {
            let granted = shadow_proto::SubackCode::new(1);
            client.handle_suback(id, &vec![granted; filters.len()], NOW);
        }
    }
}
