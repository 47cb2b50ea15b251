//! `sni` and `target.hostIsSni`: the server name of the client's TLS handshake.

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::ObservedValue;
use super::requirement::{Explanation, Requirement, RequirementFailure, one_of, texts};
use super::rule_key::{FittingRules, RuleKey};
use crate::policy::model::{HostPattern, Truth};
use crate::reason::Reason;
use crate::request::{Host, ServerName};

/// The TLS handshake was for one of these server names.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct ServerNames(pub(in crate::policy) Box<[HostPattern]>);

/// The TLS handshake was for the host of the request.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct ServerNameIsHost;

const NO_HANDSHAKE: &str =
    ": the proxy does not report the TLS handshake (`include_tls_session: true`)";

/// RFC 6066 section 3: a host name without a trailing dot.
fn plain(name: &str) -> Option<Host> {
    Host::parse(name).ok().filter(|_| !name.ends_with('.'))
}

/// Holds if the name of the handshake `fits`; no name does not.
fn fits(name: &ServerName, fits: impl FnOnce(&str) -> Truth) -> Option<Truth> {
    Some(match name {
        ServerName::Unknown => Truth::Unknown,
        ServerName::Absent => Truth::Fails,
        ServerName::Name(name) => fits(name),
    })
}

impl Requirement for ServerNames {
    /// Unknown for what is not a plain host name, since Envoy and the caller may each read it in their own way.
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        fits(&cx.request.sni, |name| {
            plain(name).map_or(Truth::Unknown, |name| {
                self.0.iter().any(|pattern| pattern.matches(name.as_str())).into()
            })
        })
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::NoRule, "the TLS server name")
            .unknown_because(NO_HANDSHAKE)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the client's TLS handshake must name {}", one_of(&self.0));
        let found = ObservedValue::open(cx.request.sni.name());
        Explanation::new(Self::PATH, texts(&self.0), found, suggestion).but_is()
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::ServerName)
    }
}

impl RuleKey for ServerNames {
    const PATH: &'static str = "sni";
    const RULES: FittingRules = FittingRules::Any;
}

impl Requirement for ServerNameIsHost {
    /// A handshake that the proxy does not report is one for no name (P210).
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let Ok(target) = &cx.request.target else { return Some(Truth::Unknown) };
        let host = Some(&target.host);
        Some((cx.request.sni.name().and_then(plain).as_ref() == host).into())
    }

    fn failure(&self) -> RequirementFailure {
        let holds = "the TLS server name is the request's host";
        let fails = "the TLS server name is not the request's host, or the proxy does not report the TLS handshake (`include_tls_session: true`)";
        RequirementFailure::new(Reason::HostInvalid, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let wanted = "the request's host";
        let suggestion = format!("the client's TLS handshake must name {wanted}");
        let host = cx.request.target.as_ref().ok().map(|target| target.host.as_str());
        let found = ObservedValue::open(cx.request.sni.name());
        Explanation::new(Self::PATH, vec![wanted.to_owned()], found, suggestion)
            .but_is()
            .and("request.host", ObservedValue::open(host))
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::ServerName)
    }
}

impl RuleKey for ServerNameIsHost {
    const PATH: &'static str = "target.hostIsSni";
    const RULES: FittingRules = FittingRules::Any;
    const IS_ABOUT_CALLERS: bool = false;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(self == other)
    }
}
