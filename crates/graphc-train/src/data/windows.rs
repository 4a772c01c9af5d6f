//! Windows into one array of numbers: samples that overlap take no memory of their own.
//!
//! ```text
//! numbers    T o   b e ,   o r   n o t
//! window     └── input ──┘               from its start
//!              └── target ─┘             one further: at every place the character that follows
//! ```
//!
//! As they are, windows begin at multiples of a stride. Windows that are drawn begin elsewhere in every epoch: all
//! places where one can begin are cut into as many stretches as there are windows, and each window begins anywhere in
//! its own. So an epoch goes through the whole text, and in the long run each place is as frequent as any. Where a
//! window begins depends on the seed, the epoch and its number alone.

use super::augment::EpochKey;
use std::ops::Range;
use std::sync::Arc;

/// Numbers, as small as they can be.
#[derive(Debug)]
pub(crate) enum Numbers {
    /// All of them below 256.
    Bytes(Vec<u8>),
    Words(Vec<u32>),
}

/// Where windows begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Starts {
    /// Places where a window can begin, from 0.
    n_places: usize,
    /// From one window to the next.
    stride: usize,
    /// Whether they are drawn in epochs.
    are_drawn: bool,
}

/// One input of samples that are windows.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) starts: Starts,
    /// How far behind the start of the window the input's elements begin.
    pub(crate) shift: usize,
}

impl Starts {
    /// Of windows that begin at one of so many places; drawn ones begin at any of them in an epoch, but as they are,
    /// and in number, are as if they had the stride.
    pub(crate) fn new(n_places: usize, stride: usize, are_drawn: bool) -> Starts {
        // With a stride of 1 there is nothing to be drawn.
        Starts { n_places, stride: stride.max(1), are_drawn: are_drawn && stride > 1 }
    }

    /// Number of windows.
    pub(crate) fn n_windows(self) -> usize {
        self.n_places.div_ceil(self.stride)
    }

    /// Where a window begins, in an epoch or as it is.
    fn at(self, window: usize, epoch: Option<EpochKey>) -> usize {
        let Some(epoch) = epoch.filter(|_| self.are_drawn) else { return window * self.stride };
        let (n, places) = (self.n_windows() as u128, self.n_places as u128);
        let [first, end] = [window, window + 1].map(|window| (window as u128 * places / n) as usize);
        first + epoch.place(u32::try_from(window).expect("sample counts are 32-bit"), end - first)
    }
}

impl Windows {
    /// Which of the numbers are the `len` elements of a window.
    pub(crate) fn range(&self, window: usize, len: usize, epoch: Option<EpochKey>) -> Range<usize> {
        let first = self.starts.at(window, epoch) + self.shift;
        first..first + len
    }

    /// The elements of a window as words.
    pub(crate) fn words(&self, window: usize, len: usize, epoch: Option<EpochKey>) -> Vec<u32> {
        let range = self.range(window, len, epoch);
        match &*self.numbers {
            Numbers::Bytes(bytes) => bytes[range].iter().map(|&byte| u32::from(byte)).collect(),
            Numbers::Words(words) => words[range].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u64, epoch: u64) -> EpochKey {
        EpochKey { seed, epoch }
    }

    #[test]
    fn windows_begin_at_multiples_of_the_stride() {
        let starts = |places, stride, drawn| {
            let starts = Starts::new(places, stride, drawn);
            (0..starts.n_windows()).map(|window| starts.at(window, Some(key(1, 1)))).collect::<Vec<_>>()
        };
        assert_eq!(starts(9, 4, false), [0, 4, 8]);
        assert_eq!(starts(8, 4, false), [0, 4]);
        assert_eq!(starts(3, 1, true), [0, 1, 2]);
        assert_eq!(starts(1, 4, true), [0]);
    }

    /// Each window begins in its own stretch, in every epoch elsewhere, and each place is as frequent as any: in 2000
    /// epochs 2000 * 10 / 97 times, give or take five standard deviations (13.6 each).
    #[test]
    fn drawn_windows_begin_anywhere() {
        let starts = Starts::new(97, 10, true);
        assert_eq!(starts.n_windows(), 10);
        let mut counts = [0u32; 97];
        for epoch in 1..=2000 {
            let found: Vec<usize> = (0..10).map(|window| starts.at(window, Some(key(7, epoch)))).collect();
            assert!(found.is_sorted());
            assert!(found.iter().enumerate().all(|(k, &at)| k * 97 / 10 <= at && at < (k + 1) * 97 / 10), "{found:?}");
            found.iter().for_each(|&at| counts[at] += 1);
        }
        assert!(counts.iter().all(|count| count.abs_diff(206) < 70), "{counts:?}");
        let of = |seed, epoch| (0..10).map(|window| starts.at(window, Some(key(seed, epoch)))).collect::<Vec<_>>();
        assert_eq!(of(7, 3), of(7, 3));
        assert!(of(7, 3) != of(7, 4) && of(7, 3) != of(8, 3));
        assert_eq!(starts.at(3, None), 30);
    }

    #[test]
    fn targets_are_one_further() {
        let numbers = Arc::new(Numbers::Bytes((0..20).collect()));
        let words = Arc::new(Numbers::Words((0..20).collect()));
        for numbers in [numbers, words] {
            let of = |shift, len, window, epoch| {
                let windows = Windows { numbers: numbers.clone(), starts: Starts::new(16, 4, true), shift };
                windows.words(window, len, epoch)
            };
            assert_eq!(of(0, 4, 1, None), [4, 5, 6, 7]);
            assert_eq!(of(1, 4, 1, None), [5, 6, 7, 8]);
            assert_eq!(of(4, 1, 1, None), [8]);
            let [input, target] = [0, 1].map(|shift| of(shift, 4, 2, Some(key(1, 5))));
            assert_eq!(input[1..], target[..3], "the same window for both");
        }
    }
}
