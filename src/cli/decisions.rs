//! `countersign decisions`: the decisions in an audit log, the newest last, and those that come while one looks.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader, Seek as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::records::{self, Filters, RecordLines, peer, rule};
use super::style::{BAD, GOOD, Output, QUIET, out, visible};
use super::{CommandError, Exit, files};
use crate::audit::DecisionRecord;
use crate::config::{Config, Overrides};
use crate::policy::Effect;
use crate::words::counted;

const EXAMPLES: &str = "\
Examples:
  countersign decisions --config countersign.yaml --since 10m --denied
  countersign decisions --config countersign.yaml --since 1h --denied --by reason
  countersign decisions --audit audit.jsonl --peer ns/web/ --tail
  countersign decisions --audit audit.jsonl --reason scope_missing --output json

Exit codes: 0 listed; 1 the log cannot be followed; 2 wrong arguments or an unreadable log; 3 wrong
settings";

/// Pause between two looks at a log that has no new line.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The settings of a server that writes its audit log to a file.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// The audit log: JSON lines; `-` for standard input. Without it, that of `--config`, with its rotated files.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    audit: Option<PathBuf>,
    /// How many decisions to list, the newest; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// Count the decisions instead of listing them.
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "tail")]
    by: Option<By>,
    /// Wait for new decisions and list them, until Ctrl-C.
    #[arg(long)]
    tail: bool,
    /// Output format; JSON has a record in each line, as it is in the log.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
    #[command(flatten)]
    filters: Filters,
}

/// The least widths of the columns of reasons, rules and peers; those of decisions that are still to come.
const WIDTHS: [usize; 3] = [22, 28, 1];

/// The field by which decisions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// The reason of a denial.
    Reason,
    /// The rule that decided, or came closest.
    Rule,
    /// The peer.
    Peer,
    /// The host.
    Host,
    /// The method and the path.
    Path,
}

/// A record with the line that it was read from.
struct Listed {
    record: DecisionRecord,
    line: String,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let config = args.config.as_deref();
    let config = config.map(|file| Config::load(Some(file), &Overrides::default())).transpose()?;
    let configured = config.as_ref().and_then(|config| config.audit.as_ref()?.file());
    let path = args.audit.as_deref().or(configured).ok_or_else(|| {
        CommandError::settings(
            "settings: no audit log is written to a file; name one with `--audit`",
        )
    })?;
    let failed = |error: io::Error| CommandError::Failure(files::unreadable(path, &error));
    let mut newest = Newest { limit: args.limit, ..Newest::default() };
    if path.as_os_str() == "-" {
        newest.read(args, path)?;
        newest.write(args)?;
        return Ok(Exit::Ok);
    }
    for file in records::with_older(path).iter().filter(|file| *file != path) {
        newest.read(args, file)?;
    }
    let unreadable = |error: io::Error| CommandError::Usage(files::unreadable(path, &error));
    let mut log = Log::open(path).map_err(unreadable)?;
    log.lines.each(|line| newest.take(args, line)).map_err(unreadable)?;
    log.lines.check(path).map_err(CommandError::Usage)?;
    newest.write(args)?;
    match args.tail.then(|| log.follow(args)) {
        // The reader of our output has gone.
        Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        Some(_) | None => Ok(Exit::Ok),
    }
}

impl Args {
    /// The record in `line`, where it is wanted.
    fn wanted(&self, line: &str) -> Option<DecisionRecord> {
        decision(line).filter(|record| self.filters.want(record))
    }
}

/// The record in `line`. A line that a crash tore, or another program wrote, need not be one.
fn decision(line: &str) -> Option<DecisionRecord> {
    let record: DecisionRecord = serde_json::from_str(line).ok()?;
    (!record.decision_id.is_empty()).then_some(record)
}

/// The newest decisions that are wanted.
#[derive(Default)]
struct Newest {
    limit: usize,
    listed: VecDeque<Listed>,
    /// How many are wanted, listed or not.
    wanted: usize,
    /// How many there are of each, where they are counted and not listed.
    counts: BTreeMap<String, u64>,
    /// The time of the last decision, wanted or not.
    last: Option<String>,
}

impl Newest {
    /// Takes the decisions in the log at `path`.
    fn read(&mut self, args: &Args, path: &Path) -> Result<(), CommandError> {
        let mut read = || {
            let mut lines = records::open(path)?;
            lines.each(|line| self.take(args, line)).map(|()| lines)
        };
        let lines = read().map_err(|error| CommandError::Usage(files::unreadable(path, &error)))?;
        lines.check(path).map_err(CommandError::Usage)
    }

    fn take(&mut self, args: &Args, line: &str) {
        let Some(record) = decision(line) else { return };
        if !args.filters.want(&record) {
            self.last = Some(record.time);
            return;
        }
        if let Some(by) = args.by {
            let own = self.counts.entry(by.of(&record)).or_default();
            *own = own.saturating_add(1);
            return;
        }
        self.wanted = self.wanted.saturating_add(1);
        if self.limit > 0 && self.listed.len() >= self.limit {
            self.listed.pop_front();
        }
        self.listed.push_back(Listed { record, line: line.to_owned() });
    }

    fn write(&self, args: &Args) -> io::Result<()> {
        let none = self.wanted == 0 && self.counts.is_empty();
        if let Some(last) = self.last.as_deref().filter(|_| none && !args.tail) {
            // A clock that was wrong writes times that `--since` does not find.
            super::style::hint(format_args!(
                "none fits; the last decision of the log is of {}",
                visible(last)
            ));
        }
        if args.by.is_some() {
            return self.write_counts(args.output);
        }
        let columns = self.listed.iter().map(Listed::columns);
        let widths = columns.fold(WIDTHS, |widths, own| {
            let ([a, b, c], [x, y, z]) = (own.map(|text| text.chars().count()), widths);
            [a.max(x), b.max(y), c.max(z)]
        });
        self.listed.iter().try_for_each(|listed| listed.write(args.output, widths))?;
        if args.output == Output::Human && !args.tail {
            let denied =
                self.listed.iter().filter(|own| own.record.effect() == Some(Effect::Deny)).count();
            let (listed, all) = (self.listed.len(), counted(self.wanted, "decision"));
            let (all, more) = match listed < self.wanted {
                true => (format!("the newest {listed} of {all}"), "; `--limit 0` lists all"),
                false => (all, ""),
            };
            writeln!(out(), "{QUIET}{all}, {denied} denied{more}{QUIET:#}")?;
        }
        Ok(())
    }

    /// The most first.
    fn write_counts(&self, output: Output) -> io::Result<()> {
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_by(|(one, many), (other, more)| more.cmp(many).then_with(|| one.cmp(other)));
        match output {
            Output::Json => {
                let rows = counts
                    .iter()
                    .map(|(name, count)| CountedReport { name: (*name).clone(), count: **count });
                super::style::json(&rows.collect::<Vec<_>>(), &mut io::stdout().lock())
            }
            Output::Human => counts.iter().try_for_each(|(name, count)| {
                let name = if name.is_empty() { "-" } else { name.as_str() };
                writeln!(out(), "{count:>8}  {}", visible(name))
            }),
        }
    }
}

/// How many decisions have one value.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CountedReport {
    count: u64,
    /// The value; empty for decisions without one.
    name: String,
}

impl By {
    fn of(self, record: &DecisionRecord) -> String {
        let request = record.request.clone().unwrap_or_default();
        match self {
            Self::Reason => record.reason.clone(),
            Self::Rule => rule(record),
            Self::Peer => peer(record),
            Self::Host => request.host,
            Self::Path => format!("{} {}", request.method, request.path),
        }
    }
}

impl Listed {
    /// The reason, the rule and the peer.
    fn columns(&self) -> [String; 3] {
        let record = &self.record;
        let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { visible(&text) };
        [record.reason.clone(), rule(record), peer(record)].map(or_none)
    }

    fn write(&self, output: Output, widths: [usize; 3]) -> io::Result<()> {
        let record = &self.record;
        if output == Output::Json {
            return writeln!(io::stdout().lock(), "{}", self.line);
        }
        let request = record.request.clone().unwrap_or_default();
        let ([reason, rule, peer], [a, b, c]) = (self.columns(), widths);
        let style = if record.effect() == Some(Effect::Allow) { GOOD } else { BAD };
        writeln!(
            out(),
            "{}  {style}{:<5}{style:#}  {reason:<a$}  {rule:<b$}  {peer:<c$}  {} {}{}  {QUIET}{}{QUIET:#}",
            visible(&record.time),
            visible(&record.decision),
            visible(&request.method),
            visible(&request.host),
            visible(&request.path),
            visible(record.decision_id.get(..12).unwrap_or(&record.decision_id)),
        )
    }
}

/// The file that a server writes to.
struct Log<'a> {
    path: &'a Path,
    file: Metadata,
    lines: RecordLines<BufReader<File>>,
}

impl<'a> Log<'a> {
    fn open(path: &'a Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { path, file: file.metadata()?, lines: RecordLines::new(BufReader::new(file)) })
    }

    /// Lists what is written, until the process is stopped.
    #[expect(clippy::disallowed_methods, reason = "a file in another file's place sends no event")]
    fn follow(&mut self, args: &Args) -> io::Result<()> {
        loop {
            let mut written = Ok(());
            self.lines.each(|line| {
                let Some(record) = args.wanted(line) else { return };
                let listed = Listed { record, line: line.to_owned() };
                written = std::mem::replace(&mut written, Ok(()))
                    .and_then(|()| listed.write(args.output, WIDTHS));
            })?;
            written?;
            io::stdout().flush()?;
            sleep(LOOK_AGAIN);
            self.turn()?;
        }
    }

    /// Goes on in the file that is in its place now, or at the beginning of one that was emptied.
    fn turn(&mut self) -> io::Result<()> {
        // Between being put aside and made again there is none.
        let Ok(now) = fs::metadata(self.path) else { return Ok(()) };
        if (now.dev(), now.ino()) != (self.file.dev(), self.file.ino()) {
            // A rest of the old one that was written meanwhile is read first.
            if !self.lines.reader.fill_buf()?.is_empty() {
                return Ok(());
            }
            *self = Log::open(self.path)?;
        } else if now.len() < self.lines.reader.stream_position()? {
            self.lines.reader.rewind()?;
            self.lines.forget();
        }
        Ok(())
    }
}
