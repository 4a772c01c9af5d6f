//! `docs/ops.md` is made from the ops.

use std::path::Path;

const HEADER: &str = "# Ops

Generated from the ops themselves (`crates/graphc-ir/src/ops/`, one file each, which has the formula); do not edit.
`GRAPHC_BLESS=1 cargo test -p graphc-ir --test ops` writes it anew.

Operands are named in the summary where their order matters. `[N,h,w,c]` is a batch of images; `N` is the batch dimension.

";

#[test]
fn the_op_table_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ops.md");
    let expected = format!("{HEADER}{}", graphc_ir::ops::ops_table());
    if std::env::var_os("GRAPHC_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &expected).expect("docs/ops.md can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/ops.md is stale; GRAPHC_BLESS=1 writes it anew");
}
