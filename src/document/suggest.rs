//! "Did you mean": the closest of a few words.

use super::Diagnostic;

/// The word in `words` that `text` is most likely a slip of, if any is close; else one that it is the long form of, as
/// `monday` is of `mon`.
#[must_use]
pub fn closest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let allowed = text.chars().count().div_ceil(3).clamp(1, 3);
    let folded = text.to_ascii_lowercase();
    words
        .iter()
        .map(|word| (distance(&folded, &word.to_ascii_lowercase()), *word))
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

/// How many characters have to be added, removed, changed or swapped with their neighbour to make `b` of `a`
/// (optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX);
            let swapped = i > 0
                && j > 0
                && a.get(i.wrapping_sub(1)) == Some(y)
                && b.get(j.wrapping_sub(1)) == Some(x);
            let candidates = [
                at(&previous, j).saturating_add(usize::from(x != y)),
                at(&previous, j.saturating_add(1)).saturating_add(1),
                at(&row, j).saturating_add(1),
                if swapped { at(&before, j.wrapping_sub(1)).saturating_add(1) } else { usize::MAX },
            ];
            row.push(candidates.into_iter().min().unwrap_or(usize::MAX));
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let words = ["scopes", "claims", "issuer", "binding"];
        assert_eq!(closest("scope", &words), Some("scopes"));
        assert_eq!(closest("cliams", &words), Some("claims"));
        assert_eq!(closest("ISSUER", &words), Some("issuer"));
        assert_eq!(closest("peer", &words), None);
        assert_eq!(closest("monday", &["sun", "mon"]), Some("mon"));
        assert_eq!(closest("", &words), None);
    }
}
