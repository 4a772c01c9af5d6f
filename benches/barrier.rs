//! What it costs that threads meet, on teams of different sizes.
//!
//! `cargo bench -p graphc-measure --bench barrier`; the time is that of one phase, from the caller's post to the last
//! report. With more threads than the machine has cores it says what crowding costs; what members cost that have a core
//! each can be seen on a machine with so many. In `cargo test` each size meets once.
//!
//! - `barrier`: every member has one word to add to, so that no iteration is claimed.
//! - `claims`: every member has 64 words, each a claim of its own or one of a few.
//! - `balance`: every member has 8 iterations of equal work, but the last member's take four times as long.

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use graphc_runtime::Team;
use std::hint::black_box;
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

/// Iterations of a member that claims.
const CLAIMS: usize = 64;

/// The same where they take long.
const LONG_ITERATIONS: usize = 8;

/// Turns of such an iteration.
const N_TURNS: u32 = 10_000;

fn barriers(criterion: &mut Criterion) {
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let names = ["barrier", "claims", "balance"].map(|name| format!("{name}/{n_cores} cores"));
    for (name, run) in names.iter().zip([barrier, claims, balance]) {
        for n_threads in [1, 2, 4, 8, 16, 32, 64] {
            let mut team = Team::new(n_threads).expect("few threads");
            criterion.bench_function(&format!("{name}/{n_threads} threads"), |bencher| run(bencher, &mut team));
        }
    }
}

fn barrier(bencher: &mut Bencher<'_>, team: &mut Team) {
    let mut words = vec![0; PAIR * team.n_members()];
    bencher.iter(|| team.for_each_part(&mut words, PAIR, &|_, part| part[0] = part[0].wrapping_add(1)));
}

fn claims(bencher: &mut Bencher<'_>, team: &mut Team) {
    let mut words = vec![0; PAIR * CLAIMS * team.n_members()];
    bencher.iter(|| team.for_each_part(&mut words, PAIR, &|_, part| part[0] = part[0].wrapping_add(1)));
}

/// The last member's iterations are the long ones, so that the caller relieves it.
fn balance(bencher: &mut Bencher<'_>, team: &mut Team) {
    let n_members = team.n_members();
    let mut words = vec![0; PAIR * LONG_ITERATIONS * n_members];
    bencher.iter(|| {
        team.for_each_part(&mut words, PAIR, &|number, part| {
            let is_long = number >= LONG_ITERATIONS * (n_members - 1);
            let n_turns = if is_long { 4 * N_TURNS } else { N_TURNS };
            part[0] = (0..n_turns).fold(part[0], |word, turn| black_box(word.wrapping_add(turn)));
        });
    });
}
