//! The fenced blocks of a page.

/// A fenced block, and the paragraph before it.
pub(super) struct Block {
    pub(super) language: String,
    pub(super) text: String,
    /// The line of its first fence.
    pub(super) line: usize,
    intro: String,
}

/// A command and the lines that are printed below it.
pub(super) struct Command {
    pub(super) line: String,
    pub(super) output: Vec<String>,
}

/// The ends of the names of files that pages have people write.
const FILES: [&str; 3] = [".yaml", ".json", ".py"];

pub(super) fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut intro) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for (line, at) in page.lines().zip(1..) {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let (language, intro) = (language.trim().to_owned(), std::mem::take(&mut intro));
                open = Some(Block { language, text: String::new(), line: at, intro });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            // A paragraph ends with a line that is empty, and the next one begins.
            (None, None) if line.is_empty() => {}
            (None, None) => {
                let before: Option<usize> = at.checked_sub(2);
                if before.and_then(|at| page.lines().nth(at)).is_none_or(str::is_empty) {
                    intro.clear();
                }
                intro.push_str(line);
                intro.push(' ');
            }
        }
    }
    found
}

impl Block {
    /// The file that the reader is asked to write: the first that the last sentence before a block names, where it ends
    /// with a colon.
    pub(super) fn file_name(&self) -> Option<&str> {
        let before = self.intro.trim_end().strip_suffix(':')?;
        let sentence = before.rsplit(". ").next()?;
        let mut quoted = sentence.split('`').skip(1).step_by(2);
        quoted.find(|word| FILES.iter().any(|end| word.ends_with(end)))
    }

    pub(super) fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(line), _) => {
                    commands.push(Command { line: line.to_owned(), output: Vec::new() })
                }
                (None, Some(last)) if last.output.is_empty() && last.line.ends_with('\\') => {
                    last.line.push('\n');
                    last.line.push_str(line);
                }
                (None, Some(last)) => last.output.push(line.to_owned()),
                (None, None) => panic!("line {}: `{line}` stands before any command", self.line),
            }
        }
        commands
    }
}

/// True if `shown`, in which `...` stands for any text in a line and for any lines where it stands alone, is what was `printed`.
pub(super) fn matches(shown: &[String], printed: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return printed.is_empty() };
    if first.trim() == "..." {
        return (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]));
    }
    let Some((line, others)) = printed.split_first() else { return false };
    line_matches(first, line) && matches(rest, others)
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (shown.trim_end(), printed.trim_end());
    let Some((beginning, rest)) = shown.split_once("...") else { return shown == printed };
    let Some(mut left) = printed.strip_prefix(beginning) else { return false };
    let mut parts: Vec<_> = rest.split("...").collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(end)
}

#[test]
fn a_line_is_compared_but_for_its_dots() {
    for (shown, printed, equal) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a...", "abc", true),
        ("a...c", "abc", true),
        ("a...c", "abcd", false),
        ("...b...", "abc", true),
        ("a...d", "abc", false),
        ("a...c", "acbc", true),
    ] {
        assert_eq!(line_matches(shown, printed), equal, "{shown} {printed}");
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a\n...\nd"), &lines("a\nb\nc\nd")));
    assert!(!matches(&lines("a\nd"), &lines("a\nb\nd")));
    assert!(!matches(&lines("a"), &lines("a\nb")));
}
