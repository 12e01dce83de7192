//! From names to slots: a hash table with a fixed hash, so that the cost of a message does not
//! depend on how many shadows are idle and nothing depends on a random order.
//!
//! The keys are names the application chose, never a peer's, so no one can aim at collisions.

use alloc::{vec, vec::Vec};

/// Maps the hash of a name to a slot; the caller compares the names.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Open addressing, a power of two in length, at most half full.
    places: Vec<Place>,
    used: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    hash: u32,
    /// `EMPTY` if there is nothing here.
    slot: u32,
}

const EMPTY: u32 = u32::MAX;
const NOTHING: Place = Place {
    hash: 0,
    slot: EMPTY,
};

impl Index {
    /// The slot with this hash for which `is_it` holds.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.places.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let place = self.places.get(at).copied().unwrap_or(NOTHING);
            if place.slot == EMPTY {
                return None;
            }
            if place.hash == hash && is_it(place.slot) {
                return Some(place.slot);
            }
            at = (at + 1) & mask;
        }
    }

    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        if (self.used + 1) * 2 > self.places.len() {
            let larger = vec![NOTHING; (self.places.len() * 2).max(8)];
            for place in core::mem::replace(&mut self.places, larger) {
                if place.slot != EMPTY {
                    self.put(place);
                }
            }
        }
        self.put(Place { hash, slot });
        self.used += 1;
    }

    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        let Some(mask) = self.places.len().checked_sub(1) else {
            return;
        };
        let mut at = hash as usize & mask;
        loop {
            match self.places.get_mut(at) {
                Some(place) if place.slot == slot => {
                    *place = NOTHING;
                    break;
                }
                Some(place) if place.slot != EMPTY => at = (at + 1) & mask,
                Some(_) | None => return,
            }
        }
        self.used -= 1;
        // What follows without a gap may have been pushed here by the one removed.
        let mut next = (at + 1) & mask;
        while let Some(place) = self
            .places
            .get_mut(next)
            .filter(|place| place.slot != EMPTY)
        {
            let moved = core::mem::replace(place, NOTHING);
            self.put(moved);
            next = (next + 1) & mask;
        }
    }

    fn put(&mut self, new: Place) {
        let mask = self.places.len() - 1;
        let mut at = new.hash as usize & mask;
        while let Some(place) = self.places.get_mut(at) {
            if place.slot == EMPTY {
                *place = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

/// A hash of a thing's name and a shadow's, told apart.
pub(crate) fn hash(thing: &str, shadow: Option<&str>) -> u32 {
    let seed = mix(0x9e37_79b9_7f4a_7c15, thing.as_bytes());
    let hash = match shadow {
        None => seed,
        Some(shadow) => mix(seed ^ 0x51_7c_c1_b7_27_22_0a_95, shadow.as_bytes()),
    };
    (hash ^ (hash >> 32)) as u32
}

/// Eight bytes at a time.
fn mix(seed: u64, bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let step = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        product ^ (product >> 29)
    };
    let hash = chunks
        .by_ref()
        .fold(seed ^ bytes.len() as u64, |hash, chunk| {
            step(hash, chunk.try_into().map_or(0, u64::from_le_bytes))
        });
    let rest = chunks
        .remainder()
        .iter()
        .rfold(0, |word, byte| word << 8 | u64::from(*byte));
    step(step(hash, rest), 0x2127_599b_f432_5c37)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// Miri takes a thousand times as long, and looks for other things.
    const fn some(count: usize) -> usize {
        if cfg!(miri) { count / 20 } else { count }
    }

    #[test]
    fn found_until_removed() {
        let mut index = Index::default();
        let names: Vec<_> = (0..some(500)).map(|n| format!("thing-{n}")).collect();
        // A poor hash on purpose, so that runs are long.
        let poor = |n: usize| (n % 7) as u32 * 3;
        for n in 0..names.len() {
            index.insert(poor(n), n as u32);
        }
        for removed in (0..names.len()).step_by(3) {
            index.remove(poor(removed), removed as u32);
        }
        for n in 0..names.len() {
            let found = index.find(poor(n), |slot| slot == n as u32);
            assert_eq!(found, (n % 3 != 0).then_some(n as u32));
        }
    }

    #[test]
    fn it_is_at_most_half_full_and_no_larger_than_that_takes() {
        let mut index = Index::default();
        for (used, places) in [(4, 8), (5, 16), (8, 16), (9, 32), (500, 1024)] {
            while index.used < used {
                index.insert(hash("lamp", None), index.used as u32);
            }
            assert_eq!(index.places.len(), places, "{used} used");
        }
        // What comes and goes leaves no room behind.
        let mut index = Index::default();
        for slot in 0..some(10_000) as u32 {
            index.insert(slot, slot);
            index.remove(slot, slot);
            assert_eq!(index.used, 0);
        }
        assert_eq!(index.places.len(), 8);
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let mut index = Index::default();
        index.remove(1, 1);
        for slot in 0..4 {
            index.insert(slot, slot);
        }
        index.remove(2, 9);
        index.remove(7, 7);
        assert_eq!(index.used, 4);
        for slot in 0..4 {
            assert_eq!(index.find(slot, |found| found == slot), Some(slot));
        }
    }

    #[test]
    fn names_do_not_run_into_each_other() {
        assert_ne!(hash("ab", None), hash("a", Some("b")));
        assert_ne!(hash("a", Some("")), hash("a", None));
        assert_ne!(hash("a", None), hash("a\0", None));
        let mut hashes: Vec<_> = (0..some(10_000))
            .map(|n| hash(&format!("lamp-{n}"), None))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert!(hashes.len() > some(9_990));
    }

    #[test]
    #[cfg(not(miri))]
    fn names_alike_are_spread_over_the_table() {
        // A table of 16,384 places that holds 8,000: by chance, none has more than seven or so.
        let families: [fn(usize) -> u32; 5] = [
            |n| hash(&format!("{n}"), None),
            |n| hash(&format!("{n:08}-a-name-longer-than-eight-bytes"), None),
            |n| hash(&format!("a-name-longer-than-eight-bytes-{n:08}"), None),
            |n| hash("lamp", Some(&format!("s{n}"))),
            |n| hash(&format!("{n:0128}"), Some("config")),
        ];
        for (family, hash) in families.iter().enumerate() {
            let mut places = vec![0; 16_384];
            for n in 0..8_000 {
                places[hash(n) as usize % 16_384] += 1;
            }
            let most = places.iter().max();
            assert!(most < Some(&9), "family {family}: {most:?} in one place");
            let used = places.iter().filter(|count| **count > 0).count();
            assert!((6_100..6_700).contains(&used), "family {family}: {used}");
        }
    }
}
