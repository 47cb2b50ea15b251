//! Extensions of certificates: which ones are processed, and what is wrong with those of one certificate (RFC 5280
//! section 4.2).

use std::collections::BTreeSet;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::oid_registry as oid;
use x509_parser::oid_registry::Oid;

/// The extensions that may be critical. Those about policies are not among them: `authn` keeps to constraints on policies,
/// but it does not read the qualifiers of a policy and does not follow mappings.
const PROCESSED: [Oid<'static>; 6] = [
    oid::OID_X509_EXT_KEY_USAGE,
    oid::OID_X509_EXT_SUBJECT_ALT_NAME,
    oid::OID_X509_EXT_BASIC_CONSTRAINTS,
    oid::OID_X509_EXT_NAME_CONSTRAINTS,
    oid::OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
    oid::OID_X509_EXT_EXTENDED_KEY_USAGE,
];

/// The extensions that restrict what a certificate is good for whether they are critical or not, beside [`PROCESSED`].
const RESTRICTING: [Oid<'static>; 4] = [
    oid::OID_X509_EXT_CERTIFICATE_POLICIES,
    oid::OID_X509_EXT_POLICY_MAPPINGS,
    oid::OID_X509_EXT_POLICY_CONSTRAINTS,
    oid::OID_X509_EXT_INHIBIT_ANY_POLICY,
];

/// Why a certificate takes part in no path, whether it is a pinned authority, an intermediate or a leaf: the part of a
/// sentence about it.
pub fn extension_fault(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let twice =
        certificate.iter_extensions().find(|extension| !seen.insert(extension.oid.as_bytes()));
    if let Some(extension) = twice {
        return Some(format!("it has the extension {} twice", called(extension)));
    }
    let mut extensions = certificate.iter_extensions();
    extensions.find_map(|extension| {
        let processed = PROCESSED.contains(&extension.oid);
        if extension.critical && !processed {
            return Some(format!("its critical extension {} is not understood", called(extension)));
        }
        let reads = processed || RESTRICTING.contains(&extension.oid);
        let unreadable = matches!(
            extension.parsed_extension(),
            ParsedExtension::ParseError { .. } | ParsedExtension::Unparsed
        );
        (reads && unreadable).then(|| format!("its extension {} cannot be read", called(extension)))
    })
}

/// True if the extended key usage, where there is one, lets a certificate issue those of TLS clients. RFC 5280 leaves the
/// extended key usage of CAs open; path builders read it as a bound for what they issue.
pub fn issues_clients(certificate: &X509Certificate<'_>) -> bool {
    match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(purposes)) => purposes.value.client_auth || purposes.value.any,
        Err(_) => false,
    }
}

/// The name that RFC 5280 gives an extension, with its object identifier.
fn called(extension: &X509Extension<'_>) -> String {
    let id = extension.oid.to_id_string();
    let name = match id.as_str() {
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.17" => "subjectAltName",
        "2.5.29.18" => "issuerAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.32" => "certificatePolicies",
        "2.5.29.33" => "policyMappings",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.36" => "policyConstraints",
        "2.5.29.37" => "extKeyUsage",
        "2.5.29.46" => "freshestCRL",
        "2.5.29.54" => "inhibitAnyPolicy",
        _ => return format!("`{id}`"),
    };
    format!("`{name}` ({id})")
}
