//! The line form of a list, which programs write by the million and people can still read.
//!
//! ```text
//! countersign-revocations/1
//! @sequence 42
//! @next-update 2026-11-22T04:00:00Z
//! @issuer https://login.example.com
//! @reason laptop stolen
//! jti 550e8400-e29b-41d4-a716-446655440000
//! sub alice issued-before=2026-11-22T03:00:00Z expires=2026-11-23T03:00:00Z
//! spiffe spiffe://prod.example/ns/web/sa/frontend
//! ```
//!
//! A line that begins with `@` is about the list, or about all entries after it. The value of an entry has no spaces; `%20`
//! stands for one, `%25` for the percent sign itself.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use super::entry::{RevocationNote, parse_time};
use super::table::{RevocationTable, TableBuilder};
use super::target::{RevocationKind, RevocationTarget};
use crate::clock::UnixTime;
use crate::document::has_unseen;

/// A list in the line form.
#[derive(Debug)]
pub struct ListText {
    /// The entries.
    pub table: RevocationTable,
    /// The rest of the list.
    pub header: ListHeader,
}

/// Everything that a list says beside its entries.
#[derive(Debug, Default)]
pub struct ListHeader {
    /// Its number: a list with a lower one is an older list.
    pub sequence: Option<u64>,
    /// When the next one is to be expected.
    pub next_update: Option<UnixTime>,
    /// The name of the list that it is for.
    pub name: Option<String>,
    /// The token issuers that it names.
    pub issuers: BTreeSet<String>,
    /// The issuers of certificates that it names.
    pub certificate_issuers: BTreeSet<String>,
}

/// A line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// The message. It never contains a value.
    pub message: String,
}

/// The first line.
pub const FIRST_LINE: &str = "countersign-revocations/1";

/// The most wrong lines of one text that are reported.
const MAX_REPORTED: usize = 20;

/// The values of the `@` lines so far.
#[derive(Default)]
struct ListStanding<'a> {
    issuer: Option<Cow<'a, str>>,
    certificate_issuer: Option<Cow<'a, str>>,
    expires: Option<UnixTime>,
    note: RevocationNote,
    /// `note` as the table knows it.
    note_number: u32,
}

struct LineReader<'a> {
    builder: TableBuilder,
    standing: ListStanding<'a>,
    header: ListHeader,
}

impl ListText {
    /// Reads `text` for the list called `list`. All of it counts or none: a list that is cut short revokes too little.
    ///
    /// # Errors
    /// The lines that are wrong, the first twenty of them.
    pub fn parse(list: &str, text: &[u8]) -> Result<Self, Vec<LineError>> {
        let fault = |line, message: &str| vec![LineError { line, message: message.to_owned() }];
        let text = std::str::from_utf8(text).map_err(|_| fault(1, "the text is not UTF-8"))?;
        let mut lines = (1..).zip(text.lines());
        if lines.next().is_none_or(|(_, first)| first.trim_end() != FIRST_LINE) {
            return Err(fault(1, &format!("expected `{FIRST_LINE}`")));
        }
        if !text.ends_with('\n') {
            let last = text.lines().count();
            return Err(fault(last, "the last line does not end, so the text may be cut short"));
        }
        let builder = TableBuilder::with_capacity(text.lines().count());
        let (standing, header) = (ListStanding::default(), ListHeader::default());
        let mut reader = LineReader { builder, standing, header };
        let mut wrong = Vec::new();
        for (line, content) in lines {
            if let Err(message) = reader.line(content.trim()) {
                wrong.push(LineError { line, message });
                if wrong.len() >= MAX_REPORTED {
                    break;
                }
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self { table: reader.builder.build(list), header: reader.header })
    }
}

impl<'a> LineReader<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        // A note is for people, and may have any.
        if !["@reason ", "@author "].iter().any(|start| line.starts_with(start)) && has_unseen(line)
        {
            return Err(String::from(
                "a character that cannot be seen makes this another value than it looks; where a value has it, write its bytes, as in `%E2%80%8B`",
            ));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word.strip_prefix('@') {
            Some(name) => self.say(name, rest.trim()),
            None => self.entry(word, rest.trim()),
        }
    }

    fn say(&mut self, name: &str, value: &'a str) -> Result<(), String> {
        if value.is_empty() {
            return Err(format!("`@{name}` is without a value"));
        }
        match name {
            "sequence" => {
                once(&self.header.sequence, name)?;
                let number =
                    value.parse().map_err(|_| String::from("`@sequence` is not a number"))?;
                self.header.sequence = Some(number);
            }
            "next-update" => {
                once(&self.header.next_update, name)?;
                self.header.next_update = Some(time("@next-update", value)?);
            }
            "name" => {
                once(&self.header.name, name)?;
                self.header.name = Some(value.to_owned());
            }
            "issuer" => {
                note_name(&mut self.header.issuers, value);
                self.standing.issuer = Some(Cow::Borrowed(value));
            }
            "certificate-issuer" => {
                note_name(&mut self.header.certificate_issuers, value);
                self.standing.certificate_issuer = Some(Cow::Borrowed(value));
            }
            "expires" => self.standing.expires = Some(time("@expires", value)?),
            "reason" => self.note(|note| note.reason = Some(value.into())),
            "author" => self.note(|note| note.author = Some(value.into())),
            "at" => {
                let at = time("@at", value)?;
                self.note(|note| note.at = Some(at));
            }
            _ => {
                return Err(String::from(
                    "unknown `@` word, expected `@sequence`, `@next-update`, `@name`, `@issuer`, `@certificate-issuer`, `@expires`, `@reason`, `@author` or `@at`",
                ));
            }
        }
        Ok(())
    }

    fn note(&mut self, change: impl FnOnce(&mut RevocationNote)) {
        change(&mut self.standing.note);
        self.standing.note_number = self.builder.note(&self.standing.note);
    }

    fn entry(&mut self, word: &str, rest: &'a str) -> Result<(), String> {
        let kind = RevocationKind::named(word).ok_or_else(|| {
            String::from("unknown word, expected `jti`, `sub`, `sid`, `client`, `kid`, `issuer`, `serial`, `spki`, `certificate`, `spiffe` or one with `@`")
        })?;
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        let value = decoded(words.next().ok_or_else(|| format!("`{word}` is without a value"))?)?;
        let mut issued_before = None;
        let mut expires = self.standing.expires;
        for limit in words {
            match limit.split_once('=') {
                Some(("issued-before", at)) => issued_before = Some(time("issued-before", at)?),
                Some(("expires", at)) => expires = Some(time("expires", at)?),
                _ => {
                    return Err(String::from(
                        "unknown word after the value, expected `issued-before=TIME` or `expires=TIME`; a space in a value is `%20`",
                    ));
                }
            }
        }
        self.push(kind, &value, issued_before, expires)
    }

    /// Most lists are long lists of tokens of one issuer: those need no more than their key. All else is read as an entry of
    /// a document is, by the same rules.
    fn push(
        &mut self,
        kind: RevocationKind,
        value: &str,
        issued_before: Option<UnixTime>,
        expires: Option<UnixTime>,
    ) -> Result<(), String> {
        let plain = value.len() <= 128 && value.bytes().all(|b| b.is_ascii_graphic());
        let ListStanding { issuer, certificate_issuer, note_number, .. } = &self.standing;
        if let (RevocationKind::Token, true, None, Some(issuer)) =
            (kind, plain, issued_before, issuer)
        {
            let target = RevocationTarget::OfIssuer(kind, &**issuer, value);
            self.builder.push(&target, None, expires, *note_number);
            return Ok(());
        }
        let issuer = issuer.as_deref().filter(|_| kind.is_of_issuer());
        let certificate_issuer =
            certificate_issuer.as_deref().filter(|_| kind == RevocationKind::Serial);
        let target = RevocationTarget::read(kind, value, issuer, certificate_issuer);
        let target = target.and_then(|target| {
            target.check_issued_before(issued_before.map(|_| "issued-before"))?;
            Ok(target)
        });
        let target = target.map_err(|error| {
            error.message.replace("without `issuer`", "without an `@issuer` before it")
        })?;
        self.builder.push(&target, issued_before, expires, *note_number);
        Ok(())
    }
}

/// A list may name a new issuer for each of a million entries; a few are enough to report a mistake.
fn note_name(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MAX_REPORTED {
        names.insert(name.to_owned());
    }
}

fn once<T>(known: &Option<T>, name: &str) -> Result<(), String> {
    if known.is_some() { Err(format!("`@{name}` is there twice")) } else { Ok(()) }
}

fn time(name: &str, text: &str) -> Result<UnixTime, String> {
    parse_time(text).ok_or_else(|| {
        format!("`{name}` is not a time, expected one such as `2026-11-22T03:00:00Z`")
    })
}

fn decoded(text: &str) -> Result<Cow<'_, str>, String> {
    percent_decode_str(text).decode_utf8().map_err(|_| String::from("the value is not UTF-8"))
}
