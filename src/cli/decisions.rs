//! `countersign decisions`: the decisions in an audit log, the newest last, and those that come while one looks.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::thread::sleep;
use std::time::Duration;

use super::style::{BAD, GOOD, Output, QUIET, out, visible};
use super::{CommandError, Exit, time};
use crate::audit::{DecisionRecord, put_aside};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::config::{Config, Overrides};
use crate::document::HumanDuration;
use crate::policy::Effect;
use crate::reason::Reason;
use crate::words::counted;

const EXAMPLES: &str = "\
Examples:
  countersign decisions --config countersign.yaml --since 10m --denied
  countersign decisions --config countersign.yaml --since 1h --denied --by reason
  countersign decisions --audit audit.jsonl --peer ns/web/ --tail
  countersign decisions --audit audit.jsonl --reason scope_missing --output json

Exit codes: 0 listed; 1 the log cannot be read; 2 wrong arguments; 3 wrong settings";

/// Pause between two looks at a log that has no new line.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Longest line that is read: a record is cut to less.
const LONGEST: usize = 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The settings of a server that writes its audit log to a file.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// The audit log: JSON lines; `-` for standard input. Without it, that of `--config`, with its rotated files.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    audit: Option<PathBuf>,
    /// Only decisions at or after this time: RFC 3339, or how long ago, such as `10m`.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<UnixTime>,
    /// Only decisions before this time.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<UnixTime>,
    /// Only denials.
    #[arg(long, conflicts_with = "allowed")]
    denied: bool,
    /// Only allows.
    #[arg(long)]
    allowed: bool,
    /// Only denials for this reason.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Option<Reason>,
    /// Only decisions by this rule: `NAME`, or `POLICY/NAME`.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only peers with this text in their SPIFFE ID, subject or fingerprint.
    #[arg(long, value_name = "TEXT")]
    peer: Option<String>,
    /// Only tokens of this subject.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only requests for this host.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Only requests whose path begins with this text.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
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
}

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
    let config = args.config.as_deref().filter(|_| args.audit.is_none());
    let config = config.map(|file| Config::load(Some(file), &Overrides::default())).transpose()?;
    let configured = config.as_ref().and_then(|config| config.audit.as_ref()?.file());
    let path = args.audit.as_deref().or(configured).ok_or_else(|| {
        CommandError::settings(
            "settings: no audit log is written to a file; name one with `--audit`",
        )
    })?;
    let failed = |error: io::Error| {
        CommandError::failure(format_args!(
            "cannot read `{}`: {error}",
            visible(&path.to_string_lossy())
        ))
    };
    let mut newest =
        Newest { limit: args.limit, listed: VecDeque::new(), wanted: 0, counts: BTreeMap::new() };
    if path.as_os_str() == "-" {
        let mut lines = RecordLines::new(io::stdin().lock());
        lines.each(|line| newest.take(args, line)).map_err(failed)?;
        newest.write(args)?;
        return Ok(Exit::Ok);
    }
    let mut older: Vec<_> = put_aside(path).collect();
    older.reverse();
    for file in &older {
        let mut lines = RecordLines::new(BufReader::new(File::open(file).map_err(failed)?));
        lines.each(|line| newest.take(args, line)).map_err(failed)?;
    }
    let mut log = Log::open(path).map_err(failed)?;
    log.lines.each(|line| newest.take(args, line)).map_err(failed)?;
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
        // A line that a crash tore, or another program wrote, need not be a record.
        let record: DecisionRecord = serde_json::from_str(line).ok()?;
        (self.is_in_time(&record) && self.is_about(&record)).then_some(record)
    }

    fn is_in_time(&self, record: &DecisionRecord) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        time::parse(&record.time).is_ok_and(|at| {
            self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
        })
    }

    fn is_about(&self, record: &DecisionRecord) -> bool {
        let is = |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|w| w == own);
        let request = record.request.as_ref();
        let is_denied = record.effect() == Some(Effect::Deny);
        let is_peer = self.peer.as_deref().is_none_or(|text| {
            let marks =
                record.peer.iter().flat_map(|own| [&own.spiffe, &own.subject, &own.fingerprint]);
            marks.into_iter().any(|mark| mark.contains(text))
        });
        let is_subject = self
            .subject
            .as_ref()
            .is_none_or(|subject| record.tokens.iter().any(|token| token.subject == *subject));
        let is_rule = is(&self.rule, &record.rule) || is(&self.rule, &rule(record));
        (!self.denied || is_denied)
            && (!self.allowed || !is_denied)
            && self.reason.is_none_or(|own| Reason::named(&record.reason) == Some(own))
            && is_rule
            && is_peer
            && is_subject
            && is(&self.host, request.map_or("", |own| &own.host))
            && self
                .path
                .as_deref()
                .is_none_or(|path| request.is_some_and(|own| own.path.starts_with(path)))
    }
}

/// The newest decisions that are wanted.
struct Newest {
    limit: usize,
    listed: VecDeque<Listed>,
    /// How many are wanted, listed or not.
    wanted: usize,
    /// How many there are of each, where they are counted and not listed.
    counts: BTreeMap<String, u64>,
}

impl Newest {
    fn take(&mut self, args: &Args, line: &str) {
        let Some(record) = args.wanted(line) else { return };
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
        if args.by.is_some() {
            return self.write_counts(args.output);
        }
        self.listed.iter().try_for_each(|listed| listed.write(args.output))?;
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
                    .map(|(name, count)| serde_json::json!({ "name": name, "count": count }));
                super::style::json(&rows.collect::<Vec<_>>(), &mut io::stdout().lock())
            }
            Output::Human => counts.iter().try_for_each(|(name, count)| {
                let name = if name.is_empty() { "-" } else { name.as_str() };
                writeln!(out(), "{count:>8}  {}", visible(name))
            }),
        }
    }
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

fn rule(record: &DecisionRecord) -> String {
    let DecisionRecord { policy, rule, .. } = record;
    if rule.is_empty() { policy.clone() } else { format!("{policy}/{rule}") }
}

fn peer(record: &DecisionRecord) -> String {
    let marks = record.peer.iter().flat_map(|own| [&own.spiffe, &own.subject, &own.fingerprint]);
    marks.into_iter().find(|mark| !mark.is_empty()).cloned().unwrap_or_default()
}

impl Listed {
    fn write(&self, output: Output) -> io::Result<()> {
        let record = &self.record;
        if output == Output::Json {
            return writeln!(io::stdout().lock(), "{}", self.line);
        }
        let request = record.request.clone().unwrap_or_default();
        let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { visible(&text) };
        let style = if record.effect() == Some(Effect::Allow) { GOOD } else { BAD };
        writeln!(
            out(),
            "{}  {style}{:<5}{style:#}  {:<22}  {:<28}  {}  {} {}{}  {QUIET}{}{QUIET:#}",
            visible(&record.time),
            visible(&record.decision),
            or_none(record.reason.clone()),
            or_none(rule(record)),
            or_none(peer(record)),
            visible(&request.method),
            visible(&request.host),
            visible(&request.path),
            visible(record.decision_id.get(..12).unwrap_or(&record.decision_id)),
        )
    }
}

/// The lines of a log, also while it is written.
struct RecordLines<R> {
    reader: R,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
    /// True if that line is longer than any record.
    overlong: bool,
}

impl<R: BufRead> RecordLines<R> {
    const fn new(reader: R) -> Self {
        Self { reader, begun: Vec::new(), overlong: false }
    }

    /// Every line that is whole, up to the end of what is there. One that is longer than any record is passed over.
    fn each(&mut self, mut take: impl FnMut(&str)) -> io::Result<()> {
        loop {
            let part = u64::try_from(LONGEST).unwrap_or(u64::MAX);
            if (&mut self.reader).take(part).read_until(b'\n', &mut self.begun)? == 0 {
                return Ok(());
            }
            let ends = self.begun.pop_if(|last| *last == b'\n').is_some();
            self.overlong |= self.begun.len() > LONGEST;
            match str::from_utf8(&self.begun) {
                Ok(line) if ends && !self.overlong => take(line),
                _ => {}
            }
            if ends || self.overlong {
                self.begun.clear();
            }
            self.overlong &= !ends;
        }
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
                    .and_then(|()| listed.write(args.output));
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
            self.lines.begun.clear();
            self.lines.overlong = false;
        }
        Ok(())
    }
}

/// Smaller numbers are no seconds since 1970, but a length of time without its unit: no record is older.
const EARLIEST: u64 = 1_000_000_000;

/// Reads a time, or how long ago it was.
fn when(text: &str) -> Result<UnixTime, String> {
    let seconds = text.parse().ok().filter(|seconds: &u64| *seconds < EARLIEST);
    match HumanDuration::from_str(text) {
        _ if seconds.is_some() => {
            Err(format!("`{text}` has no unit, expected how long ago, such as `10m`"))
        }
        Ok(ago) => Ok(SystemClock.now().minus(ago.get())),
        Err(_) => time::parse(text).map_err(|_| {
            String::from(
                "expected a time such as `2026-11-22T03:00:00Z`, or how long ago, such as `10m`",
            )
        }),
    }
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::named(text).ok_or_else(|| {
        let known: Vec<_> = Reason::ALL.iter().map(|own| own.as_str()).collect();
        let near = crate::document::closest(text, &known);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("no reason has this code{hint}; `docs/runbook.md` lists them all")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P455: the ends of a line that is longer than any record are not one record together.
    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
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

    /// P455: a number without a unit is no moment in 1970.
    #[test]
    fn a_bare_number_says_no_time() {
        for text in ["10", "0", "999999999"] {
            assert!(when(text).unwrap_err().contains("such as `10m`"), "{text}");
        }
        assert_eq!(when("1800000000"), Ok(UnixTime::from_secs(1_800_000_000)));
        assert!(when("10m").is_ok());
    }
}
