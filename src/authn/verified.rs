//! A verified certificate, and the key under which a cache holds it.

use std::fmt;
use std::sync::Arc;

use super::facts::PeerFacts;
use super::revoked::IssuerMarks;
use crate::clock::UnixTime;
use crate::evidence::{PeerSource, PresentedCertificate};
use crate::request::Text;
use crate::secret::Fingerprint;

/// Everything that a verification depends on beside the time: the revision of the trust domains and every byte that was
/// presented (P40).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CertificateKey {
    revision: Option<Fingerprint>,
    /// Decides the encoding.
    source: PeerSource,
    leaf: Option<Text>,
    chain: Option<Text>,
}

/// A certificate with a verified path, and the time in which that holds.
///
/// The time is checked again when it is found in a cache (P41): outside `from..=until` it does not count.
#[derive(Debug)]
pub struct VerifiedCertificate {
    pub(in crate::authn) facts: Arc<PeerFacts>,
    /// The CAs on the paths that were found: whether they are revoked is asked every time.
    pub(in crate::authn) issuers: Box<[IssuerMarks]>,
    /// The subject as Envoy would write it; nothing where that is not certain.
    pub(in crate::authn) envoy_subject: Option<Arc<str>>,
    /// Every certificate of the path, and every revocation list that was asked, is valid from here...
    pub(in crate::authn) from: UnixTime,
    /// ...to here, this second included.
    pub(in crate::authn) until: UnixTime,
}

impl CertificateKey {
    /// The key to look for `presented` by, which shares its text.
    pub(in crate::authn) fn new(
        revision: Option<&Fingerprint>,
        presented: &PresentedCertificate,
    ) -> Self {
        let (leaf, chain) = presented.encoded();
        let (revision, source) = (revision.copied(), presented.source);
        Self { revision, source, leaf: leaf.cloned(), chain: chain.cloned() }
    }

    /// The same to be kept, with text of its own: what is shared would keep the whole request.
    pub(in crate::authn) fn detached(self) -> Self {
        let own = |text: Option<Text>| text.map(|text| Text::from(text.as_str()));
        Self { leaf: own(self.leaf), chain: own(self.chain), ..self }
    }

    /// How much memory it takes, for caches that count bytes.
    pub fn size(&self) -> usize {
        let texts = [&self.leaf, &self.chain].into_iter().flatten().map(Text::len);
        texts.fold(size_of::<Self>(), usize::saturating_add)
    }
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateKey({} bytes)", self.size())
    }
}

impl VerifiedCertificate {
    /// Certificates count in whole seconds, both ends included (RFC 5280 section 4.1.2.5).
    pub(in crate::authn) fn holds_at(&self, now: UnixTime) -> bool {
        self.from.as_secs() <= now.as_secs() && now.as_secs() <= self.until.as_secs()
    }
}
