//! `einsum`: sums of products over named dimensions, as NumPy and PyTorch write them.

use super::draw::{Draw, Drawn, Operand};
use super::facts::Usage;
use super::{ANY_NUMBER, Expand, Lowering, OpRules};
use crate::attrs::OpAttrs;
use crate::compute::{Combine, Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::ops::Transpose;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor, for_each_index};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// Sum of products over named dimensions, as NumPy's and PyTorch's `einsum`: a letter for every dimension of each
    /// operand, and behind `->` those of the result. What the result has not is summed over. No letter stands twice in
    /// one operand, and sizes of equal letters are equal; there are no ellipses. Letters of one operand alone that the
    /// result has not are summed first; of three or more operands the first two are multiplied first.
    pub struct Einsum {
        /// The letters, such as `"ntd,de->nte"`; blanks are left out.
        pub equation: String,
    }
}

/// The letters of an equation.
struct Labels {
    operands: Vec<Vec<char>>,
    result: Vec<char>,
}

impl Labels {
    fn of(equation: &str) -> Result<Labels, TypeError> {
        let wrong = |what: &str| TypeError::new(format!("einsum expects an equation such as `ntd,de->nte`: {what}"));
        let text: String = equation.chars().filter(|c| *c != ' ').collect();
        let (operands, result) = text.split_once("->").ok_or_else(|| wrong("there is no `->`"))?;
        let letters = |part: &str, what: String| {
            let letters: Vec<char> = part.chars().collect();
            if let Some(other) = letters.iter().find(|c| !c.is_ascii_alphabetic()) {
                return Err(wrong(&format!("{what} has {other:?}, which is no letter")));
            }
            match letters.iter().enumerate().find(|(i, label)| letters[..*i].contains(label)) {
                Some((_, label)) => Err(wrong(&format!("{what} has `{label}` twice"))),
                None => Ok(letters),
            }
        };
        let operands = operands.split(',').enumerate().map(|(i, part)| letters(part, format!("operand {}", i + 1)));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let result = letters(result, "the result".into())?;
        match result.iter().find(|label| !operands.iter().any(|operand| operand.contains(label))) {
            Some(label) => Err(wrong(&format!("no operand has the `{label}` of the result"))),
            None => Ok(Labels { operands, result }),
        }
    }

    /// Those of an equation that was checked.
    fn checked(equation: &str) -> Labels {
        Labels::of(equation).expect("infer has checked the equation")
    }

    /// Which letters of operand `i` are summed over though no other operand has them.
    fn alone(&self, i: usize) -> Vec<char> {
        let others = || self.operands.iter().enumerate().filter(|(other, _)| *other != i);
        let is_elsewhere = |label: &char| self.result.contains(label) || others().any(|(_, own)| own.contains(label));
        self.operands[i].iter().filter(|label| !is_elsewhere(label)).copied().collect()
    }

    /// Letters of operands that the result has not: `first` first, if it is one of them.
    fn summed(&self, first: Option<char>) -> Vec<char> {
        let mut summed: Vec<char> = first.into_iter().filter(|label| !self.result.contains(label)).collect();
        for &label in self.operands.iter().flatten() {
            if !self.result.contains(&label) && !summed.contains(&label) {
                summed.push(label);
            }
        }
        summed
    }

    /// What a letter stands for in tensors with these dimensions.
    fn dim<D: Copy>(&self, label: char, operands: &[&[D]]) -> D {
        let dims = self.operands.iter().zip(operands).flat_map(|(labels, dims)| labels.iter().zip(*dims));
        let found = dims.into_iter().find(|(other, _)| **other == label);
        *found.expect("an operand has every letter").1
    }

    /// The letter of the batch.
    fn batch(&self, operands: &[&TensorType]) -> Option<char> {
        let dims = self.operands.iter().zip(operands).flat_map(|(labels, ty)| labels.iter().zip(&ty.shape.0));
        dims.into_iter().find(|(_, dim)| **dim == Dim::Batch).map(|(label, _)| *label)
    }
}

impl Einsum {
    /// The sum of products of operands with these letters.
    pub(super) fn of(operands: &[&[char]], result: &[char]) -> Einsum {
        let operands: Vec<String> = operands.iter().map(|labels| labels.iter().collect()).collect();
        Einsum { equation: format!("{}->{}", operands.join(","), result.iter().collect::<String>()) }
    }

    /// Multiply-adds of the product of two operands of such sizes; 0 of one, and of what is expanded.
    pub fn multiply_adds(&self, operands: &[&[usize]]) -> u64 {
        let labels = Labels::checked(&self.equation);
        if labels.operands.len() != 2 {
            return 0;
        }
        let all = labels.result.iter().copied().chain(labels.summed(None));
        all.map(|label| labels.dim(label, operands) as u64).product()
    }
}

/// Whether one letter stands for two dimensions, or two of them for the batch.
fn differ((label, dim): (char, Dim), (other, other_dim): (char, Dim)) -> bool {
    if label == other { dim != other_dim } else { dim == Dim::Batch && other_dim == Dim::Batch }
}

/// The operand with these letters, its dimensions in the order of the others.
fn in_order(cx: &mut OpCx<'_>, x: NodeId, letters: &[char], order: &[char]) -> NodeId {
    if letters == order {
        return x;
    }
    let from = |label| letters.iter().position(|other| other == label).expect("it is one of them");
    cx.add(Transpose { perm: order.iter().map(from).collect() }, &[x])
}

/// Puts a letter with its dimension anywhere among those of an operand, at the end as the simplest choice.
fn insert(draw: &mut dyn Draw, (letters, dims): (&mut Vec<char>, &mut Vec<Dim>), (label, dim): (char, Dim)) {
    let at = letters.len() - draw.pick(letters.len() + 1);
    letters.insert(at, label);
    dims.insert(at, dim);
}

impl OpRules for Einsum {
    const NAME: &'static str = "einsum";
    const ARITY: usize = 1;
    const N_OPTIONAL: usize = ANY_NUMBER;
    const SUMMARY: &'static str = "sum of products over dimensions that letters name";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Products of tensors of any shape, where `matmul` would need them transposed.",
        node: "scores",
        reads: &[("query", DType::F32, &[10, 4, 8]), ("key", DType::F32, &[10, 4, 8])],
        attributes: || Einsum { equation: "nqhd,nkhd->nhqk".into() }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let labels = Labels::of(&self.equation)?;
        if labels.operands.len() != operands.len() {
            let (expected, got) = (labels.operands.len(), operands.len());
            return Err(TypeError::new(format!("einsum of `{}` reads {expected} tensors, got {got}", self.equation)));
        }
        let mut known: Vec<(char, Dim)> = Vec::new();
        for (i, (letters, ty)) in labels.operands.iter().zip(operands).enumerate() {
            if ty.dtype != DType::F32 || ty.rank() != letters.len() {
                let letters: String = letters.iter().collect();
                return Err(TypeError::operand(i, format!("einsum expects an f32 tensor of `{letters}`, got {ty}")));
            }
            for (&label, &dim) in letters.iter().zip(&ty.shape.0) {
                match known.iter().find(|&&other| differ(other, (label, dim))) {
                    None => known.push((label, dim)),
                    Some((same, size)) if *same == label => {
                        let message = format!("`{label}` is {size} in one operand and {dim} in another");
                        return Err(TypeError::operand(i, message));
                    }
                    Some((other, _)) => {
                        let message = format!("`{other}` and `{label}` both stand for the batch N");
                        return Err(TypeError::operand(i, message));
                    }
                }
            }
        }
        let dim = |label: &char| known.iter().find(|(other, _)| other == label).expect("an operand has it").1;
        Ok(TensorType::f32(Shape(labels.result.iter().map(dim).collect())))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let labels = Labels::checked(&self.equation);
        let sizes: Vec<&[usize]> = operands.iter().map(|x| x.shape.as_slice()).collect();
        let summed = labels.summed(None);
        let walked: Vec<usize> = summed.iter().map(|&label| labels.dim(label, &sizes)).collect();
        // How far an operand is walked with one step of a letter.
        let stride = |(letters, x): (&Vec<char>, &&Tensor<R>), label: char| {
            letters.iter().position(|&other| other == label).map_or(0, |at| x.strides()[at])
        };
        let strides = |of: &[char]| -> Vec<Vec<usize>> {
            let operands = labels.operands.iter().zip(operands);
            operands.map(|operand| of.iter().map(|&label| stride(operand, label)).collect()).collect()
        };
        let (outer, inner) = (strides(&labels.result), strides(&summed));
        let place = |strides: &[usize], index: &[usize]| strides.iter().zip(index).map(|(s, i)| s * i).sum::<usize>();
        let mut terms: Vec<Vec<usize>> = Vec::new();
        for_each_index(&walked, |index| terms.push(inner.iter().map(|strides| place(strides, index)).collect()));
        Tensor::from_fn(out, |index| {
            let firsts: Vec<usize> = outer.iter().map(|strides| place(strides, index)).collect();
            let factor = |((first, at), x): ((&usize, &usize), &&Tensor<R>)| x.data[first + at];
            let mut sum = R::zero();
            for places in &terms {
                let factors = firsts.iter().zip(places).zip(operands).map(factor);
                sum = sum + factors.fold(R::one(), |product, factor| product * factor);
            }
            sum
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // da = sum over what `a` has not of dy * b, and db likewise: every letter of `a` is in `b` or in `dy`
        let labels = Labels::checked(&self.equation);
        let [a, b] = [&labels.operands[0], &labels.operands[1]];
        let [x, y] = [cx.operands[0], cx.operands[1]];
        let d_x = cx.add(Einsum::of(&[&labels.result, b], a), &[dy, y]);
        let d_y = cx.add(Einsum::of(&[a, &labels.result], b), &[x, dy]);
        vec![Some(d_x), Some(d_y)]
    }

    fn composite(&self, operands: &[&TensorType]) -> Option<Expand> {
        let labels = Labels::checked(&self.equation);
        let is_product = operands.len() == 2 && (0..2).all(|i| labels.alone(i).is_empty());
        match is_product {
            false => Some(Expand::BeforeAutodiff),
            // Of a single number there are no outputs that a product could hold in registers.
            true => labels.result.is_empty().then_some(Expand::AfterAutodiff),
        }
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let mut labels = Labels::checked(&self.equation);
        let mut operands: Vec<NodeId> = cx.operands.to_vec();
        for (i, operand) in operands.iter_mut().enumerate() {
            let alone = labels.alone(i);
            let own = &mut labels.operands[i];
            let axes: Vec<usize> = (0..own.len()).filter(|&axis| alone.contains(&own[axis])).collect();
            own.retain(|label| !alone.contains(label));
            *operand = cx.sum(*operand, &axes, false);
        }
        // The product of the first two has what the others or the result still need.
        while operands.len() > 2 {
            let [a, b] = [labels.operands.remove(0), labels.operands.remove(0)];
            let needed: Vec<char> = labels.operands.iter().flatten().chain(&labels.result).copied().collect();
            let is_needed = |label: &&char| needed.contains(label);
            let own = b.iter().filter(|label| !a.contains(label));
            let product: Vec<char> = a.iter().chain(own).filter(is_needed).copied().collect();
            let value = cx.add(Einsum::of(&[&a, &b], &product), &operands[..2]);
            labels.operands.insert(0, product);
            operands.splice(..2, [value]);
        }
        match operands.as_slice() {
            &[x] => in_order(cx, x, &labels.operands[0], &labels.result),
            &[a, b] if labels.result.is_empty() => {
                let b = in_order(cx, b, &labels.operands[1], &labels.operands[0]);
                let product = cx.times(a, b);
                cx.total(product)
            }
            operands => cx.add(Einsum::of(&[&labels.operands[0], &labels.operands[1]], &labels.result), operands),
        }
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes: letters of the result; reductions: the batch, and the other letters of the operands in order.
        let labels = Labels::checked(&self.equation);
        let summed = labels.summed(labels.batch(operands));
        let all: Vec<char> = labels.result.iter().chain(&summed).copied().collect();
        let index = |label: &char| {
            let var = all.iter().position(|other| other == label).expect("it is one of all");
            Affine::var(Var(var as u32))
        };
        let load = |operand: usize| build::load(operand, labels.operands[operand].iter().map(index).collect());
        let body = build::binary(BinaryOp::Mul, load(0), load(1));
        let dims: Vec<&[Dim]> = operands.iter().map(|ty| ty.shape.0.as_slice()).collect();
        let reds: Vec<Dim> = summed.iter().map(|&label| labels.dim(label, &dims)).collect();
        Lowering::Compute(match reds.is_empty() {
            true => Compute::map(&out.shape.0, body),
            false => Compute::reduce(&out.shape.0, &reds, Combine::Sum, body),
        })
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| matches!(shape.rank(), 1..=4))?;
        let a: Vec<char> = ('a'..).take(x.ty.rank()).collect();
        let (mut b, mut dims, mut result) = (Vec::new(), Vec::new(), Vec::new());
        for (&label, &dim) in a.iter().zip(&x.shape().0) {
            // In all three, summed, of the first alone, or summed alone.
            let choice = draw.pick(7);
            if choice < 4 {
                insert(draw, (&mut b, &mut dims), (label, dim));
            }
            if matches!(choice, 0 | 1 | 4 | 5) {
                let at = draw.pick(result.len() + 1);
                result.insert(result.len() - at, label);
            }
        }
        if draw.pick(6) == 5 {
            return Some(Drawn::of(Einsum::of(&[&a], &result), [x]));
        }
        for label in ['x', 'y'] {
            if draw.flag() && b.len() < 4 {
                let size = draw.size().into();
                insert(draw, (&mut b, &mut dims), (label, size));
                if result.len() < 4 && draw.pick(4) < 3 {
                    let at = draw.pick(result.len() + 1);
                    result.insert(result.len() - at, label);
                }
            }
        }
        let y = draw.numbers(Shape(dims));
        let operands: [(&[char], Operand); 2] = if draw.flag() { [(&b, y), (&a, x)] } else { [(&a, x), (&b, y)] };
        let op = Einsum::of(&[operands[0].0, operands[1].0], &result);
        Some(Drawn::of(op, operands.map(|(_, operand)| operand)))
    }
}
