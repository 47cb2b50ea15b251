//! The shape of `kind: RevocationList`, and of one entry wherever entries are written: documents, the running API, the store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, Source, Spanned};

/// The spec of a `RevocationList` document.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevocationListSpec {
    /// The entries.
    #[serde(default)]
    pub entries: Vec<Spanned<RevocationEntrySpec<Spanned<String>>>>,
    /// Where more entries come from, in the line form (docs/revocation.md): read beside the documents, again and again.
    pub from: Option<Source>,
    /// The signature of the list at `from`. Unset: it is not signed.
    pub signature: Option<ListSignatureSpec>,
    /// How old what is at `from` may become before `onStale` says what happens: since it was last confirmed for a server,
    /// since it was last written for a file.
    pub max_age: Option<Spanned<HumanDuration>>,
    /// The behaviour while the list at `from` is older than `maxAge`, past its `@next-update`, or was never loaded. Required
    /// wherever there is a `from`.
    pub on_stale: Option<OnStaleList>,
}

/// Who signs a list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListSignatureSpec {
    /// The detached signature: a compact JWS without its payload (RFC 7515 appendix F, RFC 7797).
    pub from: Source,
    /// The public keys that may sign: a JWK Set, in a file or inline, never fetched.
    pub keys: Source,
}

/// The behaviour while a list is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnStaleList {
    /// Every request with a credential is refused.
    Deny,
    /// The list is used for so much longer, then as `deny`.
    Grace(HumanDuration),
    /// The list as it was last is used for as long as it takes.
    Allow,
}

/// One revoked thing, with texts of the kind `T`: with their places in a document, plain elsewhere.
///
/// Exactly one of `jti`, `sub`, `sid`, `client`, `kid` (each with `issuer`), `serial` (with `certificateIssuer`), `spki`,
/// `certificate` and `spiffe` is there, or `issuer` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "RevocationEntrySpec")]
pub struct RevocationEntrySpec<T> {
    /// One token, by its `jti`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<T>,
    /// The tokens of a subject, by their `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<T>,
    /// The tokens of a session, by their `sid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<T>,
    /// The tokens of a client, by their `client_id` or `azp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<T>,
    /// The tokens that a key verified, by its `kid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<T>,
    /// The issuer of the tokens: the `issuer` of a `TokenIssuer` document. Alone: all of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<T>,
    /// Only what was issued before this time: the `iat` of a token, the `notBefore` of a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<T>,
    /// A certificate, by its serial number in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<T>,
    /// The issuer of that certificate, as RFC 4514 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_issuer: Option<T>,
    /// Certificates with a public key, by the SHA-256 of its SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spki: Option<T>,
    /// A certificate, by its SHA-256: what XFCC `Hash` holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<T>,
    /// A workload, by its SPIFFE ID: its certificates, and its JWT-SVIDs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe: Option<T>,
    /// The reason, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<T>,
    /// The author, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<T>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<T>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<T>,
}

impl RevocationListSpec {
    /// The files that compiling needs. The list at `from` is not among them, since it is read beside the documents; the
    /// authorities of its server are.
    pub fn sources(&self) -> Vec<&Source> {
        let signed = self.signature.iter().map(|signature| &signature.from);
        let remote = self.from.iter().chain(signed).filter(|s| matches!(s, Source::Remote(_)));
        remote.chain(self.signature.iter().map(|signature| &signature.keys)).collect()
    }
}

impl<T> Default for RevocationEntrySpec<T> {
    fn default() -> Self {
        Self {
            jti: None,
            sub: None,
            sid: None,
            client: None,
            kid: None,
            issuer: None,
            issued_before: None,
            serial: None,
            certificate_issuer: None,
            spki: None,
            certificate: None,
            spiffe: None,
            reason: None,
            author: None,
            at: None,
            expires: None,
        }
    }
}

impl<T> RevocationEntrySpec<T> {
    /// Every field by its name, in the order in which people write them.
    pub fn fields(&self) -> [(&'static str, Option<&T>); 16] {
        [
            ("jti", self.jti.as_ref()),
            ("sub", self.sub.as_ref()),
            ("sid", self.sid.as_ref()),
            ("client", self.client.as_ref()),
            ("kid", self.kid.as_ref()),
            ("issuer", self.issuer.as_ref()),
            ("issuedBefore", self.issued_before.as_ref()),
            ("serial", self.serial.as_ref()),
            ("certificateIssuer", self.certificate_issuer.as_ref()),
            ("spki", self.spki.as_ref()),
            ("certificate", self.certificate.as_ref()),
            ("spiffe", self.spiffe.as_ref()),
            ("reason", self.reason.as_ref()),
            ("author", self.author.as_ref()),
            ("at", self.at.as_ref()),
            ("expires", self.expires.as_ref()),
        ]
    }

    /// The same with other texts.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> RevocationEntrySpec<U> {
        let mut change = |text: Option<T>| text.map(&mut change);
        RevocationEntrySpec {
            jti: change(self.jti),
            sub: change(self.sub),
            sid: change(self.sid),
            client: change(self.client),
            kid: change(self.kid),
            issuer: change(self.issuer),
            issued_before: change(self.issued_before),
            serial: change(self.serial),
            certificate_issuer: change(self.certificate_issuer),
            spki: change(self.spki),
            certificate: change(self.certificate),
            spiffe: change(self.spiffe),
            reason: change(self.reason),
            author: change(self.author),
            at: change(self.at),
            expires: change(self.expires),
        }
    }
}
