//! The lint of everything together: what one file says is compared with what others do.

use std::sync::Arc;

use super::faults::{FILLER, Faults, IdentityHeaders};
use super::istio::Mesh;
use super::mesh_config::{self, MeshConfig};
use super::resources::Resource;
use super::{envoy, gateway_api};
use crate::document::{Code, Diagnostic, SourceFile, Span, Tree, sort};

/// The problems of `files`: paths and texts. Headers in `identity` say who the caller is.
///
/// A text that is no YAML or JSON is a problem, too.
pub fn lint(files: Vec<(String, String)>, identity: &IdentityHeaders) -> Vec<Diagnostic> {
    let mut faults = Faults::default();
    let mut trees = Vec::new();
    for (path, text) in files {
        let file: Arc<SourceFile> = SourceFile::foreign(path, filled(&text));
        let before = faults.found.len();
        let read = Tree::read(&file, &mut faults.found);
        if read.is_empty() && faults.found.len() == before {
            let message = "the file has no documents";
            faults.add(Code::EmptyFile, Span::start_of(&file), message);
        }
        trees.extend(read);
    }
    trees.extend(mesh_config::nested(&trees));
    let resources = Resource::all(&trees);
    let configs = MeshConfig::all(&trees);
    let mesh = Mesh { resources: &resources, configs: &configs, identity };
    mesh.lint(&mut faults);
    gateway_api::lint(&mesh, &mut faults);
    let plain = trees.iter().filter(|tree| tree.root.get("apiVersion").is_none());
    plain.for_each(|tree| envoy::lint(tree, identity, &mut faults));
    sort(&mut faults.found);
    faults.found
}

/// `text` with each `${PLACEHOLDER}` as a word of the same length, so that every place stays.
fn filled(text: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, left)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                filled.extend(FILLER.chars().cycle().take(name.len().saturating_add(3)));
                rest = left;
            }
            _ => {
                filled.push_str("${");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}
