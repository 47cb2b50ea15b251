//! Everything that is known of the mesh.

use std::collections::HashSet;

use super::faults::{Faults, IdentityHeaders};
use super::mesh_config::{MeshConfig, ProviderService};
use super::resources::{Index, ObjectRef, Resource};
use crate::document::{Code, Node};

/// Everything that is known of the mesh.
#[derive(Debug)]
pub(super) struct Mesh<'a> {
    pub(super) resources: &'a Index<'a>,
    pub(super) configs: &'a [MeshConfig<'a>],
    pub(super) identity: &'a IdentityHeaders,
    /// The names of providers.
    pub(super) providers: HashSet<&'a str>,
    /// The services that are asked.
    pub(super) services: Vec<ProviderService<'a>>,
    /// Their namespaces.
    pub(super) asked_namespaces: HashSet<&'a str>,
    /// Their ports.
    pub(super) asked_ports: HashSet<String>,
    /// The namespaces whose policies cover the whole mesh.
    pub(super) roots: HashSet<&'a str>,
}

impl<'a> Mesh<'a> {
    pub(super) fn of(
        resources: &'a Index<'a>,
        configs: &'a [MeshConfig<'a>],
        identity: &'a IdentityHeaders,
    ) -> Self {
        let services: Vec<_> = configs.iter().flat_map(MeshConfig::services).collect();
        let roots = configs.iter().filter_map(MeshConfig::root_namespace);
        Self {
            resources,
            configs,
            identity,
            providers: configs.iter().flat_map(MeshConfig::provider_names).collect(),
            asked_namespaces: services
                .iter()
                .filter_map(|own| own.host.split('.').nth(1))
                .collect(),
            asked_ports: services.iter().filter_map(|own| Some(own.port?.to_string())).collect(),
            roots: roots.chain(["istio-system"]).collect(),
            services,
        }
    }

    /// A target that is not among the objects of its kind and namespace, of which there are some.
    pub(super) fn lint_missing(
        &self,
        own: &Resource<'_>,
        target: &Node,
        wanted: &ObjectRef<'_>,
        faults: &mut Faults,
    ) {
        if self.resources.get(wanted).is_some() {
            return;
        }
        if let Some(instead) = self.resources.instead_of(wanted) {
            let message = format!(
                "{} is for the `{}` `{}`, and the files have {instead}: nothing is checked there",
                own.described(),
                wanted.kind,
                wanted.name,
            );
            faults.add(Code::UnknownTargetRef, own.tree.place(target), message);
        }
    }
}
