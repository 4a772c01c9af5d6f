//! The modules of a crate, and which file defines what a path means.

use super::source::{Source, is_for_tests};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Item, ItemMod, UseTree};

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
    /// Names of its macros.
    macros: BTreeSet<String>,
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
        let items_here = items.iter().flat_map(names_of).collect();
        let (file, parent) = (scope.file, scope.parent);
        let macros = items.iter().filter(|item| matches!(item, Item::Macro(_))).filter_map(name_of).collect();
        self.list.push(Module {
            macros,
            file,
            parent,
            children: BTreeMap::new(),
            items: items_here,
            imports: imports(items),
        });
        for item in items {
            match item {
                Item::Mod(child) if !is_for_tests(&child.attrs) => self.add_child(files, number, scope, child),
                Item::Macro(item) => {
                    let paths = paths(&item.mac.tokens.to_string());
                    paths.iter().for_each(|path| self.add_file(files, number, scope, &path[0]));
                }
                _ => {}
            }
        }
        number
    }

    /// Module of that name inside a module.
    pub(super) fn child(&self, module: usize, name: &str) -> Option<usize> {
        self.list[module].children.get(name).copied()
    }

    fn add_child(&mut self, files: &[&Source], parent: usize, scope: &Scope, child: &ItemMod) {
        let name = child.ident.to_string();
        let Some((_, items)) = &child.content else { return self.add_file(files, parent, scope, &name) };
        let folder = format!("{}/{name}", scope.folder);
        let position = self.add(files, &Scope { file: scope.file, parent: Some(parent), folder }, items);
        self.list[parent].children.insert(name, position);
    }

    /// The module of that name, if it has a file and is not known yet. A macro may declare the modules whose items it
    /// names, as the list of all ops does.
    fn add_file(&mut self, files: &[&Source], parent: usize, scope: &Scope, name: &str) {
        let folder = format!("{}/{name}", scope.folder);
        let paths = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
        let file = files.iter().position(|file| paths.contains(&file.path));
        if let Some(file) = file.filter(|_| self.child(parent, name).is_none()) {
            let position = self.add(files, &Scope { file, parent: Some(parent), folder }, &files[file].tree.items);
            self.list[parent].children.insert(name.to_owned(), position);
        }
    }

    /// Modules that are whole files, each with the position of its file.
    pub(super) fn files(&self) -> impl Iterator<Item = (usize, usize)> {
        let is_whole = |module: &Module| module.parent.is_none_or(|parent| self.list[parent].file != module.file);
        let list = self.list.iter().enumerate().filter(move |(_, module)| is_whole(module));
        list.map(|(number, module)| (number, module.file))
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
        // An exported macro is an item of the root, wherever it is defined.
        let of_macro = self.list.iter().position(|module| module.macros.contains(name));
        if let Some(of_macro) = of_macro.filter(|_| module == Self::ROOT && rest.len() == 1) {
            return of_macro;
        }
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

/// Names of what an item defines: one, or those in a macro.
fn names_of(item: &Item) -> Vec<String> {
    if let Item::Macro(item) = item
        && item.ident.is_none()
    {
        let tokens = item.mac.tokens.to_string();
        let words: Vec<&str> = tokens.split_whitespace().collect();
        let definitions = words.windows(2).filter(|pair| ["struct", "enum", "trait", "fn"].contains(&pair[0]));
        return definitions.map(|pair| pair[1].to_owned()).collect();
    }
    name_of(item).into_iter().collect()
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
    let macros = items.iter().filter_map(|item| match item {
        Item::Macro(item) if item.ident.is_none() => Some(paths(&item.mac.tokens.to_string())),
        _ => None,
    });
    // A macro may pass on what it names.
    let named = macros.flatten().map(|path| Leaf { name: path.last().cloned(), path });
    trees.flat_map(leaves).chain(named).collect()
}

/// One path of a `use`.
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    /// The name it has here; none if everything in the path is imported.
    pub(super) name: Option<String>,
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

/// Paths in printed tokens, which stand apart by blanks: `crate :: a :: b`.
pub(super) fn paths(tokens: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut is_open = true;
    for word in tokens.split_whitespace() {
        // A keyword that is a name: `r#where` is in `where.rs`.
        let word = word.trim_start_matches("r#");
        let is_name = word.chars().all(|c| c.is_alphanumeric() || c == '_');
        if word == "::" && !path.is_empty() {
            is_open = true;
        } else if is_name && is_open && !path.is_empty() {
            path.push(word.to_owned());
            is_open = false;
        } else {
            found.push(std::mem::take(&mut path));
            is_open = false;
            if is_name {
                path.push(word.to_owned());
            }
        }
    }
    found.push(path);
    found.retain(|path| path.len() > 1);
    found
}
