//! Path templates: whole segments, compared with the decoded segments of a canonical path.
//!
//! A literal is written as it would be in a request, percent-encoding included, and is held to the same canonical form
//! (P19-P23): a rule that names a path no request can have would protect nothing.

use crate::request::{CanonicalPath, Text};

/// A set of paths, such as `/v1/orders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathTemplate {
    text: Box<str>,
    segments: Box<[Segment]>,
    /// Whether it ends in `**`: whatever follows the last `/`, also nothing.
    open_ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// `*`: one segment that is not empty.
    Any,
    /// `{name}`: the same, by name.
    Capture(Box<str>),
}

/// How narrow a template is, segment by segment; greater is narrower. Orders templates that match the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Narrowness {
    Rest,
    Wildcard,
    Literal,
}

// === impl PathTemplate ===

impl PathTemplate {
    /// Reads a template; the error says what is wrong with it and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, (String, Option<&'static str>)> {
        let wrong = |why: &str, help| (format!("`{text}` is not a path template: {why}"), help);
        if text.contains('?') {
            return Err(wrong("it has a query", Some("templates are about the path only")));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(wrong(
                "it does not start with `/`",
                Some("write the whole path, from its first `/` on"),
            ));
        };
        let (rest, open_ended) = match rest {
            "**" => ("", true),
            _ => rest.strip_suffix("/**").map_or((rest, false), |rest| (rest, true)),
        };
        let whole = rest.is_empty() && open_ended;
        let segments = if whole {
            Vec::new()
        } else {
            read_segments(rest).map_err(|(why, help)| wrong(&why, help))?
        };
        let segments = decode_literals(&segments, open_ended).map_err(|why| wrong(&why, None))?;
        let template = Self { text: text.into(), segments, open_ended };
        match template.repeated_capture() {
            Some(name) => Err(wrong(&format!("`{{{name}}}` is there twice"), None)),
            None => Ok(template),
        }
    }

    /// The template as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `path` is in the set. Linear in its segments; nothing is tried twice.
    pub(super) fn matches(&self, path: &CanonicalPath) -> bool {
        let found = path.segments();
        let enough = if self.open_ended {
            found.len() > self.segments.len()
        } else {
            found.len() == self.segments.len()
        };
        enough && self.segments.iter().zip(found).all(|(segment, found)| segment.matches(found))
    }

    /// The segment of `path`, which matches, that `{name}` stands for.
    pub(super) fn capture<'a>(&self, name: &str, path: &'a CanonicalPath) -> Option<&'a str> {
        let at = self.segments.iter().position(|segment| segment.is_capture(name))?;
        path.segments().get(at).map(Text::as_str)
    }

    /// The names it captures.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(&**name),
            Segment::Literal(_) | Segment::Any => None,
        })
    }

    /// The text that the first segment of every path in the set has, where there is one.
    pub(super) fn first_literal(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Literal(text) => Some(text),
            Segment::Any | Segment::Capture(_) => None,
        }
    }

    /// Whether every path that `other` matches is matched by this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let long_enough = if self.open_ended {
            other.segments.len() > self.segments.len()
                || (other.open_ended && other.segments.len() == self.segments.len())
        } else {
            !other.open_ended && other.segments.len() == self.segments.len()
        };
        long_enough
            && self.segments.iter().zip(&other.segments).all(|(own, others)| own.covers(others))
    }

    /// The template without a final `**`, if it has one: what `**` leaves out.
    pub(super) fn without_rest(&self) -> Option<&str> {
        self.text.strip_suffix("/**").filter(|text| !text.is_empty())
    }

    /// Orders templates from wide to narrow: the first segment that is narrower decides.
    pub(super) fn cmp_narrowness(&self, other: &Self) -> std::cmp::Ordering {
        self.narrowness().cmp(other.narrowness())
    }

    fn narrowness(&self) -> impl Iterator<Item = Narrowness> {
        let each = self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => Narrowness::Literal,
            Segment::Any | Segment::Capture(_) => Narrowness::Wildcard,
        });
        each.chain(self.open_ended.then_some(Narrowness::Rest))
    }

    fn repeated_capture(&self) -> Option<&str> {
        let names: Vec<&str> = self.captures().collect();
        names
            .iter()
            .enumerate()
            .find(|(at, name)| names.iter().take(*at).any(|n| n == *name))
            .map(|(_, name)| *name)
    }
}

fn read_segments(rest: &str) -> Result<Vec<Segment>, (String, Option<&'static str>)> {
    rest.split('/').map(Segment::parse).collect()
}

/// Holds the literals to the canonical form by reading a path that has them, and takes the decoded text from it.
fn decode_literals(segments: &[Segment], open_ended: bool) -> Result<Box<[Segment]>, String> {
    let stand_ins = segments.iter().map(|segment| match segment {
        Segment::Literal(text) => &**text,
        Segment::Any | Segment::Capture(_) => "x",
    });
    let path: Vec<&str> = stand_ins.chain(open_ended.then_some("x")).collect();
    let path = CanonicalPath::parse(format!("/{}", path.join("/")))
        .map_err(|why| why.detail().to_owned())?;
    let decoded = segments.iter().zip(path.segments()).map(|(segment, text)| match segment {
        Segment::Literal(_) => Segment::Literal(text.as_str().into()),
        Segment::Any | Segment::Capture(_) => segment.clone(),
    });
    Ok(decoded.collect())
}

// === impl Segment ===

impl Segment {
    fn parse(text: &str) -> Result<Self, (String, Option<&'static str>)> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text == "**" {
            return Err((
                String::from("`**` can only be the last segment"),
                Some("use `*` or `{name}` for each segment in between"),
            ));
        }
        if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return Self::capture(name);
        }
        if text.contains('*') {
            return Err((
                String::from("`*` stands for a whole segment"),
                Some("use `*` or `{name}` for one segment, or `**` at the end"),
            ));
        }
        if text.contains(['{', '}']) {
            return Err((
                format!("`{text}` is not `{{name}}`"),
                Some("a capture stands for a whole segment"),
            ));
        }
        Ok(Self::Literal(text.into()))
    }

    fn capture(name: &str) -> Result<Self, (String, Option<&'static str>)> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if starts && name.bytes().all(inner) {
            return Ok(Self::Capture(name.into()));
        }
        Err((
            format!("`{{{name}}}` is not a name"),
            Some("use letters, digits and `_`, starting with a letter"),
        ))
    }

    fn matches(&self, found: &str) -> bool {
        match self {
            Self::Literal(text) => **text == *found,
            Self::Any | Self::Capture(_) => !found.is_empty(),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(own), Self::Literal(others)) => own == others,
            (Self::Literal(_), Self::Any | Self::Capture(_)) => false,
            (Self::Any | Self::Capture(_), Self::Literal(others)) => !others.is_empty(),
            (Self::Any | Self::Capture(_), Self::Any | Self::Capture(_)) => true,
        }
    }

    fn is_capture(&self, name: &str) -> bool {
        matches!(self, Self::Capture(own) if **own == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(template: &str, path: &str) -> bool {
        PathTemplate::parse(template).unwrap().matches(&CanonicalPath::parse(path).unwrap())
    }

    /// P25: a wildcard is one whole segment and never empty; only `**` crosses a `/`.
    #[test]
    fn wildcards_do_not_cross_segments_and_are_not_empty() {
        for (template, path, expected) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a/", "/a/", true),
            ("/a", "/A", false),
            ("/*", "/a", true),
            ("/*", "/", false),
            ("/*", "/a/b", false),
            ("/a/*", "/a/", false),
            ("/a/*", "/a/b%20c", true),
            ("/a/*/", "/a/b/", true),
            ("/a/{id}", "/a/17", true),
            ("/a/{id}", "/a/", false),
            ("/a/{id}", "/a/17/b", false),
            ("/a/{id}/b", "/a/17/b", true),
            ("/**", "/", true),
            ("/**", "/a/b/c", true),
            ("/a/**", "/a", false),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/b/c/", true),
            ("/a/**", "/ab", false),
            ("/a/{x}/**", "/a/b", false),
            ("/a/{x}/**", "/a/b/c", true),
            ("/caf%C3%A9", "/caf%c3%a9", true),
            ("/100%25", "/100%25", true),
        ] {
            assert_eq!(matches(template, path), expected, "{template} {path}");
        }
    }

    /// What a template means, spelt out one segment after the other.
    fn matches_slowly(template: &[&str], path: &[&str]) -> bool {
        match (template, path) {
            ([], []) => true,
            (["**"], [_, ..]) => true,
            (["*", template @ ..], [segment, path @ ..]) => {
                !segment.is_empty() && matches_slowly(template, path)
            }
            ([literal, template @ ..], [segment, path @ ..]) => {
                literal == segment && matches_slowly(template, path)
            }
            ([], _) | (_, []) => false,
        }
    }

    proptest::proptest! {
        /// P25: against a reference that is too simple to be wrong.
        #[test]
        fn templates_match_what_the_reference_matches(
            template in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "*"]), 0..4),
            deep in proptest::prelude::any::<bool>(),
            path in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "**", "c d"]), 0..5),
            slash in proptest::prelude::any::<bool>(),
        ) {
            let ends = |parts: &[&str], end: bool, with: &'static str| {
                let own: Vec<_> = parts.iter().map(ToString::to_string).chain(end.then(|| with.to_owned())).collect();
                if own.is_empty() { vec![String::new()] } else { own }
            };
            let (template, path) = (ends(&template, deep, "**"), ends(&path, slash, ""));
            fn texts(parts: &[String]) -> Vec<&str> {
                parts.iter().map(String::as_str).collect()
            }
            let slow = matches_slowly(&texts(&template), &texts(&path));
            let (template, path) = (template.join("/"), path.join("/").replace(' ', "%20"));
            proptest::prop_assert_eq!(matches(&format!("/{template}"), &format!("/{path}")), slow);
        }
    }

    #[test]
    fn captures_are_decoded_segments() {
        let template = PathTemplate::parse("/v1/{tenant}/orders/{id}").unwrap();
        let path = CanonicalPath::parse("/v1/a%20b/orders/17").unwrap();
        assert_eq!(template.captures().collect::<Vec<_>>(), ["tenant", "id"]);
        assert_eq!(template.capture("tenant", &path), Some("a b"));
        assert_eq!(template.capture("id", &path), Some("17"));
        assert_eq!(template.capture("other", &path), None);
    }

    #[test]
    fn the_narrower_of_two_templates_is_known() {
        for (wide, narrow) in [
            ("/**", "/a/**"),
            ("/**", "/"),
            ("/a/**", "/a/*"),
            ("/a/*", "/a/b"),
            ("/*/b", "/a/b"),
            ("/*/b/c", "/a/*/c"),
            ("/a/*/**", "/a/*/c"),
        ] {
            let (wide, narrow) =
                (PathTemplate::parse(wide).unwrap(), PathTemplate::parse(narrow).unwrap());
            assert!(wide.cmp_narrowness(&narrow).is_lt(), "{wide:?} {narrow:?}");
            assert!(narrow.cmp_narrowness(&wide).is_gt(), "{wide:?} {narrow:?}");
        }
    }

    #[test]
    fn a_template_covers_what_it_always_matches() {
        let covers = |a: &str, b: &str| {
            PathTemplate::parse(a).unwrap().covers(&PathTemplate::parse(b).unwrap())
        };
        for (wide, narrow, expected) in [
            ("/a", "/a", true),
            ("/a", "/*", false),
            ("/*", "/a", true),
            ("/{x}", "/*", true),
            ("/*", "/", false),
            ("/**", "/", true),
            ("/**", "/**", true),
            ("/a/**", "/a", false),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/b/**", true),
            ("/a/b/**", "/a/**", false),
            ("/a/*", "/a/**", false),
            ("/*/b", "/a/*", false),
        ] {
            assert_eq!(covers(wide, narrow), expected, "{wide} {narrow}");
        }
    }

    /// P19: a template is held to the same canonical form as a path.
    #[test]
    fn what_no_canonical_path_can_match_is_refused() {
        for (text, why) in [
            ("", "start with"),
            ("a/b", "start with"),
            ("/a?b=c", "query"),
            ("/a//b", "empty segment"),
            ("/a//**", "empty segment"),
            ("/a/../b", "`..`"),
            ("/a/%2e", "needs no encoding"),
            ("/a%2fb", "separator"),
            ("/café", "percent-encoded"),
            ("/a b", "percent-encoded"),
            ("/a;b", "`;`"),
            ("/a*", "whole segment"),
            ("/**/a", "last segment"),
            ("/a/***", "whole segment"),
            ("/{}", "not a name"),
            ("/{a-b}", "not a name"),
            ("/{1}", "not a name"),
            ("/x{a}", "not `{name}`"),
            ("/{a}/{a}", "twice"),
            ("/{a", "not `{name}`"),
        ] {
            let (message, _) = PathTemplate::parse(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
