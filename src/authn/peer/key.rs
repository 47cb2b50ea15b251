//! The peer's own key: kinds and sizes that are accepted. Path building checks the keys of issuers only.

use x509_parser::asn1_rs::Oid;
use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::limits::MAX_RSA_BITS;
use crate::reason::{Reason, Rejection};

/// id-ml-dsa-44, -65 and -87 (RFC 9881 section 2).
const ML_DSA: [&str; 3] =
    ["2.16.840.1.101.3.4.3.17", "2.16.840.1.101.3.4.3.18", "2.16.840.1.101.3.4.3.19"];

/// Whether the key is of an accepted kind and size.
///
/// # Errors
/// `chain_untrusted` where it is not.
pub(super) fn check(key: &SubjectPublicKeyInfo<'_>, min_rsa_bits: usize) -> Result<(), Rejection> {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == oid::OID_PKCS1_RSAENCRYPTION || *algorithm == oid::OID_PKCS1_RSASSAPSS {
        return check_rsa(key, min_rsa_bits);
    }
    if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let accepted = [oid::OID_EC_P256, oid::OID_NIST_EC_P384, oid::OID_NIST_EC_P521];
        return accepted_if(curve.is_some_and(|curve| accepted.contains(&curve)), algorithm);
    }
    let modern = *algorithm == oid::OID_SIG_ED25519 || *algorithm == oid::OID_SIG_ED448;
    accepted_if(modern || ML_DSA.contains(&algorithm.to_id_string().as_str()), algorithm)
}

fn accepted_if(accepted: bool, algorithm: &Oid<'_>) -> Result<(), Rejection> {
    if accepted {
        return Ok(());
    }
    let why = format!("the certificate's key is of a kind that is not accepted (`{algorithm}`)");
    Err(Reason::ChainUntrusted.because(why))
}

fn check_rsa(key: &SubjectPublicKeyInfo<'_>, min_bits: usize) -> Result<(), Rejection> {
    let bits = match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => bits(rsa.modulus),
        // The parser reads the key of an RSASSA-PSS certificate as unknown; path building refuses those anyway.
        Ok(_) | Err(_) => 0,
    };
    if (min_bits..=MAX_RSA_BITS).contains(&bits) {
        return Ok(());
    }
    let why = format!("the RSA key has {bits} bits, expected {min_bits} to {MAX_RSA_BITS}");
    Err(Reason::ChainUntrusted.because(why))
}

/// Bits of a big-endian number, leading zeros not counted.
fn bits(number: &[u8]) -> usize {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = digits.next() else { return 0 };
    let leading = usize::try_from(first.leading_zeros()).unwrap_or(0);
    digits.count().saturating_add(1).saturating_mul(8).saturating_sub(leading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_do_not_make_a_key_longer() {
        for (number, expected) in
            [(&[][..], 0), (&[0, 0], 0), (&[1], 1), (&[0, 0x80, 0], 16), (&[0x7f, 0xff], 15)]
        {
            assert_eq!(bits(number), expected, "{number:?}");
        }
    }
}
