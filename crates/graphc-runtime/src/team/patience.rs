//! How long to wait before sleeping.

use super::sync;
use std::time::{Duration, Instant};

/// How long to wait before sleeping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Looks before the clock is read at all.
    n_looks: u32,
    /// Time of doing nothing else.
    spin: Duration,
    /// Time of offering the core to other threads between looks.
    offer: Duration,
}

impl Patience {
    /// There is a core for every member.
    pub(super) const FREE: Patience =
        Patience { n_looks: 64, spin: Duration::from_micros(50), offer: Duration::from_micros(150) };
    /// Members share cores: who spins keeps another from working.
    pub(super) const CROWDED: Patience =
        Patience { n_looks: 16, spin: Duration::ZERO, offer: Duration::from_micros(50) };
    /// Sleep at once.
    #[cfg(test)]
    pub(super) const NONE: Patience = Patience { n_looks: 0, spin: Duration::ZERO, offer: Duration::ZERO };

    /// Look twice, then sleep.
    #[cfg(test)]
    pub(super) const ONE_LOOK: Patience = Patience { n_looks: 1, ..Patience::NONE };

    /// Waits until `is_done`; false if that took too long.
    pub(super) fn wait(self, is_done: impl Fn() -> bool) -> bool {
        let look = |n_looks: u32| {
            (0..n_looks).any(|_| {
                sync::spin_loop();
                is_done()
            })
        };
        if is_done() || look(self.n_looks) {
            return true;
        }
        let start = Instant::now();
        loop {
            let waited = start.elapsed();
            if waited < self.spin {
                if look(32) {
                    return true;
                }
            } else if waited < self.spin + self.offer {
                sync::yield_now();
                if is_done() {
                    return true;
                }
            } else {
                return false;
            }
        }
    }
}
