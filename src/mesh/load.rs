//! Files as trees, with the settings that stand as text within them.

use std::sync::Arc;

use super::faults::Faults;
use super::filler::filled;
use super::resources::Resource;
use crate::document::{Code, Node, NodeBudget, SourceFile, Span, Tree};
use crate::limits::{MAX_MESH_NODES, MAX_MESH_REPEATED};

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The documents in the files.
    pub(super) trees: Vec<Tree>,
    /// Settings of meshes and proxies that stand as text in one of the documents.
    pub(super) nested: Vec<Tree>,
    /// Settings of the proxies of single workloads, in annotations.
    pub(super) annotations: Vec<Tree>,
}

/// The annotation in which a workload has settings of its proxy.
const ANNOTATION: &str = "proxy.istio.io/config";

/// Repeats a whole resource in an annotation of it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Words of texts that have settings of a mesh, or of an Envoy.
const MARKS: [&str; 7] = [
    "meshConfig",
    "extensionProviders",
    "static_resources",
    "gatewayTopology",
    "ext_authz",
    "socket_address",
    "socketAddress",
];

/// The place of a nested text, and what it is.
struct Text<'a> {
    value: &'a str,
    is_annotation: bool,
}

/// Reads `files`: paths and texts.
pub(super) fn load(files: Vec<(String, String)>, faults: &mut Faults) -> Loaded {
    let mut budget = NodeBudget::new(MAX_MESH_NODES, MAX_MESH_REPEATED);
    let mut loaded = Loaded::default();
    for (path, text) in files {
        let file: Arc<SourceFile> = SourceFile::foreign(path, filled(&text));
        let before = faults.found.len();
        let read = Tree::read(&file, &mut budget, &mut faults.found);
        if read.is_empty() && faults.found.len() == before {
            let message = "the file has no documents";
            faults.add(Code::EmptyFile, Span::start_of(&file), message);
        }
        loaded.trees.extend(read.into_iter().map(|tree| tree.rewritten(&unwrapped)));
    }
    let (mut nested, mut annotations) = (Vec::new(), Vec::new());
    for (tree, node, name) in holders(&loaded.trees) {
        let mut texts = Vec::new();
        find_texts(node, &mut texts);
        let path = format!("{}#{name}", tree.file().path().display());
        for text in texts {
            let file = SourceFile::foreign(path.clone(), text.value);
            let mut problems = Vec::new();
            let read = Tree::read(&file, &mut budget, &mut problems);
            // A text that is no YAML there is refused by the program that reads it.
            faults.found.extend(problems.into_iter().filter(|own| own.code == Code::YamlBudget));
            let kept = if text.is_annotation { &mut annotations } else { &mut nested };
            kept.extend(read.into_iter().map(|tree| tree.rewritten(&unwrapped)));
        }
    }
    Loaded { nested, annotations, ..loaded }
}

/// The resources in `trees`, and the documents that are none, such as values of a chart; each with its name.
fn holders(trees: &[Tree]) -> Vec<(&Tree, &Node, &str)> {
    let resources = Resource::all(trees);
    let plain = trees.iter().filter(|tree| tree.root.get("apiVersion").is_none());
    let plain = plain.map(|tree| (tree, &tree.root, "text"));
    resources.iter().map(|own| (own.tree, own.node, own.name())).chain(plain).collect()
}

/// Adds the texts in `node` that have settings of their own.
fn find_texts<'a>(node: &'a Node, texts: &mut Vec<Text<'a>>) {
    for (key, value) in node.entries() {
        match value.text() {
            Some(_) if key.value == LAST_APPLIED => {}
            Some(text) if key.value == ANNOTATION => {
                texts.push(Text { value: text, is_annotation: true });
            }
            Some(text) if is_settings(&key.value, text) => {
                texts.push(Text { value: text, is_annotation: false });
            }
            Some(_) | None => find_texts(value, texts),
        }
    }
    node.items().iter().for_each(|item| find_texts(item, texts));
}

/// True for the text of a ConfigMap's mesh configuration, of a chart's values, or of a bootstrap.
fn is_settings(key: &str, text: &str) -> bool {
    let is_structure = || text.contains('\n') || text.trim_start().starts_with('{');
    matches!(key, "mesh" | "mesh.yaml")
        || (is_structure() && MARKS.iter().any(|mark| text.contains(mark)))
}

/// A `TypedStruct` as the message that it stands for: Envoy reads both alike.
fn unwrapped(node: Node) -> Node {
    let is_wrapped = node.text_of("@type").is_some_and(|own| own.ends_with(".TypedStruct"));
    let Some(of) = node.get("type_url").filter(|_| is_wrapped) else { return node };
    let head = of.clone().below(["@type"].into_iter());
    match node.get("value") {
        Some(value) => value.clone().with_entries_of(head),
        None => head,
    }
}
