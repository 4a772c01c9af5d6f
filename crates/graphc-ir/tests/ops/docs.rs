//! `docs/ops.md` is made from the ops.

use std::path::Path;

const HEADER: &str = "# Ops

Generated from the ops themselves (`crates/graphc-ir/src/ops/`, one file each, which has the formula); do not edit.
`GRAPHC_BLESS=1 cargo test -p graphc-ir --test ops` writes it anew.

Operands are named in the summary where their order matters; those in brackets may be left out. `[N,h,w,c]` is a batch of images; `N` is the batch dimension.

## Special values

NaN passes through every op, also through `relu`, maxima and max pooling; `argmax` and `argmin` give the position of the first NaN,
and `top_k` takes NaN for greater than any number.
`if_positive` chooses by `x > 0`, which is false at NaN, and passes what it chooses.
At NaN the gradient of `relu` is that of its result, and the gradient of max pooling goes to the last NaN of the window
(as in PyTorch). Where there is none, it goes to the first maximum inside the image. `reduce_max` and `reduce_min` share their gradient
among equals; at NaN it is NaN. The gradient of `reduce_l2` at zeros is 0, and a factor's of `reduce_prod` is the product of the others, zeros or not.
The cross-entropies pick the term of the label: the probability of another class may be 0 and its logit minus infinity. A label that
is no class gives NaN. Where a share of a class (or of yes, or of no) is 0, its term is 0 whatever the logarithm is, unless that is NaN: the rule
of `xlogy`, `xdivy` and `xmuly`. The gradient of `abs` is 0 at 0 and NaN at NaN.

Zeros keep their sign in what a network, its loss and its metrics compute: `0 - x` is 0 at `x = 0`, where `-x` is -0, and `relu(-0)` is 0.
In gradients, updates and moving statistics the algebraic rules `x + 0 => x`, `-(x - y) => y - x` and `sum(broadcast(x)) => x * count`
may change the sign of a zero. No rule and no fusion hides a NaN or an infinity that is there: what a rule drops because it cancels out
(a bias in front of a batch normalisation) leaves `zero_if_finite` behind. A stable form may be finite where the
detour would overflow: `log(softmax(x))`, `log(sigmoid(x))`, `log(1 - sigmoid(x))` in a cross-entropy.

Subnormal numbers count as zero in machine code, see [architecture](architecture.md).

## Table

";

#[test]
fn the_op_table_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ops.md");
    let expected = format!("{HEADER}{}", graphc_ir::ops::table::ops_table());
    if std::env::var_os("GRAPHC_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &expected).expect("docs/ops.md can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/ops.md is stale; GRAPHC_BLESS=1 writes it anew");
}
