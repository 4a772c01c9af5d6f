//! What an op's file names for its gradient rule alone.

use super::source::is_for_tests;
use std::collections::BTreeSet;
use std::mem;
use syn::visit::{self, Visit};
use syn::{File, Ident, ImplItemFn, ItemImpl, ItemMod, ItemUse, Macro};

/// The trait of an op's rules.
const RULES: &str = "OpRules";

/// Its method that says what the gradient is.
const GRADIENT: &str = "vjp";

/// Names that stand in gradient rules and nowhere else in a file, but for what imports them.
pub(super) fn names(file: &File) -> BTreeSet<String> {
    let mut names = Names::default();
    names.visit_file(file);
    names.in_gradients.difference(&names.elsewhere).cloned().collect()
}

/// Collects the names of a file.
#[derive(Default)]
struct Names {
    in_gradients: BTreeSet<String>,
    elsewhere: BTreeSet<String>,
    /// Whether what is visited is the rules of an op.
    are_rules: bool,
    /// Whether it is a gradient rule.
    is_gradient: bool,
}

impl Names {
    fn name(&mut self, name: String) {
        let names = if self.is_gradient { &mut self.in_gradients } else { &mut self.elsewhere };
        names.insert(name);
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.name(ident.to_string());
    }

    /// Macros may hold anything.
    fn visit_macro(&mut self, item: &'ast Macro) {
        item.tokens
            .to_string()
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .for_each(|word| self.name(word.into()));
    }

    fn visit_item_use(&mut self, _: &'ast ItemUse) {}

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let is_trait = |path: &syn::Path| path.segments.last().is_some_and(|segment| segment.ident == RULES);
        self.are_rules = item.trait_.as_ref().is_some_and(|(path, _)| is_trait(path));
        visit::visit_item_impl(self, item);
        self.are_rules = false;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        let is_gradient = self.are_rules && item.sig.ident == GRADIENT;
        let outer = mem::replace(&mut self.is_gradient, is_gradient);
        visit::visit_impl_item_fn(self, item);
        self.is_gradient = outer;
    }
}
