//! In which order the iterations of parallel loops run, and what they find in the memory of their member.

use std::ops::Range;

/// What stands in a member's memory when a task begins: a NaN, or an absurd integer. A task that reads what it has not
/// written, or what another one has, gives results that no engine gives.
pub(super) const POISON: u32 = 0x7fc0_dead;

/// An order of tasks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaskOrder {
    /// The state of a generator of random numbers; tasks run as they are numbered if there is none.
    state: Option<u64>,
}

impl TaskOrder {
    /// The order that a seed decides.
    pub(super) fn random(seed: u64) -> TaskOrder {
        TaskOrder { state: Some(seed) }
    }

    /// The same for another kernel.
    pub(super) fn for_kernel(self, number: usize) -> TaskOrder {
        TaskOrder { state: self.state.map(|state| state.wrapping_add((number as u64) << 32)) }
    }

    /// All numbers of a range in the order of the next loop.
    pub(super) fn of(&mut self, range: Range<i64>) -> Vec<i64> {
        let mut tasks: Vec<i64> = range.collect();
        if let Some(state) = &mut self.state {
            for last in (1..tasks.len()).rev() {
                tasks.swap(last, (mixed(state) % (last as u64 + 1)) as usize);
            }
        }
        tasks
    }
}

/// The next number of the generator SplitMix64.
fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_task_once() {
        let mut order = TaskOrder::random(3);
        let orders = [0; 2].map(|_| order.of(2..40));
        assert_ne!(orders[0], orders[1], "another one for every loop");
        for mut tasks in orders {
            assert!(!tasks.is_sorted());
            tasks.sort_unstable();
            assert_eq!(tasks, (2..40).collect::<Vec<i64>>());
        }
        assert_eq!(TaskOrder::default().of(0..3), [0, 1, 2]);
    }
}
