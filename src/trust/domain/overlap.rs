//! Documents that trust the same authority: a warning unless the documents say that this is intended.

use super::draft::DomainDraft;
use crate::document::{Code, Diagnostic, Document, Kind, Spanned, Spec, TrustDomainSpec, closest};

/// Warns of documents over one authority, but for those that name each other in `sharedWith`.
pub(in crate::trust) fn check_overlaps(
    documents: &[Document],
    drafts: &[DomainDraft],
    problems: &mut Vec<Diagnostic>,
) {
    let specs: Vec<_> = documents.iter().filter_map(of_domain).collect();
    for (document, spec) in &specs {
        let names: Vec<_> = specs.iter().map(|(other, _)| name(other)).collect();
        let unknown =
            spec.shared_with.iter().filter(|other| !names.contains(&other.value.as_str()));
        problems.extend(unknown.map(|other| unknown_domain(document, other, &names)));
    }
    let mut drafts: Vec<_> = drafts.iter().collect();
    drafts.sort_by(|a, b| a.domain.name.cmp(&b.domain.name));
    for (at, first) in drafts.iter().enumerate() {
        for second in drafts.iter().skip(at.saturating_add(1)) {
            let pair = (&first.domain.name, &second.domain.name);
            let find = |wanted: &str| specs.iter().find(|(document, _)| name(document) == wanted);
            let (Some(one), Some(other)) = (find(pair.0), find(pair.1)) else { continue };
            let meant = |(_, spec): &(&Document, &TrustDomainSpec), other: &str| {
                spec.shared_with.iter().any(|named| named.value == other)
            };
            if !meant(one, pair.1) && !meant(other, pair.0) {
                problems.extend(overlap((one.0, first), (other.0, second)));
            }
        }
    }
}

fn of_domain(document: &Document) -> Option<(&Document, &TrustDomainSpec)> {
    let Spec::TrustDomain(spec) = &document.spec else { return None };
    Some((document, spec))
}

fn name(document: &Document) -> &str {
    &document.metadata.name.value
}

fn unknown_domain(document: &Document, other: &Spanned<String>, known: &[&str]) -> Diagnostic {
    let message = format!("no `TrustDomain` document is called `{}`", other.value);
    let problem = Diagnostic::error(Code::UnknownTrustDomain, document.origin.span(other), message)
        .missing(Kind::TrustDomain, Some(&other.value));
    match closest(&other.value, known) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("`sharedWith` names documents that have some of the same authorities"),
    }
}

fn overlap(
    (first, one): (&Document, &DomainDraft),
    (second, other): (&Document, &DomainDraft),
) -> Option<Diagnostic> {
    let ids: Vec<_> = other.domain.authorities.iter().map(|own| &own.issuer).collect();
    let shared = one.domain.authorities.iter().find(|own| ids.contains(&&own.issuer))?;
    if one.domain.spiffe.as_ref().is_some() || other.domain.spiffe.as_ref().is_some() {
        // The SPIFFE ID, or the lack of one, says which of the two a certificate is of.
        return None;
    }
    let (a, b) = (name(first), name(second));
    let span = first.origin.span(&first.metadata.name);
    let (line, column) = span.line_column();
    let place = format!("{}:{line}:{column}", first.origin.file().path().display());
    let lists = match (&one.lists, &other.lists) {
        (None, None) | (Some(_), Some(_)) => String::new(),
        (None, Some(_)) => format!(
            "; `{a}` has no revocation lists, and a certificate that a list of `{b}` revokes is revoked for both"
        ),
        (Some(_), None) => format!(
            "; `{b}` has no revocation lists, and a certificate that a list of `{a}` revokes is revoked for both"
        ),
    };
    let message = format!(
        "`{b}` and `{a}` ({place}) have the same authority, `{}`: a certificate of it without a SPIFFE ID may be of either. A rule that names one of the two applies the settings of that one, and a rule that names none accepts a certificate that either accepts{lists}",
        shared.subject()
    );
    let problem = Diagnostic::warning(
        Code::SharedAuthority,
        second.origin.span(&second.metadata.name),
        message,
    );
    Some(problem.help(format!(
        "name the trust domain in rules, and confirm the shared authority with `sharedWith: [{a}]`"
    )))
}
