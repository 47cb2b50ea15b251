//! "Did you mean": the closest of a few words.

use strsim::osa_distance;

use super::Diagnostic;

/// Longest text that is compared, in bytes.
const MAX_COMPARED: usize = 256;

/// The word in `words` that is closest to `text`, if any is close; else one that `text` begins with, as `monday` does with
/// `mon`.
pub fn closest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    // A caller may have written it, as long as a token may be: comparing takes the product of the lengths.
    if text.len() > MAX_COMPARED {
        return None;
    }
    let length = text.chars().count();
    let allowed = length.div_ceil(3).clamp(1, 3);
    let folded = text.to_ascii_lowercase();
    let of_like_length = |word: &&&str| word.chars().count().abs_diff(length) <= allowed;
    words
        .iter()
        .filter(of_like_length)
        .map(|word| (osa_distance(&folded, &word.to_ascii_lowercase()), *word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
        .or_else(|| {
            let short =
                |word: &&&str| word.len() >= 3 && folded.starts_with(&word.to_ascii_lowercase());
            words.iter().filter(short).max_by_key(|word| word.len()).copied()
        })
}

/// Adds the advice where there is a close word.
pub(super) fn did_you_mean(problem: Diagnostic, text: &str, words: &[&str]) -> Diagnostic {
    match closest(text, words) {
        Some(word) => problem.help(format!("did you mean `{word}`?")),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P432: what a caller may write is compared within a bound.
    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let words = ["scopes", "claims", "issuer", "binding"];
        assert_eq!(closest("scope", &words), Some("scopes"));
        assert_eq!(closest("cliams", &words), Some("claims"));
        assert_eq!(closest("ISSUER", &words), Some("issuer"));
        assert_eq!(closest("peer", &words), None);
        assert_eq!(closest("monday", &["sun", "mon"]), Some("mon"));
        assert_eq!(closest("", &words), None);
        let (long, longer) = ("a".repeat(MAX_COMPARED), "a".repeat(MAX_COMPARED + 1));
        assert_eq!(closest(&long, &[&longer]), Some(longer.as_str()));
        assert_eq!(closest(&longer, &[&longer]), None);
    }
}
