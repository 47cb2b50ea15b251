//! The things that can be revoked. Lists of a million entries are searched by a short key of each.

use aws_lc_rs::digest::{Context, SHA256};

use super::error::EntryError;
use crate::document::RevocationEntrySpec;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::trust::domain::sha256;
use crate::trust::name::CanonicalName;
use crate::words::words;

words! {
    /// The kinds of things that can be revoked, each by the field of an entry that has the value.
    pub enum RevocationKind {
        /// One token: `jti` and issuer.
        Token "jti",
        /// The tokens of a subject: `sub` and issuer.
        Subject "sub",
        /// The tokens of a session: `sid` and issuer.
        Session "sid",
        /// The tokens of a client: `client_id` or `azp`, and issuer.
        Client "client",
        /// The tokens that a key verified: `kid` and issuer.
        Key "kid",
        /// All tokens of an issuer.
        Issuer "issuer",
        /// A certificate: serial number and issuer.
        Serial "serial",
        /// The certificates with a public key.
        Spki "spki",
        /// A certificate, by its SHA-256.
        Certificate "certificate",
        /// A workload, by its SPIFFE ID.
        Spiffe "spiffe",
    }
}

/// One thing that can be revoked: owned by an entry, borrowed from a credential that is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationTarget<S = Box<str>> {
    /// Something of a token issuer, by the issuer's name and its own.
    OfIssuer(RevocationKind, S, S),
    /// All tokens of an issuer.
    Issuer(S),
    /// A certificate: serial number in lower-case hexadecimal, and issuer as RFC 4514 text.
    Serial(S, S),
    /// SHA-256 of a SubjectPublicKeyInfo.
    Spki(Fingerprint),
    /// SHA-256 of a certificate.
    Certificate(Fingerprint),
    /// A SPIFFE ID.
    Spiffe(S),
}

/// The short key of a target, computed once for a target that is looked up for every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationMark {
    pub(super) kind: RevocationKind,
    pub(super) key: ShortKey,
}

/// The first half of a SHA-256. Another text with the same key would be refused too; nothing that is revoked would pass.
pub(super) type ShortKey = [u8; 16];

impl RevocationKind {
    /// Its name in a sentence, and a bit of its own.
    const fn row(self) -> (&'static str, u16) {
        match self {
            Self::Token => ("the token", 1),
            Self::Subject => ("the token's subject", 1 << 1),
            Self::Session => ("the token's session", 1 << 2),
            Self::Client => ("the token's client", 1 << 3),
            Self::Key => ("the token's key", 1 << 4),
            Self::Issuer => ("the token's issuer", 1 << 5),
            Self::Serial => ("the certificate", 1 << 6),
            Self::Spki => ("the certificate's public key", 1 << 7),
            Self::Certificate => ("the certificate", 1 << 8),
            Self::Spiffe => ("the workload's SPIFFE ID", 1 << 9),
        }
    }

    /// The name of the target in a sentence.
    pub const fn noun(self) -> &'static str {
        self.row().0
    }

    /// True if it needs `issuer` beside it.
    pub const fn is_of_issuer(self) -> bool {
        matches!(self, Self::Token | Self::Subject | Self::Session | Self::Client | Self::Key)
    }

    pub(super) const fn bit(self) -> u16 {
        self.row().1
    }
}

impl RevocationTarget {
    /// Reads the target of an entry, in the form in which targets are compared.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn read(
        kind: RevocationKind,
        value: &str,
        issuer: Option<&str>,
        certificate_issuer: Option<&str>,
    ) -> Result<Self, EntryError> {
        let field = kind.as_str();
        let wrong = |expected: &str| EntryError::at(field, format!("`{field}` is not {expected}"));
        EntryError::check_text(field, Some(value))?;
        EntryError::check_text("issuer", issuer)?;
        EntryError::check_text("certificateIssuer", certificate_issuer)?;
        if kind != RevocationKind::Serial {
            EntryError::forbid("certificateIssuer", certificate_issuer, "it belongs to `serial`")?;
        }
        if !kind.is_of_issuer() {
            let why = match kind == RevocationKind::Serial {
                true => "the issuer of a certificate is `certificateIssuer`",
                false => "it belongs to targets of a token issuer",
            };
            EntryError::forbid("issuer", issuer, why)?;
        }
        let print = || {
            sha256(value).ok_or_else(|| {
                wrong("a SHA-256, expected 64 hexadecimal digits or 32 bytes in base64")
            })
        };
        match kind {
            RevocationKind::Token
            | RevocationKind::Subject
            | RevocationKind::Session
            | RevocationKind::Client
            | RevocationKind::Key => {
                let issuer = issuer.ok_or_else(|| EntryError::without(field, "issuer"))?;
                Ok(Self::OfIssuer(kind, issuer.into(), value.into()))
            }
            RevocationKind::Issuer => Ok(Self::Issuer(value.into())),
            RevocationKind::Serial => read_serial(value, certificate_issuer),
            RevocationKind::Spki => print().map(Self::Spki),
            RevocationKind::Certificate => print().map(Self::Certificate),
            RevocationKind::Spiffe => {
                let id: SpiffeId =
                    value.parse().map_err(|error| wrong(&format!("a SPIFFE ID: {error}")))?;
                if id.path().is_empty() {
                    return Err(wrong(
                        "the ID of a workload: it names a trust domain, and no certificate has such an ID",
                    ));
                }
                Ok(Self::Spiffe(id.as_str().into()))
            }
        }
    }

    /// Refuses `issuedBefore` beside a target that is issued once.
    pub(super) fn check_issued_before(&self, given: Option<&str>) -> Result<(), EntryError> {
        match self {
            Self::OfIssuer(RevocationKind::Token, ..) => {
                EntryError::forbid("issuedBefore", given, "one token is issued once")
            }
            Self::Certificate(_) | Self::Serial(..) => {
                EntryError::forbid("issuedBefore", given, "one certificate is issued once")
            }
            Self::OfIssuer(..) | Self::Issuer(_) | Self::Spki(_) | Self::Spiffe(_) => Ok(()),
        }
    }

    /// Writes the target as documents and requests have it.
    pub(super) fn put(&self, spec: &mut RevocationEntrySpec<String>) {
        match self {
            Self::OfIssuer(_, issuer, _) => spec.issuer = Some(issuer.to_string()),
            Self::Serial(_, issuer) => spec.certificate_issuer = Some(issuer.to_string()),
            Self::Issuer(_) | Self::Spki(_) | Self::Certificate(_) | Self::Spiffe(_) => {}
        }
        let place = match self.kind() {
            RevocationKind::Token => &mut spec.jti,
            RevocationKind::Subject => &mut spec.sub,
            RevocationKind::Session => &mut spec.sid,
            RevocationKind::Client => &mut spec.client,
            RevocationKind::Key => &mut spec.kid,
            RevocationKind::Issuer => &mut spec.issuer,
            RevocationKind::Serial => &mut spec.serial,
            RevocationKind::Spki => &mut spec.spki,
            RevocationKind::Certificate => &mut spec.certificate,
            RevocationKind::Spiffe => &mut spec.spiffe,
        };
        *place = Some(self.value());
    }

    /// The value of the field that [`RevocationKind::as_str`] names.
    pub fn value(&self) -> String {
        match self {
            // Without `0x` it would be read again as a decimal number.
            Self::Serial(serial, _) if is_decimal_serial(serial) => format!("0x{serial}"),
            Self::OfIssuer(_, _, text)
            | Self::Issuer(text)
            | Self::Serial(text, _)
            | Self::Spiffe(text) => text.to_string(),
            Self::Spki(print) | Self::Certificate(print) => print.to_hex(),
        }
    }

    /// The issuer of the tokens.
    pub fn token_issuer(&self) -> Option<&str> {
        match self {
            Self::OfIssuer(_, issuer, _) | Self::Issuer(issuer) => Some(issuer),
            Self::Serial(..) | Self::Spki(_) | Self::Certificate(_) | Self::Spiffe(_) => None,
        }
    }

    /// The issuer of the certificate that has the serial number.
    pub fn certificate_issuer(&self) -> Option<&str> {
        if let Self::Serial(_, issuer) = self { Some(issuer) } else { None }
    }
}

impl<S: AsRef<str>> RevocationTarget<S> {
    /// The kind of the target.
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

    /// The target in 32 bytes, in a form in which no two targets are the same.
    pub fn digest(&self) -> [u8; 32] {
        let name;
        let (first, second): (&[u8], &[u8]) = match self {
            Self::OfIssuer(_, issuer, value) => {
                (issuer.as_ref().as_bytes(), value.as_ref().as_bytes())
            }
            Self::Serial(serial, issuer) => {
                name = CanonicalName::of_certificate(issuer.as_ref());
                (serial.as_ref().as_bytes(), name.as_str().as_bytes())
            }
            Self::Spki(print) | Self::Certificate(print) => (print.as_bytes(), b""),
            Self::Issuer(text) | Self::Spiffe(text) => (text.as_ref().as_bytes(), b""),
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

    /// The short key, for a target that is looked up again and again.
    pub fn mark(&self) -> RevocationMark {
        let mut key = ShortKey::default();
        key.iter_mut().zip(self.digest()).for_each(|(to, from)| *to = from);
        RevocationMark { kind: self.kind(), key }
    }
}

fn read_serial(
    value: &str,
    certificate_issuer: Option<&str>,
) -> Result<RevocationTarget, EntryError> {
    let field = RevocationKind::Serial.as_str();
    let name = certificate_issuer.ok_or_else(|| EntryError::without(field, "certificateIssuer"))?;
    CanonicalName::read(name).map_err(|why| {
        let message = format!("`certificateIssuer` is not the name of a CA: {why}");
        EntryError::at("certificateIssuer", message)
    })?;
    if is_decimal_serial(value) {
        let message = format!(
            "`{field}` looks like a decimal number, expected hexadecimal digits: convert it, or write `0x` before it where it is hexadecimal"
        );
        return Err(EntryError::at(field, message));
    }
    let serial = canonical_serial(value).ok_or_else(|| {
        let message =
            format!("`{field}` is not a serial number, expected up to 64 hexadecimal digits");
        EntryError::at(field, message)
    })?;
    Ok(RevocationTarget::Serial(serial.into(), name.into()))
}

/// A serial number as certificates are compared by: lower-case hexadecimal without colons, `0x` and leading zeros.
///
/// `None` where it is anything else.
fn canonical_serial(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase().replace(':', "");
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    let hex =
        !digits.is_empty() && digits.len() <= 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = digits.trim_start_matches('0');
    hex.then(|| if digits.is_empty() { String::from("0") } else { digits.to_owned() })
}

/// True if a serial number is written as tools print decimal ones: more than 16 digits (8 bytes), and none of them a letter. A
/// hexadecimal one hardly ever looks so; `0x` or colons say that it is one.
fn is_decimal_serial(text: &str) -> bool {
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
            RevocationTarget::OfIssuer(Token, "ab", "c"),
            RevocationTarget::OfIssuer(Token, "a", "bc"),
            RevocationTarget::OfIssuer(Subject, "ab", "c"),
            RevocationTarget::OfIssuer(Session, "ab", "c"),
            RevocationTarget::OfIssuer(Client, "ab", "c"),
            RevocationTarget::OfIssuer(RevocationKind::Key, "ab", "c"),
            RevocationTarget::Issuer("abc"),
            RevocationTarget::Serial("ab", "c"),
            RevocationTarget::Spki(print),
            RevocationTarget::Certificate(print),
            RevocationTarget::Spiffe("abc"),
        ];
        let mut digests: Vec<_> = keys.iter().map(|key| key.mark().key).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), keys.len());
        let bits = RevocationKind::ALL.iter().fold(0, |all, kind| all | kind.bit());
        assert_eq!(bits.count_ones(), 10);
        for kind in RevocationKind::ALL {
            assert_eq!(RevocationKind::named(kind.as_str()), Some(kind));
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
        let key = |name| RevocationTarget::Serial("1", name).digest();
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
