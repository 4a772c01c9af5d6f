//! The modules of a crate, and which file defines what a path means.

use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use syn::{Item, UseTree};

/// The module tree of a crate, from one root file on.
pub(super) struct Modules {
    list: Vec<Module>,
}

/// One module: a file, or a part of one.
struct Module {
    /// Position of its file.
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// Names of what is defined in it.
    items: BTreeSet<String>,
    /// What it imports.
    imports: Vec<Leaf>,
}

impl Modules {
    /// The tree below the file at position `root`.
    pub(super) fn new(files: &[&Source], root: usize) -> Modules {
        let mut modules = Modules { list: Vec::new() };
        let folder = folder_of_children(&files[root].path);
        modules.add(files, &Scope { file: root, parent: None, folder }, &files[root].tree.items);
        modules
    }

    fn add(&mut self, files: &[&Source], scope: &Scope, items: &[Item]) -> usize {
        let number = self.list.len();
        let items_here = items.iter().filter_map(name_of).collect();
        let (file, parent) = (scope.file, scope.parent);
        self.list.push(Module { file, parent, children: BTreeMap::new(), items: items_here, imports: imports(items) });
        for item in items {
            let Item::Mod(child) = item else { continue };
            let name = child.ident.to_string();
            let folder = format!("{}/{name}", scope.folder);
            let position = match &child.content {
                Some((_, items)) => {
                    Some(self.add(files, &Scope { file: scope.file, parent: Some(number), folder }, items))
                }
                None => {
                    let paths = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
                    let file = files.iter().position(|file| paths.contains(&file.path));
                    file.map(|file| {
                        let items = &files[file].tree.items;
                        self.add(files, &Scope { file, parent: Some(number), folder }, items)
                    })
                }
            };
            if let Some(position) = position {
                self.list[number].children.insert(name, position);
            }
        }
        number
    }

    /// Module of that name inside a module.
    pub(super) fn child(&self, module: usize, name: &str) -> Option<usize> {
        self.list[module].children.get(name).copied()
    }

    /// Position of the file of a module.
    pub(super) fn file(&self, module: usize) -> usize {
        self.list[module].file
    }

    /// The outermost module.
    pub(super) const ROOT: usize = 0;

    /// Position of the file that a path, seen from a module, leads to: that of the module in which its item is defined,
    /// through any number of re-exports. Nothing if it leads out of the crate.
    pub(super) fn file_of(&self, module: usize, path: &[String]) -> Option<usize> {
        let mut first = 0;
        let mut at = module;
        match path.first().map(String::as_str) {
            Some("crate") => (at, first) = (Self::ROOT, 1),
            Some("self") => first = 1,
            Some("super") => {
                while path.get(first).is_some_and(|name| name == "super") {
                    at = self.list[at].parent?;
                    first += 1;
                }
            }
            Some(name) => _ = self.child(module, name)?,
            None => return None,
        }
        Some(self.list[self.defining(at, &path[first..], 0)].file)
    }

    /// The module in which an item is defined; where that cannot be told, the one that has it.
    fn defining(&self, mut module: usize, path: &[String], depth: usize) -> usize {
        const DEEPEST: usize = 8;
        let mut rest = path;
        while let Some(child) = rest.first().and_then(|name| self.child(module, name)) {
            (module, rest) = (child, &rest[1..]);
        }
        let here = &self.list[module];
        let Some(name) = rest.first() else { return module };
        if depth == DEEPEST || here.items.contains(name) {
            return module;
        }
        let import = here.imports.iter().filter(|leaf| leaf.name.as_ref() == Some(name)).map(|leaf| leaf.path.clone());
        let globs = here.imports.iter().filter(|leaf| leaf.name.is_none());
        let through_globs = globs.map(|glob| [&glob.path[..], std::slice::from_ref(name)].concat());
        for target in import.chain(through_globs) {
            let Some((start, target)) = self.start(module, &target) else { continue };
            let target: Vec<String> = target.iter().chain(&rest[1..]).cloned().collect();
            let found = self.defining(start, &target, depth + 1);
            if self.has(found, &target) {
                return found;
            }
        }
        module
    }

    /// Where a path begins, and what is left of it.
    fn start<'a>(&self, module: usize, path: &'a [String]) -> Option<(usize, &'a [String])> {
        match path.first()?.as_str() {
            "crate" => Some((Self::ROOT, &path[1..])),
            "self" => Some((module, &path[1..])),
            "super" => {
                let parent = self.list[module].parent?;
                if path.get(1).is_some_and(|name| name == "super") {
                    let (start, rest) = self.start(parent, &path[1..])?;
                    return Some((start, rest));
                }
                Some((parent, &path[1..]))
            }
            name => self.child(module, name).map(|_| (module, path)),
        }
    }

    /// Whether what a path ends in is a module or defined in the module found for it.
    fn has(&self, found: usize, path: &[String]) -> bool {
        let is_item = path.iter().any(|name| self.list[found].items.contains(name));
        is_item
            || self.list.iter().any(|module| path.last().is_some_and(|name| module.children.get(name) == Some(&found)))
    }
}

/// Where items stand.
struct Scope {
    file: usize,
    parent: Option<usize>,
    /// Folder of the files of modules declared here.
    folder: String,
}

fn folder_of_children(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').expect("a file in a folder");
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// All that some items import.
fn imports(items: &[Item]) -> Vec<Leaf> {
    let trees = items.iter().filter_map(|item| match item {
        Item::Use(item) => Some(&item.tree),
        _ => None,
    });
    trees.flat_map(leaves).collect()
}

/// One path of a `use`.
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    /// The name it has here; none if everything in the path is imported.
    name: Option<String>,
}

/// All paths of a `use`.
pub(super) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    let mut found = Vec::new();
    add_leaves(tree, &mut Vec::new(), &mut found);
    found
}

fn add_leaves(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Leaf>) {
    let with = |path: &[String], name: &syn::Ident| match name.to_string() {
        // `a::{self}` is `a`.
        name if name == "self" && !path.is_empty() => path.to_vec(),
        name => [path, &[name]].concat(),
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            add_leaves(&tree.tree, path, found);
            path.pop();
        }
        UseTree::Name(tree) => {
            let path = with(path, &tree.ident);
            found.push(Leaf { name: path.last().cloned(), path });
        }
        UseTree::Rename(tree) => {
            found.push(Leaf { path: with(path, &tree.ident), name: Some(tree.rename.to_string()) });
        }
        UseTree::Glob(_) => found.push(Leaf { path: path.clone(), name: None }),
        UseTree::Group(tree) => tree.items.iter().for_each(|tree| add_leaves(tree, path, found)),
    }
}
