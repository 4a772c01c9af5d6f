//! Steps as a trace: Chrome's trace event format, which Perfetto and `chrome://tracing` show.
//!
//! One row per thread. On the first, steps hold kernels and these hold phases; the others have their shares of phases.
//! Times are in microseconds from the beginning of the first step.

use graphc_measure::{Part, Profile, Span};
use serde_json::{Value, json};
use std::time::Duration;

/// The whole file; `title` names the process.
pub(crate) fn chrome(title: &str, profile: &Profile) -> Value {
    let mut events = vec![json!({ "ph": "M", "pid": 1, "name": "process_name", "args": { "name": title } })];
    events.extend((0..profile.threads).map(|thread| {
        let name = format!("thread {thread}");
        json!({ "ph": "M", "pid": 1, "tid": thread, "name": "thread_name", "args": { "name": name } })
    }));
    let caller: Vec<&Span> = profile.spans.iter().filter(|span| span.thread == 0).collect();
    for spans in caller.chunk_by(|a, b| a.step == b.step) {
        let args = work(&profile.whole, &[]);
        events.push(event("step", format!("step {}", spans[0].step), 0, around(spans), &args));
    }
    for spans in caller.chunk_by(|a, b| (a.step, a.kernel) == (b.step, b.kernel)) {
        let kernel = &profile.kernels[spans[0].kernel];
        let args = work(&kernel.whole, &kernel.sources);
        events.push(event("kernel", kernel.name.clone(), 0, around(spans), &args));
    }
    for span in &profile.spans {
        let kernel = &profile.kernels[span.kernel];
        let phase = &kernel.phases[span.phase];
        let name = format!("{}.phase{}", kernel.name, span.phase);
        let args = work(&phase.part, &phase.nests);
        events.push(event("phase", name, span.thread, (span.start, span.end()), &args));
    }
    json!({ "displayTimeUnit": "ns", "traceEvents": events })
}

/// From the start of the first to the end of the last.
fn around(spans: &[&Span]) -> (Duration, Duration) {
    let end = spans.last().map_or(spans[0].end(), |span| span.end());
    (spans[0].start, end)
}

/// One bar of the picture.
fn event(category: &str, name: String, thread: usize, (start, end): (Duration, Duration), args: &Value) -> Value {
    let us = |time: Duration| time.as_nanos() as f64 / 1e3;
    json!({
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": 1,
        "tid": thread,
        "ts": us(start),
        "dur": us(end - start),
        "args": args,
    })
}

/// What a click on a bar shows.
fn work(part: &Part, sources: &[String]) -> Value {
    json!({
        "flops": part.flops,
        "bytes": part.traffic.bytes(),
        "bytes_read": part.traffic.read_bytes,
        "bytes_written": part.traffic.written_bytes,
        "sources": sources,
    })
}
