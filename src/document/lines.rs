//! Lines and columns of a text, found without reading it from its start for each place.

/// The length of a part of the text whose characters are counted beforehand.
const PART: usize = 1024;

/// An index of the lines and characters of a text.
#[derive(Debug)]
pub(super) struct Lines {
    /// The byte at which each line starts.
    starts: Vec<usize>,
    /// The number of characters before each part.
    before: Vec<usize>,
}

impl Lines {
    /// The index of `text`.
    pub(super) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at.saturating_add(1))).collect();
        let mut count: usize = 0;
        let before = text.as_bytes().chunks(PART).map(|part| {
            let here = count;
            count = count.saturating_add(characters(part));
            here
        });
        let before: Vec<_> = before.collect();
        Self { starts, before }
    }

    /// Line and column of the byte `at` of `text`, both from 1; the column counts characters.
    pub(super) fn line_column(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.count(text, at).saturating_sub(self.count(text, start));
        (line, column.saturating_add(1))
    }

    /// The number of characters before the byte `at`.
    fn count(&self, text: &str, at: usize) -> usize {
        let part = at / PART;
        let rest = text.as_bytes().get(part.saturating_mul(PART)..at).unwrap_or_default();
        let before = self.before.get(part).or(self.before.last()).copied().unwrap_or_default();
        before.saturating_add(characters(rest))
    }
}

/// The number of characters that start in `bytes`, a part of a text.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place of a text has the line and column that counting from its start gives.
    #[test]
    fn places_are_those_of_counting() {
        let text = "é\nab\n\nzwölf\r\n".repeat(300) + &"ü".repeat(3000);
        let lines = Lines::of(&text);
        for (at, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let before = text.get(..at).unwrap();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            assert_eq!(lines.line_column(&text, at), (line, column), "{at}");
        }
        assert_eq!(Lines::of("").line_column("", 0), (1, 1));
    }
}
