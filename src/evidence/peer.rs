//! The evidence of the peer's certificate, from every source that is enabled.

use super::certificate::PresentedCertificate;
use super::client_cert;
use super::presented::Presented;
use super::sources::{PeerSource, PeerSources, PrincipalSource};
use super::xfcc::Xfcc;
use crate::evidence_level::EvidenceLevel;
use crate::limits::MAX_CERTIFICATE_BYTES;
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, Text};

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
    /// The use of `principal` as an identity where there is nothing better.
    pub principal_trusted: PrincipalSource,
    /// The proxy's own name as the check has it: its first URI, else a DNS name or the subject. Empty is absent.
    pub destination: Option<Text>,
    /// Its other names, as configured.
    pub identities: Box<[Text]>,
    /// The least evidence that counts.
    pub least: EvidenceLevel,
    /// True if XFCC counts where there is no `principal`.
    pub xfcc_without_tls: bool,
    /// True if `client-cert` does.
    pub client_cert_without_tls: bool,
}

/// Longest `source.certificate`: base64 makes 4 bytes of 3, and escaping every one of them would treble that.
const MAX_ENCODED_BYTES: usize = 4 * MAX_CERTIFICATE_BYTES;

impl PeerEvidence {
    /// Reads the sources that are enabled. Any other source is treated as if it had not been sent (P47).
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
            principal_trusted: sources.principal,
            least: sources.least_evidence,
            xfcc_without_tls: sources.xfcc_without_tls,
            client_cert_without_tls: sources.client_cert_without_tls,
        }
    }
}

fn when<T>(trusted: bool, read: impl FnOnce() -> Result<Option<T>, Rejection>) -> Presented<T> {
    if !trusted {
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

/// Envoy joins repeated XFCC lines with a comma before anything else sees them, so that Envoy did not write several lines,
/// and which of them is the nearest proxy's cannot be determined (P4).
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
    Ok(Some(xfcc).filter(|xfcc| !xfcc.elements.is_empty()))
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

    /// P47: a source that is not enabled is treated as if it had not been sent.
    #[test]
    fn nothing_is_trusted_unless_configured() {
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
