//! The keys of the CAs that trust domains name: which of them may have signed a certificate that a peer shows, and which trust
//! domains to ask about it. However many trust domains there are, only those whose CA has signed something are asked.

use std::collections::{BTreeSet, HashMap};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

use super::trust_domain::TrustDomain;

/// The keys of the CAs of some trust domains, by the names of these CAs (DER).
#[derive(Debug, Default)]
pub struct IssuerKeys {
    by_name: HashMap<Box<[u8]>, Vec<IssuerKey>>,
    domains: BTreeSet<usize>,
}

/// The key of a CA.
#[derive(Debug)]
pub struct IssuerKey {
    spki: Box<[u8]>,
    ids: Vec<Box<[u8]>>,
    is_authority: bool,
    domains: BTreeSet<usize>,
}

impl IssuerKeys {
    /// The keys of these authorities, which are of no trust domain.
    pub fn of_authorities(authorities: &[CertificateDer<'_>]) -> Self {
        let mut keys = Self::default();
        for authority in authorities {
            keys.add_issuer(authority, None, true);
        }
        keys
    }

    /// Adds the CAs of `domain`, the one at `position` in its store.
    pub(in crate::trust) fn add(&mut self, domain: &TrustDomain, position: usize) {
        self.domains.insert(position);
        for authority in domain.authorities.iter().map(|authority| &authority.der) {
            self.add_issuer(authority, Some(position), true);
        }
        for intermediate in &domain.intermediates {
            self.add_issuer(intermediate, Some(position), false);
        }
    }

    fn add_issuer(&mut self, der: &CertificateDer<'_>, domain: Option<usize>, is_authority: bool) {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return };
        let named = self.by_name.entry(certificate.subject().as_raw().into()).or_default();
        let spki = certificate.public_key().raw;
        let at = named.iter().position(|key| *key.spki == *spki).unwrap_or_else(|| {
            let (ids, domains) = (Vec::new(), BTreeSet::new());
            named.push(IssuerKey { spki: spki.into(), ids, is_authority, domains });
            named.len().saturating_sub(1)
        });
        let Some(key) = named.get_mut(at) else { return };
        key.ids.extend(subject_key_id(&certificate).map(Into::into));
        key.is_authority |= is_authority;
        key.domains.extend(domain);
    }

    /// The keys of the CAs with this name (DER).
    pub fn named(&self, name: &[u8]) -> &[IssuerKey] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// True if a CA has this name and this key.
    pub fn has(&self, name: &[u8], spki: &[u8]) -> bool {
        self.named(name).iter().any(|key| *key.spki == *spki)
    }

    /// The trust domains, by their positions in the store.
    pub const fn domains(&self) -> &BTreeSet<usize> {
        &self.domains
    }
}

impl IssuerKey {
    /// The SubjectPublicKeyInfo, DER.
    pub const fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// True if a certificate of the CA has this identifier for its key.
    pub fn is_called(&self, id: &[u8]) -> bool {
        self.ids.iter().any(|own| **own == *id)
    }

    /// True if it is of an authority; if not, of an intermediate.
    pub const fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// The trust domains that name the CA.
    pub const fn domains(&self) -> &BTreeSet<usize> {
        &self.domains
    }
}

/// The subject key identifier (RFC 5280 section 4.2.1.2).
pub fn subject_key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::SubjectKeyIdentifier(id) = extension.parsed_extension() else {
            return None;
        };
        Some(id.0)
    })
}

/// The identifier of the issuer's key (RFC 5280 section 4.2.1.1).
pub fn authority_key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityKeyIdentifier(id) = extension.parsed_extension() else {
            return None;
        };
        id.key_identifier.as_ref().map(|id| id.0)
    })
}
