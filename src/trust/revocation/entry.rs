//! One entry of a revocation list, read strictly: the target, its limits, and who revoked it and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::EntryError;
use super::target::{RevocationKind, RevocationTarget};
use crate::clock::UnixTime;
use crate::document::RevocationEntrySpec;
use crate::secret::Fingerprint;

/// A revocation: the same type from the command line through requests, the shared store and documents to the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RevocationEntrySpec<String>", into = "RevocationEntrySpec<String>")]
pub struct RevocationEntry {
    target: RevocationTarget,
    issued_before: Option<UnixTime>,
    expires: Option<UnixTime>,
    note: RevocationNote,
}

/// The part of an entry that is for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RevocationNote {
    /// The reason.
    pub reason: Option<Box<str>>,
    /// The author.
    pub author: Option<Box<str>>,
    /// The time of the revocation.
    pub at: Option<UnixTime>,
}

const SELECTORS: &str = "`jti`, `sub`, `sid`, `client`, `kid`, `serial`, `spki`, `certificate`, `spiffe` or `issuer` alone";

impl RevocationEntry {
    /// Reads an entry.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(spec: &RevocationEntrySpec<String>) -> Result<Self, EntryError> {
        for (field, value) in spec.fields() {
            EntryError::check_text(field, value.map(String::as_str))?;
        }
        let (kind, value) = selected(spec)?;
        let issuer = spec.issuer.as_deref().filter(|_| kind != RevocationKind::Issuer);
        let target =
            RevocationTarget::read(kind, value, issuer, spec.certificate_issuer.as_deref())?;
        target.check_issued_before(spec.issued_before.as_deref())?;
        let text = |text: Option<&String>| text.map(|text| text.as_str().into());
        Ok(Self {
            target,
            issued_before: time("issuedBefore", spec.issued_before.as_ref())?,
            expires: time("expires", spec.expires.as_ref())?,
            note: RevocationNote {
                reason: text(spec.reason.as_ref()),
                author: text(spec.author.as_ref()),
                at: time("at", spec.at.as_ref())?,
            },
        })
    }

    /// The entry as documents and requests have it.
    pub fn spec(&self) -> RevocationEntrySpec<String> {
        let mut spec = RevocationEntrySpec {
            issued_before: self.issued_before.map(UnixTime::to_rfc3339),
            expires: self.expires.map(UnixTime::to_rfc3339),
            at: self.note.at.map(UnixTime::to_rfc3339),
            reason: self.note.reason.as_deref().map(str::to_owned),
            author: self.note.author.as_deref().map(str::to_owned),
            ..RevocationEntrySpec::default()
        };
        self.target.put(&mut spec);
        spec
    }

    /// The target.
    pub const fn target(&self) -> &RevocationTarget {
        &self.target
    }

    /// Only credentials that were issued before this time are revoked.
    pub const fn issued_before(&self) -> Option<UnixTime> {
        self.issued_before
    }

    /// The entry does not count from this time on.
    pub const fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// Checks that a new entry revokes something: one that is over never counts.
    ///
    /// # Errors
    /// A message that says what to write.
    pub fn check_not_over(&self, now: UnixTime) -> Result<(), String> {
        let Some(end) = self.expires.filter(|end| *end <= now) else { return Ok(()) };
        Err(format!(
            "`expires` is {}, which is past: the entry would revoke nothing; write a later time, or no `expires` for an entry without an end",
            end.to_rfc3339()
        ))
    }

    /// Who, when and why.
    pub const fn note(&self) -> &RevocationNote {
        &self.note
    }

    /// Names the entry: the same for one target with the same limits, whatever its author and reason.
    pub fn id(&self) -> [u8; 32] {
        let millis = |at: Option<UnixTime>| at.map_or(i64::MIN, UnixTime::as_millis).to_be_bytes();
        let parts = [&self.target.digest()[..], &millis(self.issued_before), &millis(self.expires)];
        *Fingerprint::of(&parts.concat()).as_bytes()
    }
}

impl TryFrom<RevocationEntrySpec<String>> for RevocationEntry {
    type Error = EntryError;

    fn try_from(spec: RevocationEntrySpec<String>) -> Result<Self, EntryError> {
        Self::read(&spec)
    }
}

impl From<RevocationEntry> for RevocationEntrySpec<String> {
    fn from(entry: RevocationEntry) -> Self {
        entry.spec()
    }
}

/// The kind and the value of the one target that the entry names.
fn selected(spec: &RevocationEntrySpec<String>) -> Result<(RevocationKind, &str), EntryError> {
    let mut named = spec.fields().into_iter().filter_map(|(field, value)| {
        let kind = RevocationKind::named(field).filter(|kind| *kind != RevocationKind::Issuer)?;
        Some((kind, value?.as_str()))
    });
    let first = named.next();
    if let Some((second, _)) = named.next() {
        let message = format!("the entry has several targets, expected one of {SELECTORS}");
        return Err(EntryError::at(second.as_str(), message));
    }
    let issuer = spec.issuer.as_deref().map(|issuer| (RevocationKind::Issuer, issuer));
    first.or(issuer).ok_or_else(|| EntryError {
        field: None,
        message: format!("the entry has no target, expected one of {SELECTORS}"),
    })
}

fn time(field: &'static str, text: Option<&String>) -> Result<Option<UnixTime>, EntryError> {
    let read = |text: &String| {
        parse_time(text).ok_or_else(|| {
            let message =
                format!("`{field}` is not a time, expected one such as `2026-11-22T03:00:00Z`");
            EntryError::at(field, message)
        })
    };
    text.map(read).transpose()
}

/// A whole second, rounded up: an entry revokes a moment too much rather than too little.
pub(super) fn parse_time(text: &str) -> Option<UnixTime> {
    let at = UnixTime::from_rfc3339(text)?;
    Some(UnixTime::from_secs(at.as_millis().saturating_add(999).div_euclid(1000)))
}

#[cfg(test)]
mod tests;
