//! `countersign revoke`: what somebody types at 3 a.m. to end a credential, or to take that back.

mod thing;
mod write;

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value;

use super::admin_client::{Admin, AdminArgs};
use super::style::{self, BAD, GOOD, Output, visible};
use super::{Exit, documents, moment};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::document::RevocationEntrySpec;
use crate::trust::RevocationEntry;

use self::thing::Thing;

const EXAMPLES: &str = "\
Examples:
  Every session of a user that began before now (the user logs in again):
    countersign revoke --subject alice --issuer https://login.example.com --issued-before now \\
        --reason 'laptop stolen' --token-file admin.token
  One token:
    countersign revoke --jti 4f1c0c66 --issuer https://login.example.com --token-file admin.token
  A workload whose key leaked, for a day:
    countersign revoke --certificate leaf.pem --expires 24h --token-file admin.token
  Everything that a stolen signing key has signed:
    countersign revoke --kid 2026-03 --issuer https://login.example.com --token-file admin.token
  Take it back:
    countersign revoke --undo --jti 4f1c0c66 --issuer https://login.example.com --token-file admin.token
  Into a document, to be reviewed and put in force by a reload:
    countersign revoke --spiffe spiffe://prod.example/ns/web/sa/frontend --write policies/revoked.yaml

Exit codes: 0 done; 1 not done, or not on every replica yet; 2 wrong arguments; 4 the document cannot be used.";

/// Arguments of `revoke`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    thing: Thing,
    /// Only what was issued before: RFC 3339, seconds since 1970, or `now`. Left out: whatever is issued later is refused too.
    #[arg(long, value_name = "TIME", value_parser = moment_or_now)]
    issued_before: Option<UnixTime>,
    /// When the revocation ends: RFC 3339, seconds since 1970, or from now on such as `24h`. Left out: never.
    #[arg(long, value_name = "TIME", value_parser = moment_or_length)]
    expires: Option<UnixTime>,
    /// Why, for whoever reads the list and the log.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who revokes.
    #[arg(long, value_name = "NAME", env = "USER")]
    author: Option<String>,
    /// Take back what was revoked on running servers, with whatever limits.
    #[arg(long, conflicts_with_all = ["write", "issued_before", "expires"])]
    undo: bool,
    /// Add it to this RevocationList document instead of telling a running server.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["admin", "token_file"])]
    write: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminArgs,
    /// For whom the result is written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

pub(super) fn run(args: &Args) -> Exit {
    let spec = match args.spec() {
        Ok(spec) => spec,
        Err(message) => {
            style::error(message);
            return Exit::Usage;
        }
    };
    match &args.write {
        Some(path) => write::append(path, &spec, args.output),
        None => args.tell(&spec),
    }
}

// === impl Args ===

impl Args {
    /// The entry, judged here already: a slip is told before anybody is asked.
    fn spec(&self) -> Result<RevocationEntrySpec<String>, String> {
        let mut spec = self.thing.spec()?;
        if !self.undo {
            spec.issued_before = self.issued_before.map(UnixTime::to_rfc3339);
            spec.expires = self.expires.map(UnixTime::to_rfc3339);
            spec.reason.clone_from(&self.reason);
            spec.author = self.author.clone().filter(|author| !author.is_empty());
            spec.at = Some(SystemClock.now().to_rfc3339());
        }
        RevocationEntry::read(&spec).map_err(|error| error.message)?;
        Ok(spec)
    }

    fn tell(&self, spec: &RevocationEntrySpec<String>) -> Exit {
        let admin = match Admin::new(&self.admin) {
            Ok(admin) => admin,
            Err(message) => {
                style::error(message);
                return Exit::Usage;
            }
        };
        let runtime = match documents::runtime() {
            Ok(runtime) => runtime,
            Err(error) => return error.into(),
        };
        let body = serde_json::to_vec(spec).unwrap_or_default();
        let method = if self.undo { http::Method::DELETE } else { http::Method::POST };
        match runtime.block_on(admin.ask(method, "/revocations", body)) {
            Ok(answer) => self.report(&answer),
            Err(message) => {
                style::error(message);
                Exit::Failure
            }
        }
    }

    fn report(&self, answer: &Value) -> Exit {
        let written = match self.output {
            Output::Json => style::json(answer, &mut io::stdout().lock()),
            Output::Human => self.say(answer, &mut anstream::stdout().lock()),
        };
        if written.is_ok() && changes(answer).iter().all(|change| change["not_shared"].is_null()) {
            Exit::Ok
        } else {
            Exit::Failure
        }
    }

    fn say(&self, answer: &Value, out: &mut dyn Write) -> io::Result<()> {
        let verb = if self.undo { "taken back" } else { "revoked" };
        for change in changes(answer) {
            let text = |name: &str| visible(change[name].as_str().unwrap_or_default());
            let whom = match (text("replicas").as_str(), text("store").as_str()) {
                ("all", _) => String::from("on every replica within a second"),
                (_, "memory") => String::from(
                    "on this replica only: it has no shared store (`store: { redis: .. }`)",
                ),
                _ => {
                    String::from("on this replica; the others follow when the shared store is back")
                }
            };
            writeln!(out, "{GOOD}{verb}{GOOD:#} {whom}")?;
            writeln!(out, "id {}", text("id"))?;
            if !change["not_shared"].is_null() {
                writeln!(out, "{BAD}not shared yet{BAD:#}: {}", text("not_shared"))?;
            }
            for warning in change["warnings"].as_array().into_iter().flatten() {
                let warning = visible(warning.as_str().unwrap_or_default());
                writeln!(out, "{BAD}warning{BAD:#}: {warning}")?;
            }
        }
        Ok(())
    }
}

/// One change, or each of those that were taken back.
fn changes(answer: &Value) -> Vec<&Value> {
    match answer["withdrawn"].as_array() {
        Some(all) => all.iter().collect(),
        None => vec![answer],
    }
}

fn moment_or_now(text: &str) -> Result<UnixTime, String> {
    if text == "now" { Ok(SystemClock.now()) } else { moment::parse(text) }
}

fn moment_or_length(text: &str) -> Result<UnixTime, String> {
    let length = text.parse::<crate::document::HumanDuration>();
    length.map(|length| SystemClock.now().plus(length.get())).or_else(|_| moment::parse(text))
}
