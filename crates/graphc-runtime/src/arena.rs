//! Aligned memory, in large pages where the system has them.
//!
//! A contraction walks many planes at once, each in a page of its own: with pages of 4 KiB the processor looks up most
//! addresses anew. The system is asked for large pages; whether it gives them changes nothing but speed.

use graphc_ir::types::WORD_BYTES;
use memmap2::MmapMut;

/// Bytes of a large page on x86-64 and most aarch64 systems; the arena begins at one.
const LARGE_PAGE: usize = 2 << 20;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Bytes past the end, so that whole vectors may be read at the end of the last buffer.
const SLACK: usize = 2 * LINE;

/// Words on the boundary of a cache line, zero at first.
pub(crate) struct Arena {
    map: MmapMut,
    /// First byte of the arena in the map.
    start: usize,
    n_words: usize,
}

impl Arena {
    /// # Errors
    /// If the system has no such amount of memory.
    pub(crate) fn new(n_words: usize) -> Result<Arena, std::io::Error> {
        let n_bytes = n_words.checked_mul(WORD_BYTES).and_then(|bytes| bytes.checked_add(SLACK));
        let n_bytes = n_bytes.ok_or(std::io::ErrorKind::OutOfMemory)?;
        let is_large = n_bytes >= LARGE_PAGE;
        // A small arena is not worth a large page: clearing one takes as long as a short step.
        let map_bytes =
            if is_large { n_bytes.checked_add(LARGE_PAGE).ok_or(std::io::ErrorKind::OutOfMemory)? } else { n_bytes };
        let map = MmapMut::map_anon(map_bytes)?;
        let start = if is_large { map.as_ptr().align_offset(LARGE_PAGE) } else { 0 };
        #[cfg(target_os = "linux")]
        if is_large {
            // A system without large pages refuses; small ones do as well.
            _ = map.advise_range(memmap2::Advice::HugePage, start, map_bytes - start);
        }
        Ok(Arena { map, start, n_words })
    }

    pub(crate) fn words(&self) -> &[u32] {
        let bytes = &self.map[self.start..];
        // SAFETY: the map has `n_words` words from `start`, which is on the boundary of a page; any bits are a `u32`.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<u32>(), self.n_words) }
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u32] {
        let base = self.base();
        // SAFETY: as in `words`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(base.cast::<u32>(), self.n_words) }
    }

    /// For machine code.
    pub(crate) fn base(&mut self) -> *mut u8 {
        self.map[self.start..].as_mut_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_aligned_and_zero() {
        for n_words in [0, 1, 16, 17, 1000, 1 << 20] {
            let mut arena = Arena::new(n_words).expect("little memory");
            assert_eq!(arena.base() as usize % 64, 0);
            assert_eq!(arena.words(), vec![0; n_words]);
            arena.words_mut().fill(7);
            assert!(arena.words().iter().all(|&word| word == 7));
        }
    }
}
