//! Kubernetes resources among the trees.

use crate::document::{Node, Tree};

/// One resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource<'a> {
    pub(super) tree: &'a Tree,
    pub(super) node: &'a Node,
    /// The group of its `apiVersion`; empty for the core group.
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
}

/// A reference to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObjectRef<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Resource<'a> {
    /// The resources in `trees`; those in a `List` one by one.
    pub(super) fn all(trees: &'a [Tree]) -> Vec<Self> {
        let mut all = Vec::new();
        for tree in trees {
            let items = match tree.root.text_of("kind") {
                Some(kind) if kind.ends_with("List") => tree.root.items_of("items"),
                Some(_) | None => std::slice::from_ref(&tree.root),
            };
            all.extend(items.iter().filter_map(|node| Self::new(tree, node)));
        }
        all
    }

    fn new(tree: &'a Tree, node: &'a Node) -> Option<Self> {
        let (version, kind) = (node.text_of("apiVersion")?, node.text_of("kind")?);
        let group = version.split_once('/').map_or("", |(group, _)| group);
        Some(Self { tree, node, group, kind })
    }

    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    /// The value at `path` below `spec`.
    pub(super) fn spec(&self, path: &[&str]) -> Option<&'a Node> {
        self.node.get("spec")?.at(path)
    }

    pub(super) fn name(&self) -> &'a str {
        self.node.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &'a str {
        self.node.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or("default")
    }

    /// How a message names it.
    pub(super) fn described(&self) -> String {
        format!("{} `{}/{}`", self.kind, self.namespace(), self.name())
    }

    /// True if it is what `reference` means.
    pub(super) fn is_meant_by(&self, reference: &ObjectRef<'_>) -> bool {
        let ObjectRef { group, kind, namespace, name } = *reference;
        self.is(group, kind) && self.namespace() == namespace && self.name() == name
    }

    /// The object that `node`, in this resource, refers to.
    pub(super) fn reference(&self, node: &'a Node) -> ObjectRef<'a> {
        let text = |name| node.text_of(name);
        ObjectRef {
            group: text("group").unwrap_or_default(),
            kind: text("kind").unwrap_or("Gateway"),
            namespace: text("namespace").unwrap_or(self.namespace()),
            name: text("name").unwrap_or_default(),
        }
    }

    /// Its `targetRefs` and its `targetRef`.
    pub(super) fn targets(&self) -> impl Iterator<Item = &'a Node> {
        let several = self.spec(&["targetRefs"]).map_or(&[][..], Node::items);
        several.iter().chain(self.spec(&["targetRef"]))
    }
}
