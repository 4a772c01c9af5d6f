//! Element types, shapes and tensor types.
//!
//! A tensor has at most one batch dimension, written `N`. Its size is a property of the graph
//! (`Graph::batch`), so a graph is built and type-checked once and specialised per batch size.
//! Dimension names in comments are always `n c h w` (input), `k r s` (filters), `p q` (output).

use std::fmt;

/// Bytes of an element of every type there is. Whoever assumes that elements are so wide names this, so that a search
/// for it finds every place that a type of another width concerns.
pub const WORD_BYTES: usize = 4;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// 32-bit signed integer (labels, counters).
    I32,
}

/// Names of element types elsewhere that there are not here.
const OF_OTHERS: &[&str] = &[
    "bf16", "bool", "c128", "c64", "f16", "f64", "i16", "i64", "i8", "u16", "u32", "u64", "u8", "bfloat16", "float16",
    "float64", "int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64",
];

impl DType {
    /// Every type.
    pub const ALL: [DType; 2] = [DType::F32, DType::I32];

    /// Their names.
    pub const NAMES: &[&str] = &["f32", "i32"];

    /// The name in text form and JSON.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::I32 => "i32",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Why there is no type of that name, if other programs have one.
    pub fn refusal(name: &str) -> Option<String> {
        let is_other = OF_OTHERS.contains(&name);
        is_other.then(|| format!("`{name}` is not supported yet: elements are f32 or i32, {WORD_BYTES} bytes wide"))
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One dimension of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// The batch dimension `N`.
    Batch,
    /// A dimension of fixed size.
    Fixed(usize),
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Batch => f.write_str("N"),
            Dim::Fixed(size) => write!(f, "{size}"),
        }
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Dim {
        Dim::Fixed(size)
    }
}

/// A list of dimensions, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Shape {
        Shape(Vec::new())
    }

    /// A shape without a batch dimension.
    pub fn fixed(sizes: &[usize]) -> Shape {
        Shape(sizes.iter().map(|&size| Dim::Fixed(size)).collect())
    }

    /// `N` followed by `sizes`.
    pub fn batched(sizes: &[usize]) -> Shape {
        let mut dims = vec![Dim::Batch];
        dims.extend(sizes.iter().map(|&size| Dim::Fixed(size)));
        Shape(dims)
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Position of the batch dimension.
    pub fn batch_axis(&self) -> Option<usize> {
        self.0.iter().position(|&dim| dim == Dim::Batch)
    }

    /// Sizes with the batch dimension set to `batch`.
    ///
    /// # Panics
    /// If the shape has a batch dimension and `batch` is `None`.
    pub fn sizes(&self, batch: Option<usize>) -> Vec<usize> {
        self.each_size(batch).collect()
    }

    /// As [`Shape::sizes`], one after the other.
    pub fn each_size(&self, batch: Option<usize>) -> impl Iterator<Item = usize> {
        self.0.iter().map(move |dim| match dim {
            Dim::Batch => batch.expect("the graph is specialised to a batch size"),
            Dim::Fixed(size) => *size,
        })
    }

    /// Product of the fixed dimensions: elements per sample if there is a batch dimension.
    pub fn fixed_len(&self) -> usize {
        let size = |dim: &Dim| match dim {
            Dim::Batch => 1,
            Dim::Fixed(size) => *size,
        };
        self.0.iter().map(size).product()
    }

    /// NumPy broadcasting of two shapes, aligned at the last dimension.
    ///
    /// # Errors
    /// Names both shapes when two dimensions differ and neither is 1.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape, TypeError> {
        let rank = self.rank().max(other.rank());
        let at =
            |shape: &Shape, axis: usize| (axis + shape.rank()).checked_sub(rank).map_or(Dim::Fixed(1), |i| shape.0[i]);
        let mut dims = Vec::with_capacity(rank);
        for axis in 0..rank {
            dims.push(match (at(self, axis), at(other, axis)) {
                (a, b) if a == b => a,
                (Dim::Fixed(1), b) => b,
                (a, Dim::Fixed(1)) => a,
                (a, b) => {
                    return Err(TypeError::new(format!(
                        "shapes {self} and {other} do not broadcast: dimension {axis} is {a} in one and {b} in the other"
                    )));
                }
            });
        }
        Shape(dims).check_one_batch()
    }

    /// The shape itself if it has at most one batch dimension.
    ///
    /// # Errors
    /// If `N` stands twice.
    pub fn check_one_batch(self) -> Result<Shape, TypeError> {
        if self.0.iter().filter(|&&dim| dim == Dim::Batch).count() > 1 {
            return Err(TypeError::new(format!("shape {self} has the batch dimension N twice")));
        }
        Ok(self)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, dim) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

/// Element type and shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: Shape,
}

impl TensorType {
    /// An `f32` tensor.
    pub fn f32(shape: Shape) -> TensorType {
        TensorType { dtype: DType::F32, shape }
    }

    /// An `i32` tensor.
    pub fn i32(shape: Shape) -> TensorType {
        TensorType { dtype: DType::I32, shape }
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }

    /// Size of a fixed dimension.
    ///
    /// # Errors
    /// If that dimension is `N` (`what` says what the op wanted it for).
    pub fn fixed_dim(&self, axis: usize, what: &str) -> Result<usize, TypeError> {
        match self.shape.0[axis] {
            Dim::Fixed(size) => Ok(size),
            Dim::Batch => Err(TypeError::new(format!(
                "{what} must not be the batch dimension N, but the shape is {}",
                self.shape
            ))),
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

/// Why an operation does not accept its operands. The message names shapes; the caller adds
/// which node it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// What was expected and what was found.
    pub message: String,
    /// The operand at fault, if it is one.
    pub operand: Option<usize>,
}

impl TypeError {
    /// An error about the operation as a whole.
    pub fn new(message: impl Into<String>) -> TypeError {
        TypeError { message: message.into(), operand: None }
    }

    /// An error about one operand.
    pub fn operand(operand: usize, message: impl Into<String>) -> TypeError {
        TypeError { message: message.into(), operand: Some(operand) }
    }
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TypeError {}
