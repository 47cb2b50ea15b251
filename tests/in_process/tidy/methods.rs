//! The methods that files define, and those that they call, by their names. A name that several files define says nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{
    Visit, visit_expr_method_call, visit_item_impl, visit_item_mod, visit_item_trait,
};
use syn::{Expr, ExprMethodCall, ImplItem, ItemImpl, ItemMod, ItemTrait, TraitItem, Type};

use super::modules::is_for_tests;

/// Who defines a method of a name, and who calls it.
#[derive(Default)]
pub(super) struct Methods {
    defined: BTreeMap<String, BTreeSet<PathBuf>>,
    /// Methods of traits, ours or of others, say nothing either.
    of_traits: BTreeSet<String>,
    called: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Inherent methods by their type, and those that a type's own methods call on it.
    own: BTreeMap<(String, String), BTreeSet<PathBuf>>,
    called_on_self: BTreeMap<PathBuf, BTreeSet<(String, String)>>,
}

#[derive(Default)]
struct Names {
    /// The type whose methods are read.
    of: Option<String>,
    own: BTreeSet<(String, String)>,
    called_on_self: BTreeSet<(String, String)>,
    defined: BTreeSet<String>,
    of_traits: BTreeSet<String>,
    called: BTreeSet<String>,
}

impl Methods {
    pub(super) fn read(files: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for file in files {
            let mut names = Names::default();
            names.visit_file(&syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap());
            for name in names.defined {
                all.defined.entry(name).or_default().insert(file.clone());
            }
            for method in names.own {
                all.own.entry(method).or_default().insert(file.clone());
            }
            all.called_on_self.insert(file.clone(), names.called_on_self);
            all.of_traits.extend(names.of_traits);
            all.called.insert(file.clone(), names.called);
        }
        all
    }

    /// Each call of a method that one other file defines: the caller, the method, and the other file. On `self` the type is known.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&Path, &str, &Path)> {
        self.by_name().chain(self.on_self())
    }

    fn on_self(&self) -> impl Iterator<Item = (&Path, &str, &Path)> {
        let calls = self.called_on_self.iter();
        calls.flat_map(move |(file, methods)| {
            methods.iter().flat_map(move |method| {
                let files = self.own.get(method).into_iter().flatten();
                files
                    .filter(move |other| *other != file)
                    .map(move |other| (&**file, method.1.as_str(), &**other))
            })
        })
    }

    fn by_name(&self) -> impl Iterator<Item = (&Path, &str, &Path)> {
        let calls =
            self.called.iter().flat_map(|(file, names)| names.iter().map(move |name| (file, name)));
        calls.filter(|(_, name)| !self.of_traits.contains(*name)).filter_map(|(file, name)| {
            let [definer] = Vec::from_iter(self.defined.get(name)?)[..] else { return None };
            (definer != file).then_some((&**file, name.as_str(), &**definer))
        })
    }
}

impl Visit<'_> for Names {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &ItemImpl) {
        let names = item.items.iter().filter_map(|own| {
            let ImplItem::Fn(method) = own else { return None };
            Some(method.sig.ident.to_string())
        });
        let of = if let Type::Path(path) = &*item.self_ty {
            path.path.segments.last().map(|own| own.ident.to_string())
        } else {
            None
        };
        let names: Vec<String> = names.collect();
        match (&item.trait_, &of) {
            (None, Some(of)) => {
                self.own.extend(names.iter().map(|name| (of.clone(), name.clone())));
                self.defined.extend(names);
            }
            (None, None) => self.defined.extend(names),
            (Some(_), _) => self.of_traits.extend(names),
        }
        let outer = std::mem::replace(&mut self.of, of);
        visit_item_impl(self, item);
        self.of = outer;
    }

    fn visit_item_trait(&mut self, item: &ItemTrait) {
        let names = item.items.iter().filter_map(|own| {
            let TraitItem::Fn(method) = own else { return None };
            Some(method.sig.ident.to_string())
        });
        self.of_traits.extend(names);
        visit_item_trait(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &ExprMethodCall) {
        let name = call.method.to_string();
        let is_on_self = matches!(&*call.receiver, Expr::Path(own) if own.path.is_ident("self"));
        if let Some(of) = self.of.as_ref().filter(|_| is_on_self) {
            self.called_on_self.insert((of.clone(), name.clone()));
        }
        self.called.insert(name);
        visit_expr_method_call(self, call);
    }
}
