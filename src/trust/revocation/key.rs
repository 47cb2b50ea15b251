//! What can be revoked, each thing as one short key: lists of a million entries are looked up and kept by it.

use aws_lc_rs::digest::{Context, SHA256};

use crate::document::RevocationEntrySpec;
use crate::secret::Fingerprint;
use crate::trust::CanonicalName;

/// The kinds of things that can be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevocationKind {
    /// One token: `jti` and issuer.
    Token,
    /// The tokens of a subject: `sub` and issuer.
    Subject,
    /// The tokens of a session: `sid` and issuer.
    Session,
    /// The tokens of a client: `client_id` or `azp`, and issuer.
    Client,
    /// The tokens that a key verified: `kid` and issuer.
    Key,
    /// All tokens of an issuer.
    Issuer,
    /// A certificate: serial number and issuer.
    Serial,
    /// The certificates with a public key.
    Spki,
    /// A certificate, by its SHA-256.
    Certificate,
    /// A workload, by its SPIFFE ID.
    Spiffe,
}

/// One thing that may be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationKey<'a> {
    /// Something of a token issuer, by the issuer's name and its own.
    OfIssuer(RevocationKind, &'a str, &'a str),
    /// All tokens of an issuer.
    Issuer(&'a str),
    /// A certificate: serial number in lower-case hexadecimal, and issuer as RFC 4514 text.
    Serial(&'a str, &'a str),
    /// SHA-256 of a SubjectPublicKeyInfo.
    Spki(&'a Fingerprint),
    /// SHA-256 of a certificate.
    Certificate(&'a Fingerprint),
    /// A SPIFFE ID.
    Spiffe(&'a str),
}

/// One thing that may be revoked, worked out once for what is asked about again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationMark {
    pub(super) kind: RevocationKind,
    pub(super) key: ShortKey,
}

/// The first half of a SHA-256: whoever finds another text with the same key gets that refused, and nothing more.
pub(super) type ShortKey = [u8; 16];

// === impl RevocationKind ===

impl RevocationKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Token,
        Self::Subject,
        Self::Session,
        Self::Client,
        Self::Key,
        Self::Issuer,
        Self::Serial,
        Self::Spki,
        Self::Certificate,
        Self::Spiffe,
    ];

    /// The field of an entry that names the thing.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Token => "jti",
            Self::Subject => "sub",
            Self::Session => "sid",
            Self::Client => "client",
            Self::Key => "kid",
            Self::Issuer => "issuer",
            Self::Serial => "serial",
            Self::Spki => "spki",
            Self::Certificate => "certificate",
            Self::Spiffe => "spiffe",
        }
    }

    /// The kind whose entries have the field `name`.
    #[must_use]
    pub fn of_field(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.field() == name)
    }

    /// What is revoked, in a sentence.
    #[must_use]
    pub const fn thing(self) -> &'static str {
        match self {
            Self::Token => "the token",
            Self::Subject => "the token's subject",
            Self::Session => "the token's session",
            Self::Client => "the token's client",
            Self::Key => "the token's key",
            Self::Issuer => "the token's issuer",
            Self::Serial | Self::Certificate => "the certificate",
            Self::Spki => "the certificate's public key",
            Self::Spiffe => "the workload's SPIFFE ID",
        }
    }

    /// Whether it needs `issuer` beside it.
    #[must_use]
    pub const fn is_of_issuer(self) -> bool {
        matches!(self, Self::Token | Self::Subject | Self::Session | Self::Client | Self::Key)
    }

    /// Writes `value` where an entry of this kind has it.
    pub(super) fn put(self, value: String, spec: &mut RevocationEntrySpec<String>) {
        let place = match self {
            Self::Token => &mut spec.jti,
            Self::Subject => &mut spec.sub,
            Self::Session => &mut spec.sid,
            Self::Client => &mut spec.client,
            Self::Key => &mut spec.kid,
            Self::Issuer => &mut spec.issuer,
            Self::Serial => &mut spec.serial,
            Self::Spki => &mut spec.spki,
            Self::Certificate => &mut spec.certificate,
            Self::Spiffe => &mut spec.spiffe,
        };
        *place = Some(value);
    }

    /// A bit of its own.
    pub(super) const fn bit(self) -> u16 {
        let place = match self {
            Self::Token => 0,
            Self::Subject => 1,
            Self::Session => 2,
            Self::Client => 3,
            Self::Key => 4,
            Self::Issuer => 5,
            Self::Serial => 6,
            Self::Spki => 7,
            Self::Certificate => 8,
            Self::Spiffe => 9,
        };
        1 << place
    }
}

// === impl RevocationKey ===

impl RevocationKey<'_> {
    /// What kind of thing it is.
    #[must_use]
    pub const fn kind(&self) -> RevocationKind {
        match self {
            Self::OfIssuer(kind, ..) => *kind,
            Self::Issuer(_) => RevocationKind::Issuer,
            Self::Serial(..) => RevocationKind::Serial,
            Self::Spki(_) => RevocationKind::Spki,
            Self::Certificate(_) => RevocationKind::Certificate,
            Self::Spiffe(_) => RevocationKind::Spiffe,
        }
    }

    /// All of it in 32 bytes, in a form in which no two things look the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let name;
        let (first, second): (&[u8], &[u8]) = match self {
            Self::OfIssuer(_, issuer, value) => (issuer.as_bytes(), value.as_bytes()),
            Self::Issuer(issuer) => (issuer.as_bytes(), b""),
            Self::Serial(serial, issuer) => {
                name = CanonicalName::of_certificate(issuer);
                (serial.as_bytes(), name.as_str().as_bytes())
            }
            Self::Spki(print) | Self::Certificate(print) => (print.as_bytes(), b""),
            Self::Spiffe(id) => (id.as_bytes(), b""),
        };
        let mut context = Context::new(&SHA256);
        context.update(&self.kind().bit().to_be_bytes());
        // The length keeps the first text apart from the second.
        context.update(&first.len().to_be_bytes());
        context.update(first);
        context.update(second);
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        out
    }

    /// The same to be kept and asked about again.
    #[must_use]
    pub fn mark(&self) -> RevocationMark {
        RevocationMark { kind: self.kind(), key: self.short() }
    }

    pub(super) fn short(&self) -> ShortKey {
        short(&self.digest())
    }
}

pub(super) fn short(digest: &[u8; 32]) -> ShortKey {
    let mut out = ShortKey::default();
    out.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    out
}

/// A serial number as certificates are compared by: lower-case hexadecimal without colons, `0x` and leading zeros.
///
/// `None` where it is anything else.
pub(super) fn canonical_serial(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase().replace(':', "");
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    let hex =
        !digits.is_empty() && digits.len() <= 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = digits.trim_start_matches('0');
    hex.then(|| if digits.is_empty() { String::from("0") } else { digits.to_owned() })
}

/// Whether a serial number is written as tools print decimal ones: more than 16 digits (8 bytes), and none of them a letter. A
/// hexadecimal one hardly ever looks so; `0x` or colons say that it is one.
pub(super) fn is_decimal_serial(text: &str) -> bool {
    let digits = text.trim();
    digits.len() > 16 && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_things_have_one_key() {
        use RevocationKind::{Client, Session, Subject, Token};
        let print = Fingerprint::of(b"a");
        let keys = [
            RevocationKey::OfIssuer(Token, "ab", "c"),
            RevocationKey::OfIssuer(Token, "a", "bc"),
            RevocationKey::OfIssuer(Subject, "ab", "c"),
            RevocationKey::OfIssuer(Session, "ab", "c"),
            RevocationKey::OfIssuer(Client, "ab", "c"),
            RevocationKey::OfIssuer(RevocationKind::Key, "ab", "c"),
            RevocationKey::Issuer("abc"),
            RevocationKey::Serial("ab", "c"),
            RevocationKey::Spki(&print),
            RevocationKey::Certificate(&print),
            RevocationKey::Spiffe("abc"),
        ];
        let mut digests: Vec<_> = keys.iter().map(RevocationKey::short).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), keys.len());
        let bits = RevocationKind::ALL.iter().fold(0, |all, kind| all | kind.bit());
        assert_eq!(bits.count_ones(), 10);
        for kind in RevocationKind::ALL {
            assert_eq!(RevocationKind::of_field(kind.field()), Some(kind));
        }
    }

    #[test]
    fn serial_numbers_are_compared_as_numbers() {
        for text in ["0A:1b", "a1b", "0x0a1B", " 00A1B"] {
            assert_eq!(canonical_serial(text).as_deref(), Some("a1b"), "{text}");
        }
        assert_eq!(canonical_serial("00").as_deref(), Some("0"));
        for text in ["", "0x", "xyz", "-1", &"1".repeat(65)] {
            assert_eq!(canonical_serial(text), None, "{text}");
        }
    }

    /// P116: an entry finds the certificate however its issuer is written.
    #[test]
    fn names_are_compared_however_a_tool_writes_them() {
        let key = |name| RevocationKey::Serial("1", name).digest();
        let name = key("CN=prod CA,O=Example\\, Inc,C=CH");
        for same in [
            "C = CH, O = Example\\, Inc, CN = prod CA",
            "c=CH,o=Example\\, Inc,cn=prod CA",
            "CN=PROD CA,O=Example\\, Inc,C=CH",
            "2.5.4.3=prod ca,O=Example\\, Inc,C=CH",
        ] {
            assert_eq!(key(same), name, "{same}");
        }
        for other in ["CN=prod CA,O=Example", "CN=prodCA,O=Example\\, Inc,C=CH", ""] {
            assert_ne!(key(other), name, "{other}");
        }
    }
}
