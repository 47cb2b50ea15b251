//! From a `TrustDomain` document to a [`TrustDomain`]: every problem is collected.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::authorities::{self, Authority, Unfit};
use super::bundle::{self, BundleProblem};
use super::crl::{Crl, CrlProblem, CrlSigner};
use super::draft::{DomainDraft, Lists, ReadList};
use super::leaf::LeafRules;
use super::pem_file;
use super::standing::KnownLists;
use super::trust_domain::TrustDomain;
use crate::clock::UnixTime;
use crate::document::{
    Attachments, Code, Diagnostic, Document, NOT_FETCHED, OnMissing, RemoteSource, RevocationSpec,
    Severity, Source, Spanned, Spec, TrustDomainSpec, resolve,
};
use crate::secret::Fingerprint;
use crate::spiffe::{SpiffePattern, TrustDomainName};
use crate::trust::{KeySet, RemoteFile, RemotePart};

/// The compilation of one document.
struct DomainCompiler<'a> {
    document: &'a Document,
    files: &'a Attachments,
    /// If given, certificates that are out of date are reported.
    now: Option<UnixTime>,
    problems: &'a mut Vec<Diagnostic>,
    /// Everything that was read: what was verified with it is worth nothing once it changes.
    inputs: Vec<u8>,
    /// The sources that have to be fetched.
    remotes: Vec<Arc<RemoteFile>>,
    /// The key of the document that is being read.
    part: RemotePart,
    /// The SPIFFE name of the trust domain.
    spiffe: Option<TrustDomainName>,
}

/// Compiles one document, but for which of its revocation lists count: that depends on the other documents, and on what was
/// `known` before. Nothing where it has an error. With a time, `now`, authorities that are out of date are reported.
pub(in crate::trust) fn compile(
    document: &Document,
    spec: &TrustDomainSpec,
    files: &Attachments,
    known: &KnownLists,
    now: Option<UnixTime>,
    problems: &mut Vec<Diagnostic>,
) -> Option<DomainDraft> {
    let before = problems.len();
    let (inputs, remotes, part) = (Vec::new(), Vec::new(), RemotePart::Authorities);
    let mut compiler =
        DomainCompiler { document, files, now, problems, inputs, remotes, part, spiffe: None };
    let spiffe = spec.spiffe.as_ref().and_then(|name| compiler.spiffe_name(name));
    compiler.spiffe.clone_from(&spiffe);
    let forwarders = compiler.forwarders(spec, spiffe.as_ref());
    let authorities = compiler.authorities(spec);
    let intermediates = compiler.intermediates(&spec.intermediates, &authorities);
    let leaf = LeafRules::compile(&spec.leaf, &document.origin, compiler.problems);
    let lists = spec.revocation.as_ref().map(|revocation| {
        let signers = authorities.iter().map(|own| &own.der).chain(&intermediates);
        let signers: Vec<_> = signers.filter_map(CrlSigner::of).collect();
        let lists = Lists::new(&revocation.value, known, &signers);
        compiler.revocation(&revocation.value, &signers, lists)
    });
    let name = document.metadata.name.value.clone();
    let remotes = std::mem::take(&mut compiler.remotes);
    let revision = compiler.revision(&name, spec);
    if problems.iter().skip(before).any(|problem| problem.severity == Severity::Error) {
        return None;
    }
    let anchors = authorities.iter().map(|authority| authority.anchor.clone()).collect();
    let issuers = authorities.iter().map(|own| &own.der).chain(&intermediates);
    let paths = Fingerprint::of(
        &issuers.flat_map(|der| *Fingerprint::of(der).as_bytes()).collect::<Vec<_>>(),
    );
    let domain = TrustDomain {
        name,
        spiffe,
        authorities,
        anchors,
        intermediates,
        paths,
        forwarders,
        leaf,
        revocation: None,
        revoked: Arc::default(),
        list_problems: Vec::new(),
        remotes,
        revision,
    };
    Some(DomainDraft { domain, lists })
}

/// Two documents for one SPIFFE trust domain would leave open whose rules count.
pub(in crate::trust) fn check_distinct(documents: &[Document], problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for document in documents {
        let Spec::TrustDomain(spec) = &document.spec else { continue };
        let Some(spiffe) = &spec.spiffe else { continue };
        if let Some(first) = seen.insert(&spiffe.value, &document.metadata.name.value) {
            let message =
                format!("SPIFFE trust domain `{}` is already that of `{first}`", spiffe.value);
            let place = document.origin.span(spiffe);
            let problem = Diagnostic::error(Code::DuplicateTrustDomain, place, message);
            problems.push(problem.help("put the authorities of both into one document"));
        }
    }
}

impl DomainCompiler<'_> {
    fn spiffe_name(&mut self, name: &Spanned<String>) -> Option<TrustDomainName> {
        match name.value.parse() {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                let message = format!("`{}` is not a SPIFFE trust domain: {why}", name.value);
                let help = "write the bare name, such as `prod.example`";
                self.error(Code::InvalidSpiffeName, name, message, help);
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
                let help = "`*` is one whole segment, a final `**` all that follow";
                self.error(Code::InvalidSpiffePattern, text, message, help);
                return None;
            }
        };
        if own.is_none_or(|own| own.as_str() != pattern.trust_domain()) {
            let message = format!("`{}` is not in the trust domain of this document", text.value);
            let help = "a forwarder is named in the document of its own trust domain";
            self.error(Code::ForeignForwarder, text, message, help);
            return None;
        }
        if pattern.covers_everything() {
            let message = format!(
                "every workload matches `{}`, so that each of them is a forwarder, which names the callers of others",
                text.value
            );
            let place = self.document.origin.span(text);
            let warning = Diagnostic::warning(Code::BroadForwarder, place, message);
            self.problems.push(warning.help("name the gateways only"));
        }
        Some(pattern)
    }

    fn authorities(&mut self, spec: &TrustDomainSpec) -> Vec<Authority> {
        let before = self.problems.len();
        let mut found = Vec::new();
        for source in &spec.authorities {
            let certificates = self.read(source, pem_file::certificates).unwrap_or_default();
            found.extend(self.fit(source, &certificates, Authority::read));
        }
        self.part = RemotePart::Bundle;
        let bundle = spec.bundle.as_ref().and_then(|source| self.bundle(source, spec));
        found.extend(bundle.into_iter().flatten());
        let explains = |problem: &Diagnostic| {
            problem.severity == Severity::Error || problem.code == NOT_FETCHED
        };
        let explained = self.problems.iter().skip(before).any(explains);
        if found.is_empty() && !explained {
            let problem = Diagnostic::error(
                Code::NoAuthorities,
                self.document.origin.span(&self.document.metadata.name),
                "the trust domain has no authority, so that no certificate can be verified",
            );
            self.problems.push(problem.help("add `authorities: [{ file: ca.pem }]`"));
        }
        found
    }

    fn bundle(&mut self, source: &Source, spec: &TrustDomainSpec) -> Option<Vec<Authority>> {
        if spec.spiffe.is_none() {
            let message = String::from("a SPIFFE bundle belongs to a SPIFFE trust domain");
            let help = "add `spiffe: prod.example`";
            self.error(Code::BundleWithoutSpiffe, source.place(), message, help);
        }
        let bytes = self.bytes(source)?;
        match bundle::read(&bytes) {
            Ok((certificates, token_keys)) => {
                let authorities = self.fit(source, &certificates, Authority::read);
                self.skipped_keys(source, &token_keys);
                Some(authorities)
            }
            Err(BundleProblem(why)) => {
                let message = format!("SPIFFE bundle in {} {why}", source.name());
                let help = "expected JSON with `keys`";
                self.error(Code::InvalidBundle, source.place(), message, help);
                None
            }
        }
    }

    fn skipped_keys(&mut self, source: &Source, token_keys: &KeySet) {
        for skipped in token_keys.skipped() {
            let place = self.document.origin.span(source.place());
            let message = format!("token authority in {}: {skipped}", source.name());
            let secret = skipped.fault.is_secret();
            self.problems.push(if secret {
                Diagnostic::error(Code::SecretKey, place, message)
                    .help("a secret does not belong here: consider it known and replace it")
            } else {
                Diagnostic::warning(Code::SkippedKey, place, message)
            });
        }
    }

    /// One that is on no path stays: it may have signed a revocation list.
    fn intermediates(
        &mut self,
        sources: &[Source],
        authorities: &[Authority],
    ) -> Vec<CertificateDer<'static>> {
        self.part = RemotePart::Intermediates;
        let mut found = Vec::new();
        for source in sources {
            let certificates = self.read(source, pem_file::certificates).unwrap_or_default();
            let fit = self.fit(source, &certificates, |der| {
                authorities::check_issuer(der)?;
                Ok(der.clone())
            });
            for (at, der) in (1..).zip(&certificates).filter(|(_, der)| fit.contains(der)) {
                let Some(why) = authorities::path_problem(der, authorities) else { continue };
                let place = self.document.origin.span(source.place());
                let message = format!("certificate {at} in {} is on no path: {why}", source.name());
                let help = "certificates that it issued are refused";
                self.problems
                    .push(Diagnostic::warning(Code::OddAuthority, place, message).help(help));
            }
            found.extend(fit);
        }
        found
    }

    /// The certificates that `read` accepts.
    fn fit<T>(
        &mut self,
        source: &Source,
        certificates: &[CertificateDer<'static>],
        read: impl Fn(&CertificateDer<'static>) -> Result<T, Unfit>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for (at, der) in (1..).zip(certificates) {
            match read(der) {
                Ok(value) => {
                    found.push(value);
                    self.lifetime(source, at, der);
                }
                Err(unfit) => self.unfit(source, at, &unfit),
            }
        }
        found
    }

    fn lifetime(&mut self, source: &Source, at: usize, der: &CertificateDer<'_>) {
        let problem = self.now.and_then(|now| authorities::lifetime_problem(der, now));
        let Some((code, why)) = problem else { return };
        let place = self.document.origin.span(source.place());
        let message = format!("certificate {at} in {}: {why}", source.name());
        let help = "put the certificate of its successor beside it, and remove it when the last certificate that it issued has expired";
        self.problems.push(Diagnostic::warning(code, place, message).help(help));
    }

    fn unfit(&mut self, source: &Source, at: usize, unfit: &Unfit) {
        let place = self.document.origin.span(source.place());
        let name = source.name();
        self.problems.push(match unfit {
            Unfit::Wrong(why) => {
                let message = format!("certificate {at} in {name}: {why}");
                Diagnostic::error(Code::NotAnAuthority, place, message)
            }
            Unfit::Odd(why) => {
                let message = format!("certificate {at} in {name} is ignored: {why}");
                Diagnostic::warning(Code::OddAuthority, place, message)
                    .help("certificates that it issued are refused")
            }
        });
    }

    fn revocation(
        &mut self,
        spec: &RevocationSpec,
        signers: &[CrlSigner],
        mut lists: Lists,
    ) -> Lists {
        self.part = RemotePart::Crls;
        for source in &spec.crls {
            let before = self.problems.len();
            let place = self.document.origin.span(source.place());
            let origin = self.list_origin(source);
            for der in self.read(source, pem_file::revocation_lists).unwrap_or_default() {
                match Crl::read(&der, signers) {
                    Ok(list) => lists.given.push(ReadList {
                        origin: origin.clone(),
                        fetched: matches!(source, Source::Remote(_)),
                        name: source.name(),
                        place: place.clone(),
                        list: Arc::new(list),
                    }),
                    Err(problem) => self.crl_problem(spec, source, &problem),
                }
            }
            let found = self.problems.get_mut(before..).unwrap_or_default();
            lists.refuse(&origin, found);
            lists.origins.insert(origin);
        }
        lists
    }

    /// Names the place that a list comes from, the same in every document.
    fn list_origin(&self, source: &Source) -> String {
        match source {
            Source::File(file) => resolve(&self.document.origin, file).display().to_string(),
            Source::Remote(remote) => remote.url.value.clone(),
            Source::Inline(_) => format!("inline in {}", self.document.metadata.name.value),
        }
    }

    fn crl_problem(&mut self, spec: &RevocationSpec, source: &Source, problem: &CrlProblem) {
        let place = self.document.origin.span(source.place());
        let name = source.name();
        let problem = match problem {
            CrlProblem::Unusable(why) => Diagnostic::error(
                Code::UnusableCrl,
                place,
                format!("revocation list in {name} cannot be used: {why}"),
            ),
            CrlProblem::Forged(keys) => {
                let message =
                    format!("revocation list in {name} is not signed by the CA that it names");
                Diagnostic::error(Code::ForgedCrl, place, message).help(format!(
                    "expected a signature by the key whose SubjectPublicKeyInfo has the SHA-256 {keys}"
                ))
            }
            CrlProblem::UnknownIssuer(issuer) => {
                let message = format!(
                    "no CA of this document has issued the list in {name}: its issuer is `{issuer}`"
                );
                let problem = Diagnostic::error(Code::UnknownCrlIssuer, place, message);
                // Without the list the issuer's certificates are refused, unless the document lets them pass.
                let severity = match spec.on_missing {
                    OnMissing::Deny => Severity::Warning,
                    OnMissing::Allow => Severity::Error,
                };
                Diagnostic { severity, ..problem }
                    .help("add the issuer, with `cRLSign`, to `authorities` or `intermediates`")
            }
        };
        self.problems.push(problem);
    }

    /// The bytes of a source, which become part of the revision.
    fn bytes(&mut self, source: &Source) -> Option<Vec<u8>> {
        if let Source::Remote(remote) = source {
            self.remote(remote)?;
        }
        let bytes = self.files.read_or_fetched(&self.document.origin, source);
        let bytes = bytes.map_err(|problem| self.problems.push(problem)).ok()?;
        self.inputs.extend_from_slice(Fingerprint::of(&bytes).as_bytes());
        Some(bytes.into_owned())
    }

    /// Takes note of a file to be fetched; nothing where its address or the authorities for it are wrong.
    fn remote(&mut self, spec: &RemoteSource) -> Option<()> {
        let file = RemoteFile::read(self.part, spec, &self.document.origin, self.files);
        let file = file.map_err(|problem| self.problems.push(problem)).ok()?;
        self.remotes.push(Arc::new(file.of_trust_domain(self.spiffe.as_ref())));
        Some(())
    }

    /// Reads the bytes of a source with `read`.
    fn read<T>(
        &mut self,
        source: &Source,
        read: impl Fn(&[u8]) -> Result<T, pem_file::PemProblem>,
    ) -> Option<T> {
        let bytes = self.bytes(source)?;
        let refused = |problem: pem_file::PemProblem| {
            let place = self.document.origin.span(source.place());
            self.problems.push(problem.at(place, &source.name()));
        };
        read(&bytes).map_err(refused).ok()
    }

    /// The debug text of a spec has all its values and nothing that differs between two readings of the same text.
    fn revision(self, name: &str, spec: &TrustDomainSpec) -> Fingerprint {
        let mut inputs = self.inputs;
        inputs.extend_from_slice(format!("{name}\n{spec:?}").as_bytes());
        Fingerprint::of(&inputs)
    }

    fn error<T>(&mut self, code: Code, at: &Spanned<T>, message: String, help: &str) {
        let problem = Diagnostic::error(code, self.document.origin.span(at), message);
        self.problems.push(problem.help(help));
    }
}
