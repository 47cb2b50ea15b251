//! Which requests a policy is about: hosts and how they may be written, the connection's port, and what is accepted in paths.

use std::sync::Arc;

use crate::document::policy::Effect;
use crate::policy::model::host::{AuthorityPattern, HostPattern};
use crate::policy::model::obligations::Keep;
use crate::request::{HostForm, PathLeniency, RequestView, Target};

/// The requests that the rules of a policy are about.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct PolicyTarget {
    /// Empty for every host.
    pub(in crate::policy) hosts: Box<[AuthorityPattern]>,
    /// True if the proxy takes no notice of the port that a caller writes behind the host.
    pub(in crate::policy) any_authority_port: bool,
    /// Ports of the connection. Empty for every port.
    pub(in crate::policy) ports: Box<[u16]>,
    /// True if allow rules need a TLS handshake for the host.
    pub(in crate::policy) host_is_sni: bool,
    /// The paths that are accepted although they are not canonical.
    pub(in crate::policy) leniency: PathLeniency,
    /// The issuers whose tokens count, where others are ignored.
    pub(in crate::policy) counting: Option<Box<[Box<str>]>>,
    /// The overrides that go upstream.
    pub(in crate::policy) keep: Option<Arc<Keep>>,
}

impl PolicyTarget {
    /// True if the target, found by the name of the host, asks for the host as the request writes it: allow rules are about no
    /// other form, since the proxy may route every other one elsewhere.
    pub(in crate::policy) fn asks_for_form(&self, request: &Target) -> bool {
        let form = request.form;
        if self.hosts.is_empty() {
            return !form.trailing_dot && (form.port.is_none() || self.any_authority_port);
        }
        self.of_name(request).any(|own| self.is_asked_for(own, form))
    }

    /// True if deny rules of the target are about the host as the request writes it: with any port where theirs has none, and with
    /// or without a dot where theirs has none.
    pub(in crate::policy) fn denies_form(&self, request: &Target) -> bool {
        self.hosts.is_empty() || self.of_name(request).any(|own| is_denied(own, request.form))
    }

    /// True if one of the hosts is the request's, by its name and not by a wildcard, in a form that fits a rule of this effect.
    pub(in crate::policy) fn names(&self, request: &Target, effect: Effect) -> bool {
        let fits = |own: &AuthorityPattern| match effect {
            Effect::Allow => self.is_asked_for(own, request.form),
            Effect::Deny => is_denied(own, request.form),
        };
        let mut hosts = self.of_name(request);
        hosts.any(|own| matches!(own.host, HostPattern::Exact(_)) && fits(own))
    }

    fn is_asked_for(&self, own: &AuthorityPattern, form: HostForm) -> bool {
        let any_port = self.any_authority_port && own.form.port.is_none();
        own.form.trailing_dot == form.trailing_dot && (own.form.port == form.port || any_port)
    }

    fn of_name(&self, request: &Target) -> impl Iterator<Item = &AuthorityPattern> {
        let name = request.host.as_str();
        self.hosts.iter().filter(move |own| own.host.matches(name))
    }

    /// True if the connection went to one of the ports; `None` where the proxy does not tell its port.
    pub(in crate::policy) fn fits_port(&self, request: &RequestView) -> Option<bool> {
        if self.ports.is_empty() {
            return Some(true);
        }
        request.destination.port().map(|port| self.ports.contains(&port))
    }
}

/// Every form that an allow rule of the target may ask for, and more (P710).
fn is_denied(own: &AuthorityPattern, form: HostForm) -> bool {
    let port = own.form.port.is_none() || own.form.port == form.port;
    port && (form.trailing_dot || !own.form.trailing_dot)
}
