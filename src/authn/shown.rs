//! Words of a token that did not verify, for a log.

use crate::document::closest;

/// Longest word that is shown.
const MAX_SHOWN: usize = 96;

/// A word of a token for a log: as it is where it is a plain name or address, else only how long it is. So nothing that may be about
/// a person, or a secret that was put there, is shown.
pub(super) fn shown(word: &str) -> String {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'/' | b':' | b'~')
    };
    if !word.is_empty() && word.len() <= MAX_SHOWN && word.bytes().all(plain) {
        format!("`{word}`")
    } else {
        format!("({} bytes)", word.len())
    }
}

/// The one of `ours` that `word` comes near, and how it differs.
pub(super) fn near(word: &str, ours: &[&str]) -> Option<String> {
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
        .or_else(|| Some(format!("`{}` comes near", closest(word, ours)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P80: plain names and addresses are shown, and nothing that may be about a person.
    #[test]
    fn only_plain_words_are_shown() {
        for (word, expected) in [
            ("https://login.example.com/realms/corp", "`https://login.example.com/realms/corp`"),
            ("api://orders", "`api://orders`"),
            ("", "(0 bytes)"),
            ("zoe@example.com", "(15 bytes)"),
            ("Zo\u{eb}", "(4 bytes)"),
            ("a b", "(3 bytes)"),
            ("`\n", "(2 bytes)"),
        ] {
            assert_eq!(shown(word), expected);
        }
        assert_eq!(shown(&"a".repeat(97)), "(97 bytes)");
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
            ("order", Some("`orders` comes near")),
            ("https://other.example.org", None),
        ] {
            assert_eq!(near(word, &ours).as_deref(), expected, "{word}");
        }
    }
}
