//! Samples that are not in memory: each is read when a batch has it.

use super::array::Positioned;
use super::rows::{Row, Rows};
use super::source::Origin;
use super::values::{Element, Values};
use crate::error::TrainError;
use crate::input::InputSpec;
use graphc_ir::DType;
use std::fmt;

/// One input of samples that are read one by one, whenever a batch has them.
#[derive(Debug)]
pub(crate) enum OneByOne {
    /// From a file.
    File(Positioned),
    /// From the program.
    Rows(Rows, InputSpec),
}

impl OneByOne {
    /// The elements of a sample.
    pub(crate) fn read(&self, sample: usize) -> Result<Values, TrainError> {
        let (rows, spec) = match self {
            OneByOne::File(file) => return file.read(sample, 1),
            OneByOne::Rows(rows, spec) => (rows, spec),
        };
        let InputSpec { name, sample_shape, integers, .. } = spec;
        let len = sample_shape.iter().product();
        let refused = |message| Origin::Given.error(format!("sample {sample} of the input `{name}`: {message}"));
        match spec.dtype {
            DType::F32 => {
                let mut row = vec![0.0; len];
                (rows.read)(sample, name, Row::F32(&mut row)).map_err(refused)?;
                Ok(Values::F32(row))
            }
            DType::I32 => {
                let mut row = vec![0; len];
                (rows.read)(sample, name, Row::I32(&mut row)).map_err(refused)?;
                match integers.map(|integers| (integers, integers.first_outside(row.iter().copied()))) {
                    Some((integers, Some(at))) => {
                        Err(Origin::Given.error(integers.refusal(name, sample, row[at].into())))
                    }
                    _ => Ok(Values::I32(row)),
                }
            }
        }
    }

    /// Whether elements are bytes, of which preprocessing makes numbers.
    pub(crate) fn holds_bytes(&self) -> bool {
        matches!(self, OneByOne::File(file) if matches!(file.element(), Element::Bool | Element::U8))
    }

    /// Whether elements are the network's integers.
    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, OneByOne::Rows(_, spec) if spec.dtype == DType::I32)
    }

    /// An error about a sample.
    pub(crate) fn error(&self, sample: usize, message: impl fmt::Display) -> TrainError {
        match self {
            OneByOne::File(file) => TrainError::file(file.path(), format!("sample {sample} {message}")),
            OneByOne::Rows(_, spec) => {
                Origin::Given.error(format!("sample {sample} of the input `{}` {message}", spec.name))
            }
        }
    }
}
