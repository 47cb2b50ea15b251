//! Which `SecurityPolicy` counts where: the most specific one, alone.

use std::collections::{HashMap, HashSet};

use crate::document::{Code, Node};
use crate::limits::MAX_MESH_SELECTED;
use crate::mesh::faults::Faults;
use crate::mesh::resources::{ENVOY_GATEWAY, GATEWAY_API, Index, ObjectRef, Resource};

/// A policy at one of its targets.
#[derive(Clone, Copy, Debug)]
struct Attachment<'a> {
    policy: Resource<'a>,
    /// The entry of the policy that names or selects the target.
    entry: &'a Node,
    object: ObjectRef<'a>,
    /// The listener or rule of the object; none for all of it.
    section: Option<&'a str>,
}

/// Every policy by its targets.
#[derive(Debug, Default)]
pub(super) struct Attached<'a> {
    all: Vec<Attachment<'a>>,
    /// The places in `all` of the first that asks, by object and section.
    asking: HashMap<Wider<'a>, usize>,
    /// Those of the first at each object, and the sections.
    objects: HashMap<ObjectRef<'a>, (usize, HashSet<Option<&'a str>>)>,
}

/// A place that covers another one: an object, and a listener or rule of it.
type Wider<'a> = (ObjectRef<'a>, Option<&'a str>);

impl<'a> Attached<'a> {
    pub(super) fn of(resources: &Index<'a>, faults: &mut Faults) -> Self {
        let mut attached = Self::default();
        for policy in resources.of_kind(ENVOY_GATEWAY, "SecurityPolicy") {
            let section = |entry: &'a Node| entry.text_of("sectionName");
            let at = |entry, object| Attachment {
                policy: *policy,
                entry,
                object,
                section: section(entry),
            };
            attached.all.extend(policy.targets().map(|own| at(own, policy.target(own))));
            for own in policy.list(&["targetSelectors"]) {
                let left = MAX_MESH_SELECTED.saturating_sub(attached.all.len());
                let target = policy.reference(own, GATEWAY_API, "");
                let place = (target.group, target.kind, policy.namespace());
                let selected = resources.selected(place, own).take(left);
                attached.all.extend(selected.map(|object| at(own, object.itself())));
            }
            if attached.all.len() >= MAX_MESH_SELECTED {
                let message = format!(
                    "policies select more than {MAX_MESH_SELECTED} objects: what follows is not compared"
                );
                faults.add(Code::YamlBudget, policy.tree.place(policy.node), message);
                break;
            }
        }
        for (at, own) in attached.all.iter().enumerate().filter(|(_, own)| own.asks()) {
            attached.asking.entry((own.object, own.section)).or_insert(at);
            let (_, sections) = attached.objects.entry(own.object).or_insert((at, HashSet::new()));
            sections.insert(own.section);
        }
        attached
    }

    /// One that asks about exactly the place `place`.
    fn at(&self, place: &Wider<'_>) -> Option<&Attachment<'a>> {
        self.all.get(*self.asking.get(place)?)
    }

    /// One that asks about the place `place`, or about some of it: a policy for one listener covers what is attached to it, or to all.
    fn about(&self, place: &Wider<'_>) -> Option<&Attachment<'a>> {
        let (object, section) = *place;
        let of_all = || self.at(&(object, None));
        let of_some = || self.all.get(self.objects.get(&object)?.0).filter(|_| section.is_none());
        self.at(place).or_else(of_all).or_else(of_some)
    }
}

impl Attachment<'_> {
    fn asks(&self) -> bool {
        self.policy.spec(&["extAuth"]).is_some()
    }

    /// True if what wider policies say counts, too.
    fn is_merged(&self) -> bool {
        let how = self.policy.spec(&["mergeType"]).and_then(Node::text);
        how.is_some_and(|how| how != "Replace") && self.object.kind.ends_with("Route")
    }
}

/// The listeners of a gateway.
pub(super) fn listeners<'a>(gateway: &Resource<'a>) -> &'a [Node] {
    gateway.list(&["listeners"])
}

/// Listeners of a gateway of which others are checked.
pub(super) fn lint_listeners(attached: &Attached<'_>, gateway: &Resource<'_>, faults: &mut Faults) {
    let Some((_, sections)) = attached.objects.get(&gateway.itself()) else { return };
    if sections.contains(&None) {
        return;
    }
    let is_http = |own: &&Node| matches!(own.text_of("protocol"), Some("HTTP" | "HTTPS"));
    let is_open = |own: &&Node| !sections.contains(&own.text_of("name"));
    for listener in listeners(gateway).iter().filter(is_http).filter(is_open) {
        let message = format!(
            "no policy asks about the listener `{}` of {}, and one does about another",
            listener.text_of("name").unwrap_or_default(),
            gateway.described()
        );
        faults.add(Code::ListenerWithoutCheck, gateway.tree.place(listener), message);
    }
}

/// A route of raw connections at a gateway of which a policy asks about requests.
pub(super) fn lint_raw(
    attached: &Attached<'_>,
    resources: &Index<'_>,
    route: &Resource<'_>,
    faults: &mut Faults,
) {
    let parents = parents(resources, route);
    let checked = parents.iter().find(|(object, _)| attached.objects.contains_key(object));
    if let Some((gateway, _)) = checked {
        let message = format!(
            "nothing is asked about the connections of {}, and a policy asks about requests at the `{}` `{}`",
            route.described(),
            gateway.kind,
            gateway.name
        );
        faults.add(Code::ListenerWithoutCheck, route.tree.place(route.node), message);
    }
}

/// Policies without `extAuth` in the place of one with it.
pub(super) fn lint_replaced(attached: &Attached<'_>, resources: &Index<'_>, faults: &mut Faults) {
    for own in attached.all.iter().filter(|own| !own.asks()) {
        let place = own.policy.tree.place(own.entry);
        let name = own.policy.described();
        let same = attached.at(&(own.object, own.section));
        if let Some(other) = same {
            let message = format!(
                "{name} has no `extAuth` and the target of {}: the older one of them counts alone",
                other.policy.described()
            );
            faults.add(Code::PolicyReplaced, place.clone(), message);
        }
        if own.is_merged() {
            continue;
        }
        let wider = wider(resources, own);
        let replaced = wider.iter().find_map(|place| attached.about(place));
        if let Some(other) = replaced {
            let message = format!(
                "{name} has no `extAuth`, and replaces {} where it is more specific: requests there are not checked",
                other.policy.described()
            );
            faults.add(Code::PolicyReplaced, place, message);
        }
    }
}

/// The places that cover that of `own`, from the closest.
fn wider<'a>(resources: &Index<'a>, own: &Attachment<'a>) -> Vec<Wider<'a>> {
    let mut wider = Vec::new();
    if own.section.is_some() && own.object.kind.ends_with("Route") {
        wider.push((own.object, None));
    }
    let Some(object) = resources.get(&own.object) else {
        wider.extend(own.section.map(|_| (own.object, Some(""))));
        return wider;
    };
    match own.object.kind {
        // A policy for all of it covers each of its listeners.
        "Gateway" => wider.extend(own.section.map(|_| (own.object, Some("")))),
        "ListenerSet" | "XListenerSet" => {
            wider.extend(own.section.map(|_| (own.object, Some(""))));
            let parent = object.spec(&["parentRef"]);
            wider.extend(
                parent.map(|own| (object.reference(own, GATEWAY_API, "Gateway"), Some(""))),
            );
        }
        _ => wider.extend(parents(resources, object)),
    }
    wider
}

/// The gateways and listeners that a route is attached to.
fn parents<'a>(resources: &Index<'a>, route: &Resource<'a>) -> Vec<Wider<'a>> {
    let mut parents = Vec::new();
    for node in route.list(&["parentRefs"]) {
        let parent = route.reference(node, GATEWAY_API, "Gateway");
        parents.push((parent, node.text_of("sectionName")));
        let set = resources.get(&parent).filter(|own| own.kind.ends_with("ListenerSet"));
        let above = set.and_then(|own| Some((own, own.spec(&["parentRef"])?)));
        parents.extend(
            above.map(|(set, node)| (set.reference(node, GATEWAY_API, "Gateway"), Some(""))),
        );
    }
    parents
}
