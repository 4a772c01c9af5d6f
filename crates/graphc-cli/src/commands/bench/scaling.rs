//! The table of `graphc bench --threads 1,2,4,8`.

use crate::{tables, words};
use graphc_measure::{Bench, Scaling};
use serde_json::{Value, json};

/// What is said of a run beside the first one.
pub(super) fn json(run: &Bench, first: &Bench, n_cores: usize) -> Value {
    let scaling = Scaling::of(run, first);
    json!({
        "speedup": scaling.speedup,
        "speedup_of_minima": scaling.speedup_of_minima,
        "peak_ratio": scaling.peak_ratio,
        "efficiency_percent": scaling.efficiency_percent(),
        "more_threads_than_cores": run.threads > n_cores,
    })
}

/// A line for each run; `n_cores` is how many physical cores there are for them.
pub(super) fn table(runs: &[Bench], n_cores: usize, width: u16) -> String {
    let row = |run: &Bench| {
        let scaling = Scaling::of(run, &runs[0]);
        vec![
            format!("{}{}", run.threads, if run.threads > n_cores { "*" } else { "" }),
            format!("{:.3}", run.step_ms.median),
            format!("{:.3}", run.step_ms.min),
            format!("{:.2}", scaling.speedup),
            format!("{:.1}", run.peaks.machine().highest()),
            format!("{:.0}%", scaling.efficiency_percent()),
            format!("{:.1}%", run.percent_of_machine_peak()),
        ]
    };
    let header = ["Threads", "Step, ms", "Min, ms", "Speedup", "Peak, GFLOP/s", "Efficiency", "Of peak"];
    let table = tables::table(header, 0, runs.iter().map(row).collect());
    let mut notes = vec![
        format!("Peak: multiply-adds with {}-bit vectors on all threads at once", runs[0].peaks.machine().bits()),
        "Efficiency: speedup of the median step beside that of the peak".into(),
    ];
    if runs.iter().any(|run| run.threads > n_cores) {
        notes.push(format!("* more threads than cores: this process may use {}", words::counted(n_cores, "core")));
    }
    let notes = notes.iter().map(|note| format!("\n{}", words::wrapped(note, width.into())));
    table + &notes.collect::<String>()
}
