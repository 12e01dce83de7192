//! The right to the one WebSocket of this process.

use core::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The C library keeps what it has read of a WebSocket in variables of the process, whichever
/// client it was for: with two at a time, each gets bytes of the other. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease(());

impl Lease {
    /// `None`: another client has it.
    pub(crate) fn take() -> Option<Self> {
        let free = TAKEN.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
        free.is_ok().then_some(Self(()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let first = Lease::take().unwrap();
        assert!(Lease::take().is_none());
        drop(first);
        assert!(Lease::take().is_some());
    }
}
