//! Characters by which people and other programs read another text than YAML does.

use super::{Code, Diagnostic, Origin};

/// The first such character of a document, comments included.
pub(super) fn misleading(text: &str, origin: &Origin) -> Option<Diagnostic> {
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let around = [before.replace(c), chars.peek().map(|(_, next)| *next)];
        let (what, help) = match c {
            '\r' if around[1] != Some('\n') => (
                "a carriage return alone ends a line for YAML, and not for other programs",
                "end lines with a line feed",
            ),
            // The controls of Unicode Standard Annex #9 that change the order of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => (
                "a control character changes the order in which the text is shown",
                "remove it; where a value needs it, write it as an escape in double quotes, such as \"\\u202B\"",
            ),
            // A file may begin with a byte order mark.
            '\u{feff}' if at == 0 => continue,
            c if is_invisible(c, around) => (
                "an invisible character makes this another text than it looks",
                "remove it; where a value needs it, write it as an escape in double quotes, such as \"\\u200B\"",
            ),
            _ => continue,
        };
        let place = origin.part(at..at.saturating_add(c.len_utf8()));
        return Some(Diagnostic::error(Code::InvalidYaml, place, what).help(help));
    }
    None
}

/// True if `text` has a character that shows nothing, or a gap that is no plain space: it looks like another text.
pub fn has_unseen(text: &str) -> bool {
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let around = [before.replace(c), chars.peek().copied()];
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns || is_invisible(c, around) || (c.is_whitespace() && c != ' ') {
            return true;
        }
    }
    false
}

/// True if `c` shows nothing, not even a gap. Joiners, marks of direction and variation selectors have work to do, but not beside a letter
/// or digit of ASCII.
fn is_invisible(c: char, around: [Option<char>; 2]) -> bool {
    match c {
        '\u{200c}'..='\u{200f}' | '\u{61c}' | '\u{fe00}'..='\u{fe0f}' => {
            around.iter().flatten().any(char::is_ascii_alphanumeric)
        }
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{2060}'..='\u{2065}' => true,
        '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::SourceFile;

    fn is_refused(text: &str) -> bool {
        misleading(text, &Origin::of(&SourceFile::new("a.yaml", text))).is_some()
    }

    /// P766: a line that only YAML sees, and text that is shown in another order, hide what a document says; also in comments.
    #[test]
    fn text_that_misleads_is_refused() {
        for text in ["a: 1 # b\r  c: 2\n", "a: 1\r", "a: 1 # \u{202e}b\n", "a: \u{2066}b\n"] {
            assert!(is_refused(text), "{text:?}");
        }
        for text in ["a: 1\r\nb: 2\r\n", "a: \"\\u202Eb\"\n"] {
            assert!(!is_refused(text), "{text:?}");
        }
    }

    /// P769: a name with an invisible character is another name than it looks.
    #[test]
    fn invisible_characters_are_refused() {
        for text in [
            "sub: bob\u{200b}\n",
            "sub: bo\u{ad}b\n",
            "sub: \u{2060}bob\n",
            "sub: bo\u{200d}b\n",
            "sub: bob\u{200f}\n",
            "sub: \u{200e}bob\n",
            "sub: bob\u{fe0f}\n",
            "sub: bob\u{e0041}\n",
            "a: 1\n\u{feff}b: 2\n",
        ] {
            assert!(is_refused(text), "{text:?}");
        }
        for text in [
            "\u{feff}a: 1\n",
            "sub: \"bob\\u200B\"\n",
            "a: 1 # \u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}\n",
            "a: 1 # \u{2764}\u{fe0f} \u{1f468}\u{200d}\u{1f469}\n",
            "a: \u{a0}1\n",
        ] {
            assert!(!is_refused(text), "{text:?}");
        }
    }
}
