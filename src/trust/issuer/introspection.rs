//! The introspection endpoint of a `TokenIssuer` document.

use std::sync::Arc;
use std::time::Duration;

use super::KeySource;
use super::compile::Compiler;
use crate::document::{IntrospectionSpec, Source};
use crate::limits::MAX_INTROSPECTION_CACHE;
use crate::secret::Secret;
use crate::trust::IntrospectionEndpoint;

const DEFAULT_CACHE: Duration = Duration::from_secs(30);

// === impl Compiler ===

impl Compiler<'_> {
    pub(super) fn introspection(&mut self, spec: &IntrospectionSpec) -> Option<KeySource> {
        let url = self.key_url(&spec.url.value, &spec.url, spec.allow_plaintext);
        let authorities = self.authorities(spec.ca.as_ref());
        if spec.client_id.value.trim().is_empty() {
            self.error(
                "invalid-client",
                &spec.client_id,
                "client id is empty",
                "write the id under which the issuer knows countersign",
            );
        }
        let client_secret = self.client_secret(&spec.client_secret);
        Some(KeySource::Introspected(Arc::new(IntrospectionEndpoint {
            url: url?,
            authorities: authorities?,
            client_id: spec.client_id.value.clone(),
            client_secret: client_secret?,
            client_authentication: spec.client_authentication,
            cache: self.cache(spec),
        })))
    }

    fn client_secret(&mut self, source: &Source) -> Option<Secret<String>> {
        let place = source.place();
        let text = match self.files.read(&self.document.origin, source) {
            Ok(text) => text,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let secret = std::str::from_utf8(&text).map(|text| text.trim_end_matches(['\r', '\n']));
        match secret {
            Ok(secret) if !secret.is_empty() => Some(Secret::new(secret.to_owned())),
            Ok(_) | Err(_) => {
                self.error(
                    "invalid-client",
                    place,
                    "client secret is empty or not text",
                    "write the secret that the issuer gave to countersign",
                );
                None
            }
        }
    }

    fn cache(&mut self, spec: &IntrospectionSpec) -> Duration {
        let Some(given) = &spec.cache else { return DEFAULT_CACHE };
        if given.value.get() > MAX_INTROSPECTION_CACHE {
            let message = format!("cache is {}, and at most 5m is possible", given.value);
            self.error(
                "introspection-cache",
                given,
                &message,
                "a revoked token is accepted for as long",
            );
        }
        given.value.get().min(MAX_INTROSPECTION_CACHE)
    }
}
