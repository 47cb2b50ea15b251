//! Texts that are not what they look like: white space at an end, characters that are not seen.

/// Says why `text` is another one than it looks, if it is: hardly any value is equal to it.
pub fn not_plain(text: &str) -> Option<&'static str> {
    if text.trim().len() != text.len() {
        return Some("has white space at its ends");
    }
    let unseen = |c: char| c.is_control() || is_invisible(c);
    text.chars().any(unseen).then_some("has a character that is not seen")
}

/// Why a text that is compared as it stands looks as if it stood for several: another program's pattern or variable.
pub fn like_a_pattern(text: &str) -> Option<&'static str> {
    if text.contains('*') {
        return Some("has a `*`, which stands for itself");
    }
    has_placeholder(text).then_some("has a placeholder, which stands for itself")
}

/// True if a text has a variable of another program that was not replaced: `{tenant}`, `${AUD}`, `$AUD`, `$(AUD)`, `<tenant>`, also
/// percent-encoded.
pub fn has_placeholder(text: &str) -> bool {
    let encoded = text.to_ascii_lowercase();
    let of_a_shell =
        |rest: &str| rest.starts_with(|c: char| c == '(' || c == '_' || c.is_ascii_uppercase());
    text.contains(['{', '}'])
        || ["%7b", "%7d", "%3c"].iter().any(|brace| encoded.contains(brace))
        || text.find('<').is_some_and(|at| text.get(at..).is_some_and(|rest| rest.contains('>')))
        || text.split('$').skip(1).any(of_a_shell)
}

/// Characters that take no room, turn the direction of a text, or look like a space.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{a0}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}'
            | '\u{3000}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P154: a value with a space or a character that is not seen matches no value that a caller sends.
    #[test]
    fn what_is_not_seen_is_found() {
        for text in ["https://a.example/v2.0", "a b", "CN=Ä Ö,O=ß", "日本", ""] {
            assert_eq!(not_plain(text), None, "{text:?}");
        }
        for text in [" a", "a ", "a\n", "a\tb", "a\u{200b}", "\u{feff}a", "a\u{a0}b", "a\u{202e}b"]
        {
            assert!(not_plain(text).is_some(), "{text:?}");
        }
    }
}
