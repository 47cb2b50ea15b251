//! A place that takes records: lines on a stream here, files and the collector elsewhere.

use std::io::{self, Write};

use super::Record;

/// A place that takes records. Called by a thread of its own, which may be kept waiting.
pub trait Sink: Send {
    /// Takes `records`: afterwards all of them are there or none is.
    ///
    /// # Errors
    /// Why they are lost.
    fn take(&mut self, records: &[Record]) -> io::Result<()>;
}

/// JSON lines on a stream.
#[derive(Debug)]
pub(super) struct Lines<W> {
    out: W,
    /// True if the stream may end in the middle of a line.
    torn: bool,
}

impl<W: Write> Lines<W> {
    pub(super) const fn new(out: W) -> Self {
        Self { out, torn: false }
    }

    /// Writes `text`, which is whole lines.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        // A line that was torn by an error ends here, so that the next one can be read.
        if self.torn {
            self.out.write_all(b"\n")?;
        }
        self.torn = true;
        self.out.write_all(text)?;
        self.out.flush()?;
        self.torn = false;
        Ok(())
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        self.write(&lines(records))
    }
}

/// One JSON object per line.
pub(super) fn lines(records: &[Record]) -> Vec<u8> {
    records.iter().map(Record::line).collect::<Vec<_>>().concat()
}
