//! What is shown of the peer's certificate, from every source that is believed here.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use super::Presented;
use super::certificate::PresentedCertificate;
use super::client_cert;
use super::xfcc::Xfcc;
use crate::evidence_level::EvidenceLevel;
use crate::limits::MAX_CERTIFICATE_BYTES;
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, Text};

/// Which places of peer evidence are believed. All are off unless configured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeerSources {
    /// `source.certificate`: the leaf that Envoy itself saw in the handshake. Wins over every header, and what the nearest
    /// XFCC element says must agree with it.
    pub source_certificate: bool,
    /// The `x-forwarded-client-cert` header, whose last element the proxy itself writes (`SANITIZE_SET` or
    /// `APPEND_FORWARD`). Under `FORWARD_ONLY` and `ALWAYS_FORWARD_ONLY` the caller writes all of it: leave it off there.
    pub xfcc: bool,
    /// Whether XFCC counts where the proxy names no TLS peer (`source.principal` is empty), as behind an Istio ambient
    /// waypoint. Anybody who reaches such a proxy can then write the header, unless the proxy removes it.
    pub xfcc_without_tls: bool,
    /// The `client-cert` and `client-cert-chain` headers (RFC 9440), where `source.certificate` or XFCC proves that a trusted
    /// forwarder has sent them.
    pub client_cert: bool,
    /// Whether they count where the proxy names no TLS peer, as behind a load balancer on a trusted network.
    pub client_cert_without_tls: bool,
    /// Whether `source.principal` is an identity where nothing else is shown. Envoy fills it with the first URI, else with a
    /// DNS name or the subject, and does not say which.
    pub principal: PrincipalSource,
    /// The least evidence that counts, of the caller and of every forwarder on the way; less is `evidence_insufficient` for
    /// every rule. Below `leaf` a peer is worth what the proxy verified: `hash` and `asserted` state that every proxy that
    /// asks here, and every forwarder, verifies client certificates against exactly the authorities pinned in the trust
    /// domains (`VERIFY_TRUST_CHAIN`, never `ACCEPT_UNTRUSTED`).
    pub least_evidence: EvidenceLevel,
    /// Names of the proxies that ask here, where a check does not tell them (`destination.principal`), or beside the one
    /// that it tells: the nearest XFCC element must be written by one of them.
    pub identities: Vec<String>,
}

/// Whether `source.principal` is an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PrincipalSource {
    /// It is not: a DNS name can spell a SPIFFE ID.
    #[default]
    Off,
    /// It is, where it is a SPIFFE ID. This states that the proxy accepts only certificates with a URI name
    /// (`match_typed_subject_alt_names` with `san_type: URI`), so that the principal is always one.
    UriSanRequired,
}

/// A place of peer evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerSource {
    /// `source.certificate` of the check request.
    SourceCertificate,
    /// The `x-forwarded-client-cert` header.
    Xfcc,
    /// The `client-cert` header.
    ClientCert,
    /// `source.principal` of the check request.
    Principal,
}

/// The unverified certificate evidence of one request.
#[derive(Debug)]
pub struct PeerEvidence {
    /// The leaf that Envoy itself verified.
    pub source_certificate: Presented<PresentedCertificate>,
    /// The XFCC header.
    pub xfcc: Presented<Xfcc>,
    /// The `client-cert` header with its chain.
    pub client_cert: Presented<PresentedCertificate>,
    /// The direct TLS peer as the proxy names it: text, not an identity (P46). Empty is absent.
    pub principal: Option<Text>,
    /// Whether `principal` may be an identity where there is nothing better.
    pub principal_believed: PrincipalSource,
    /// The proxy's own name as it tells it: its first URI, else a DNS name or the subject. Empty is absent.
    pub destination: Option<Text>,
    /// Its other names, as configured.
    pub identities: Box<[Text]>,
    /// The least evidence that counts.
    pub least: EvidenceLevel,
    /// Whether XFCC counts where there is no `principal`.
    pub xfcc_without_tls: bool,
    /// Whether `client-cert` does.
    pub client_cert_without_tls: bool,
}

/// Longest `source.certificate`: base64 makes 4 bytes of 3, and escaping every one of them would treble that.
const MAX_ENCODED_BYTES: usize = 4 * MAX_CERTIFICATE_BYTES;

// === impl PeerSources ===

impl Default for PeerSources {
    fn default() -> Self {
        Self {
            source_certificate: false,
            xfcc: false,
            xfcc_without_tls: false,
            client_cert: false,
            client_cert_without_tls: false,
            principal: PrincipalSource::Off,
            least_evidence: EvidenceLevel::Leaf,
            identities: Vec::new(),
        }
    }
}

impl PeerSources {
    /// Whether peers count whose certificate is never seen here: the proxies' verification is all there is then.
    #[must_use]
    pub fn rely_on_proxies(&self) -> bool {
        self.least_evidence < EvidenceLevel::Leaf
    }

    /// Whether no source is believed, as where the settings say nothing: there is never a peer then.
    #[must_use]
    pub fn are_off(&self) -> bool {
        let headers = self.xfcc || self.xfcc_without_tls;
        let client_cert = self.client_cert || self.client_cert_without_tls;
        !self.source_certificate
            && !headers
            && !client_cert
            && self.principal == PrincipalSource::Off
    }
}

// === impl PrincipalSource ===

impl<'de> Deserialize<'de> for PrincipalSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PrincipalWord)
    }
}

/// Reads the word, and the `false` of earlier settings.
struct PrincipalWord;

impl Visitor<'_> for PrincipalWord {
    type Value = PrincipalSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`off` or `uriSanRequired`")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<PrincipalSource, E> {
        if on {
            return Err(E::custom(
                "`principal: true` does not say of which kind the name is, and a DNS name can spell a SPIFFE ID: where the proxy accepts only certificates with a URI name (`match_typed_subject_alt_names` with `san_type: URI`), write `principal: uriSanRequired`",
            ));
        }
        Ok(PrincipalSource::Off)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<PrincipalSource, E> {
        match word {
            "off" => Ok(PrincipalSource::Off),
            "uriSanRequired" => Ok(PrincipalSource::UriSanRequired),
            _ => Err(E::custom("expected `off` or `uriSanRequired`")),
        }
    }
}

// === impl PeerSource ===

impl PeerSource {
    /// The word used in audit records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceCertificate => "source_certificate",
            Self::Xfcc => "xfcc",
            Self::ClientCert => "client_cert",
            Self::Principal => "principal",
        }
    }
}

impl fmt::Display for PeerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl PeerEvidence ===

impl PeerEvidence {
    /// Reads the sources that are believed. What is not believed is as if it had not been sent (P47).
    #[must_use]
    pub fn collect(
        credentials: &CredentialHeaders,
        destination_principal: Option<&Text>,
        sources: &PeerSources,
    ) -> Self {
        let text = |text: Option<&Text>| text.filter(|text| !text.is_empty()).cloned();
        Self {
            source_certificate: when(sources.source_certificate, || source(credentials)),
            xfcc: when(sources.xfcc, || xfcc(credentials)),
            client_cert: when(sources.client_cert, || client_cert::read(credentials)),
            principal: text(credentials.source_principal()),
            destination: text(destination_principal),
            identities: sources.identities.iter().map(|name| name.as_str().into()).collect(),
            principal_believed: sources.principal,
            least: sources.least_evidence,
            xfcc_without_tls: sources.xfcc_without_tls,
            client_cert_without_tls: sources.client_cert_without_tls,
        }
    }
}

fn when<T>(believed: bool, read: impl FnOnce() -> Result<Option<T>, Rejection>) -> Presented<T> {
    if !believed {
        return Presented::Absent;
    }
    match read() {
        Ok(None) => Presented::Absent,
        Ok(Some(value)) => Presented::Present(value),
        Err(rejection) => Presented::Malformed(rejection),
    }
}

fn source(credentials: &CredentialHeaders) -> Result<Option<PresentedCertificate>, Rejection> {
    let leaf = credentials.source_certificate().filter(|text| !text.is_empty());
    if leaf.is_some_and(|text| text.len() > MAX_ENCODED_BYTES) {
        return Err(Reason::RequestTooLarge
            .because(format!("`source.certificate` is over {MAX_ENCODED_BYTES} bytes")));
    }
    Ok(PresentedCertificate::url_encoded(PeerSource::SourceCertificate, leaf.cloned(), None))
}

/// Envoy joins repeated XFCC lines with a comma before anything else sees them, so that several lines were not written
/// by Envoy, and which of them is the nearest proxy's is anybody's guess (P4).
fn xfcc(credentials: &CredentialHeaders) -> Result<Option<Xfcc>, Rejection> {
    let mut lines = credentials.all("x-forwarded-client-cert");
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Reason::XfccMalformed.because("`x-forwarded-client-cert` is on several lines"));
    }
    let text = line
        .to_text()
        .ok_or_else(|| Reason::XfccMalformed.because("`x-forwarded-client-cert` is not UTF-8"))?;
    let xfcc = Xfcc::parse(&text)?;
    Ok(Some(xfcc).filter(|xfcc| !xfcc.elements().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{HeaderValue, Headers, SealedNames};

    fn credentials(lines: &[&[u8]], certificate: Option<&str>) -> CredentialHeaders {
        let mut headers = Headers::default();
        for line in lines {
            headers.push("x-forwarded-client-cert", HeaderValue::new(line.to_vec()));
        }
        let certificate = certificate.map(Text::from);
        CredentialHeaders::split(headers, &SealedNames::default(), certificate, None).1
    }

    const ALL: PeerSources = PeerSources {
        source_certificate: true,
        xfcc: true,
        xfcc_without_tls: false,
        client_cert: true,
        client_cert_without_tls: false,
        principal: PrincipalSource::UriSanRequired,
        least_evidence: EvidenceLevel::Asserted,
        identities: Vec::new(),
    };

    fn client_cert(lines: &[(&str, &str)]) -> Presented<PresentedCertificate> {
        let mut headers = Headers::default();
        for (name, line) in lines {
            headers.push(*name, HeaderValue::new(line.as_bytes().to_vec()));
        }
        let (_, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
        PeerEvidence::collect(&sealed, None, &ALL).client_cert
    }

    /// P4: one certificate, and a chain that may be on several lines.
    #[test]
    fn client_cert_is_single_and_its_chain_is_a_list() {
        assert_eq!(client_cert(&[]), Presented::Absent);
        let lines = [
            ("client-cert", ":AAAA:"),
            ("client-cert-chain", ":BBBB:"),
            ("client-cert-chain", ":CCCC:, :DDDD:"),
        ];
        let Presented::Present(presented) = client_cert(&lines) else { panic!() };
        assert_eq!(presented.decode().unwrap().intermediates.len(), 3);
        let long = "a".repeat(100_000);
        for (lines, reason) in [
            (&[("client-cert", ":AAAA:"), ("client-cert", ":AAAA:")][..], Reason::HeaderDuplicate),
            (&[("client-cert-chain", ":AAAA:")], Reason::EncodingInvalid),
            (&[("client-cert", &long)], Reason::RequestTooLarge),
        ] {
            let Presented::Malformed(rejection) = client_cert(lines) else { panic!("{lines:?}") };
            assert_eq!(rejection.reason(), reason);
        }
    }

    /// P47: a source that is not believed is as if it had not been sent.
    #[test]
    fn nothing_is_believed_unless_configured() {
        let credentials = credentials(&[b"URI=spiffe://a/b"], Some("x"));
        let evidence = PeerEvidence::collect(&credentials, None, &PeerSources::default());
        assert_eq!(evidence.xfcc, Presented::Absent);
        assert_eq!(evidence.source_certificate, Presented::Absent);
        let evidence = PeerEvidence::collect(&credentials, None, &ALL);
        assert!(matches!(evidence.xfcc, Presented::Present(_)));
        assert!(matches!(evidence.source_certificate, Presented::Present(_)));
    }

    /// P4, P6: several XFCC lines and bytes that are not text are malformed, never repaired.
    #[test]
    fn several_lines_and_broken_text_are_malformed() {
        for lines in [&[&b"URI=spiffe://a/b"[..], b"URI=spiffe://a/c"][..], &[b"URI=\xff"]] {
            let evidence = PeerEvidence::collect(&credentials(lines, None), None, &ALL);
            let Presented::Malformed(rejection) = evidence.xfcc else { panic!("{lines:?}") };
            assert_eq!(rejection.reason(), Reason::XfccMalformed);
        }
    }

    #[test]
    fn an_empty_header_and_an_empty_certificate_are_absent_and_a_huge_one_is_refused() {
        let evidence =
            PeerEvidence::collect(&credentials(&[b""], Some("")), Some(&Text::default()), &ALL);
        assert_eq!(evidence.xfcc, Presented::Absent);
        assert_eq!(evidence.source_certificate, Presented::Absent);
        assert!(evidence.destination.is_none() && evidence.identities.is_empty());
        let huge = "a".repeat(200 * 1024);
        let evidence = PeerEvidence::collect(&credentials(&[], Some(&huge)), None, &ALL);
        let Presented::Malformed(rejection) = evidence.source_certificate else { panic!() };
        assert_eq!(rejection.reason(), Reason::RequestTooLarge);
    }
}
