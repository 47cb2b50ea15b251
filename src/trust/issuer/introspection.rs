//! The introspection endpoint of a `TokenIssuer` document, and the credentials it is asked with.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::compile::Compiler;
use super::token_issuer::KeySource;
use crate::document::{
    Code, IntrospectionClientSpec, IntrospectionSpec, IssuerProfile, MutualTlsSpec,
    PrivateKeyJwtSpec, SecretFile, Spanned,
};
use crate::limits::{MAX_INTROSPECTION_CONCURRENCY, MAX_INTROSPECTION_TIMEOUT};
use crate::secret::{Fingerprint, Secret};
use crate::trust::{
    Algorithm, ClientAssertion, ClientAuthentication, Introspection, KeyUrl, KeyUrlError,
};

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(500);
const DEFAULT_MAX_CONCURRENT: usize = 64;
const DEFAULT_CACHE_TTL: Duration = Duration::from_secs(30);

/// A longer time would accept a revoked token for longer than operators expect.
const MAX_CACHE_TTL: Duration = Duration::from_secs(5 * 60);

impl Compiler<'_> {
    /// An endpoint to ask, and no keys.
    pub(super) fn introspected(&mut self, spec: &Spanned<IntrospectionSpec>) -> Option<KeySource> {
        self.refuse_key_settings();
        self.introspection(&spec.value).map(|spec| KeySource::Introspected(Arc::new(spec)))
    }

    /// Refuses settings about signatures: they have no effect here, and an operator may rely on them.
    fn refuse_key_settings(&mut self) {
        let place = &self.spec.issuer;
        for (field, given) in [
            ("algorithms", !self.spec.algorithms.is_empty()),
            ("types", self.spec.types.is_some()),
            ("denyKids", !self.spec.deny_kids.is_empty()),
            ("profile", self.spec.profile != IssuerProfile::Jwt),
        ] {
            if given {
                let message =
                    format!("`{field}` is for signed tokens, and this issuer's are opaque");
                self.error(Code::Introspection, place, &message, "remove it");
            }
        }
    }

    fn introspection(&mut self, spec: &IntrospectionSpec) -> Option<Introspection> {
        let url = self.endpoint(spec);
        let authorities = self.authorities(spec.ca.as_ref());
        let timeout = self.duration(spec.timeout.as_ref(), "timeout", DEFAULT_TIMEOUT);
        let cache_ttl = self.duration(spec.cache_ttl.as_ref(), "cacheTtl", DEFAULT_CACHE_TTL);
        self.at_most(spec.timeout.as_ref(), "timeout", timeout, MAX_INTROSPECTION_TIMEOUT);
        self.at_most(spec.cache_ttl.as_ref(), "cacheTtl", cache_ttl, MAX_CACHE_TTL);
        let max_concurrent = self.concurrency(spec.max_concurrent.as_ref());
        let client_id = self.client_id(&spec.client.value.id);
        let authentication = self.authentication(&spec.client, url.as_ref());
        let mut introspection = Introspection {
            issuer: self.document.metadata.name.value.clone(),
            url: url?,
            authorities: authorities?,
            client_id: client_id?,
            authentication: authentication?,
            timeout,
            max_concurrent,
            cache_ttl,
            revision: Fingerprint::of(b""),
        };
        introspection.revision = revision(&introspection);
        Some(introspection)
    }

    fn endpoint(&mut self, spec: &IntrospectionSpec) -> Option<KeyUrl> {
        let error = match KeyUrl::parse(&spec.url.value, spec.allow_plaintext) {
            Ok(url) => return Some(url),
            Err(error) => error,
        };
        let help = match error {
            KeyUrlError::Plaintext => {
                "use `https://`; where that is impossible, `allowPlaintext: true` exposes tokens and secrets on the network"
            }
            KeyUrlError::UserInfo => "write the client's id and secret under `client`",
            KeyUrlError::NotAbsolute
            | KeyUrlError::Scheme
            | KeyUrlError::Fragment
            | KeyUrlError::Placeholder => {
                "expected an address such as `https://login.example.com/introspect`"
            }
        };
        let message = format!("introspection address {error}");
        self.refuse(Code::InvalidIntrospectionUrl, &spec.url, &message, help)
    }

    fn at_most<T>(
        &mut self,
        given: Option<&Spanned<T>>,
        field: &str,
        value: Duration,
        most: Duration,
    ) {
        let Some(given) = given.filter(|_| value > most) else { return };
        let message = format!("{field} is longer than the {} s that are possible", most.as_secs());
        self.error(Code::Introspection, given, &message, "write a shorter duration");
    }

    fn concurrency(&mut self, given: Option<&Spanned<usize>>) -> usize {
        let Some(given) = given else { return DEFAULT_MAX_CONCURRENT };
        if !(1..=MAX_INTROSPECTION_CONCURRENCY).contains(&given.value) {
            let message = format!(
                "maxConcurrent is {}, expected 1 to {MAX_INTROSPECTION_CONCURRENCY}",
                given.value
            );
            self.error(Code::Introspection, given, &message, "the default is 64");
        }
        given.value
    }

    fn client_id(&mut self, id: &Spanned<String>) -> Option<String> {
        if id.value.is_empty() || !id.value.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
            // RFC 6749 appendix A.1.
            let message = "client id is empty or not printable ASCII";
            let help = "write the `client_id` that the issuer gave to this service";
            return self.refuse(Code::IntrospectionClient, id, message, help);
        }
        Some(id.value.clone())
    }

    fn authentication(
        &mut self,
        client: &Spanned<IntrospectionClientSpec>,
        url: Option<&KeyUrl>,
    ) -> Option<ClientAuthentication> {
        let spec = &client.value;
        match (&spec.basic, &spec.post, &spec.private_key_jwt, &spec.mutual_tls) {
            (Some(file), None, None, None) => {
                self.secret_text(file).map(ClientAuthentication::Basic)
            }
            (None, Some(file), None, None) => {
                self.secret_text(file).map(ClientAuthentication::Post)
            }
            (None, None, Some(jwt), None) => {
                let audience = jwt.audience.clone().or(url.map(|url| url.uri().to_string()));
                self.assertion(jwt, audience).map(ClientAuthentication::PrivateKeyJwt)
            }
            (None, None, None, Some(tls)) => {
                if url.is_some_and(KeyUrl::is_plaintext) {
                    let message = "a client certificate is shown in TLS, and the address is `http`";
                    let help = "use `https://`";
                    self.error(Code::IntrospectionClient, client, message, help);
                }
                self.certificate(tls)
            }
            _ => {
                let message = "client has none or several ways to prove who it is";
                let help = "keep exactly one of `basic`, `post`, `privateKeyJwt` and `mutualTls`";
                self.refuse(Code::IntrospectionClient, client, message, help)
            }
        }
    }

    /// A secret on one line, without the line's end. Its file is named in a message; it never is.
    fn secret_text(&mut self, file: &SecretFile) -> Option<Secret<String>> {
        let bytes = self.secret_bytes(file)?;
        let text = std::str::from_utf8(bytes.expose()).unwrap_or_default();
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() || !text.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
            // RFC 6749 appendix A.2.
            self.unusable(file, "does not hold one line of printable ASCII");
            return None;
        }
        Some(Secret::new(text.to_owned()))
    }

    pub(super) fn secret_bytes(&mut self, file: &SecretFile) -> Option<Secret<Vec<u8>>> {
        let bytes = self.files.read(&self.document.origin, &file.source);
        let bytes = bytes.map_err(|problem| self.problems.push(problem)).ok()?;
        Some(Secret::new(bytes.into_owned()))
    }

    fn assertion(
        &mut self,
        spec: &PrivateKeyJwtSpec,
        audience: Option<String>,
    ) -> Option<ClientAssertion> {
        let algorithm = Algorithm::named(&spec.algorithm.value)
            .filter(|algorithm| ClientAssertion::can_sign_with(*algorithm));
        if algorithm.is_none() {
            let message = format!("cannot sign with `{}`", spec.algorithm.value);
            let help =
                "expected one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA";
            self.error(Code::IntrospectionClient, &spec.algorithm, &message, help);
        }
        let key = self.secret_bytes(&spec.key)?;
        let assertion = ClientAssertion {
            key,
            algorithm: algorithm?,
            key_id: spec.key_id.clone(),
            audience: audience?,
        };
        if assertion.sign(&serde_json::Map::new()).is_none() {
            let what =
                format!("holds no private key in PEM that signs with {}", assertion.algorithm);
            self.unusable(&spec.key, &what);
            return None;
        }
        Some(assertion)
    }

    fn certificate(&mut self, spec: &MutualTlsSpec) -> Option<ClientAuthentication> {
        let certificates = self.secret_bytes(&spec.certificate);
        let key = self.secret_bytes(&spec.key)?;
        let certificates = certificates?.expose().clone();
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&certificates).filter_map(Result::ok).collect();
        if chain.is_empty() {
            self.unusable(&spec.certificate, "holds no certificate in PEM");
            return None;
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let fits = PrivateKeyDer::from_pem_slice(key.expose())
            .is_ok_and(|key| CertifiedKey::from_der(chain, key, &provider).is_ok());
        if !fits {
            self.unusable(&spec.key, "does not hold the private key of the certificate, in PEM");
            return None;
        }
        Some(ClientAuthentication::MutualTls { certificates, key })
    }

    fn unusable(&mut self, file: &SecretFile, why: &str) {
        let message = format!("{} {why}", file.source.name());
        let help = "see docs/tokens.md for what each way needs";
        self.error(Code::IntrospectionClient, file.source.place(), &message, help);
    }
}

/// Names everything that an answer depends on, in a form in which no two configurations look the same.
fn revision(of: &Introspection) -> Fingerprint {
    let mut all = Vec::new();
    let mut add = |bytes: &[u8]| all.extend_from_slice(Fingerprint::of(bytes).as_bytes());
    add(of.issuer.as_bytes());
    add(of.url.uri().to_string().as_bytes());
    add(of.authorities.as_deref().unwrap_or_default());
    add(of.client_id.as_bytes());
    add(&of.timeout.as_millis().to_be_bytes());
    add(&of.max_concurrent.to_be_bytes());
    add(&of.cache_ttl.as_millis().to_be_bytes());
    match &of.authentication {
        ClientAuthentication::Basic(secret) => [&b"basic"[..], secret.expose().as_bytes()].map(add),
        ClientAuthentication::Post(secret) => [&b"post"[..], secret.expose().as_bytes()].map(add),
        ClientAuthentication::PrivateKeyJwt(jwt) => {
            add(jwt.algorithm.as_str().as_bytes());
            add(jwt.key_id.as_deref().unwrap_or_default().as_bytes());
            add(jwt.audience.as_bytes());
            [&b"jwt"[..], jwt.key.expose()].map(add)
        }
        ClientAuthentication::MutualTls { certificates, key } => {
            [certificates.as_slice(), key.expose()].map(add)
        }
    };
    Fingerprint::of(&all)
}
