//! Words of a token that did not verify, for a log.

use crate::document::closest;

/// Longest part of a word that is shown: of one that is no address, so many characters, and of an address its host.
const MAX_START: usize = 4;
/// Longest word that is looked for among ours.
const MAX_NEAR: usize = 256;
/// Longest word of a header that is shown.
const MAX_HEADER: usize = 96;
const MAX_HOST: usize = 64;

/// A word of a token's header, such as its `kid`, for a log: as it is where it is plain, else only how long it is.
pub(super) fn of_header(word: &str) -> String {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'/' | b':' | b'~')
    };
    match !word.is_empty() && word.len() <= MAX_HEADER && word.bytes().all(plain) {
        true => format!("`{word}`"),
        false => format!("({} bytes)", word.len()),
    }
}

/// A claim of a token for a log: its beginning and how long it is. A token that did not verify says anything, also about people, and
/// the beginning is enough to tell one issuer or audience from another.
pub(super) fn shown(word: &str) -> String {
    let plain = |text: &&str| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
        !text.is_empty() && text.len() <= MAX_HOST && text.bytes().all(is_plain)
    };
    let address = word.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let host = address.and_then(|(_, rest)| rest.split('/').next()).filter(plain);
    let start = match (address, host) {
        (Some((scheme, _)), Some(host)) => Some(format!("{scheme}://{host}")),
        (Some(_), None) => None,
        // A short one would be shown as a whole.
        (None, _) => word
            .get(..MAX_START)
            .filter(|start| plain(start) && word.len() > MAX_START.saturating_mul(2))
            .map(str::to_owned),
    };
    match start {
        Some(start) if start.len() == word.len() => format!("`{start}`"),
        Some(start) => format!("`{start}..` ({} bytes)", word.len()),
        None => format!("({} bytes)", word.len()),
    }
}

/// The one of `ours` that `word` is similar to, and how it differs.
pub(super) fn near(word: &str, ours: &[&str]) -> Option<String> {
    // Of a longer one nothing is near (P432).
    if word.len() > MAX_NEAR {
        return None;
    }
    let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
    let differing = |by: &str, plain: &dyn Fn(&str) -> String| {
        let own = ours.iter().find(|own| plain(own) == plain(word))?;
        Some(format!("`{own}` differs by {by}"))
    };
    differing("a `/` at its end", &trimmed)
        .or_else(|| differing("case", &|text| text.to_ascii_lowercase()))
        .or_else(|| differing("white space", &|text| text.trim().to_owned()))
        .or_else(|| {
            let scheme =
                |text: &str| text.split_once("://").map_or(text, |(_, rest)| rest).to_owned();
            differing("its scheme", &|text| trimmed(&scheme(text)))
        })
        .or_else(|| Some(format!("`{}` is similar", closest(word, ours)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P80: hosts and beginnings are shown, and nothing that may be about a person.
    #[test]
    fn only_the_beginning_of_plain_words_is_shown() {
        for (word, expected) in [
            ("https://login.example.com/realms/corp", "`https://login.example.com..` (37 bytes)"),
            ("https://login.example.com", "`https://login.example.com`"),
            ("https://zoe@login.example.com/", "(30 bytes)"),
            ("https:///realms/corp", "(20 bytes)"),
            ("api://orders", "`api:..` (12 bytes)"),
            ("billing-service", "`bill..` (15 bytes)"),
            ("zoe", "(3 bytes)"),
            ("", "(0 bytes)"),
            ("zoe@example.com", "(15 bytes)"),
            ("Zo\u{eb}", "(4 bytes)"),
            ("a b", "(3 bytes)"),
            ("`\n", "(2 bytes)"),
        ] {
            assert_eq!(shown(word), expected);
        }
        assert_eq!(shown(&"a".repeat(97)), "`aaaa..` (97 bytes)");
    }

    #[test]
    fn a_near_miss_says_how_it_differs() {
        let ours = ["https://login.example.com/", "orders"];
        for (word, expected) in [
            (
                "https://login.example.com",
                Some("`https://login.example.com/` differs by a `/` at its end"),
            ),
            ("HTTPS://login.example.com/", Some("`https://login.example.com/` differs by case")),
            (
                "http://login.example.com",
                Some("`https://login.example.com/` differs by its scheme"),
            ),
            ("orders ", Some("`orders` differs by white space")),
            ("order", Some("`orders` is similar")),
            ("https://other.example.org", None),
        ] {
            assert_eq!(near(word, &ours).as_deref(), expected, "{word}");
        }
    }
}
