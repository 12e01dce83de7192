//! Randomness for delays: from the seed in the configuration, for the core has no entropy.

use super::Client;
use core::time::Duration;

impl Client {
    pub(super) fn backoff(&mut self, attempt: u32) -> Duration {
        let random = next(&mut self.jitter);
        self.config.backoff.delay(attempt, random)
    }
}

/// A step of splitmix64: good enough to keep clients from moving in step.
const fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // From the reference of Sebastiano Vigna, seed 0, and seed 1234567 as in Java's tests.
        let mut state = 0;
        assert_eq!(next(&mut state), 0xe220_a839_7b1d_cdaf);
        assert_eq!(next(&mut state), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(next(&mut state), 0x06c4_5d18_8009_454f);
        let mut state = 1_234_567;
        assert_eq!(next(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(next(&mut state), 3_203_168_211_198_807_973);
    }
}
