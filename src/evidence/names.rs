//! The grammar of each kind of name. A text that breaks the grammar of its kind is no name, wherever it comes from (P38).

use crate::limits::MAX_HOST_BYTES;

/// A host name in the preferred syntax (RFC 1123 section 2.1) with `_`, possibly behind a wildcard label.
pub fn is_dns_name(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && bytes.len() <= 63
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.len() <= MAX_HOST_BYTES && host.split('.').all(is_label)
}

/// A scheme and something after it (RFC 3986 section 3), in visible ASCII without what no URI has.
pub fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.bytes().all(inner)
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P38: NUL, control characters and what a matcher could misread are not names.
    #[test]
    fn names_are_what_their_kind_has_to_be() {
        for (text, dns, uri) in [
            ("good.example", true, false),
            ("*.good.example", true, false),
            ("_sip.good.example", true, false),
            ("a.*.example", false, false),
            ("good.example\0.evil", false, false),
            ("good.example.", false, false),
            ("-a.example", false, false),
            ("", false, false),
            ("spiffe://a.example/b", false, true),
            ("urn:a:b", false, true),
            ("spiffe://a.example/b\0", false, false),
            ("spiffe://a.example/b\n", false, false),
            ("spiffe://a.example/b ", false, false),
            ("spiffe://a.example/é", false, false),
            ("https://a.example/ b", false, false),
            ("https://a.example/\"", false, false),
            ("1https://a.example", false, false),
        ] {
            assert_eq!((is_dns_name(text), is_uri(text)), (dns, uri), "{text:?}");
        }
        assert!(!is_dns_name(&"a.".repeat(200)));
        assert!(!is_dns_name(&"a".repeat(64)) && is_dns_name(&"a".repeat(63)));
        let longest = format!("{}{}", "a.".repeat(126), "a");
        assert!(is_dns_name(&longest) && !is_dns_name(&format!("a{longest}")));
    }
}
