//! Tables: text in rows and columns, separated by commas or tabs (RFC 4180), with names in the first row.
//!
//! A file is read once. Numbers become `f64`; of a column of categories every different text is kept once. What
//! categories become numbers, and what stands for a missing value, is learnt from training samples and applied
//! afterwards ([`TableColumn::fit`], [`TableColumn::elements`]).
//!
//! Texts of a file are quoted in messages only once it is known to have all columns that are asked for: what has not
//! may be any file.

use super::preprocess::ColumnFit;
use crate::error::{TrainError, escaped};
use crate::gzip::maybe_gzip;
use crate::reading::{open_regular, room_for};
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A table, and which of its columns are which inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file, which may be compressed with gzip.
    pub path: PathBuf,
    /// What separates the cells: a comma, or a tab, or something else of one byte.
    pub delimiter: u8,
    /// Whether the first row has the names of the columns; otherwise they are called 0, 1, 2 ...
    pub has_header: bool,
    /// The columns of every input, in the order of its elements.
    pub columns: Vec<(String, Vec<TableField>)>,
}

/// A column that an input is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct TableField {
    /// Name in the first row.
    pub name: String,
    /// What its cells are.
    pub content: FieldContent,
    /// What a category is that training samples did not have.
    pub unknown: Unknown,
    /// What stands for a missing value.
    pub missing: Missing,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldContent {
    /// Numbers.
    Numbers,
    /// Class numbers, or if the first one is no integer, categories that are numbered.
    Classes,
    /// Categories, which are numbered in the order of their names.
    Numbered,
    /// Categories, each of which becomes an element that is 1 or 0.
    OneHot,
}

/// What is done with a category that training samples did not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It is a mistake.
    #[default]
    Refuse,
    /// All of them together are one more category, behind the others.
    Class,
}

/// What stands for a value that is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Missing {
    /// Nothing: that is a mistake.
    #[default]
    Refuse,
    /// The mean of the training samples.
    Mean,
    /// The median of the training samples.
    Median,
    /// What training samples have most often; of several, the first in order.
    MostFrequent,
    /// A number.
    Number(f64),
    /// A category.
    Category(String),
}

/// Texts that stand for a missing value, beside nothing at all, in any case.
const MISSING: [&str; 6] = ["na", "n/a", "nan", "null", "none", "?"];

/// The cells of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableColumn {
    field: TableField,
    cells: Cells,
    /// Lines of the rows, for messages.
    path: PathBuf,
    lines: std::sync::Arc<Vec<u32>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Cells {
    /// NaN is missing.
    Numbers(Vec<f64>),
    /// Numbers of the texts; [`NOTHING`] is missing.
    Texts { codes: Vec<u32>, texts: Vec<String> },
}

const NOTHING: u32 = u32::MAX;

/// The columns of every input that was asked for, by its name.
pub(crate) struct TableRows {
    pub(crate) n_rows: usize,
    pub(crate) inputs: Vec<(String, Vec<TableColumn>)>,
}

/// Reads the first `limit` rows; of the inputs in `optional`, only those whose columns are all there.
pub(crate) fn read(table: &Table, limit: Option<usize>, optional: &[String]) -> Result<TableRows, TrainError> {
    let path = &table.path;
    let (file, _) = open_regular(path, "read the table")?;
    let source = maybe_gzip(Box::new(BufReader::with_capacity(1 << 16, file)))
        .map_err(|error| TrainError::io(path, "read the table", &error))?;
    read_source(table, source, limit, optional)
}

fn read_source(
    table: &Table,
    source: Box<dyn Read + '_>,
    limit: Option<usize>,
    optional: &[String],
) -> Result<TableRows, TrainError> {
    let path = &table.path;
    let mut reader = ReaderBuilder::new()
        .delimiter(table.delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(Utf8Start { source, is_start: true });
    let mut record = ByteRecord::new();
    let mut has_row = next(&mut reader, &mut record, path)?;
    let header = Header::of(table, &record)?;
    if !has_row {
        return Err(TrainError::file(path, "the table is empty"));
    }
    let mut inputs = open_columns(table, &header, optional)?;
    if table.has_header {
        has_row = next(&mut reader, &mut record, path)?;
    }
    let mut lines = Vec::new();
    while has_row && limit.is_none_or(|limit| lines.len() < limit) {
        let line = record.position().map_or(0, csv::Position::line);
        let at = Place { path, line };
        if record.len() != header.names.len() {
            let message = format!("{}, expected {}", cells(record.len()), header.names.len());
            return Err(at.error(message));
        }
        for column in inputs.iter_mut().flat_map(|(_, columns)| columns) {
            column.push(&record[column.index], at)?;
        }
        lines.push(u32::try_from(line).unwrap_or(u32::MAX));
        if lines.len().is_multiple_of(1 << 16) {
            let n_columns: usize = inputs.iter().map(|(_, columns)| columns.len()).sum();
            // Vectors grow by doubling.
            room_for::<u8>(lines.len() * (8 * n_columns + 4)).map_err(|message| at.error(message))?;
        }
        has_row = next(&mut reader, &mut record, path)?;
    }
    if lines.is_empty() {
        return Err(TrainError::file(path, "the table has no rows"));
    }
    let (n_rows, lines) = (lines.len(), std::sync::Arc::new(lines));
    let finish = |column: Open| TableColumn {
        field: column.field.clone(),
        cells: column.cells,
        path: path.clone(),
        lines: lines.clone(),
    };
    let inputs = inputs.into_iter().map(|(input, columns)| (input, columns.into_iter().map(finish).collect()));
    Ok(TableRows { n_rows, inputs: inputs.collect() })
}

/// The columns of every input, empty still; an optional input without columns is left out.
fn open_columns<'a>(
    table: &'a Table,
    header: &Header,
    optional: &[String],
) -> Result<Vec<(String, Vec<Open<'a>>)>, TrainError> {
    let mut inputs = Vec::new();
    for (input, fields) in &table.columns {
        let is_optional = optional.contains(input);
        if is_optional && fields.iter().any(|field| !header.names.contains(&field.name)) {
            continue;
        }
        let columns = fields.iter().map(|field| Ok(Open::new(field, header.find(&field.name)?)));
        inputs.push((input.clone(), columns.collect::<Result<Vec<_>, TrainError>>()?));
    }
    Ok(inputs)
}

/// Reads a row, if there is one that is not empty.
fn next(reader: &mut Reader<impl Read>, record: &mut ByteRecord, path: &Path) -> Result<bool, TrainError> {
    reader.read_byte_record(record).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => TrainError::io(path, "read the table", &error),
        _ => TrainError::file(path, "not a table"),
    })
}

fn cells(n: usize) -> String {
    if n == 1 { "1 cell".into() } else { format!("{n} cells") }
}

/// A line of a file.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    line: u64,
}

impl Place<'_> {
    fn error(self, message: impl std::fmt::Display) -> TrainError {
        TrainError::file(self.path, format!("line {}: {message}", self.line))
    }
}

/// Names of the columns.
struct Header<'a> {
    table: &'a Table,
    names: Vec<String>,
}

impl<'a> Header<'a> {
    fn of(table: &'a Table, first: &ByteRecord) -> Result<Header<'a>, TrainError> {
        let names: Vec<String> = match table.has_header {
            true => first.iter().map(|name| String::from_utf8_lossy(name).trim().to_string()).collect(),
            false => (0..first.len()).map(|number| number.to_string()).collect(),
        };
        Ok(Header { table, names })
    }

    fn find(&self, name: &str) -> Result<usize, TrainError> {
        let mut places = (0..self.names.len()).filter(|&index| self.names[index] == name);
        let named = escaped(name);
        match (places.next(), places.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err(TrainError::file(&self.table.path, format!("two columns are called `{named}`"))),
            (None, _) => {
                // Only a name that resembles the one asked for is shown: the file may be any file.
                let is_close = |other: &&String| {
                    other.eq_ignore_ascii_case(name) || (name.len() > 3 && strsim::damerau_levenshtein(other, name) < 2)
                };
                let close = self.names.iter().find(is_close);
                let hint = close.map_or(String::new(), |close| format!("; did you mean `{}`?", escaped(close)));
                let n = match self.names.len() {
                    1 => "1 column".to_string(),
                    n => format!("{n} columns"),
                };
                let message = match self.table.has_header {
                    true => format!("no column `{named}` among the {n} of the first line{hint}"),
                    false => {
                        format!("no column `{named}`: without a header, {n} are called 0 to {}", self.names.len() - 1)
                    }
                };
                Err(TrainError::file(&self.table.path, message))
            }
        }
    }
}

/// A column that is being read.
struct Open<'a> {
    field: &'a TableField,
    index: usize,
    cells: Cells,
    codes: HashMap<String, u32>,
    /// Whether it is known what the cells are.
    is_decided: bool,
}

impl<'a> Open<'a> {
    fn new(field: &'a TableField, index: usize) -> Open<'a> {
        let is_numbers = matches!(field.content, FieldContent::Numbers | FieldContent::Classes);
        let texts = Cells::Texts { codes: Vec::new(), texts: Vec::new() };
        let cells = if is_numbers { Cells::Numbers(Vec::new()) } else { texts };
        Open { field, index, cells, codes: HashMap::new(), is_decided: field.content != FieldContent::Classes }
    }

    fn push(&mut self, cell: &[u8], at: Place<'_>) -> Result<(), TrainError> {
        let column = || escaped(&self.field.name);
        let Ok(text) = std::str::from_utf8(cell) else {
            return Err(at.error(format!("column `{}`: the text is not UTF-8", column())));
        };
        let text = text.trim();
        let is_missing = text.is_empty() || MISSING.iter().any(|word| text.eq_ignore_ascii_case(word));
        if is_missing && self.field.missing == Missing::Refuse {
            return Err(at.error(format!("column `{}`: the value is missing", column())));
        }
        if !self.is_decided && !is_missing {
            self.is_decided = true;
            if let (Err(_), Cells::Numbers(numbers)) = (text.parse::<i32>(), &self.cells) {
                // All of them are missing.
                self.cells = Cells::Texts { codes: vec![NOTHING; numbers.len()], texts: Vec::new() };
            }
        }
        match &mut self.cells {
            Cells::Numbers(numbers) if is_missing => numbers.push(f64::NAN),
            Cells::Numbers(numbers) => {
                let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
                let is_class = self.field.content == FieldContent::Classes;
                match value.filter(|value| !is_class || value.fract() == 0.0) {
                    Some(value) => numbers.push(value),
                    None => {
                        let kind = if is_class { "class number" } else { "number" };
                        let message = format!("column `{}`: `{}` is no {kind}", column(), escaped(text));
                        return Err(at.error(message));
                    }
                }
            }
            Cells::Texts { codes, .. } if is_missing => codes.push(NOTHING),
            Cells::Texts { codes, texts } => {
                let code = match self.codes.get(text) {
                    Some(&code) => code,
                    None => {
                        let code = texts.len() as u32;
                        texts.push(text.to_string());
                        self.codes.insert(text.to_string(), code);
                        code
                    }
                };
                codes.push(code);
            }
        }
        Ok(())
    }
}

impl TableColumn {
    /// What training samples say of it.
    pub(crate) fn fit(&self, samples: &[u32]) -> Result<ColumnFit, TrainError> {
        let fit = match &self.cells {
            Cells::Numbers(numbers) => {
                let mut known: Vec<f64> = samples.iter().map(|&sample| numbers[sample as usize]).collect();
                known.retain(|value| !value.is_nan());
                ColumnFit { categories: None, missing: self.number_for_missing(known)? }
            }
            Cells::Texts { codes, texts } => {
                let mut counts = vec![0usize; texts.len()];
                for &sample in samples {
                    if let Some(count) = counts.get_mut(codes[sample as usize] as usize) {
                        *count += 1;
                    }
                }
                let mut known: Vec<usize> = (0..texts.len()).filter(|&code| counts[code] > 0).collect();
                sort_categories(&mut known, texts);
                let missing = self.category_for_missing(&known, &counts, texts)?;
                let categories = known.into_iter().map(|code| texts[code].clone()).collect();
                ColumnFit { categories: Some(categories), missing }
            }
        };
        Ok(fit)
    }

    fn number_for_missing(&self, mut known: Vec<f64>) -> Result<Option<f64>, TrainError> {
        let value = match &self.field.missing {
            Missing::Refuse => return Ok(None),
            Missing::Number(value) => return Ok(Some(*value)),
            Missing::Category(_) => {
                return Err(self.error("is no column of categories, so a number must stand for a missing value"));
            }
            _ if known.is_empty() => return Err(self.error("has no value in any training sample")),
            Missing::Mean => known.iter().sum::<f64>() / known.len() as f64,
            Missing::Median => {
                known.sort_by(f64::total_cmp);
                let middle = known.len() / 2;
                if known.len() % 2 == 1 { known[middle] } else { f64::midpoint(known[middle - 1], known[middle]) }
            }
            Missing::MostFrequent => {
                known.sort_by(f64::total_cmp);
                let runs = known.chunk_by(|a, b| a == b);
                runs.rev().max_by_key(|run| run.len()).map_or(0.0, |run| run[0])
            }
        };
        Ok(Some(value))
    }

    fn category_for_missing(
        &self,
        known: &[usize],
        counts: &[usize],
        texts: &[String],
    ) -> Result<Option<f64>, TrainError> {
        let number = match &self.field.missing {
            Missing::Refuse => return Ok(None),
            Missing::Mean | Missing::Median | Missing::Number(_) => {
                return Err(self.error("is a column of categories, so one of them must stand for a missing value"));
            }
            Missing::MostFrequent => (0..known.len()).rev().max_by_key(|&number| counts[known[number]]),
            Missing::Category(name) => known.iter().position(|&code| texts[code] == *name),
        };
        match number {
            Some(number) => Ok(Some(number as f64)),
            None => Err(self.error("has no training sample of the category that stands for a missing value")),
        }
    }

    /// A number for the category of a row; nothing if cells are numbers.
    pub(crate) fn category(&self, row: usize) -> Option<i64> {
        match &self.cells {
            Cells::Texts { codes, .. } => Some(codes[row].into()),
            Cells::Numbers(_) => None,
        }
    }

    /// The number of a row; nothing if cells are categories.
    pub(crate) fn number(&self, row: usize) -> Option<f64> {
        match &self.cells {
            Cells::Numbers(numbers) => Some(numbers[row]),
            Cells::Texts { .. } => None,
        }
    }

    /// Number of elements that a cell becomes.
    pub(crate) fn width(&self, fit: &ColumnFit) -> usize {
        match (&fit.categories, self.field.content) {
            (Some(categories), FieldContent::OneHot) => self.n_categories(categories),
            _ => 1,
        }
    }

    fn n_categories(&self, categories: &[String]) -> usize {
        categories.len() + usize::from(self.field.unknown == Unknown::Class)
    }

    /// Name and number of elements, for a message.
    pub(crate) fn width_text(&self, fit: &ColumnFit) -> String {
        format!("`{}` {}", escaped(&self.field.name), self.width(fit))
    }

    /// Writes the elements of all rows, each `stride` behind the one before it.
    pub(crate) fn write(&self, fit: &ColumnFit, elements: &mut [f64], stride: usize) -> Result<(), TrainError> {
        let rows = elements.chunks_mut(stride.max(1));
        match (&self.cells, &fit.categories) {
            (Cells::Numbers(numbers), None) => {
                for (row, (&value, elements)) in numbers.iter().zip(rows).enumerate() {
                    elements[0] = match (value.is_nan(), fit.missing) {
                        (false, _) => value,
                        (true, Some(missing)) => missing,
                        (true, None) => return Err(self.error_in(row, "the value is missing")),
                    };
                }
            }
            (Cells::Texts { codes, texts }, Some(categories)) => {
                let numbers = self.numbers_of(texts, categories);
                for (row, (&code, elements)) in codes.iter().zip(rows).enumerate() {
                    let number = match (code, fit.missing) {
                        (NOTHING, Some(missing)) => missing as usize,
                        (NOTHING, None) => return Err(self.error_in(row, "the value is missing")),
                        _ => numbers[code as usize].ok_or_else(|| {
                            let text = escaped(&texts[code as usize]);
                            self.error_in(row, format!("no training sample has the category `{text}`"))
                        })?,
                    };
                    match self.field.content {
                        FieldContent::OneHot => {
                            let n = self.n_categories(categories);
                            elements[..n].fill(0.0);
                            elements[number] = 1.0;
                        }
                        _ => elements[0] = number as f64,
                    }
                }
            }
            (Cells::Numbers(_), Some(_)) => return Err(self.error("has numbers, but training samples had categories")),
            (Cells::Texts { .. }, None) => return Err(self.error("has categories, but training samples had numbers")),
        }
        Ok(())
    }

    /// The number of every text; nothing if it is unknown and that is a mistake.
    fn numbers_of(&self, texts: &[String], categories: &[String]) -> Vec<Option<usize>> {
        let known: HashMap<&str, usize> = categories.iter().map(String::as_str).zip(0..).collect();
        let other = (self.field.unknown == Unknown::Class).then_some(categories.len());
        texts.iter().map(|text| known.get(text.as_str()).copied().or(other)).collect()
    }

    fn error(&self, message: &str) -> TrainError {
        TrainError::file(&self.path, format!("the column `{}` {message}", escaped(&self.field.name)))
    }

    /// The line of a row.
    pub(crate) fn error_in(&self, row: usize, message: impl std::fmt::Display) -> TrainError {
        let at = Place { path: &self.path, line: self.lines[row].into() };
        at.error(format!("column `{}`: {message}", escaped(&self.field.name)))
    }
}

/// By number if all are integers, else by name.
fn sort_categories(known: &mut [usize], texts: &[String]) {
    let integer = |code: &usize| texts[*code].parse::<i64>().ok();
    if known.iter().all(|code| integer(code).is_some()) {
        known.sort_by_key(integer);
    } else {
        known.sort_by(|a, b| texts[*a].cmp(&texts[*b]));
    }
}

/// Takes a byte order mark away, which some programs write in front of UTF-8 text.
struct Utf8Start<'a> {
    source: Box<dyn Read + 'a>,
    is_start: bool,
}

impl Read for Utf8Start<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
        if !std::mem::take(&mut self.is_start) || buffer.len() < MARK.len() {
            return self.source.read(buffer);
        }
        let mut n = 0;
        while n < MARK.len() {
            match self.source.read(&mut buffer[n..MARK.len()])? {
                0 => break,
                more => n += more,
            }
        }
        if buffer[..n] == MARK { self.source.read(buffer) } else { Ok(n) }
    }
}

#[cfg(test)]
mod tests;
