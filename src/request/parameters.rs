//! Query parameters that carry tokens (RFC 6750 section 2.3), removed from a target before anything reads it.

use percent_encoding::percent_decode_str;

use crate::request::{HeaderValue, SealedNames, Text};

/// The credentials in the query of one request: parameters by their decoded names, with their decoded values.
#[derive(Default)]
pub struct SealedParameters(pub(super) Vec<(String, HeaderValue)>);

/// Headers in which proxies and browsers repeat the target of a request.
const TARGET_HEADERS: [&str; 6] = [
    "referer",
    "x-envoy-original-path",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

impl SealedNames {
    /// Splits `target`, a path with a query or a whole URL, into a visible and a sealed part. The names of sealed parameters
    /// stay and their values go, so that the rest keeps its meaning.
    pub fn split_target(&self, target: Text) -> (Text, SealedParameters) {
        let mut sealed = SealedParameters::default();
        let Some((path, query)) = target.split_once('?') else { return (target, sealed) };
        let pairs: Vec<_> =
            query.split('&').map(|pair| self.split_pair(pair, &mut sealed)).collect();
        if pairs.iter().all(Option::is_none) {
            return (target, sealed);
        }
        let seen: Vec<_> = query
            .split('&')
            .zip(&pairs)
            .map(|(whole, cut)| cut.as_deref().unwrap_or(whole))
            .collect();
        let seen = format!("{path}?{}", seen.join("&"));
        (seen.into(), sealed)
    }

    /// The same for a header `name` that may repeat the target.
    pub(super) fn cut_header(&self, name: &str, value: HeaderValue) -> HeaderValue {
        let text = value.as_str().ok().filter(|text| text.contains('?'));
        match text.filter(|_| TARGET_HEADERS.contains(&name)) {
            None => value,
            Some(text) => HeaderValue::new(self.split_target(text.into()).0.into_bytes()),
        }
    }

    /// The visible part of `pair`, if that is not all of it. Some readers split at `;`, too: text that they would take for a
    /// sealed parameter is removed, and every `;` stays, since it makes a query ambiguous to rules.
    fn split_pair(&self, pair: &str, sealed: &mut SealedParameters) -> Option<String> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let Some(name) = self.parameter(name) {
            sealed.0.push((name, HeaderValue::new(decode(value))));
        }
        let mut rest = pair;
        loop {
            let (name, value) = rest.split_once('=')?;
            let own = name.rsplit(';').next().unwrap_or_default();
            if self.parameter(own).is_some() {
                let shown = pair.strip_suffix(value)?;
                let separators = value.matches(';').collect::<String>();
                return Some(format!("{shown}{separators}"));
            }
            rest = value;
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        if !name.contains(['%', '+']) {
            return self.contains_parameter(name).then(|| name.to_owned());
        }
        let name = String::from_utf8(decode(name)).ok()?;
        self.contains_parameter(&name).then_some(name)
    }
}

/// As a form is decoded. A `+` is a space, which is in no token; who means a plus sends `%2B`.
fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(target: &str) -> (String, Vec<(String, String)>) {
        let sealed = SealedNames::default();
        let (seen, SealedParameters(found)) = sealed.split_target(target.into());
        let text = |value: HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        (seen.to_string(), found.into_iter().map(|(name, value)| (name, text(value))).collect())
    }

    /// P71, P80: the value of a sealed parameter is not visible, however its name is spelt, and the rest does not change.
    #[test]
    fn sealed_parameters_keep_their_name_and_lose_their_value() {
        for (target, seen, found) in [
            ("/a", "/a", &[][..]),
            ("/a?", "/a?", &[]),
            ("/a?b=c&d", "/a?b=c&d", &[]),
            ("/a?x=%zz&access_tokens=b", "/a?x=%zz&access_tokens=b", &[]),
            ("/a?access_token=T", "/a?access_token=", &["T"]),
            ("/a?b=c&access_token=T&d=e", "/a?b=c&access_token=&d=e", &["T"]),
            ("/a?access%5ftoken=T%2B", "/a?access%5ftoken=", &["T+"]),
            ("/a?access_token=T&access_token=U", "/a?access_token=&access_token=", &["T", "U"]),
            ("/a?access_token=T?x=y=z", "/a?access_token=", &["T?x=y=z"]),
            ("/a?access_token=T;u&d=e", "/a?access_token=;&d=e", &["T;u"]),
            ("/a?b=c;access_token=T;u=v&d=e", "/a?b=c;access_token=;&d=e", &[]),
            ("/a?access_token", "/a?access_token", &[""]),
            ("/a?Access_Token=T", "/a?Access_Token=T", &[]),
            ("/a?access_token=a+b", "/a?access_token=", &["a b"]),
        ] {
            let expected: Vec<_> =
                found.iter().map(|v| (String::from("access_token"), (*v).to_owned())).collect();
            assert_eq!(split(target), (seen.to_owned(), expected), "{target}");
        }
    }

    /// Headers that repeat the target repeat its token; others are left alone, or a caller could hide them from a rule.
    #[test]
    fn a_header_that_repeats_the_target_does_not_repeat_its_token() {
        let sealed = SealedNames::default();
        let cut = |name: &str, value: &str| {
            let value = sealed.cut_header(name, HeaderValue::new(value.as_bytes().to_vec()));
            value.as_str().unwrap().to_owned()
        };
        assert_eq!(
            cut("referer", "https://a.example/b?access_token=T&c=d"),
            "https://a.example/b?access_token=&c=d"
        );
        assert_eq!(cut("x-envoy-original-path", "/b?access_token=T"), "/b?access_token=");
        assert_eq!(cut("x-note", "/b?access_token=T"), "/b?access_token=T");
    }
}
