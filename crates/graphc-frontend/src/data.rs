//! `data`: where samples come from and what happens to them.

use crate::augment::{AugmentConfig, Inputs, MixupConfig, read_augment, read_mixup};
use crate::data_fields::{COLUMN, DATA, PREPROCESS};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::field::Section;
use crate::json::{Json, JsonValue, Member, Spanned};
use crate::read::{Record, list, read, read_as, read_one_of, wrong_kind};
use graphc_ir::text::{cut, shown};
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the data comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct DataConfig {
    /// Factor on the values of `f32` inputs, but not on a target that is read from a file.
    pub scale: f64,
    /// What else happens to inputs, by their names.
    pub preprocess: Vec<(String, PreprocessConfig)>,
    /// What happens at random to inputs of samples that are trained on, by their names.
    pub augment: Vec<(String, AugmentConfig)>,
    /// Whether these samples are mixed with others.
    pub mixup: Option<MixupConfig>,
    /// What gives the values.
    pub source: DataSource,
}

/// What happens to an input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreprocessConfig {
    /// Factor in place of that of the whole data.
    pub scale: Option<f64>,
    /// Added after that.
    pub offset: f64,
    /// Whether training samples get mean 0 and deviation 1.
    pub standardise: bool,
    /// Whether class numbers become vectors.
    pub one_hot: bool,
    /// Whether pictures are resized.
    pub resize: bool,
    /// Whether pictures become grey.
    pub grayscale: bool,
    /// Whether pictures become negatives.
    pub invert: bool,
}

/// What gives the values of the inputs. Paths are relative to the current directory, not to the graph file.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSource {
    /// A file with an array for every input.
    Arrays(ArrayFormat, Parts<DataFiles>),
    /// Files of text in rows and columns.
    Table {
        /// The files.
        files: Parts<PathBuf>,
        /// What separates cells.
        delimiter: u8,
        /// Whether the first row has the names of columns.
        header: bool,
        /// The columns of every input.
        columns: Vec<(String, Vec<ColumnConfig>)>,
    },
    /// Folders of pictures in classes.
    Images(Parts<PathBuf>),
    /// Files in the binary format of CIFAR.
    Cifar(CifarLabels, Parts<Vec<PathBuf>>),
    /// Files of text, whose characters become numbers; samples are windows.
    Text {
        /// The files of each part, one behind the other.
        files: Parts<Vec<PathBuf>>,
        /// How they become samples.
        config: TextConfig,
    },
    /// Random samples in the shapes of the inputs.
    Synthetic {
        /// Number of training samples.
        samples: usize,
        /// Number of test samples.
        test_samples: Option<usize>,
        /// Seed of everything that is random in them.
        seed: u64,
    },
}

/// How a text becomes samples.
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    /// Whether bytes are numbered, in place of characters.
    pub is_bytes: bool,
    /// Whether characters that are not in the training part have a number together.
    pub has_unknown: bool,
    /// From one window to the next; drawn windows if not said.
    pub stride: Option<usize>,
    /// Share of the training files, at their end, that tests; 0 if none does.
    pub test_split: f64,
}

/// Training data, and what else there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts<T> {
    /// To train on.
    pub train: T,
    /// To validate on.
    pub validation: Option<T>,
    /// To test with.
    pub test: Option<T>,
}

/// Format of files with arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayFormat {
    /// That of MNIST.
    Idx,
    /// One array of NumPy.
    Npy,
    /// Several arrays of NumPy.
    Npz,
    /// Tensors by name.
    Safetensors,
}

/// Which classes of which of the data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CifarLabels {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100.
    HundredFine,
    /// CIFAR-100's classes of classes.
    HundredCoarse,
}

/// A column of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnConfig {
    /// Its name.
    pub name: String,
    /// Whether cells are categories.
    pub categories: Option<Categories>,
    /// Whether unknown categories are one more category.
    pub has_unknown: bool,
    /// What stands for missing values.
    pub missing: MissingConfig,
}

/// What categories become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Categories {
    /// Numbers.
    Number,
    /// An element each.
    OneHot,
}

/// What stands for a missing value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum MissingConfig {
    /// Nothing.
    #[default]
    Refuse,
    /// The mean.
    Mean,
    /// The median.
    Median,
    /// What there is most often.
    MostFrequent,
    /// A number.
    Number(f64),
    /// A category.
    Category(String),
}

/// A file of each input, in the order of the graph file's `inputs`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DataFiles(pub Vec<(String, DataFile)>);

/// An array in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// The file.
    pub path: PathBuf,
    /// Its name there.
    pub key: Option<String>,
}

impl DataFiles {
    /// The file of an input.
    pub fn get(&self, input: &str) -> Option<&DataFile> {
        self.0.iter().find(|(name, _)| name == input).map(|(_, file)| file)
    }
}

impl<T> Parts<T> {
    fn read(mut part: impl FnMut(&str) -> Option<T>) -> Option<Parts<T>> {
        let (train, validation, test) = (part("train"), part("validation"), part("test"));
        Some(Parts { train: train?, validation, test })
    }
}

/// Whether a missing data file is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckData {
    /// It is.
    Yes,
    /// Data files are not looked at.
    No,
}

/// What reading needs.
struct Cx<'a> {
    inputs: Vec<&'a str>,
    folder: &'a Path,
    check: CheckData,
    diagnostics: &'a mut Diagnostics,
}

pub(crate) fn read_data(
    file: &Record<'_>,
    known: &Inputs<'_>,
    path: &Path,
    check: CheckData,
    diagnostics: &mut Diagnostics,
) -> Option<DataConfig> {
    let json = file.json("data")?;
    let (format, data) = match guessed_format(json) {
        Some(section) => (section, read_as(&DATA, section, json, diagnostics)?),
        None => read_one_of(&DATA, json, diagnostics)?,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut cx = Cx { inputs: known.names.clone(), folder, check, diagnostics };
    let preprocess = cx.preprocess(&data);
    let augment = cx.augment(&data, known);
    let mixup = read_mixup(&data, known, cx.diagnostics);
    let source = cx.source(format, &data);
    let scale = if data.find("scale").is_some() { data.number("scale")? } else { 1.0 };
    Some(DataConfig { scale, preprocess: preprocess?, augment: augment?, mixup: mixup?, source: source? })
}

/// The format of data that does not say it, if the name of what is trained on does.
fn guessed_format(json: &Json) -> Option<&'static Section> {
    let JsonValue::Object(members) = &json.value else { return None };
    let member = |name: &str| members.iter().find(|member| member.key.value == name);
    if member(DATA.tag).is_some() {
        return None;
    }
    let first = match &member("train")?.value.value {
        JsonValue::Object(files) => files.first().map(|file| &file.value.value)?,
        JsonValue::Array(files) => files.first().map(|file| &file.value)?,
        other => other,
    };
    let JsonValue::String(name) = first else { return None };
    let name = name.split('#').next().unwrap_or_default().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let format = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some(format @ ("npy" | "npz" | "safetensors" | "csv" | "tsv")) => format,
        Some("txt") => "text",
        Some(_) | None if name.ends_with('/') => "images",
        _ if name.ends_with("-ubyte") || name.ends_with(".idx") => "idx",
        _ => return None,
    };
    (DATA.sections)().iter().find(|section| section.name == format)
}

impl<'a> Cx<'a> {
    fn source(&mut self, format: &Section, data: &Record<'_>) -> Option<DataSource> {
        let arrays = |cx: &mut Self, format| {
            Parts::read(|part| cx.files(part, data.json(part)?)).map(|parts| DataSource::Arrays(format, parts))
        };
        match format.name {
            "idx" => arrays(self, ArrayFormat::Idx),
            "npy" => arrays(self, ArrayFormat::Npy),
            "npz" => arrays(self, ArrayFormat::Npz),
            "safetensors" => arrays(self, ArrayFormat::Safetensors),
            "csv" | "tsv" => {
                let default = if format.name == "tsv" { "\t" } else { "," };
                let delimiter = data.text("delimiter").unwrap_or_else(|| default.into());
                let columns = self.columns(data);
                let files = Parts::read(|part| self.path(data, part, Expected::File));
                let delimiter = delimiter.bytes().next().unwrap_or(b',');
                Some(DataSource::Table { files: files?, delimiter, header: data.bool("header")?, columns: columns? })
            }
            "images" => Parts::read(|part| self.path(data, part, Expected::Folder)).map(DataSource::Images),
            "cifar10" => {
                Parts::read(|part| self.paths(data, part)).map(|parts| DataSource::Cifar(CifarLabels::Ten, parts))
            }
            "cifar100" => {
                let is_coarse = data.text("labels").is_some_and(|labels| labels == "coarse");
                let labels = if is_coarse { CifarLabels::HundredCoarse } else { CifarLabels::HundredFine };
                Parts::read(|part| self.paths(data, part)).map(|parts| DataSource::Cifar(labels, parts))
            }
            "text" => self.text(data),
            _ => Some(DataSource::Synthetic {
                samples: data.size("samples")?,
                test_samples: data.size("test_samples"),
                seed: u64::try_from(data.int("seed")?).ok()?,
            }),
        }
    }

    fn text(&mut self, data: &Record<'_>) -> Option<DataSource> {
        let files = Parts::read(|part| self.paths(data, part));
        let test_split = data.number("test_split")?;
        if test_split > 0.0 && data.json("test").is_some() {
            let message = "the data has both `test` and `test_split`";
            self.diagnostics.push(Diagnostic::new(message, data.span_of("test_split"), "expected one of them"));
            return None;
        }
        let config = TextConfig {
            is_bytes: data.text("level")? == "bytes",
            has_unknown: data.text("unknown")? == "class",
            stride: data.size("stride"),
            test_split,
        };
        Some(DataSource::Text { files: files?, config })
    }

    fn preprocess(&mut self, data: &Record<'_>) -> Option<Vec<(String, PreprocessConfig)>> {
        let Some(members) = data.json("preprocess").and_then(|_| data.members("preprocess")) else {
            return Some(Vec::new());
        };
        self.check_inputs("preprocess", "is about", members);
        let mut all = Some(Vec::new());
        for member in members {
            let what = format!("`preprocess` of `{}`", shown(&member.key.value));
            let record = read(&what, &[PREPROCESS.fields], &member.value, self.diagnostics);
            let config = record.filter(|record| record.ok).and_then(|record| {
                Some(PreprocessConfig {
                    scale: record.number("scale"),
                    offset: record.number("offset")?,
                    standardise: record.bool("standardise")?,
                    one_hot: record.bool("one_hot")?,
                    resize: record.bool("resize")?,
                    grayscale: record.bool("grayscale")?,
                    invert: record.bool("invert")?,
                })
            });
            match (&mut all, config) {
                (Some(all), Some(config)) => all.push((member.key.value.clone(), config)),
                _ => all = None,
            }
        }
        all
    }

    fn augment(&mut self, data: &Record<'_>, known: &Inputs<'_>) -> Option<Vec<(String, AugmentConfig)>> {
        if data.is_refused("augment") {
            return None;
        }
        let Some(members) = data.json("augment").and_then(|_| data.members("augment")) else { return Some(Vec::new()) };
        self.check_inputs("augment", "is about", members);
        read_augment(members, known, self.diagnostics)
    }

    /// The columns of every input.
    fn columns(&mut self, data: &Record<'_>) -> Option<Vec<(String, Vec<ColumnConfig>)>> {
        let json = data.json("columns")?;
        let members = data.members("columns")?;
        self.check_inputs("columns", "has columns for", members);
        self.check_missing("columns", "columns", "a column or a list", json, members);
        let mut all = Some(Vec::new());
        for member in members {
            let items = match &member.value.value {
                JsonValue::Array(items) => items.as_slice(),
                _ => std::slice::from_ref(&member.value),
            };
            if items.is_empty() {
                let message = format!("`columns` has no column for `{}`", shown(&member.key.value));
                self.diagnostics.push(Diagnostic::new(message, member.value.span.clone(), "expected at least one"));
            }
            let columns: Vec<Option<ColumnConfig>> = items.iter().map(|item| self.column(item)).collect();
            match (&mut all, columns.into_iter().collect::<Option<Vec<_>>>()) {
                (Some(all), Some(columns)) => all.push((member.key.value.clone(), columns)),
                _ => all = None,
            }
        }
        all
    }

    fn column(&mut self, json: &Json) -> Option<ColumnConfig> {
        if let JsonValue::String(name) = &json.value {
            return Some(ColumnConfig { name: name.clone(), ..ColumnConfig::default() });
        }
        if !matches!(json.value, JsonValue::Object(_)) {
            wrong_kind("a column", "the name of one, or an object", json, self.diagnostics);
            return None;
        }
        let record = read("a column", &[COLUMN.fields], json, self.diagnostics).filter(|record| record.ok)?;
        let missing = record.text("missing")?;
        let given = ["fill", "fill_category"].map(|field| record.json(field).is_some());
        if given.iter().filter(|given| **given).count() + usize::from(missing != "refuse") > 1 {
            let message = "a column has more than one value for what is missing";
            let label = "expected one of `missing`, `fill` and `fill_category`";
            self.diagnostics.push(Diagnostic::new(message, json.span.clone(), label));
            return None;
        }
        let missing = match (record.number("fill"), record.text("fill_category"), missing.as_str()) {
            (Some(number), ..) => MissingConfig::Number(number),
            (None, Some(category), _) => MissingConfig::Category(category),
            (None, None, "mean") => MissingConfig::Mean,
            (None, None, "median") => MissingConfig::Median,
            (None, None, "most_frequent") => MissingConfig::MostFrequent,
            (None, None, _) => MissingConfig::Refuse,
        };
        let categories = record.text("categories").map(|categories| match categories.as_str() {
            "one_hot" => Categories::OneHot,
            _ => Categories::Number,
        });
        let has_unknown = record.text("unknown")? == "class";
        Some(ColumnConfig { name: record.text("name")?, categories, has_unknown, missing })
    }

    fn path(&mut self, data: &Record<'_>, part: &str, expected: Expected) -> Option<PathBuf> {
        let (name, span) = (data.text(part)?, data.span_of(part));
        Some(self.checked(&Spanned { value: name, span }, &format!("`{part}`"), expected))
    }

    fn paths(&mut self, data: &Record<'_>, part: &str) -> Option<Vec<PathBuf>> {
        let names = data.names(part)?;
        if names.is_empty() {
            let message = format!("`{part}` is empty");
            self.diagnostics.push(Diagnostic::new(message, data.span_of(part), "expected at least one file"));
            return None;
        }
        Some(names.iter().map(|name| self.checked(name, &format!("`{part}`"), Expected::File)).collect())
    }

    /// A path, of which it is reported if there is no such thing.
    fn checked(&mut self, name: &Spanned<String>, what: &str, expected: Expected) -> PathBuf {
        let path = self.folder.join(&name.value);
        if self.check == CheckData::Yes
            && let Some(why) = expected.refuse(&path)
        {
            let kind = if matches!(expected, Expected::File) { "file" } else { "folder" };
            let message = format!("the data {kind} for {what} {why}");
            let label = format!("tried {}", cut(&path.to_string_lossy(), MAX_PATH_CHARS));
            self.diagnostics.push(Diagnostic::new(message, name.span.clone(), label));
        }
        path
    }

    /// A file for every input and for nothing else.
    fn files(&mut self, field: &str, json: &Json) -> Option<DataFiles> {
        let JsonValue::Object(members) = &json.value else { return None };
        self.check_inputs(field, "has a file for", members);
        self.check_missing(field, "a file", "a file name", json, members);
        let given: HashMap<&str, &Member> = members.iter().map(|member| (member.key.value.as_str(), member)).collect();
        let mut files = Vec::new();
        for input in self.inputs.clone() {
            let Some(member) = given.get(input) else { continue };
            let named = shown(input);
            let JsonValue::String(name) = &member.value.value else {
                wrong_kind(&format!("the file of `{named}`"), "a string", &member.value, self.diagnostics);
                continue;
            };
            let (name, key) = split_key(name);
            let name = Spanned { value: name.to_string(), span: member.value.span.clone() };
            let path = self.checked(&name, &format!("`{named}`"), Expected::File);
            files.push((input.to_string(), DataFile { path, key: key.map(str::to_string) }));
        }
        Some(DataFiles(files))
    }

    /// Reports keys that are no inputs; `has` completes "`field` ... `x`, which is no input".
    fn check_inputs(&mut self, field: &str, has: &str, members: &[Member]) {
        let known: HashSet<&str> = self.inputs.iter().copied().collect();
        let expected = format!("expected one of {}", list(self.inputs.iter().copied()));
        for member in members {
            let name = &member.key.value;
            if !known.contains(name.as_str()) {
                let message = format!("`{field}` {has} `{}`, which is no input", shown(name));
                let close = self.diagnostics.closest(name, self.inputs.iter().copied());
                self.diagnostics
                    .push(Diagnostic::new(message, member.key.span.clone(), &*expected).did_you_mean(close));
            }
        }
    }

    /// Reports inputs that are no keys.
    fn check_missing(&mut self, field: &str, what: &str, value: &str, json: &Json, members: &[Member]) {
        let given: HashSet<&str> = members.iter().map(|member| member.key.value.as_str()).collect();
        for input in self.inputs.iter().filter(|input| !given.contains(**input)) {
            let named = shown(input);
            let open = json.span.start..json.span.start + 1;
            let label = format!("expected `{named}` and {value}");
            let message = format!("`{field}` lacks {what} for the input `{named}`");
            self.diagnostics.push(Diagnostic::new(message, open, label));
        }
    }
}

/// The name of a file and that of an array in it, where a file may hold several.
fn split_key(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('#') {
        Some((file, key)) if [".npz", ".safetensors"].iter().any(|end| file.to_ascii_lowercase().ends_with(end)) => {
            (file, Some(key))
        }
        _ => (name, None),
    }
}

/// Most characters of a path in a message.
const MAX_PATH_CHARS: usize = 200;

/// What a path should lead to.
#[derive(Clone, Copy)]
enum Expected {
    File,
    Folder,
}

impl Expected {
    /// Why there is none.
    fn refuse(self, path: &Path) -> Option<String> {
        match (self, std::fs::metadata(path)) {
            (Expected::File, Ok(found)) if found.is_file() => None,
            (Expected::Folder, Ok(found)) if found.is_dir() => None,
            (Expected::File, Ok(found)) if found.is_dir() => Some("is a folder".into()),
            (Expected::File, Ok(_)) => Some("is not a regular file".into()),
            (Expected::Folder, Ok(_)) => Some("is no folder".into()),
            (_, Err(error)) if error.kind() == ErrorKind::NotFound => Some("does not exist".into()),
            (_, Err(error)) => Some(format!("cannot be read: {error}")),
        }
    }
}
