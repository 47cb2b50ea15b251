//! A throw-away PKI for tests: certificates at fixed dates, documents that trust them.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

use crate::clock::UnixTime;
use crate::document::{self, Attachments, Diagnostic, SourceFile};
use crate::trust::{KnownLists, TrustStore};

/// 2026-06-15T00:00:00Z: every certificate here is valid then unless it says otherwise.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_781_481_600);
pub(crate) const DAY: i64 = 86_400;

/// A CA and its key.
pub(crate) struct Ca {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) der: CertificateDer<'static>,
}

/// A certificate and what it says of itself.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) der: CertificateDer<'static>,
}

pub(crate) fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if !common.is_empty() {
        name.push(DnType::CommonName, common);
    }
    name
}

pub(crate) fn ca_params(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

/// A client certificate from 2026-06-14 to 2026-06-16 with these URIs.
pub(crate) fn leaf_params(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("");
    params.serial_number = Some(SerialNumber::from(0x00c0_ffee_u64));
    params.subject_alt_names =
        uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2026, 6, 14);
    params.not_after = date_time_ymd(2026, 6, 16);
    params
}

impl Ca {
    pub(crate) fn root(common: &str) -> Self {
        Self::self_signed(ca_params(common))
    }

    pub(crate) fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn intermediate(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn sign(&self, params: &CertificateParams) -> Leaf {
        self.sign_key(params, &KeyPair::generate().unwrap())
    }

    pub(crate) fn sign_key(&self, params: &CertificateParams, key: &KeyPair) -> Leaf {
        Leaf { der: params.signed_by(key, &self.issuer).unwrap().der().clone() }
    }

    pub(crate) fn workload(&self, uri: &str) -> Leaf {
        self.sign(&leaf_params(&[uri]))
    }

    pub(crate) fn pem(&self) -> String {
        pem(&self.der)
    }

    /// A list of these serial numbers from 2026-06-14 to 2026-06-16.
    pub(crate) fn crl(&self, number: u64, serials: &[u64]) -> Vec<u8> {
        self.sign_crl(&crl_params(number, serials))
    }

    pub(crate) fn sign_crl(&self, params: &CertificateRevocationListParams) -> Vec<u8> {
        params.clone().signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

pub(crate) fn crl_params(number: u64, serials: &[u64]) -> CertificateRevocationListParams {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2026, 6, 14),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 6, 14),
        next_update: date_time_ymd(2026, 6, 16),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
}

impl Leaf {
    /// As Envoy writes it: URL-encoded PEM.
    pub(crate) fn encoded(&self) -> String {
        url_encoded(&[&self.der])
    }
}

pub(crate) fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The characters that Envoy escapes in a PEM text.
pub(crate) fn url_encoded(chain: &[&CertificateDer<'_>]) -> String {
    let pem: String = chain.iter().map(|der| pem(der)).collect();
    pem.replace('\n', "%0A")
        .replace(' ', "%20")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

/// Compiles documents with files beside them.
pub(crate) fn compile(text: &str, files: &[(&str, &[u8])]) -> (TrustStore, Vec<Diagnostic>) {
    compile_at(None, text, files)
}

/// The same at a time, by which what is out of date is reported.
pub(crate) fn compile_at(
    now: Option<UnixTime>,
    text: &str,
    files: &[(&str, &[u8])],
) -> (TrustStore, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("docs/trust.yaml", text), &mut problems);
    let mut attachments = Attachments::default();
    for (file, contents) in files {
        attachments.insert(format!("docs/{file}").into(), Ok(contents.to_vec()));
    }
    let known = KnownLists::default();
    let store = TrustStore::compile_after(&known, now, &documents, &attachments, &mut problems);
    (store, problems)
}

/// A `TrustDomain` document with this in its spec.
pub(crate) fn trust_domain(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
    )
}

/// A store of trust domains, each with its authority and more of its spec.
pub(crate) fn store(domains: &[(&str, &Ca, &str)]) -> TrustStore {
    let mut text = String::new();
    let mut files = Vec::new();
    for (name, ca, more) in domains {
        let spec = format!("{{ authorities: [{{ file: {name}.pem }}], {more} }}");
        text.push_str(&trust_domain(name, &spec));
        files.push((format!("{name}.pem"), ca.pem()));
    }
    let files: Vec<_> = files.iter().map(|(name, pem)| (name.as_str(), pem.as_bytes())).collect();
    let (store, problems) = compile(&text, &files);
    assert!(problems.is_empty(), "{}", problems[0]);
    store
}
