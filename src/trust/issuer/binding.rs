//! The binding of an issuer's tokens to their presenters: `bind` and `dpop` of a `TokenIssuer` document.

use std::time::Duration;

use super::compiler::IssuerCompiler;
use super::token_issuer::TokenPeerBinding;
use crate::document::{BindSpec, Code, DpopSpec, HumanDuration, SecretFile, Spanned};
use crate::evidence_level::EvidenceLevel;
use crate::identity_map::IdentityMap;
use crate::limits::MAX_PROOF_AGE;
use crate::request::UrlOrigin;
use crate::secret::Secret;
use crate::trust::Algorithm;
use crate::trust::dpop::{DEFAULT_PROOF_AGE, DpopRules, NonceRules, asymmetric};

const DEFAULT_NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// As many as a SHA-256 has: shorter ones can be guessed.
const MIN_SECRET_BYTES: usize = 32;

impl IssuerCompiler<'_> {
    pub(super) fn bind(&mut self) -> Option<TokenPeerBinding> {
        let spec = &self.spec.bind.as_ref()?.value;
        let BindSpec { claim, form, to, map, evidence } = spec;
        let form = form.as_ref().map(|form| form.value.as_str());
        let map = map.as_ref().map(|map| map.value.as_str());
        match IdentityMap::parse(&claim.value, form, &to.value, map) {
            Ok(map) => {
                Some(TokenPeerBinding { map, evidence: evidence.unwrap_or(EvidenceLevel::Hash) })
            }
            Err(error) => {
                self.refuse(Code::InvalidBind, spec.field(error.field), &error.message, error.help)
            }
        }
    }

    pub(super) fn dpop(&mut self) -> DpopRules {
        let Some(spec) = &self.spec.dpop else { return DpopRules::default() };
        let DpopSpec { algorithms, max_age, origins, nonce } = &spec.value;
        if let Some(age) = max_age
            && age.value.get() > MAX_PROOF_AGE
        {
            let longest = HumanDuration::new(MAX_PROOF_AGE);
            let message = format!("`dpop.maxAge` is more than {longest}");
            let help = "a proof is made for one request: a minute is plenty";
            self.error(Code::DpopAge, age, &message, help);
        }
        let max_age = self.duration(max_age.as_ref(), "dpop.maxAge", DEFAULT_PROOF_AGE);
        DpopRules {
            algorithms: self.proof_algorithms(algorithms.as_ref()),
            max_age,
            origins: self.origins(origins.as_ref()),
            nonce: nonce.as_ref().map(|nonce| NonceRules {
                secrets: self.nonce_secrets(&nonce.value.secrets),
                lifetime: self.duration(
                    nonce.value.lifetime.as_ref(),
                    "dpop.nonce.lifetime",
                    DEFAULT_NONCE_LIFETIME,
                ),
            }),
        }
    }

    fn proof_algorithms(
        &mut self,
        names: Option<&Spanned<Vec<Spanned<String>>>>,
    ) -> Vec<Algorithm> {
        let Some(names) = names else { return asymmetric() };
        if names.value.is_empty() {
            let help = "leave `algorithms` out for all that are supported";
            let message = "`dpop.algorithms` is empty, so no proof would be accepted";
            self.error(Code::MissingAlgorithms, names, message, help);
        }
        let known = self.known_algorithms(&names.value);
        if known.iter().any(|algorithm| algorithm.is_symmetric()) {
            let help = "name algorithms with a public key, such as `ES256`";
            let message = "proofs cannot be signed with a shared secret";
            self.error(Code::SymmetricAlgorithm, names, message, help);
        }
        known
    }

    fn origins(&mut self, origins: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<UrlOrigin> {
        let Some(origins) = origins else { return Vec::new() };
        if origins.value.is_empty() {
            let help = "leave `origins` out where the proxy sees what callers see";
            self.error(Code::EmptyList, origins, "`dpop.origins` is empty", help);
        }
        let mut read = Vec::new();
        for origin in &origins.value {
            match UrlOrigin::parse(&origin.value) {
                Some(origin) => read.push(origin),
                None => {
                    let message = format!("`{}` is not an origin", origin.value);
                    let help = "write it as callers see it and without a slash at its end, such as `https://api.example.com`";
                    self.error(Code::InvalidOrigin, origin, &message, help);
                }
            }
        }
        read
    }

    fn nonce_secrets(&mut self, files: &Spanned<Vec<SecretFile>>) -> Vec<Secret<Vec<u8>>> {
        if files.value.is_empty() {
            let help = "name a file with at least 32 random bytes, the same on every replica";
            self.error(Code::MissingSecret, files, "`dpop.nonce` has no `secrets`", help);
        }
        let mut secrets = Vec::new();
        for file in &files.value {
            let Some(secret) = self.secret_bytes(file) else { continue };
            if secret.expose().len() < MIN_SECRET_BYTES {
                let message =
                    format!("a secret of `dpop.nonce` has less than {MIN_SECRET_BYTES} bytes");
                let help = "make one with `openssl rand -hex 32`";
                self.error(Code::WeakSecret, files, &message, help);
            }
            secrets.push(secret);
        }
        secrets
    }
}
