//! Work of the caller's own on all members of a team.

use super::rooms::Rooms;
use super::{SharedPhase, Team};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

/// What [`run_parts`] needs of the call that it belongs to.
struct Parts<'a> {
    words: *mut u32,
    n_words: usize,
    part_len: usize,
    each: &'a (dyn Fn(usize, &mut [u32]) + Sync),
    /// What the first panic carried.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Team {
    /// Calls `each` with the number and the words of every part of `part_len` words, the last of which may be shorter;
    /// members call it at the same time. A panic in it is the caller's.
    ///
    /// # Panics
    /// If `each` does, or parts have no words.
    pub fn for_each_part(&mut self, words: &mut [u32], part_len: usize, each: &(dyn Fn(usize, &mut [u32]) + Sync)) {
        assert!(part_len > 0, "parts have words");
        if self.works_alone() {
            return words.chunks_mut(part_len).enumerate().for_each(|(number, part)| each(number, part));
        }
        let n_parts = words.len().div_ceil(part_len);
        let parts = Parts { words: words.as_mut_ptr(), n_words: words.len(), part_len, each, panic: Mutex::new(None) };
        let arena = (&raw const parts).cast_mut().cast::<u8>();
        let phase =
            SharedPhase { function: run_parts, arena, rooms: Rooms::NONE, range: 0..n_parts as i64, timed: None };
        // SAFETY: `run_parts` gets what it wants: `parts` and the words, which are borrowed exclusively, outlive the
        // call. Disjoint ranges are disjoint words, and what else it uses may be shared.
        unsafe { self.run(&phase) };
        if let Some(panic) = parts.panic.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            resume_unwind(panic);
        }
    }
}

/// Calls for the parts `low..high` of the [`Parts`] that `arena` points to.
extern "C" fn run_parts(arena: *mut u8, _: *mut u8, low: i64, high: i64) -> i32 {
    // SAFETY: `for_each_part` gives such a pointer, and waits for the end of this call.
    let parts = unsafe { &*arena.cast_const().cast::<Parts<'_>>() };
    let run = || {
        for number in low as usize..high as usize {
            let first = number * parts.part_len;
            let len = parts.part_len.min(parts.n_words - first);
            // SAFETY: `number` is below the number of parts, so that the words lie within those of the caller; every
            // part has one number, and every number is in one range.
            let words = unsafe { std::slice::from_raw_parts_mut(parts.words.add(first), len) };
            (parts.each)(number, words);
        }
    };
    // No panic may leave a member's function.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => 0,
        Err(panic) => {
            parts.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(panic);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_filled_once() {
        for n_members in [1, 2, 3, 8] {
            let mut team = Team::new(n_members).unwrap();
            for (n_words, part_len) in [(0, 3), (1, 3), (9, 3), (10, 3), (64, 1)] {
                let mut words = vec![0; n_words];
                team.for_each_part(&mut words, part_len, &|number, part| {
                    part.iter_mut().for_each(|word| *word += 1 + number as u32);
                });
                let expected: Vec<u32> = (0..n_words).map(|word| 1 + (word / part_len) as u32).collect();
                assert_eq!(words, expected, "{n_members} members, {n_words} words");
            }
        }
    }

    #[test]
    fn a_panic_is_the_callers_and_the_team_goes_on() {
        let mut team = Team::new(3).unwrap();
        for bad in [0, 5] {
            let mut words = [0; 6];
            let result = catch_unwind(AssertUnwindSafe(|| {
                team.for_each_part(&mut words, 1, &|number, _| assert_ne!(number, bad, "part {bad}"));
            }));
            assert!(result.unwrap_err().downcast_ref::<String>().unwrap().contains(&format!("part {bad}")));
        }
        let mut words = [0; 4];
        team.for_each_part(&mut words, 2, &|number, part| part.fill(number as u32));
        assert_eq!(words, [0, 0, 1, 1]);
    }
}
