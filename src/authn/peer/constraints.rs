//! What the issuers of a path, its pinned authority among them, restrict: path lengths and names (RFC 5280 sections
//! 4.2.1.9, 4.2.1.10 and 6.1).
//!
//! rustls-webpki takes an authority for a name, a key and name constraints: that its certificate bounds the length of
//! paths is lost, and so are names that stand in a subject.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, NameConstraints};
use x509_parser::oid_registry::OID_PKCS9_EMAIL_ADDRESS;

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

/// Section 4.2.1.10: constraints on e-mail addresses hold for those in subjects too. They are not evaluated, so that no such
/// name is accepted; webpki refuses alternative names alone.
fn check_subjects(
    issuer: &X509Certificate<'_>,
    below: &[X509Certificate<'_>],
) -> Result<(), Rejection> {
    let constraints = issuer.name_constraints().map_err(|_| unreadable("name constraints"))?;
    if !constraints.is_some_and(|constraints| constrains_emails(constraints.value)) {
        return Ok(());
    }
    let has_email = |certificate: &X509Certificate<'_>| {
        let mut attributes = certificate.subject().iter_attributes();
        attributes.any(|attribute| *attribute.attr_type() == OID_PKCS9_EMAIL_ADDRESS)
    };
    if below.iter().any(has_email) {
        return Err(Reason::CertSan.because(format!(
            "`{}` constrains e-mail addresses, which is not evaluated, and a subject below it has one",
            issuer.subject()
        )));
    }
    Ok(())
}

fn constrains_emails(constraints: &NameConstraints<'_>) -> bool {
    let subtrees = [&constraints.permitted_subtrees, &constraints.excluded_subtrees];
    let mut bases = subtrees.into_iter().flatten().flatten().map(|subtree| &subtree.base);
    bases.any(|base| matches!(base, GeneralName::RFC822Name(_)))
}

fn unreadable(what: &str) -> Rejection {
    Reason::ChainUntrusted.because(format!("the {what} of an issuer cannot be read"))
}
