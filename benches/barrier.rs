//! What it costs that threads meet: a parallel phase with next to no work, on teams of different sizes.
//!
//! `cargo bench -p graphc-measure --bench barrier`; the time is that of one phase, from the caller's post to the last
//! report, and all shares are one word. With more threads than the machine has cores it says what crowding costs; what
//! members cost that have a core each can be seen on a machine with so many. In `cargo test` each size meets once.

use criterion::{Criterion, criterion_group, criterion_main};
use graphc_runtime::Team;
use std::time::Duration;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = barriers
}
criterion_main!(benches);

/// Words of two cache lines, which processors fetch together.
const PAIR: usize = 32;

fn barriers(criterion: &mut Criterion) {
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut group = criterion.benchmark_group(format!("barrier/{n_cores} cores"));
    for n_threads in [1, 2, 4, 8, 16, 32, 64] {
        let mut team = Team::new(n_threads).expect("few threads");
        let mut words = vec![0; PAIR * team.n_members()];
        group.bench_function(format!("{n_threads} threads"), |bencher| {
            bencher.iter(|| team.for_each_part(&mut words, PAIR, &|_, part| part[0] = part[0].wrapping_add(1)));
        });
    }
    group.finish();
}
