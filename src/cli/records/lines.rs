//! The lines of audit logs.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::log_check::LogCheck;
use crate::audit::put_aside;

/// Read at a time.
const CHUNK: usize = 256 * 1024;

/// Longest line that is read: a record is cut to less.
const LONGEST: usize = 1024 * 1024;

/// The lines of a log, also while it is written.
pub(in crate::cli) struct RecordLines<R> {
    pub(in crate::cli) reader: R,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
    /// True if that line is longer than any record.
    overlong: bool,
    check: LogCheck,
}

impl<R: BufRead> RecordLines<R> {
    pub(in crate::cli) fn new(reader: R) -> Self {
        Self { reader, begun: Vec::new(), overlong: false, check: LogCheck::default() }
    }

    /// Every line that is whole and that may be a record, up to the end of what is there.
    pub(in crate::cli) fn each(&mut self, mut take: impl FnMut(&str)) -> io::Result<()> {
        self.each_or_none(|line| line.into_iter().for_each(&mut take))
    }

    /// Every line that is whole; none in the place of one that is not text, or is longer than any record.
    pub(in crate::cli) fn each_or_none(
        &mut self,
        mut take: impl FnMut(Option<&str>),
    ) -> io::Result<()> {
        loop {
            let part = u64::try_from(LONGEST).unwrap_or(u64::MAX);
            if (&mut self.reader).take(part).read_until(b'\n', &mut self.begun)? == 0 {
                return Ok(());
            }
            let ends = self.begun.pop_if(|last| *last == b'\n').is_some();
            self.overlong |= self.begun.len() > LONGEST;
            if ends {
                let line = str::from_utf8(&self.begun).ok().filter(|_| !self.overlong);
                self.check.see(line);
                take(line);
            }
            if ends || self.overlong {
                self.begun.clear();
            }
            self.overlong &= !ends;
        }
    }

    /// True if the log ends within a line.
    pub(in crate::cli) const fn is_torn(&self) -> bool {
        !self.begun.is_empty() || self.overlong
    }

    /// The last line, where its end is not there yet.
    pub(in crate::cli) fn rest(&self) -> Option<&str> {
        str::from_utf8(&self.begun).ok().filter(|rest| !rest.is_empty() && !self.overlong)
    }

    /// Refuses what was read of the file at `path`, if it is not an audit log.
    pub(in crate::cli) fn check(&self, path: &Path) -> Result<(), String> {
        self.check.judge(&self.begun, path)
    }

    /// Begins again with the next line.
    pub(in crate::cli) fn forget(&mut self) {
        self.begun.clear();
        self.overlong = false;
    }
}

/// The logs at `path` with those that were put aside before it, the oldest first.
pub(in crate::cli) fn with_older(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::iter::once(path.to_owned()).chain(put_aside(path)).collect();
    all.reverse();
    all
}

/// The lines of the log at `path`; of standard input where that is `-`.
pub(in crate::cli) fn open(path: &Path) -> io::Result<RecordLines<Box<dyn BufRead>>> {
    let reader: Box<dyn BufRead> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::with_capacity(CHUNK, File::open(path)?)),
    };
    Ok(RecordLines::new(reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P455: the ends of a line that is longer than any record are not one record together.
    #[test]
    fn a_line_that_is_too_long_is_ignored() {
        let good = r#"{"decision":"deny"}"#;
        for filling in [0, 1, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST, 3 * LONGEST + 7] {
            let long = format!("{{\"decision\":\"allow\",{}\"x\":1}}", " ".repeat(filling));
            let text = format!("{good}\n{long}\n{good}\n{good}");
            let mut found = Vec::new();
            RecordLines::new(text.as_bytes()).each(|line| found.push(line.to_owned())).unwrap();
            let is_record = long.len() <= LONGEST;
            let expected = if is_record { vec![good, &long, good] } else { vec![good, good] };
            assert!(found == expected, "{filling}");
        }
    }
}
