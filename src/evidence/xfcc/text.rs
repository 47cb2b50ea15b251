//! The text form: `key=value` pairs with `;` between them, and `,` between elements.

use memchr::memchr2;

use super::element::{Xfcc, XfccElement, add_name, is_distinguished_name, malformed, parse_hash};
use crate::evidence::certificate::PresentedCertificate;
use crate::evidence::sources::PeerSource;
use crate::reason::Rejection;
use crate::request::Text;

/// The keys, in the order in which Envoy writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum ElementKey {
    #[default]
    By,
    Hash,
    Cert,
    Chain,
    Subject,
    Uri,
    Dns,
    /// `Issuer`, which nothing here relies on.
    Issuer,
    /// Any other. Where all that count have been read, it cannot change one of them.
    Other,
}

/// One `key=value`, with the quotes gone and the escapes still there.
struct ElementPair<'a> {
    key: &'a str,
    value: &'a str,
    quoted: bool,
}

/// The part of an element that has been read.
#[derive(Default)]
struct ElementDraft<'a> {
    element: XfccElement,
    last: Option<ElementKey>,
    cert: Option<&'a str>,
    chain: Option<&'a str>,
    unknown_keys: usize,
    /// True once `By`, and once `URI`, had the value [`NOTHING`].
    has_nothing: [bool; 2],
}

/// The text after a value.
enum Next {
    Pair,
    Element,
    End,
}

/// The text that Envoy's formatter writes for an absent value, as in the `URI` of Istio's waypoints.
const NOTHING: &str = "-";

/// Reads a header in the text form.
pub(super) fn read(whole: &Text) -> Result<Xfcc, Rejection> {
    let mut xfcc = Xfcc::default();
    let mut rest = whole.as_str();
    loop {
        // White space may follow the comma, where an intermediary joined two header lines (RFC 9110 section 5.3).
        rest = rest.trim_start_matches(' ');
        let (draft, more) = element(&mut rest)?;
        xfcc.unknown_keys = xfcc.unknown_keys.saturating_add(draft.unknown_keys);
        xfcc.push(draft.finish(whole))?;
        if !more {
            return Ok(xfcc);
        }
    }
}

/// Reads one element off `rest`; whether another one follows.
fn element<'a>(rest: &mut &'a str) -> Result<(ElementDraft<'a>, bool), Rejection> {
    let mut draft = ElementDraft::default();
    loop {
        let (pair, next) = read_pair(rest)?;
        draft.add(&pair)?;
        match next {
            Next::Pair => {}
            Next::Element => return Ok((draft, true)),
            Next::End => return Ok((draft, false)),
        }
    }
}

impl ElementKey {
    fn of(key: &str) -> Self {
        const NAMES: [(&str, ElementKey); 8] = [
            ("By", ElementKey::By),
            ("Hash", ElementKey::Hash),
            ("Cert", ElementKey::Cert),
            ("Chain", ElementKey::Chain),
            ("Subject", ElementKey::Subject),
            ("URI", ElementKey::Uri),
            ("DNS", ElementKey::Dns),
            ("Issuer", ElementKey::Issuer),
        ];
        let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        known.map_or(Self::Other, |(_, known)| *known)
    }

    /// True if Envoy puts its value in quotes. Nothing where that is not known.
    const fn is_quoted(self) -> Option<bool> {
        match self {
            Self::Cert | Self::Chain | Self::Subject | Self::Issuer => Some(true),
            Self::By | Self::Hash | Self::Uri | Self::Dns => Some(false),
            Self::Other => None,
        }
    }

    const fn may_repeat(self) -> bool {
        matches!(self, Self::By | Self::Uri | Self::Dns | Self::Other)
    }
}

impl<'a> ElementDraft<'a> {
    fn add(&mut self, pair: &ElementPair<'a>) -> Result<(), Rejection> {
        let key = ElementKey::of(pair.key);
        self.check_order(key, pair.key)?;
        if key.is_quoted().is_some_and(|quoted| quoted != pair.quoted) {
            let what = if pair.quoted { "a quoted" } else { "an unquoted" };
            return Err(malformed(format!("has {what} `{}`", pair.key)));
        }
        match key {
            ElementKey::By => {
                let [by, _] = &mut self.has_nothing;
                name(&mut self.element.by, ("By", by), pair.value)
            }
            ElementKey::Hash => {
                self.element.hash = Some(parse_hash(pair.value)?);
                Ok(())
            }
            ElementKey::Cert => encoded(&mut self.cert, pair),
            ElementKey::Chain => encoded(&mut self.chain, pair),
            ElementKey::Subject => {
                check_distinguished_name(pair)?;
                self.element.subject = Some(pair.value.to_owned());
                Ok(())
            }
            ElementKey::Uri => self.uri(pair.value),
            ElementKey::Dns => {
                self.closes_nothing();
                add_name(&mut self.element.dns, "DNS", pair.value)
            }
            ElementKey::Issuer => {
                self.closes_nothing();
                check_distinguished_name(pair)
            }
            ElementKey::Other => {
                self.closes_nothing();
                self.unknown_keys = self.unknown_keys.saturating_add(1);
                if pair.quoted { check_distinguished_name(pair) } else { Ok(()) }
            }
        }
    }

    /// P88: Envoy writes its keys in one order. A key out of order was spelled by a name.
    fn check_order(&mut self, key: ElementKey, written: &str) -> Result<(), Rejection> {
        match self.last.replace(key) {
            Some(last) if last > key => {
                Err(malformed(format!("has `{written}` behind keys that Envoy writes after it")))
            }
            Some(last) if last == key && !key.may_repeat() => {
                Err(malformed(format!("has `{written}` twice in one element")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Envoy writes `URI=` for a certificate without URI names, and then no other.
    fn uri(&mut self, value: &str) -> Result<(), Rejection> {
        let element = &mut self.element;
        if element.denies_uris || (value.is_empty() && !element.uris.is_empty()) {
            return Err(malformed("has an empty `URI` beside another one"));
        }
        element.denies_uris = value.is_empty();
        let [_, uri] = &mut self.has_nothing;
        if value.is_empty() && !*uri {
            Ok(())
        } else {
            name(&mut element.uris, ("URI", uri), value)
        }
    }

    /// The text after a URI can be a part of it.
    fn closes_nothing(&mut self) {
        self.element.has_open_uri |= !self.element.uris.is_empty();
    }

    fn finish(self, whole: &Text) -> XfccElement {
        let part = |part: Option<&str>| part.map(|part| whole.within(part));
        let certificate =
            PresentedCertificate::url_encoded(PeerSource::Xfcc, part(self.cert), part(self.chain));
        XfccElement { certificate, ..self.element }
    }
}

/// Adds a name. Envoy's formatter writes [`NOTHING`] for a certificate without any, so that beside another it is a name that the caller
/// chose (P779).
fn name(
    list: &mut Vec<String>,
    (kind, has_nothing): (&str, &mut bool),
    value: &str,
) -> Result<(), Rejection> {
    let is_nothing = value == NOTHING;
    if *has_nothing || (is_nothing && !list.is_empty()) {
        return Err(malformed(format!("has `{NOTHING}` as `{kind}` beside another one")));
    }
    *has_nothing = is_nothing;
    if is_nothing { Ok(()) } else { add_name(list, kind, value) }
}

/// URL-encoded PEM has nothing in it that separates or escapes.
fn encoded<'a>(slot: &mut Option<&'a str>, pair: &ElementPair<'a>) -> Result<(), Rejection> {
    let plain = |b: u8| (b'!'..=b'~').contains(&b) & !matches!(b, b',' | b';' | b'\\');
    let all_plain = pair.value.as_bytes().iter().fold(true, |all, b| all & plain(*b));
    if !all_plain || pair.value.is_empty() {
        return Err(malformed(format!("has a `{}` that is not URL-encoded", pair.key)));
    }
    *slot = Some(pair.value);
    Ok(())
}

fn check_distinguished_name(pair: &ElementPair<'_>) -> Result<(), Rejection> {
    if is_distinguished_name(pair.value) {
        return Ok(());
    }
    Err(malformed(format!("has a `{}` that is not a name as RFC 2253 writes it", pair.key)))
}

/// Takes one pair and the separator after it off `rest`.
fn read_pair<'a>(rest: &mut &'a str) -> Result<(ElementPair<'a>, Next), Rejection> {
    let (key, after) = rest
        .bytes()
        .position(|b| matches!(b, b'=' | b';' | b',' | b'"'))
        .and_then(|at| rest.split_at_checked(at))
        .and_then(|(key, after)| Some((key, after.strip_prefix('=')?)))
        .ok_or_else(|| malformed("has a part that is not `key=value`"))?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if key.is_empty() || !key.bytes().all(is_name) {
        return Err(malformed("has a key that is not a word"));
    }
    let (value, quoted, after) = match after.strip_prefix('"') {
        Some(inside) => {
            let (value, after) = read_quoted(inside)?;
            (value, true, after)
        }
        None => {
            let end = memchr2(b';', b',', after.as_bytes()).unwrap_or(after.len());
            let (value, after) = after.split_at_checked(end).unwrap_or((after, ""));
            (value, false, after)
        }
    };
    if !quoted && value.contains('"') {
        return Err(malformed("has a quote inside an unquoted value"));
    }
    let next = read_separator(after, rest)?;
    Ok((ElementPair { key, value, quoted }, next))
}

/// The text up to the closing quote, and what comes after it. A backslash takes the next character with it: `\"` does
/// not end the value, and `\\"` does.
fn read_quoted(inside: &str) -> Result<(&str, &str), Rejection> {
    let mut from = 0;
    while let Some(found) = memchr2(b'"', b'\\', inside.as_bytes().get(from..).unwrap_or_default())
    {
        let at = from.saturating_add(found);
        if let Some((value, after)) = inside.split_at_checked(at)
            && let Some(after) = after.strip_prefix('"')
        {
            return Ok((value, after));
        }
        from = at.saturating_add(2);
    }
    Err(malformed("has a quote that is not closed"))
}

/// The kind of text that `after` begins with. Moves `rest` behind the separator.
fn read_separator<'a>(after: &'a str, rest: &mut &'a str) -> Result<Next, Rejection> {
    if let Some(pairs) = after.strip_prefix(';') {
        *rest = pairs;
        return Ok(Next::Pair);
    }
    if let Some(elements) = after.strip_prefix(',') {
        *rest = elements;
        return Ok(Next::Element);
    }
    if after.is_empty() { Ok(Next::End) } else { Err(malformed("has text after a closing quote")) }
}
