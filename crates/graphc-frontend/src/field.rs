//! What tables of fields are made of. The tables are in `fields` and beside what reads them.

pub(crate) use graphc_ir::range::Range;

/// What a field accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any string.
    Text,
    /// The name of the network: text that can be shown.
    Title,
    /// A name: letters, digits and `_`, not starting with a digit.
    Name,
    /// The name of an input.
    InputName,
    /// The name of a node.
    NodeName,
    /// The name of an input or node, or a list of such names.
    References,
    /// An integer in a range.
    Int { min: i64, max: i64 },
    /// A number in a range.
    Number(Range),
    /// `true` or `false`.
    Bool,
    /// A size of at least `min`, or a list of two: height and width.
    Pair { min: usize },
    /// `"valid"`, `"same"`, a number of zeros, or a list of four: top, bottom, left, right.
    Padding,
    /// A list of sizes, in which `"N"` may stand first.
    Shape,
    /// A list of dimension numbers.
    Axes,
    /// A list of sizes of at least 1, at least one.
    Sizes,
    /// A list of sizes of at least 1, each greater than the one before.
    Ascending,
    /// The name of an element type.
    DType,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A list of numbers in a range, at least one.
    Numbers(Range),
    /// A list of metrics.
    Metrics,
    /// An object with these fields.
    Object(&'static Section),
    /// An object one of whose fields chooses one of several tables.
    OneOf(&'static Variants),
    /// An object from names to objects with these fields.
    Map(&'static Section),
    /// An object from input names to file names.
    Files,
    /// The name of a file or folder.
    Path,
    /// The name of a file, or a list of names.
    Paths,
    /// An object from input names to columns of a table.
    Columns,
    /// What a parameter begins with: a number, a name, or an object with a name and settings.
    Initializer,
    /// The list of nodes.
    Nodes,
    /// A list of objects with these fields.
    Entries(&'static Section),
}

/// What holds if a field is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    /// It must be there.
    Required,
    /// This JSON value.
    Json(&'static str),
    /// Something that is not a fixed value, in words.
    Absent(&'static str),
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Default,
    pub(crate) doc: &'static str,
}

impl Field {
    pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Field {
        Field { name, kind, default: Default::Required, doc }
    }

    /// A field with a default, given as JSON.
    pub(crate) const fn or(name: &'static str, kind: Kind, json: &'static str, doc: &'static str) -> Field {
        Field { name, kind, default: Default::Json(json), doc }
    }

    /// A field that may be left out; `otherwise` says what holds then.
    pub(crate) const fn optional(name: &'static str, kind: Kind, otherwise: &'static str, doc: &'static str) -> Field {
        Field { name, kind, default: Default::Absent(otherwise), doc }
    }
}

/// The fields of one kind of object.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Name in messages and in the reference; for an op its mnemonic.
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

/// Objects of several kinds, told apart by the string in one field.
#[derive(Debug)]
pub(crate) struct Variants {
    /// Name in messages.
    pub(crate) name: &'static str,
    /// The field that holds the name of a table.
    pub(crate) tag: &'static str,
    /// What tells the table where that field is not there, if something does.
    pub(crate) otherwise: Option<&'static str>,
    pub(crate) sections: fn() -> &'static [Section],
}

impl Variants {
    /// The field that chooses the table, which each of them has besides its own.
    pub(crate) const fn tag_field(&self) -> Field {
        match self.otherwise {
            Some(otherwise) => Field::optional(self.tag, Kind::Text, otherwise, "Which one."),
            None => Field::required(self.tag, Kind::Text, "Which one."),
        }
    }
}

/// An integer that is a size.
pub(crate) const SIZE: Kind = Kind::Int { min: 1, max: i32::MAX as i64 };

pub(crate) const SEED: Kind = Kind::Int { min: 0, max: i64::MAX };

/// A number of samples to make up. More than this many would be a slip, not a wish.
pub(crate) const SAMPLES: Kind = Kind::Int { min: 1, max: 10_000_000 };
