//! Functions that are long or take much.

use super::figures::{Figures, Finding, MOST_FUNCTION_LINES, MOST_PARAMETERS};
use super::source::Source;
use syn::visit::{self, Visit};
use syn::{Block, FnArg, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemTrait, Signature, TraitItemFn, Type};

/// Adds the functions of a file that are too long or have too many parameters.
pub(super) fn check(file: &Source, figures: &mut Figures) {
    Visitor { path: &file.path, names: Vec::new(), figures }.visit_file(&file.tree);
}

struct Visitor<'a> {
    path: &'a str,
    /// Modules, types and functions around.
    names: Vec<String>,
    figures: &'a mut Figures,
}

impl Visitor<'_> {
    fn function(&mut self, signature: &Signature, block: Option<&Block>) {
        let mut names = self.names.clone();
        names.push(signature.ident.to_string());
        let place = format!("{}: {}", self.path, names.join("::"));
        let n_parameters = signature.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_))).count();
        if n_parameters > MOST_PARAMETERS {
            self.figures.wide_functions.push(Finding { place: place.clone(), amount: n_parameters });
        }
        let Some(block) = block else { return };
        let (start, end) = (signature.fn_token.span.start().line, block.brace_token.span.close().end().line);
        let n_lines = end - start + 1;
        if n_lines > MOST_FUNCTION_LINES {
            self.figures.long_functions.push(Finding { place, amount: n_lines });
        }
    }

    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.names.push(name);
        visit(self);
        self.names.pop();
    }
}

impl Visit<'_> for Visitor<'_> {
    fn visit_item_fn(&mut self, item: &ItemFn) {
        self.function(&item.sig, Some(&item.block));
        self.within(item.sig.ident.to_string(), |this| visit::visit_item_fn(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &ImplItemFn) {
        self.function(&item.sig, Some(&item.block));
        self.within(item.sig.ident.to_string(), |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &TraitItemFn) {
        self.function(&item.sig, item.default.as_ref());
        self.within(item.sig.ident.to_string(), |this| visit::visit_trait_item_fn(this, item));
    }

    fn visit_item_impl(&mut self, item: &ItemImpl) {
        let name = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.within(name.unwrap_or_else(|| "impl".to_owned()), |this| visit::visit_item_impl(this, item));
    }

    fn visit_item_trait(&mut self, item: &ItemTrait) {
        self.within(item.ident.to_string(), |this| visit::visit_item_trait(this, item));
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        self.within(item.ident.to_string(), |this| visit::visit_item_mod(this, item));
    }
}
