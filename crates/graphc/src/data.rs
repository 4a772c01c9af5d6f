//! What may be trained on: arrays in memory, a source of the program's own, or a data set made of files.

use crate::error::Result;
use crate::input::{Elements, Signature, TensorInput, check};
use graphc_train::data::{Row, Rows, Values};
use graphc_train::{Dataset, Source};
use std::sync::Arc;

/// Samples that the program gives one by one, in any number: computed, decoded, or read from where they are.
///
/// ```
/// use graphc::prelude::*;
///
/// /// The numbers from 0 to 999, and whether each is odd.
/// struct Parity;
///
/// impl DataSource for Parity {
///     fn len(&self) -> usize {
///         1000
///     }
///
///     fn read(&self, sample: usize, input: &str, row: Row<'_>) -> Result<(), Box<dyn std::error::Error>> {
///         match (input, row) {
///             ("bits", Row::F32(bits)) => {
///                 for (place, bit) in bits.iter_mut().enumerate() {
///                     *bit = (sample >> place & 1) as f32;
///                 }
///             }
///             ("odd", Row::I32(odd)) => odd[0] = sample as i32 % 2,
///             _ => return Err(format!("there is no `{input}`").into()),
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait DataSource: Send + Sync + 'static {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes one input of a sample (from 0) into a row, which has as many elements as the input takes of a sample, all
    /// 0.
    ///
    /// It is called on the threads that prepare batches, several at a time, in any order, once for every batch that has
    /// the sample; it must write the same each time, or a training is not the same when it is repeated.
    ///
    /// # Errors
    /// Why it cannot. The training ends with that, and with the sample's number and the name of the input.
    fn read(&self, sample: usize, input: &str, row: Row<'_>) -> std::result::Result<(), Box<dyn std::error::Error>>;
}

/// Shared by several trainings.
impl<S: DataSource + ?Sized> DataSource for Arc<S> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn read(&self, sample: usize, input: &str, row: Row<'_>) -> std::result::Result<(), Box<dyn std::error::Error>> {
        (**self).read(sample, input, row)
    }
}

/// Arrays of all samples, by the names of the inputs. Elements are copied when they are made; clones share them.
///
/// ```
/// # use graphc::prelude::*;
/// let (x, y) = (vec![[0.0, 1.0], [2.0, 3.0]], vec![0, 1]);
/// let data = Arrays::new(&[("x", &x), ("y", &y)]);
/// ```
#[derive(Clone, Debug)]
pub struct Arrays {
    /// Shared by copies.
    values: Arc<Vec<(String, Values)>>,
    /// Of each, if it has more than a list of elements.
    sizes: Vec<Option<Vec<usize>>>,
}

/// One of them, as it was given.
struct Given<'a> {
    values: &'a Values,
    sizes: &'a Option<Vec<usize>>,
}

impl TensorInput for Given<'_> {
    fn elements(&self) -> Elements<'_> {
        match self.values {
            Values::F32(values) => Elements::F32(values),
            Values::I32(values) => Elements::I32(values),
            _ => unreachable!("arrays are made of elements"),
        }
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        self.sizes.clone()
    }
}

impl Arrays {
    /// One for every input. Whether they fit is found out by whoever takes them.
    pub fn new(arrays: &[(&str, &dyn TensorInput)]) -> Arrays {
        let copy = |&(name, value): &(&str, &dyn TensorInput)| {
            let values = match value.elements() {
                Elements::F32(values) => Values::F32(values.to_vec()),
                Elements::I32(values) => Values::I32(values.to_vec()),
            };
            (name.to_string(), values)
        };
        let sizes = arrays.iter().map(|(_, value)| value.sizes()).collect();
        Arrays { values: Arc::new(arrays.iter().map(copy).collect()), sizes }
    }

    /// As the training library takes them.
    fn source(self, signature: &Signature) -> Result<Source> {
        let given: Vec<Given<'_>> =
            self.values.iter().zip(&self.sizes).map(|((_, values), sizes)| Given { values, sizes }).collect();
        let names = self.values.iter().map(|(name, _)| name.as_str());
        let inputs: Vec<(&str, &dyn TensorInput)> =
            names.zip(&given).map(|(name, array)| (name, array as &dyn TensorInput)).collect();
        check(signature, &inputs)?;
        Ok(Source::Memory(self.values.clone()))
    }
}

/// Samples, however they are given.
pub enum Samples<'a> {
    /// They have been compared with the network, and divided into training and validation.
    Dataset(&'a Dataset),
    /// In memory.
    Arrays(Arrays),
    /// One by one.
    Source(Arc<dyn DataSource>),
}

/// Samples that are a data set, or can be read into one.
pub(crate) enum Readable<'a> {
    Dataset(&'a Dataset),
    Source(Source),
}

impl<'a> Samples<'a> {
    /// Arrays are compared with the network.
    pub(crate) fn readable(self, signature: &Signature) -> Result<Readable<'a>> {
        Ok(match self {
            Samples::Dataset(dataset) => Readable::Dataset(dataset),
            Samples::Arrays(arrays) => Readable::Source(arrays.source(signature)?),
            Samples::Source(source) => Readable::Source(rows(source)),
        })
    }
}

/// What [`Session::fit`](crate::Session::fit) and [`Session::evaluate`](crate::Session::evaluate) take: every
/// [`DataSource`], [`Arrays`] or a reference to them, and `&Dataset`.
pub trait TrainingData<'a> {
    /// The samples.
    fn samples(self) -> Samples<'a>;
}

impl<'a> TrainingData<'a> for &'a Dataset {
    fn samples(self) -> Samples<'a> {
        Samples::Dataset(self)
    }
}

impl TrainingData<'_> for Arrays {
    fn samples(self) -> Samples<'static> {
        Samples::Arrays(self)
    }
}

impl TrainingData<'_> for &Arrays {
    fn samples(self) -> Samples<'static> {
        Samples::Arrays(self.clone())
    }
}

impl<S: DataSource> TrainingData<'_> for S {
    fn samples(self) -> Samples<'static> {
        Samples::Source(Arc::new(self))
    }
}

/// A source as the training library reads it.
fn rows(source: Arc<dyn DataSource>) -> Source {
    let n_samples = source.len();
    let read = move |sample: usize, input: &str, row: Row<'_>| {
        source.read(sample, input, row).map_err(|error| error.to_string())
    };
    Source::Rows(Rows { n_samples, read: Arc::new(read) })
}
