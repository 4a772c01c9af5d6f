//! `augment` and `mixup` of `data`: what happens at random to samples that are trained on.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::field::{Field, Kind, Range, Section};
use crate::json::{Json, JsonValue, Member};
use crate::read::{Record, read};
use graphc_ir::graph::builder::GraphBuilder;
use graphc_ir::text::shown;
use graphc_ir::{DType, NodeId, TensorType};

/// What happens to the samples of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentConfig {
    /// Whether pictures are mirrored.
    pub flip: Option<FlipConfig>,
    /// Share of the size by which they are enlarged or made smaller.
    pub zoom: f64,
    /// Degrees.
    pub rotate: f64,
    /// Pixels.
    pub shift: u32,
    /// Pixels of padding.
    pub crop: u32,
    /// How much farther values go from their mean, or nearer to it.
    pub contrast: f64,
    /// Share of the range that is added.
    pub brightness: f64,
    /// Deviation of random numbers that are added, as a share of the range.
    pub noise: f64,
    /// Whether rectangles are blanked.
    pub erase: Option<EraseConfig>,
    /// What stands outside of pictures.
    pub fill: FillConfig,
    /// The constant, as the source has values.
    pub fill_value: f64,
    /// Least and greatest value of the source.
    pub range: Option<[f64; 2]>,
}

/// Which sides of a picture change places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlipConfig {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
    /// Both, each by itself.
    Both,
}

/// What stands outside of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillConfig {
    /// One value.
    Constant,
    /// The nearest pixel.
    Nearest,
    /// The mirrored picture.
    Reflect,
}

/// Which rectangles are blanked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EraseConfig {
    /// How often.
    pub probability: f64,
    /// Least and greatest share of the area.
    pub area: [f64; 2],
    /// Least and greatest height by width.
    pub ratio: [f64; 2],
}

/// How samples are mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixupConfig {
    /// Of the distribution of their shares.
    pub alpha: f64,
}

pub(crate) const AUGMENT_FIELD: Field = Field::or(
    "augment",
    Kind::Map(&AUGMENT),
    "{}",
    "What happens at random to an input of the samples that are trained on, by its name.",
);

pub(crate) const MIXUP_FIELD: Field = Field::optional(
    "mixup",
    Kind::Object(&MIXUP),
    "samples are not mixed",
    "Whether samples that are trained on are mixed with others, all their inputs alike.",
);

const PIXELS: Kind = Kind::Int { min: 0, max: i32::MAX as i64 };

/// One entry of `augment`.
pub(crate) static AUGMENT: Section = Section {
    name: "augment",
    doc: "Every epoch has every sample in another form, drawn from the `seed` of `train`, the epoch and the sample; \
          samples that validate or test stay as they are. Changes are made in the order of this table, before \
          `scale`, `offset` and `standardise`, after the others of `preprocess`. An input `[\"N\", height, width]` or \
          `[\"N\", height, width, channels]` is a picture; of others only `noise` is for them. Shares are of the \
          range of the source's values, 0 to 255 of bytes.",
    fields: &[
        Field::optional(
            "flip",
            Kind::Choice(&["horizontal", "vertical", "both"]),
            "none",
            "Left and right, or top and bottom, change places every other time; with `both` each by itself.",
        ),
        Field::or(
            "zoom",
            Kind::Number(Range::UpTo(0.9)),
            "0.0",
            "The size is multiplied by a number from `1 - zoom` to `1 + zoom`, about the centre.",
        ),
        Field::or("rotate", Kind::Number(Range::UpTo(180.0)), "0.0", "Turned by up to so many degrees, either way."),
        Field::or("shift", PIXELS, "0", "Moved by up to so many whole pixels up or down, and left or right."),
        Field::or(
            "crop",
            PIXELS,
            "0",
            "Padded by so many pixels on each side and cut to its size at a random place: as `shift`, to which it is \
             added.",
        ),
        Field::or(
            "contrast",
            Kind::Number(Range::UpTo(1.0)),
            "0.0",
            "Distances from the mean of the picture's channel are multiplied by a number from `1 - contrast` to `1 + \
             contrast`.",
        ),
        Field::or(
            "brightness",
            Kind::Number(Range::UpTo(1.0)),
            "0.0",
            "The same number is added to all values, from `-brightness` to `brightness` times the range.",
        ),
        Field::or(
            "noise",
            Kind::Number(Range::NotNegative),
            "0.0",
            "To each value a normal random number is added whose deviation is that share of the range; of inputs that \
             are no pictures, that number itself after `preprocess`.",
        ),
        Field::optional("erase", Kind::Object(&ERASE), "nothing is erased", "Now and then a rectangle is blanked."),
        Field::or(
            "fill",
            Kind::Choice(&["constant", "nearest", "reflect"]),
            "\"constant\"",
            "What stands where a picture was moved away: `fill_value`, the nearest pixel, or the picture mirrored at \
             its border.",
        ),
        Field::or(
            "fill_value",
            Kind::Number(Range::Any),
            "0.0",
            "The value there and in what is erased, as the source has values; 0 is black.",
        ),
        Field::optional(
            "range",
            Kind::Numbers(Range::Any),
            "0 to 255 of bytes, else 0 to 1",
            "Two numbers, the least and the greatest value of the source. Changed values of bytes, or where it is \
             given, stay in it.",
        ),
    ],
};

/// `erase`.
pub(crate) static ERASE: Section = Section {
    name: "erase",
    doc: "Random erasing (Zhong and others 2017), with the numbers of torchvision.",
    fields: &[
        Field::or("probability", Kind::Number(Range::UpTo(1.0)), "0.5", "How often."),
        Field::or(
            "area",
            Kind::Numbers(Range::UpTo(1.0)),
            "[0.02, 0.33]",
            "Two numbers, the least and the greatest area, as shares of the picture's.",
        ),
        Field::or(
            "ratio",
            Kind::Numbers(Range::Positive),
            "[0.3, 3.3]",
            "Two numbers, the least and the greatest height by width.",
        ),
    ],
};

/// `mixup`.
pub(crate) static MIXUP: Section = Section {
    name: "mixup",
    doc: "Every sample is mixed with another one that is trained on: each of its inputs becomes `share * own + (1 - \
          share) * other`, the target too (Zhang and others 2017). Class numbers cannot be mixed: give the target the \
          shape of the prediction and `one_hot`.",
    fields: &[Field::or(
        "alpha",
        Kind::Number(Range::Positive),
        "0.2",
        "Shares are drawn from Beta(alpha, alpha): 1 is even, with less one of both is hardly seen.",
    )],
};

/// What is known of the network.
pub(crate) struct Inputs<'a> {
    /// Names of all inputs.
    pub(crate) names: Vec<&'a str>,
    /// Inputs that are there and built, with their nodes.
    pub(crate) nodes: Vec<(&'a str, NodeId)>,
    pub(crate) builder: &'a GraphBuilder,
    /// Those that the loss reads itself.
    pub(crate) of_loss: Vec<&'a str>,
}

impl Inputs<'_> {
    fn ty(&self, name: &str) -> Option<&TensorType> {
        self.nodes.iter().find(|(known, _)| *known == name).map(|&(_, node)| self.builder.ty(node))
    }
}

/// Reads the entries of `augment`, whose keys have been compared with the inputs.
pub(crate) fn read_augment(
    members: &[Member],
    inputs: &Inputs<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<(String, AugmentConfig)>> {
    let mut all = Some(Vec::new());
    for member in members {
        let name = &member.key.value;
        let config = read_entry(name, &member.value, diagnostics);
        let fits = check_input(member, inputs, diagnostics);
        match (&mut all, config) {
            (Some(all), Some(config)) if fits => all.push((name.clone(), config)),
            _ => all = None,
        }
    }
    all
}

fn read_entry(name: &str, json: &Json, diagnostics: &mut Diagnostics) -> Option<AugmentConfig> {
    let what = format!("`augment` of `{}`", shown(name));
    let record = read(&what, &[AUGMENT.fields], json, diagnostics)?;
    let erase = match record.json("erase") {
        Some(json) => Some(read_erase(json, diagnostics)?),
        None => None,
    };
    let range = match record.json("range") {
        Some(_) => Some(pair(&record, "range", true, diagnostics)?),
        None => None,
    };
    if !record.ok {
        return None;
    }
    let pixels = |field: &str| u32::try_from(record.int(field)?).ok();
    Some(AugmentConfig {
        flip: record.text("flip").map(|flip| match flip.as_str() {
            "horizontal" => FlipConfig::Horizontal,
            "vertical" => FlipConfig::Vertical,
            _ => FlipConfig::Both,
        }),
        zoom: record.number("zoom")?,
        rotate: record.number("rotate")?,
        shift: pixels("shift")?,
        crop: pixels("crop")?,
        contrast: record.number("contrast")?,
        brightness: record.number("brightness")?,
        noise: record.number("noise")?,
        erase,
        fill: match record.text("fill")?.as_str() {
            "nearest" => FillConfig::Nearest,
            "reflect" => FillConfig::Reflect,
            _ => FillConfig::Constant,
        },
        fill_value: record.number("fill_value")?,
        range,
    })
}

fn read_erase(json: &Json, diagnostics: &mut Diagnostics) -> Option<EraseConfig> {
    let record = read("`erase`", &[ERASE.fields], json, diagnostics)?;
    let (area, ratio) = (pair(&record, "area", false, diagnostics), pair(&record, "ratio", false, diagnostics));
    Some(EraseConfig { probability: record.number("probability")?, area: area?, ratio: ratio? })
}

/// Two numbers, the first of which is not greater, or is less.
fn pair(record: &Record<'_>, field: &str, is_strict: bool, diagnostics: &mut Diagnostics) -> Option<[f64; 2]> {
    let numbers = record.numbers(field)?;
    match numbers[..] {
        [low, high] if low < high || (low == high && !is_strict) => Some([low, high]),
        _ => {
            let message = format!("`{field}` must be two numbers, the least and the greatest");
            let label = match numbers.len() {
                2 => "these do not ascend".to_string(),
                1 => "this list has 1 entry".to_string(),
                n => format!("this list has {n} entries"),
            };
            diagnostics.push(Diagnostic::new(message, record.span_of(field), label));
            None
        }
    }
}

/// Whether the input of an entry can be changed so; if not, that is reported.
fn check_input(member: &Member, inputs: &Inputs<'_>, diagnostics: &mut Diagnostics) -> bool {
    let name = &member.key.value;
    let JsonValue::Object(fields) = &member.value.value else { return false };
    let Some(ty) = inputs.ty(name) else { return false };
    let mut refuse = |message: String, span: &Span, label: String| {
        diagnostics.push(Diagnostic::new(message, span.clone(), label));
        false
    };
    if inputs.of_loss.contains(&name.as_str()) {
        let message = format!("`augment` is about `{name}`, which the loss reads");
        return refuse(
            message,
            &member.key.span,
            "expected an input that nodes read; `mixup` mixes targets, too".into(),
        );
    }
    if ty.dtype != DType::F32 {
        let message = format!("`augment` is about `{name}`, whose elements are integers");
        return refuse(message, &member.key.span, format!("expected an input of f32, this is {ty}"));
    }
    let is_picture = matches!(ty.rank(), 3 | 4);
    let of_pictures = |field: &&Member| !is_picture && field.key.value != "noise";
    let is_known = |field: &&Member| AUGMENT.fields.iter().any(|known| known.name == field.key.value);
    let mut fits = true;
    for field in fields.iter().filter(of_pictures).filter(is_known) {
        let message = format!("`{}` is for pictures, but `{name}` is {ty}", field.key.value);
        let label = "expected an input of shape [N,height,width] or [N,height,width,channels]".to_string();
        fits = refuse(message, &field.key.span, label);
    }
    fits
}

/// Nothing if it is wrong; its absence is no mixing.
pub(crate) fn read_mixup(
    data: &Record<'_>,
    inputs: &Inputs<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Option<MixupConfig>> {
    let Some(json) = data.json("mixup") else { return (!data.is_refused("mixup")).then_some(None) };
    let record = read("`mixup`", &[MIXUP.fields], json, diagnostics)?;
    let is_integer = |node: NodeId| {
        inputs.builder.ty(node).dtype == DType::I32 && inputs.builder.ty(node).shape.batch_axis().is_some()
    };
    let integers = inputs.nodes.iter().filter(|(_, node)| is_integer(*node)).map(|(name, _)| *name);
    let mut fits = true;
    for name in integers {
        fits = false;
        let message = format!("`mixup` cannot mix `{name}`, whose elements are integers");
        let diagnostic = Diagnostic::new(message, json.span.clone(), "expected inputs of f32 only");
        diagnostics.push(match inputs.of_loss.contains(&name) {
            true => diagnostic.help(format!(
                "give `{name}` the dtype f32 and the shape of the prediction, and `\"preprocess\": {{ \"{name}\": {{ \
                 \"one_hot\": true }} }}`"
            )),
            false => diagnostic,
        });
    }
    let alpha = record.number("alpha")?;
    fits.then_some(Some(MixupConfig { alpha }))
}
