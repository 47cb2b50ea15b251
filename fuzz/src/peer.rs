//! Targets for what is shown of a peer, and for revocation lists.
//!
//! Certificates and lists are signed here, with keys that everybody may know, so that the fuzzer gets behind the
//! signature: its input is what would be signed. Each target says whether its input was accepted in the end.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::authn::{Credential, NoCache, PeerIdentity, verify_peer};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, Diagnostic, SourceFile};
use countersign::evidence::{PeerEvidence, PeerSources};
use countersign::evidence_level::EvidenceLevel;
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::secret::Fingerprint;
use countersign::trust::TrustStore;
use rcgen::{KeyPair, SigningKey as _};
use webpki::BorrowedCertRevocationList;

use super::samples;

/// Ed25519 in an AlgorithmIdentifier.
const ED25519: [u8; 7] = [0x30, 5, 6, 3, 0x2b, 0x65, 0x70];

static TRUST: LazyLock<TrustStore> = LazyLock::new(|| compile("", &[]).0);

/// Any header value.
pub fn xfcc(bytes: &[u8]) -> bool {
    let header = Some(bytes.to_vec());
    // A name is the proxy's word alone: the peer that is found must be spelled in the header.
    let found = verify(None, header, &TRUST);
    let Some(peer) = found.verified() else { return false };
    let text = String::from_utf8_lossy(bytes);
    let id = peer.spiffe.as_ref().expect("a peer without a certificate and without an ID").as_str();
    assert!(text.contains(id), "{id} is not in {text:?}");
    check(peer);
    true
}

/// Any bytes as the leaf that Envoy tells: as a certificate, and as the content of one that the authority signed.
pub fn certificate(bytes: &[u8]) -> bool {
    let forged = verify(Some(encoded(bytes)), None, &TRUST);
    assert!(forged.verified().is_none(), "{forged:?}");
    let signed = signed(bytes, &samples::AUTHORITY_KEY);
    let found = verify(Some(encoded(&signed)), None, &TRUST);
    let Some(peer) = found.verified() else { return false };
    assert_eq!(peer.certificate.as_ref(), Some(&Fingerprint::of(&signed)));
    check(peer);
    true
}

/// Any bytes, cut at every `0xff 0x00`, as a presented chain: a leaf that the intermediate signed, and certificates that
/// the authority signed.
pub fn chain(bytes: &[u8]) -> bool {
    let mut parts = vec![Vec::new()];
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match after.split_first() {
            Some((0, after)) if *first == 0xff => {
                rest = after;
                parts.push(Vec::new());
            }
            Some(_) | None => parts.last_mut().unwrap().push(*first),
        }
    }
    let forged: String = parts.iter().map(|part| encoded(part)).collect();
    let found = verify(None, Some(format!("Chain=\"{forged}\"").into_bytes()), &TRUST);
    assert!(found.verified().is_none(), "{found:?}");
    let key = |at: usize| if at == 0 { &samples::MIDDLE_KEY } else { &samples::AUTHORITY_KEY };
    let ders: Vec<_> = parts.iter().enumerate().map(|(at, part)| signed(part, key(at))).collect();
    let chain: String = ders.iter().map(|der| encoded(der)).collect();
    let found = verify(None, Some(format!("Chain=\"{chain}\"").into_bytes()), &TRUST);
    let Some(peer) = found.verified() else { return false };
    // P36: only the first.
    assert_eq!(peer.certificate.as_ref(), Some(&Fingerprint::of(&ders[0])));
    check(peer);
    true
}

/// Any bytes as a revocation list: as they are, and as the content of one that the authority signed.
pub fn crl(bytes: &[u8]) -> bool {
    const RULES: &str = "revocation: { crls: [{ file: data }] }";
    let (_, problems) = compile(RULES, bytes);
    assert!(!problems.is_empty());
    let list = signed(bytes, &samples::AUTHORITY_KEY);
    let (trust, problems) = compile(RULES, &list);
    if !problems.is_empty() {
        return false;
    }
    let leaf = samples::certificates().swap_remove(0);
    let leaf = encoded(&signed(&leaf, &samples::AUTHORITY_KEY));
    let found = verify(Some(leaf), None, &trust);
    // P43: what another reader finds on the list does not pass.
    // That reader refuses issuing distribution points which RFC 5280 section 5.2.5 permits.
    let Ok(list) = BorrowedCertRevocationList::from_der(&list) else { return true };
    let listed = list
        .into_iter()
        .map(|entry| entry.expect("only one of two reads the entries"))
        .any(|entry| entry.serial_number == samples::SERIAL);
    assert!(!listed || found.verified().is_none(), "{found:?}");
    true
}

/// Properties of every verified peer.
fn check(peer: &PeerIdentity) {
    if let Some(id) = peer.spiffe.as_ref() {
        // P45: the trust domain of the ID is the one that vouches.
        assert_eq!((id.trust_domain(), &*peer.trust_domain), ("fuzz.example", "fuzz"));
        assert_eq!(peer.uris, [id.as_str()]);
    }
    // P38: no name has anything in it that a log, a matcher or a terminal could misread.
    let names = peer.dns.iter().chain(&peer.uris).chain(&peer.emails).chain(&peer.ips);
    for name in names {
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()), "{name:?}");
    }
    assert!(!peer.subject.as_deref().unwrap_or_default().contains(char::is_control), "{peer:?}");
    assert!(peer.not_after.is_none_or(|end| end.as_secs() >= samples::NOW), "{peer:?}");
}

/// Two trust domains of one authority, `more` in the spec of that with a SPIFFE name, and the file `data` beside them.
fn compile(more: &str, data: &[u8]) -> (TrustStore, Vec<Diagnostic>) {
    const HEAD: &str = "---\napiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\n";
    let text = format!(
        "{HEAD}metadata: {{ name: fuzz }}\nspec: {{ spiffe: fuzz.example, authorities: [{{ file: ca.pem }}], {more} }}\n\
         {HEAD}metadata: {{ name: plain }}\nspec: {{ authorities: [{{ file: ca.pem }}] }}\n"
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("fuzz.yaml", text), &mut problems);
    let mut files = Attachments::default();
    files.insert("ca.pem".into(), Ok(samples::AUTHORITY.clone().into_bytes()));
    files.insert("data".into(), Ok(data.to_vec()));
    let store = TrustStore::compile(&documents, &files, &mut problems);
    (store, problems)
}

/// The DER of something with this content, signed with `key`: a certificate or a revocation list.
fn signed(content: &[u8], key: &KeyPair) -> Vec<u8> {
    let signature = key.sign(content).expect("Ed25519 signs anything");
    let bits = [&[0][..], &signature].concat();
    tlv(0x30, &[content, &ED25519[..], &tlv(3, &bits)].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match length.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap());
            out.extend(long);
        }
    }
    out.extend(content);
    out
}

/// URL-encoded PEM.
fn encoded(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der).replace('+', "%2B");
    format!("-----BEGIN%20CERTIFICATE-----%0A{base64}%0A-----END%20CERTIFICATE-----%0A")
}

/// Verifies a request with this `source.certificate` and this XFCC header.
fn verify(
    certificate: Option<String>,
    xfcc: Option<Vec<u8>>,
    trust: &TrustStore,
) -> Credential<PeerIdentity> {
    let mut headers = Headers::default();
    if let Some(xfcc) = xfcc {
        headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc));
    }
    let (_, sealed) = CredentialHeaders::split(
        headers,
        &SealedNames::default(),
        certificate.map(Into::into),
        None,
    );
    let sources = PeerSources {
        source_certificate: true,
        xfcc: true,
        xfcc_without_tls: true,
        least_evidence: EvidenceLevel::Asserted,
        ..PeerSources::default()
    };
    let evidence = PeerEvidence::collect(&sealed, None, &sources);
    verify_peer(&evidence, trust, &NoCache, UnixTime::from_secs(samples::NOW))
}
