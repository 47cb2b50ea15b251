//! Istio's mesh configuration: who is asked, and what happens without an answer.

use super::faults::Faults;
use super::topology;
use super::wait::{self, Reader};
use crate::document::{Code, Node, Tree};

/// A mesh configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeshConfig<'a> {
    pub(super) tree: &'a Tree,
    pub(super) node: &'a Node,
}

/// The kinds of providers that ask for authorization.
const GRPC: &str = "envoyExtAuthzGrpc";
const HTTP: &str = "envoyExtAuthzHttp";

/// Keys that a mesh configuration has at its top.
const KEYS: [&str; 5] =
    ["extensionProviders", "defaultConfig", "rootNamespace", "enableAutoMtls", "pathNormalization"];

/// A service that is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderService<'a> {
    /// Its host.
    pub(super) host: &'a str,
    pub(super) port: Option<i64>,
}

impl<'a> MeshConfig<'a> {
    /// Every mesh configuration in `trees`: by itself, or as `meshConfig` in values of a chart or of an operator, wherever they stand.
    pub(super) fn all(trees: impl Iterator<Item = &'a Tree>) -> Vec<Self> {
        let mut all = Vec::new();
        for tree in trees {
            let root = &tree.root;
            let is_own =
                root.get("apiVersion").is_none() && KEYS.iter().any(|key| root.get(key).is_some());
            match is_own {
                true => all.push(Self { tree, node: root }),
                false => find(tree, root, &mut all),
            }
        }
        all
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
    pub(super) fn services(&self) -> impl Iterator<Item = ProviderService<'a>> {
        self.providers().filter_map(|(_, _, own)| {
            let service = own.text_of("service")?;
            // A namespace in front of the host says which entry of a registry is meant.
            let host = service.split_once('/').map_or(service, |(_, host)| host);
            Some(ProviderService { host, port: own.get("port").and_then(Node::number) })
        })
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
        if let Some(config) = node.get("defaultConfig") {
            topology::lint(tree, config, faults);
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
        match settings.get("timeout") {
            None => {
                let message =
                    format!("the provider `{name}` has no `timeout`, and Istio waits for 600 s");
                faults.add(Code::LongWait, tree.place(settings), message);
            }
            Some(wait) => {
                if let Some(fault) = wait::fault(wait, Reader::ControlPlane) {
                    let waits = format!("the provider `{name}` waits");
                    faults.add_wait(place("timeout"), &waits, fault);
                }
            }
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

/// Adds every `meshConfig` in `node`.
fn find<'a>(tree: &'a Tree, node: &'a Node, all: &mut Vec<MeshConfig<'a>>) {
    for (key, value) in node.entries() {
        match key.value == "meshConfig" {
            true => all.push(MeshConfig { tree, node: value }),
            false => find(tree, value, all),
        }
    }
    node.items().iter().for_each(|item| find(tree, item, all));
}
