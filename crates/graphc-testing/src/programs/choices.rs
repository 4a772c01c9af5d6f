//! A list of numbers read as choices.

/// Choices to come; zeros at the end.
pub(super) struct Choices<'c> {
    words: std::slice::Iter<'c, u32>,
}

impl<'c> Choices<'c> {
    pub(super) fn new(words: &'c [u32]) -> Choices<'c> {
        Choices { words: words.iter() }
    }

    /// A number below `n`; 0 when the list has ended.
    pub(super) fn pick(&mut self, n: usize) -> usize {
        self.words.next().map_or(0, |&word| word as usize % n.max(1))
    }

    /// One of some items.
    pub(super) fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.pick(items.len())]
    }

    /// True once in `n` times.
    pub(super) fn rarely(&mut self, n: usize) -> bool {
        self.pick(n) == n - 1
    }

    /// Whether only zeros are left.
    pub(super) fn ended(&self) -> bool {
        self.words.as_slice().is_empty()
    }
}
