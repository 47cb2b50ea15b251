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
    /// The source of more entries, in the line form (docs/revocation.md): read beside the documents, again and again.
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

macro_rules! entry {
    ($($(#[$doc:meta])+ $field:ident $name:literal;)+) => {
        /// One revoked thing, with texts of the kind `T`: with their places in a document, plain elsewhere.
        ///
        /// Exactly one of `jti`, `sub`, `sid`, `client`, `kid` (each with `issuer`), `serial` (with `certificateIssuer`), `spki`,
        /// `certificate` and `spiffe` is there, or `issuer` alone.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[schemars(rename = "RevocationEntrySpec")]
        pub struct RevocationEntrySpec<T> {
            $(
                $(#[$doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<T>,
            )+
        }

        impl<T> RevocationEntrySpec<T> {
            /// Every field by its name, in the order in which people write them.
            pub fn fields(&self) -> [(&'static str, Option<&T>); 16] {
                [$(($name, self.$field.as_ref()),)+]
            }

            /// The same with other texts.
            pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> RevocationEntrySpec<U> {
                RevocationEntrySpec { $($field: self.$field.map(&mut change),)+ }
            }
        }
    };
}

entry! {
    /// One token, by its `jti`.
    jti "jti";
    /// The tokens of a subject, by their `sub`.
    sub "sub";
    /// The tokens of a session, by their `sid`.
    sid "sid";
    /// The tokens of a client, by their `client_id` or `azp`.
    client "client";
    /// The tokens that a key verified, by its `kid`.
    kid "kid";
    /// The issuer of the tokens: the `issuer` of a `TokenIssuer` document. Alone: all of its tokens.
    issuer "issuer";
    /// Only what was issued before this time: the `iat` of a token, the `notBefore` of a certificate.
    issued_before "issuedBefore";
    /// A certificate, by its serial number in hexadecimal.
    serial "serial";
    /// The issuer of that certificate, as RFC 4514 text.
    certificate_issuer "certificateIssuer";
    /// Certificates with a public key, by the SHA-256 of its SubjectPublicKeyInfo.
    spki "spki";
    /// A certificate, by its SHA-256: what XFCC `Hash` holds.
    certificate "certificate";
    /// A workload, by its SPIFFE ID: its certificates, and its JWT-SVIDs.
    spiffe "spiffe";
    /// The reason, for people.
    reason "reason";
    /// The author, for people.
    author "author";
    /// When it was done.
    at "at";
    /// When it ends.
    expires "expires";
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
