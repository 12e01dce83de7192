//! What is allocated: the hot paths by number, an idle shadow by bytes. Counted by the allocator, so the same on every machine.

use allocation_counter::measure;
use benches::device::{self, NOW};
use benches::{Case, Who};
use shadow_proto::{Json, Output, Update};

/// How often one step of the case allocates, once it is warm.
fn allocations(case: &Case) -> u64 {
    let mut step = case.step();
    for _ in 0..100 {
        step();
    }
    measure(step).count_total
}

/// Those of our own cases of a group that allocate more than `most`, and how often.
fn over(most: u64, cases: &[Case]) -> Vec<(String, u64)> {
    let ours = cases.iter().filter(|case| case.who == Who::Ours);
    ours.map(|case| (case.name(), allocations(case)))
        .filter(|(_, count)| *count > most)
        .collect()
}

#[test]
fn a_topic_is_classified_without() {
    assert_eq!(over(0, &benches::topic::cases()), []);
}

#[test]
fn a_token_is_generated_and_matched_without() {
    assert_eq!(over(0, &benches::token::cases()), []);
}

#[test]
fn a_delta_takes_three_whatever_its_size() {
    // The state, its metadata, and the stack of brackets of serde_json.
    assert_eq!(over(3, &benches::delta::cases()), []);
}

#[test]
fn a_request_is_published_with_few() {
    let (mut client, shadows) = device::connected(1);
    let state = Json::from_text(r#"{"color":"red","level":17}"#).expect("valid");
    let mut publish = || {
        let request = client.update(shadows[0], Update::reported(&state), NOW);
        let request = request.expect("room for it");
        while let Some(output) = client.poll_output() {
            if let Output::Subscribe { id, filters, .. } = output {
                let granted = shadow_proto::SubackCode::new(1);
                client.handle_suback(id, &vec![granted; filters.len()], NOW);
            }
        }
        client.cancel(request, NOW).expect("it is outstanding");
        while client.poll_output().is_some() {}
    };
    for _ in 0..600 {
        publish();
    }
    let count = measure(publish).count_total;
    assert!(count <= 3, "{count} allocations");
}

#[test]
fn the_service_serves_an_update_with_few() {
    // The document's state, metadata and index; two answers and their topics; what lists them.
    assert_eq!(over(8, &benches::service::cases()), []);
}

#[test]
fn an_idle_shadow_takes_little_memory() {
    const SHADOWS: usize = 100_000;
    let mut kept = None;
    let bytes = measure(|| kept = Some(device::connected(SHADOWS))).bytes_current;
    // Without the handles, which are the application's.
    let bytes = bytes / SHADOWS as i64 - size_of::<shadow_proto::ShadowHandle>() as i64;
    assert!(bytes <= 400, "{bytes} bytes");
}

#[test]
fn a_device_with_a_shadow_of_8_kb_stays_within_its_heap() {
    let bytes = measure(benches::small_device::day).bytes_max;
    let budget = u64::from(benches::small_device::HEAP_KIB) * 1024;
    assert!(bytes <= budget, "{bytes} bytes of {budget}");
}
