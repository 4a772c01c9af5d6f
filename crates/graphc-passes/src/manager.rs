//! [`PASSES`], the one list, and [`PassManager`], which runs them.

use crate::report::Report;
use crate::{
    canonicalise, eliminate_common_subexpressions, eliminate_dead_code, expand_composites, fold_batch_norm,
    fold_constants, separate_outputs, simplify,
};
use graphc_ir::graph::Graph;
use graphc_ir::graph::verify::verify;
use std::fmt;
use std::time::{Duration, Instant};

/// A graph pass.
#[derive(Clone, Copy)]
pub struct Pass {
    /// Its name in reports, filetests and `--print-after`.
    pub name: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// The pass.
    pub run: fn(&mut Graph) -> Report,
}

/// Every graph pass, by name.
pub const PASSES: &[Pass] = &[
    Pass {
        name: "expand_before_autodiff",
        summary: "mode-dependent ops and losses in terms of others",
        run: expand_composites::before_autodiff,
    },
    Pass {
        name: "expand_after_autodiff",
        summary: "softmax and normalisation in terms of others",
        run: expand_composites::after_autodiff,
    },
    Pass { name: "canonicalise", summary: "one form for what can be written in several ways", run: canonicalise::run },
    Pass { name: "fold_constants", summary: "ops on constants are constants", run: fold_constants::run },
    Pass { name: "simplify", summary: "algebraic rules", run: simplify::run },
    Pass { name: "fold_batch_norm", summary: "inference: normalisation into weights", run: fold_batch_norm::run },
    Pass {
        name: "eliminate_common_subexpressions",
        summary: "equal things are computed once",
        run: eliminate_common_subexpressions::run,
    },
    Pass { name: "eliminate_dead_code", summary: "unread nodes are removed", run: eliminate_dead_code::run },
    Pass {
        name: "separate_outputs",
        summary: "every output and update has a node of its own",
        run: separate_outputs::run,
    },
];

/// The pass of that name.
pub fn find(name: &str) -> Option<&'static Pass> {
    PASSES.iter().find(|pass| pass.name == name)
}

/// After which steps the graph's text is kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum PrintAfter {
    /// None.
    #[default]
    Nothing,
    /// Every step.
    All,
    /// Every run of the step of this name.
    Step(String),
}

/// What one step did.
#[derive(Clone, Debug)]
pub struct Record {
    /// Name of the pass or step.
    pub name: &'static str,
    /// What it changed.
    pub report: Report,
    /// How long it took, verification left out.
    pub time: Duration,
    /// Number of nodes afterwards.
    pub n_nodes: usize,
    /// The graph afterwards, if it was asked for.
    pub text: Option<String>,
}

/// A pass left a graph that the verifier refuses: a bug in the pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenGraph {
    /// The step.
    pub step: &'static str,
    /// All findings.
    pub findings: Vec<String>,
}

impl fmt::Display for BrokenGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} the graph is not valid:", self.step)?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

impl std::error::Error for BrokenGraph {}

/// Runs steps on a graph, verifies after each, and records what they did.
#[derive(Clone, Debug, Default)]
pub struct PassManager {
    /// Verify after every step; debug builds do so anyway.
    pub verify: bool,
    /// Which texts to keep.
    pub print_after: PrintAfter,
    /// What ran so far, in order.
    pub records: Vec<Record>,
}

impl PassManager {
    /// Runs passes by name, in order.
    ///
    /// # Errors
    /// If a pass breaks the graph.
    ///
    /// # Panics
    /// If there is no pass of a name.
    pub fn run(&mut self, names: &[&str], graph: &mut Graph) -> Result<(), BrokenGraph> {
        for name in names {
            let pass = find(name).unwrap_or_else(|| panic!("there is no pass `{name}`"));
            self.step(pass.name, graph, pass.run)?;
        }
        Ok(())
    }

    /// Runs anything that rewrites a graph, such as autodiff, as a step of the same record.
    ///
    /// # Errors
    /// If it breaks the graph.
    pub fn step(
        &mut self,
        name: &'static str,
        graph: &mut Graph,
        run: impl FnOnce(&mut Graph) -> Report,
    ) -> Result<(), BrokenGraph> {
        let start = Instant::now();
        let report = run(graph);
        let time = start.elapsed();
        let is_printed = match &self.print_after {
            PrintAfter::Nothing => false,
            PrintAfter::All => true,
            PrintAfter::Step(step) => step == name,
        };
        let text = is_printed.then(|| graph.to_string());
        self.records.push(Record { name, report, time, n_nodes: graph.len(), text });
        if self.verify || cfg!(debug_assertions) {
            let findings: Vec<String> = verify(graph).iter().map(ToString::to_string).collect();
            if !findings.is_empty() {
                return Err(BrokenGraph { step: name, findings });
            }
        }
        Ok(())
    }
}
