//! A trust domain: whose certificates are believed, and under which rules.

mod authorities;
mod leaf;

pub use authorities::{Authority, Validity};
pub use leaf::{ExtendedKeyUsageRules, LeafRules, Pin};

use std::collections::BTreeMap;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use serde_saphyr::Spanned;

use crate::document::{Attachments, Diagnostic, Document, Source, Spec, TrustDomainSpec};
use crate::secret::Fingerprint;
use crate::spiffe::{SpiffeId, SpiffePattern, TrustDomainName};

/// A compiled `TrustDomain` document.
#[derive(Debug)]
pub struct TrustDomain {
    name: String,
    spiffe: Option<TrustDomainName>,
    authorities: Vec<Authority>,
    anchors: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    forwarders: Vec<SpiffePattern>,
    leaf: LeafRules,
    revision: Fingerprint,
}

/// What compiling one document needs and gathers.
struct Compiler<'a> {
    document: &'a Document,
    files: &'a Attachments,
    problems: &'a mut Vec<Diagnostic>,
    /// Everything that was read: what was verified with it is worth nothing once it changes.
    inputs: Vec<u8>,
}

// === impl TrustDomain ===

impl TrustDomain {
    pub(super) fn compile(
        document: &Document,
        spec: &TrustDomainSpec,
        files: &Attachments,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let before = problems.len();
        let mut compiler = Compiler { document, files, problems, inputs: Vec::new() };
        let spiffe = spec.spiffe.as_ref().and_then(|name| compiler.spiffe_name(name));
        let forwarders = compiler.forwarders(spec, spiffe.as_ref());
        let authorities = compiler.authorities(&spec.authorities);
        let intermediates = compiler.intermediates(&spec.intermediates);
        let leaf = LeafRules::compile(&spec.leaf, &document.origin, compiler.problems);
        compiler.revocation(spec);
        let name = document.metadata.name.value.clone();
        let revision = compiler.revision(&name, spec);
        if problems.iter().skip(before).any(|p| p.severity == crate::document::Severity::Error) {
            return None;
        }
        let anchors = authorities.iter().map(|authority| authority.anchor().clone()).collect();
        Some(Self { name, spiffe, authorities, anchors, intermediates, forwarders, leaf, revision })
    }

    /// The name of the document.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SPIFFE trust domain whose IDs it vouches for; without one it vouches for certificates without a SPIFFE ID.
    #[must_use]
    pub const fn spiffe(&self) -> Option<&TrustDomainName> {
        self.spiffe.as_ref()
    }

    /// The pinned authorities, in the same order as [`Self::anchors`].
    #[must_use]
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The pinned authorities as path building wants them.
    #[must_use]
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// Certificates that may help to find a path.
    #[must_use]
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// What is asked of a peer's certificate.
    #[must_use]
    pub const fn leaf(&self) -> &LeafRules {
        &self.leaf
    }

    /// Whether the workload speaks for the caller it was called by.
    #[must_use]
    pub fn is_forwarder(&self, id: &SpiffeId) -> bool {
        self.forwarders.iter().any(|pattern| pattern.matches(id))
    }

    /// Changes whenever the document or a file it points to does.
    #[must_use]
    pub const fn revision(&self) -> &Fingerprint {
        &self.revision
    }
}

// === impl Compiler ===

impl Compiler<'_> {
    fn spiffe_name(&mut self, name: &Spanned<String>) -> Option<TrustDomainName> {
        match name.value.parse() {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                let message = format!("`{}` is not a SPIFFE trust domain: {why}", name.value);
                self.error(
                    "invalid-spiffe-name",
                    name,
                    message,
                    "write the bare name, such as `prod.example`",
                );
                None
            }
        }
    }

    fn forwarders(
        &mut self,
        spec: &TrustDomainSpec,
        own: Option<&TrustDomainName>,
    ) -> Vec<SpiffePattern> {
        spec.forwarders.iter().filter_map(|text| self.forwarder(text, own)).collect()
    }

    fn forwarder(
        &mut self,
        text: &Spanned<String>,
        own: Option<&TrustDomainName>,
    ) -> Option<SpiffePattern> {
        let pattern: SpiffePattern = match text.value.parse() {
            Ok(pattern) => pattern,
            Err(why) => {
                let message = format!("`{}` is not a SPIFFE pattern: {why}", text.value);
                self.error(
                    "invalid-spiffe-pattern",
                    text,
                    message,
                    "`*` is one whole segment, a final `**` all that follow",
                );
                return None;
            }
        };
        if own.is_none_or(|own| own.as_str() != pattern.trust_domain()) {
            let message = format!("`{}` is not in the trust domain of this document", text.value);
            self.error(
                "foreign-forwarder",
                text,
                message,
                "a forwarder is named in the document of its own trust domain",
            );
            return None;
        }
        if pattern.covers_everything() {
            let message = format!("`{}` lets every workload speak for others", text.value);
            let warning =
                Diagnostic::warning("broad-forwarder", self.document.origin.span(text), message);
            self.problems.push(warning.help("name the gateways only"));
        }
        Some(pattern)
    }

    fn authorities(&mut self, sources: &[Source]) -> Vec<Authority> {
        if sources.is_empty() {
            let problem = Diagnostic::error(
                "no-authorities",
                self.document.origin.span(&self.document.metadata.name),
                "trust domain has no authorities, so that nothing could ever be believed",
            );
            self.problems.push(problem.help("add `authorities: [{ file: ca.pem }]`"));
        }
        self.certificates(sources, Authority::read)
    }

    fn intermediates(&mut self, sources: &[Source]) -> Vec<CertificateDer<'static>> {
        self.certificates(sources, |der| {
            authorities::check_issuer(der)?;
            Ok(der.clone())
        })
    }

    /// Every certificate of every source, each read by `read`.
    fn certificates<T>(
        &mut self,
        sources: &[Source],
        read: impl Fn(&CertificateDer<'static>) -> Result<T, String>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for source in sources {
            let Some(bytes) = self.read(source) else { continue };
            let place = self.document.origin.span(source.place());
            match authorities::certificates(&bytes) {
                Err(problem) => self.problems.push(problem.at(place, &source.name())),
                Ok(certificates) => {
                    for (index, der) in certificates.iter().enumerate() {
                        match read(der) {
                            Ok(value) => found.push(value),
                            Err(why) => {
                                let at = index.saturating_add(1);
                                let message =
                                    format!("certificate {at} in {}: {why}", source.name());
                                self.problems.push(Diagnostic::error(
                                    "not-an-authority",
                                    place.clone(),
                                    message,
                                ));
                            }
                        }
                    }
                }
            }
        }
        found
    }

    /// The bytes of a source. They become part of the revision.
    fn read(&mut self, source: &Source) -> Option<Vec<u8>> {
        match self.files.read(&self.document.origin, source) {
            Ok(bytes) => {
                self.inputs.extend_from_slice(Fingerprint::of(&bytes).as_bytes());
                Some(bytes.into_owned())
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn revocation(&mut self, spec: &TrustDomainSpec) {
        if let Some(revocation) = &spec.revocation {
            self.error(
                "unsupported",
                revocation,
                String::from("revocation is not supported yet"),
                "leave `revocation` out",
            );
        }
    }

    /// The debug text of a spec has all its values and nothing that differs between two readings of the same text.
    fn revision(self, name: &str, spec: &TrustDomainSpec) -> Fingerprint {
        let mut inputs = self.inputs;
        inputs.extend_from_slice(format!("{name}\n{spec:?}").as_bytes());
        Fingerprint::of(&inputs)
    }

    fn error<T>(&mut self, code: &'static str, at: &Spanned<T>, message: String, help: &str) {
        let problem = Diagnostic::error(code, self.document.origin.span(at), message);
        self.problems.push(problem.help(help));
    }
}

/// Two documents for one SPIFFE trust domain would leave open whose rules count.
pub(super) fn check_distinct(documents: &[Document], problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for document in documents {
        let Spec::TrustDomain(spec) = &document.spec else { continue };
        let Some(spiffe) = &spec.spiffe else { continue };
        if let Some(first) = seen.insert(&spiffe.value, &document.metadata.name.value) {
            let message =
                format!("SPIFFE trust domain `{}` is already that of `{first}`", spiffe.value);
            let place = document.origin.span(spiffe);
            let problem = Diagnostic::error("duplicate-trust-domain", place, message);
            problems.push(problem.help("put the authorities of both into one document"));
        }
    }
}

#[cfg(test)]
mod tests;
