//! Istio's mesh configuration: who is asked, and what happens without an answer.

use crate::document::{Code, Node, SourceFile, Tree};
use crate::mesh::faults::{Faults, is_long};
use crate::mesh::resources::Resource;

/// A mesh configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeshConfig<'a> {
    pub(super) tree: &'a Tree,
    pub(super) node: &'a Node,
}

/// The kinds of providers that ask for authorization.
const GRPC: &str = "envoyExtAuthzGrpc";
const HTTP: &str = "envoyExtAuthzHttp";

/// The texts within ConfigMaps that hold a mesh configuration of their own.
pub(super) fn nested(trees: &[Tree]) -> Vec<Tree> {
    let mut found = Vec::new();
    for resource in Resource::all(trees).iter().filter(|own| own.is("", "ConfigMap")) {
        let Some(data) = resource.node.get("data") else { continue };
        let texts = ["mesh", "mesh.yaml"].iter().filter_map(|key| data.text_of(key));
        for text in texts {
            let path = format!("{}#{}", resource.tree.file().path().display(), resource.name());
            // A text that is no YAML there is refused by the program that reads it.
            found.extend(Tree::read(&SourceFile::foreign(path, text), &mut Vec::new()));
        }
    }
    found
}

impl<'a> MeshConfig<'a> {
    /// Every mesh configuration in `trees`: by itself, in values of a chart, or of an operator.
    pub(super) fn all(trees: &'a [Tree]) -> Vec<Self> {
        let of_tree = |tree: &'a Tree| {
            let root = &tree.root;
            let places = [root.get("meshConfig"), root.at(&["spec", "meshConfig"])];
            let whole = Some(root).filter(|own| own.get("extensionProviders").is_some());
            places.into_iter().flatten().chain(whole).map(move |node| Self { tree, node })
        };
        trees.iter().flat_map(of_tree).collect()
    }

    /// The providers that ask for authorization, with their settings.
    fn providers(&self) -> impl Iterator<Item = (&'a Node, &'a str, &'a Node)> {
        self.node.items_of("extensionProviders").iter().flat_map(|provider| {
            [GRPC, HTTP]
                .into_iter()
                .filter_map(move |kind| Some((provider, kind, provider.get(kind)?)))
        })
    }

    /// The names of the providers.
    pub(super) fn provider_names(&self) -> impl Iterator<Item = &'a str> {
        self.node.items_of("extensionProviders").iter().filter_map(|own| own.text_of("name"))
    }

    /// The services that are asked.
    pub(super) fn services(&self) -> impl Iterator<Item = &'a str> {
        self.providers().filter_map(|(_, _, own)| own.text_of("service"))
    }

    /// The namespace whose policies cover the whole mesh.
    pub(super) fn root_namespace(&self) -> Option<&'a str> {
        self.node.text_of("rootNamespace")
    }

    pub(super) fn lint(&self, faults: &mut Faults) {
        let (tree, node) = (self.tree, self.node);
        for (provider, kind, settings) in self.providers() {
            self.lint_provider(
                provider.text_of("name").unwrap_or_default(),
                kind,
                settings,
                faults,
            );
        }
        let normalization = node.at(&["pathNormalization", "normalization"]);
        if let Some(own) =
            normalization.filter(|own| own.text() == Some("DECODE_AND_MERGE_SLASHES"))
        {
            let message = "`DECODE_AND_MERGE_SLASHES` makes two segments of one before the check";
            faults.add(Code::PathRewritten, tree.place(own), message);
        }
        let auto = node.get("enableAutoMtls");
        if let Some(auto) = auto.filter(|own| own.is_false()) {
            let message = "without automatic mutual TLS, checks cross the network in plaintext unless a `DestinationRule` says otherwise";
            faults.add(Code::PlaintextCheck, tree.place(auto), message);
        }
    }

    fn lint_provider(&self, name: &str, kind: &str, settings: &Node, faults: &mut Faults) {
        let tree = self.tree;
        let place = |key| tree.key_place(settings, key);
        if settings.has("failOpen") {
            let message =
                format!("the provider `{name}` lets every request pass while countersign is away");
            faults.add(Code::FailsOpen, place("failOpen"), message);
        }
        let is_ours = [Some(name), settings.text_of("service")];
        if kind == HTTP && is_ours.into_iter().flatten().any(|own| own.contains("countersign")) {
            let message = format!("the provider `{name}` asks over HTTP");
            faults.add(Code::WrongProtocol, place("service"), message);
        }
        if settings.has("clearRouteCache") {
            let message = format!(
                "the provider `{name}` lets headers that are injected choose another route"
            );
            faults.add(Code::RouteChosenAgain, place("clearRouteCache"), message);
        }
        match settings.get("timeout").map(Node::text) {
            None => {
                let message =
                    format!("the provider `{name}` has no `timeout`, and Istio waits for 600 s");
                faults.add(Code::LongWait, tree.place(settings), message);
            }
            Some(Some(wait)) if is_long(wait) => {
                let message = format!("the provider `{name}` waits for {wait}");
                faults.add(Code::LongWait, place("timeout"), message);
            }
            Some(_) => {}
        }
        let Some(status) = settings.get("statusOnError") else { return };
        let number = status.text().and_then(|own| own.parse::<i64>().ok()).or(status.number());
        if status.number().is_some() {
            let message = "`statusOnError` is a number: istiod refuses the whole mesh configuration and keeps the last one. Write a text, as in `\"503\"`";
            faults.add(Code::InvalidMeshConfig, tree.place(status), message);
        } else if number.is_some_and(|own| own < 400) {
            let message = format!("the provider `{name}` answers with a status of success");
            faults.add(Code::StatusAllows, tree.place(status), message);
        }
    }
}
