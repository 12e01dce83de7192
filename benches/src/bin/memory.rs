//! Counts allocations: of one call of each of our cases, of an idle shadow, of the most that one shadow of 8 KB takes. Its
//! allocator counts, so it measures no times.

use allocation_counter::measure;
use benches::{Case, Who, device, small_device};
use shadow_proto::ShadowHandle;

fn main() {
    let cases = benches::cases();
    let ours = cases
        .iter()
        .filter(|case| case.who == Who::Ours && !case.input.contains("100000"));
    for case in ours {
        println!("{}\t{}", case.name(), allocations(case));
    }
    println!("idle shadow\t{}", idle_shadow());
    println!("peak heap\t{}", measure(small_device::day).bytes_max);
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
