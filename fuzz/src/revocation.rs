//! Target for revocation lists in the line form.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::clock::UnixTime;
use countersign::document::OnStaleList;
use countersign::trust::{
    KeyPurpose, KeySet, ListPlace, ListSignature, ListSource, ListText, RevocationKind,
    RevocationTarget, RevocationView,
};
use rcgen::{PublicKeyData as _, SigningKey as _};

use super::samples;

const NAME: &str = "fuzz";

static SIGNED: LazyLock<ListSource> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(samples::AUTHORITY_KEY.der_bytes());
    let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}]}}"#);
    let keys = Arc::new(KeySet::parse(keys.as_bytes(), KeyPurpose::Jwt).unwrap());
    let place = || ListPlace::File("unread".into());
    let signature = Some(ListSignature { place: place(), keys });
    ListSource { place: place(), signature, max_age: None, on_stale: OnStaleList::Deny }
});

/// Any bytes as a list, unsigned and signed by a pinned key; and, behind `0xff 0x00`, as its signature.
pub fn revocations(bytes: &[u8]) -> bool {
    let cut = bytes.windows(2).position(|pair| pair == [0xff, 0]);
    if let Some(at) = cut {
        let (text, signature) = (&bytes[..at], &bytes[at + 2..]);
        assert!(SIGNED.accept(NAME, text, Some(signature), None).is_err(), "it is not signed");
    }
    let text = cut.map_or(bytes, |at| &bytes[..at]);
    let read = ListText::parse(NAME, text);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (header, body) = (encode(br#"{"alg":"EdDSA","kid":"k"}"#), encode(text));
    let signature = samples::AUTHORITY_KEY.sign(format!("{header}.{body}").as_bytes());
    let signature = format!("{header}..{}", encode(&signature.expect("Ed25519 signs anything")));
    let accepted = SIGNED.accept(NAME, text, Some(signature.as_bytes()), None);
    let Ok(read) = read else {
        assert!(accepted.is_err(), "a signature makes no list of it");
        return false;
    };
    let ours = read.header.name.as_deref().is_none_or(|name| name == NAME);
    assert_eq!(accepted.is_ok(), ours && read.header.sequence.is_some());
    let text = std::str::from_utf8(text).expect("a list that is no text");
    assert!(text.ends_with('\n'), "it may be cut short");
    assert!(read.table.len() < text.lines().count());
    check_tokens(text, &RevocationView::new(vec![Arc::new(read.table)]));
    true
}

/// Tokens that another, simpler reader finds revoked are revoked.
fn check_tokens(text: &str, revocations: &RevocationView) {
    if text.contains(['%', '=']) || text.contains("@expires") {
        return;
    }
    let mut issuer = None;
    for line in text.lines() {
        match line.trim().split_once(' ') {
            Some(("@issuer", name)) => issuer = Some(name.trim()),
            Some(("jti", id)) => {
                let issuer = issuer.expect("a token without an issuer");
                let key = RevocationTarget::OfIssuer(RevocationKind::Token, issuer, id.trim());
                let now = UnixTime::from_secs(samples::NOW);
                assert!(revocations.find(&key, None, now).is_some(), "{line:?}");
            }
            _ => {}
        }
    }
}
