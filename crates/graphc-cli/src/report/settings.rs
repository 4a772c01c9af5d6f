//! How the runs were set: what differs between them, and what is the same.

use super::html::{Cell, Head, folded, note, table, text};
use super::run::{Run, unique};
use serde_json::Value;

/// Fields of a graph file that say nothing, or that `run.json` has as they were in force.
const LEFT_OUT: [&str; 11] = [
    "$schema",
    "graphc",
    "name",
    "train.epochs",
    "train.batch_size",
    "train.accumulate",
    "train.seed",
    "train.validation_split",
    "train.shuffle",
    "optimizer",
    "train.ema.decay",
];

/// Of one run, a list; of several, what differs, and folded what does not.
pub(super) fn tables(runs: &[Run]) -> String {
    let all: Vec<Vec<Setting>> = runs.iter().map(settings).collect();
    if let [settings] = all.as_slice() {
        let (of_run, of_file): (Vec<&Setting>, Vec<&Setting>) =
            settings.iter().partition(|setting| !setting.is_of_file);
        let file = if of_file.is_empty() { String::new() } else { folded("Fields of the graph file", &list(&of_file)) };
        return list(&of_run) + &file;
    }
    let value = |run: usize, name: &str| all[run].iter().find(|setting| setting.name == name);
    let text_of = |run: usize, name: &str| value(run, name).map(|setting| setting.value.as_str());
    let names = unique(all.iter().flatten().map(|setting| setting.name.as_str()));
    let differs = |name: &&String| (1..all.len()).any(|run| text_of(run, name) != text_of(0, name));
    let (different, same): (Vec<&String>, Vec<&String>) = names.iter().partition(differs);
    let same: Vec<&Setting> = same.into_iter().filter_map(|name| value(0, name)).collect();
    let row = |name: &&String| {
        let values = (0..all.len()).map(|run| Cell::text(text_of(run, name).unwrap_or("–")));
        std::iter::once(Cell::code(name)).chain(values).collect()
    };
    let names: Vec<&str> = std::iter::once("setting").chain(runs.iter().map(|run| run.name.as_str())).collect();
    let differing = match different.as_slice() {
        [] => note("All settings are the same."),
        different => table(&Head::new(&names, &[]), different.iter().map(row).collect()),
    };
    let n = same.len();
    let heading = format!("{n} settings that are the same");
    differing + &if same.is_empty() { String::new() } else { folded(&heading, &list(&same)) }
}

/// One thing that was set.
struct Setting {
    name: String,
    value: String,
    is_of_file: bool,
}

/// Everything that a run says of how it was set, in the order in which it says it.
fn settings(run: &Run) -> Vec<Setting> {
    let record = &run.record;
    let mut all = Vec::new();
    flatten("", &record["config"], false, &mut all);
    flatten("seed", &record["seed"], false, &mut all);
    flatten("isa", &record["isa"], false, &mut all);
    flatten("versions", &record["versions"], false, &mut all);
    let mut of_file = Vec::new();
    flatten("", &run.graph, true, &mut of_file);
    let is_left_out = |name: &str| {
        LEFT_OUT
            .iter()
            .any(|field| name.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    all.extend(of_file.into_iter().filter(|setting| !is_left_out(&setting.name)));
    all
}

/// The values in a piece of JSON, by where they stand; lists of things with names by those.
fn flatten(name: &str, value: &Value, is_of_file: bool, all: &mut Vec<Setting>) {
    let within = |field: &str| if name.is_empty() { field.to_string() } else { format!("{name}.{field}") };
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| flatten(&within(field), value, is_of_file, all))
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            for (index, value) in values.iter().enumerate() {
                let own = value["name"].as_str().map_or_else(|| format!("{name}[{index}]"), within);
                let mut value = value.clone();
                if let Some(fields) = value.as_object_mut() {
                    fields.shift_remove("name");
                }
                flatten(&own, &value, is_of_file, all);
            }
        }
        Value::String(value) => all.push(Setting { name: name.into(), value: value.clone(), is_of_file }),
        other => all.push(Setting { name: name.into(), value: other.to_string(), is_of_file }),
    }
}

fn list(settings: &[&Setting]) -> String {
    let row = |setting: &&Setting| {
        format!("<div><dt><code>{}</code></dt><dd>{}</dd></div>\n", text(&setting.name), text(&setting.value))
    };
    format!("<dl class=\"settings\">\n{}</dl>\n", settings.iter().map(row).collect::<String>())
}
