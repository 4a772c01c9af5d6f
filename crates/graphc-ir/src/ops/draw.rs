//! How an op is made up, for tests: its attributes, and operands that fit. [`OpRules::draw`](super::OpRules::draw) asks
//! a [`Draw`] for choices and for operands. In a random graph these are what is there, in a test of one op they are
//! made up, of every rank, with a batch and without.

use crate::types::{Dim, Shape, TensorType};

/// Choices, and operands of an op that is made up. What numbers an operand may hold follows from
/// [`OpRules::domain`](super::OpRules::domain).
pub trait Draw {
    /// A number below `n`; 0 is the simplest choice.
    fn pick(&mut self, n: usize) -> usize;

    /// The size of a new dimension.
    fn size(&mut self) -> usize;

    /// An `f32` tensor whose shape fits, if there is one.
    fn tensor(&mut self, fits: &dyn Fn(&Shape) -> bool) -> Option<Operand>;

    /// Any numbers of that type: given ones, or what is computed.
    fn given(&mut self, ty: TensorType) -> Operand;

    /// Numbers that are learned.
    fn learned(&mut self, shape: Shape) -> Operand;

    /// Numbers between 0.25 and 1 that a layer keeps and does not learn.
    fn kept(&mut self, shape: Shape) -> Operand;

    /// Yes or no.
    fn flag(&mut self) -> bool {
        self.pick(2) == 1
    }

    /// Any `f32` tensor.
    fn any(&mut self) -> Option<Operand> {
        self.tensor(&|_| true)
    }

    /// One whose last dimension is not the batch, of at least that rank.
    fn rows(&mut self, rank: usize) -> Option<Operand> {
        self.tensor(&|shape| shape.rank() >= rank && matches!(shape.0.last(), Some(Dim::Fixed(_))))
    }

    /// Images of shape `[N,h,w,c]`.
    fn images(&mut self) -> Option<Operand> {
        self.tensor(&|shape| shape.rank() == 4 && shape.batch_axis() == Some(0))
    }

    /// Class numbers, positions and the like.
    fn integers(&mut self, shape: Shape) -> Operand {
        self.given(TensorType::i32(shape))
    }

    /// Numbers that are learned; given ones if they have a batch.
    fn numbers(&mut self, shape: Shape) -> Operand {
        match shape.batch_axis().is_none() {
            true => self.learned(shape),
            false => self.given(TensorType::f32(shape)),
        }
    }

    /// A dimension of that shape which is not the batch.
    fn axis(&mut self, shape: &Shape) -> Option<usize> {
        let axes: Vec<usize> = (0..shape.rank()).filter(|&axis| shape.0[axis] != Dim::Batch).collect();
        // The last is the simplest.
        let last = axes.len().checked_sub(1)?;
        Some(axes[last - self.pick(axes.len())])
    }

    /// Some dimensions of so many, at least one, ascending.
    fn axes(&mut self, rank: usize) -> Option<Vec<usize>> {
        let mask = 1 + self.pick((1usize << rank).checked_sub(1).filter(|&n| n > 0)?);
        Some((0..rank).filter(|axis| mask >> axis & 1 == 1).collect())
    }

    /// A tensor that broadcasts with that shape.
    fn partner(&mut self, shape: &Shape) -> Option<Operand> {
        if self.pick(2) == 0 {
            return self.tensor(&|other| shape.broadcast(other).is_ok());
        }
        let dropped = self.pick(shape.rank() + 1);
        let mut sizes = Vec::new();
        for dim in &shape.0[dropped..] {
            let choice = self.pick(3);
            sizes.push(match dim {
                Dim::Fixed(1) if choice == 0 => self.size(),
                Dim::Fixed(size) if choice != 1 => *size,
                _ => 1,
            });
        }
        Some(self.learned(Shape::fixed(&sizes)))
    }
}

/// An operand that a [`Draw`] chose.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Its type.
    pub ty: TensorType,
    /// No number is greater in magnitude.
    pub bound: f64,
    /// What the [`Draw`] knows it by.
    pub key: usize,
}

impl Operand {
    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.ty.shape
    }
}

/// An op that is made up.
#[derive(Clone, Debug)]
pub struct Drawn<O> {
    /// The op.
    pub op: O,
    /// Its operands; they need not fit, then there is no such step.
    pub operands: Vec<Operand>,
    /// No number of the result is greater in magnitude. If nothing is said, the greatest is looked for: with operands
    /// that are all as great as can be, and with some of them negative.
    pub bound: Option<f64>,
    /// Whether the result jumps ([`Jumps::InValue`](super::facts::Jumps)): then it is drawn on inputs alone.
    pub jumps: bool,
}

impl<O> Drawn<O> {
    /// The op on these operands.
    pub fn of(op: O, operands: impl Into<Vec<Operand>>) -> Drawn<O> {
        Drawn { op, operands: operands.into(), bound: None, jumps: false }
    }

    /// Its result is no greater in magnitude.
    #[must_use]
    pub fn within(self, bound: f64) -> Drawn<O> {
        Drawn { bound: Some(bound), ..self }
    }

    /// Its result jumps.
    #[must_use]
    pub fn with_steps(self) -> Drawn<O> {
        Drawn { jumps: true, ..self }
    }

    /// Another op on the same operands.
    pub fn map<P>(self, op: impl FnOnce(O) -> P) -> Drawn<P> {
        Drawn { op: op(self.op), operands: self.operands, bound: self.bound, jumps: self.jumps }
    }
}

/// The type of labels, one for each row of a tensor.
pub fn labels_of(rows: &Operand) -> Shape {
    Shape(rows.shape().0[..rows.ty.rank() - 1].to_vec())
}
