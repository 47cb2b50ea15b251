//! Entries that can revoke nothing: of issuers, authorities, keys and workloads that no document knows. A slip there is
//! otherwise found on the day on which it was to count.

use crate::document::{
    Code, Diagnostic, Document, IssuerProfile, Origin, RevocationEntrySpec, Spanned, Spec, closest,
};
use crate::spiffe::SpiffeId;
use crate::trust::{
    AcceptedList, CanonicalName, Issuer, KeySource, RevocationEntry, TrustDomain, TrustStore,
};

/// What documents know of issuers, for lists that are read beside them.
#[derive(Clone, Debug, Default)]
pub struct KnownIssuers {
    issuers: Vec<String>,
    authorities: Vec<CanonicalName>,
}

/// What there is to be revoked.
struct Known<'a> {
    issuers: &'a [Issuer],
    authorities: Vec<CanonicalName>,
    workloads: Vec<&'a str>,
}

/// Fields whose values are compared as they are.
const COMPARED: [&str; 6] = ["jti", "sub", "sid", "client", "kid", "issuer"];

/// Warns of entries in documents about what is not known.
pub(in crate::trust) fn check_known(
    documents: &[Document],
    domains: &[TrustDomain],
    issuers: &[Issuer],
    problems: &mut Vec<Diagnostic>,
) {
    let known = Known {
        issuers,
        authorities: domains.iter().flat_map(TrustDomain::issuer_names).collect(),
        workloads: workloads(domains, issuers),
    };
    for document in documents {
        let Spec::RevocationList(spec) = &document.spec else { continue };
        for entry in &spec.entries {
            known.check(&entry.value, &document.origin, problems);
        }
    }
}

/// The SPIFFE trust domains whose workloads some document vouches for, by certificates or by JWT-SVIDs.
fn workloads<'a>(domains: &'a [TrustDomain], issuers: &'a [Issuer]) -> Vec<&'a str> {
    let of_peers = domains.iter().filter_map(|domain| domain.spiffe()).map(|name| name.as_str());
    let of_tokens = issuers.iter().filter(|issuer| issuer.profile() == IssuerProfile::JwtSvid);
    // Their `iss` is the trust domain as a SPIFFE ID.
    of_peers.chain(of_tokens.filter_map(|issuer| issuer.iss().strip_prefix("spiffe://"))).collect()
}

// === impl TrustStore ===

impl TrustStore {
    /// Why an entry that is made while servers run may revoke less than it seems, beside an issuer that no document knows: its
    /// key or its workload is one that no document knows, or a value has white space at an end.
    #[must_use]
    pub fn doubts_about(&self, entry: &RevocationEntry) -> Vec<String> {
        let spec = entry.spec();
        let issuer = self.issuers().iter().find(|own| Some(own.iss()) == entry.token_issuer());
        let keys = issuer.and_then(|issuer| match issuer.keys() {
            KeySource::Local(keys) => Some(keys),
            KeySource::Remote(_) | KeySource::Introspected(_) => None,
        });
        let strange_key = spec.kid.as_deref().zip(keys).is_some_and(|(kid, keys)| !keys.has(kid));
        let workloads = workloads(self.domains(), self.issuers());
        let id = entry.spiffe().and_then(|id| id.parse::<SpiffeId>().ok());
        let strange_workload =
            !workloads.is_empty() && id.is_some_and(|id| !workloads.contains(&id.trust_domain()));
        let odd = |(field, value): (&str, Option<&String>)| {
            COMPARED.contains(&field) && value.is_some_and(|value| value.trim() != value)
        };
        let found = [
            (
                strange_key,
                "no key of this issuer has this `kid`, so the entry revokes nothing until one has",
            ),
            (
                strange_workload,
                "no document vouches for this SPIFFE trust domain, so the entry revokes nothing until one does",
            ),
            (
                spec.fields().into_iter().any(odd),
                "a value begins or ends with white space, which is compared too",
            ),
        ];
        found.into_iter().filter(|(holds, _)| *holds).map(|(_, why)| why.to_owned()).collect()
    }
}

// === impl KnownIssuers ===

impl KnownIssuers {
    /// What the documents of `trust` know.
    #[must_use]
    pub fn of(trust: &TrustStore) -> Self {
        Self {
            issuers: trust.issuers().iter().map(|issuer| issuer.iss().to_owned()).collect(),
            authorities: trust.domains().iter().flat_map(TrustDomain::issuer_names).collect(),
        }
    }

    /// What `list` names and no document knows, so that it may revoke less than is meant.
    #[must_use]
    pub fn unknown_in(&self, list: &AcceptedList) -> Vec<String> {
        let is_strange = |name: &&String| {
            let name = CanonicalName::of_certificate(name);
            !self.authorities.is_empty() && !self.authorities.contains(&name)
        };
        let issuers = list.issuers.iter().filter(|issuer| !self.issuers.contains(issuer));
        issuers.chain(list.certificate_issuers.iter().filter(is_strange)).cloned().collect()
    }
}

// === impl Known ===

impl Known<'_> {
    fn check(
        &self,
        entry: &RevocationEntrySpec<Spanned<String>>,
        origin: &Origin,
        problems: &mut Vec<Diagnostic>,
    ) {
        problems.extend(self.issuer(entry, origin));
        if RevocationEntry::read(&entry.clone().map(|text| text.value)).is_err() {
            // An error of its own, and nothing that could be compared.
            return;
        }
        let found =
            [self.authority(entry, origin), self.key(entry, origin), self.workload(entry, origin)];
        problems.extend(found.into_iter().flatten());
        for (field, value) in entry.fields() {
            problems.extend(value.and_then(|value| untrimmed(field, value, origin)));
        }
    }

    fn issuer(
        &self,
        entry: &RevocationEntrySpec<Spanned<String>>,
        origin: &Origin,
    ) -> Option<Diagnostic> {
        let issuer = entry.issuer.as_ref()?;
        let known: Vec<&str> = self.issuers.iter().map(Issuer::iss).collect();
        (!known.contains(&issuer.value.as_str())).then(|| {
            let message = format!("no `TokenIssuer` document has the issuer `{}`", issuer.value);
            let problem = Diagnostic::warning(Code::UnknownIssuer, origin.span(issuer), message);
            match closest(&issuer.value, &known) {
                Some(similar) => problem.help(format!("did you mean `{similar}`?")),
                None => problem.help("the entry revokes nothing until there is one"),
            }
        })
    }

    /// An intermediate that callers send is known to no document, so that this may be meant.
    fn authority(
        &self,
        entry: &RevocationEntrySpec<Spanned<String>>,
        origin: &Origin,
    ) -> Option<Diagnostic> {
        let text = entry.certificate_issuer.as_ref()?;
        let name = CanonicalName::read(&text.value).ok()?;
        (!self.authorities.is_empty() && !self.authorities.contains(&name)).then(|| {
            let message =
                format!("no authority or intermediate of a `TrustDomain` is called `{}`", text.value);
            Diagnostic::warning(Code::UnknownCertificateIssuer, origin.span(text), message).help(
                "the entry revokes nothing unless callers send such an intermediate; `countersign inspect` prints the issuer of a certificate",
            )
        })
    }

    /// Keys that are fetched are not known here.
    fn key(
        &self,
        entry: &RevocationEntrySpec<Spanned<String>>,
        origin: &Origin,
    ) -> Option<Diagnostic> {
        let (kid, iss) = (entry.kid.as_ref()?, entry.issuer.as_ref()?);
        let issuer = self.issuers.iter().find(|issuer| issuer.iss() == iss.value)?;
        let KeySource::Local(keys) = issuer.keys() else { return None };
        (!keys.has(&kid.value)).then(|| {
            let message = format!("no key of `{}` is called `{}`", iss.value, kid.value);
            Diagnostic::warning(Code::UnknownKey, origin.span(kid), message).help(
                "the entry revokes nothing until there is one; keys are compared by `kid`, exactly",
            )
        })
    }

    fn workload(
        &self,
        entry: &RevocationEntrySpec<Spanned<String>>,
        origin: &Origin,
    ) -> Option<Diagnostic> {
        let text = entry.spiffe.as_ref()?;
        let id: SpiffeId = text.value.parse().ok()?;
        let domain = id.trust_domain();
        (!self.workloads.is_empty() && !self.workloads.contains(&domain)).then(|| {
            let message = format!("no document vouches for the SPIFFE trust domain `{domain}`");
            let problem = Diagnostic::warning(Code::UnknownWorkload, origin.span(text), message);
            match closest(domain, &self.workloads) {
                Some(similar) => problem.help(format!("did you mean `spiffe://{similar}/..`?")),
                None => problem.help("the entry revokes nothing until there is one"),
            }
        })
    }
}

/// Values are compared as they are, and hardly any ends with a space.
fn untrimmed(field: &str, value: &Spanned<String>, origin: &Origin) -> Option<Diagnostic> {
    (COMPARED.contains(&field) && value.value.trim() != value.value).then(|| {
        let message = format!("`{field}` begins or ends with white space, which is compared too");
        Diagnostic::warning(Code::OddValue, origin.span(value), message)
            .help("take it out unless the token has it")
    })
}
