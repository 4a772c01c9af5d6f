//! The memory that every member of a team has for itself.

/// Where the members' memory begins, and how far apart it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rooms {
    /// That of the caller.
    pub(crate) first: *mut u8,
    /// Bytes from one member's to the next one's.
    pub(crate) stride: usize,
}

impl Rooms {
    /// For functions that need none.
    pub(super) const NONE: Rooms = Rooms { first: std::ptr::null_mut(), stride: 0 };

    /// The memory of a member, the caller being 0.
    pub(crate) fn of(self, member: usize) -> *mut u8 {
        self.first.wrapping_add(member * self.stride)
    }
}
