//! `countersign revocations`: what is revoked, where each comes from, and how fresh that is.

use std::io::{self, Write};
use std::path::PathBuf;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Value, json};

use super::admin_client::{Admin, AdminArgs};
use super::style::{self, BAD, HEADING, Output, QUIET, visible};
use super::{Exit, documents, moment};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::trust::RevocationKind;

const EXAMPLES: &str = "\
Examples:
  What a running server refuses:
    countersign revocations --token-file admin.token
  What somebody revoked:
    countersign revocations --token-file admin.token --author alice --output json
  What documents say, without a server:
    countersign revocations --documents policies

Exit codes: 0 listed; 1 not listed, or a list is stale; 2 wrong arguments; 4 the documents have errors.";

/// Arguments of `revocations`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Read documents instead of asking a running server; may be given more than once.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["admin", "token_file"])]
    documents: Vec<PathBuf>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Only of this list; `running` for what was revoked on running servers.
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Only of this kind: `jti`, `sub`, `sid`, `client`, `kid`, `issuer`, `serial`, `spki`, `certificate` or `spiffe`.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only by this author.
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Only those whose thing, issuer or reason contains this.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// For whom the result is written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

pub(super) fn run(args: &Args) -> Exit {
    if args.kind.as_deref().is_some_and(|kind| RevocationKind::of_field(kind).is_none()) {
        style::error(
            "`--kind` is none of `jti`, `sub`, `sid`, `client`, `kid`, `issuer`, `serial`, `spki`, `certificate`, `spiffe`",
        );
        return Exit::Usage;
    }
    let mut answer = match args.answer() {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    if let Some(entries) = answer.get_mut("entries").and_then(Value::as_array_mut) {
        entries.retain(|entry| args.wants(entry));
    }
    let written = match args.output {
        Output::Json => style::json(&answer, &mut io::stdout().lock()),
        Output::Human => write(&answer, &mut anstream::stdout().lock()),
    };
    let stale = lists(&answer).any(|list| list["stale"] == true);
    if written.is_ok() && !stale { Exit::Ok } else { Exit::Failure }
}

// === impl Args ===

impl Args {
    fn answer(&self) -> Result<Value, Exit> {
        if !self.documents.is_empty() {
            return self.read_documents();
        }
        let admin = Admin::new(&self.admin).map_err(|message| {
            style::error(message);
            Exit::Usage
        })?;
        let asking = admin.ask(http::Method::GET, "/revocations", Vec::new());
        documents::runtime()?.block_on(asking).map_err(|message| {
            style::error(message);
            Exit::Failure
        })
    }

    fn read_documents(&self) -> Result<Value, Exit> {
        let snapshot = documents::read(&self.documents)?;
        let mut entries = Vec::new();
        let mut total = 0;
        for list in snapshot.trust().revocation_lists() {
            total += list.entries().len();
            for entry in list.entries() {
                let mut value = serde_json::to_value(entry.spec()).unwrap_or_default();
                if let Some(members) = value.as_object_mut() {
                    members.insert("list".into(), list.name().into());
                }
                entries.push(value);
            }
        }
        Ok(json!({ "entries": entries, "lists": [], "sharing": null, "total": total }))
    }

    fn wants(&self, entry: &Value) -> bool {
        let text = |name: &str| entry[name].as_str();
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| text(name) == Some(wanted))
        };
        let kind = self.kind.as_deref().is_none_or(|kind| kind_of(entry) == Some(kind));
        let contains = self.contains.as_deref().is_none_or(|part| {
            let kind = kind_of(entry).unwrap_or_default();
            ["issuer", "certificateIssuer", "reason", kind]
                .iter()
                .any(|name| text(name).is_some_and(|text| text.contains(part)))
        });
        kind && contains && is(&self.list, "list") && is(&self.author, "author")
    }
}

/// The field that names the thing; `issuer` only where nothing else does.
fn kind_of(entry: &Value) -> Option<&'static str> {
    let named = |kind: &&str| !entry[*kind].is_null();
    let kinds = RevocationKind::ALL.into_iter().map(RevocationKind::field);
    let found = kinds.filter(|kind| *kind != "issuer").find(|kind| named(kind));
    found.or_else(|| Some("issuer").filter(named))
}

fn lists(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["lists"].as_array().into_iter().flatten()
}

fn write(answer: &Value, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["kind", "thing", "of", "before", "until", "list", "by", "at", "reason"]);
    let entries = answer["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    for entry in entries {
        let kind = kind_of(entry).unwrap_or_default();
        let text = |name: &str| visible(entry[name].as_str().unwrap_or("-"));
        let of = match kind {
            "issuer" => String::from("-"),
            "serial" => text("certificateIssuer"),
            _ => text("issuer"),
        };
        let (thing, before, until) = (text(kind), text("issuedBefore"), text("expires"));
        let (list, by, at, reason) = (text("list"), text("author"), text("at"), text("reason"));
        table.add_row([String::from(kind), thing, of, before, until, list, by, at, reason]);
    }
    if entries.is_empty() {
        writeln!(out, "no entries")?;
    } else {
        writeln!(out, "{table}")?;
    }
    for list in lists(answer) {
        write_list(list, out)?;
    }
    write_sharing(&answer["sharing"], out)?;
    let total = answer["total"].as_u64().unwrap_or_default();
    writeln!(
        out,
        "{QUIET}{total} in force; the entries of lists in the line form are counted, not shown{QUIET:#}"
    )
}

fn write_list(list: &Value, out: &mut dyn Write) -> io::Result<()> {
    let text = |name: &str| visible(list[name].as_str().unwrap_or_default());
    let age = list["age_seconds"].as_u64().map(std::time::Duration::from_secs);
    let age = age
        .map_or_else(|| String::from("never had"), |age| format!("{} old", moment::lasting(age)));
    let entries = list["entries"].as_u64().unwrap_or_default();
    writeln!(
        out,
        "{HEADING}list {}{HEADING:#} {entries} entries from {}, {age}",
        text("name"),
        text("place")
    )?;
    if list["stale"] == true {
        let refuses = list["refuses"] == true;
        let then = if refuses {
            "every request with a credential is refused"
        } else {
            "it is used all the same"
        };
        writeln!(out, "  {BAD}stale{BAD:#}: {then}")?;
    }
    if !list["error"].is_null() {
        writeln!(out, "  {BAD}failing{BAD:#}: {}", text("error"))?;
    }
    Ok(())
}

fn write_sharing(sharing: &Value, out: &mut dyn Write) -> io::Result<()> {
    if sharing.is_null() {
        return Ok(());
    }
    let text = |name: &str| visible(sharing[name].as_str().unwrap_or_default());
    let read = sharing["synced_at"].as_i64().map(UnixTime::from_secs);
    let read = read.map_or_else(
        || String::from("never read"),
        |at| format!("read {}", moment::relative(at, SystemClock.now())),
    );
    writeln!(out, "{HEADING}running{HEADING:#} shared through {}, {read}", text("store"))?;
    if !sharing["error"].is_null() {
        writeln!(out, "  {BAD}failing{BAD:#}: {}", text("error"))?;
    }
    Ok(())
}
