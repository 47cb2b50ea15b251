//! Three things that a typed reader takes for nothing, and that take a requirement out of a document without a word: a tag, as YAML
//! reads a value that begins with `!`, a key without a value, and an empty list where entries require something.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::limits::MAX_DOCUMENT_EVENTS;

/// The first of each in a document, by its bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unsaid {
    /// A tag.
    pub(super) tag: Option<Range<usize>>,
    /// A key without a value.
    pub(super) key: Option<Range<usize>>,
    /// A key of [`REQUIRING`] whose value is empty.
    pub(super) empty: Option<Range<usize>>,
}

/// The places of lists and mappings that require something, or that limit what is about: an empty one would require nothing. Those of
/// rules are not here: compiling refuses them with advice of their own. Nor is `revocation.crls`: without a list, certificates are refused
/// unless the document says otherwise.
const REQUIRING: [&str; 7] = [
    "spec.leaf.pins",
    "spec.requiredClaims",
    "spec.denyKids",
    "spec.moreKeys",
    "spec.accessMarks",
    "spec.target.paths",
    "spec.rules.[].on",
];

/// The places of any JSON, in which `null` is a value: keys from the document's root on, `[]` for an entry of a list, `*` for a name
/// that the author chooses. Paths, and not names, since an author may choose any name.
const JSON: [&str; 14] = [
    "spec.rules.[].token.claims.[].equals",
    "spec.rules.[].token.claims.[].in",
    "spec.rules.[].token.claims.[].contains",
    "spec.rules.[].deny.body.json",
    "spec.deny.body.json",
    // Of suites, whose claims are a mapping; those of `Fragments` are a list.
    "spec.tokens.*.claims",
    "spec.tokens.*.claims.[].equals",
    "spec.tokens.*.claims.[].in",
    "spec.tokens.*.claims.[].contains",
    "spec.cases.[].expect.metadata",
    "spec.cases.[].expect.assertion",
    "spec.cases.[].expect.body",
    // Of the file of a request.
    "token.claims",
    "tokens.[].claims",
];

/// A mapping or a list around the place that is read.
#[derive(Debug, Default)]
struct Container {
    /// The key whose value it is; `[]` for an entry of a list.
    name: String,
    /// True below a key whose value is any JSON: `null` is a value there.
    is_json: bool,
    is_mapping: bool,
    /// The place of the key whose value it is, where it has one.
    at: Option<Range<usize>>,
    is_empty: bool,
    /// The key whose value comes next, in a mapping.
    key: Option<(String, Range<usize>)>,
}

impl Unsaid {
    /// Looks through `text`. What is no YAML, or too much, ends the look: the reader says so.
    pub(super) fn of(text: &str) -> Self {
        let mut found = Self::default();
        let mut around: Vec<Container> = Vec::new();
        for event in Parser::new_from_str(text).take(MAX_DOCUMENT_EVENTS) {
            let Ok((event, span)) = event else { break };
            found.see(&event, span, &mut around);
        }
        found
    }

    fn see(&mut self, event: &Event<'_>, span: Span, around: &mut Vec<Container>) {
        let is_content =
            !matches!(event, Event::MappingEnd | Event::SequenceEnd | Event::Anchor(..));
        if let Some(inner) = around.last_mut().filter(|_| is_content) {
            inner.is_empty = false;
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                self.tagged(tag.is_some(), span);
                let is_nothing = *style == ScalarStyle::Plain && is_null(text);
                if let Some((key, at)) = value(around, text, span)
                    && is_nothing
                    && !key.is_empty()
                {
                    self.key.get_or_insert(at);
                }
            }
            Event::MappingStart(_, _, tag) => {
                self.tagged(tag.is_some(), span);
                open(around, true);
            }
            Event::SequenceStart(_, _, tag) => {
                self.tagged(tag.is_some(), span);
                open(around, false);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => drop(value(around, "", span)),
            Event::MappingEnd | Event::SequenceEnd => self.close(around),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | _ => {}
        }
    }

    /// Leaves a mapping or a list.
    fn close(&mut self, around: &mut Vec<Container>) {
        let path: Vec<&str> = around.iter().skip(1).map(|own| own.name.as_str()).collect();
        let requires = REQUIRING.iter().any(|place| place.split('.').eq(path.iter().copied()));
        let own = around.pop().filter(|own| own.is_empty && requires);
        if let Some(at) = own.and_then(|own| own.at) {
            self.empty.get_or_insert(at);
        }
    }

    fn tagged(&mut self, has_tag: bool, span: Span) {
        if has_tag {
            let start = span.tag_start.unwrap_or(span.start).byte_offset();
            let end = span.end.byte_offset();
            let place = start.zip(end).map_or(0..0, |(start, end)| start..end.max(start));
            self.tag.get_or_insert(place);
        }
    }
}

/// Takes a scalar for the next key, or for the value of the last one, which is returned where `null` is no value.
fn value(around: &mut [Container], text: &str, span: Span) -> Option<(String, Range<usize>)> {
    let inner = around.last_mut().filter(|own| own.is_mapping)?;
    let Some(key) = inner.key.take() else {
        inner.key = Some((text.to_owned(), span.byte_range().unwrap_or(0..0)));
        return None;
    };
    Some(key).filter(|_| !inner.is_json)
}

/// Enters a mapping or a list.
fn open(around: &mut Vec<Container>, is_mapping: bool) {
    let in_json = around.last().is_some_and(|own| own.is_json);
    let (name, at) = match around.last_mut() {
        None => (String::new(), None),
        Some(outer) if !outer.is_mapping => (String::from("[]"), None),
        // A mapping as a key has no name.
        Some(outer) => outer.key.take().map_or_else(
            || {
                outer.key = Some((String::new(), 0..0));
                (String::new(), None)
            },
            |(name, at)| (name, Some(at)),
        ),
    };
    let outer = around.iter().skip(1).map(|own| own.name.as_str());
    let path: Vec<&str> = outer.chain([name.as_str()]).collect();
    let is_json = in_json || (!around.is_empty() && holds_json(&path, is_mapping));
    around.push(Container { name, is_json, is_mapping, at, is_empty: true, key: None });
}

/// True if any JSON may stand at `path`.
fn holds_json(path: &[&str], is_mapping: bool) -> bool {
    let is_at = |place: &&str| {
        place.split('.').count() == path.len()
            && place.split('.').zip(path).all(|(wanted, own)| wanted == "*" || wanted == *own)
    };
    let is_of_fragments = |place: &str| place.ends_with(".claims") && !is_mapping;
    JSON.iter().any(|place| is_at(place) && !is_of_fragments(place))
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Option<&str>, Option<&str>) {
        let Unsaid { tag, key, .. } = Unsaid::of(text);
        let part = |place: Option<Range<usize>>| place.map(|place| text.get(place).unwrap());
        (part(tag), part(key))
    }

    /// P646: a tag is found wherever it stands, before a value, a list, a mapping or nothing.
    #[test]
    fn tags_are_found() {
        for (text, tag) in [
            ("when: !has(token.claims.x)\n", "!has(token.claims.x)"),
            ("when: ! has(x)\n", "! has(x)"),
            ("when: !!str a\n", "!!str a"),
            ("é: 1\nwhen: !x\n", "!x"),
            ("- { a: [b, !c d] }", "!c d"),
        ] {
            assert_eq!(found(text).0, Some(tag), "{text}");
        }
        for text in ["a: !x [b]", "a: !x { b: c }", "!x a: b", "a: !x\nb: c"] {
            assert!(found(text).0.is_some_and(|tag| tag.starts_with('!')), "{text}");
        }
        for text in ["when: '!x'", "when: \"!x\"", "when: a != b", "when: |\n  !x\n", "a: [b!]"] {
            assert_eq!(found(text).0, None, "{text}");
        }
    }

    /// P647, P701: a key without a value is found, wherever it stands, but where `null` is a value of JSON.
    #[test]
    fn keys_without_a_value_are_found() {
        for (text, key) in [
            ("peer:\ntoken: { issuer: a }", "peer"),
            ("a: { peer: ~ }", "peer"),
            ("a:\n- b: 1\n  token: null\n", "token"),
            ("a: { b: 1, peer: }", "peer"),
            ("metadata: { name: }", "name"),
            ("? [a]\n: { b: }", "b"),
            ("spec: { rules: [{ token: { claims: [{ pointer: /x, exists: }] } }] }", "exists"),
            ("spec: { rules: [{ token: { claims: [{ equals: null }] } }] }", "equals"),
            // An author may call a fragment, a fixture or a header as a key is called.
            ("spec: { tokens: { claims: { issuer: a, scopes: } } }", "scopes"),
            ("spec: { peers: { json: { spiffe: }, in: { any: true } } }", "spiffe"),
            ("spec: { peers: { equals: { evidence: ~ } } }", "evidence"),
            ("spec: { conditions: { contains: } }", "contains"),
            ("spec: { tokens: { t: { claims: [{ pointer: /x, equals: }] } } }", "equals"),
            ("json: { a: { b: } }", "b"),
            ("claims: { a: }", "a"),
        ] {
            assert_eq!(found(text).1, Some(key), "{text}");
        }
        for text in [
            "a: ''",
            "a: \"\"",
            "a: {}",
            "a: []",
            "a: [~]",
            "spec: { tokens: { t: { claims: { cnf: null, act: { sub: null } } } } }",
            "spec: { tokens: { claims: { claims: { cnf: null } } } }",
            "spec: { rules: [{ token: { claims: [{ equals: { a: null } }, { in: [null, { b: null }] }] } }] }",
            "spec: { tokens: { t: { claims: [{ contains: { a: null } }] } } }",
            "spec: { cases: [{ expect: { metadata: { a: null }, assertion: { b: ~ }, body: { c: null } } }] }",
            "spec: { deny: { body: { json: { a: null } } }, rules: [{ deny: { body: { json: { b: ~ } } } }] }",
            "token: { claims: { a: null } }\ntokens: [{ claims: { b: [{ c: ~ }] } }]",
            "a: nullable",
        ] {
            assert_eq!(found(text).1, None, "{text}");
        }
    }

    /// P760: an empty list or mapping that would require nothing is found at its key, and others are not.
    #[test]
    fn empty_requirements_are_found() {
        let found =
            |text: &str| Unsaid::of(text).empty.map(|place| text.get(place).unwrap().to_owned());
        for (text, key) in [
            ("spec: { leaf: { pins: [] } }", "pins"),
            ("spec: { requiredClaims: [ ] }", "requiredClaims"),
            ("spec: { denyKids: [], moreKeys: [] }", "denyKids"),
            ("spec: { accessMarks: [] }", "accessMarks"),
            ("spec: { target: { paths: {} } }", "paths"),
            ("spec: { rules: [{ on: {} }] }", "on"),
        ] {
            assert_eq!(found(text).as_deref(), Some(key), "{text}");
        }
        for text in [
            "spec: { leaf: {}, denyKids: [k] }",
            "spec: { tokens: [{ authorization: {} }] }",
            "spec: { rules: [{ on: { paths: [/a] } }], pins: [] }",
            "denyKids: []",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
