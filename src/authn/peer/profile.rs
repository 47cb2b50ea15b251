//! Rules of RFC 5280 for single certificates that rustls-webpki leaves open and that cost no sound certificate anything.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use crate::reason::{Reason, Rejection};
use crate::secret::hex;
use crate::trust::extension_fault;

/// Longest serial number in bytes, a leading zero not counted (section 4.1.2.2).
const MAX_SERIAL_BYTES: usize = 20;

/// The rules for every certificate of a path.
///
/// # Errors
/// `chain_untrusted` where it does not.
pub(super) fn check(certificate: &X509Certificate<'_>) -> Result<(), Rejection> {
    check_serial(certificate.raw_serial())?;
    match extension_fault(certificate) {
        None => Ok(()),
        Some(fault) => {
            Err(Reason::ChainUntrusted.because(format!("of a certificate on the path, {fault}")))
        }
    }
}

/// The additional rules for an end entity.
///
/// # Errors
/// `cert_eku` where it has rights of a CA.
pub(super) fn check_end_entity(leaf: &X509Certificate<'_>) -> Result<(), Rejection> {
    let unreadable = |_| Reason::CertEku.because("the key usage cannot be read");
    let usage = leaf.key_usage().map_err(unreadable)?;
    if usage.is_some_and(|usage| usage.value.key_cert_sign()) {
        // Section 4.2.1.9: without `cA` a certificate must not be able to sign others.
        return Err(Reason::CertEku.because("the certificate may sign certificates"));
    }
    let constrains = leaf.iter_extensions().any(|extension| {
        matches!(extension.parsed_extension(), ParsedExtension::NameConstraints(_))
    });
    if constrains {
        // Section 4.2.1.10: only a CA certificate has them.
        return Err(Reason::CertEku.because("the certificate constrains the names of others"));
    }
    Ok(())
}

/// Positive, and of 20 bytes at most. Revocation lists name certificates by it.
fn check_serial(serial: &[u8]) -> Result<(), Rejection> {
    let significant = serial.strip_prefix(&[0]).unwrap_or(serial);
    if serial.first().is_none_or(|first| *first >= 0x80) {
        return Err(refused("the serial number is negative"));
    }
    if significant.iter().all(|byte| *byte == 0) {
        return Err(refused("the serial number is zero"));
    }
    if significant.len() > MAX_SERIAL_BYTES {
        return Err(refused("the serial number is longer than 20 bytes"));
    }
    Ok(())
}

/// In lower-case hexadecimal without the sign byte, as tools print it.
pub(super) fn serial(bytes: &[u8]) -> String {
    match bytes {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        all => hex(all),
    }
}

fn refused(why: &'static str) -> Rejection {
    Reason::ChainUntrusted.because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_positive_and_of_20_bytes_at_most() {
        let long = [1; 21];
        let widest = [&[0, 0x80][..], &[0; 19]].concat();
        for (serial, accepted) in [
            (&[1][..], true),
            (&[0, 0x80], true),
            (&widest, true),
            (&[1; 20], true),
            (&long, false),
            (&[0x80], false),
            (&[0xff, 0xff], false),
            (&[0], false),
            (&[], false),
        ] {
            assert_eq!(check_serial(serial).is_ok(), accepted, "{serial:?}");
        }
    }
}
