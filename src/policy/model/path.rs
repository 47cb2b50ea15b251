//! Path templates: whole segments, compared with the decoded segments of a canonical path.
//!
//! A literal is written as it would be in a request, percent-encoding included, and is held to the same canonical form
//! (P19-P23): a rule that names a path no request can have would protect nothing. A literal may have a `%2F`, as a segment of a
//! request may where a target accepts it.

use crate::request::{CanonicalPath, PathLeniency, Text};

/// A set of paths, such as `/v1/orders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct PathTemplate {
    text: Box<str>,
    segments: Box<[PathSegment]>,
    /// True if it ends in `**`: whatever follows the last `/`, also nothing.
    open_ended: bool,
    /// True if it has a `**` with something after it.
    deep: bool,
    /// The leniency that a path in the set needs.
    leniency: PathLeniency,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathSegment {
    Literal(Box<str>),
    /// `*`: one segment that is not empty.
    Any,
    /// `{name}`: the same, by name.
    Capture(Box<str>),
    /// `**` with something after it: any number of segments, also none, of which none is empty.
    Deep,
}

/// How narrow a template is, segment by segment; greater is narrower. Orders templates that match the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Narrowness {
    Rest,
    Wildcard,
    Literal,
}

impl PathTemplate {
    /// Reads a template; the error says what is wrong with it and what to do.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, (String, Option<&'static str>)> {
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
        let (segments, leniency) =
            decode_literals(&segments, open_ended).map_err(|why| wrong(&why, None))?;
        let deep = segments.contains(&PathSegment::Deep);
        let template = Self { text: text.into(), segments, open_ended, deep, leniency };
        if let Some(name) = template.repeated_capture() {
            return Err(wrong(&format!("`{{{name}}}` is there twice"), None));
        }
        match template.ambiguous_capture() {
            Some(name) => Err(wrong(
                &format!("`{{{name}}}` could be more than one segment of a path"),
                Some("capture before the first `**`, or after the only one"),
            )),
            None => Ok(template),
        }
    }

    /// The template as it was written.
    pub(in crate::policy) fn as_str(&self) -> &str {
        &self.text
    }

    /// The leniency that a path in the set needs.
    pub(in crate::policy) const fn leniency(&self) -> PathLeniency {
        self.leniency
    }

    /// True if `path` is in the set. Linear in its segments, without a `**` inside; with one, bounded by both lengths.
    pub(in crate::policy) fn matches(&self, path: &CanonicalPath) -> bool {
        let found = path.segments();
        if self.deep {
            return self.matches_deep(found, |segment, found| segment.matches(found));
        }
        let enough = if self.open_ended {
            found.len() > self.segments.len()
        } else {
            found.len() == self.segments.len()
        };
        enough && self.segments.iter().zip(found).all(|(segment, found)| segment.matches(found))
    }

    /// The segment of `path`, which matches, that `{name}` stands for.
    pub(in crate::policy) fn capture<'a>(
        &self,
        name: &str,
        path: &'a CanonicalPath,
    ) -> Option<&'a str> {
        let at = self.segments.iter().position(|segment| segment.is_capture(name))?;
        let found = path.segments();
        // Behind `**` it is counted from the end.
        let before = self.segments.get(..at)?;
        let from_end = self.segments.len().checked_sub(at)?;
        let deep = before.contains(&PathSegment::Deep);
        let at = if deep { found.len().checked_sub(from_end)? } else { at };
        found.get(at).map(Text::as_str)
    }

    /// The names it captures.
    pub(in crate::policy) fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            PathSegment::Capture(name) => Some(&**name),
            PathSegment::Literal(_) | PathSegment::Any | PathSegment::Deep => None,
        })
    }

    /// The text that the first segment of every path in the set has, where there is one.
    pub(in crate::policy) fn first_literal(&self) -> Option<&str> {
        match self.segments.first()? {
            PathSegment::Literal(text) => Some(text),
            PathSegment::Any | PathSegment::Capture(_) | PathSegment::Deep => None,
        }
    }

    /// True if every path that `other` matches is matched by this one; with a `**` inside, as far as that is easily determined.
    pub(in crate::policy) fn covers(&self, other: &Self) -> bool {
        if self.deep {
            let found = || self.matches_deep(&other.segments, PathSegment::covers);
            return self == other || ((self.open_ended || !other.open_ended) && found());
        }
        if other.deep {
            return self.covers_deep(other);
        }
        let long_enough = if self.open_ended {
            other.segments.len() > self.segments.len()
                || (other.open_ended && other.segments.len() == self.segments.len())
        } else {
            !other.open_ended && other.segments.len() == self.segments.len()
        };
        long_enough
            && self.segments.iter().zip(&other.segments).all(|(own, others)| own.covers(others))
    }

    /// False if `{name}` stands for another segment of some path here than in `other`, or may do so.
    pub(in crate::policy) fn captures_as(&self, other: &Self, name: &str) -> bool {
        !self.may_share_a_path(other) || self.place_of(name) == other.place_of(name)
    }

    /// The segments before `{name}` or, behind `**`, from it to the end.
    fn place_of(&self, name: &str) -> Option<(bool, usize)> {
        let at = self.segments.iter().position(|segment| segment.is_capture(name))?;
        let is_deep = self.segments.get(..at)?.contains(&PathSegment::Deep);
        let place = if is_deep { self.segments.len().checked_sub(at)? } else { at };
        Some((is_deep, place))
    }

    /// False if no path is in both sets; with a `**` inside, they are taken to have one.
    fn may_share_a_path(&self, other: &Self) -> bool {
        let fits =
            |own: &Self, other: &Self| own.open_ended || own.segments.len() >= other.segments.len();
        let mut pairs = self.segments.iter().zip(&other.segments);
        self.deep
            || other.deep
            || (fits(self, other)
                && fits(other, self)
                && pairs.all(|(own, others)| own.covers(others) || others.covers(own)))
    }

    /// The template without a final `**`, if it has one: what `**` leaves out.
    pub(in crate::policy) fn without_rest(&self) -> Option<&str> {
        self.text.strip_suffix("/**").filter(|text| !text.is_empty())
    }

    /// Orders templates from wide to narrow: the first segment that is narrower decides.
    pub(in crate::policy) fn cmp_narrowness(&self, other: &Self) -> std::cmp::Ordering {
        self.narrowness().cmp(other.narrowness())
    }

    fn narrowness(&self) -> impl Iterator<Item = Narrowness> {
        let each = self.segments.iter().map(|segment| match segment {
            PathSegment::Literal(_) => Narrowness::Literal,
            PathSegment::Any | PathSegment::Capture(_) => Narrowness::Wildcard,
            PathSegment::Deep => Narrowness::Rest,
        });
        each.chain(self.open_ended.then_some(Narrowness::Rest))
    }

    /// True if the parts between the `**` are in `found`, in their order: the first from the start, the last up to the end, and
    /// each in between as early as it fits.
    fn matches_deep<T>(&self, found: &[T], fits: impl Fn(&PathSegment, &T) -> bool) -> bool {
        let all = |part: &[PathSegment], found: &[T]| {
            part.len() == found.len() && part.iter().zip(found).all(|(own, found)| fits(own, found))
        };
        let mut parts = self.segments.split(|segment| *segment == PathSegment::Deep);
        let first = parts.next().unwrap_or_default();
        let Some((start, mut rest)) = found.split_at_checked(first.len()) else { return false };
        if !all(first, start) {
            return false;
        }
        if !self.open_ended {
            let last = parts.next_back().unwrap_or_default();
            let at = rest.len().checked_sub(last.len());
            let Some((before, end)) = at.and_then(|at| rest.split_at_checked(at)) else {
                return false;
            };
            if !all(last, end) {
                return false;
            }
            rest = before;
        }
        for part in parts.filter(|part| !part.is_empty()) {
            let at = rest.windows(part.len()).position(|window| all(part, window));
            let Some(at) = at else { return false };
            rest = rest.get(at.saturating_add(part.len())..).unwrap_or_default();
        }
        // `**` at the end is one segment at least.
        !self.open_ended || !rest.is_empty()
    }

    /// True if every path is matched that `other`, which has a `**` inside, matches.
    fn covers_deep(&self, other: &Self) -> bool {
        let least = other.segments.iter().filter(|segment| **segment != PathSegment::Deep).count();
        let before = other.segments.iter().take_while(|segment| **segment != PathSegment::Deep);
        let own = self.segments.len();
        self.open_ended
            && before.clone().count() >= own
            && (least > own || other.open_ended)
            && self.segments.iter().zip(before).all(|(own, others)| own.covers(others))
    }

    /// A capture of which a path does not say which segment it is.
    fn ambiguous_capture(&self) -> Option<&str> {
        let deep = |part: &[PathSegment]| part.contains(&PathSegment::Deep);
        let between = |(at, segment): (usize, &PathSegment)| {
            let (before, after) = self.segments.split_at_checked(at)?;
            let ambiguous = deep(before) && (deep(after) || self.open_ended);
            matches!(segment, PathSegment::Capture(_)).then_some(())?;
            ambiguous.then(|| self.captures().find(|name| segment.is_capture(name)))?
        };
        self.segments.iter().enumerate().find_map(between)
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

fn read_segments(rest: &str) -> Result<Vec<PathSegment>, (String, Option<&'static str>)> {
    rest.split('/').map(PathSegment::parse).collect()
}

/// Holds the literals to the canonical form by reading a path that has them, and takes the decoded text from it.
fn decode_literals(
    segments: &[PathSegment],
    open_ended: bool,
) -> Result<(Box<[PathSegment]>, PathLeniency), String> {
    let stand_ins = segments.iter().map(|segment| match segment {
        PathSegment::Literal(text) => &**text,
        PathSegment::Any | PathSegment::Capture(_) | PathSegment::Deep => "x",
    });
    let path: Vec<&str> = stand_ins.chain(open_ended.then_some("x")).collect();
    let accepted = PathLeniency { encoded_slashes: true, ..PathLeniency::default() };
    let path = CanonicalPath::parse(format!("/{}", path.join("/")), accepted)
        .map_err(|why| why.detail().to_owned())?;
    let decoded = segments.iter().zip(path.segments()).map(|(segment, text)| match segment {
        PathSegment::Literal(_) => PathSegment::Literal(text.as_str().into()),
        PathSegment::Any | PathSegment::Capture(_) | PathSegment::Deep => segment.clone(),
    });
    Ok((decoded.collect(), path.leniency()))
}

impl PathSegment {
    fn parse(text: &str) -> Result<Self, (String, Option<&'static str>)> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text == "**" {
            return Ok(Self::Deep);
        }
        if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return Self::capture(name);
        }
        if text.contains('*') {
            return Err((
                String::from("`*` stands for a whole segment"),
                Some("use `*` or `{name}` for one segment, or `**` for any number of them"),
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
            // It is looked at by the whole template.
            Self::Deep => false,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(own), Self::Literal(others)) => own == others,
            (Self::Literal(_), Self::Any | Self::Capture(_)) => false,
            (Self::Any | Self::Capture(_), Self::Literal(others)) => !others.is_empty(),
            (Self::Any | Self::Capture(_), Self::Any | Self::Capture(_)) => true,
            (Self::Deep, _) | (_, Self::Deep) => false,
        }
    }

    fn is_capture(&self, name: &str) -> bool {
        matches!(self, Self::Capture(own) if **own == *name)
    }
}

#[cfg(test)]
mod tests;
