//! Who runs which iterations of a parallel loop.

use std::ops::Range;

/// The share of `member` among `n_members`: contiguous, in the order of the members, their lengths at most 1 apart.
pub(super) fn share_of(range: &Range<i64>, n_members: usize, member: usize) -> Range<i64> {
    // Teams are small: `MAX_MEMBERS`.
    let (n_members, member) = (n_members as i64, member as i64);
    let len = range.end - range.start;
    let (share, rest) = (len / n_members, len % n_members);
    let start = range.start + share * member + member.min(rest);
    start..start + share + i64::from(member < rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_a_range_exactly() {
        for n_members in 1..=9 {
            for range in [0..0, 0..1, 3..7, -5..11, 0..64, 7..107] {
                let shares: Vec<_> = (0..n_members).map(|member| share_of(&range, n_members, member)).collect();
                let all: Vec<i64> = shares.iter().cloned().flatten().collect();
                assert_eq!(all, range.clone().collect::<Vec<_>>(), "{n_members} members");
                let lengths = shares.iter().map(|share| share.end - share.start);
                assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1, "{shares:?}");
                assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }
}
