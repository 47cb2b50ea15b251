//! Target for DPoP proofs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::authn::{Caches, NoCache, authenticate};
use countersign::clock::UnixTime;
use countersign::evidence::{self, DpopProof, PeerSources};
use countersign::request::{
    Client, CredentialHeaders, Endpoint, HeaderValue, Headers, RequestLine, RequestView,
    SealedNames, ServerName, Target,
};
use countersign::secret::Fingerprint;
use countersign::trust::Material;
use rcgen::{PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

use super::samples;
use super::token::{TRUST, signed};

/// A token that is bound to the caller's key.
pub static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(samples::CALLER_KEY.der_bytes());
    // RFC 8037 appendix A.3.
    let key = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let jkt = URL_SAFE_NO_PAD.encode(Fingerprint::of(key.as_bytes()).as_bytes());
    let mut claims: Value = serde_json::from_str(samples::CLAIMS).unwrap();
    claims["cnf"] = json!({ "jkt": jkt });
    signed(samples::HEADER.as_bytes(), claims.to_string().as_bytes())
});

/// Any text as a proof; and any bytes as the claims of one that is signed, or, up to `0xff 0x00`, as its header.
pub fn dpop(bytes: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(proof) = DpopProof::parse(text) {
            assert!(proof.key.is_object() && !text.contains(','));
        }
        assert!(!proves(bytes), "{text:?}");
    }
    let cut = bytes.windows(2).position(|pair| pair == [0xff, 0]);
    let own = samples::proof_header();
    let (header, claims) =
        cut.map_or((own.as_bytes(), bytes), |at| (&bytes[..at], &bytes[at + 2..]));
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = samples::CALLER_KEY.sign(input.as_bytes()).expect("Ed25519 signs anything");
    let accepted = proves(format!("{input}.{}", encode(&signature)).as_bytes());
    if accepted {
        check(header, claims);
    }
    accepted
}

/// RFC 9449 section 4.3: what holds of every proof that was taken.
fn check(header: &[u8], claims: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("a header that is no JSON");
    let kind = header["typ"].as_str().expect("no type").to_ascii_lowercase();
    assert_eq!(kind.trim_start_matches("application/"), "dpop+jwt");
    assert_eq!(header["alg"], "EdDSA");
    assert!(header["jwk"].get("d").is_none() && header.get("crit").is_none());
    let claims: Value = serde_json::from_slice(claims).expect("claims that are no JSON");
    assert_eq!(claims["htm"], "GET");
    let url = claims["htu"].as_str().expect("no URL").to_ascii_lowercase();
    assert!(url.starts_with("https://orders.example"), "{url}");
    let ath = URL_SAFE_NO_PAD.encode(Fingerprint::of(TOKEN.as_bytes()).as_bytes());
    assert_eq!(claims["ath"], ath);
    assert!(claims["jti"].as_str().is_some_and(|id| !id.is_empty()));
    let made = claims["iat"].as_i64().expect("no time");
    // Ten minutes are the most that can be set, and a minute that a clock may be off.
    assert!((samples::NOW - made).abs() <= 660, "{made}");
}

/// True if the bound token is taken with this proof.
fn proves(proof: &[u8]) -> bool {
    let mut headers = Headers::default();
    headers.push("authorization", HeaderValue::new(format!("DPoP {}", *TOKEN).into_bytes()));
    headers.push("dpop", HeaderValue::new(proof.to_vec()));
    let (headers, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let places = TRUST.token_places();
    let mut evidence = evidence::collect(&sealed, None, &PeerSources::default(), &places);
    evidence.request = RequestLine::of(&view(headers));
    let memory = Caches { certificates: &NoCache, tokens: &NoCache };
    let now = UnixTime::from_secs(samples::NOW);
    let subject = authenticate(&evidence, &TRUST, &Material::default(), memory, now);
    let taken = subject.token("signed").is_some();
    // P67: whatever is taken is used up.
    assert_eq!(subject.one_time_uses().count(), usize::from(taken));
    taken
}

fn view(headers: Headers) -> RequestView {
    RequestView {
        id: "".into(),
        method: "GET".into(),
        scheme: "https".into(),
        raw_host: "orders.example".into(),
        raw_path: "/v1/orders".into(),
        target: Target::parse("orders.example", "/v1/orders"),
        headers,
        source: Endpoint::default(),
        destination: Endpoint::default(),
        client: Client::Connection,
        sni: ServerName::Unknown,
        sent_at: None,
        context_extensions: BTreeMap::new(),
    }
}
