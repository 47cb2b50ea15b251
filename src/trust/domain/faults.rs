//! The fault of a revocation list that cannot be used, in words. It is determined only after the list was refused.

use x509_parser::asn1_rs::FromDer as _;
use x509_parser::extensions::ParsedExtension;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::X509Name;

/// Every fault that has no words of its own.
pub(super) const BROKEN: &str = "it is not a well-formed revocation list";

/// The faults of `der` that the standard names (RFC 5280 section 5.1), behind the one that is `known`.
pub(super) fn found_in(der: &[u8], known: Option<&'static str>) -> String {
    let Ok((rest, list)) = CertificateRevocationList::from_der(der) else {
        return String::from("it is not a DER revocation list, or it is cut short");
    };
    let mut faults = Vec::new();
    let tbs = &list.tbs_cert_list;
    if !rest.is_empty() {
        faults.push(format!("{} bytes follow its end", rest.len()));
    }
    if tbs.version.is_none_or(|version| version.0 != 1) {
        faults.push(String::from("it is not of version 2 (section 5.1.2.1)"));
    }
    if tbs.next_update.is_none() {
        faults.push(String::from("it has no `nextUpdate` (section 5.1.2.5)"));
    }
    let number = |parsed: &ParsedExtension<'_>| matches!(parsed, ParsedExtension::CRLNumber(_));
    if !list.extensions().iter().any(|extension| number(extension.parsed_extension())) {
        faults.push(String::from("it has no CRL number (section 5.2.3)"));
    }
    if tbs.signature != list.signature_algorithm {
        faults.push(String::from("it names two signature algorithms (section 5.1.1.2)"));
    }
    if known.is_none() && faults.is_empty() {
        faults.push(String::from(BROKEN));
    }
    let known = known.map(str::to_owned);
    known.into_iter().chain(faults).collect::<Vec<_>>().join("; ")
}

/// A DER name as text.
pub(super) fn name(der: &[u8]) -> String {
    X509Name::from_der(der)
        .map_or_else(|_| String::from("unreadable"), |(_, name)| name.to_string())
}
