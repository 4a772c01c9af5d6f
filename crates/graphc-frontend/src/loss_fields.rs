//! `loss`: the ops that are losses, with their attributes as fields.

use crate::field::{Field, Kind, Range, Section, Variants};
use crate::json::{Json, JsonValue};
use crate::node_ops;
use crate::read::Record;
use graphc_ir::Op;
use graphc_ir::ops::OpInfo;
use graphc_ir::ops::facts::{LossUsage, Predicted};
use std::sync::LazyLock;

/// The losses.
pub(crate) static LOSSES: Variants = Variants { name: "loss", tag: "op", otherwise: None, sections };

fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| Op::ALL.iter().filter_map(section).collect());
    &SECTIONS
}

/// Tables are for the life of the program.
fn section(info: &'static OpInfo) -> Option<Section> {
    let usage: LossUsage = info.loss?;
    let mut fields = vec![PREDICTION];
    if info.arity > 1 {
        fields.push(TARGET);
    }
    if info.n_optional > 0 {
        fields.push(WEIGHTS);
    }
    if usage.of != Predicted::Values {
        fields.push(CLASS_WEIGHTS);
    }
    fields.extend((info.fields)().iter().map(|attribute| node_ops::field(attribute, usage.optional)));
    fields.extend([WEIGHT, NAME]);
    Some(Section { name: info.name, doc: usage.doc, fields: fields.leak() })
}

/// Under what names several losses are reported, as far as they can be told before the network is read.
pub(crate) fn reported_names(file: &Record<'_>) -> Vec<String> {
    let items = match file.json("loss").map(|json| &json.value) {
        Some(JsonValue::Array(items)) => items.as_slice(),
        Some(JsonValue::Object(members)) if members.iter().any(|m| ["weight", "name"].contains(&&*m.key.value)) => {
            file.json("loss").map(std::slice::from_ref).unwrap_or_default()
        }
        _ => &[],
    };
    let name = |item: &Json| {
        let JsonValue::Object(members) = &item.value else { return None };
        let text = |field: &str| match &members.iter().find(|member| member.key.value == field)?.value.value {
            JsonValue::String(text) => Some(text.clone()),
            _ => None,
        };
        Some(reported(&text("name").or_else(|| Some(text("prediction")?.replace('.', "_")))?))
    };
    items.iter().filter_map(name).collect()
}

/// How a loss of that name is reported.
pub(crate) fn reported(name: &str) -> String {
    format!("{name}_loss")
}

const PREDICTION: Field =
    Field::required("prediction", Kind::NodeName, "The node that is compared; also an output of that name.");
const TARGET: Field = Field::required(
    "target",
    Kind::Reference,
    "What it is compared with: in general an input. If it is a node, that learns, too, unless there is a `stop_gradient` in between.",
);
const WEIGHTS: Field = Field::optional(
    "weights",
    Kind::Reference,
    "every sample counts alike",
    "An input or node (`f32`) by which parts of the loss are multiplied, the mask of padded sequences for example: of shape `[\"N\"]` a number for \
     each sample, of shape `[\"N\", ...]` one for each of its elements, or of its labels. The sum is divided by how many there are, whatever the \
     weights are.",
);
const CLASS_WEIGHTS: Field = Field::optional(
    "class_weights",
    Kind::Numbers(Range::NotNegative),
    "every class counts alike",
    "A weight for each class (of a binary cross-entropy for no and for yes), by which a sample's part of the loss is multiplied in training, not in \
     validation and test.",
);
const WEIGHT: Field =
    Field::or("weight", Kind::Number(Range::Any), "1.0", "What the loss is multiplied with in the sum of all losses.");
const NAME: Field = Field::optional(
    "name",
    Kind::Name,
    "the prediction's name",
    "In a list of losses: this one is reported as `<name>_loss`, by itself and without its `weight`.",
);
