//! RSA moduli of a broken smart-card library, whose private keys can be computed (CVE-2017-15361, "ROCA").
//!
//! The library made primes of the form `k * M + (65537^a mod M)` for a product `M` of small primes, so the modulus is a
//! power of 65537 modulo each of them. An honest modulus is that for all of these by a chance of less than one in 100 million.

/// The small odd primes whose product is in `M` for every key length from 512 bits up.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// True if `modulus`, big-endian, has the mark of that library.
pub(super) fn has_mark(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
}

/// `number` modulo `prime`; every intermediate value is below 256 * 167.
fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest: u32, byte| {
        rest.wrapping_mul(256).wrapping_add(u32::from(*byte)).checked_rem(prime).unwrap_or(0)
    })
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let generator = 65_537u32.checked_rem(prime).unwrap_or(0);
    let mut power = 1;
    // The powers repeat after at most `prime - 1` steps.
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power.wrapping_mul(generator).checked_rem(prime).unwrap_or(0);
    }
    false
}
