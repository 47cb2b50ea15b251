//! `countersign revocations`: what is revoked, where each entry is from, and how fresh that is.

use std::io::{self, Write};
use std::path::PathBuf;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::admin_client::{Admin, AdminArgs};
use super::style::{BAD, HEADING, Output, QUIET, visible};
use super::{CommandError, Exit, documents, style, time};
use crate::admin::api::{ListedRevocation, RevocationPage};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::config::Config;
use crate::pdp::{ListStatus, SharingStatus};
use crate::store::StoreKind;
use crate::trust::RevocationKind;
use crate::words::counted;

const EXAMPLES: &str = "\
Examples:
  What a running server refuses:
    countersign revocations --config countersign.yaml
  What one person revoked:
    countersign revocations --config countersign.yaml --author alice --output json
  What documents say, without a server:
    countersign revocations --documents policies

Exit codes: 0 listed; 1 not listed, or a list is stale; 2 wrong arguments; 3 wrong settings; 4 the
documents have errors";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Read documents instead of asking a running server, which alone knows how old lists are; may be given more than once.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["admin", "token_file"])]
    documents: Vec<PathBuf>,
    /// The settings of the server, for the address and the token of its admin listener; where they open no revocation API, for its documents.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Only entries of this list; `running` for what was revoked on running servers.
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Only entries of this kind: `jti`, `sub`, `sid`, `client`, `kid`, `issuer`, `serial`, `spki`, `certificate` or `spiffe`.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only entries by this author.
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Only entries with this text in the value, issuer or reason.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    if args.kind.as_deref().is_some_and(|kind| RevocationKind::named(kind).is_none()) {
        let kinds = RevocationKind::ALL.map(|kind| format!("`{}`", kind.as_str()));
        let message = format!("`--kind` is none of {}", kinds.join(", "));
        return Err(CommandError::Usage(message));
    }
    let (mut found, is_of_documents) = match args.documents()? {
        Some(paths) => (read_documents(&paths)?, true),
        None => (args.ask()?, false),
    };
    found.entries.retain(|listed| args.wants(listed));
    args.output.write(&found, write)?;
    if is_of_documents {
        style::hint("read from documents only: a running server may have more");
    }
    Ok(Exit::ok_if(!found.lists.iter().any(|list| list.stale)))
}

impl Args {
    /// The documents to read, where no server is to be asked: those that are named, or of settings without a revocation API.
    fn documents(&self) -> Result<Option<Vec<PathBuf>>, CommandError> {
        let config = self.config.as_deref().filter(|_| !self.admin.is_given());
        let (config, paths) = documents::with_settings(&self.documents, config)?;
        let has_api = |config: &Config| {
            config.admin.as_ref().is_some_and(|admin| admin.revocations.is_some())
        };
        let is_of_documents =
            !self.documents.is_empty() || config.is_some_and(|config| !has_api(&config));
        Ok(is_of_documents.then_some(paths))
    }

    fn ask(&self) -> Result<RevocationPage, CommandError> {
        let admin = self.admin.or_in(self.config.as_deref())?;
        let admin = Admin::new(&admin).map_err(CommandError::Usage)?;
        let asking = admin.ask(http::Method::GET, "/revocations", Vec::new());
        documents::runtime()?.block_on(asking).map_err(CommandError::Failure)
    }

    fn wants(&self, listed: &ListedRevocation) -> bool {
        let ListedRevocation { entry, list, .. } = listed;
        let (target, note) = (entry.target(), entry.note());
        let is = |wanted: &Option<String>, text: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| text == Some(wanted))
        };
        let contains = self.contains.as_deref().is_none_or(|part| {
            let value = target.value();
            let texts =
                [target.token_issuer(), target.certificate_issuer(), note.reason.as_deref()];
            let mut texts = texts.into_iter().flatten().chain([value.as_str()]);
            texts.any(|text| text.contains(part))
        });
        contains
            && is(&self.kind, Some(target.kind().as_str()))
            && is(&self.list, Some(list))
            && is(&self.author, note.author.as_deref())
    }
}

fn read_documents(paths: &[PathBuf]) -> Result<RevocationPage, CommandError> {
    let snapshot = documents::read(paths)?;
    let lists = snapshot.trust().revocation_lists().iter();
    let entries: Vec<_> = lists
        .flat_map(|list| list.entries.iter().map(move |entry| (&list.name, entry)))
        .map(|(list, entry)| ListedRevocation {
            entry: entry.clone(),
            list: list.to_owned(),
            id: None,
        })
        .collect();
    let now = SystemClock.now();
    let in_force = |listed: &&ListedRevocation| listed.entry.check_not_over(now).is_ok();
    let total = entries.iter().filter(in_force).count();
    Ok(RevocationPage { entries, lists: Vec::new(), sharing: None, total })
}

fn write(found: &RevocationPage, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["kind", "value", "of", "before", "until", "list", "by", "at", "reason"]);
    for ListedRevocation { entry, list, .. } in &found.entries {
        let (target, note) = (entry.target(), entry.note());
        let text = |text: Option<&str>| visible(text.unwrap_or("-"));
        let time =
            |at: Option<UnixTime>| at.map_or_else(|| String::from("-"), UnixTime::to_rfc3339);
        let of = match target.kind() == RevocationKind::Issuer {
            true => None,
            false => target.token_issuer().or(target.certificate_issuer()),
        };
        table.add_row([
            target.kind().as_str().to_owned(),
            visible(&target.value()),
            text(of),
            time(entry.issued_before()),
            time(entry.expires()),
            visible(list),
            text(note.author.as_deref()),
            time(note.at),
            text(note.reason.as_deref()),
        ]);
    }
    if found.entries.is_empty() {
        writeln!(out, "no entries")?;
    } else {
        writeln!(out, "{table}")?;
    }
    for list in &found.lists {
        write_list(list, out)?;
    }
    if let Some(sharing) = &found.sharing {
        write_sharing(sharing, out)?;
    }
    let total = found.total;
    writeln!(
        out,
        "{QUIET}{total} in force; the entries of lists in the line form are counted, not shown{QUIET:#}"
    )
}

fn write_list(list: &ListStatus, out: &mut dyn Write) -> io::Result<()> {
    let age = list.age_seconds.map(std::time::Duration::from_secs);
    let age = age
        .map_or_else(|| String::from("never loaded"), |age| format!("{} old", time::lasting(age)));
    let (name, place) = (visible(&list.name), visible(&list.place));
    let entries = counted(list.entries.unwrap_or_default(), "entry");
    writeln!(out, "{HEADING}list {name}{HEADING:#} {entries} from {place}, {age}")?;
    if list.stale {
        let then = match list.refuses {
            true => "every request with a credential is refused",
            false => "it is used all the same",
        };
        writeln!(out, "  {BAD}stale{BAD:#}: {then}")?;
    }
    write_error(list.error.as_deref(), out)
}

fn write_sharing(sharing: &SharingStatus, out: &mut dyn Write) -> io::Result<()> {
    let read = sharing.synced_at.map(UnixTime::from_secs);
    let read = read.map_or_else(
        || String::from("never read"),
        |at| format!("read {}", time::relative(at, SystemClock.now())),
    );
    let where_ = match sharing.store {
        StoreKind::Memory => String::from("on this server only"),
        StoreKind::Redis => format!("shared through {}", sharing.store),
    };
    writeln!(out, "{HEADING}running{HEADING:#} {where_}, {read}")?;
    write_error(sharing.error.as_deref(), out)
}

fn write_error(error: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    error.map_or(Ok(()), |error| writeln!(out, "  {BAD}failing{BAD:#}: {}", visible(error)))
}
