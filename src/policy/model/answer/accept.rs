//! Which of the forms that we can write a caller wants (RFC 9110 section 12.5.1).

use crate::limits::MAX_ACCEPTED_RANGES;
use crate::request::{HeaderValue, Headers, RequestView};

/// A form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaForm {
    /// A JSON object of our own, which is what callers get that ask for nothing.
    Json,
    /// RFC 9457.
    Problem,
    /// A line of text: for people, in a terminal or a browser.
    Text,
}

/// In thousandths; of two forms that are wanted alike, the first is written.
type Quality = u16;

/// How well a media range fits: a type is closer than all types.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Anything,
    Type,
    Exact,
}

impl Closeness {
    fn of(range: &str, family: &str, name: &str) -> Option<Self> {
        let is = |name: &str| range.eq_ignore_ascii_case(name);
        match range {
            _ if is(name) => Some(Self::Exact),
            _ if is(family) => Some(Self::Type),
            _ => is("*/*").then_some(Self::Anything),
        }
    }
}

impl MediaForm {
    const ALL: [Self; 3] = [Self::Json, Self::Problem, Self::Text];

    /// The form that `headers` ask for. If they accept no form that there is, JSON: a denial always has a body.
    pub(super) fn wanted_by(headers: &Headers) -> Self {
        let ranges = accepted(headers);
        let mut wanted = (Self::Json, 0);
        for form in Self::ALL {
            let quality = form.quality(&ranges);
            if quality > wanted.1 {
                wanted = (form, quality);
            }
        }
        wanted.0
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Problem => "application/problem+json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// The media types that it is good for. A client that shows pages can show a line of text.
    const fn types(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Json => &[("application/*", "application/json")],
            Self::Problem => &[("application/*", "application/problem+json")],
            Self::Text => &[("text/*", "text/plain"), ("text/*", "text/html")],
        }
    }

    /// The quality that the closest range gives to one of its types.
    fn quality(self, ranges: &[(&str, Quality)]) -> Quality {
        let closest = |(family, name): &(&str, &str)| {
            let fit = |(range, quality): &(&str, Quality)| {
                Some((Closeness::of(range, family, name)?, *quality))
            };
            ranges.iter().filter_map(fit).max().map_or(0, |(_, quality)| quality)
        };
        self.types().iter().map(closest).max().unwrap_or(0)
    }
}

/// True if a person sits in front of it, who can be sent somewhere else: a page was asked for by name, and not by a script.
pub(super) fn is_navigation(request: &RequestView) -> bool {
    let asks_for_a_page = || {
        let html = |(range, quality): &(&str, Quality)| {
            range.eq_ignore_ascii_case("text/html") && *quality > 0
        };
        accepted(&request.headers).iter().any(html)
    };
    let mut modes = request.headers.all("sec-fetch-mode");
    request.method == "GET" && modes.all(|mode| mode.as_bytes() == b"navigate") && asks_for_a_page()
}

/// The media ranges of all `accept` lines; what is not well-formed is ignored.
fn accepted(headers: &Headers) -> Vec<(&str, Quality)> {
    let lines = headers.all("accept").filter_map(|line: &HeaderValue| line.as_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).take(MAX_ACCEPTED_RANGES);
    ranges.filter_map(media_range).collect()
}

fn media_range(text: &str) -> Option<(&str, Quality)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| range.contains('/'))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((range, weight.map_or(Some(1000), quality)?))
}

/// RFC 9110 section 12.4.2: `0` to `1` with at most three digits.
fn quality(text: &str) -> Option<Quality> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: Quality = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> Headers {
        let mut headers = Headers::default();
        for line in lines {
            headers.push("accept", HeaderValue::new(line.as_bytes().to_vec()));
        }
        headers
    }

    #[test]
    fn a_caller_gets_the_form_that_it_wants_most() {
        use MediaForm::{Json, Problem, Text};
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (lines, expected) in [
            (&[][..], Json),
            (&[""], Json),
            (&["*/*"], Json),
            (&["application/json"], Json),
            (&["application/*"], Json),
            (&["application/problem+json"], Problem),
            (&["APPLICATION/Problem+JSON"], Problem),
            (&["application/json;q=0.5, application/problem+json"], Problem),
            (&["application/json;q=0.5", "application/problem+json"], Problem),
            (&["application/problem+json;q=0.5, */*"], Json),
            (&["application/json;q=0, */*;q=0.1"], Problem),
            (&["text/plain"], Text),
            (&["text/*;q=0.2"], Text),
            (&[chrome], Text),
            (&["text/plain;format=flowed;q=0.9, application/json;q=0.8"], Text),
            (&["text/plain;q=0.9999, application/json;q=0.1"], Json),
            (&["text/plain;q=2, application/json;q=0.1"], Json),
            (&["text/plain;q=, nonsense, ;q=1"], Json),
            (&["image/png"], Json),
            (&["*/*;q=0"], Json),
            (&["text/html;q=0, text/*;q=0.5"], Text),
            (&["text/html;q=0, */*;q=0.5"], Json),
        ] {
            assert_eq!(MediaForm::wanted_by(&headers(lines)), expected, "{lines:?}");
        }
        let many = format!("{}text/plain", "image/png,".repeat(MAX_ACCEPTED_RANGES));
        assert_eq!(MediaForm::wanted_by(&headers(&[&many])), Json);
    }
}
