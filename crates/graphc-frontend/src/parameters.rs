//! `parameters`: what of the training is different for some of them.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::field::{Field, Kind, Range, Section};
use crate::read::{Record, list, read};
use graphc_ir::NodeId;
use graphc_ir::graph::builder::GraphBuilder;
use graphc_ir::optimizers::ParameterSettings;
use graphc_ir::text::shown;
use std::collections::{BTreeMap, BTreeSet};

/// One entry of `parameters`.
pub(crate) static PARAMETERS: Section = Section {
    name: "parameters",
    doc: "Settings of the parameters whose names match a pattern. Each setting of a parameter is that of the last entry which matches it and says \
          something of that setting, so that general entries stand before special ones. Moving statistics are not trained, and never match.",
    fields: &[
        Field::required(
            "match",
            Kind::Text,
            "A pattern of names such as `conv1.kernel`: `*` stands for any characters, also none, `?` for one. It must match something.",
        ),
        Field::optional(
            "trainable",
            Kind::Bool,
            "as the node says",
            "Whether they are trained. Those that are not have no gradient, and the optimizer and averages keep nothing for them.",
        ),
        Field::optional(
            "learning_rate_factor",
            Kind::Number(Range::NotNegative),
            "1",
            "What the learning rate is multiplied by, whatever the schedule makes of it.",
        ),
        Field::optional(
            "weight_decay",
            Kind::Number(Range::NotNegative),
            "the optimizer's",
            "The decay of an optimizer that has one; 0, for biases and normalisations, fits any.",
        ),
        Field::optional(
            "l2",
            Kind::Number(Range::NotNegative),
            "0",
            "A term of the loss, as Keras's regularizer `L2`: `l2 * sum(w^2)` of each that is trained, in validation and test, too.",
        ),
    ],
};

/// What the entries come to for one parameter.
#[derive(Clone, Copy, Debug, Default)]
struct Combined {
    trainable: Option<bool>,
    l2: Option<f64>,
    settings: ParameterSettings,
}

/// Applies `parameters` to a network whose nodes are built and which has its loss.
pub(crate) fn read_parameters(file: &Record<'_>, builder: &mut GraphBuilder, diagnostics: &mut Diagnostics) {
    let Some(entries) = file.json("parameters").and_then(|_| file.items("parameters")) else { return };
    // A node that is wrong has no parameters, which would be missed here.
    let is_whole = diagnostics.is_empty();
    let names: BTreeMap<NodeId, String> =
        builder.weights().into_iter().map(|id| (id, builder.graph().node(id).name.clone())).collect();
    let mut combined: BTreeMap<NodeId, Combined> = BTreeMap::new();
    for (position, json) in entries.iter().enumerate() {
        let what = format!("entry {} of `parameters`", position + 1);
        let Some(entry) = read(&what, &[PARAMETERS.fields], json, diagnostics).filter(|entry| entry.ok) else {
            continue;
        };
        let Some(pattern) = entry.text("match") else { continue };
        let given = Combined {
            trainable: entry.bool("trainable"),
            l2: entry.number("l2"),
            settings: ParameterSettings {
                learning_rate_factor: entry.number("learning_rate_factor"),
                weight_decay: entry.number("weight_decay"),
            },
        };
        check_entry(&what, &entry, &given, builder, diagnostics);
        let matching: Vec<NodeId> =
            names.iter().filter(|(_, name)| matches(&pattern, name)).map(|(&id, _)| id).collect();
        if matching.is_empty() && is_whole {
            let diagnostic = matches_nothing(&pattern, &entry, &names, builder, diagnostics);
            diagnostics.push(diagnostic);
        }
        for id in matching {
            combined.entry(id).or_default().overlay(&given);
        }
    }
    if diagnostics.is_empty() {
        apply(&combined, &names, builder, diagnostics);
    }
}

impl Combined {
    /// What is given takes the place of what was.
    fn overlay(&mut self, given: &Combined) {
        self.trainable = given.trainable.or(self.trainable);
        self.l2 = given.l2.or(self.l2);
        let (own, given) = (&mut self.settings, &given.settings);
        own.learning_rate_factor = given.learning_rate_factor.or(own.learning_rate_factor);
        own.weight_decay = given.weight_decay.or(own.weight_decay);
    }
}

/// An entry must say something, and nothing that the optimizer does not do.
fn check_entry(
    what: &str,
    entry: &Record<'_>,
    given: &Combined,
    builder: &GraphBuilder,
    diagnostics: &mut Diagnostics,
) {
    if given.trainable.is_none() && given.l2.is_none() && given.settings == ParameterSettings::default() {
        let label = format!("expected one of {}", list(PARAMETERS.fields[1..].iter().map(|field| field.name)));
        diagnostics.push(Diagnostic::new(format!("{what} has a pattern, but no setting"), entry.span.clone(), label));
    }
    let optimizer = builder.graph().optimizer.as_ref();
    if let Some(Err(message)) = optimizer.map(|optimizer| optimizer.check_settings(&given.settings)) {
        let label = "expected 0, or an optimizer such as `adamw`";
        diagnostics.push(Diagnostic::new(message, entry.span_of("weight_decay"), label));
    }
}

/// Says which patterns there could be.
fn matches_nothing(
    pattern: &str,
    entry: &Record<'_>,
    names: &BTreeMap<NodeId, String>,
    builder: &GraphBuilder,
    diagnostics: &mut Diagnostics,
) -> Diagnostic {
    let graph = builder.graph();
    let mut parameters = graph.ids().into_iter().filter(|&id| graph.is_parameter(id));
    let message = match parameters.any(|id| matches(pattern, &graph.node(id).name)) {
        true => format!("`{}` matches moving statistics alone, which are not trained", shown(pattern)),
        false => format!("no parameter matches `{}`", shown(pattern)),
    };
    let mut known: BTreeSet<String> = names.values().cloned().collect();
    for (layer, weight) in names.values().filter_map(|name| name.rsplit_once('.')) {
        known.extend([format!("*.{weight}"), format!("{layer}.*")]);
    }
    let close = diagnostics.closest(pattern, known.iter().map(String::as_str));
    let examples = list(known.iter().map(String::as_str).filter(|known| known.starts_with("*.")));
    let label = match examples.is_empty() {
        true => "expected a pattern of a parameter's name".to_string(),
        false => format!("expected a pattern such as {examples}, or the name of a parameter"),
    };
    Diagnostic::new(message, entry.span_of("match"), label).did_you_mean(close)
}

/// Lets the network be as the entries say.
fn apply(
    combined: &BTreeMap<NodeId, Combined>,
    names: &BTreeMap<NodeId, String>,
    builder: &mut GraphBuilder,
    diagnostics: &mut Diagnostics,
) {
    for (&id, Combined { trainable, settings, .. }) in combined {
        if let Some(trainable) = trainable {
            builder.train_weight(id, *trainable);
        }
        if *settings != ParameterSettings::default() {
            builder.settings_of(&names[&id], *settings);
        }
    }
    let factors = combined.iter().filter_map(|(&id, combined)| Some((id, combined.l2.filter(|&l2| l2 != 0.0)?)));
    let trained: Vec<(NodeId, f64)> = factors.filter(|(id, _)| !builder.frozen().contains(id)).collect();
    if let Err(error) = builder.l2_penalty(&trained) {
        diagnostics.push(Diagnostic::of_file(error.to_string()));
    }
}

/// Whether a name is of that pattern, in which `*` is any characters and `?` one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Where the last `*` stands, and where the name goes on behind what it stands for.
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&c) if c == '?' || c == name[read] => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((before, from)) = star else { return false };
                star = Some((before, from + 1));
                (at, read) = (before + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name) in [
            ("conv1.kernel", "conv1.kernel"),
            ("*", "conv1.kernel"),
            ("*.bias", "block1.conv1.bias"),
            ("conv?.kernel", "conv1.kernel"),
            ("conv*.*", "conv10.bias"),
            ("**a*b", "aab"),
            ("*a*a", "aba"),
            ("bn*", "bn"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("conv1", "conv1.kernel"),
            ("*.bias", "bias"),
            ("conv?.kernel", "conv10.kernel"),
            ("*.bias", "conv1.bias2"),
            ("", "a"),
            ("?", ""),
            ("*a", "ab"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
