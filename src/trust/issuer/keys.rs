//! The keys of a `TokenIssuer` document: read at once, or an address to fetch them from.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::compiler::IssuerCompiler;
use super::token_issuer::KeySource;
use crate::document::{
    ClientSpec, Code, Diagnostic, HumanDuration, IssuerProfile, KeysSpec, Source, Spanned, TENANT,
    has_placeholder,
};
use crate::limits::KEY_FETCH_TIMEOUT;
use crate::trust::access::{self, Access, ClientCredentials};
use crate::trust::{Algorithm, KeyFault, KeyPurpose, KeySet, KeyUrl, KeyUrlError, RemoteKeys};

const DEFAULT_REFRESH: Duration = Duration::from_secs(5 * 60);
const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// More often than this is an attack on the issuer, not a refresh.
const MIN_REFRESH: Duration = Duration::from_secs(10);

impl IssuerCompiler<'_> {
    /// The keys of the issuer, or of one of its tenants.
    pub(super) fn published_keys(
        &mut self,
        keys: &Spanned<KeysSpec>,
        tenant: Option<&str>,
    ) -> Option<KeySource> {
        let filled =
            |text: &str| tenant.map_or_else(|| text.to_owned(), |own| text.replace(TENANT, own));
        let (url, discovery) = (&keys.value.url, &keys.value.discovery);
        let plaintext = keys.value.allow_plaintext;
        match (keys.value.sources().as_slice(), url, discovery) {
            ([], None, None) if keys.value.secrets.is_some() => {
                self.refuse_remote_settings(keys);
                self.shared_secrets(keys.value.secrets.as_ref()?)
            }
            ([source], None, None) if keys.value.secrets.is_none() => {
                self.refuse_remote_settings(keys);
                self.local_keys(source)
            }
            ([], Some(url), None) if keys.value.secrets.is_none() => {
                let url = self.key_url(&filled(&url.value), url, plaintext);
                self.remote_keys(&keys.value, url, None)
            }
            ([], None, Some(place)) if keys.value.secrets.is_none() => {
                let issuer = filled(&self.spec.issuer.value);
                if has_placeholder(&issuer) {
                    // The problem of the issuer says so.
                    return None;
                }
                if !issuer.contains("://") {
                    return self.refuse_discovery(&issuer);
                }
                let text = place.value.metadata.address(&issuer);
                let url = self.key_url(&text, place, plaintext);
                self.remote_keys(&keys.value, url, Some(issuer))
            }
            (sources, url, discovery) => {
                let secrets = keys.value.secrets.is_some();
                let more = [url.is_some(), discovery.is_some(), secrets];
                let more = more.into_iter().filter(|given| *given).count();
                let count = sources.len().saturating_add(more);
                if count == 0 {
                    let message = "keys have no source: none of `file`, `inline`, `url`, `discovery` and `secrets` has a value";
                    let help = "say where the keys are, such as `discovery: {}` or `url: ADDRESS`";
                    return self.refuse(Code::KeySource, keys, message, help);
                }
                let message = format!(
                    "keys have {count} sources, expected exactly one of `file`, `inline`, `url`, `discovery` and `secrets`"
                );
                let help = "keep the one that holds the issuer's current keys";
                self.refuse(Code::KeySource, keys, &message, help)
            }
        }
    }

    fn refuse_remote_settings(&mut self, keys: &Spanned<KeysSpec>) {
        let given = [
            ("ca", keys.value.ca.is_some()),
            ("refresh", keys.value.refresh.is_some()),
            ("maxStale", keys.value.max_stale.is_some()),
            ("timeout", keys.value.timeout.is_some()),
            ("client", keys.value.client.is_some()),
            ("allowPlaintext", keys.value.allow_plaintext),
        ];
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("`{field}` is for keys that are fetched, and these are not");
            self.error(Code::KeySource, keys, &message, "remove it, or use `url` or `discovery`");
        }
    }

    fn local_keys(&mut self, source: &Source) -> Option<KeySource> {
        let place = source.place();
        let text = self.files.read(&self.document.origin, source);
        let text = text.map_err(|problem| self.problems.push(problem)).ok()?;
        let what = source.name();
        let set = match KeySet::parse(&text, self.purpose()) {
            Ok(set) => set,
            Err(error) => {
                let message = format!("{what} {error}");
                let help = "get the set from the issuer's `jwks_uri`";
                return self.refuse(Code::InvalidKeySet, place, &message, help);
            }
        };
        let usable = self.judge(&set, place, &what) && self.judge_algorithms(&set, place, &what);
        usable.then(|| KeySource::Local(Arc::new(set)))
    }

    /// A set whose keys fit none of the issuer's algorithms verifies no token; an algorithm without a key may get one when the
    /// keys rotate.
    fn judge_algorithms(&mut self, set: &KeySet, place: &Spanned<String>, what: &str) -> bool {
        let named: Vec<_> = self.spec.algorithms.iter().map(|name| name.value.as_str()).collect();
        let fits = |name: &&str| {
            Algorithm::named(name).is_some_and(|own| set.keys().iter().any(|key| key.is_for(own)))
        };
        // A name that is unknown or symmetric, or none at all, is an error of its own.
        let is_public = |name: &&str| Algorithm::named(name).is_some_and(|a| !a.is_symmetric());
        let all_known = named.iter().all(is_public);
        if named.is_empty() || !all_known || named.iter().any(fits) {
            return true;
        }
        let mut of_keys: Vec<_> =
            set.keys().iter().flat_map(|key| key.algorithms().map(Algorithm::as_str)).collect();
        of_keys.sort_unstable();
        of_keys.dedup();
        let message =
            format!("{what} has no key for {}, so no token would be accepted", named.join(", "));
        let help = format!("its keys are for {}: say which under `algorithms`", of_keys.join(", "));
        self.error(Code::NoFittingKey, place, &message, &help);
        false
    }

    /// Tells what is wrong with the keys; whether the set can be used.
    fn judge(&mut self, set: &KeySet, place: &Spanned<String>, what: &str) -> bool {
        // A SPIFFE bundle has keys for other kinds of SVIDs beside ours, and a provider's set those for encryption.
        let expected = |fault| matches!(fault, KeyFault::OtherUse(_)) && !set.keys().is_empty();
        let unexpected: Vec<_> = set.skipped().iter().filter(|key| !expected(key.fault)).collect();
        for skipped in unexpected {
            let message = format!("{what}: {skipped}");
            if skipped.fault.is_secret() {
                let help = "a secret does not belong here: consider it known, have the issuer replace it, and keep public keys only";
                self.error(Code::SecretKey, place, &message, help);
            } else {
                let span = self.document.origin.span(place);
                self.problems.push(Diagnostic::warning(Code::UnusableKey, span, message));
            }
        }
        if set.keys().is_empty() {
            let message = format!("{what} has no usable key");
            let help = "get the set from the issuer's `jwks_uri`";
            self.error(Code::NoUsableKey, place, &message, help);
        }
        !set.keys().is_empty()
    }

    fn remote_keys(
        &mut self,
        keys: &KeysSpec,
        url: Option<KeyUrl>,
        discovery: Option<String>,
    ) -> Option<KeySource> {
        let plaintext = url.as_ref().is_some_and(KeyUrl::is_plaintext);
        let wait = self.timeout(keys.timeout.as_ref(), KEY_FETCH_TIMEOUT);
        let client = self.shown(keys.client.as_ref(), plaintext);
        let access = self.access(keys.ca.as_ref(), wait, client);
        let refresh = self.duration(keys.refresh.as_ref(), "refresh", DEFAULT_REFRESH);
        let max_stale = self.duration(keys.max_stale.as_ref(), "maxStale", DEFAULT_MAX_STALE);
        self.judge_times(keys, refresh, max_stale);
        Some(KeySource::Remote(Arc::new(RemoteKeys {
            url: url?,
            discovery,
            purpose: self.purpose(),
            access: access?,
            refresh,
            max_stale,
        })))
    }

    const fn purpose(&self) -> KeyPurpose {
        match matches!(self.spec.profile, IssuerProfile::JwtSvid) {
            true => KeyPurpose::JwtSvid,
            false => KeyPurpose::Jwt,
        }
    }

    /// The address of metadata begins with the issuer (OpenID Connect Discovery 1.0 section 4).
    fn refuse_discovery(&mut self, issuer: &str) -> Option<KeySource> {
        let message = format!(
            "issuer `{}` has no scheme, so `discovery` has no address",
            issuer.escape_debug()
        );
        let help = format!(
            "did you mean `https://{issuer}`? write exactly what `iss` of its tokens says; if that has no scheme, name the keys: `keys: {{ url: ADDRESS }}`"
        );
        self.refuse(Code::InvalidKeyUrl, &self.spec.issuer, &message, &help)
    }

    pub(super) fn key_url<T>(
        &mut self,
        text: &str,
        place: &Spanned<T>,
        allow_plaintext: bool,
    ) -> Option<KeyUrl> {
        let error = match KeyUrl::parse(text, allow_plaintext) {
            Ok(url) => return Some(url),
            Err(error) => error,
        };
        let help = match error {
            KeyUrlError::Plaintext => {
                "use `https://`; where that is impossible, `allowPlaintext: true` lets an attacker on the network replace the keys"
            }
            KeyUrlError::NotAbsolute
            | KeyUrlError::OddAddress
            | KeyUrlError::Port
            | KeyUrlError::EmptyLabel
            | KeyUrlError::Scheme
            | KeyUrlError::UserInfo
            | KeyUrlError::Fragment
            | KeyUrlError::Placeholder => {
                "expected an address such as `https://login.example.com/jwks`"
            }
        };
        self.refuse(Code::InvalidKeyUrl, place, &format!("address {error}"), help)
    }

    fn judge_times(&mut self, keys: &KeysSpec, refresh: Duration, max_stale: Duration) {
        if let Some(given) = keys.refresh.as_ref().filter(|_| refresh < MIN_REFRESH) {
            let message = format!("refresh is {}, expected at least 10s", given.value);
            let help = "an unknown key id is asked for at once anyway";
            self.error(Code::KeyRefresh, given, &message, help);
        }
        if let Some(given) = keys.max_stale.as_ref().filter(|_| max_stale < refresh) {
            let message =
                format!("maxStale is {}, shorter than the time between two fetches", given.value);
            let help = "make `maxStale` as long as an outage of the issuer that must be survived";
            self.error(Code::KeyRefresh, given, &message, help);
        }
    }

    /// The longest wait for a server.
    pub(super) fn timeout(
        &mut self,
        given: Option<&Spanned<HumanDuration>>,
        default: Duration,
    ) -> Option<Duration> {
        let wait = access::timeout(given, default, &self.document.origin);
        wait.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The credentials that a server is shown.
    pub(super) fn shown(
        &mut self,
        spec: Option<&ClientSpec>,
        plaintext: bool,
    ) -> Option<ClientCredentials> {
        let Some(spec) = spec else { return Some(ClientCredentials::default()) };
        let client = ClientCredentials::read(spec, plaintext, &self.document.origin);
        client.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// How a server is asked.
    pub(super) fn access(
        &mut self,
        ca: Option<&Source>,
        timeout: Option<Duration>,
        client: Option<ClientCredentials>,
    ) -> Option<Access> {
        let authorities = self.authorities(ca)?;
        Some(Access { authorities, spiffe: None, timeout: timeout?, client: client? })
    }

    /// `Some(None)` where the system's authorities are to be used.
    fn authorities(&mut self, ca: Option<&Source>) -> Option<Option<Vec<u8>>> {
        let Some(ca) = ca else { return Some(None) };
        let place = ca.place();
        let pem = self.files.read(&self.document.origin, ca);
        let pem = pem.map_err(|problem| self.problems.push(problem)).ok()?;
        let count = CertificateDer::pem_slice_iter(&pem).filter(Result::is_ok).count();
        if count == 0 {
            let message = "no certificate in PEM was found";
            let help = "expected `-----BEGIN CERTIFICATE-----`";
            return self.refuse(Code::InvalidCa, place, message, help);
        }
        Some(Some(pem.into_owned()))
    }
}
