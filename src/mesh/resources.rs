//! Kubernetes resources among the trees, and an index of them.

use std::collections::{HashMap, HashSet};

use super::labels::{self, Labelled};
use crate::document::{Node, Tree, closest};

/// The group of Istio's resources about traffic.
pub(super) const NETWORKING: &str = "networking.istio.io";

/// The group of Istio's resources about authorization.
pub(super) const SECURITY: &str = "security.istio.io";

/// The group of Envoy Gateway.
pub(super) const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io";

/// The group of the Gateway API.
pub(super) const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// Kinds that have pods, and pods themselves.
pub(super) const WORKLOADS: [(&str, &str); 10] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "ReplicationController"),
    ("", "Pod"),
    ("argoproj.io", "Rollout"),
    ("apps.openshift.io", "DeploymentConfig"),
];

/// Most names with which a missing one is compared.
const MAX_COMPARED_NAMES: usize = 200;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectRef<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

/// Every resource, by its kind and by its name.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    all: Vec<Resource<'a>>,
    /// The places in `all` of a group, kind and namespace.
    of_namespace: HashMap<(&'a str, &'a str, &'a str), Vec<usize>>,
    of_name: HashMap<ObjectRef<'a>, usize>,
    /// The places in `all` by a label of each group, kind and namespace.
    of_label: HashMap<(&'a str, &'a str, &'a str), Labelled<'a>>,
    /// The groups that have an object of a kind, namespace and name.
    groups: HashMap<(&'a str, &'a str, &'a str), &'a str>,
    /// The namespaces that have an object of a group, kind and name.
    namespaces: HashMap<(&'a str, &'a str, &'a str), &'a str>,
    /// The backends of which a `BackendTLSPolicy` says how they are reached.
    backend_tls: HashSet<ObjectRef<'a>>,
}

impl<'a> Index<'a> {
    /// The index of the resources in `trees`.
    pub(super) fn of(trees: &'a [Tree]) -> Self {
        let mut index = Self { all: Resource::all(trees), ..Self::default() };
        for (at, own) in index.all.iter().enumerate() {
            let place = (own.group, own.kind, own.namespace());
            index.of_namespace.entry(place).or_default().push(at);
            index.of_label.entry(place).or_default().add(at, own.labels());
            index.of_name.entry(own.itself()).or_insert(at);
            index.groups.entry((own.kind, own.namespace(), own.name())).or_insert(own.group);
            index.namespaces.entry((own.group, own.kind, own.name())).or_insert(own.namespace());
            if own.is(GATEWAY_API, "BackendTLSPolicy") {
                index.backend_tls.extend(own.targets().map(|target| own.target(target)));
            }
        }
        index
    }

    pub(super) fn all(&self) -> &[Resource<'a>] {
        &self.all
    }

    /// Those of one kind.
    pub(super) fn of_kind<'s>(
        &'s self,
        group: &'s str,
        kind: &'s str,
    ) -> impl Iterator<Item = &'s Resource<'a>> {
        self.all.iter().filter(move |own| own.is(group, kind))
    }

    /// Those of one kind in a namespace.
    pub(super) fn within<'s>(
        &'s self,
        group: &'s str,
        kind: &'s str,
        namespace: &'s str,
    ) -> impl Iterator<Item = &'s Resource<'a>> {
        let places = self.of_namespace.get(&(group, kind, namespace));
        places.into_iter().flatten().filter_map(|at| self.all.get(*at))
    }

    /// The object that `reference` means.
    pub(super) fn get(&self, reference: &ObjectRef<'_>) -> Option<&Resource<'a>> {
        self.all.get(*self.of_name.get(reference)?)
    }

    /// True if a `BackendTLSPolicy` is for `backend`.
    pub(super) fn has_backend_tls(&self, backend: &ObjectRef<'_>) -> bool {
        self.backend_tls.contains(backend)
    }

    /// The group of an object that has all of `wanted` but its group.
    pub(super) fn other_group(&self, wanted: &ObjectRef<'_>) -> Option<&'a str> {
        let group = self.groups.get(&(wanted.kind, wanted.namespace, wanted.name)).copied();
        group.filter(|group| *group != wanted.group)
    }

    /// The objects in the place of `wanted`, which is missing: one of another namespace, or other names; all if they are few, else the
    /// closest.
    pub(super) fn instead_of(&self, wanted: &ObjectRef<'_>) -> Option<String> {
        let ObjectRef { group, kind, namespace, name } = *wanted;
        if let Some(other) = self.namespaces.get(&(group, kind, name)) {
            return Some(format!("one in the namespace `{other}`, and not in `{namespace}`"));
        }
        let count = self.of_namespace.get(&(group, kind, namespace))?.len();
        if count > MAX_COMPARED_NAMES {
            return Some(format!("{count} others"));
        }
        let names: Vec<_> = self.within(group, kind, namespace).map(Resource::name).collect();
        Some(match closest(name, &names) {
            _ if count <= 5 => format!("only `{}`", names.join("`, `")),
            Some(near) => format!("{count} others, such as `{near}`"),
            None => format!("{count} others"),
        })
    }

    /// The objects of one kind in a namespace that `selector` selects.
    pub(super) fn selected<'s>(
        &'s self,
        (group, kind, namespace): (&'s str, &'s str, &'s str),
        selector: &'s Node,
    ) -> impl Iterator<Item = &'s Resource<'a>> {
        let all = self.of_namespace.get(&(group, kind, namespace));
        let labelled = self.of_label.get(&(group, kind, namespace));
        let fewer = labelled.and_then(|own| own.candidates(selector));
        let places = fewer.or_else(|| all.cloned()).unwrap_or_default();
        let candidates = places.into_iter().filter_map(|at| self.all.get(at));
        candidates.filter(move |other| labels::select(selector, other.labels()))
    }
}

impl<'a> Resource<'a> {
    /// The resources in `trees`; those in a `List` one by one.
    pub(super) fn all(trees: &'a [Tree]) -> Vec<Self> {
        let mut all = Vec::new();
        trees.iter().for_each(|tree| Self::collect(tree, &tree.root, &mut all));
        all
    }

    fn collect(tree: &'a Tree, node: &'a Node, all: &mut Vec<Self>) {
        match node.text_of("kind") {
            Some(kind) if kind.ends_with("List") && node.get("items").is_some() => {
                node.items_of("items").iter().for_each(|item| Self::collect(tree, item, all));
            }
            Some(_) | None => all.extend(Self::new(tree, node)),
        }
    }

    fn new(tree: &'a Tree, node: &'a Node) -> Option<Self> {
        let (version, kind) = (node.text_of("apiVersion")?, node.text_of("kind")?);
        let group = version.split_once('/').map_or("", |(group, _)| group);
        Some(Self { tree, node, group, kind })
    }

    /// True for a kind of Istio, of the Gateway API or of Envoy Gateway.
    pub(super) fn is_of_a_mesh(&self) -> bool {
        let groups = ["istio.io", GATEWAY_API, ENVOY_GATEWAY, "sailoperator.io"];
        groups.iter().any(|own| self.group.ends_with(own))
    }

    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    /// The value at `path` below `spec`.
    pub(super) fn spec(&self, path: &[&str]) -> Option<&'a Node> {
        self.node.get("spec")?.at(path)
    }

    /// The list at `path` below `spec`.
    pub(super) fn list(&self, path: &[&str]) -> &'a [Node] {
        self.spec(path).map_or(&[], Node::items)
    }

    pub(super) fn name(&self) -> &'a str {
        self.node.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &'a str {
        self.node.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or("default")
    }

    /// The labels by which policies select it: those of its pods, where it has some.
    fn labels(&self) -> Option<&'a Node> {
        match self.is("", "Service") {
            true => self.spec(&["selector"]),
            false => self.pod_metadata()?.get("labels"),
        }
    }

    /// The template of its pods, or itself if it is one.
    fn pod(&self) -> Option<&'a Node> {
        match (self.group, self.kind) {
            ("", "Pod") => Some(self.node),
            ("batch", "CronJob") => self.spec(&["jobTemplate", "spec", "template"]),
            place if WORKLOADS.contains(&place) => self.spec(&["template"]),
            _ => None,
        }
    }

    /// The metadata of its pods, where it has some; its own else.
    pub(super) fn pod_metadata(&self) -> Option<&'a Node> {
        let has_pods = WORKLOADS.contains(&(self.group, self.kind));
        if has_pods { self.pod()?.get("metadata") } else { self.node.get("metadata") }
    }

    /// The settings of its pods.
    pub(super) fn pod_spec(&self) -> Option<&'a Node> {
        self.pod()?.get("spec")
    }

    /// A reference to it.
    pub(super) fn itself(&self) -> ObjectRef<'a> {
        let Self { group, kind, .. } = *self;
        ObjectRef { group, kind, namespace: self.namespace(), name: self.name() }
    }

    /// How a message names it.
    pub(super) fn described(&self) -> String {
        format!("{} `{}/{}`", self.kind, self.namespace(), self.name())
    }

    /// The object that `node`, in this resource, refers to, with what it is where nothing says it.
    pub(super) fn reference(&self, node: &'a Node, group: &'a str, kind: &'a str) -> ObjectRef<'a> {
        let text = |name| node.text_of(name);
        ObjectRef {
            group: text("group").unwrap_or(group),
            kind: text("kind").unwrap_or(kind),
            namespace: text("namespace").unwrap_or(self.namespace()),
            name: text("name").unwrap_or_default(),
        }
    }

    /// The object that `target`, one of [`targets`](Self::targets), means: a policy is for objects of its own namespace alone.
    pub(super) fn target(&self, target: &'a Node) -> ObjectRef<'a> {
        ObjectRef { namespace: self.namespace(), ..self.reference(target, "", "Gateway") }
    }

    /// Its `targetRefs` and its `targetRef`.
    pub(super) fn targets(&self) -> impl Iterator<Item = &'a Node> {
        self.list(&["targetRefs"]).iter().chain(self.spec(&["targetRef"]))
    }
}
