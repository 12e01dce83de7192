//! The simulation in the normal test run: few seeds, but with the invariants of the core checked after each step, which
//! needs a build with debug assertions. `cargo xtask sim` runs many in little time.

/// Seeds that once failed, and a few more. What each found is in the scripts of shadow-proto.
const FOUND: [u64; 22] = [
    13, 35, 168, 286, 321, 326, 352, 370, 717, 1882, 2688, 3661, 28_581, 62_766, 76_110, 87_503,
    126_518, 167_153, 167_351, 178_908, 183_546, 193_178,
];

fn passes(seed: u64) {
    if let Err(error) = sim::run(seed, false) {
        panic!("seed {seed} fails: {error}\nreplay it: cargo xtask sim --seed {seed}");
    }
}

#[test]
fn seeds_that_once_failed_pass() {
    FOUND.into_iter().for_each(passes);
}

#[test]
fn twenty_seeds_pass() {
    (1_000_000..1_000_020).for_each(passes);
}

/// Byte-level seeds that once failed, and a few more. What each found is in the tests of mqtt-session.
#[test]
fn links_over_bytes_pass() {
    for seed in [87, 198, 285, 356, 504, 659, 698].into_iter().chain(0..6) {
        if let Err(error) = sim::run_link(seed, false) {
            panic!("seed {seed} fails: {error}\nreplay it: cargo xtask sim --bytes --seed {seed}");
        }
    }
}

#[test]
fn a_byte_level_seed_is_the_same_every_time() {
    assert_eq!(sim::run_link(7, false), sim::run_link(7, false));
}

#[test]
fn a_seed_is_the_same_every_time() {
    assert_eq!(sim::run(42, false), sim::run(42, false));
}
