//! The address of an issuer's keys, and the rules for asking it. A value; `pdp` does the asking.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::document::{
    Attachments, Code, Diagnostic, HumanDuration, Origin, RemoteSource, Spanned, remote_name,
};
use crate::limits::{REMOTE_FILE_TIMEOUT, REVOCATION_LIST_TIMEOUT};
use crate::spiffe::{SpiffeError, SpiffeId, TrustDomainName};
use crate::trust::access::{self, Access, ClientCredentials};
use crate::trust::{KeyPurpose, KeyUrl};
use crate::words::words;

/// Keys behind an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteKeys {
    /// The address of the JWK Set, or of the metadata that names it.
    pub url: KeyUrl,
    /// For metadata: the issuer that it must be of, exactly (OpenID Connect Discovery 1.0 section 4.3).
    pub discovery: Option<String>,
    /// The purpose of the keys.
    pub purpose: KeyPurpose,
    /// How its server is asked.
    pub access: Access,
    /// How often the keys are fetched.
    pub refresh: Duration,
    /// How long after it was fetched a key set is still used.
    pub max_stale: Duration,
}

impl RemoteKeys {
    /// True if the server of both is known in the same way.
    pub fn trusts_like(&self, other: &Self) -> bool {
        let of = |keys: &Self| (keys.access.authorities.clone(), keys.access.spiffe.clone());
        of(self) == of(other)
    }
}

/// A file behind an address: a revocation list, a bundle, authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// The address.
    pub url: KeyUrl,
    /// The file's name among [`RemoteContents`](crate::document::RemoteContents).
    pub name: String,
    /// How its server is asked.
    pub access: Access,
    /// How often it is fetched.
    pub refresh: Duration,
    /// How long after it was fetched it counts; `None` where it says itself how old it may become.
    pub max_stale: Option<Duration>,
    /// The key of the document that names it.
    pub part: RemotePart,
    /// True if the file has the authorities of its own server: the newest of them count for the next fetch.
    pub own_endpoint: bool,
}

words! {
    /// A key of a document that may name a remote file.
    pub enum RemotePart {
        /// `bundle` of a trust domain.
        Bundle "bundle",
        /// `authorities` of a trust domain.
        Authorities "authorities",
        /// `intermediates` of a trust domain.
        Intermediates "intermediates",
        /// `revocation.crls` of a trust domain.
        Crls "revocation.crls",
        /// A part of a revocation list.
        List "from",
    }
}

/// Revocation lists are published every few hours to days; ten minutes is soon enough and no load.
const DEFAULT_REFRESH: Duration = Duration::from_secs(600);

/// A shorter interval is an attack on the publisher.
const MIN_REFRESH: Duration = Duration::from_secs(10);

/// A bundle server that was away for longer has nothing that is still valid: the same as for keys.
const DEFAULT_BUNDLE_MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The workload that a bundle endpoint is.
fn endpoint(
    id: &Spanned<String>,
    part: RemotePart,
    url: &KeyUrl,
    spec: &RemoteSource,
    origin: &Origin,
) -> Result<SpiffeId, Diagnostic> {
    let wrong = |message: String, help: &str| {
        Diagnostic::error(Code::BundleEndpoint, origin.span(id), message).help(help)
    };
    if part != RemotePart::Bundle {
        let message = format!("`spiffeId` is for `bundle`, not for {part}");
        return Err(wrong(message, "remove it: the server's certificate must name the host"));
    }
    if url.is_plaintext() {
        let message = String::from("`spiffeId` is verified in TLS, and the address is `http`");
        return Err(wrong(message, "use `https://`"));
    }
    if spec.ca.is_none() {
        let message = String::from("`spiffeId` without `ca`: nothing vouches for the server");
        let help = "add `ca`, a file with the first bundle of its trust domain: `spire-server bundle show -format spiffe`";
        return Err(wrong(message, help));
    }
    let text = &id.value;
    let parsed: SpiffeId = text.parse().map_err(|why: SpiffeError| {
        let message = format!("`{text}` is no SPIFFE ID: {why}");
        let help = match text.contains("://") {
            true => String::from("expected an ID such as `spiffe://partner.example/spire/server`"),
            false => format!("did you mean `spiffe://{text}`?"),
        };
        wrong(message, &help)
    })?;
    // SPIFFE X509-SVID section 2: the ID of a leaf certificate has a path.
    if parsed.path().is_empty() {
        let message = format!("`{text}` is a trust domain, and no certificate of a server has it");
        return Err(wrong(message, &format!("add the path of the server: `{text}/spire/server`")));
    }
    Ok(parsed)
}

impl RemoteFile {
    /// The file that `spec` names.
    ///
    /// # Errors
    /// A diagnostic where the address, the times or the authorities cannot be used.
    pub(super) fn read(
        part: RemotePart,
        spec: &RemoteSource,
        origin: &Origin,
        files: &Attachments,
    ) -> Result<Self, Diagnostic> {
        Self::read_every((DEFAULT_REFRESH, MIN_REFRESH), part, spec, origin, files)
    }

    /// The same for a file that is fetched every `default`, and at least every `min`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_every(
        (default, min): (Duration, Duration),
        part: RemotePart,
        spec: &RemoteSource,
        origin: &Origin,
        files: &Attachments,
    ) -> Result<Self, Diagnostic> {
        let url = KeyUrl::parse(&spec.url.value, spec.allow_plaintext).map_err(|why| {
            let message = format!("the address {why}");
            let help =
                "give an absolute `https://` address, or `http://` with `allowPlaintext: true`";
            Diagnostic::error(Code::InvalidUrl, origin.span(&spec.url), message).help(help)
        })?;
        let refresh = spec.refresh.as_ref().map_or(default, |refresh| refresh.value.get());
        if let Some(text) = spec.refresh.as_ref().filter(|_| refresh < min) {
            let least = HumanDuration::new(min);
            let message = format!("`{}` is too often, expected at least `{least}`", text.value);
            return Err(Diagnostic::error(Code::InvalidRefresh, origin.span(text), message));
        }
        let max_stale = max_stale(part, spec, refresh, origin)?;
        let authorities = spec.ca.as_ref().map(|ca| files.file(origin, ca)).transpose()?;
        let name = remote_name(spec, authorities);
        let authorities = authorities.map(<[u8]>::to_vec);
        let wait = match part {
            RemotePart::List => REVOCATION_LIST_TIMEOUT,
            RemotePart::Bundle
            | RemotePart::Authorities
            | RemotePart::Intermediates
            | RemotePart::Crls => REMOTE_FILE_TIMEOUT,
        };
        let timeout = access::timeout(spec.timeout.as_ref(), wait, origin)?;
        let client = spec.client.as_ref();
        let client =
            client.map(|client| ClientCredentials::read(client, url.is_plaintext(), origin));
        let client = client.transpose()?.unwrap_or_default();
        let spiffe = spec.spiffe_id.as_ref();
        let spiffe = spiffe.map(|id| endpoint(id, part, &url, spec, origin)).transpose()?;
        let access = Access { authorities, spiffe, timeout, client };
        Ok(Self { url, name, access, refresh, max_stale, part, own_endpoint: false })
    }

    /// The same for a document of the trust domain `name`.
    #[must_use]
    pub(super) fn of_trust_domain(self, name: Option<&TrustDomainName>) -> Self {
        let server = self.access.spiffe.as_ref().map(SpiffeId::trust_domain);
        let own_endpoint = server.is_some() && server == name.map(TrustDomainName::as_str);
        Self { own_endpoint, ..self }
    }

    /// The same for two documents: fetched as often, and used as short, as the stricter of them says.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        let mut stricter = self.clone();
        stricter.max_stale = [self.max_stale, other.max_stale].into_iter().flatten().min();
        stricter.refresh = self.refresh.min(other.refresh);
        stricter.access.timeout = self.access.timeout.max(other.access.timeout);
        stricter
    }

    /// True if both are fetched in the same way, whatever they are for.
    pub fn is_fetched_like(&self, other: &Self) -> bool {
        *self == Self { part: self.part, ..other.clone() }
    }

    /// True if a version that was fetched at `fetched` is too old at `now`.
    pub fn is_stale(&self, fetched: UnixTime, now: UnixTime) -> bool {
        self.max_stale.is_some_and(|most| now.since(fetched) > most)
    }
}

fn max_stale(
    part: RemotePart,
    spec: &RemoteSource,
    refresh: Duration,
    origin: &Origin,
) -> Result<Option<Duration>, Diagnostic> {
    let Some(text) = &spec.max_stale else {
        return Ok((part == RemotePart::Bundle).then_some(DEFAULT_BUNDLE_MAX_STALE));
    };
    let wrong = |message: String, help: &str| {
        let problem = Diagnostic::error(Code::InvalidRefresh, origin.span(text), message);
        Err(problem.help(help.to_owned()))
    };
    if matches!(part, RemotePart::Crls | RemotePart::List) {
        return wrong(
            String::from("`maxStale` is for authorities and bundles"),
            "a revocation list says itself how long it may be used; for a `RevocationList`, use `maxAge`",
        );
    }
    if text.value.get() < refresh {
        let refresh = HumanDuration::new(refresh);
        return wrong(
            format!(
                "`maxStale` is `{}`, shorter than the `{refresh}` between two fetches",
                text.value
            ),
            "make it as long as an outage of the server that must be survived",
        );
    }
    Ok(Some(text.value.get()))
}

impl RemotePart {
    /// True if it may hold authorities.
    pub const fn has_authorities(self) -> bool {
        matches!(self, Self::Bundle | Self::Authorities | Self::Intermediates)
    }
}
