//! Who signed each certificate that a peer shows: from the keys that the documents name downwards, so that a caller never has a
//! key of its own choice tried, and pays for a few checks that fail and not for a hundred (P240).

use std::collections::BTreeSet;
use std::rc::Rc;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::limits::{MAX_FAILED_SIGNATURES, MIN_RSA_BITS};
use crate::reason::{Reason, Rejection};
use crate::trust::{
    IssuerKey, IssuerKeys, SignatureBudget, SignatureChecks, authority_key_id, key_weakness,
    subject_key_id,
};

/// The part of a presented chain that the CAs of the documents have signed.
#[derive(Debug, Default)]
pub(super) struct SignedChain<'a> {
    /// Intermediates between a CA of the documents and the leaf, each signed.
    pub(super) intermediates: Vec<CertificateDer<'a>>,
    /// The trust domains that name a CA which signed one of them or the leaf. Empty where no path to the leaf is signed.
    pub(super) domains: BTreeSet<usize>,
    /// Who carries the name of an issuer and has not signed.
    pub(super) other_key: Option<Role>,
    /// Of the key of an issuer that has not signed.
    pub(super) weakness: Option<String>,
}

/// A certificate for which a path is searched.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) der: &'a CertificateDer<'a>,
    pub(super) certificate: &'a X509Certificate<'a>,
    /// The certificates shown above it that are signed.
    pub(super) chain: &'a SignedChain<'a>,
    pub(super) checks: &'a SignatureChecks,
}

/// The place of a CA on a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Authority,
    Intermediate,
}

/// A presented certificate.
struct PresentedDer<'a> {
    der: &'a CertificateDer<'a>,
    certificate: X509Certificate<'a>,
}

/// The key that signed a certificate.
enum Signer<'a> {
    /// That of a CA of the documents.
    Known(&'a IssuerKey),
    /// That of the presented intermediate at this place among the signed ones.
    Shown(usize),
}

struct SignerSearch<'a> {
    keys: &'a IssuerKeys,
    checks: &'a SignatureChecks,
    budget: &'a SignatureBudget,
    signed: Vec<Rc<PresentedDer<'a>>>,
    chain: SignedChain<'a>,
}

/// Finds who signed the leaf and the intermediates between it and the CAs of `keys`.
///
/// # Errors
/// The budget is spent: too many CAs carry the name of an issuer and have not signed.
pub(super) fn find<'a>(
    der: &CertificateDer<'_>,
    leaf: &X509Certificate<'_>,
    intermediates: &'a [CertificateDer<'a>],
    keys: &'a IssuerKeys,
    checks: &'a SignatureChecks,
    budget: &'a SignatureBudget,
) -> Result<SignedChain<'a>, Rejection> {
    let (signed, chain) = (Vec::new(), SignedChain::default());
    let mut search = SignerSearch { keys, checks, budget, signed, chain };
    search.sign(above(leaf, intermediates, keys))?;
    let signers = search.signers(der, leaf)?;
    search.collect(signers)?;
    Ok(search.chain)
}

/// The intermediates among `shown` that lead from the client's certificate, `leaf`, to a CA of `keys`, each signed. For the handshake of
/// a TLS client, whose chain costs as little as that of a peer.
pub fn signed_intermediates(
    leaf: &CertificateDer<'_>,
    shown: &[CertificateDer<'_>],
    keys: &IssuerKeys,
) -> Vec<CertificateDer<'static>> {
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return Vec::new() };
    let (checks, budget) = (SignatureChecks::new(), SignatureBudget::new(MAX_FAILED_SIGNATURES));
    let found = find(leaf, &certificate, shown, keys, &checks, &budget);
    let own = |chain: SignedChain<'_>| {
        chain.intermediates.into_iter().map(CertificateDer::into_owned).collect()
    };
    found.map(own).unwrap_or_default()
}

/// The presented intermediates whose names lead from the leaf upwards, without those that add nothing to what is pinned.
fn above<'a>(
    leaf: &X509Certificate<'_>,
    intermediates: &'a [CertificateDer<'a>],
    keys: &IssuerKeys,
) -> Vec<PresentedDer<'a>> {
    let read = |der: &'a CertificateDer<'a>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(PresentedDer { der, certificate })
    };
    let mut rest: Vec<_> = intermediates.iter().filter_map(read).collect();
    let mut seen = BTreeSet::new();
    rest.retain(|shown| !shown.is_pinned(keys) && seen.insert(shown.der.as_ref()));
    let mut names = vec![leaf.issuer().as_raw().to_owned()];
    let mut found = Vec::new();
    while let Some(name) = names.pop() {
        let named = rest.extract_if(.., |shown| shown.certificate.subject().as_raw() == name);
        for shown in named {
            names.push(shown.certificate.issuer().as_raw().to_owned());
            found.push(shown);
        }
    }
    found
}

impl PresentedDer<'_> {
    /// A self-signed certificate of a key that a document names is no step on the way to another. One that a CA's earlier key signed
    /// is (RFC 4210 section 4.4), and names this key.
    fn is_pinned(&self, keys: &IssuerKeys) -> bool {
        let Self { certificate, .. } = self;
        let name = certificate.subject().as_raw();
        let by = authority_key_id(certificate);
        name == certificate.issuer().as_raw()
            && (by.is_none() || by == subject_key_id(certificate))
            && keys.has(name, certificate.public_key().raw)
    }
}

impl<'a> SignerSearch<'a> {
    /// Takes those of `shown` that a known key has signed, then those that one of these has signed, and so on.
    fn sign(&mut self, mut shown: Vec<PresentedDer<'a>>) -> Result<(), Rejection> {
        loop {
            let mut unsigned = Vec::new();
            let before = self.signed.len();
            for candidate in shown {
                let signers = self.signers(candidate.der, &candidate.certificate)?;
                match signers.is_empty() {
                    true => unsigned.push(candidate),
                    false => self.signed.push(Rc::new(candidate)),
                }
            }
            if self.signed.len() == before || unsigned.is_empty() {
                return Ok(());
            }
            shown = unsigned;
        }
    }

    /// Everything that has the key which signed the certificate: CAs of the documents, and presented ones.
    fn signers(
        &mut self,
        der: &CertificateDer<'_>,
        certificate: &X509Certificate<'_>,
    ) -> Result<Vec<Signer<'a>>, Rejection> {
        let mut found = Vec::new();
        for signer in self.candidates(certificate) {
            let Some((spki, role)) = self.key(&signer) else { continue };
            let signed = self.checks.is_signed_by(der, spki, self.budget);
            if signed.map_err(|_| too_many(certificate))? {
                found.push(signer);
            } else {
                self.chain.other_key.get_or_insert(role);
                let weakness = || self.weakness(&signer);
                let weakness = self.chain.weakness.is_none().then(weakness).flatten();
                self.chain.weakness = self.chain.weakness.take().or(weakness);
            }
        }
        Ok(found)
    }

    /// Those with the name of the certificate's issuer; first those with the key that it names. Identifiers of keys are hints: a CA
    /// may have changed its way of making them.
    fn candidates(&self, certificate: &X509Certificate<'_>) -> Vec<Signer<'a>> {
        let name = certificate.issuer().as_raw();
        let id = authority_key_id(certificate);
        let known = self.keys.named(name).iter().map(|key| {
            let is_meant = id.is_some_and(|id| key.is_called(id));
            (!is_meant, Signer::Known(key))
        });
        let shown = self.signed.iter().enumerate().filter_map(|(at, shown)| {
            let own = &shown.certificate;
            let is_meant = id.is_some() && subject_key_id(own) == id;
            (own.subject().as_raw() == name).then_some((!is_meant, Signer::Shown(at)))
        });
        let mut candidates: Vec<_> = known.chain(shown).collect();
        candidates.sort_by_key(|(is_other, _)| *is_other);
        candidates.into_iter().map(|(_, signer)| signer).collect()
    }

    fn key(&self, signer: &Signer<'a>) -> Option<(&[u8], Role)> {
        match signer {
            Signer::Known(key) if key.is_authority() => Some((key.spki(), Role::Authority)),
            Signer::Known(key) => Some((key.spki(), Role::Intermediate)),
            Signer::Shown(at) => {
                let shown = self.signed.get(*at)?;
                Some((shown.certificate.public_key().raw, Role::Intermediate))
            }
        }
    }

    fn weakness(&self, signer: &Signer<'a>) -> Option<String> {
        let Signer::Shown(at) = signer else { return None };
        let shown = self.signed.get(*at)?;
        key_weakness(shown.certificate.public_key(), MIN_RSA_BITS)
    }

    /// Collects the intermediates on the paths down to what `signers` have signed, and the trust domains at their heads. Who signed an
    /// intermediate is asked again, now that all that are signed are known; the checks are made.
    fn collect(&mut self, mut signers: Vec<Signer<'a>>) -> Result<(), Rejection> {
        let mut seen = BTreeSet::new();
        while let Some(signer) = signers.pop() {
            let at = match signer {
                Signer::Known(key) => {
                    self.chain.domains.extend(key.domains());
                    continue;
                }
                Signer::Shown(at) => at,
            };
            let Some(shown) = self.signed.get(at).filter(|_| seen.insert(at)).cloned() else {
                continue;
            };
            signers.extend(self.signers(shown.der, &shown.certificate)?);
            self.chain.intermediates.push(CertificateDer::from(shown.der.as_ref()));
        }
        Ok(())
    }
}

fn too_many(certificate: &X509Certificate<'_>) -> Rejection {
    let (issuer, subject) = (certificate.issuer(), certificate.subject());
    Reason::ChainUntrusted.because(format!(
        "too many issuers called `{issuer}` have not signed the certificate of `{subject}`: let it name the issuer's key (authority key identifier), and show no issuers beside its own"
    ))
}
