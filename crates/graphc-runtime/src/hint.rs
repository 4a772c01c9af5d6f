//! Hints to the processor.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for all lines of `bytes`, so that they are near when they are read. Nothing where the processor has no such instruction.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(LINE).chain(bytes.last().map(std::slice::from_ref)) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and it has no effect but on caches, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_length_will_do() {
        let bytes = [7; 300];
        (0..=bytes.len()).for_each(|len| super::prefetch(&bytes[..len]));
        assert_eq!(bytes, [7; 300]);
    }
}
