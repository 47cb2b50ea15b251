//! The introspection endpoint of a `TokenIssuer` document, and the credentials it is asked with.

use std::sync::Arc;
use std::time::Duration;

use super::compiler::IssuerCompiler;
use super::token_issuer::KeySource;
use crate::document::{
    Code, Diagnostic, HumanDuration, IntrospectionClientSpec, IntrospectionSpec, IssuerProfile,
    PrivateKeyJwtSpec, SecretFile, Spanned,
};
use crate::limits::{DEFAULT_DEADLINE, MAX_INTROSPECTION_CONCURRENCY, MAX_INTROSPECTION_TIMEOUT};
use crate::secret::{Fingerprint, Secret};
use crate::trust::access::secret_line;
use crate::trust::{
    Algorithm, ClientAssertion, ClientAuthentication, Introspection, KeyUrl, KeyUrlError,
};

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(500);
const DEFAULT_MAX_CONCURRENT: usize = 64;
const DEFAULT_CACHE_TTL: Duration = Duration::from_secs(30);

/// A longer time would accept a revoked token for longer than operators expect.
const MAX_CACHE_TTL: Duration = Duration::from_secs(5 * 60);

impl IssuerCompiler<'_> {
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
                let help = "remove it; if its tokens are JWTs as well, say where their keys are: `keys: { discovery: {} }`";
                self.error(Code::Introspection, place, &message, help);
            }
        }
    }

    pub(super) fn introspection(&mut self, spec: &IntrospectionSpec) -> Option<Introspection> {
        let url = self.endpoint(spec);
        let timeout = self.duration(spec.timeout.as_ref(), "timeout", DEFAULT_TIMEOUT);
        let cache_ttl = self.duration(spec.cache_ttl.as_ref(), "cacheTtl", DEFAULT_CACHE_TTL);
        self.at_most(spec.timeout.as_ref(), "timeout", timeout, MAX_INTROSPECTION_TIMEOUT);
        self.at_most(spec.cache_ttl.as_ref(), "cacheTtl", cache_ttl, MAX_CACHE_TTL);
        self.warn_of_slow(spec, timeout);
        let plaintext = url.as_ref().is_some_and(KeyUrl::is_plaintext);
        let client = self.shown(Some(&spec.client.value.shown()), plaintext);
        let access = self.access(spec.ca.as_ref(), Some(timeout), client);
        let max_concurrent = self.concurrency(spec.max_concurrent.as_ref());
        let inactive_statuses = self.inactive_statuses(&spec.inactive_statuses);
        let authentication = self.authentication(&spec.client, url.as_ref());
        let client_id = self.client_id(&spec.client);
        let mut introspection = Introspection {
            issuer: self.document.metadata.name.value.clone(),
            url: url?,
            access: access?,
            client_id: client_id?,
            authentication: authentication?,
            inactive_statuses,
            max_concurrent,
            cache_ttl,
            revision: Fingerprint::of(b""),
        };
        introspection.revision = revision(&introspection);
        Some(introspection)
    }

    fn warn_of_slow(&mut self, spec: &IntrospectionSpec, timeout: Duration) {
        if timeout <= DEFAULT_DEADLINE {
            return;
        }
        let (deadline, waits) = (HumanDuration::new(DEFAULT_DEADLINE), HumanDuration::new(timeout));
        let origin = &self.document.origin;
        let (span, of) = match &spec.timeout {
            Some(given) => (origin.span(given), ""),
            None => (origin.span(&spec.url), ", the default of `timeout`"),
        };
        let message = format!(
            "requests wait for {deadline}, the default of `deadline`, and not for {waits}{of}"
        );
        let help = "raise `deadline` in the settings and the timeout of Envoy's filter above it; \
            an answer that comes later serves the next request with the token";
        self.problems.push(Diagnostic::warning(Code::SlowIntrospection, span, message).help(help));
    }

    fn inactive_statuses(&mut self, given: &[Spanned<u16>]) -> Vec<u16> {
        for status in given.iter().filter(|status| !may_mean_inactive(status.value)) {
            let message =
                format!("status {} does not say that a token is not active", status.value);
            let help = "expected one from 400 to 499 that is about the token, such as 400 or 404; 401, 403, 407, 408 and 429 are about us";
            self.error(Code::Introspection, status, &message, help);
        }
        given.iter().map(|status| status.value).collect()
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
            | KeyUrlError::OddAddress
            | KeyUrlError::Port
            | KeyUrlError::EmptyLabel
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

    /// The id, where it needs none perhaps `None`.
    #[expect(clippy::option_option, reason = "no id is no problem where none is needed")]
    fn client_id(&mut self, client: &Spanned<IntrospectionClientSpec>) -> Option<Option<String>> {
        let IntrospectionClientSpec { bearer, headers, none, id, .. } = &client.value;
        let Some(id) = id else {
            if bearer.is_some() || headers.is_some() || none.is_some() {
                return Some(None);
            }
            let help = "write the `client_id` that the issuer gave to this service";
            return self.refuse(Code::IntrospectionClient, client, "client has no `id`", help);
        };
        if id.value.is_empty() || !id.value.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
            // RFC 6749 appendix A.1.
            let message = "client id is empty or not printable ASCII";
            let help = "write the `client_id` that the issuer gave to this service";
            return self.refuse(Code::IntrospectionClient, id, message, help);
        }
        Some(Some(id.value.clone()))
    }

    fn authentication(
        &mut self,
        client: &Spanned<IntrospectionClientSpec>,
        url: Option<&KeyUrl>,
    ) -> Option<ClientAuthentication> {
        let spec = &client.value;
        let shown = spec.headers.is_some() || spec.mutual_tls.is_some();
        match (&spec.basic, &spec.post, &spec.private_key_jwt, &spec.bearer, &spec.none) {
            (Some(file), None, None, None, None) => {
                self.secret_text(file).map(ClientAuthentication::Basic)
            }
            (None, Some(file), None, None, None) => {
                self.secret_text(file).map(ClientAuthentication::Post)
            }
            (None, None, Some(jwt), None, None) => {
                let audience = jwt.audience.clone().or(url.map(|url| url.uri().to_string()));
                self.assertion(jwt, audience).map(ClientAuthentication::PrivateKeyJwt)
            }
            (None, None, None, Some(_), None) => Some(ClientAuthentication::Shown),
            (None, None, None, None, none) if none.is_some() != shown => {
                Some(ClientAuthentication::Shown)
            }
            _ => {
                let message = "client has none or several ways to prove who it is";
                let help = "keep exactly one of `basic`, `post`, `privateKeyJwt`, `bearer`, `headers` and `mutualTls`, of which the last two may also stand beside another; or write `none: {}` for an endpoint that wants no proof";
                self.refuse(Code::IntrospectionClient, client, message, help)
            }
        }
    }

    /// A secret on one line, without the line's end. Its file is named in a message; it never is.
    fn secret_text(&mut self, file: &SecretFile) -> Option<Secret<String>> {
        let bytes = self.secret_bytes(file)?;
        let text = secret_line(bytes.expose());
        if text.is_none() {
            self.unusable(file, "does not hold one line of printable ASCII");
        }
        text
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

    fn unusable(&mut self, file: &SecretFile, why: &str) {
        let message = format!("{} {why}", file.source.name());
        let help = "see docs/tokens.md for what each way needs";
        self.error(Code::IntrospectionClient, file.source.place(), &message, help);
    }
}

/// True if an endpoint may mean by this status that it does not know the token. Others are about us, or about the endpoint.
const fn may_mean_inactive(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 401 | 403 | 407 | 408 | 429)
}

/// Names everything that an answer depends on, in a form in which no two configurations look the same.
fn revision(of: &Introspection) -> Fingerprint {
    let mut all = Vec::new();
    let mut add = |bytes: &[u8]| all.extend_from_slice(Fingerprint::of(bytes).as_bytes());
    add(of.issuer.as_bytes());
    add(of.url.uri().to_string().as_bytes());
    // It has all values, and names the files of secrets.
    add(format!("{:?}", of.access).as_bytes());
    add(format!("{:?}", of.client_id).as_bytes());
    add(format!("{:?}", of.inactive_statuses).as_bytes());
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
        ClientAuthentication::Shown => [&b"shown"[..], b""].map(add),
    };
    Fingerprint::of(&all)
}
