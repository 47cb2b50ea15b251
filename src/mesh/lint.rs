//! The lint of everything together: what one file says is compared with what others do.

use std::collections::HashSet;

use super::faults::{Faults, IdentityHeaders};
use super::load::{Loaded, load};
use super::mesh::Mesh;
use super::mesh_config::MeshConfig;
use super::resources::{Index, Resource};
use super::{envoy, gateway, istio, topology};
use crate::document::{Code, Diagnostic, Tree, sort};

/// The problems of `files`: paths and texts. Headers in `identity` say who the caller is.
///
/// A text that is no YAML or JSON is a problem, too.
pub fn lint(files: Vec<(String, String)>, identity: &IdentityHeaders) -> Vec<Diagnostic> {
    let mut faults = Faults::default();
    let Loaded { trees, nested, annotations } = load(files, &mut faults);
    let resources = Index::of(&trees);
    let configs = MeshConfig::all(trees.iter().chain(&nested));
    let mesh = Mesh::of(&resources, &configs, identity);
    lint_recognition(&trees, &nested, &mesh, &mut faults);
    for config in &configs {
        config.lint(&mut faults);
    }
    for tree in &annotations {
        topology::lint(tree, &tree.root, &mut faults);
    }
    istio::lint(&mesh, &mut faults);
    gateway::lint(&mesh, &mut faults);
    let plain = trees.iter().chain(&nested).filter(|tree| tree.root.get("apiVersion").is_none());
    envoy::lint(plain, identity, &mut faults);
    sort(&mut faults.found);
    faults.found
}

/// A file without anything to lint is a mistake of the person who names it, and must not look as if it were fine.
fn lint_recognition(trees: &[Tree], nested: &[Tree], mesh: &Mesh<'_>, faults: &mut Faults) {
    let ours = mesh.resources.all().iter().filter(|own| Resource::is_of_a_mesh(own));
    let trees_of_ours = ours.map(|own| own.tree).chain(mesh.configs.iter().map(|own| own.tree));
    let known: HashSet<_> = trees_of_ours.map(std::ptr::from_ref).collect();
    // The path of a nested text has that of its document.
    let holders: HashSet<_> = nested.iter().filter_map(holder).collect();
    let is_known = |tree: &Tree| {
        let is_resource = tree.root.get("apiVersion").is_some();
        known.contains(&std::ptr::from_ref(tree))
            || (is_resource && holders.contains(&tree.file().path().display().to_string()))
            || (!is_resource && envoy::is_configuration(tree))
    };
    let unknown: Vec<_> = trees.iter().filter(|tree| !is_known(tree)).collect();
    let is_nothing = unknown.len() == trees.len();
    for tree in unknown {
        // Folders have other resources, too.
        let is_resource = tree.root.get("apiVersion").is_some();
        let (place, message) =
            (tree.place(&tree.root), "nothing of Envoy, Istio or a gateway is here");
        let problem = match is_nothing {
            true => Diagnostic::error(Code::NothingToLint, place, message),
            false if is_resource => continue,
            false => Diagnostic::warning(Code::NothingToLint, place, message),
        };
        faults.found.push(problem.help(Code::NothingToLint.remedy()));
    }
}

/// The path of the file that a nested text stands in.
fn holder(tree: &Tree) -> Option<String> {
    let path = tree.file().path().display().to_string();
    path.rsplit_once('#').map(|(file, _)| file.to_owned())
}
