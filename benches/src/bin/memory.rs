//! Counts allocations: of one call of each of our cases, of an idle shadow, of the most that one shadow of 8 KB takes. Its
//! allocator counts, so it measures no times.

use allocation_counter::measure;
use benches::device::{self, NOW};
use benches::message::{Shape, delta, get_accepted};
use benches::{Case, Who};
use shadow_proto::{Json, Output, RequestOptions, ShadowHandle, Update};

fn main() {
    let cases = benches::cases();
    let ours = cases
        .iter()
        .filter(|case| case.who == Who::Ours && !case.input.contains("100000"));
    for case in ours {
        println!("{}\t{}", case.name(), allocations(case));
    }
    println!("idle shadow\t{}", idle_shadow());
    println!("peak heap\t{}", measure(one_shadow).bytes_max);
}

fn allocations(case: &Case) -> u64 {
    let mut step = case.step();
    for _ in 0..100 {
        step();
    }
    measure(step).count_total
}

/// Without its handle, which is the application's.
fn idle_shadow() -> i64 {
    const SHADOWS: usize = 100_000;
    let mut kept = None;
    let bytes = measure(|| kept = Some(device::connected(SHADOWS))).bytes_current;
    bytes / SHADOWS as i64 - size_of::<ShadowHandle>() as i64
}

/// A device's day: it fetches its document, takes a delta as large, reports as much, and is answered.
fn one_shadow() {
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

    let state = benches::message::state_of_size(SIZE - 100);
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
