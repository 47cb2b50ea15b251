//! Files that are not audit logs: a command that finds nothing in one must not say that there is nothing.

use std::path::Path;

use crate::audit::{DecisionRecord, RecordedEvent};
use crate::cli::files;
use crate::words::counted;

/// The lines that were seen of a file.
#[derive(Debug, Default)]
pub(super) struct LogCheck {
    /// Lines before the first record that are none.
    foreign: usize,
    has_record: bool,
}

impl LogCheck {
    /// Sees a whole line; none in the place of one that is not text, or is longer than any record.
    pub(super) fn see(&mut self, line: Option<&str>) {
        // One record is enough: a crash tears lines, and other programs write into the same stream.
        if self.has_record || line.is_some_and(|line| line.trim().is_empty()) {
            return;
        }
        match line.is_some_and(is_record) {
            true => self.has_record = true,
            false => self.foreign = self.foreign.saturating_add(1),
        }
    }

    /// Refuses the file at `path`, which ends with `rest`, if it has lines and none of them is a record. An empty log is one, and so is
    /// one whose only line is not written yet.
    pub(super) fn judge(&self, rest: &[u8], path: &Path) -> Result<(), String> {
        let is_begun = match str::from_utf8(rest).map(str::trim) {
            Ok("") => true,
            Ok(rest) => is_record(rest) || (rest.starts_with('{') && is_cut(rest)),
            Err(_) => rest.starts_with(b"{"),
        };
        if self.has_record || (self.foreign == 0 && is_begun) {
            return Ok(());
        }
        let lines = self.foreign.saturating_add(usize::from(!is_begun));
        Err(format!(
            "`{}` is not an audit log: {}, and none is a decision or an event that countersign recorded; name the file of `audit.file`",
            files::named(path),
            counted(lines, "line")
        ))
    }
}

fn is_cut(rest: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(rest).is_err_and(|error| error.is_eof())
}

/// True if `line` is a decision or an event.
fn is_record(line: &str) -> bool {
    let decision = serde_json::from_str::<DecisionRecord>(line);
    let event = || serde_json::from_str::<RecordedEvent>(line);
    decision.is_ok_and(|own| !own.decision_id.is_empty())
        || event().is_ok_and(|own| !own.event.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &[u8]) -> Result<(), String> {
        let mut lines = super::super::RecordLines::new(text);
        lines.each(|_| ()).unwrap();
        lines.check(Path::new("x"))
    }

    /// P651: a file without a record is no log without decisions. An empty one, and one whose last line is not whole, are logs.
    #[test]
    fn a_file_without_a_record_is_not_a_log() {
        for log in [
            "",
            "\n",
            "{\"decision_id\":\"5c",
            "{\"decision_id\":\"5c\"}",
            "{\"decision_id\":\"5c\"}\n{\"deci",
            "torn\n{\"decision_id\":\"5c\"}\n",
            "{\"event\":\"started\"}\n",
        ] {
            assert_eq!(judged(log.as_bytes()), Ok(()), "{log}");
        }
        for foreign in
            ["kind: Policy\nmetadata: {}\n", "hello", "{\"a\":1}\n", "{\"a\":1}", "[]\n", "{]"]
        {
            let refused = judged(foreign.as_bytes()).unwrap_err();
            assert!(refused.starts_with("`x` is not an audit log: "), "{foreign}: {refused}");
        }
        assert!(judged(b"\xff\xfe\n").is_err() && judged(b"\x7fELF\xff").is_err());
    }
}
