//! Files of a crate that import each other in a circle.
//!
//! A file imports another if a path in it, in a `use` or elsewhere, leads to what the other defines. What a module only
//! passes on (`pub use`) is an import of that module, too, so a parent that takes something from its child and a child
//! that takes something from its parent are a circle.
//!
//! Two things are excepted. `ops`, `optimizers` and `graph` of `graphc-ir` know each other: the rules of ops and
//! optimizers build graphs, and a graph holds ops and an optimizer. And what an op's gradient rule (`vjp`) alone names
//! counts for nothing: a linear op and its transpose are each other's gradients, whichever files they are in, and
//! nothing else of the one may need the other.

use super::figures::Circle;
use super::gradient;
use super::modules::{Modules, leaves, paths};
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{ItemMod, ItemUse, Macro, Path};

/// Imports that count for nothing: from files of the first folders to files of the second.
const EXCEPTED: ([&str; 2], &str) =
    (["crates/graphc-ir/src/ops/", "crates/graphc-ir/src/optimizers/"], "crates/graphc-ir/src/graph/");

/// Every set of at least two files that import each other, directly or through others.
pub(super) fn find(files: &[&Source]) -> Vec<Circle> {
    let mut edges: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let is_root = |file: &&Source| ["/src/lib.rs", "/src/main.rs"].iter().any(|name| file.path.ends_with(name));
    for root in (0..files.len()).filter(|&position| is_root(&files[position])) {
        let modules = Modules::new(files, root);
        for (module, file) in modules.files() {
            let gradient = gradient::names(&files[file].tree);
            let mut visitor = Visitor { modules: &modules, module, file, gradient, edges: &mut edges };
            visitor.visit_file(&files[file].tree);
        }
    }
    edges.iter_mut().for_each(|(&from, targets)| {
        targets.retain(|&to| {
            let (from, to) = (&files[from].path, &files[to].path);
            let is_rule = EXCEPTED.0.iter().any(|folder| from.starts_with(folder));
            from != to && !(is_rule && to.starts_with(EXCEPTED.1))
        });
    });
    let reach: Vec<BTreeSet<usize>> = (0..files.len()).map(|from| reachable(&edges, from)).collect();
    let mut circles = BTreeSet::new();
    for from in 0..files.len() {
        let members: Vec<usize> = reach[from].iter().copied().filter(|&to| reach[to].contains(&from)).collect();
        if members.len() > 1 {
            circles.insert(members);
        }
    }
    circles.into_iter().map(|members| circle(files, &edges, &members)).collect()
}

fn circle(files: &[&Source], edges: &BTreeMap<usize, BTreeSet<usize>>, members: &[usize]) -> Circle {
    let path = |file: usize| files[file].path.clone();
    let inside = |from: usize| edges.get(&from).into_iter().flatten().filter(|to| members.contains(to));
    let imports = members.iter().flat_map(|&from| inside(from).map(move |&to| (path(from), path(to))));
    Circle { files: members.iter().map(|&file| path(file)).collect(), imports: imports.collect() }
}

/// Files that imports lead to, in one step or more.
fn reachable(edges: &BTreeMap<usize, BTreeSet<usize>>, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        let next = edges.get(&file).into_iter().flatten();
        open.extend(next.filter(|&&to| found.insert(to)));
    }
    found
}

/// Collects the imports of a module and of those inside it.
struct Visitor<'a> {
    modules: &'a Modules,
    module: usize,
    file: usize,
    /// Names that stand in gradient rules and nowhere else in the file.
    gradient: BTreeSet<String>,
    edges: &'a mut BTreeMap<usize, BTreeSet<usize>>,
}

impl Visitor<'_> {
    fn path(&mut self, path: &[String]) {
        if let Some(to) = self.modules.file_of(self.module, path) {
            self.edges.entry(self.file).or_default().insert(to);
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for leaf in leaves(&item.tree) {
            if leaf.name.is_none_or(|name| !self.gradient.contains(&name)) {
                self.path(&leaf.path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.segments.len() > 1 && path.leading_colon.is_none() {
            let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.path(&names);
        }
        visit::visit_path(self, path);
    }

    /// Macros may hold anything; paths are found by their tokens. The macro's own path is that of the crate's root,
    /// wherever it is defined.
    fn visit_macro(&mut self, item: &'ast Macro) {
        for path in paths(&item.tokens.to_string()) {
            self.path(&path);
        }
    }

    /// A module with a file of its own is visited there. Tests know what they test; that is no circle of the program.
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let child = self.modules.child(self.module, &item.ident.to_string());
        if let (Some(child), Some((_, items))) = (child, &item.content) {
            let module = std::mem::replace(&mut self.module, child);
            items.iter().for_each(|item| self.visit_item(item));
            self.module = module;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate that has a module of that text for each op.
    fn circles(ops: [&str; 2]) -> usize {
        let source = |name: &str, text: &str| Source {
            path: format!("crates/graphc-ir/src/{name}.rs"),
            text: text.to_owned(),
            tree: syn::parse_file(text).unwrap(),
        };
        let sources = [source("lib", "mod pick; mod put;"), source("pick", ops[0]), source("put", ops[1])];
        find(&sources.iter().collect::<Vec<_>>()).len()
    }

    #[test]
    fn ops_may_be_the_gradients_of_each_other_but_no_more() {
        let put = "use super::pick::Pick; pub struct Put; impl OpRules for Put { fn vjp() { add(Pick {}) } }";
        let pick = |elsewhere: &str| {
            let rules = format!("impl OpRules for Pick {{ fn vjp() {{ add(Put {{}}) }} {elsewhere} }}");
            format!("use super::put::Put; pub struct Pick; {rules}")
        };
        assert_eq!(circles([&pick(""), put]), 0);
        assert_eq!(circles([&pick("fn lower() { Put {}.lower() }"), put]), 0, "one of the two arrows is left");
        assert_eq!(circles([&pick("fn lower() { Put {}.lower() }"), &put.replace("vjp", "lower")]), 1);
        assert_eq!(circles([&pick(""), &put.replace("OpRules", "Other")]), 0);
        assert_eq!(circles([&pick("").replace("OpRules", "Other"), &put.replace("OpRules", "Other")]), 1);
    }
}
