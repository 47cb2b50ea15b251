//! Keys, authorities, lists and certificates: made once in a process, called by names that say what they are.
//!
//! A certificate is `who@issuer`, with what is odd about it behind: `front@mid+expired+eku-server`. `who` has one key, so that pins of keys
//! and the same key under two authorities occur.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CidrSubnet, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData,
    RevokedCertParams, SanType, SerialNumber,
};
use time::OffsetDateTime;

/// The moment around which everything is valid, unless a soak moves it: 2026-01-01T00:00:00Z.
static NOW: AtomicI64 = AtomicI64::new(1_767_225_600);

/// The moment around which documents and tokens are valid.
pub fn now() -> i64 {
    NOW.load(Ordering::Relaxed)
}

/// Moves that moment; certificates and lists keep the one at which the first of them was made.
pub fn set_now(seconds: i64) {
    NOW.store(seconds, Ordering::Relaxed);
}

/// The moment around which certificates and lists are valid.
fn made_at() -> i64 {
    static MADE_AT: LazyLock<i64> = LazyLock::new(now);
    *MADE_AT
}

/// The serial number that lists revoke.
const REVOKED: u64 = 0x0bad;

/// The SPIFFE ID of the proxy that asks.
pub const PROXY: &str = "spiffe://prod.example/ns/orders/sa/orders";

type Made<T> = Result<T, rcgen::Error>;

/// A certificate.
pub struct Certificate {
    /// DER.
    pub der: Vec<u8>,
    /// Its names as Envoy would write them.
    pub uris: Vec<String>,
    /// Its DNS names.
    pub dns: Vec<String>,
    /// Its subject, as RFC 2253 text.
    pub subject: String,
    spki: Vec<u8>,
}

/// An authority, or an intermediate: its name, the issuer (itself, for an authority), when it ends, and what is odd about it.
struct Authority {
    name: &'static str,
    subject: &'static str,
    issuer: &'static str,
    from: i64,
    until: i64,
    odd: &'static str,
}

const fn authority(name: &'static str, subject: &'static str, issuer: &'static str) -> Authority {
    Authority { name, subject, issuer, from: -864_000, until: 864_000, odd: "" }
}

/// Those that end paths come before what they issue.
const AUTHORITIES: [Authority; 18] = [
    authority("prod", "Prod CA", "prod"),
    // Another authority of the same name.
    authority("twin", "Prod CA", "twin"),
    authority("corp", "Corp CA", "corp"),
    Authority { odd: "flat", ..authority("flat", "Flat CA", "flat") },
    Authority { odd: "bound", ..authority("bound", "Bound CA", "bound") },
    Authority { odd: "bound-uri", ..authority("bound-uri", "Bound URI CA", "bound-uri") },
    Authority { until: 1800, ..authority("brief", "Brief CA", "brief") },
    Authority { odd: "critical", ..authority("strict", "Strict CA", "strict") },
    Authority { odd: "flat", ..authority("mid", "Prod Mid", "prod") },
    authority("mid2", "Prod Mid 2", "mid"),
    authority("flat-mid", "Flat Mid", "flat"),
    Authority { from: 300, ..authority("mid-late", "Late Mid", "prod") },
    Authority { until: 900, ..authority("mid-brief", "Brief Mid", "prod") },
    Authority { odd: "eku", ..authority("mid-eku", "Server Mid", "prod") },
    Authority { odd: "no-ca", ..authority("mid-noca", "No CA", "prod") },
    Authority { odd: "no-sign", ..authority("mid-nosign", "No Sign", "prod") },
    Authority { odd: "revoked", ..authority("mid-revoked", "Revoked Mid", "prod") },
    authority("corp-mid", "Corp Mid", "corp"),
];

/// A list: its name, its issuer, when it was made and when the next one comes, and what it revokes.
const LISTS: [(&str, &str, i64, i64, bool); 6] = [
    ("prod", "prod", -3600, 1800, true),
    ("prod-empty", "prod", -3600, 864_000, false),
    ("mid", "mid", -3600, 864_000, true),
    ("corp", "corp", -3600, 864_000, true),
    ("corp-stale", "corp", -7200, -600, true),
    ("corp-ahead", "corp", 60, 864_000, false),
];

/// Those who have certificates.
pub const WHO: [&str; 10] = ["front", "ops", "gate", "gate2", "self", "abroad", "g", "h", "bare", "evil"];

/// The faults that a certificate can have.
pub const ODD: [&str; 28] = [
    "expired",
    "ahead",
    "ending",
    "young",
    "long",
    "eku-server",
    "eku-none",
    "eku-any",
    "signs",
    "no-signature",
    "ca",
    "critical",
    "two-uris",
    "two-spiffe",
    "upper",
    "no-path",
    "dots",
    "hostile-uri",
    "hostile-dns",
    "bad-dns",
    "wild",
    "mapped-ip",
    "other-ip",
    "revoked",
    "short-key",
    "tampered",
    "point",
    "other-dns",
];

/// The authorities and intermediates, by name.
pub fn issuers() -> impl Iterator<Item = &'static str> {
    AUTHORITIES.iter().map(|own| own.name)
}

/// Who issued an intermediate; none for an authority.
pub fn issuer_of(name: &str) -> Option<&'static str> {
    AUTHORITIES.iter().find(|own| own.name == name && own.issuer != name).map(|own| own.issuer)
}

/// Everything that was made.
struct Pool {
    keys: Mutex<BTreeMap<String, Arc<KeyPair>>>,
    made: Mutex<BTreeMap<String, Arc<Certificate>>>,
}

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool { keys: Mutex::default(), made: Mutex::default() });

/// The key pair of a name, of P-256.
pub fn key(name: &str) -> Made<Arc<KeyPair>> {
    let Ok(mut keys) = POOL.keys.lock() else { return Err(rcgen::Error::RemoteKeyError) };
    if let Some(known) = keys.get(name) {
        return Ok(Arc::clone(known));
    }
    let new = Arc::new(KeyPair::generate()?);
    keys.insert(name.to_owned(), Arc::clone(&new));
    Ok(new)
}

/// A certificate by its name: `prod` for an authority or intermediate, `front@prod+expired` for any other.
pub fn certificate(name: &str) -> Option<Arc<Certificate>> {
    if let Some(known) = POOL.made.lock().ok()?.get(name) {
        return Some(Arc::clone(known));
    }
    let new = Arc::new(make(name).ok()??);
    // Another thread may have made one meanwhile: the first one counts.
    Some(Arc::clone(POOL.made.lock().ok()?.entry(name.to_owned()).or_insert(new)))
}

fn make(name: &str) -> Made<Option<Certificate>> {
    if let Some(own) = AUTHORITIES.iter().find(|own| own.name == name) {
        return make_authority(own).map(Some);
    }
    let (names, odd) = name.split_once('+').unwrap_or((name, ""));
    let Some((who, issuer)) = names.split_once('@') else { return Ok(None) };
    let Some(issuer) = AUTHORITIES.iter().find(|own| own.name == issuer) else { return Ok(None) };
    make_leaf(who, issuer, &odd.split('+').collect::<Vec<_>>()).map(Some)
}

/// The moment so many seconds after the one at which certificates are made.
fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(made_at() + seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn params(subject: &[(DnType, &str)], from: i64, until: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    subject.iter().for_each(|(kind, text)| params.distinguished_name.push(kind.clone(), *text));
    (params.not_before, params.not_after) = (moment(from), moment(until));
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority_params(own: &Authority) -> CertificateParams {
    let mut params = params(&[(DnType::CommonName, own.subject)], own.from, own.until);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    match own.odd {
        "flat" => params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        "bound" => {
            let permitted_subtrees = vec![
                GeneralSubtree::DnsName("p.example".to_owned()),
                GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([10, 0, 0, 0], 8)),
            ];
            let excluded_subtrees = vec![GeneralSubtree::DnsName("h.p.example".to_owned())];
            params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees });
        }
        "bound-uri" => {
            // RFC 5280 section 4.2.1.10: permittedSubtrees [0] { base [6] ".example" }.
            let content = [&[0x30, 0x0e, 0xa0, 0x0c, 0x30, 0x0a, 0x86, 0x08][..], b".example"].concat();
            params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 30], content)];
        }
        "critical" => params.custom_extensions = vec![unknown()],
        "eku" => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
        "no-ca" => params.is_ca = IsCa::ExplicitNoCa,
        "no-sign" => params.key_usages = vec![KeyUsagePurpose::CrlSign],
        "revoked" => params.serial_number = Some(SerialNumber::from(REVOKED)),
        _ => {}
    }
    params
}

/// A critical extension that no verifier knows.
fn unknown() -> CustomExtension {
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![0x05, 0x00]);
    unknown.set_criticality(true);
    unknown
}

fn with_issuer<T>(own: &Authority, sign: impl FnOnce(&Issuer<'_, &KeyPair>) -> Made<T>) -> Made<T> {
    let key = key(&format!("authority {}", own.name))?;
    sign(&Issuer::new(authority_params(own), &*key))
}

fn make_authority(own: &Authority) -> Made<Certificate> {
    let Some(issuer) = AUTHORITIES.iter().find(|other| other.name == own.issuer) else {
        return Err(rcgen::Error::CouldNotParseCertificate);
    };
    let key = key(&format!("authority {}", own.name))?;
    let made = with_issuer(issuer, |issuer| authority_params(own).signed_by(&*key, issuer))?;
    let subject = format!("CN={}", own.subject);
    Ok(Certificate { der: made.der().to_vec(), uris: Vec::new(), dns: Vec::new(), subject, spki: key.subject_public_key_info() })
}

/// A public key of 1024 bits, whose private half does not exist.
struct ShortKey(Vec<u8>);

impl PublicKeyData for ShortKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl ShortKey {
    fn new() -> Self {
        let modulus = [&[0x00][..], &[0xc5; 127], &[0x01]].concat();
        Self([&[0x30, 0x81, 0x89, 0x02, 0x81, 0x81][..], &modulus, &[0x02, 0x03, 0x01, 0x00, 0x01]].concat())
    }
}

/// The URIs, the DNS names, the addresses and the e-mail addresses of someone.
fn names(who: &str) -> (Vec<&'static str>, Vec<&'static str>, Vec<&'static str>, Vec<&'static str>) {
    match who {
        "front" => (vec!["spiffe://prod.example/ns/web/sa/front"], vec!["front.p.example"], vec![], vec![]),
        "ops" => (vec!["spiffe://prod.example/ns/ops/sa/alice"], vec![], vec![], vec![]),
        "gate" => (vec!["spiffe://prod.example/ns/edge/sa/gate"], vec![], vec![], vec![]),
        "gate2" => (vec!["spiffe://prod.example/ns/edge/sa/gate2"], vec!["gate.p.example"], vec![], vec![]),
        "self" => (vec![PROXY], vec![], vec![], vec![]),
        "abroad" => (vec!["spiffe://else.example/ns/web/sa/front"], vec![], vec![], vec![]),
        "g" => (vec!["https://p.example/w"], vec!["g.p.example"], vec!["10.0.0.9"], vec!["a@p.example"]),
        "h" => (vec![], vec!["h.p.example", "front.p.example"], vec!["2001:db8::7"], vec![]),
        // A DNS name that spells the ID of a forwarder, which `source.principal` then shows.
        "evil" => (vec![], vec!["spiffe://prod.example/ns/edge/sa/gate"], vec![], vec![]),
        _ => (vec![], vec![], vec![], vec![]),
    }
}

fn make_leaf(who: &str, issuer: &Authority, odd: &[&str]) -> Made<Certificate> {
    let (mut uris, mut dns, mut ips, emails) = names(who);
    let is = |word: &str| odd.contains(&word);
    let subject: &[(DnType, &str)] = &[(DnType::OrganizationName, "P"), (DnType::CommonName, who)];
    let (mut from, mut until) = (-3600, 7200);
    let usages = |of: &[KeyUsagePurpose]| of.to_vec();
    let mut key_usages = usages(&[KeyUsagePurpose::DigitalSignature]);
    let mut extended = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    let mut extensions = Vec::new();
    for word in odd {
        match *word {
            "expired" => until = -1,
            "ahead" => from = 1,
            "ending" => until = 600,
            "young" => from = -10,
            "long" => (from, until) = (-700_000, 700_000),
            "eku-server" => extended = vec![ExtendedKeyUsagePurpose::ServerAuth],
            "eku-none" => extended = Vec::new(),
            "eku-any" => extended = vec![ExtendedKeyUsagePurpose::Any],
            "signs" => key_usages = usages(&[KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign]),
            "no-signature" => key_usages = usages(&[KeyUsagePurpose::KeyEncipherment]),
            "critical" => extensions.push(unknown()),
            "two-uris" => uris.push("https://p.example/v"),
            "two-spiffe" => uris.push("spiffe://prod.example/ns/ops/sa/alice"),
            "upper" => uris = vec!["SPIFFE://prod.example/ns/web/sa/front"],
            "no-path" => uris = vec!["spiffe://prod.example"],
            "dots" => uris = vec!["spiffe://prod.example/ns/../sa/front"],
            "hostile-uri" => {
                uris =
                    vec!["spiffe://prod.example/x,By=spiffe://prod.example/ns/orders/sa/orders;URI=spiffe://prod.example/ns/ops/sa/alice"];
            }
            "hostile-dns" => dns.push("x.p.example,By=spiffe://prod.example/ns/orders/sa/orders;URI=spiffe://prod.example/ns/ops/sa/alice"),
            "bad-dns" => dns.push("a..p.example"),
            "wild" => dns.push("*.p.example"),
            "other-dns" => dns.push("x.q.example"),
            "mapped-ip" => ips.push("::ffff:10.0.0.9"),
            "other-ip" => ips.push("11.0.0.1"),
            _ => {}
        }
    }
    let mut params = params(subject, from, until);
    let text = |text: &str| text.to_owned().try_into();
    for uri in &uris {
        params.subject_alt_names.push(SanType::URI(text(uri)?));
    }
    for name in &dns {
        params.subject_alt_names.push(SanType::DnsName(text(name)?));
    }
    for ip in ips.iter().filter_map(|ip| ip.parse::<IpAddr>().ok()) {
        params.subject_alt_names.push(SanType::IpAddress(ip));
    }
    for email in &emails {
        params.subject_alt_names.push(SanType::Rfc822Name(text(email)?));
    }
    (params.key_usages, params.extended_key_usages, params.custom_extensions) = (key_usages, extended, extensions);
    if is("ca") {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    if is("revoked") {
        params.serial_number = Some(SerialNumber::from(REVOKED));
    }
    if is("point") {
        params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris: vec!["http://p.example/prod.crl".to_owned()] }];
    }
    let (mut der, spki) = with_issuer(issuer, |issuer| {
        if is("short-key") {
            let short = ShortKey::new();
            return Ok((params.signed_by(&short, issuer)?.der().to_vec(), short.subject_public_key_info()));
        }
        let key = key(&format!("leaf {who}"))?;
        Ok((params.signed_by(&*key, issuer)?.der().to_vec(), key.subject_public_key_info()))
    })?;
    if is("tampered")
        && let Some(last) = der.last_mut()
    {
        *last ^= 1;
    }
    let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    Ok(Certificate { der, uris: owned(&uris), dns: owned(&dns), subject: format!("CN={who},O=P"), spki })
}

impl Certificate {
    /// As PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// Its SHA-256.
    pub fn sha256(&self) -> Vec<u8> {
        digest(&SHA256, &self.der).as_ref().to_vec()
    }

    /// The SHA-256 of its key.
    pub fn spki(&self) -> Vec<u8> {
        digest(&SHA256, &self.spki).as_ref().to_vec()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<String> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The files that documents name: authorities and intermediates (`prod.pem`), lists (`prod.crl`), key sets (`corp.jwks`).
pub fn files() -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
        let mut files = BTreeMap::new();
        for name in issuers() {
            files.extend(certificate(name).map(|own| (format!("{name}.pem"), own.pem().into_bytes())));
        }
        for (name, issuer, from, until, revokes) in LISTS {
            files.extend(list(issuer, from, until, revokes).ok().map(|der| (format!("{name}.crl"), der)));
        }
        files.extend(super::tokens::key_sets());
        files
    });
    &FILES
}

fn list(issuer: &str, from: i64, until: i64, revokes: bool) -> Made<Vec<u8>> {
    let Some(issuer) = AUTHORITIES.iter().find(|own| own.name == issuer) else { return Err(rcgen::Error::CouldNotParseCertificate) };

    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(REVOKED),
        revocation_time: moment(from),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: moment(from),
        next_update: moment(until),
        crl_number: SerialNumber::from(7_u64),
        issuing_distribution_point: None,
        revoked_certs: if revokes { vec![revoked] } else { Vec::new() },
        key_identifier_method: KeyIdMethod::Sha256,
    };
    with_issuer(issuer, |issuer| Ok(params.signed_by(issuer)?.der().to_vec()))
}

/// The folder with all of these files.
pub fn folder() -> Option<PathBuf> {
    static FOLDER: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| {
        let folder = tempfile::tempdir().ok()?;
        for (name, bytes) in files() {
            std::fs::write(folder.path().join(name), bytes).ok()?;
        }
        Some(folder)
    });
    FOLDER.as_ref().map(|folder| folder.path().to_owned())
}
