//! Identities that are wider than they look: whole trust domains, names that any authority may vouch for.

use super::source_rule::SourceRule;
use crate::document::policy::{Effect, PeerSpec, Texts};
use crate::document::{Code, Diagnostic, Spanned};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::requirement::token::TokenPresent;

/// Looks at what an allow rule asks of the peer, where so many trust domains are trusted.
pub(super) fn of(written: &SourceRule<'_>, rule: &Rule, domains: usize) -> Vec<Diagnostic> {
    let Some(peer) = written.spec.peer.as_ref().map(|peer| &peer.value) else { return Vec::new() };
    if rule.effect != Effect::Allow {
        return Vec::new();
    }
    let mut problems = Vec::new();
    if !rule.requirements.has::<TokenPresent>() {
        problems.extend(whole_domains(written, peer));
    }
    problems.extend(one_label_below_public(written, peer));
    let pinned = rule.requirements.trust_domain().is_some();
    if domains > 1 && !pinned {
        problems.extend(any_authority(written, peer, domains));
    }
    problems
}

/// `spiffe://prod.example/**` is every workload of the trust domain.
fn whole_domains(written: &SourceRule<'_>, peer: &PeerSpec) -> Vec<Diagnostic> {
    let is_whole = |text: &&Spanned<String>| {
        let rest = text.value.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
        rest.is_some_and(|(_, path)| path == "**")
    };
    let problem = |text: &Spanned<String>| {
        let message = format!("`{}` lets in every workload of the trust domain", text.value);
        Diagnostic::warning(Code::WholeDomain, written.origin.span(text), message)
            .help("name a namespace or a service account, or ask for a token, too")
    };
    texts(peer.spiffe.as_ref()).iter().filter(is_whole).map(problem).collect()
}

/// `*.com` is every name that is registered there.
fn one_label_below_public(written: &SourceRule<'_>, peer: &PeerSpec) -> Vec<Diagnostic> {
    let is_wide = |text: &&Spanned<String>| {
        text.value
            .strip_prefix("*.")
            .is_some_and(|parent| !parent.trim_end_matches('.').contains('.'))
    };
    let problem = |text: &Spanned<String>| {
        let message =
            format!("`{}` matches every name of one label below a top-level domain", text.value);
        Diagnostic::warning(Code::WideName, written.origin.span(text), message)
            .help("name the domain whose hosts are meant")
    };
    texts(peer.dns.as_ref()).iter().filter(is_wide).map(problem).collect()
}

/// A name without a trust domain is worth as much as the most careless of the authorities that are trusted.
fn any_authority(written: &SourceRule<'_>, peer: &PeerSpec, domains: usize) -> Option<Diagnostic> {
    let PeerSpec { dns, uris, emails, ips, subjects, .. } = peer;
    let place = [dns, uris, emails, ips, subjects].into_iter().find_map(Option::as_ref)?;
    // A SPIFFE ID names its trust domain.
    let message = format!("each of {domains} trust domains may vouch for this name");
    peer.spiffe.is_none().then(|| {
        Diagnostic::warning(Code::AnyAuthority, written.origin.span(place), message)
            .help("name the trust domain that is meant with `trustDomain`")
    })
}

fn texts(list: Option<&Spanned<Texts>>) -> &[Spanned<String>] {
    list.map(|texts| texts.value.as_slice()).unwrap_or_default()
}
