//! `countersign revoke`: revokes a credential in an emergency, or withdraws a revocation.

mod target;
mod write;

use std::io::{self, Write};
use std::path::PathBuf;

use http::Method;

use super::admin_client::{Admin, AdminArgs};
use super::style::{BAD, GOOD, Output, visible};
use super::{CommandError, Exit, documents, files, style, time};
use crate::admin::api::{Receipt, Replicas, Withdrawn};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::pdp::Load;
use crate::store::StoreKind;
use crate::trust::RevocationEntry;

use self::target::TargetArgs;
pub(super) use self::write::WrittenReport;

const EXAMPLES: &str = "\
Examples:
  Every session of a user that began before now (the user logs in again):
    countersign revoke --subject alice --issuer https://login.example.com --issued-before now \\
        --reason 'laptop stolen' --token-file admin.token
  One token:
    countersign revoke --jti 4f1c0c66 --issuer https://login.example.com --token-file admin.token
  A workload whose key leaked, with every certificate for that key:
    countersign revoke --token-file admin.token \\
        --spki e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  Every token that a stolen key signed:
    countersign revoke --kid 2026-03 --issuer https://login.example.com --token-file admin.token
  The same, with the address and the token of the server's settings:
    countersign revoke --kid 2026-03 --issuer https://login.example.com --config countersign.yaml
  Withdraw it:
    countersign revoke --undo --jti 4f1c0c66 --issuer https://login.example.com \\
        --token-file admin.token
  Add it to a document, to be reviewed and put in force by a reload:
    countersign revoke --spiffe spiffe://prod.example/ns/web/sa/frontend \\
        --write policies/revoked.yaml

Exit codes: 0 done; 1 not done, or not on every replica yet; 2 wrong arguments; 3 wrong settings; 4
the document cannot be used";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Revoke only what was issued before this time: RFC 3339, seconds since 1970, or `now`. If unset, what is issued later is revoked too.
    #[arg(long, value_name = "TIME", value_parser = time_or_now)]
    issued_before: Option<UnixTime>,
    /// End the revocation at this time: RFC 3339, seconds since 1970, or a length of time from now such as `24h`. If unset, it never ends.
    #[arg(long, value_name = "TIME", value_parser = time_or_length)]
    expires: Option<UnixTime>,
    /// The reason, for readers of the list and the log.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The person who revokes.
    #[arg(long, value_name = "NAME", env = "USER")]
    author: Option<String>,
    /// Withdraw every revocation of the target that was made on running servers, whatever its limits.
    #[arg(long, conflicts_with_all = ["write", "issued_before", "expires"])]
    undo: bool,
    /// Add the entry to this RevocationList document instead of sending it to a running server.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["admin", "token_file"])]
    write: Option<PathBuf>,
    /// The settings of the server, for the address and the token of its admin listener.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let entry = args.entry().map_err(CommandError::Usage)?;
    let warnings = if args.undo { Vec::new() } else { args.judge(&entry)? };
    match &args.write {
        Some(path) => {
            let written = write::append(path, &entry, args.output)?;
            warnings.iter().for_each(style::warning);
            Ok(written)
        }
        // The server says the same by the documents that it has.
        None => args.send(&entry),
    }
}

impl Args {
    /// The entry. It is checked here, before a server is asked.
    fn entry(&self) -> Result<RevocationEntry, String> {
        let mut spec = self.target.entry()?;
        if !self.undo {
            spec.issued_before = self.issued_before.map(UnixTime::to_rfc3339);
            spec.expires = self.expires.map(UnixTime::to_rfc3339);
            spec.reason.clone_from(&self.reason);
            spec.author = self.author.clone().filter(|author| !author.is_empty());
            spec.at = Some(SystemClock.now().to_rfc3339());
        }
        let entry = RevocationEntry::read(&spec).map_err(|error| error.message)?;
        if !self.undo {
            entry.check_not_over(SystemClock.now())?;
        }
        Ok(entry)
    }

    /// Warnings about the entry, by the documents at hand: those of the settings, or those beside the one that is written. Documents
    /// that cannot be used hold up no revocation.
    fn judge(&self, entry: &RevocationEntry) -> Result<Vec<String>, CommandError> {
        let beside = || self.write.as_deref().map(|path| vec![files::folder_of(path).to_owned()]);
        let of_settings = documents::named(&[], self.config.as_deref()).ok();
        let paths = of_settings.filter(|paths| !paths.is_empty()).or_else(beside);
        let Some(snapshot) = paths.and_then(|paths| Load::from_paths(&paths).snapshot) else {
            return Ok(Vec::new());
        };
        let trust = snapshot.trust();
        trust.check_issuer_of(entry).map_err(CommandError::Usage)?;
        Ok(trust.lints_about(entry))
    }

    fn send(&self, entry: &RevocationEntry) -> Result<Exit, CommandError> {
        let admin = self.admin.or_in(self.config.as_deref())?;
        let admin = Admin::new(&admin).map_err(CommandError::Usage)?;
        let runtime = documents::runtime()?;
        let body = serde_json::to_vec(entry).unwrap_or_default();
        if self.undo {
            let asking = admin.ask(Method::DELETE, "/revocations", body);
            let found: Withdrawn = runtime.block_on(asking).map_err(CommandError::Failure)?;
            let shared = found.withdrawn.iter().all(|receipt| receipt.not_shared.is_none());
            self.output.write(&found, |found, out| {
                found
                    .withdrawn
                    .iter()
                    .try_for_each(|receipt| write_receipt("withdrawn", receipt, out))
            })?;
            return Ok(Exit::ok_if(shared));
        }
        let asking = admin.ask(Method::POST, "/revocations", body);
        let receipt: Receipt = runtime.block_on(asking).map_err(CommandError::Failure)?;
        self.output.write(&receipt, |receipt, out| write_receipt("revoked", receipt, out))?;
        Ok(Exit::ok_if(receipt.not_shared.is_none()))
    }
}

fn write_receipt(verb: &str, receipt: &Receipt, out: &mut dyn Write) -> io::Result<()> {
    let where_to = match (receipt.replicas, receipt.store) {
        (Replicas::All, _) => "on every replica within a second",
        (Replicas::This, StoreKind::Memory) => {
            "on this replica only: it has no shared store (`store: { redis: .. }`)"
        }
        (Replicas::This, StoreKind::Redis) => {
            "on this replica; the others follow when the shared store is back"
        }
    };
    for warning in &receipt.warnings {
        writeln!(out, "{BAD}warning{BAD:#}: {}", visible(warning))?;
    }
    writeln!(out, "{GOOD}{verb}{GOOD:#} {where_to}")?;
    writeln!(out, "id {}", visible(&receipt.id))?;
    if let Some(why) = &receipt.not_shared {
        writeln!(out, "{BAD}not shared yet{BAD:#}: {}", visible(why))?;
    }
    Ok(())
}

fn time_or_now(text: &str) -> Result<UnixTime, String> {
    if text == "now" { Ok(SystemClock.now()) } else { time::parse(text) }
}

fn time_or_length(text: &str) -> Result<UnixTime, String> {
    let length = text.parse::<crate::document::HumanDuration>();
    length.map(|length| SystemClock.now().plus(length.get())).or_else(|_| time::parse(text))
}
