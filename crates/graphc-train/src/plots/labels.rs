//! Labels one below the other that would like to be elsewhere.

/// Places, in the order of the wishes, at least `gap` apart and between `low` and `high` (if they fit there), and as
/// near to what was wished as that allows: the sum of squared distances is the smallest.
///
/// With the `i`-th smallest wish shifted by `i` gaps, places must only not decrease: that is isotonic regression,
/// solved by pooling neighbours that are in the wrong order.
pub(super) fn spread(wishes: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by(|&a, &b| wishes[a].total_cmp(&wishes[b]));
    // Sum of the shifted wishes, and how many there are.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    let mean = |&(sum, n): &(f64, usize)| sum / n as f64;
    for (rank, &index) in order.iter().enumerate() {
        let mut pool = (wishes[index] - rank as f64 * gap, 1);
        while let Some(before) = pools.pop_if(|before| mean(before) > mean(&pool)) {
            pool = (pool.0 + before.0, pool.1 + before.1);
        }
        pools.push(pool);
    }
    let most = (high - wishes.len().saturating_sub(1) as f64 * gap).max(low);
    let shifted = pools.iter().flat_map(|pool| std::iter::repeat_n(mean(pool).clamp(low, most), pool.1));
    let mut places = vec![0.0; wishes.len()];
    for (rank, (place, index)) in shifted.zip(order).enumerate() {
        places[index] = place + rank as f64 * gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_has_room_stays_and_what_has_not_moves_evenly() {
        assert_eq!(spread(&[10.0, 50.0], 12.0, 0.0, 100.0), [10.0, 50.0]);
        assert_eq!(spread(&[50.0, 50.0], 12.0, 0.0, 100.0), [44.0, 56.0]);
        assert_eq!(spread(&[51.0, 50.0, 52.0], 10.0, 0.0, 100.0), [51.0, 41.0, 61.0]);
        assert_eq!(spread(&[99.0, 100.0], 12.0, 0.0, 100.0), [88.0, 100.0]);
        assert!(spread(&[], 12.0, 0.0, 100.0).is_empty());
    }

    proptest! {
        #[test]
        fn never_nearer_than_the_gap(wishes in prop::collection::vec(0.0..200.0f64, 1..15)) {
            let places = spread(&wishes, 13.0, 0.0, 200.0);
            let mut sorted = places.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] > 13.0 - 1e-9), "{places:?}");
            prop_assert!(sorted[0] >= -1e-9 && sorted[sorted.len() - 1] <= 200.0 + 1e-9, "{places:?}");
        }
    }
}
