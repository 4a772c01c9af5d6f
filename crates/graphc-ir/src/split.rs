//! Forms with output axes split into digits.

use crate::compute::LoadIndex;
use crate::form::{PointForm, Red, map_indices, map_loads};
use crate::index::{Affine, Var};

/// A form with output axes split into digits, and where its results go.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The form over the digits.
    pub form: PointForm,
    /// The whole axes' extents.
    pub extents: Vec<usize>,
    /// The whole axes over the digits.
    pub result: Vec<Affine>,
    /// Number of the first digit of each axis, and behind the last one.
    firsts: Vec<usize>,
    /// For each digit the coordinate behind the last, over the digits behind it, if that depends on them.
    ends: Vec<Option<Affine>>,
}

impl Split {
    /// The digits of axis `axis` as axes of [`Split::form`], most significant first.
    pub fn digits(&self, axis: usize) -> std::ops::Range<usize> {
        self.firsts[axis]..self.firsts[axis + 1]
    }

    /// The coordinate behind the last one of a digit, over less significant digits, if that depends on them: rows
    /// 0, 3 and 6 of seven leave the remainder 0, rows 1 and 4 the remainder 1.
    pub fn end(&self, digit: Var) -> Option<&Affine> {
        self.ends[digit.0 as usize].as_ref()
    }

    /// Whether the last axis has several digits.
    pub fn splits_last(&self) -> bool {
        self.extents.len().checked_sub(1).is_some_and(|last| self.digits(last).len() > 1)
    }
}

impl PointForm {
    /// The same with axis `i` of the result split into digits of extents `digits[i]`, most significant first.
    ///
    /// # Panics
    /// Unless the extents of its digits multiply to that of the axis; two digits may be as many as hold it.
    pub fn split(&self, digits: &[Vec<usize>]) -> Split {
        let (mut extents, mut firsts, mut result, mut ends) = (Vec::new(), vec![0], Vec::new(), Vec::new());
        for (of_axis, &whole) in digits.iter().zip(&self.extents) {
            ends.push(end(of_axis, whole, Var(extents.len() as u32 + 1)));
            ends.resize(extents.len() + of_axis.len(), None);
            let mut value = Affine::default();
            for &extent in of_axis {
                value = value.times(extent as i64).plus(&Affine::var(Var(extents.len() as u32)));
                extents.push(extent);
            }
            result.push(value);
            firsts.push(extents.len());
        }
        let (n_before, n_after) = (self.extents.len(), extents.len());
        let moved = |var: Var| Var((var.0 as usize - n_before + n_after) as u32);
        let red_extents: Vec<usize> = self.reds.iter().map(|red| red.extent).collect();
        let range = |var: Var| (0, extents.iter().chain(&red_extents).nth(var.0 as usize).map_or(0, |&n| n as i64 - 1));
        let of_var = |var: Var| match result.get(var.0 as usize) {
            Some(value) => value.clone(),
            None => Affine::var(moved(var)),
        };
        let over_digits = |value: &Affine| value.substitute(&of_var).simplify(&range);
        let red = |red: &Red| Red {
            var: moved(red.var),
            low: red.low.iter().map(over_digits).collect(),
            high: red.high.iter().map(over_digits).collect(),
            ..red.clone()
        };
        let body = map_loads(&self.body, &|index| LoadIndex { value: over_digits(&index.value), exact: index.exact });
        let form = PointForm {
            batch_axis: self.batch_axis.map(|axis| firsts[axis]),
            reds: self.reds.iter().map(red).collect(),
            body: map_indices(&body, &over_digits),
            finish: map_indices(&self.finish, &over_digits),
            extents: extents.clone(),
            ..self.clone()
        };
        Split { form, extents: self.extents.clone(), result, firsts, ends }
    }
}

/// The coordinate behind the last one of the first of these digits, if that depends on the other one, `rest`.
fn end(digits: &[usize], whole: usize, rest: Var) -> Option<Affine> {
    if digits.iter().product::<usize>() == whole {
        return None;
    }
    match *digits {
        [turns, radix] if turns == whole.div_ceil(radix) => {
            // radix * turn + rest < whole
            Some(Affine::var(rest).times(-1).plus_constant((whole + radix - 1) as i64).div(radix as i64))
        }
        _ => panic!("digits {digits:?} of an axis of {whole}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::form::Form;
    use crate::graph::Graph;
    use crate::index::Var;

    #[test]
    fn groups_are_an_axis() {
        let text = r#"graph g(batch=16) {
            %0: f32[N,4,4,6] = input() {dtype=f32, shape=[N,4,4,6]} "x"
            %1: f32[3,3,2,12] = parameter() {shape=[3,3,2,12], initializer=0.0, trainable=true} "w"
            %2: f32[N,2,2,12] = conv2d(%0, %1) {strides=[1,1], padding=[0,0,0,0], groups=3}
            output y = %2
        }"#;
        let graph: Graph = text.parse().unwrap();
        let node = *graph.ids().last().unwrap();
        let form = Form::of(&graph, node);
        let form = form.as_point().unwrap();
        let split = form.split(&[vec![16], vec![2], vec![2], vec![3, 4]]);
        assert_eq!(split.form.extents, [16, 2, 2, 3, 4]);
        assert_eq!((split.digits(3), split.splits_last()), (3..5, true));
        assert_eq!(split.result[3].to_string(), "4*i3 + i4");
        let contraction = split.form.as_contraction().unwrap();
        let text = |index: &[crate::compute::LoadIndex]| {
            index.iter().map(|index| index.value.to_string()).collect::<Vec<_>>().join(", ")
        };
        // Channels of the group, and the filter; no division is left.
        assert_eq!(text(contraction.a.1), "i0, i1 + i5, i2 + i6, 2*i3 + i7");
        assert_eq!(text(contraction.b.1), "i5, i6, i7, 4*i3 + i4");
    }

    /// An input gradient with a stride: along rows of one remainder the taps are the same ones.
    #[test]
    fn remainders_may_have_different_numbers_of_rows() {
        let text = r#"graph g(batch=16) {
            %0: f32[N,4,4,8] = input() {dtype=f32, shape=[N,4,4,8]} "dy"
            %1: f32[3,3,2,8] = parameter() {shape=[3,3,2,8], initializer=0.0, trainable=true} "w"
            %2: f32[N,7,8,2] = conv2d_input_grad(%0, %1) {strides=[2,2], padding=[1,1,0,1], shape=[N,7,8,2]}
            output dx = %2
        }"#;
        let graph: Graph = text.parse().unwrap();
        let node = *graph.ids().last().unwrap();
        let form = Form::of(&graph, node);
        let split = form.as_point().unwrap().split(&[vec![16], vec![4, 2], vec![4, 2], vec![2]]);
        let end = |digit: u32| split.end(Var(digit)).map(|end| [0, 1].map(|rest| end.eval(&|_| rest)));
        assert_eq!([0, 1, 2, 3, 4, 5].map(end), [None, Some([4, 3]), None, None, None, None]);
        let contraction = split.form.as_contraction().unwrap();
        let text = |index: &[crate::compute::LoadIndex]| {
            index.iter().map(|index| index.value.to_string()).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(text(contraction.a.1), "i0, i1 - i6 + ((i2 + 1) / 2), i3 - i7, i8");
        assert_eq!(text(contraction.b.1), "2*i6 + ((i2 + 1) % 2), i4 + 2*i7, i5, i8");
    }
}
