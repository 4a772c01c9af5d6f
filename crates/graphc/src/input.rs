//! What may be given to an input of a network.
//!
//! Inputs are given as a list of names and references, of different types side by side: `&[("x", &x), ("y", &y)]`. What
//! is given has no shape, or one: a `Vec<f32>` is elements in row-major order, of which the network knows how many make
//! a sample; a `Vec<[f32; 2]>` and a [`Tensor`] have sizes, which must be those of the input. Sizes of 1 may be missing
//! or added, as for files: 28x28 is an image of 28x28x1.

use crate::error::{Error, Result};
use graphc_frontend::{Experiment, SAMPLE_WEIGHT};
use graphc_ir::graph::builder::STEP_INPUT;
use graphc_ir::ops::Op;
use graphc_ir::text::shown;
use graphc_ir::{DType, NodeId, Tensor, TensorType};
use std::fmt;

/// Elements of an input, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Integers, for example class numbers.
    I32(&'a [i32]),
}

impl Elements<'_> {
    fn len(self) -> usize {
        match self {
            Elements::F32(values) => values.len(),
            Elements::I32(values) => values.len(),
        }
    }

    fn dtype(self) -> DType {
        match self {
            Elements::F32(_) => DType::F32,
            Elements::I32(_) => DType::I32,
        }
    }

    /// Those of some samples of `len` elements.
    pub(crate) fn of_samples(self, samples: std::ops::Range<usize>, len: usize) -> Self {
        let range = samples.start * len..samples.end * len;
        match self {
            Elements::F32(values) => Elements::F32(&values[range]),
            Elements::I32(values) => Elements::I32(&values[range]),
        }
    }
}

/// What may be given to an input: vectors, slices and arrays of `f32` and `i32`, also of rows, and tensors.
///
/// ```
/// use graphc::prelude::*;
///
/// let (x, y): (Vec<[f32; 2]>, Vec<i32>) = (vec![[0.0, 1.0], [2.0, 3.0]], vec![0, 1]);
/// let inputs: &[(&str, &dyn TensorInput)] = &[("x", &x), ("y", &y)];
/// assert_eq!(inputs[0].1.sizes(), Some(vec![2, 2]));
/// assert_eq!(inputs[1].1.sizes(), None);
/// ```
pub trait TensorInput {
    /// The elements, row-major, one sample after the other.
    fn elements(&self) -> Elements<'_>;

    /// Sizes, outermost first, if they are more than a list of elements.
    fn sizes(&self) -> Option<Vec<usize>> {
        None
    }
}

/// Element types of inputs.
trait Element: Sized {
    fn elements(values: &[Self]) -> Elements<'_>;
}

impl Element for f32 {
    fn elements(values: &[f32]) -> Elements<'_> {
        Elements::F32(values)
    }
}

impl Element for i32 {
    fn elements(values: &[i32]) -> Elements<'_> {
        Elements::I32(values)
    }
}

macro_rules! inputs {
    ($($element:ty),*) => {$(
        impl TensorInput for Vec<$element> {
            fn elements(&self) -> Elements<'_> {
                <$element>::elements(self)
            }
        }

        impl TensorInput for &[$element] {
            fn elements(&self) -> Elements<'_> {
                <$element>::elements(self)
            }
        }

        impl<const N: usize> TensorInput for [$element; N] {
            fn elements(&self) -> Elements<'_> {
                <$element>::elements(self)
            }
        }

        impl<const M: usize> TensorInput for Vec<[$element; M]> {
            fn elements(&self) -> Elements<'_> {
                <$element>::elements(self.as_flattened())
            }

            fn sizes(&self) -> Option<Vec<usize>> {
                Some(vec![self.len(), M])
            }
        }

        impl<const M: usize> TensorInput for &[[$element; M]] {
            fn elements(&self) -> Elements<'_> {
                <$element>::elements(self.as_flattened())
            }

            fn sizes(&self) -> Option<Vec<usize>> {
                Some(vec![self.len(), M])
            }
        }

        impl<const N: usize, const M: usize> TensorInput for [[$element; M]; N] {
            fn elements(&self) -> Elements<'_> {
                <$element>::elements(self.as_flattened())
            }

            fn sizes(&self) -> Option<Vec<usize>> {
                Some(vec![N, M])
            }
        }
    )*};
}

inputs!(f32, i32);

impl TensorInput for Tensor<f32> {
    fn elements(&self) -> Elements<'_> {
        Elements::F32(&self.data)
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        Some(self.shape.clone())
    }
}

/// What was given, by the names of the inputs.
pub(crate) type Inputs<'a> = [(&'a str, &'a dyn TensorInput)];

/// Inputs that fit the network.
pub(crate) struct Checked<'a> {
    /// Names, elements, and how many elements a sample has; nothing of an input without a batch dimension.
    pub(crate) inputs: Vec<(&'a str, Elements<'a>, Option<usize>)>,
    /// Number of samples; 1 if nothing has a batch dimension.
    pub(crate) n_samples: usize,
}

/// The inputs of a network.
pub(crate) struct Signature {
    inputs: Vec<Input>,
}

struct Input {
    name: String,
    ty: TensorType,
    /// Whether it is given for every sample; the others keep what they were given, count by themselves, or follow from
    /// the classes.
    is_of_samples: bool,
}

impl Signature {
    pub(crate) fn of(experiment: &Experiment) -> Signature {
        let graph = &experiment.graph;
        let input = |id: NodeId| {
            let (name, ty) = (graph.node(id).name.clone(), graph.ty(id).clone());
            let follows = experiment.class_weights.is_some() && name == SAMPLE_WEIGHT;
            let is_of_samples = !follows && name != STEP_INPUT && ty.shape.batch_axis().is_some();
            Input { name, ty, is_of_samples }
        };
        let ids = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Input(_)));
        Signature { inputs: ids.map(input).collect() }
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = (&str, &TensorType)> {
        self.inputs.iter().map(|input| (input.name.as_str(), &input.ty))
    }

    fn find(&self, name: &str) -> Result<&Input> {
        self.inputs.iter().find(|input| input.name == name).ok_or_else(|| {
            let known: Vec<String> = self.inputs.iter().map(ToString::to_string).collect();
            let hint = if name == "learning_rate" { "; `set_learning_rate` sets the learning rate" } else { "" };
            Error::new(format!("the network has no input `{}`; it has {}{hint}", shown(name), known.join(", ")))
        })
    }

    /// Whether every input of samples is given.
    pub(crate) fn check_complete(&self, checked: &Checked<'_>) -> Result<()> {
        let missing = self.inputs.iter().filter(|input| input.is_of_samples && !checked.has(&input.name));
        let missing: Vec<String> = missing.map(ToString::to_string).collect();
        match missing.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::new(format!("the input {one} is missing"))),
            several => Err(Error::new(format!("these inputs are missing: {}", several.join(", ")))),
        }
    }

    /// The first of the inputs of those names that samples have and that is not given, as [`Input`] is shown.
    pub(crate) fn missing<'a>(
        &self,
        mut names: impl Iterator<Item = &'a str>,
        checked: &Checked<'_>,
    ) -> Option<String> {
        names.find_map(|name| {
            let input = self.inputs.iter().find(|input| input.name == name)?;
            (input.is_of_samples && !checked.has(name)).then(|| input.to_string())
        })
    }
}

/// `` `x` (f32[N,2]) ``
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", shown(&self.name), self.ty)
    }
}

impl Checked<'_> {
    fn has(&self, name: &str) -> bool {
        self.inputs.iter().any(|(given, ..)| *given == name)
    }
}

/// Compares what is given with what the network takes.
pub(crate) fn check<'a>(signature: &Signature, given: &Inputs<'a>) -> Result<Checked<'a>> {
    let mut checked = Checked { inputs: Vec::new(), n_samples: 1 };
    let mut first: Option<&str> = None;
    for (at, &(name, value)) in given.iter().enumerate() {
        let ty = &signature.find(name)?.ty;
        if given[..at].iter().any(|(other, _)| *other == name) {
            return Err(Error::new(format!("the input `{name}` is given twice")));
        }
        let elements = value.elements();
        let n_samples = n_samples(name, ty, elements, value.sizes())?;
        let sample_len = ty.shape.batch_axis().map(|_| ty.shape.fixed_len());
        checked.inputs.push((name, elements, sample_len));
        match (sample_len, first) {
            (None, _) => {}
            (Some(_), None) => (checked.n_samples, first) = (n_samples, Some(name)),
            (Some(_), Some(_)) if checked.n_samples == n_samples => {}
            (Some(_), Some(first)) => {
                let n_first = checked.n_samples;
                return Err(Error::new(format!("`{first}` has {n_first} samples, but `{name}` has {n_samples}")));
            }
        }
    }
    Ok(checked)
}

/// Number of samples of what is given to an input.
fn n_samples(name: &str, ty: &TensorType, elements: Elements<'_>, sizes: Option<Vec<usize>>) -> Result<usize> {
    let fail = |found: String| Err(Error::new(format!("the input `{name}` takes {ty}, but {found}")));
    if elements.dtype() != ty.dtype {
        return fail(format!("elements of type {} are given", elements.dtype()));
    }
    let (len, sample_len) = (elements.len(), ty.shape.fixed_len());
    if ty.shape.batch_axis().is_none() {
        return if len == sample_len {
            Ok(1)
        } else {
            fail(format!("{len} elements are given, expected {sample_len}"))
        };
    }
    if let Some(sizes) = sizes {
        let n = sizes.get(ty.shape.batch_axis().unwrap_or(0)).copied().unwrap_or(0);
        let expected = ty.shape.sizes(Some(n));
        let without_ones = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
        let is_alike = match ty.shape.batch_axis() {
            Some(0) => n > 0 && without_ones(&sizes[1..]) == without_ones(&expected[1..]),
            _ => n > 0 && sizes == expected,
        };
        return match is_alike && len == n * sample_len {
            true => Ok(n),
            false => fail(format!("a tensor of shape {sizes:?} with {len} elements is given")),
        };
    }
    if len == 0 || !len.is_multiple_of(sample_len) {
        return fail(format!("{len} elements are given, expected a multiple of the {sample_len} of a sample"));
    }
    Ok(len / sample_len)
}
