//! Roles of kernels that show only when everything is written.

use graphc_ir::loops::{Buffer, BufferKind, Kernel, KernelRole};
use std::collections::BTreeSet;

/// Gives the kernels at the end their role if all they do is to write state.
pub(crate) fn mark_updates(buffers: &[Buffer], kernels: &mut [Kernel]) {
    for kernel in kernels.iter_mut().rev() {
        let mut kinds = BTreeSet::new();
        kernel.body.iter().for_each(|stmt| {
            stmt.for_each_access(&mut |access, writes| {
                if writes {
                    kinds.insert(buffers[access.buffer.0 as usize].kind);
                }
            });
        });
        if kernel.role != KernelRole::Step || kinds != BTreeSet::from([BufferKind::State]) {
            return;
        }
        kernel.role = KernelRole::Update;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::loops::Program;

    /// Updates are those behind the last kernel that writes anything else; a kernel that writes nothing is none.
    #[test]
    fn kernels_that_write_state_alone_are_updates() {
        let kernel = |name: &str, to: &str| {
            format!("kernel \"{name}\" {{ nest \"n\" {{ v0 = load b0[0] store {to}[0] = v0 }} }}\n")
        };
        let roles = |kernels: &[String]| {
            let text = format!(
                "program \"p\" (batch=1, arena=32) {{
                buffer b0: f32 state \"w\" [] strides=[] chunk=1 len=16 @0
                buffer b1: f32 output \"y\" [] strides=[] chunk=1 len=16 @16
                {} }}",
                kernels.concat()
            );
            let mut program: Program = text.parse().unwrap();
            mark_updates(&program.buffers, &mut program.kernels);
            program.kernels.iter().map(|kernel| kernel.role.name()).collect::<Vec<_>>().join(" ")
        };
        let [output, state] = [kernel("y", "b1"), kernel("w", "b0")];
        let [second, both] = [kernel("v", "b0"), kernel("u", "b0").replace("store", "store b1[0] = v0 store")];
        assert_eq!(roles(&[output.clone(), state.clone(), second.clone()]), "step update update");
        assert_eq!(roles(&[state.clone(), output]), "step step");
        assert_eq!(roles(&[state.clone(), both]), "step step");
        assert_eq!(roles(&[state, "kernel \"nothing\" { }".to_owned()]), "step step");
        assert_eq!(roles(&[second.replace("kernel \"v\"", "kernel \"v\" role=prologue")]), "prologue");
    }
}
