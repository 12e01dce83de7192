//! Randomness: one number decides everything, on every machine and in every release.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// splitmix64: small, good enough to explore, and ours, so that no dependency changes the meaning of a seed.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
    /// Bytes that decide instead, as long as they last. Shared with what was forked off.
    tape: Option<Rc<RefCell<VecDeque<u8>>>>,
}

impl Rng {
    /// The generator of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            state: seed,
            tape: None,
        }
    }

    /// A generator of which each number begins with the next of these bytes: what a fuzzer needs to get somewhere by
    /// changing a byte.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            state: 0,
            tape: Some(Rc::new(RefCell::new(bytes.iter().copied().collect()))),
        }
    }

    /// A generator of its own, so that drawing more in one place does not change another.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self {
            state: self.random(),
            tape: self.tape.clone(),
        }
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        let word = self.random();
        let byte = self
            .tape
            .as_ref()
            .and_then(|tape| tape.borrow_mut().pop_front());
        byte.map_or(word, |byte| u64::from(byte) << 56 | word >> 8)
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(end.max(1))) >> 64) as u64
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }

    /// One of these, of which there is at least one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// An index below `length`, which is not 0.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// A time from `low` to `high` milliseconds, in steps of a microsecond.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.between(low * 1000, high * 1000))
    }

    /// A time around `mean`: from a tenth to twice of it.
    pub fn around(&mut self, mean: Duration) -> Duration {
        let mean = mean.as_micros() as u64;
        Duration::from_micros(self.between(mean / 10, mean * 2))
    }
}
