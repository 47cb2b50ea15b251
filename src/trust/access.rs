//! How a server is asked, beside its address: the authorities that it is known by, the longest wait, and the credentials that it is
//! shown. Values; `pdp` does the asking, and reads the files of credentials for each request.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri, header};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::document::{
    Attachments, ClientSpec, Code, Diagnostic, Document, Entries, HumanDuration, MutualTlsSpec,
    Origin, SecretFile, Source, Spanned, holds_credentials, resolve,
};
use crate::limits::MAX_FETCH_TIMEOUT;
use crate::secret::Secret;
use crate::spiffe::SpiffeId;
use crate::trust::KeyUrl;

/// How a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Authorities (PEM) that the server's certificate must lead to; the system's where there are none.
    pub authorities: Option<Vec<u8>>,
    /// The workload that the server's certificate must name, instead of the host. The authorities may then be a SPIFFE bundle.
    pub spiffe: Option<SpiffeId>,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// The credentials that it is shown.
    pub client: ClientCredentials,
}

/// Credentials, by the files that hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Headers of each request.
    pub headers: Vec<(HeaderName, HeaderText)>,
    /// The files of a client certificate with its intermediates, and of its key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Hosts that see them beside the one of the address, each with its port.
    hosts: Vec<(String, u16)>,
}

/// The text of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// This text.
    Inline(HeaderValue),
    /// The one line in a file.
    File(PathBuf),
    /// `Bearer` and the one line in a file.
    Bearer(PathBuf),
}

/// Headers that say how a message is sent, which is not for a document to say.
const FRAMING: [HeaderName; 14] = [
    header::EXPECT,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::TE,
    header::TRANSFER_ENCODING,
];

impl Access {
    /// Asks with the system's authorities, and shows nothing.
    pub fn plain(timeout: Duration) -> Self {
        Self { authorities: None, spiffe: None, timeout, client: ClientCredentials::default() }
    }

    /// The same for `other`, to which something at `own` led: another host sees no credentials, unless it was named.
    #[must_use]
    pub fn led_from(&self, own: &KeyUrl, other: &KeyUrl) -> Self {
        let place = place_of(other.uri());
        let named = || place.as_ref().is_some_and(|place| self.client.hosts.contains(place));
        let is_safe = own.is_plaintext() || !other.is_plaintext();
        match is_safe && (place_of(own.uri()) == place || named()) {
            true => self.clone(),
            false => Self { client: ClientCredentials::default(), ..self.clone() },
        }
    }
}

impl ClientCredentials {
    /// The credentials that `spec` names, for an address that is `plaintext` or not.
    ///
    /// # Errors
    /// A diagnostic where a header, a host or a certificate is none that can be used.
    pub(super) fn read(
        spec: &ClientSpec,
        plaintext: bool,
        origin: &Origin,
    ) -> Result<Self, Diagnostic> {
        let mut headers = Vec::new();
        if let Some(file) = &spec.bearer {
            let text = HeaderText::Bearer(path(origin, &file.source));
            headers.push((header::AUTHORIZATION, text));
        }
        for (name, text) in spec.headers.iter().flat_map(|headers: &Entries<Source>| &headers.0) {
            let (name, text) = further_header(name, text, origin)?;
            if headers.iter().any(|(own, _)| *own == name) {
                let message = format!("the header `{name}` is there twice");
                return Err(wrong(origin, text.1, message).help("keep one of the two"));
            }
            headers.push((name, text.0));
        }
        if let Some(tls) = spec.mutual_tls.as_ref().filter(|_| plaintext) {
            let message = "a client certificate is shown in TLS, and the address is `http`";
            let place = tls.certificate.source.place();
            return Err(wrong(origin, place, message.to_owned()).help("use `https://`"));
        }
        let files = |tls: &MutualTlsSpec| {
            (path(origin, &tls.certificate.source), path(origin, &tls.key.source))
        };
        let certificate = spec.mutual_tls.as_ref().map(files);
        let hosts = spec.hosts.iter().map(|host| authority(host, origin));
        Ok(Self { headers, certificate, hosts: hosts.collect::<Result<_, _>>()? })
    }

    /// True if there is nothing to show.
    pub const fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.certificate.is_none()
    }
}

/// The host and the port of an address.
fn place_of(uri: &Uri) -> Option<(String, u16)> {
    let default = if uri.scheme() == Some(&http::uri::Scheme::HTTP) { 80 } else { 443 };
    Some((uri.host()?.to_ascii_lowercase(), uri.port_u16().unwrap_or(default)))
}

fn authority(text: &Spanned<String>, origin: &Origin) -> Result<(String, u16), Diagnostic> {
    let uri: Option<Uri> = format!("https://{}/", text.value).parse().ok();
    let plain = uri.filter(|uri| uri.path() == "/" && !text.value.contains(['@', '*', '?']));
    plain.as_ref().and_then(place_of).ok_or_else(|| {
        let message = format!("`{}` is no host", text.value);
        wrong(origin, text, message)
            .help("expected a name or address, such as `keys.example.com` or `10.0.0.1:6443`")
    })
}

type Further<'a> = (HeaderName, (HeaderText, &'a Spanned<String>));

fn further_header<'a>(
    name: &'a Spanned<String>,
    text: &Spanned<Source>,
    origin: &Origin,
) -> Result<Further<'a>, Diagnostic> {
    let refused =
        |message: String, help: &str| Err(wrong(origin, name, message).help(help.to_owned()));
    let Ok(header) = HeaderName::try_from(name.value.as_str()) else {
        let message = format!("`{}` is no name of a header", name.value.escape_debug());
        return refused(message, "expected a name such as `x-api-key`");
    };
    if FRAMING.contains(&header) {
        return refused(format!("`{header}` cannot be set"), "remove it");
    }
    let secret = header == header::COOKIE
        || holds_credentials(header.as_str())
        || header.as_str().split(['-', '_']).any(is_secret_word);
    let text = match &text.value {
        Source::File(file) => HeaderText::File(resolve(origin, file)),
        Source::Inline(_) if secret => {
            let help = "a secret is never in a document: write `{ file: .. }`";
            return refused(format!("`{header}` holds a secret"), help);
        }
        Source::Inline(text) => match HeaderValue::from_str(&text.value) {
            Ok(text) => HeaderText::Inline(text),
            Err(_) => {
                let message = format!("the text of `{header}` is not one line of printable ASCII");
                return refused(message, "correct the text");
            }
        },
        Source::Remote(_) => {
            return refused(format!("`{header}` cannot be fetched"), "use `file` or `inline`");
        }
    };
    Ok((header, (text, name)))
}

/// True if a header with this word in its name holds a secret.
fn is_secret_word(word: &str) -> bool {
    let is_author = word.starts_with("author") && !word.starts_with("authori");
    let begins = ["auth", "jwt", "session", "token"].iter().any(|part| word.starts_with(part));
    let ends = ["auth", "jwt", "token"].iter().any(|part| word.ends_with(part));
    let is_key = matches!(word, "key" | "keys" | "accesskey" | "apikey" | "appkey");
    (begins && !is_author && word != "authority") || ends || is_key
}

/// The longest wait in `given`, or the default.
pub(super) fn timeout(
    given: Option<&Spanned<HumanDuration>>,
    default: Duration,
    origin: &Origin,
) -> Result<Duration, Diagnostic> {
    let Some(given) = given else { return Ok(default) };
    let value = given.value.get();
    if value.is_zero() || value > MAX_FETCH_TIMEOUT {
        let message =
            format!("`timeout` is `{}`, expected more than 0s and at most 5m", given.value);
        let help = format!("the default is {} s", default.as_secs());
        return Err(Diagnostic::error(Code::FetchTimeout, origin.span(given), message).help(help));
    }
    Ok(value)
}

/// Warns of files of credentials that cannot be used now. They are read for each request, so that they may come later.
pub(super) fn judge_files(
    documents: &[Document],
    files: &Attachments,
    problems: &mut Vec<Diagnostic>,
) {
    for document in documents {
        let judge = Judge { origin: &document.origin, files };
        problems.extend(document.spec.clients().iter().flat_map(|client| judge.client(client)));
    }
}

struct Judge<'a> {
    origin: &'a Origin,
    files: &'a Attachments,
}

impl Judge<'_> {
    fn client(&self, spec: &ClientSpec) -> Vec<Diagnostic> {
        let further = spec.headers.iter().flat_map(|headers| &headers.0);
        let further = further.map(|(_, text)| &text.value);
        let bearer = spec.bearer.iter().map(|file| &file.source);
        let mut problems: Vec<_> =
            further.chain(bearer).filter_map(|source| self.line(source).err()).collect();
        problems.extend(spec.mutual_tls.as_ref().and_then(|tls| self.certificate(tls).err()));
        problems
    }

    fn line(&self, source: &Source) -> Result<(), Diagnostic> {
        let Source::File(_) = source else { return Ok(()) };
        match secret_line(&self.bytes(source)?) {
            Some(_) => Ok(()),
            None => Err(self.unusable(source, "does not hold one line of printable ASCII")),
        }
    }

    fn certificate(&self, tls: &MutualTlsSpec) -> Result<(), Diagnostic> {
        let SecretFile { source } = &tls.key;
        let (certificates, key) = (self.bytes(&tls.certificate.source)?, self.bytes(source)?);
        match client_certificate(&certificates, &key) {
            Ok(_) => Ok(()),
            Err(why) if why == NO_CERTIFICATE => Err(self.unusable(&tls.certificate.source, why)),
            Err(why) => Err(self.unusable(source, why)),
        }
    }

    fn bytes<'s>(&'s self, source: &'s Source) -> Result<std::borrow::Cow<'s, [u8]>, Diagnostic> {
        let warning = |problem: Diagnostic| Diagnostic {
            severity: crate::document::Severity::Warning,
            ..problem
        };
        self.files.read(self.origin, source).map_err(warning)
    }

    fn unusable(&self, source: &Source, why: &str) -> Diagnostic {
        let message = format!("{} {why}", source.name());
        let place = self.origin.span(source.place());
        Diagnostic::warning(Code::ClientCredentials, place, message)
            .help("until it does, the server is not asked; see docs/tokens.md")
    }
}

const NO_CERTIFICATE: &str = "holds no certificate in PEM";

/// The client certificate in `certificates`, with its intermediates and its `key`, PEM.
///
/// # Errors
/// Why there is none, as the end of a sentence about a file.
pub fn client_certificate(
    certificates: &[u8],
    key: &[u8],
) -> Result<Arc<CertifiedKey>, &'static str> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(certificates).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err(NO_CERTIFICATE);
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = PrivateKeyDer::from_pem_slice(key).ok();
    key.and_then(|key| CertifiedKey::from_der(chain, key, &provider).ok())
        .map(Arc::new)
        .ok_or("does not hold the private key of the certificate, in PEM")
}

/// The one line of printable ASCII in a file, without the line's end.
pub fn secret_line(bytes: &[u8]) -> Option<Secret<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    // RFC 6749 appendix A.2.
    let plain = !text.is_empty() && text.bytes().all(|b| matches!(b, 0x20..=0x7e));
    plain.then(|| Secret::new(text.to_owned()))
}

fn path(origin: &Origin, source: &Source) -> PathBuf {
    resolve(origin, source.place())
}

fn wrong<T>(origin: &Origin, place: &Spanned<T>, message: String) -> Diagnostic {
    Diagnostic::error(Code::ClientCredentials, origin.span(place), message)
}

#[cfg(test)]
mod tests {
    use super::is_secret_word;

    /// P452: words are compared, and not their parts.
    #[test]
    fn names_of_secrets_are_told_by_their_words() {
        let is_secret = |name: &str| name.split(['-', '_']).any(is_secret_word);
        for name in [
            "x-api-key",
            "x-apikey",
            "x-auth-token",
            "authtoken",
            "x-authorization-extra",
            "x-session-id",
            "x-sessionid",
            "xtoken",
            "x-jwt-assertion",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["x-monkey", "x-keyboard", "x-author", "x-authority", "x-turkey-region", "accept"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }
}
