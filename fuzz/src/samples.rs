//! Keys that everybody may know, and inputs that each target accepts.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::secret::Fingerprint;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    PublicKeyData as _, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

use super::proof::TOKEN;

/// 2026-06-15T00:00:00Z, when everything here is valid.
pub const NOW: i64 = 1_781_481_600;

/// The serial number of the first certificate.
pub const SERIAL: [u8; 2] = [0x12, 0x34];

pub const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#;
pub const CLAIMS: &str = r#"{"iss":"https://a.example","sub":"alice","aud":["orders","billing"],"client_id":"web","jti":"1","iat":1781481540,"nbf":1781481540,"exp":1781482200,"scope":"orders:read orders:write","roles":["admin"]}"#;

pub static AUTHORITY_KEY: LazyLock<KeyPair> = LazyLock::new(|| key(1));
pub static MIDDLE_KEY: LazyLock<KeyPair> = LazyLock::new(|| key(2));
pub static CALLER_KEY: LazyLock<KeyPair> = LazyLock::new(|| key(4));

static ROOT: LazyLock<Issuer<'static, KeyPair>> = LazyLock::new(|| Issuer::new(ca("fuzz"), key(1)));
static MIDDLE: LazyLock<Issuer<'static, KeyPair>> =
    LazyLock::new(|| Issuer::new(ca("middle"), key(2)));

/// The certificate of the authority, PEM.
pub static AUTHORITY: LazyLock<String> =
    LazyLock::new(|| ca("fuzz").self_signed(&*AUTHORITY_KEY).unwrap().pem());

/// An Ed25519 key whose secret is one byte, repeated: input that was kept stays good.
fn key(seed: u8) -> KeyPair {
    // RFC 8410 section 7.
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    KeyPair::try_from([&head[..], &[seed; 32]].concat()).unwrap()
}

pub fn xfcc() -> Vec<Vec<u8>> {
    let hash = "ab".repeat(32);
    [
        "By=spiffe://fuzz.example/ns/a/sa/b;URI=spiffe://fuzz.example/ns/web/sa/frontend".to_owned(),
        format!("By=spiffe://a/b;Hash={hash};Subject=\"CN=a \\\"b\\\",O=c\";URI=spiffe://fuzz.example/x;DNS=a.example;DNS=b.example"),
        format!("Hash={hash};Cert=\"-----BEGIN%20CERTIFICATE-----%0AMIIB%2B%0A-----END%20CERTIFICATE-----%0A\";Chain=\"\""),
        "URI=spiffe://fuzz.example/far;Issuer=x, uri=spiffe://fuzz.example/near;URI=".to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

/// The contents of certificates, to be signed by the authority. The first has [`SERIAL`].
pub fn certificates() -> Vec<Vec<u8>> {
    let svid = leaf(vec![uri("spiffe://fuzz.example/ns/web/sa/frontend")]);
    let mut names = leaf(vec![
        uri("urn:a:b"),
        SanType::DnsName("a.fuzz.example".try_into().unwrap()),
        SanType::DnsName("*.fuzz.example".try_into().unwrap()),
        SanType::Rfc822Name("a@fuzz.example".try_into().unwrap()),
        SanType::IpAddress([127, 0, 0, 1].into()),
    ]);
    names.distinguished_name.push(DnType::CommonName, "a, b\\ \"c\" é");
    names.distinguished_name.push(DnType::OrganizationName, "#d");
    names.crl_distribution_points =
        vec![CrlDistributionPoint { uris: vec!["http://crl.example/1".to_owned()] }];
    [svid, names, ca("peer")].iter().map(|params| content(params, &ROOT)).collect()
}

/// The contents of a leaf of the intermediate and of intermediates, with `0xff 0x00` between them.
pub fn chains() -> Vec<Vec<u8>> {
    let mut constrained = ca("middle");
    constrained.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("fuzz.example".into())],
        excluded_subtrees: vec![GeneralSubtree::DnsName("evil.fuzz.example".into())],
    });
    let host = leaf(vec![SanType::DnsName("a.fuzz.example".try_into().unwrap())]);
    let svid = leaf(vec![uri("spiffe://fuzz.example/ns/web/sa/frontend")]);
    let mut short = ca("middle");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    [(host, constrained), (svid, short)]
        .iter()
        .map(|(leaf, middle)| {
            let middle = content_of_key(middle, &MIDDLE_KEY, &ROOT);
            [content(leaf, &MIDDLE), vec![0xff, 0], middle].concat()
        })
        .collect()
}

/// The contents of revocation lists, to be signed by the authority.
pub fn crls() -> Vec<Vec<u8>> {
    let point = |scope| {
        let distribution_point =
            CrlDistributionPoint { uris: vec!["http://crl.example/1".to_owned()] };
        Some(CrlIssuingDistributionPoint { distribution_point, scope })
    };
    [
        crl(&[], None),
        crl(&[0x1234, 0x80], None),
        crl(&[5], point(Some(CrlScope::UserCertsOnly))),
        crl(&[5], point(None)),
    ]
    .map(|params| to_be_signed(params.signed_by(&*ROOT).unwrap().der()))
    .into()
}

pub fn jws() -> Vec<Vec<u8>> {
    let token = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSJ9.AAAA";
    [HEADER, r#"{"alg":"EdDSA","kid":"k","crit":["b64"],"b64":false}"#, r#"{"alg":"none"}"#, token]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

pub fn claims() -> Vec<Vec<u8>> {
    [
        CLAIMS,
        r#"{"iss":"https://a.example","aud":"orders","exp":1781482200.5,"sub":"bob","scp":["a"],"azp":"web"}"#,
        r#"{"iss":"https://a.example","aud":"orders","exp":1,"sub":null}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

pub fn jwks() -> Vec<Vec<u8>> {
    [
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","alg":"EdDSA","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"e","use":"jwt-svid","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},{"kty":"oct","k":"AAAA"}]}"#,
        r#"{"keys":[{"kty":"RSA","kid":"r","e":"AQAB","n":"AQAB","key_ops":["verify"]},{"kty":"RSA","d":"x"}],"spiffe_sequence":1}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

pub fn introspection() -> Vec<Vec<u8>> {
    [
        r#"{"active":true,"iss":"https://b.example","aud":"orders","sub":"alice","client_id":"web","scope":"a b","token_type":"Bearer","iat":1781481540,"exp":1781482200}"#,
        r#"{"active":true,"aud":["orders"]}"#,
        r#"{"active":false,"exp":1}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// The header of every proof that is as it should be.
pub fn proof_header() -> String {
    let x = URL_SAFE_NO_PAD.encode(CALLER_KEY.der_bytes());
    format!(r#"{{"alg":"EdDSA","typ":"dpop+jwt","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}}"#)
}

/// The claims of proofs, and one with its header before it and `0xff 0x00` between them.
pub fn proofs() -> Vec<Vec<u8>> {
    let ath = URL_SAFE_NO_PAD.encode(Fingerprint::of(TOKEN.as_bytes()).as_bytes());
    let claims = |url: &str, more: &str| {
        format!(r#"{{"jti":"p-1","htm":"GET","htu":"{url}","iat":{NOW},"ath":"{ath}"{more}}}"#)
            .into_bytes()
    };
    let good = claims("https://orders.example/v1/orders", "");
    let header = proof_header().replace("dpop+jwt", "application/DPoP+JWT");
    vec![
        good.clone(),
        claims("HTTPS://ORDERS.example:443/v1/./orders?page=1#end", r#","nonce":"AAAA","exp":1"#),
        [header.as_bytes(), &[0xff, 0], &good].concat(),
        claims("http://[::1]:8080//%2e", ""),
    ]
}

pub fn revocations() -> Vec<Vec<u8>> {
    [
        "countersign-revocations/1\n@sequence 42\n@name fuzz\n@issuer https://a.example\njti 550e8400\njti b\n",
        "countersign-revocations/1\n@next-update 2026-11-22T04:00:00Z\n@issuer https://a.example\n@reason laptop stolen\n@author a%20b\nsub alice issued-before=2026-11-22T03:00:00Z expires=2026-11-23T03:00:00Z\nspiffe spiffe://fuzz.example/ns/web/sa/frontend\n\nissuer https://b.example\n",
        "countersign-revocations/1\r\n@certificate-issuer CN=fuzz,O=a\r\nserial 1234\r\n@expires 2026-11-23T03:00:00Z\r\nkid k issuer=https://a.example\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into_iter()
    .chain([[
        &b"countersign-revocations/1\n@sequence 1\n"[..],
        &[0xff, 0],
        b"eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ..AAAA",
    ]
    .concat()])
    .collect()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn leaf(names: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from(0x1234));
    params.subject_alt_names = names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    valid(params)
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(7));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(params)
}

fn valid(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn crl(
    serials: &[u64],
    issuing_distribution_point: Option<CrlIssuingDistributionPoint>,
) -> CertificateRevocationListParams {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2026, 6, 14),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 6, 14),
        next_update: date_time_ymd(2026, 6, 16),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
}

/// The content of a leaf's certificate.
fn content(params: &CertificateParams, issuer: &Issuer<'static, KeyPair>) -> Vec<u8> {
    content_of_key(params, &key(3), issuer)
}

fn content_of_key(
    params: &CertificateParams,
    key: &KeyPair,
    issuer: &Issuer<'static, KeyPair>,
) -> Vec<u8> {
    to_be_signed(params.signed_by(key, issuer).unwrap().der())
}

/// The first part of a signed DER structure.
fn to_be_signed(der: &[u8]) -> Vec<u8> {
    let (_, inside) = split(der);
    let (whole, _) = split(inside);
    whole.to_vec()
}

/// The first DER value in `bytes`, whole and without its head.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (head, length) = match bytes[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let digits = usize::from(long & 0x7f);
            let length =
                bytes[2..2 + digits].iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
            (2 + digits, length)
        }
    };
    (&bytes[..head + length], &bytes[head..head + length])
}
