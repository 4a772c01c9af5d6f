//! Aligned memory.

/// Words per cache line.
const LINE_WORDS: usize = 16;

/// Lines past the end, so that whole vectors may be read at the end of the last buffer.
const SLACK_LINES: usize = 2;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; LINE_WORDS]);

/// Words on 64-byte boundaries, zero at first.
pub(crate) struct Arena {
    lines: Vec<Line>,
    n_words: usize,
}

impl Arena {
    pub(crate) fn new(n_words: usize) -> Arena {
        let lines = vec![Line([0; LINE_WORDS]); n_words.div_ceil(LINE_WORDS) + SLACK_LINES];
        Arena { lines, n_words }
    }

    pub(crate) fn words(&self) -> &[u32] {
        // SAFETY: `Line` is 16 `u32` without padding, and there are at least `n_words / 16` lines.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast::<u32>(), self.n_words) }
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u32] {
        // SAFETY: as in `words`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast::<u32>(), self.n_words) }
    }

    /// For machine code.
    pub(crate) fn base(&mut self) -> *mut u8 {
        self.lines.as_mut_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_aligned_and_zero() {
        for n_words in [0, 1, 16, 17, 1000] {
            let mut arena = Arena::new(n_words);
            assert_eq!(arena.base() as usize % 64, 0);
            assert_eq!(arena.words(), vec![0; n_words]);
            arena.words_mut().fill(7);
            assert!(arena.words().iter().all(|&word| word == 7));
        }
    }
}
