//! Packet identifiers of our own packets.

use core::fmt;

/// Which of 1 to 65,535 are in use; the next free one is found from where the last was.
///
/// A bit for each (8 KiB), so that taking and freeing one costs the same however many are in use.
pub(super) struct PacketIds {
    used: Box<[u64]>,
    last: u16,
    count: usize,
}

impl PacketIds {
    pub(super) fn new() -> Self {
        Self {
            used: vec![0; 1024].into_boxed_slice(),
            last: 0,
            count: 0,
        }
    }

    /// A free identifier, or `None` if all are in use.
    pub(super) fn take(&mut self) -> Option<u16> {
        if self.count == usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            let (word, bit) = self.place(self.last)?;
            if *word & bit == 0 {
                *word |= bit;
                self.count += 1;
                return Some(self.last);
            }
        }
    }

    /// This one is not in use any more.
    pub(super) fn free(&mut self, id: u16) {
        if let Some((word, bit)) = self.place(id) {
            debug_assert!(*word & bit != 0, "identifier {id} was not in use");
            *word &= !bit;
            self.count = self.count.saturating_sub(1);
        }
    }

    fn place(&mut self, id: u16) -> Option<(&mut u64, u64)> {
        let word = self.used.get_mut(usize::from(id / 64))?;
        Some((word, 1 << (id % 64)))
    }
}

impl fmt::Debug for PacketIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketIds({} in use, last {})", self.count, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_go_round_and_skip_those_in_use() {
        let mut ids = PacketIds::new();
        assert_eq!(ids.take(), Some(1));
        assert_eq!(ids.take(), Some(2));
        ids.free(1);
        for expected in 3..=u16::MAX {
            assert_eq!(ids.take(), Some(expected));
        }
        assert_eq!(ids.take(), Some(1));
        assert_eq!(ids.take(), None);
        ids.free(500);
        assert_eq!(ids.take(), Some(500));
    }
}
