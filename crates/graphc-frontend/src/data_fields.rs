//! Field tables of `data`.

use crate::augment::{AUGMENT_FIELD, MIXUP_FIELD};
use crate::field::{Field, Kind, Range, SAMPLES, SEED, SIZE, Section, Variants};

/// `data`, by its format.
pub(crate) static DATA: Variants = Variants {
    name: "data",
    tag: "format",
    otherwise: Some("told by the names of the files"),
    sections: || DATA_SECTIONS,
};

const SCALE: Field = Field::or(
    "scale",
    Kind::Number(Range::Any),
    "1.0",
    "Factor on the values of `f32` inputs but the target, such as 1/255 for pixels.",
);
const PREPROCESS_FIELD: Field = Field::or(
    "preprocess",
    Kind::Map(&PREPROCESS),
    "{}",
    "What happens to the values of an input before the network sees them, by its name.",
);

const ARRAY_FIELDS: &[Field] = &[
    SCALE,
    PREPROCESS_FIELD,
    AUGMENT_FIELD,
    MIXUP_FIELD,
    Field::required("train", Kind::Files, "Training data: a file for every input."),
    Field::optional("validation", Kind::Files, "`validation_split`", "Data to validate on: a file for every input."),
    Field::optional("test", Kind::Files, "no test after the training", "Test data: a file for every input."),
];

const PICTURE_FIELDS: [Field; 4] = [SCALE, PREPROCESS_FIELD, AUGMENT_FIELD, MIXUP_FIELD];

const TABLE_FIELDS: &[Field] = &[
    PREPROCESS_FIELD,
    AUGMENT_FIELD,
    MIXUP_FIELD,
    Field::required("columns", Kind::Columns, "The columns that every input is made of."),
    Field::optional(
        "delimiter",
        Kind::Choice(&[",", ";", "\t", "|", " "]),
        "a comma, or a tab in `tsv`",
        "What separates the cells.",
    ),
    Field::or(
        "header",
        Kind::Bool,
        "true",
        "Whether the first row has the names of the columns; otherwise these are `0`, `1` and so on.",
    ),
    Field::required("train", Kind::Path, "Training data: a file, which may be compressed with gzip."),
    Field::optional("validation", Kind::Path, "`validation_split`", "Data to validate on: a file."),
    Field::optional("test", Kind::Path, "no test after the training", "Test data: a file."),
];

const CIFAR_FILES: [Field; 3] = [
    Field::required("train", Kind::Paths, "Training data: a file, or a list of files that belong together."),
    Field::optional("validation", Kind::Paths, "`validation_split`", "Data to validate on: a file or a list."),
    Field::optional("test", Kind::Paths, "no test after the training", "Test data: a file or a list."),
];

const DATA_SECTIONS: &[Section] = &[
    Section {
        name: "idx",
        doc: "Files in the format of MNIST, of any of its element types, which may be compressed with gzip. With a \
              `validation_split`, the last samples validate.",
        fields: ARRAY_FIELDS,
    },
    Section {
        name: "npy",
        doc: "Arrays of NumPy, one in each file. The first size counts samples. With a `validation_split`, samples to validate \
              on are drawn by the seed, from every class alike.",
        fields: ARRAY_FIELDS,
    },
    Section {
        name: "npz",
        doc: "Arrays of NumPy, several in a file; `file.npz#name` is one. Otherwise as `npy`.",
        fields: ARRAY_FIELDS,
    },
    Section {
        name: "safetensors",
        doc: "Tensors by name; `file.safetensors#name` is one. Otherwise as `npy`.",
        fields: ARRAY_FIELDS,
    },
    Section {
        name: "csv",
        doc: "Tables as text (RFC 4180). Samples to validate on are drawn as for `npy`.",
        fields: TABLE_FIELDS,
    },
    Section { name: "tsv", doc: "The same, with tabs between the cells.", fields: TABLE_FIELDS },
    Section {
        name: "images",
        doc: "Folders of PNG and JPEG pictures with a sub-folder for each class, whose name is that of the class. Pictures \
              are resized to the shape of the input, with 1 or 3 channels. Samples to validate on are drawn as for `npy`.",
        fields: &[
            PICTURE_FIELDS[0],
            PICTURE_FIELDS[1],
            PICTURE_FIELDS[2],
            PICTURE_FIELDS[3],
            Field::required("train", Kind::Path, "Training data: a folder."),
            Field::optional("validation", Kind::Path, "`validation_split`", "Data to validate on: a folder."),
            Field::optional("test", Kind::Path, "no test after the training", "Test data: a folder."),
        ],
    },
    Section {
        name: "cifar10",
        doc: "The binary files of CIFAR-10: pictures of 32x32x3 and their classes.",
        fields: &[
            PICTURE_FIELDS[0],
            PICTURE_FIELDS[1],
            PICTURE_FIELDS[2],
            PICTURE_FIELDS[3],
            CIFAR_FILES[0],
            CIFAR_FILES[1],
            CIFAR_FILES[2],
        ],
    },
    Section {
        name: "cifar100",
        doc: "The binary files of CIFAR-100.",
        fields: &[
            PICTURE_FIELDS[0],
            PICTURE_FIELDS[1],
            PICTURE_FIELDS[2],
            PICTURE_FIELDS[3],
            CIFAR_FILES[0],
            CIFAR_FILES[1],
            CIFAR_FILES[2],
            Field::or(
                "labels",
                Kind::Choice(&["fine", "coarse"]),
                "\"fine\"",
                "The hundred classes, or twenty of them.",
            ),
        ],
    },
    Section {
        name: "text",
        doc: "Files of text (UTF-8), which may be compressed with gzip; several are one text. A sample is a window of as many \
              characters as the `i32` input of shape `[N, T]` takes; the target of the same shape has for each of them the one \
              that follows, and a target of shape `[N]` the one behind the last. Characters are numbered in the order of \
              their code points, from 0; those of the training part are kept with the weights. With a `validation_split`, the end \
              of the text validates.",
        fields: &[
            CIFAR_FILES[0],
            CIFAR_FILES[1],
            CIFAR_FILES[2],
            Field::or(
                "test_split",
                Kind::Number(Range::Fraction),
                "0.0",
                "Share of the training text, at its end, that tests, in place of files of its own.",
            ),
            Field::or(
                "level",
                Kind::Choice(&["characters", "bytes"]),
                "\"characters\"",
                "What is numbered. Bytes are their own numbers, from 0 to 255.",
            ),
            Field::or(
                "unknown",
                Kind::Choice(&["refuse", "class"]),
                "\"refuse\"",
                "A character that the training part does not have is a mistake, or all such ones have one number more, the last.",
            ),
            Field::optional(
                "stride",
                SIZE,
                "as many windows as let each character follow once, which begin elsewhere in every epoch",
                "From the start of a window to that of the next.",
            ),
        ],
    },
    Section {
        name: "synthetic",
        doc: "Random samples in the shapes of the inputs, for a network that no data set is at hand for. Every class has a \
              random prototype of each `f32` input (of an image, a grid of patches); a sample is the mean of its class's \
              prototype and of noise, in bytes as pixels are. `i32` inputs are the class's number, below 256, or, for an \
              `embedding`, as many numbers below its `input_dim`, every other one of which is that of the class's prototype. If the target \
              has no classes, samples are of ten kinds, so a regression has something to learn too.",
        fields: &[
            Field::required("samples", SAMPLES, "Number of training samples."),
            Field::optional("test_samples", SAMPLES, "no test after the training", "Number of test samples."),
            Field::or("scale", Kind::Number(Range::Any), "0.00392156862745098", "Factor on the bytes of `f32` inputs."),
            PREPROCESS_FIELD,
            AUGMENT_FIELD,
            MIXUP_FIELD,
            Field::or(
                "seed",
                SEED,
                "1",
                "Seed of prototypes, classes and noise; that of `train` does not change them.",
            ),
        ],
    },
];

/// One entry of `preprocess`.
pub(crate) static PREPROCESS: Section = Section {
    name: "preprocess",
    doc: "A value `x` becomes `x * scale + offset`, and then, with `standardise`, less the mean and divided by the deviation \
          of the training samples, of each index on the last axis by itself. Predictions of a target that is changed so are \
          given in its original unit.",
    fields: &[
        Field::optional("scale", Kind::Number(Range::Any), "that of `data`", "A factor."),
        Field::or("offset", Kind::Number(Range::Any), "0.0", "What is added after that."),
        Field::or("standardise", Kind::Bool, "false", "Whether training samples get mean 0 and deviation 1."),
        Field::or("one_hot", Kind::Bool, "false", "Whether class numbers become vectors with a 1 at that place."),
        Field::or("resize", Kind::Bool, "false", "Whether pictures of another size are resized."),
        Field::or("grayscale", Kind::Bool, "false", "Whether pictures with three channels become grey."),
        Field::or("invert", Kind::Bool, "false", "Whether bytes become 255 less themselves."),
    ],
};

/// A column of a table, where its name alone does not say all.
pub(crate) static COLUMN: Section = Section {
    name: "column",
    doc: "A column of a table, or only its name. Of an `f32` input its cells are numbers. Of an `i32` input they are class \
          numbers, or texts, which are numbered in the order of their names.",
    fields: &[
        Field::required("name", Kind::Text, "Its name in the first row."),
        Field::optional(
            "categories",
            Kind::Choice(&["number", "one_hot"]),
            "cells are numbers",
            "Cells are categories: they get the numbers of their order, or an element each that is 1 or 0.",
        ),
        Field::or(
            "unknown",
            Kind::Choice(&["refuse", "class"]),
            "\"refuse\"",
            "A category that no training sample has is a mistake, or all such ones are one more category.",
        ),
        Field::or(
            "missing",
            Kind::Choice(&["refuse", "mean", "median", "most_frequent"]),
            "\"refuse\"",
            "A cell that is empty, `NA`, `NaN`, `null`, `none` or `?` is a mistake, or stands for that of the training samples.",
        ),
        Field::optional("fill", Kind::Number(Range::Any), "see `missing`", "The number that stands for a missing one."),
        Field::optional("fill_category", Kind::Text, "see `missing`", "The category that stands for a missing one."),
    ],
};
