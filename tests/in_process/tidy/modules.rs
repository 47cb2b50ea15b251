//! The modules of `src/` and which file uses which, read from the syntax tree: a `use` that is wrapped over lines, renamed, nested
//! or written in a macro counts like any other.
//!
//! A file that only declares modules and re-exports names uses nothing and is used by nothing: an import through it uses
//! the file that defines the name. Test modules do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, File, ImplItemFn, Item, ItemFn, ItemUse, Meta, UseTree};

/// File by file, the files that it uses and the names that it uses of each.
pub(super) type Edges = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// How deep a chain of re-exports may be.
const MOST_REEXPORTS: usize = 20;

/// The modules of a crate; the first is its root.
pub(super) struct Crate {
    modules: Vec<Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// The names that it defines itself.
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// Every other path that its code names.
    paths: BTreeSet<Vec<String>>,
    defines: bool,
}

struct Import {
    path: Vec<String>,
    /// The name that it brings in; none for `*`.
    name: Option<String>,
}

// === impl Crate ===

impl Crate {
    /// Reads the crate whose root is `folder/lib.rs`.
    pub(super) fn read(folder: &Path) -> Self {
        let mut all = Self { modules: Vec::new() };
        all.read_file(&folder.join("lib.rs"), folder, None);
        all
    }

    fn read_file(&mut self, file: &Path, folder: &Path, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let File { items, .. } =
            syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.read_module(file, folder, parent, items)
    }

    fn read_module(
        &mut self,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
        items: Vec<Item>,
    ) -> usize {
        let id = self.modules.len();
        self.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        for item in items {
            if let Item::Mod(module) = item {
                if is_for_tests(&module.attrs) {
                    continue;
                }
                let name = module.ident.to_string();
                let inside = folder.join(&name);
                let child = match module.content {
                    Some((_, items)) => self.read_module(file, &inside, Some(id), items),
                    None => self.read_file(&module_file(folder, &name), &inside, Some(id)),
                };
                self.modules[id].children.insert(name, child);
            } else {
                self.modules[id].read_item(&item);
            }
        }
        id
    }

    /// Each type and trait with the file that defines it.
    pub(super) fn types(&self) -> impl Iterator<Item = (&str, &Path)> {
        // Constants have no lower-case letter, and functions begin with one.
        let is_type = |name: &&String| {
            name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.contains(|c: char| c.is_ascii_lowercase())
        };
        let modules = self.modules.iter();
        modules.flat_map(move |own| {
            own.items.iter().filter(is_type).map(|name| (name.as_str(), &*own.file))
        })
    }

    /// Which file uses which.
    pub(super) fn edges(&self) -> Edges {
        let defining: BTreeSet<&Path> =
            self.modules.iter().filter(|own| own.defines).map(|own| &*own.file).collect();
        let mut edges = Edges::new();
        for (id, module) in self.modules.iter().enumerate() {
            if !defining.contains(&*module.file) {
                continue;
            }
            let uses = edges.entry(module.file.clone()).or_default();
            let paths = module.imports.iter().map(|import| &import.path).chain(&module.paths);
            for path in paths {
                let Some(target) = self.resolve(id, path, 0) else { continue };
                let file = &self.modules[target].file;
                if *file != module.file && defining.contains(&**file) {
                    let name = path.last().cloned().unwrap_or_default();
                    uses.entry(file.clone()).or_default().insert(name);
                }
            }
        }
        edges
    }

    /// The module that defines what `path` means in `module`; none for what other crates define.
    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        if depth > MOST_REEXPORTS {
            return None;
        }
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" | "countersign" => self.within(0, rest, depth),
            "self" => self.within(module, rest, depth),
            "super" => self.within(self.modules[module].parent?, rest, depth),
            _ => self.step(module, path, depth),
        }
    }

    /// The same for a path that begins inside `module`.
    fn within(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        match path.split_first() {
            None => Some(module),
            Some((first, rest)) if first == "super" => {
                self.within(self.modules[module].parent?, rest, depth)
            }
            Some(_) => self.step(module, path, depth).or(Some(module)),
        }
    }

    fn step(&self, id: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        let module = &self.modules[id];
        if let Some(&child) = module.children.get(first) {
            return self.within(child, rest, depth);
        }
        if module.items.contains(first) {
            return Some(id);
        }
        let named = |import: &&Import| import.name.as_ref() == Some(first);
        let by_name = module.imports.iter().filter(named).find_map(|import| {
            let onward: Vec<String> = import.path.iter().chain(rest).cloned().collect();
            let same = import.path.len() == 1 && import.path.first() == Some(first);
            if same { None } else { self.resolve(id, &onward, depth + 1) }
        });
        by_name.or_else(|| {
            let globs = module.imports.iter().filter(|import| import.name.is_none());
            let mut targets = globs.filter_map(|glob| self.resolve(id, &glob.path, depth + 1));
            let target = targets.find(|&target| target != id && self.modules[target].has(first))?;
            self.step(target, path, depth + 1)
        })
    }
}

/// The file of the module `name`, declared by a file whose modules are in `folder`.
fn module_file(folder: &Path, name: &str) -> PathBuf {
    let beside = folder.join(format!("{name}.rs"));
    if beside.exists() { beside } else { folder.join(name).join("mod.rs") }
}

pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::Path(_) | Meta::NameValue(_) => false,
    })
}

// === impl Module ===

impl Module {
    fn read_item(&mut self, item: &Item) {
        if matches!(item, Item::ExternCrate(_)) {
            return;
        }
        if let Item::Use(import) = item {
            if !is_for_tests(&import.attrs) {
                leaves(&import.tree, &mut Vec::new(), &mut self.imports);
            }
            return;
        }
        self.defines = true;
        self.items.extend(name_of(item));
        let mut paths = Paths { paths: &mut self.paths, imports: Vec::new() };
        paths.visit_item(item);
        let imports = paths.imports;
        self.paths.extend(imports.into_iter().map(|import| import.path));
    }

    fn has(&self, name: &String) -> bool {
        self.children.contains_key(name)
            || self.items.contains(name)
            || self.imports.iter().any(|import| import.name.as_ref() == Some(name))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what has no name, and kinds of items to come")]
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(own) => &own.ident,
        Item::Enum(own) => &own.ident,
        Item::Fn(own) => &own.sig.ident,
        Item::Macro(own) => own.ident.as_ref()?,
        Item::Static(own) => &own.ident,
        Item::Struct(own) => &own.ident,
        Item::Trait(own) => &own.ident,
        Item::Type(own) => &own.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Every name that `tree` brings in.
fn leaves(tree: &UseTree, at: &mut Vec<String>, found: &mut Vec<Import>) {
    let import = |ident: &syn::Ident, at: &[String], name: &syn::Ident| {
        let itself = ident == "self";
        let mut path = at.to_vec();
        path.extend((!itself).then(|| ident.to_string()));
        let renamed = (!itself || name != ident).then(|| name.to_string());
        let name = renamed.or_else(|| path.last().cloned());
        Import { path, name }
    };
    match tree {
        UseTree::Path(path) => {
            at.push(path.ident.to_string());
            leaves(&path.tree, at, found);
            at.pop();
        }
        UseTree::Name(own) => found.push(import(&own.ident, at, &own.ident)),
        UseTree::Rename(own) => found.push(import(&own.ident, at, &own.rename)),
        UseTree::Glob(_) => found.push(Import { path: at.clone(), name: None }),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, at, found)),
    }
}

/// The paths that an item names, in its macros as well.
struct Paths<'a> {
    paths: &'a mut BTreeSet<Vec<String>>,
    imports: Vec<Import>,
}

// === impl Paths ===

impl Paths<'_> {
    fn read_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.paths.insert(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) => {
                    self.paths.insert(std::mem::take(&mut path));
                    self.read_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.paths.insert(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.paths.insert(path);
    }

    /// The paths in texts.
    fn read_texts(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.read_texts(group.stream()),
                TokenTree::Literal(literal) => {
                    let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else {
                        continue;
                    };
                    let text = text.value();
                    if let Ok(path) = syn::parse_str::<syn::Path>(&text) {
                        self.paths.insert(segments(&path));
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|own| own.ident.to_string()).collect()
}

/// The name of the file that `include!(concat!(env!("OUT_DIR"), "/NAME"))` is about.
fn generated(own: &syn::Macro) -> Option<String> {
    let text = own.tokens.to_string();
    let name = text.split('"').find_map(|text| text.strip_prefix('/'))?;
    own.path.is_ident("include").then(|| name.to_owned())
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.insert(segments(path));
        syn::visit::visit_path(self, path);
    }

    /// `pub(super)` names a module and uses nothing of it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    /// Derives call functions that attributes name, as tokens or in a text: `#[serde(with = "crate::wire")]`.
    fn visit_attribute(&mut self, own: &'ast Attribute) {
        if let Meta::List(list) = &own.meta {
            self.read_tokens(list.tokens.clone());
            self.read_texts(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, own: &'ast syn::Macro) {
        self.read_tokens(own.tokens.clone());
        // The build script writes into this folder, attributes included.
        if let Some(file) = generated(own) {
            let text = fs::read_to_string(Path::new(env!("OUT_DIR")).join(file)).unwrap();
            self.visit_file(&syn::parse_file(&text).unwrap());
        }
        syn::visit::visit_macro(self, own);
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        leaves(&import.tree, &mut Vec::new(), &mut self.imports);
    }
}

/// How many lines each function in `text` has, without tests.
pub(super) fn function_lines(text: &str) -> Vec<(String, usize)> {
    struct Functions(Vec<(String, usize)>);
    impl<'ast> Visit<'ast> for Functions {
        fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
            if !is_for_tests(&module.attrs) {
                syn::visit::visit_item_mod(self, module);
            }
        }

        fn visit_item_fn(&mut self, own: &'ast ItemFn) {
            self.count(&own.sig.ident, own.block.brace_token.span, own.sig.fn_token.span);
            syn::visit::visit_item_fn(self, own);
        }

        fn visit_impl_item_fn(&mut self, own: &'ast ImplItemFn) {
            self.count(&own.sig.ident, own.block.brace_token.span, own.sig.fn_token.span);
            syn::visit::visit_impl_item_fn(self, own);
        }
    }
    impl Functions {
        fn count(
            &mut self,
            name: &syn::Ident,
            body: proc_macro2::extra::DelimSpan,
            start: proc_macro2::Span,
        ) {
            let lines = body.close().end().line + 1 - start.start().line;
            self.0.push((name.to_string(), lines));
        }
    }
    let mut functions = Functions(Vec::new());
    functions.visit_file(&syn::parse_file(text).unwrap());
    functions.0
}
