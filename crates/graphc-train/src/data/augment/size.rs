//! Sizes of pictures.

/// The size of the pictures of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Picture {
    /// Of samples with those sizes: height and width, and perhaps channels.
    pub(crate) fn of_shape(sizes: &[usize]) -> Option<Picture> {
        match *sizes {
            [height, width] => Some(Picture { height, width, channels: 1 }),
            [height, width, channels] => Some(Picture { height, width, channels }),
            _ => None,
        }
    }

    /// Elements of a picture.
    pub(super) fn len(self) -> usize {
        self.height * self.width * self.channels
    }
}
