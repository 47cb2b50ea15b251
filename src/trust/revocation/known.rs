//! Entries that revoke nothing yet: of issuers, authorities, keys and workloads that are in no document. Without a warning a
//! slip there would be found on the day on which the entry has to count.

use super::entry::RevocationEntry;
use super::list::AcceptedList;
use super::target::{RevocationKind, RevocationTarget};
use crate::document::{
    Code, Diagnostic, Document, IssuerName, IssuerProfile, Kind, Spec, closest, like_a_pattern,
};
use crate::spiffe::SpiffeId;
use crate::trust::domain::TrustDomain;
use crate::trust::issuer::{Issuer, KeySource};
use crate::trust::keys::KeySet;
use crate::trust::name::CanonicalName;

/// The issuers and authorities of the documents, for lists that are read beside them.
#[derive(Clone, Debug, Default)]
pub struct KnownIssuers {
    issuers: Vec<IssuerName>,
    authorities: Vec<CanonicalName>,
}

/// A reason why an entry may revoke less than it seems.
struct EntryLint {
    code: Code,
    field: &'static str,
    message: String,
    help: String,
    /// The kind of the document that is missing.
    missing: Option<Kind>,
}

/// Everything in the documents that an entry can name.
struct KnownTargets<'a> {
    issuers: &'a [Issuer],
    authorities: Vec<CanonicalName>,
    workloads: Vec<&'a str>,
}

/// Fields whose values are compared as they are.
const COMPARED: [&str; 6] = ["jti", "sub", "sid", "client", "kid", "issuer"];

/// Warns of entries in documents that name something that no document has.
pub(in crate::trust) fn check_known(
    documents: &[Document],
    domains: &[TrustDomain],
    issuers: &[Issuer],
    problems: &mut Vec<Diagnostic>,
) {
    let known = KnownTargets::of(domains, issuers);
    for document in documents {
        let Spec::RevocationList(spec) = &document.spec else { continue };
        for written in &spec.entries {
            let plain = written.value.clone().map(|text| text.value);
            // An entry that cannot be read has an error of its own.
            let Ok(entry) = RevocationEntry::read(&plain) else { continue };
            for EntryLint { code, field, message, help, missing } in known.lints(&entry) {
                let place = written.value.fields().into_iter().find(|(name, _)| *name == field);
                let span = match place.and_then(|(_, text)| text) {
                    Some(text) => document.origin.span(text),
                    None => document.origin.span(written),
                };
                let problem = Diagnostic::warning(code, span, message).help(help);
                problems.push(match missing {
                    Some(kind) => problem.missing(kind, None),
                    None => problem,
                });
            }
        }
    }
}

/// The same for an entry that is made while servers run.
pub(in crate::trust) fn lints_about(
    entry: &RevocationEntry,
    domains: &[TrustDomain],
    issuers: &[Issuer],
) -> Vec<String> {
    let lints = KnownTargets::of(domains, issuers).lints(entry).into_iter();
    lints.map(|EntryLint { message, help, .. }| format!("{message}: {help}")).collect()
}

/// Refuses an entry that is made for the name of a document.
pub(in crate::trust) fn check_issuer_of(
    entry: &RevocationEntry,
    issuers: &[Issuer],
) -> Result<(), String> {
    let target = entry.target();
    let Some(iss) = target.token_issuer() else { return Ok(()) };
    let is_known = issuers.iter().any(|issuer| issuer.iss.is_meant_by(iss));
    match name_of_document(iss, issuers).filter(|_| !is_known) {
        Some(message) => Err(message),
        None => Ok(()),
    }
}

/// Says so where `text` is the name of a document and not an issuer.
fn name_of_document(text: &str, issuers: &[Issuer]) -> Option<String> {
    let named = issuers.iter().filter(|issuer| issuer.name == text);
    let own: Vec<_> = named.map(|issuer| format!("`{}`", issuer.iss.as_str())).collect();
    (!own.is_empty()).then(|| {
        format!("`{text}` is the name of a TokenIssuer; its `iss` is {}", own.join(" or "))
    })
}

impl KnownIssuers {
    pub(in crate::trust) fn of(domains: &[TrustDomain], issuers: &[Issuer]) -> Self {
        Self {
            issuers: issuers.iter().map(|issuer| issuer.iss.clone()).collect(),
            authorities: domains.iter().flat_map(TrustDomain::issuer_names).collect(),
        }
    }

    /// The names in `list` that no document has.
    pub fn unknown_in(&self, list: &AcceptedList) -> Vec<String> {
        let is_unknown = |name: &&String| {
            let name = CanonicalName::of_certificate(name);
            !self.authorities.is_empty() && !self.authorities.contains(&name)
        };
        let issuers =
            list.issuers.iter().filter(|iss| !self.issuers.iter().any(|own| own.is_meant_by(iss)));
        issuers.chain(list.certificate_issuers.iter().filter(is_unknown)).cloned().collect()
    }
}

impl<'a> KnownTargets<'a> {
    fn of(domains: &'a [TrustDomain], issuers: &'a [Issuer]) -> Self {
        let authorities = domains.iter().flat_map(TrustDomain::issuer_names).collect();
        let of_peers =
            domains.iter().filter_map(|domain| domain.spiffe.as_ref()).map(|name| name.as_str());
        let of_tokens = issuers.iter().filter(|issuer| issuer.profile == IssuerProfile::JwtSvid);
        // The `iss` of JWT-SVIDs is the trust domain as a SPIFFE ID.
        let of_tokens =
            of_tokens.filter_map(|issuer| issuer.iss.as_str().strip_prefix("spiffe://"));
        Self { issuers, authorities, workloads: of_peers.chain(of_tokens).collect() }
    }

    fn lints(&self, entry: &RevocationEntry) -> Vec<EntryLint> {
        let target = entry.target();
        let of_target = match target {
            RevocationTarget::OfIssuer(_, iss, _) | RevocationTarget::Issuer(iss) => {
                [self.issuer(iss), self.key(target).or_else(|| self.one_tenant(target))]
            }
            RevocationTarget::Serial(_, name) => [self.authority(name), None],
            RevocationTarget::Spiffe(id) => [self.workload(id), None],
            RevocationTarget::Spki(_) | RevocationTarget::Certificate(_) => [None, None],
        };
        let (field, value) = (target.kind().as_str(), target.value());
        let compared = [(field, Some(value.as_str())), ("issuer", target.token_issuer())];
        let own = if field == "issuer" { 1 } else { 2 };
        let compared = || compared.into_iter().take(own);
        let odd = compared().filter_map(|(field, value)| odd(field, value?));
        let every_tenant = |text| self.issuers.iter().any(|own| own.iss.template() == Some(text));
        let exact = compared().filter(|(_, value)| !value.is_some_and(every_tenant));
        let pattern = exact.filter_map(|(field, value)| pattern(field, value?));
        of_target.into_iter().flatten().chain(odd).chain(pattern).collect()
    }

    fn issuer(&self, iss: &str) -> Option<EntryLint> {
        let known: Vec<&str> = self.issuers.iter().map(|issuer| issuer.iss.as_str()).collect();
        let is_known = self.issuers.iter().any(|issuer| issuer.iss.is_meant_by(iss));
        (!is_known).then(|| EntryLint {
            code: Code::UnknownIssuer,
            missing: Some(Kind::TokenIssuer),
            field: "issuer",
            message: format!("no `TokenIssuer` document has the issuer `{iss}`"),
            help: name_of_document(iss, self.issuers).unwrap_or_else(|| {
                closest(iss, &known)
                    .map_or_else(without_effect, |similar| format!("did you mean `{similar}`?"))
            }),
        })
    }

    /// An intermediate that callers send is in no document, so that the entry may be right.
    fn authority(&self, text: &str) -> Option<EntryLint> {
        let name = CanonicalName::read(text).ok()?;
        (!self.authorities.is_empty() && !self.authorities.contains(&name)).then(|| EntryLint {
            code: Code::UnknownCertificateIssuer,
            missing: Some(Kind::TrustDomain),
            field: "certificateIssuer",
            message: format!("no authority or intermediate of a `TrustDomain` is called `{text}`"),
            help: String::from("the entry revokes nothing unless callers send such an intermediate; `countersign inspect` prints the issuer of a certificate"),
        })
    }

    /// Keys that are fetched are not known here.
    fn key(&self, target: &RevocationTarget) -> Option<EntryLint> {
        let RevocationTarget::OfIssuer(RevocationKind::Key, iss, kid) = target else { return None };
        let mut sources =
            self.issuers.iter().filter(|issuer| issuer.iss.is_meant_by(iss)).peekable();
        sources.peek()?;
        let has_it = |keys: &KeySet| keys.named().any(|(own, _)| *own == **kid);
        let lacks_it =
            |issuer: &Issuer| matches!(&issuer.keys, KeySource::Local(keys) if !has_it(keys));
        sources.all(lacks_it).then(|| EntryLint {
            code: Code::UnknownKey,
            missing: None,
            field: "kid",
            message: format!("no key of `{iss}` is called `{kid}`"),
            help: String::from(
                "the entry revokes nothing until there is one; keys are compared by `kid`, exactly",
            ),
        })
    }

    /// A key that verifies tokens of other tenants, too, is hardly lost for one alone.
    fn one_tenant(&self, target: &RevocationTarget) -> Option<EntryLint> {
        let RevocationTarget::OfIssuer(RevocationKind::Key, iss, kid) = target else { return None };
        let shared = |issuer: &&Issuer| {
            let only = issuer.iss.named_tenants().is_some_and(|named| named.len() == 1);
            issuer.iss.tenant(iss).is_some() && !only
        };
        let template = self.issuers.iter().find(shared)?.iss.template()?;
        Some(EntryLint {
            code: Code::OneTenant,
            missing: None,
            field: "issuer",
            message: format!(
                "the key `{kid}` verifies tokens of other tenants than that of `{iss}`, too"
            ),
            help: format!("write `issuer: '{template}'` to revoke it for every tenant"),
        })
    }

    fn workload(&self, id: &str) -> Option<EntryLint> {
        let id: SpiffeId = id.parse().ok()?;
        let domain = id.trust_domain();
        (!self.workloads.is_empty() && !self.workloads.contains(&domain)).then(|| EntryLint {
            code: Code::UnknownWorkload,
            missing: Some(Kind::TrustDomain),
            field: "spiffe",
            message: format!("no document vouches for the SPIFFE trust domain `{domain}`"),
            help: closest(domain, &self.workloads).map_or_else(without_effect, |similar| {
                format!("did you mean `spiffe://{similar}/..`?")
            }),
        })
    }
}

fn without_effect() -> String {
    String::from("the entry revokes nothing until there is one")
}

/// Values are compared as they are, and hardly any ends with a space.
fn odd(field: &'static str, value: &str) -> Option<EntryLint> {
    (COMPARED.contains(&field) && value.trim() != value).then(|| EntryLint {
        code: Code::OddValue,
        missing: None,
        field,
        message: format!("`{field}` begins or ends with white space, which is compared too"),
        help: String::from("remove it unless the token has it"),
    })
}

/// A `jti`, `sub`, `sid`, `client_id` or `kid` may have any character, so that the entry may be right. An issuer with a
/// placeholder is unknown.
fn pattern(field: &'static str, value: &str) -> Option<EntryLint> {
    let why = like_a_pattern(value).filter(|_| field != "issuer" && COMPARED.contains(&field))?;
    Some(EntryLint {
        code: Code::LiteralPattern,
        missing: None,
        field,
        message: format!("`{field}` {why}: the entry revokes that one value only"),
        help: String::from(
            "write the exact value, one entry for each, or `issuer` alone for all of its tokens",
        ),
    })
}
