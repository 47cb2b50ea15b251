//! Names that are one name to some reader: what CGI and its heirs make of headers, and forms of query parameters.
//!
//! CGI (RFC 3875 section 4.1.18) hands headers to a program with `_` in the place of `-`, and some servers put `_` in the
//! place of every character that is no letter or digit. Readers of queries decode names, and some of them trim names, do not
//! distinguish case, or read `a[]`, `a[x]` and `[a]` as `a`.

use std::borrow::Cow;
use std::cmp::Ordering;

use percent_encoding::percent_decode_str;

/// How often a name is decoded: a proxy and a framework behind it may each do it once.
const DECODINGS: usize = 3;

/// Names of headers, found by every spelling. In the order of their lengths first: most that is looked for differs in that.
#[derive(Clone, Debug, Default)]
pub struct HeaderNames(Box<[String]>);

impl HeaderNames {
    /// The name that some reader takes `sent` for. It is in lower case.
    pub fn find(&self, sent: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|own| cmp_folded(own, sent)).ok()?;
        self.0.get(at).map(String::as_str)
    }
}

impl<'a> FromIterator<&'a str> for HeaderNames {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut names: Vec<_> = names.into_iter().map(str::to_owned).collect();
        names.sort_unstable_by(|a, b| cmp_folded(a, b));
        names.dedup_by(|a, b| is_spelling_of_header(a, b));
        Self(names.into())
    }
}

/// True if some reader takes the header `sent` for the header `name`, itself included. Both are in lower case.
pub fn is_spelling_of_header(sent: &str, name: &str) -> bool {
    cmp_folded(sent, name).is_eq()
}

fn cmp_folded(a: &str, b: &str) -> Ordering {
    let fold = |b: u8| if b.is_ascii_alphanumeric() { b } else { b'-' };
    a.len().cmp(&b.len()).then_with(|| a.bytes().map(fold).cmp(b.bytes().map(fold)))
}

/// Every spelling of `name` with `-` or `_` in each place where it has one of the two: those that a server reads as one
/// name where headers come to it as they were sent.
pub fn header_spellings(name: &str) -> Vec<String> {
    let mut all = vec![String::with_capacity(name.len())];
    for c in name.chars() {
        let others = matches!(c, '-' | '_').then(|| {
            let other = if c == '-' { '_' } else { '-' };
            all.iter().map(|start| format!("{start}{other}")).collect::<Vec<_>>()
        });
        all.iter_mut().for_each(|start| start.push(c));
        all.extend(others.unwrap_or_default());
    }
    all
}

/// True if some reader takes the query parameter that was `sent` under this undecoded name for `name`, itself included.
pub fn is_spelling_of_parameter(sent: &str, name: &str) -> bool {
    if sent == name {
        return true;
    }
    let decoded = decode(sent);
    let text = decoded.split('\0').next().unwrap_or_default();
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let before = text.split('[').next().unwrap_or_default();
    let within = text.strip_prefix('[').map(|rest| rest.split(']').next().unwrap_or_default());
    [Some(text), Some(before), within].into_iter().flatten().any(|own| is_folded(own, name))
}

/// As a form is decoded, and decoded again as long as something is encoded.
fn decode(sent: &str) -> Cow<'_, str> {
    if !sent.contains(['%', '+']) {
        return Cow::Borrowed(sent);
    }
    let mut text = sent.replace('+', " ");
    for _ in 0..DECODINGS {
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    Cow::Owned(text)
}

/// Without regard to case, and to which character that is no letter or digit stands where.
fn is_folded(sent: &str, name: &str) -> bool {
    fn fold(text: &str) -> impl Iterator<Item = char> {
        // By way of the upper case, or U+017F would not become `s`.
        let lower = text.trim().chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        lower.map(|c| if c.is_ascii() && !c.is_ascii_alphanumeric() { '_' } else { c })
    }
    fold(sent).eq(fold(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P13, P131: spellings that some upstream reads as the same name.
    #[test]
    fn what_is_no_letter_or_digit_is_the_same_in_a_header() {
        for (sent, same) in [
            ("x-user-id", true),
            ("x_user_id", true),
            ("x-user_id", true),
            ("x.user.id", true),
            ("x!user~id", true),
            ("x-user-idx", false),
            ("xuserid", false),
            ("x-user-1d", false),
        ] {
            assert_eq!(is_spelling_of_header(sent, "x-user-id"), same, "{sent}");
        }
    }

    #[test]
    fn a_name_is_found_by_every_spelling() {
        let names: HeaderNames = ["x-user", "x-a-b", "forwarded", "x_user"].into_iter().collect();
        assert_eq!(names.0.len(), 3);
        assert_eq!(names.find("x_a-b"), Some("x-a-b"));
        assert_eq!(names.find("forwarded"), Some("forwarded"));
        assert_eq!(names.find("x-us"), None);
    }

    #[test]
    fn every_mixture_of_hyphens_and_underscores_is_listed_once() {
        let mut all = header_spellings("x-a-b");
        all.sort();
        assert_eq!(all, ["x-a-b", "x-a_b", "x_a-b", "x_a_b"]);
        assert_eq!(header_spellings("forwarded"), ["forwarded"]);
        assert!(header_spellings("x-a-b").iter().all(|own| is_spelling_of_header(own, "x-a-b")));
    }

    /// P13, P132: whatever some reader takes for the parameter.
    #[test]
    fn spellings_of_a_parameter() {
        for (sent, same) in [
            ("debug", true),
            ("Debug", true),
            ("debug[]", true),
            ("debug[a][b]", true),
            ("[debug]", true),
            ("+debug", true),
            ("debug%20", true),
            ("%09debug", true),
            ("debug%00x", true),
            ("%64ebug", true),
            ("%2564ebug", true),
            ("debug%5B%5D", true),
            ("xdebug", false),
            ("debug1", false),
            ("de-bug", false),
            ("", false),
        ] {
            assert_eq!(is_spelling_of_parameter(sent, "debug"), same, "{sent}");
        }
        for sent in ["dry_run", "dry.run", "dry+run", "dry[run", "DRY-RUN", "dry%5Frun"] {
            assert!(is_spelling_of_parameter(sent, "dry-run"), "{sent}");
        }
        assert!(is_spelling_of_parameter("u%C5%BFer", "user"), "U+017F is an s in lower case");
    }
}
