//! One entry of a revocation list, read strictly: what is revoked, until when, by whom and why.

use crate::clock::UnixTime;
use crate::document::RevocationEntrySpec;
use crate::limits::MAX_REVOCATION_TEXT_BYTES;
use crate::secret::{Fingerprint, hex};
use crate::spiffe::SpiffeId;
use crate::trust::CanonicalName;
use crate::trust::domain::sha256;

use super::key::{RevocationKey, RevocationKind, canonical_serial, is_decimal_serial};

/// Something that is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationEntry {
    kind: RevocationKind,
    value: String,
    /// The issuer of a token or of a certificate; empty where the kind has none.
    issuer: String,
    issued_before: Option<UnixTime>,
    expires: Option<UnixTime>,
    note: RevocationNote,
}

/// What people want to know about an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RevocationNote {
    /// Why.
    pub reason: Option<Box<str>>,
    /// Who did it.
    pub author: Option<Box<str>>,
    /// When it was done.
    pub at: Option<UnixTime>,
}

/// Why something is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EntryError {
    /// The field that is wrong; none where the entry as a whole is.
    pub field: Option<&'static str>,
    /// What is wrong with it; never a value.
    pub message: String,
}

const SELECTORS: &str = "`jti`, `sub`, `sid`, `client`, `kid`, `serial`, `spki`, `certificate`, `spiffe` or `issuer` alone";

// === impl RevocationEntry ===

impl RevocationEntry {
    /// Reads an entry.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(spec: &RevocationEntrySpec<String>) -> Result<Self, EntryError> {
        for (field, value) in spec.fields() {
            check_text(field, value)?;
        }
        let (kind, value) = selected(spec)?;
        let issuer = check_issuer(kind, spec)?;
        if kind == RevocationKind::Certificate || kind == RevocationKind::Serial {
            forbid("issuedBefore", spec.issued_before.as_ref(), "one certificate is issued once")?;
        }
        if kind == RevocationKind::Token {
            forbid("issuedBefore", spec.issued_before.as_ref(), "one token is issued once")?;
        }
        let text = |text: Option<&String>| text.map(|text| text.as_str().into());
        Ok(Self {
            kind,
            value: canonical(kind, value)?,
            issuer,
            issued_before: moment("issuedBefore", spec.issued_before.as_ref())?,
            expires: moment("expires", spec.expires.as_ref())?,
            note: RevocationNote {
                reason: text(spec.reason.as_ref()),
                author: text(spec.author.as_ref()),
                at: moment("at", spec.at.as_ref())?,
            },
        })
    }

    /// The entry as people write it.
    #[must_use]
    pub fn spec(&self) -> RevocationEntrySpec<String> {
        let mut spec = RevocationEntrySpec {
            issued_before: self.issued_before.map(UnixTime::to_rfc3339),
            expires: self.expires.map(UnixTime::to_rfc3339),
            at: self.note.at.map(UnixTime::to_rfc3339),
            reason: self.note.reason.as_deref().map(str::to_owned),
            author: self.note.author.as_deref().map(str::to_owned),
            ..RevocationEntrySpec::default()
        };
        // Without `0x` it would be taken for a decimal number when it is read again.
        let decimal = self.kind == RevocationKind::Serial && is_decimal_serial(&self.value);
        let value = if decimal { format!("0x{}", self.value) } else { self.value.clone() };
        self.kind.put(value, &mut spec);
        if self.kind.is_of_issuer() {
            spec.issuer = Some(self.issuer.clone());
        }
        if self.kind == RevocationKind::Serial {
            spec.certificate_issuer = Some(self.issuer.clone());
        }
        spec
    }

    /// What kind of thing is revoked.
    #[must_use]
    pub const fn kind(&self) -> RevocationKind {
        self.kind
    }

    /// The issuer of the tokens that it is about.
    #[must_use]
    pub fn token_issuer(&self) -> Option<&str> {
        if self.kind == RevocationKind::Issuer {
            return Some(&self.value);
        }
        self.kind.is_of_issuer().then_some(self.issuer.as_str())
    }

    /// The issuer of the certificate that it is about.
    #[must_use]
    pub fn certificate_issuer(&self) -> Option<&str> {
        (self.kind == RevocationKind::Serial).then_some(self.issuer.as_str())
    }

    /// The SPIFFE ID that it is about.
    #[must_use]
    pub fn spiffe(&self) -> Option<&str> {
        (self.kind == RevocationKind::Spiffe).then_some(self.value.as_str())
    }

    /// Only what was issued before this is revoked.
    #[must_use]
    pub const fn issued_before(&self) -> Option<UnixTime> {
        self.issued_before
    }

    /// From when on it does not count any more.
    #[must_use]
    pub const fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// Who, when and why.
    #[must_use]
    pub const fn note(&self) -> &RevocationNote {
        &self.note
    }

    /// Names the entry: the same for the same thing with the same limits, whoever wrote it and why.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let seconds = |at: Option<UnixTime>| at.map_or(i64::MIN, UnixTime::as_millis).to_be_bytes();
        let parts = [&self.digest()[..], &seconds(self.issued_before), &seconds(self.expires)];
        *Fingerprint::of(&parts.concat()).as_bytes()
    }

    /// The name as people write it: 16 hexadecimal digits.
    #[must_use]
    pub fn short_id(&self) -> String {
        hex(self.id().get(..8).unwrap_or_default())
    }

    /// The thing in 32 bytes, however it is limited.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        // Fingerprints are kept as the digits that they were read from.
        let print = Fingerprint::from_hex(&self.value);
        match (self.kind, &print) {
            (RevocationKind::Spki, Some(print)) => RevocationKey::Spki(print),
            (RevocationKind::Certificate, Some(print)) => RevocationKey::Certificate(print),
            (RevocationKind::Issuer, _) => RevocationKey::Issuer(&self.value),
            (RevocationKind::Serial, _) => RevocationKey::Serial(&self.value, &self.issuer),
            (RevocationKind::Spiffe, _) => RevocationKey::Spiffe(&self.value),
            (kind, _) => RevocationKey::OfIssuer(kind, &self.issuer, &self.value),
        }
        .digest()
    }

    /// Whether it still counts at `now`.
    #[must_use]
    pub fn counts_at(&self, now: UnixTime) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

fn check_text(field: &'static str, value: Option<&String>) -> Result<(), EntryError> {
    let Some(text) = value else { return Ok(()) };
    if text.is_empty() {
        return Err(EntryError::at(field, format!("`{field}` is empty")));
    }
    if text.len() > MAX_REVOCATION_TEXT_BYTES {
        let message = format!("`{field}` is longer than {MAX_REVOCATION_TEXT_BYTES} bytes");
        return Err(EntryError::at(field, message));
    }
    if text.chars().any(char::is_control) {
        return Err(EntryError::at(field, format!("`{field}` has a control character")));
    }
    Ok(())
}

/// The one thing that the entry names.
fn selected(spec: &RevocationEntrySpec<String>) -> Result<(RevocationKind, &str), EntryError> {
    let mut named = spec.fields().into_iter().filter_map(|(field, value)| {
        let kind =
            RevocationKind::of_field(field).filter(|kind| *kind != RevocationKind::Issuer)?;
        Some((kind, value?.as_str()))
    });
    let first = named.next();
    if let Some((second, _)) = named.next() {
        let message = format!("names several things, expected one of {SELECTORS}");
        return Err(EntryError::at(second.field(), message));
    }
    let issuer = spec.issuer.as_deref().map(|issuer| (RevocationKind::Issuer, issuer));
    first.or(issuer).ok_or_else(|| EntryError {
        field: None,
        message: format!("names nothing, expected one of {SELECTORS}"),
    })
}

/// What must stand beside the thing, and what must not.
fn check_issuer(
    kind: RevocationKind,
    spec: &RevocationEntrySpec<String>,
) -> Result<String, EntryError> {
    let missing = |wanted: &str| EntryError {
        field: Some(kind.field()),
        message: format!(
            "`{}` is without `{wanted}`: it names something of one issuer only",
            kind.field()
        ),
    };
    if kind == RevocationKind::Serial {
        forbid(
            "issuer",
            spec.issuer.as_ref(),
            "the issuer of a certificate is `certificateIssuer`",
        )?;
        let name = spec.certificate_issuer.clone().ok_or_else(|| missing("certificateIssuer"))?;
        CanonicalName::read(&name).map_err(|why| {
            let message = format!("`certificateIssuer` is not the name of a CA: {why}");
            EntryError::at("certificateIssuer", message)
        })?;
        return Ok(name);
    }
    forbid("certificateIssuer", spec.certificate_issuer.as_ref(), "it belongs to `serial`")?;
    if kind.is_of_issuer() {
        return spec.issuer.clone().ok_or_else(|| missing("issuer"));
    }
    if kind != RevocationKind::Issuer {
        forbid("issuer", spec.issuer.as_ref(), "it belongs to what is revoked of a token issuer")?;
    }
    Ok(String::new())
}

fn forbid(field: &'static str, value: Option<&String>, why: &str) -> Result<(), EntryError> {
    match value {
        None => Ok(()),
        Some(_) => Err(EntryError::at(field, format!("`{field}` does not belong here: {why}"))),
    }
}

/// The value in the one form in which it is compared.
fn canonical(kind: RevocationKind, value: &str) -> Result<String, EntryError> {
    let field = kind.field();
    let wrong = |expected: &str| EntryError::at(field, format!("`{field}` is not {expected}"));
    match kind {
        RevocationKind::Serial if is_decimal_serial(value) => Err(EntryError::at(
            field,
            format!(
                "`{field}` looks like a decimal number, expected hexadecimal digits: convert it, or write `0x` before it where it is hexadecimal"
            ),
        )),
        RevocationKind::Serial => canonical_serial(value)
            .ok_or_else(|| wrong("a serial number, expected up to 64 hexadecimal digits")),
        RevocationKind::Spki | RevocationKind::Certificate => {
            sha256(value).map(|print| print.to_hex()).ok_or_else(|| {
                wrong("a SHA-256, expected 64 hexadecimal digits or 32 bytes in base64")
            })
        }
        RevocationKind::Spiffe => {
            let id: SpiffeId =
                value.parse().map_err(|error| wrong(&format!("a SPIFFE ID: {error}")))?;
            if id.path().is_empty() {
                return Err(wrong(
                    "the ID of a workload: it names a trust domain, and no certificate has such an ID",
                ));
            }
            Ok(id.as_str().to_owned())
        }
        RevocationKind::Token
        | RevocationKind::Subject
        | RevocationKind::Session
        | RevocationKind::Client
        | RevocationKind::Key
        | RevocationKind::Issuer => Ok(value.to_owned()),
    }
}

fn moment(field: &'static str, text: Option<&String>) -> Result<Option<UnixTime>, EntryError> {
    let read = |text: &String| {
        parse_moment(text).ok_or_else(|| {
            let message =
                format!("`{field}` is not a time, expected one such as `2026-11-22T03:00:00Z`");
            EntryError::at(field, message)
        })
    };
    text.map(read).transpose()
}

/// A whole second, rounded up: an entry is a moment too wide rather than too narrow.
pub(super) fn parse_moment(text: &str) -> Option<UnixTime> {
    let at = UnixTime::from_rfc3339(text)?;
    Some(UnixTime::from_secs(at.as_millis().saturating_add(999).div_euclid(1000)))
}

// === impl EntryError ===

impl EntryError {
    pub(super) fn at(field: &'static str, message: String) -> Self {
        Self { field: Some(field), message }
    }
}

#[cfg(test)]
mod tests;
