//! No input causes a panic, or a report that controls the terminal.

use proptest::prelude::*;

use super::certificate::VerificationContext;
use super::input::{InputKind, InspectInput};
use super::render;
use super::report::InspectReport;
use crate::cli::style;
use crate::clock::UnixTime;
use crate::evidence::{PeerSources, PrincipalSource};
use crate::evidence_level::EvidenceLevel;
use crate::trust::TrustStore;

const KINDS: [Option<InputKind>; 6] = [
    None,
    Some(InputKind::Pem),
    Some(InputKind::Der),
    Some(InputKind::Xfcc),
    Some(InputKind::Json),
    Some(InputKind::Check),
];

fn assert_harmless(bytes: &[u8]) {
    let trust = TrustStore::default();
    let now = UnixTime::from_secs(1_800_000_000);
    let context = VerificationContext { trust: &trust, revision: Some("r"), now };
    let sources = PeerSources {
        source_certificate: true,
        xfcc: true,
        xfcc_without_tls: true,
        client_cert: true,
        client_cert_without_tls: true,
        principal: PrincipalSource::UriSanRequired,
        least_evidence: EvidenceLevel::Asserted,
        identities: Vec::new(),
    };
    for kind in KINDS {
        let Ok(input) = InspectInput::parse(bytes, kind) else { continue };
        let report = InspectReport::new(&input.with(None, None), &sources, context);
        let mut out = anstream::StripStream::new(Vec::new());
        render::write(&report, &mut out).unwrap();
        let mut out = out.into_inner();
        style::json(&report, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(!report.is_good());
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        assert_harmless(&bytes);
    }

    #[test]
    fn no_header_panics(text in "(By|Hash|Cert|Chain|Subject|URI|DNS|x)?=?\"?[ -~\u{80}-\u{ff}]{0,40}[;,\"%]?\\PC{0,20}") {
        assert_harmless(text.as_bytes());
        let json = serde_json::json!({ "xfcc": text, "clientCert": text, "sourcePrincipal": text });
        assert_harmless(json.to_string().as_bytes());
    }
}
