//! Secrets that an issuer shares with us: an explicit choice of one issuer, and its only one (RFC 7518 section 3.2).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compiler::IssuerCompiler;
use super::token_issuer::KeySource;
use crate::document::{Code, IssuerProfile, SharedSecretSpec, Spanned};
use crate::limits::MAX_KEY_ID_BYTES;
use crate::secret::Secret;
use crate::trust::{Algorithm, KeySet};

const MAKE_ONE: &str =
    "make one at random and as long as the hash or longer, such as with `openssl rand -hex 64`";

impl IssuerCompiler<'_> {
    /// The algorithms are judged with the keys: symmetric ones need secrets and suffer no others beside them, or a public key
    /// could be taken for a secret (P48).
    pub(super) fn judge_symmetry(&mut self, known: &[Algorithm]) -> bool {
        let spec = self.spec;
        let opted_in = spec.keys.as_ref().is_some_and(|keys| keys.value.secrets.is_some());
        let of = |symmetric: bool| {
            known.iter().zip(&spec.algorithms).find(|(a, _)| a.is_symmetric() == symmetric)
        };
        let (symmetric, asymmetric) = (of(true), of(false));
        match (symmetric, asymmetric) {
            (Some((algorithm, place)), _) if !opted_in => {
                let message = format!(
                    "algorithm `{algorithm}` is symmetric: every verifier of a token can also make one"
                );
                let help = "let the issuer sign with `RS256`, `ES256` or `EdDSA`; where it cannot, share a secret with it by `keys: { secrets: [{ file: .. }] }`";
                self.error(Code::SymmetricAlgorithm, place, &message, help);
                false
            }
            (Some((symmetric, _)), Some((asymmetric, place))) => {
                let message = format!(
                    "algorithm `{asymmetric}` has public keys and `{symmetric}` a secret: one issuer cannot have both"
                );
                let help =
                    "keep one kind; an issuer of both is two documents with different `tokens`";
                self.error(Code::MixedAlgorithms, place, &message, help);
                false
            }
            (None, Some((asymmetric, place))) if opted_in => {
                let message =
                    format!("algorithm `{asymmetric}` has public keys, and `keys` has `secrets`");
                let help = "name `HS256`, `HS384` or `HS512`, or give the issuer's public keys";
                self.error(Code::MixedAlgorithms, place, &message, help);
                false
            }
            (Some(_) | None, Some(_) | None) => true,
        }
    }

    pub(super) fn shared_secrets(
        &mut self,
        specs: &Spanned<Vec<SharedSecretSpec>>,
    ) -> Option<KeySource> {
        if specs.value.is_empty() {
            return self.refuse(
                Code::KeySource,
                specs,
                "there is no secret in `secrets`",
                MAKE_ONE,
            );
        }
        if self.spec.profile == IssuerProfile::JwtSvid {
            // SPIFFE JWT-SVID section 2.2.
            let message = "JWT-SVIDs are never signed with a secret";
            return self.refuse(
                Code::KeySource,
                specs,
                message,
                "give the keys of the trust domain",
            );
        }
        self.refuse_same_ids(specs);
        let algorithms: Vec<_> = self.spec.algorithms.iter().collect();
        let algorithms: Vec<_> =
            algorithms.into_iter().filter_map(|name| Algorithm::named(&name.value)).collect();
        let secrets: Option<Vec<_>> = specs
            .value
            .iter()
            .map(|spec| self.shared_secret(spec, &algorithms))
            // Every one is checked, so that all problems are reported.
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        Some(KeySource::Local(Arc::new(KeySet::shared(&secrets?, &algorithms))))
    }

    fn shared_secret(
        &mut self,
        spec: &SharedSecretSpec,
        algorithms: &[Algorithm],
    ) -> Option<(Option<String>, Secret<Vec<u8>>)> {
        let bytes = match self.files.read(&self.document.origin, &spec.source) {
            Ok(bytes) => Secret::new(content(&bytes).to_vec()),
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let strictest = algorithms
            .iter()
            .filter_map(|algorithm| Some((algorithm.min_secret_bytes()?, *algorithm)))
            .max();
        if let Some((least, algorithm)) = strictest
            && bytes.expose().len() < least
        {
            let message = format!(
                "the secret has {} bytes, expected at least {least} for `{algorithm}`",
                bytes.expose().len()
            );
            return self.refuse(Code::WeakSecret, spec.source.place(), &message, MAKE_ONE);
        }
        Some((spec.key_id.as_ref().map(|id| id.value.clone()), bytes))
    }

    fn refuse_same_ids(&mut self, specs: &Spanned<Vec<SharedSecretSpec>>) {
        let mut seen = BTreeSet::new();
        for spec in &specs.value {
            let id = spec.key_id.as_ref().map(|id| id.value.as_str());
            let place = spec.key_id.as_ref().unwrap_or_else(|| spec.source.place());
            if id.is_some_and(|id| id.is_empty() || id.len() > MAX_KEY_ID_BYTES) {
                let message = format!("keyId is empty or longer than {MAX_KEY_ID_BYTES} bytes");
                self.error(Code::KeySource, place, &message, "write the `kid` of the tokens");
            }
            if !seen.insert(id) {
                let message = "two secrets are for the same tokens";
                let help = "give each the `keyId` that tokens name it by in `kid`";
                self.error(Code::KeySource, place, message, help);
            }
        }
    }
}

/// The content of a file: all of it if it is binary, otherwise without the one line end that editors add. Line breaks within it are
/// part of it.
fn content(bytes: &[u8]) -> &[u8] {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let is_text = |b: &u8| matches!(b, 0x20..=0x7e | b'\t' | b'\r' | b'\n');
    if text.iter().all(is_text) { text } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_is_no_part_of_a_secret_and_a_byte_is() {
        for (file, secret) in [
            (&b"abc\n"[..], &b"abc"[..]),
            (b"abc\r\n", b"abc"),
            (b"abc", b"abc"),
            (b"abc\n\n", b"abc\n"),
            (b"abc\ndef\n", b"abc\ndef"),
            (b"abc\r\ndef\r\n", b"abc\r\ndef"),
            (b"\xff\n", b"\xff\n"),
        ] {
            assert_eq!(content(file), secret, "{file:?}");
        }
    }
}
