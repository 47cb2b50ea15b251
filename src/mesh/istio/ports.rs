//! Ports that a policy does not ask about.

use std::collections::{BTreeSet, HashMap};

use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::{Index, Resource};

/// Ports of databases and queues, which are asked about by no request.
const OTHER_PROTOCOLS: [&str; 19] = [
    "22", "25", "53", "1433", "1521", "2181", "2379", "2380", "3306", "4222", "5432", "5671",
    "5672", "6379", "6380", "9042", "9092", "11211", "27017",
];

/// Ports that nearly always speak HTTP.
const USUAL_PORTS: [&str; 8] = ["80", "443", "3000", "5000", "8000", "8080", "8443", "50051"];

/// Most ports that are reported one by one for a policy.
const MAX_REPORTED: usize = 20;

/// The ports of services, as the files show them.
#[derive(Debug, Default)]
pub(super) struct Services<'a> {
    /// The protocol that the first service says, by namespace and port of the workload.
    protocols: HashMap<&'a str, HashMap<String, Option<PortProtocol>>>,
    /// The ports of workloads that take requests, by namespace.
    open: HashMap<&'a str, BTreeSet<String>>,
}

/// The protocol of a port, as the files show it.
#[derive(Clone, Copy, Debug)]
pub(super) enum PortProtocol {
    Requests,
    Other,
    Unknown,
}

impl<'a> Services<'a> {
    pub(super) fn of(resources: &Index<'a>) -> Self {
        let mut services = Self::default();
        for own in resources.of_kind("", "Service") {
            let protocols = services.protocols.entry(own.namespace()).or_default();
            for port in own.list(&["ports"]) {
                let Some(number) = of_workload(port) else { continue };
                protocols.entry(number).or_insert_with(|| by_name(port));
            }
            services.open.entry(own.namespace()).or_default().extend(open_ports(own));
        }
        services
    }

    /// The protocol of the port `number` of workloads in `namespace`.
    pub(super) fn speaks(&self, namespace: &str, number: &str) -> PortProtocol {
        let known = self.protocols.get(namespace).and_then(|own| *own.get(number)?);
        known.unwrap_or_else(|| by_number(number))
    }

    /// The ports that take requests of the workloads that `own` is about, and of which `is_open` is true: some of them.
    fn open_to(
        &self,
        mesh: &Mesh<'_>,
        own: &Resource<'_>,
        is_open: impl Fn(&String) -> bool,
    ) -> BTreeSet<String> {
        let is_narrow = |own: &&Node| own.get("matchLabels").is_some_and(|own| !own.is_empty());
        let Some(selector) = own.spec(&["selector"]).filter(is_narrow) else {
            let all = self.open.get(own.namespace()).into_iter().flatten();
            return all.filter(|own| is_open(own)).take(MAX_REPORTED).cloned().collect();
        };
        let selected = mesh.resources.selected(("", "Service", own.namespace()), selector);
        selected.flat_map(open_ports).filter(is_open).take(MAX_REPORTED).collect()
    }
}

/// Lints the ports that no rule of `own` is about.
pub(super) fn lint(
    mesh: &Mesh<'_>,
    services: &Services<'_>,
    own: &Resource<'_>,
    faults: &mut Faults,
) {
    let rules = own.list(&["rules"]);
    if rules.is_empty() || rules.iter().any(is_about_every_port) {
        return;
    }
    let operations: Vec<_> = rules.iter().flat_map(operations).collect();
    let ports = |key| operations.iter().flat_map(move |own| own.items_of(key));
    let named: BTreeSet<_> = ports("ports").filter_map(port).collect();
    let excluded: BTreeSet<_> = ports("notPorts").filter_map(port).collect();
    for node in ports("notPorts") {
        // Istio's own ports take no requests of the application.
        let is_istios = |own: &String| own.len() == 5 && own.starts_with("150");
        let open = port(node).filter(|own| !is_istios(own) && !named.contains(own));
        if let Some(number) = open.filter(|own| !mesh.asked_ports.contains(own)) {
            lint_excluded(services, own, (node, &number), faults);
        }
    }
    if !operations.iter().all(|own| own.get("ports").is_some()) {
        return;
    }
    let is_open = |own: &String| !named.contains(own) && !excluded.contains(own);
    for number in services.open_to(mesh, own, is_open) {
        let message =
            format!("{} is not about the port {number}, which takes requests", own.described());
        let place = own
            .spec(&["rules"])
            .map_or_else(|| own.tree.place(own.node), |own_rules| own.tree.place(own_rules));
        faults.add(Code::CheckInPart, place, message);
    }
}

/// A port in `notPorts` that no other rule is about.
fn lint_excluded(
    services: &Services<'_>,
    own: &Resource<'_>,
    (node, number): (&Node, &str),
    faults: &mut Faults,
) {
    let (place, name) = (own.tree.place(node), own.described());
    match services.speaks(own.namespace(), number) {
        PortProtocol::Requests => {
            let message = format!("{name} lets every request to the port {number} pass unchecked");
            faults.add(Code::CheckInPart, place, message);
        }
        PortProtocol::Other => {}
        PortProtocol::Unknown => {
            let message = format!(
                "{name} lets every connection to the port {number} pass unchecked, and the files do not show that it takes no requests"
            );
            faults.warn(Code::CheckInPart, place, message);
        }
    }
}

/// The ports of the workloads of `service` that take requests.
fn open_ports(service: &Resource<'_>) -> impl Iterator<Item = String> {
    let takes_requests = |own: &&Node| matches!(by_name(own), Some(PortProtocol::Requests));
    service.list(&["ports"]).iter().filter(takes_requests).filter_map(of_workload)
}

/// The operations of `rule`, unless it is about some callers alone.
fn operations(rule: &Node) -> impl Iterator<Item = &Node> {
    rule.items_of("to").iter().filter_map(|to| to.get("operation"))
}

/// True if `rule` has no condition.
fn is_about_every_port(rule: &Node) -> bool {
    let narrows = |to: &Node| to.get("operation").is_some_and(|own| !own.is_empty());
    rule.get("from").is_none()
        && rule.get("when").is_none()
        && !rule.get("to").is_some_and(|_| rule.items_of("to").iter().all(narrows))
}

/// The port here, in text or as a number.
pub(super) fn port(node: &Node) -> Option<String> {
    node.text().map(str::to_owned).or_else(|| Some(node.number()?.to_string()))
}

/// The port of a workload to which that of a service leads.
pub(super) fn of_workload(own: &Node) -> Option<String> {
    own.get("targetPort").or(own.get("port")).and_then(port)
}

/// The protocol that the port of a service says by `appProtocol` or by its name.
fn by_name(port: &Node) -> Option<PortProtocol> {
    let protocol = port.text_of("appProtocol").or(port.text_of("name"))?;
    let word = protocol.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    match word.split('-').next().unwrap_or_default() {
        "http" | "https" | "http2" | "h2c" | "grpc" | "grpcweb" | "ws" | "wss" => {
            Some(PortProtocol::Requests)
        }
        "tcp" | "tls" | "udp" | "mongo" | "mysql" | "redis" | "postgresql" | "postgres"
        | "kafka" | "amqp" => Some(PortProtocol::Other),
        _ => None,
    }
}

/// The protocol that a port usually has.
fn by_number(number: &str) -> PortProtocol {
    if OTHER_PROTOCOLS.contains(&number) {
        PortProtocol::Other
    } else if USUAL_PORTS.contains(&number) {
        PortProtocol::Requests
    } else {
        PortProtocol::Unknown
    }
}
