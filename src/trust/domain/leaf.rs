//! The rules of a trust domain for a peer's certificate, beside a path to an authority.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::document::{
    Code, Diagnostic, ExtendedKeyUsageSpec, LeafSpec, Origin, Pin as PinSpec, Spanned,
};
use crate::limits::{MAX_RSA_BITS, MIN_RSA_BITS};
use crate::secret::Fingerprint;

/// Compiled `leaf` rules.
#[derive(Clone, Debug)]
pub struct LeafRules {
    /// Longest time between `notBefore` and `notAfter`.
    pub max_lifetime: Option<Duration>,
    /// Least time left before `notAfter`.
    pub min_remaining: Duration,
    /// Smallest RSA modulus, in bits.
    pub min_rsa_bits: usize,
    /// If there are any, the certificate must match one.
    pub pins: Vec<LeafPin>,
    /// The alternatives to `clientAuth`.
    pub extended_key_usage: ExtendedKeyUsageSpec,
}

/// A SHA-256 that a certificate or its key must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafPin {
    /// Of the SubjectPublicKeyInfo.
    Spki(Fingerprint),
    /// Of the whole certificate.
    Certificate(Fingerprint),
}

impl LeafRules {
    pub(super) fn compile(
        spec: &LeafSpec,
        origin: &Origin,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let min_rsa_bits = spec.min_rsa_bits.as_ref().map_or(MIN_RSA_BITS, |bits| {
            check_rsa_bits(bits, origin, problems);
            bits.value
        });
        let pins =
            spec.pins.iter().filter_map(|pin| LeafPin::compile(pin, origin, problems)).collect();
        Self {
            max_lifetime: spec.max_lifetime.map(|duration| duration.get()),
            min_remaining: spec.min_remaining.map_or(Duration::ZERO, |duration| duration.get()),
            min_rsa_bits,
            pins,
            extended_key_usage: spec.extended_key_usage,
        }
    }
}

fn check_rsa_bits(bits: &Spanned<usize>, origin: &Origin, problems: &mut Vec<Diagnostic>) {
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits.value) {
        let message =
            format!("got minRsaBits `{}`, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}", bits.value);
        problems.push(Diagnostic::error(Code::InvalidRsaBits, origin.span(bits), message));
    }
}

impl LeafPin {
    fn compile(spec: &PinSpec, origin: &Origin, problems: &mut Vec<Diagnostic>) -> Option<Self> {
        let (text, pin): (_, fn(Fingerprint) -> Self) = match spec {
            PinSpec::Spki(text) => (text, Self::Spki),
            PinSpec::Certificate(text) => (text, Self::Certificate),
        };
        let print = sha256(&text.value);
        if print.is_none() {
            let message = format!("`{}` is not a SHA-256", text.value);
            let problem = Diagnostic::error(Code::InvalidPin, origin.span(text), message);
            problems.push(problem.help("expected 64 hexadecimal digits or 32 bytes in base64"));
        }
        print.map(pin)
    }
}

/// A SHA-256 as tools print it: hexadecimal with or without colons, or base64 of either alphabet.
pub(in crate::trust) fn sha256(text: &str) -> Option<Fingerprint> {
    let hex = text.replace(':', "");
    Fingerprint::from_hex(&hex).or_else(|| {
        [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
            .into_iter()
            .find_map(|engine| engine.decode(text).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Fingerprint::from_bytes)
    })
}
