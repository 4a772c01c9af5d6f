//! The text of a file of choices: which step it is for, and what was chosen.
//!
//! Reading is a function of the bytes alone. What it says about a file never quotes it: the file may be another one
//! than was meant.

use graphc_driver::{Aspect, Choices, TuningKey};
use serde_json::{Value, json};

/// Largest file that is read; one choice takes some 100 bytes, and a network of 1,000 layers has 10,000.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// The text of a file; `step_ms` is the time of a step before and after.
pub(crate) fn print(key: &TuningKey, choices: &Choices, step_ms: [f64; 2]) -> String {
    let [before, after] = step_ms;
    let content = json!({
        "key": key_json(key),
        "choices": choices.iter().map(choice_json).collect::<Vec<_>>(),
        "step_ms": { "before": before, "after": after },
    });
    format!("{content:#}\n")
}

/// The choices of a file for the step of that key.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(bytes: &[u8], key: &TuningKey) -> Result<Choices, String> {
    let content: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("no JSON from line {}, column {} on", error.line(), error.column()))?;
    if content["key"] != key_json(key) {
        return Err("its `key` is another one".into());
    }
    let mut choices = Choices::default();
    for (number, choice) in content["choices"].as_array().ok_or("it has no `choices`")?.iter().enumerate() {
        let aspect = choice["what"].as_str().and_then(Aspect::from_name);
        let option = choice["option"].as_u64().and_then(|option| usize::try_from(option).ok());
        match (choice["contraction"].as_str(), aspect, option) {
            (Some(contraction), Some(aspect), Some(option)) => choices.set(contraction, aspect, option),
            _ => return Err(format!("choices[{number}] is none: expected `contraction`, `what` and `option`")),
        }
    }
    Ok(choices)
}

fn choice_json((contraction, aspect, option): (&str, Aspect, usize)) -> Value {
    json!({ "contraction": contraction, "what": aspect.name(), "option": option })
}

fn key_json(key: &TuningKey) -> Value {
    json!({
        "graph": key.graph,
        "mode": key.mode.name(),
        "batch": key.batch,
        "target": key.target,
        "graphc": key.version,
        "schedule": key.revision,
        "graph_hash": key.graph_hash,
    })
}
