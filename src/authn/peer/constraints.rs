//! The constraints of the issuers of a path, its pinned authority included: path lengths and names (RFC 5280 sections
//! 4.2.1.9, 4.2.1.10 and 6.1).
//!
//! rustls-webpki takes an authority for a name, a key and name constraints: that its certificate bounds the length of
//! paths is lost, and so are names that stand in a subject.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints};
use x509_parser::oid_registry::OID_PKCS9_EMAIL_ADDRESS;

use crate::evidence::is_dns_name;
use crate::reason::{Reason, Rejection};

/// Checks a path from the authority, which comes first, down to the leaf.
///
/// # Errors
/// `chain_untrusted` where the path is too long, `cert_san` where a name is not permitted.
pub(super) fn check(path: &[X509Certificate<'_>]) -> Result<(), Rejection> {
    let mut below = path;
    while let Some((issuer, rest)) = below.split_first() {
        if let Some((_leaf, intermediates)) = rest.split_last() {
            check_length(issuer, intermediates.len())?;
            check_subjects(issuer, rest)?;
        }
        below = rest;
    }
    Ok(())
}

/// Every intermediate counts, self-issued ones too: stricter than section 6.1.4 (l), and as webpki counts.
fn check_length(issuer: &X509Certificate<'_>, intermediates: usize) -> Result<(), Rejection> {
    let constraints = issuer.basic_constraints().map_err(|_| unreadable("basic constraints"))?;
    let most = constraints.and_then(|constraints| constraints.value.path_len_constraint);
    let too_long = |most: u32| usize::try_from(most).is_ok_and(|most| intermediates > most);
    match most.filter(|most| too_long(*most)) {
        None => Ok(()),
        Some(most) => Err(Reason::ChainUntrusted.because(format!(
            "the path is too long: `{}` permits {most} intermediate certificates below it, and there are {intermediates}",
            issuer.subject()
        ))),
    }
}

/// Section 4.2.1.10, for names in subjects: webpki looks at alternative names alone.
fn check_subjects(
    issuer: &X509Certificate<'_>,
    below: &[X509Certificate<'_>],
) -> Result<(), Rejection> {
    let constraints = issuer.name_constraints().map_err(|_| unreadable("name constraints"))?;
    let Some(constraints) = constraints else { return Ok(()) };
    // They are not evaluated, so that no such name is accepted.
    if constrains_emails(constraints.value) && below.iter().any(has_email) {
        return Err(Reason::CertSan.because(format!(
            "`{}` constrains e-mail addresses, which is not evaluated, and a subject below it has one",
            issuer.subject()
        )));
    }
    let permitted = |host: &str| permits_host(constraints.value, host);
    if !below.last().is_none_or(|leaf| hosts_in_subject(leaf).into_iter().all(permitted)) {
        return Err(Reason::CertSan.because(format!(
            "the common name is a DNS name that `{}` does not permit",
            issuer.subject()
        )));
    }
    Ok(())
}

/// The constraint on names of a kind that is not evaluated here, if one of the names below is of that kind: webpki refuses
/// all of those. `path` comes from the authority down to the leaf.
pub(super) fn unevaluated(path: &[X509Certificate<'_>]) -> Option<Rejection> {
    let mut below = path;
    while let Some((issuer, rest)) = below.split_first() {
        let constraints = issuer.name_constraints().ok().flatten().map(|found| found.value);
        let subtrees = constraints.map(|own| [&own.permitted_subtrees, &own.excluded_subtrees]);
        let bases = subtrees.into_iter().flatten().flatten().flatten().map(|own| &own.base);
        let kind = bases.filter_map(unevaluated_kind).find(|kind| has_name(rest, kind));
        if let Some(kind) = kind {
            return Some(Reason::CertSan.because(format!(
                "`{}` constrains {kind}, which is not evaluated, so that no certificate below it may have any",
                issuer.subject()
            )));
        }
        below = rest;
    }
    None
}

fn has_name(certificates: &[X509Certificate<'_>], kind: &str) -> bool {
    // Every certificate has a subject.
    kind == DIRECTORY_NAMES && !certificates.is_empty()
        || certificates.iter().any(|certificate| {
            let names = certificate.subject_alternative_name().ok().flatten();
            let mut names = names.iter().flat_map(|names| &names.value.general_names);
            names.any(|name| unevaluated_kind(name) == Some(kind))
        })
}

const DIRECTORY_NAMES: &str = "directory names";

const fn unevaluated_kind(name: &GeneralName<'_>) -> Option<&'static str> {
    match name {
        GeneralName::DNSName(_) | GeneralName::IPAddress(_) | GeneralName::Invalid(..) => None,
        GeneralName::URI(_) => Some("URIs"),
        GeneralName::DirectoryName(_) => Some(DIRECTORY_NAMES),
        GeneralName::RFC822Name(_) => Some("e-mail addresses"),
        GeneralName::OtherName(..) => Some("names of other kinds (`otherName`)"),
        GeneralName::X400Address(_) => Some("X.400 addresses"),
        GeneralName::EDIPartyName(_) => Some("names of EDI parties"),
        GeneralName::RegisteredID(_) => Some("registered IDs"),
    }
}

fn constrains_emails(constraints: &NameConstraints<'_>) -> bool {
    let subtrees = [&constraints.permitted_subtrees, &constraints.excluded_subtrees];
    let mut bases = subtrees.into_iter().flatten().flatten().map(|subtree| &subtree.base);
    bases.any(|base| matches!(base, GeneralName::RFC822Name(_)))
}

fn has_email(certificate: &X509Certificate<'_>) -> bool {
    let mut attributes = certificate.subject().iter_attributes();
    attributes.any(|attribute| *attribute.attr_type() == OID_PKCS9_EMAIL_ADDRESS)
}

/// Common names in the form of a host, where no alternative name says which hosts are meant. They are no names of a peer; but a
/// reader of subjects may take them for hosts.
fn hosts_in_subject<'a>(leaf: &'a X509Certificate<'_>) -> Vec<&'a str> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let is_dns = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(_));
    if names.is_some_and(|names| names.value.general_names.iter().any(is_dns)) {
        return Vec::new();
    }
    let common = leaf.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    common.filter(|name| name.contains('.') && is_dns_name(name)).collect()
}

fn permits_host(constraints: &NameConstraints<'_>, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let bases = |subtrees: &Option<Vec<GeneralSubtree<'_>>>| -> Vec<String> {
        let bases = subtrees.iter().flatten().filter_map(|subtree| {
            if let GeneralName::DNSName(base) = &subtree.base {
                Some(base.to_ascii_lowercase())
            } else {
                None
            }
        });
        bases.collect()
    };
    let within = |base: &String| {
        let parent = host.strip_suffix(base.as_str());
        parent.is_some_and(|rest| {
            rest.is_empty() || base.is_empty() || base.starts_with('.') || rest.ends_with('.')
        })
    };
    let permitted = bases(&constraints.permitted_subtrees);
    (permitted.is_empty() || permitted.iter().any(within))
        && !bases(&constraints.excluded_subtrees).iter().any(within)
}

fn unreadable(what: &str) -> Rejection {
    Reason::ChainUntrusted.because(format!("the {what} of an issuer cannot be read"))
}
