//! Keys in certificates: kinds and sizes that are accepted.
//!
//! Path building never looks at the peer's own key, and of a weak key of an issuer it only says that a signature does
//! not verify.

use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::limits::MAX_RSA_BITS;

/// id-ml-dsa-44, -65 and -87 (RFC 9881 section 2).
const ML_DSA: [&str; 3] =
    ["2.16.840.1.101.3.4.3.17", "2.16.840.1.101.3.4.3.18", "2.16.840.1.101.3.4.3.19"];

/// The weakness of a key: its kind or its size. `None` if it is accepted.
pub fn key_weakness(key: &SubjectPublicKeyInfo<'_>, min_rsa_bits: usize) -> Option<String> {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == oid::OID_PKCS1_RSAENCRYPTION || *algorithm == oid::OID_PKCS1_RSASSAPSS {
        return rsa_weakness(key, min_rsa_bits);
    }
    let accepted = if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let accepted = [oid::OID_EC_P256, oid::OID_NIST_EC_P384, oid::OID_NIST_EC_P521];
        curve.is_some_and(|curve| accepted.contains(&curve))
    } else {
        let modern = *algorithm == oid::OID_SIG_ED25519 || *algorithm == oid::OID_SIG_ED448;
        modern || ML_DSA.contains(&algorithm.to_id_string().as_str())
    };
    (!accepted).then(|| format!("key is of a kind that is not accepted (`{algorithm}`)"))
}

fn rsa_weakness(key: &SubjectPublicKeyInfo<'_>, min_bits: usize) -> Option<String> {
    let bits = match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => bits(rsa.modulus),
        // The parser reads the key of an RSASSA-PSS certificate as unknown; path building refuses those anyway.
        Ok(_) | Err(_) => 0,
    };
    let accepted = (min_bits..=MAX_RSA_BITS).contains(&bits);
    (!accepted).then(|| format!("RSA key has {bits} bits, expected {min_bits} to {MAX_RSA_BITS}"))
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
