//! No step allocates memory, on any thread. Alone in its file: the count is of the whole process.

use graphc_codegen::{CodegenOptions, Isa, Target, compile};
use graphc_ir::loops::Program;
use graphc_runtime::{Executable, StepLog, Team};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static N_CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        N_CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn steps_allocate_nothing() {
    let text = "program \"m\" (batch=1, arena=128) {
        buffer b0: f32 state \"x\" [64] strides=[1] chunk=64 len=64 @0
        buffer b1: f32 output \"y\" [64] strides=[1] chunk=64 len=64 @64
        kernel \"k0\" { parallel i0 in 0..64 { nest \"n\" { v0 = load b0[i0] store b1[i0] = v0 } }
          nest \"serial\" { v2 = load b1[7] store b1[8] = v2 } }
        kernel \"k1\" { parallel i1 in 0..5 { nest \"n\" { v1 = load b1[i1] store b0[i1] = v1 } } } }";
    let program: Program = text.parse().expect("the program reads");
    let target = Target::host(Isa::Native).expect("a supported host");
    let code = compile(&program, &target, &CodegenOptions { checked: false }).expect("it compiles");
    let mut executable = Executable::new(program, code).expect("code of this program");
    for n_members in [1, 3] {
        let mut team = Team::new(n_members).expect("a small team");
        let mut log = StepLog::default();
        let mut steps = || {
            for step in 0..500 {
                executable.step_on(&mut team).expect("unchecked code cannot fail");
                executable.step_timed(&mut team, &mut log).expect("unchecked code cannot fail");
                if step % 50 == 0 {
                    // Long enough for the others to go to sleep.
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        };
        steps();
        let before = N_CALLS.load(Ordering::Relaxed);
        steps();
        assert_eq!(N_CALLS.load(Ordering::Relaxed) - before, 0, "{n_members} members");
        assert_eq!(log.ends.len(), 3, "one of every phase");
        // Who comes late may find nothing left of a phase.
        assert!(log.shares.len() <= 2 * (n_members - 1), "{:?}", log.shares);
    }
}
