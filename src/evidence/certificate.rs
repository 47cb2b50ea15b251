//! A certificate as it was presented: encoded, decoded and parsed, and at every step **unverified**.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::sources::PeerSource;
use crate::limits::{MAX_CERTIFICATE_BYTES, MAX_CHAIN_CERTIFICATES};
use crate::reason::{Reason, Rejection};
use crate::request::Text;

/// A leaf, the chain that came with it, or both, in the encoding of its source. Decoding is left for later because
/// what was verified before is recognised by these very bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// The place where it was found.
    pub source: PeerSource,
    leaf: Option<Text>,
    chain: Option<Text>,
    /// The place where the chain was found, which may be another.
    chain_source: PeerSource,
}

/// A leaf and the certificates that were presented with it, as DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedCertificate {
    /// The certificate of the peer.
    pub leaf: CertificateDer<'static>,
    /// The rest of the chain, in the order in which it came.
    pub intermediates: Vec<CertificateDer<'static>>,
}

impl PresentedCertificate {
    /// URL-encoded PEM, as Envoy writes it: a leaf, a chain that begins with the leaf, or both. Nothing where both are absent.
    pub fn url_encoded(
        source: PeerSource,
        leaf: Option<Text>,
        chain: Option<Text>,
    ) -> Option<Self> {
        (leaf.is_some() || chain.is_some()).then_some(Self {
            source,
            leaf,
            chain,
            chain_source: source,
        })
    }

    /// Byte sequences of structured fields (RFC 9440): a leaf, and a chain without it.
    pub fn structured_field(leaf: &str, chain: Option<&str>) -> Self {
        let source = PeerSource::ClientCert;
        let chain = chain.map(Into::into);
        Self { source, leaf: Some(leaf.into()), chain, chain_source: source }
    }

    /// True if everything here begins with the very leaf of `other`.
    ///
    /// # Errors
    /// One of the two cannot be decoded, or the leaf here is not the first of the chain (`xfcc_inconsistent`).
    pub fn is_of(&self, other: &Self) -> Result<bool, Rejection> {
        let Some(leaf) = &other.leaf else { return Ok(false) };
        // The same proxy encodes both in the same way, so that equal text means the same certificate.
        if self.leaf.as_ref().is_none_or(|own| own == leaf)
            && self.chain.as_ref().is_none_or(|own| own.as_bytes().starts_with(leaf.as_bytes()))
        {
            return Ok(true);
        }
        Ok(self.decode()?.leaf == other.decode()?.leaf)
    }

    /// This leaf with the chain of `other`, which has to be a chain of this leaf. Envoy's `source.certificate` comes without
    /// the chain that it forwards in XFCC.
    pub fn completed_by(&self, other: &Self) -> Option<Self> {
        let chain = other.chain.as_ref().filter(|_| self.chain.is_none())?;
        Some(Self { chain: Some(chain.clone()), chain_source: other.chain_source, ..self.clone() })
    }

    /// True if a chain came with it.
    pub const fn has_chain(&self) -> bool {
        self.chain.is_some()
    }

    /// The leaf and the chain as they came.
    pub const fn encoded(&self) -> (Option<&Text>, Option<&Text>) {
        (self.leaf.as_ref(), self.chain.as_ref())
    }

    /// The DER inside.
    ///
    /// # Errors
    /// `xfcc_malformed` or `encoding_invalid` (by source) where it cannot be decoded or is over a limit,
    /// `xfcc_inconsistent` where the leaf is not the first of the chain (P34).
    pub fn decode(&self) -> Result<DecodedCertificate, Rejection> {
        match self.source {
            PeerSource::ClientCert => self.decode_structured_field(),
            PeerSource::SourceCertificate | PeerSource::Xfcc | PeerSource::Principal => {
                self.decode_pem()
            }
        }
    }

    fn decode_pem(&self) -> Result<DecodedCertificate, Rejection> {
        let leaf = self.leaf.as_deref().map(|text| pem(self.source, text, 1)).transpose()?;
        let chain = self.chain.as_deref();
        let chain = chain.map(|text| pem(self.chain_source, text, MAX_CHAIN_CERTIFICATES));
        let mut chain = chain.transpose()?.unwrap_or_default().into_iter();
        // P36: the first certificate of a chain is the leaf, and no other is ever taken for it.
        let (leaf, first) = (leaf.and_then(|mut one| one.pop()), chain.next());
        if let (Some(leaf), Some(first)) = (&leaf, &first)
            && leaf != first
        {
            return Err(Reason::XfccInconsistent.because("`Cert` is not the first of `Chain`"));
        }
        let leaf =
            leaf.or(first).ok_or_else(|| self.unreadable("there is no certificate in it"))?;
        Ok(DecodedCertificate { leaf, intermediates: chain.collect() })
    }

    fn decode_structured_field(&self) -> Result<DecodedCertificate, Rejection> {
        let leaf = self.byte_sequence(self.leaf.as_deref().unwrap_or_default())?;
        let items = self.chain.iter().flat_map(|chain| chain.split(','));
        let intermediates =
            items.map(|item| self.byte_sequence(item)).collect::<Result<Vec<_>, _>>()?;
        // The chain is without the leaf.
        if intermediates.len() >= MAX_CHAIN_CERTIFICATES {
            let limit = format!("it has more than {MAX_CHAIN_CERTIFICATES} certificates");
            return Err(self.unreadable(&limit));
        }
        Ok(DecodedCertificate { leaf, intermediates })
    }

    /// A byte sequence (RFC 9651 section 3.3.5) without parameters. Base64 has neither colon nor comma in it.
    fn byte_sequence(&self, item: &str) -> Result<CertificateDer<'static>, Rejection> {
        let base64 = item
            .trim_matches([' ', '\t'])
            .strip_prefix(':')
            .and_then(|item| item.strip_suffix(':'))
            .ok_or_else(|| self.unreadable("it is not a byte sequence between colons"))?;
        let der = STANDARD.decode(base64).map_err(|_| self.unreadable("it is not base64"))?;
        check_size(self.source, der.len())?;
        Ok(CertificateDer::from(der))
    }

    /// The rejection for something that is wrong inside.
    pub fn unreadable(&self, why: &str) -> Rejection {
        unreadable(self.source, why)
    }
}

/// The certificates in a URL-encoded PEM text from `source`: at least one, at most `most`.
fn pem(
    source: PeerSource,
    text: &str,
    most: usize,
) -> Result<Vec<CertificateDer<'static>>, Rejection> {
    let pem = percent_decode(text)
        .ok_or_else(|| unreadable(source, "`%` is not followed by two hexadecimal digits"))?;
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| unreadable(source, "it is not valid PEM"))?;
        check_size(source, certificate.len())?;
        if certificates.len() == most {
            return Err(unreadable(source, &format!("it has more than {most} certificates")));
        }
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err(unreadable(source, "there is no PEM certificate in it"));
    }
    if !is_whole(&pem, certificates.len()) {
        return Err(unreadable(source, "there is something else than certificates in it"));
    }
    Ok(certificates)
}

/// True if PEM has so many certificates and nothing else. The reader ignores a block that is broken, and the next certificate
/// would be taken for the leaf (P332).
fn is_whole(pem: &[u8], certificates: usize) -> bool {
    let dashes = memchr::memmem::find_iter(pem, b"-----").count();
    pem.trim_ascii_start().starts_with(b"-----BEGIN CERTIFICATE-----")
        && dashes == certificates.saturating_mul(4)
}

fn check_size(source: PeerSource, bytes: usize) -> Result<(), Rejection> {
    if bytes <= MAX_CERTIFICATE_BYTES {
        return Ok(());
    }
    Err(unreadable(source, &format!("a certificate is over {MAX_CERTIFICATE_BYTES} bytes")))
}

fn unreadable(source: PeerSource, why: &str) -> Rejection {
    let reason = match source {
        PeerSource::Xfcc => Reason::XfccMalformed,
        PeerSource::SourceCertificate | PeerSource::ClientCert | PeerSource::Principal => {
            Reason::EncodingInvalid
        }
    };
    reason.because(format!("certificate in {source} cannot be read: {why}"))
}

impl fmt::Debug for PresentedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = |text: &Option<Text>| text.as_ref().map(Text::len);
        f.debug_struct("PresentedCertificate")
            .field("source", &self.source)
            .field("leaf_bytes", &len(&self.leaf))
            .field("chain_bytes", &len(&self.chain))
            .finish()
    }
}

/// RFC 3986 section 2.1. A `+` stays a `+` (P37): base64 has it, and only HTML forms mean a space by it. Nothing where a
/// `%` does not begin an escape.
fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut after = text.split('%');
    after.next();
    let whole = after.all(|part| {
        part.as_bytes()
            .first_chunk::<2>()
            .is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    });
    whole.then(|| percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P37: `+` is kept, `%2B` is `+`, a broken escape is an error.
    #[test]
    fn escapes_are_those_of_rfc_3986() {
        for (text, decoded) in [
            ("a+b", Some("a+b")),
            ("a%2Bb%2b", Some("a+b+")),
            ("", Some("")),
            ("%", None),
            ("%2", None),
            ("a%2", None),
            ("%zz", None),
            ("%2%41", None),
            ("%+1", None),
        ] {
            assert_eq!(percent_decode(text).as_deref(), decoded.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_url_encoded_pem_is_refused_by_its_source() {
        let wrong_base64 = "-----BEGIN%20CERTIFICATE-----%0A!!!%0A-----END%20CERTIFICATE-----";
        let truncated = "-----BEGIN%20CERTIFICATE-----%0AMIIB";
        let other = "-----BEGIN%20PUBLIC%20KEY-----%0AAAAA%0A-----END%20PUBLIC%20KEY-----";
        for text in ["nothing", "%0", wrong_base64, truncated, other] {
            for (source, reason) in [
                (PeerSource::Xfcc, Reason::XfccMalformed),
                (PeerSource::SourceCertificate, Reason::EncodingInvalid),
            ] {
                let presented = PresentedCertificate::url_encoded(source, Some(text.into()), None);
                assert_eq!(presented.unwrap().decode().unwrap_err().reason(), reason, "{text}");
            }
        }
    }

    /// P332: a broken block is no reason to take the next certificate for the leaf.
    #[test]
    fn every_block_of_pem_is_a_certificate() {
        let block = "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----%0A";
        for (text, readable) in [
            (block.repeat(2), true),
            (format!("%0A{block}"), true),
            (format!("{}{block}", block.replacen("%20", "", 1)), false),
            (format!("{}{block}", block.replacen("CERTIFICATE", "KEY", 2)), false),
            (format!("{block}{}", block.replacen("%20", "", 1)), false),
            (format!("x%0A{block}"), false),
        ] {
            let presented = PresentedCertificate::url_encoded(
                PeerSource::Xfcc,
                None,
                Some(text.as_str().into()),
            );
            assert_eq!(presented.unwrap().decode().is_ok(), readable, "{text}");
        }
    }

    #[test]
    fn a_structured_field_has_byte_sequences_and_nothing_else() {
        let decode = |leaf: &str, chain: Option<&str>| {
            let presented = PresentedCertificate::structured_field(leaf, chain);
            presented.decode().map(|decoded| decoded.intermediates.len()).map_err(|r| r.reason())
        };
        assert_eq!(decode(":AAAA:", None), Ok(0));
        assert_eq!(decode(" :AAAA: ", Some(":AAAA:, :BBBB:,:CCCC:")), Ok(3));
        let long = [":AAAA:"; MAX_CHAIN_CERTIFICATES].join(",");
        for (leaf, chain) in [
            ("AAAA", None),
            (":AAAA", None),
            (":", None),
            (":AA_A:", None),
            (":AAA:", None),
            (":AAAA:;a=1", None),
            (":AAAA:, :BBBB:", None),
            (":AAAA:", Some("")),
            (":AAAA:", Some(":AAAA:,")),
            (":AAAA:", Some(long.as_str())),
        ] {
            assert_eq!(decode(leaf, chain), Err(Reason::EncodingInvalid), "{leaf} {chain:?}");
        }
    }

    /// P34, P36: `Cert` must be the first of `Chain`; a chain alone begins with the leaf.
    #[test]
    fn the_leaf_is_the_first_of_the_chain() {
        let pem = |content: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")
        };
        let (leaf, issuer) = (pem("AAAA"), pem("BBBB"));
        let chain = format!("{leaf}{issuer}");
        let decode = |leaf: Option<&str>, chain: &str| {
            let (leaf, chain) = (leaf.map(Text::from), Some(chain.into()));
            PresentedCertificate::url_encoded(PeerSource::Xfcc, leaf, chain).unwrap().decode()
        };
        let decoded = decode(None, &chain).unwrap();
        assert_eq!((decoded.leaf.as_ref(), decoded.intermediates.len()), (&[0u8; 3][..], 1));
        assert_eq!(decode(Some(&leaf), &chain).unwrap(), decoded);
        let mismatch = decode(Some(&issuer), &chain).unwrap_err();
        assert_eq!(mismatch.reason(), Reason::XfccInconsistent);
        let two_leaves = decode(Some(&chain), &chain).unwrap_err();
        assert_eq!(two_leaves.reason(), Reason::XfccMalformed);
        let long = leaf.repeat(MAX_CHAIN_CERTIFICATES + 1);
        assert_eq!(decode(None, &long).unwrap_err().reason(), Reason::XfccMalformed);
    }
}
