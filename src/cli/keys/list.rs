//! Lists every key of every issuer, and whether a server would use it.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::common::Common;
use super::obtain::{KeyPlace, Obtained, obtain};
use crate::cli::style::{BAD, GOOD, HEADING, QUIET, visible};
use crate::cli::{CommandError, Exit, time};
use crate::clock::UnixTime;
use crate::document::IssuerProfile;
use crate::trust::{Algorithm, Issuer, KeySet, SkippedKey, VerificationKey};

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct IssuerReport {
    name: String,
    issuer: String,
    profile: IssuerProfile,
    /// The settings that the profile may have set.
    settings: String,
    source: KeyOrigin,
    address: Option<String>,
    /// Why the keys could not be fetched.
    error: Option<String>,
    fetch_ms: Option<u128>,
    max_age_seconds: Option<u64>,
    /// When a server fetches them again.
    next_refresh: Option<String>,
    #[serde(skip)]
    until_refresh: Option<String>,
    keys: Vec<ListedKeyReport>,
    saved: Option<SavedReport>,
}

/// The origin of an issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum KeyOrigin {
    Documents,
    Fetched,
    Saved,
    Introspection,
    None,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct ListedKeyReport {
    kid: Option<String>,
    /// The position in the set of a key that is skipped, from 1.
    position: Option<usize>,
    r#type: Option<&'static str>,
    algorithms: Vec<&'static str>,
    /// RFC 7638, SHA-256.
    thumbprint: Option<String>,
    /// When a server first fetched it, if one has recorded that.
    first_seen: Option<String>,
    #[serde(skip)]
    since: Option<String>,
    usable: bool,
    /// Why not.
    why: Option<String>,
}

/// The keys that a server has saved, compared with the current ones.
#[derive(Debug, Serialize, JsonSchema)]
struct SavedReport {
    fetched_at: String,
    #[serde(skip)]
    age: String,
    added: Vec<String>,
    removed: Vec<String>,
}

pub(super) fn run(common: &Common) -> Result<Exit, CommandError> {
    let common = &common.filled()?;
    let (snapshot, runtime) = common.prepare()?;
    let now = common.now();
    let mut issuers: Vec<&Issuer> = snapshot.trust().issuers().iter().collect();
    issuers.sort_by_key(|issuer| &issuer.id);
    let reports: Vec<IssuerReport> = runtime.block_on(async {
        let mut reports = Vec::with_capacity(issuers.len());
        for issuer in issuers {
            let obtained = obtain(issuer, common, now).await;
            reports.push(IssuerReport::new(issuer, &obtained, now));
        }
        reports
    });
    common.output.write(&reports, |reports, out| write(reports, out))?;
    Ok(Exit::ok_if(reports.iter().all(IssuerReport::is_good)))
}

impl IssuerReport {
    fn new(issuer: &Issuer, obtained: &Obtained, now: UnixTime) -> Self {
        let (source, address, error) = match &obtained.origin {
            KeyPlace::Documents => (KeyOrigin::Documents, None, None),
            KeyPlace::Fetched { address, .. } => (KeyOrigin::Fetched, Some(address), None),
            KeyPlace::Introspected { address } => (KeyOrigin::Introspection, Some(address), None),
            KeyPlace::NotFetched { address, why } if obtained.keys.is_some() => {
                (KeyOrigin::Saved, Some(address), Some(why))
            }
            KeyPlace::NotFetched { address, why } => (KeyOrigin::None, Some(address), Some(why)),
        };
        let (took, max_age) = match &obtained.origin {
            KeyPlace::Fetched { took, max_age, .. } => (Some(*took), *max_age),
            KeyPlace::Documents | KeyPlace::NotFetched { .. } | KeyPlace::Introspected { .. } => {
                (None, None)
            }
        };
        let keys = obtained.keys.as_deref();
        let first_seen = obtained.saved.as_ref().map(|saved| &saved.first_seen);
        let usable = keys.iter().flat_map(|set| set.keys()).map(|key| {
            let seen = first_seen.and_then(|seen| seen.get(key.thumbprint()).copied());
            ListedKeyReport::new(key, issuer).seen(seen, now)
        });
        let skipped = keys.iter().flat_map(|set| set.skipped()).map(ListedKeyReport::skipped);
        Self {
            name: issuer.id.to_owned(),
            issuer: issuer.iss.as_str().to_owned(),
            profile: issuer.profile,
            settings: issuer.settings(),
            source,
            address: address.cloned(),
            error: error.cloned(),
            fetch_ms: took.map(|took| took.as_millis()),
            max_age_seconds: max_age.map(|age| age.as_secs()),
            keys: usable.chain(skipped).collect(),
            next_refresh: obtained.next_fetch.map(UnixTime::to_rfc3339),
            until_refresh: obtained.next_fetch.map(|at| time::relative(at, now)),
            saved: obtained
                .saved
                .as_ref()
                .map(|saved| SavedReport::new(&saved.keys, saved.fetched_at, keys, now)),
        }
    }

    /// True if the issuer's tokens can be verified with the keys that it publishes now.
    fn is_good(&self) -> bool {
        self.source == KeyOrigin::Introspection
            || self.error.is_none() && self.keys.iter().any(|key| key.usable)
    }
}

impl ListedKeyReport {
    fn new(key: &VerificationKey, issuer: &Issuer) -> Self {
        let denied = key.id().is_some_and(|id| issuer.denies_key(id));
        let why = if denied {
            Some("denied by `denyKids`")
        } else if key.algorithms().any(|algorithm| issuer.allows_algorithm(algorithm)) {
            None
        } else {
            Some("the issuer document allows none of its algorithms")
        };
        Self {
            kid: key.id().map(str::to_owned),
            r#type: key.algorithms().next().map(key_type),
            algorithms: key.algorithms().map(Algorithm::as_str).collect(),
            thumbprint: (!key.is_secret()).then(|| key.thumbprint().to_owned()),
            usable: why.is_none(),
            why: why.map(str::to_owned),
            ..Self::default()
        }
    }

    fn seen(self, first: Option<UnixTime>, now: UnixTime) -> Self {
        let since = first.map(|at| time::relative(at, now));
        Self { first_seen: first.map(UnixTime::to_rfc3339), since, ..self }
    }

    fn skipped(skipped: &SkippedKey) -> Self {
        Self {
            kid: skipped.key_id.clone(),
            position: Some(skipped.position),
            why: Some(skipped.fault.to_string()),
            ..Self::default()
        }
    }
}

/// The type and curve of a key follow from its algorithms (RFC 7518 section 3.1).
const fn key_type(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512 => "RSA",
        Algorithm::Es256 => "EC P-256",
        Algorithm::Es384 => "EC P-384",
        Algorithm::Es512 => "EC P-521",
        Algorithm::EdDsa | Algorithm::Ed25519 => "Ed25519",
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => "secret",
    }
}

impl SavedReport {
    /// Keys are the same if their ids and their thumbprints are.
    fn new(saved: &KeySet, at: UnixTime, now_there: Option<&KeySet>, now: UnixTime) -> Self {
        let there = now_there.map(KeySet::keys).unwrap_or_default();
        Self {
            fetched_at: at.to_rfc3339(),
            age: time::relative(at, now),
            added: beyond(there, saved.keys()),
            removed: beyond(saved.keys(), there),
        }
    }
}

/// Those of `keys` that are not in `others`.
fn beyond(keys: &[VerificationKey], others: &[VerificationKey]) -> Vec<String> {
    let same = |a: &VerificationKey, b: &VerificationKey| {
        a.id() == b.id() && a.thumbprint() == b.thumbprint()
    };
    let beyond = keys.iter().filter(|key| !others.iter().any(|other| same(key, other)));
    beyond.map(|key| key.id().unwrap_or_else(|| key.thumbprint()).to_owned()).collect()
}

fn write(reports: &[IssuerReport], out: &mut dyn Write) -> io::Result<()> {
    if reports.is_empty() {
        return writeln!(out, "there is no TokenIssuer among the documents");
    }
    for (at, report) in reports.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        write_issuer(report, out)?;
    }
    Ok(())
}

fn write_issuer(report: &IssuerReport, out: &mut dyn Write) -> io::Result<()> {
    let name = visible(&report.name);
    writeln!(out, "{HEADING}{name}{HEADING:#}  {QUIET}{}{QUIET:#}", visible(&report.issuer))?;
    if report.profile != IssuerProfile::default() {
        let word = serde_json::to_value(report.profile).unwrap_or_default();
        let word = word.as_str().unwrap_or_default();
        writeln!(out, "  profile  {word}: {}", visible(&report.settings))?;
    }
    let address = report.address.as_deref().map(visible).unwrap_or_default();
    match (report.source, &report.error) {
        (KeyOrigin::Introspection, _) => {
            writeln!(out, "  source   {address} is asked about every token (introspection)")?;
            return Ok(());
        }
        (KeyOrigin::Documents, _) => writeln!(out, "  source   the documents")?,
        (KeyOrigin::Fetched, _) => {
            let took = report.fetch_ms.unwrap_or_default();
            let keep = report.max_age_seconds.map(|age| format!(", may be kept for {age} s"));
            let keep = keep.unwrap_or_default();
            writeln!(out, "  source   {address}, fetched in {took} ms{keep}")?;
        }
        (source @ (KeyOrigin::Saved | KeyOrigin::None), error) => {
            let why = error.as_deref().map(visible).unwrap_or_default();
            writeln!(out, "  source   {address}, {BAD}not fetched{BAD:#}: {why}")?;
            let instead =
                if source == KeyOrigin::Saved { "the keys that were saved" } else { "no keys" };
            writeln!(out, "           a server that starts now has {instead}")?;
        }
    }
    if let Some(saved) = &report.saved {
        write_saved(saved, out)?;
    }
    if let (Some(until), Some(at)) = (&report.until_refresh, &report.next_refresh) {
        writeln!(out, "  refresh  {until} ({at})")?;
    }
    write_keys(&report.keys, out)
}

fn write_saved(saved: &SavedReport, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "  saved    fetched {} ({})", saved.age, saved.fetched_at)?;
    if saved.added.is_empty() && saved.removed.is_empty() {
        return writeln!(out, ", no change since");
    }
    writeln!(out, ", since then:")?;
    for kid in &saved.added {
        writeln!(out, "           {GOOD}+ {}{GOOD:#}", visible(kid))?;
    }
    for kid in &saved.removed {
        writeln!(out, "           {BAD}- {}{BAD:#}", visible(kid))?;
    }
    Ok(())
}

fn write_keys(keys: &[ListedKeyReport], out: &mut dyn Write) -> io::Result<()> {
    if keys.is_empty() {
        return writeln!(out, "  {BAD}no keys{BAD:#}");
    }
    let heading = ["kid", "type", "alg", "thumbprint", "first seen"].map(str::to_owned);
    let any_seen = keys.iter().any(|key| key.since.is_some());
    let rows: Vec<[String; 5]> = std::iter::once(heading).chain(keys.iter().map(cells)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let [kid, kind, alg, thumbprint, seen] = [0, 1, 2, 3, 4].map(width);
    for (row, key) in rows.iter().zip(std::iter::once(None).chain(keys.iter().map(Some))) {
        let [a, b, c, d, e] = row;
        let status = match key {
            None => String::from("status"),
            Some(ListedKeyReport { usable: true, .. }) => format!("{GOOD}usable{GOOD:#}"),
            Some(ListedKeyReport { why, .. }) => {
                let why = why.as_deref().map(visible).unwrap_or_default();
                format!("{BAD}not used{BAD:#}: {why}")
            }
        };
        write!(out, "  {a:<kid$}  {b:<kind$}  {c:<alg$}  {d:<thumbprint$}  ")?;
        if any_seen {
            write!(out, "{e:<seen$}  ")?;
        }
        writeln!(out, "{status}")?;
    }
    Ok(())
}

fn cells(key: &ListedKeyReport) -> [String; 5] {
    let dash = || String::from("-");
    let kid = key.kid.as_deref().map(visible);
    let kid = kid.or_else(|| key.position.map(|at| format!("(key {at} of the set)")));
    let algorithms = match key.algorithms.as_slice() {
        [] => dash(),
        [one] => (*one).to_owned(),
        [first, .., last] => format!("{first}..{last}"),
    };
    [
        kid.unwrap_or_else(|| String::from("(none)")),
        key.r#type.map_or_else(dash, str::to_owned),
        algorithms,
        key.thumbprint.clone().unwrap_or_else(dash),
        key.since.clone().unwrap_or_else(dash),
    ]
}
