//! The content of a certificate: for `countersign inspect`. Nothing here is an identity.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::distinguished_name;
use super::names::Names;
use super::profile::serial;
use crate::limits::MAX_SUBJECT_ALT_NAMES;
use crate::reason::Rejection;
use crate::secret::{Fingerprint, hex};
use crate::spiffe::SpiffeId;
use crate::trust::Validity;

/// The content of a certificate, trusted or not. Its texts are as the issuer wrote them and may contain anything.
#[derive(Clone, Debug)]
pub struct CertificateDescription {
    /// The subject as RFC 4514 text.
    pub subject: String,
    /// The issuer as RFC 4514 text.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
    /// From when to when.
    pub validity: Validity,
    /// Every subject alternative name: its kind and its text.
    pub names: Vec<(&'static str, String)>,
    /// The SPIFFE ID among the names, or what is wrong with them.
    pub spiffe: Result<Option<SpiffeId>, Rejection>,
    /// True if it is a CA.
    pub is_ca: bool,
    /// The kind of its key.
    pub key: String,
    /// The usages of its key.
    pub usages: Vec<String>,
    /// SHA-256 of the DER.
    pub certificate: Fingerprint,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub spki: Fingerprint,
}

impl CertificateDescription {
    /// Reads a certificate, or returns `None` if it is not one.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then(|| Self::of(der, &certificate))
    }

    fn of(der: &[u8], certificate: &X509Certificate<'_>) -> Self {
        Self {
            subject: distinguished_name::rfc4514(certificate.subject()),
            issuer: distinguished_name::rfc4514(certificate.issuer()),
            serial: serial(certificate.raw_serial()),
            validity: Validity::of(certificate),
            names: names(certificate),
            spiffe: Names::read(certificate).map(|names| names.spiffe),
            is_ca: certificate.is_ca(),
            key: key(certificate),
            usages: usages(certificate),
            certificate: Fingerprint::of(der),
            spki: Fingerprint::of(certificate.public_key().raw),
        }
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<(&'static str, String)> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().take(MAX_SUBJECT_ALT_NAMES);
    let described = names.map(|name| match name {
        GeneralName::DNSName(text) => ("dns", (*text).to_owned()),
        GeneralName::URI(text) => ("uri", (*text).to_owned()),
        GeneralName::RFC822Name(text) => ("email", (*text).to_owned()),
        GeneralName::IPAddress(bytes) => ("ip", address(bytes)),
        GeneralName::DirectoryName(name) => ("directory", distinguished_name::rfc4514(name)),
        GeneralName::RegisteredID(oid) => ("oid", oid.to_id_string()),
        GeneralName::OtherName(oid, _) => ("other", oid.to_id_string()),
        GeneralName::X400Address(_) => ("other", String::from("X.400 address")),
        GeneralName::EDIPartyName(_) => ("other", String::from("EDI party name")),
        GeneralName::Invalid(..) => ("other", String::from("unreadable")),
    });
    described.collect()
}

fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(four).to_string();
    }
    <[u8; 16]>::try_from(bytes)
        .map_or_else(|_| hex(bytes), |sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

fn key(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA, {} bits", rsa.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC, {} bits", point.key_size()),
        Ok(_) | Err(_) => key_name(&key.algorithm.algorithm.to_id_string()),
    }
}

fn key_name(oid: &str) -> String {
    match oid {
        "1.3.101.112" => String::from("Ed25519"),
        "1.3.101.113" => String::from("Ed448"),
        other => format!("of kind {other}"),
    }
}

fn usages(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut usages = Vec::new();
    if let Ok(Some(usage)) = certificate.key_usage() {
        let usage = usage.value;
        let known = [
            (usage.digital_signature(), "digitalSignature"),
            (usage.non_repudiation(), "contentCommitment"),
            (usage.key_encipherment(), "keyEncipherment"),
            (usage.data_encipherment(), "dataEncipherment"),
            (usage.key_agreement(), "keyAgreement"),
            (usage.key_cert_sign(), "keyCertSign"),
            (usage.crl_sign(), "cRLSign"),
        ];
        usages.extend(known.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned()));
    }
    if let Ok(Some(extended)) = certificate.extended_key_usage() {
        let purposes = extended.value;
        let known = [
            (purposes.any, "anyExtendedKeyUsage"),
            (purposes.client_auth, "clientAuth"),
            (purposes.server_auth, "serverAuth"),
            (purposes.code_signing, "codeSigning"),
            (purposes.email_protection, "emailProtection"),
            (purposes.time_stamping, "timeStamping"),
            (purposes.ocsp_signing, "OCSPSigning"),
        ];
        usages.extend(known.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned()));
        usages.extend(purposes.other.iter().map(x509_parser::asn1_rs::Oid::to_id_string));
    }
    usages
}
