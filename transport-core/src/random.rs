//! The few random bits a client needs: a token prefix of its own and a seed for jitter.

use core::hash::{BuildHasher, Hasher};
use std::collections::hash_map::RandomState;

/// 64 random bits, from the keys that the standard library draws from the system for its hash maps.
pub(crate) fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A well-mixed function of its input (`SplitMix64`): delays need no more.
pub(crate) const fn mix(input: u64) -> u64 {
    let mut mixed = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differs_between_calls() {
        assert_ne!(random_bits(), random_bits());
    }

    #[test]
    fn mixes() {
        assert_ne!(mix(0), mix(1));
        assert_ne!(mix(0) >> 32, mix(1) >> 32);
    }
}
