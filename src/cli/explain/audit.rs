//! A decision in the audit log, evaluated again. Data that the record does not hold is unknown, and never made up.

use std::io;
use std::iter::once;
use std::path::Path;

use super::question::{
    ExplainInput, ExplainedCaller, QuestionContext, QuestionSource, RecordedDecision,
};
use crate::audit::{DecisionRecord, RecordedClaims, put_aside};
use crate::cli::files;
use crate::cli::records::{self, RecordedRequest, cut_field};
use crate::cli::style::visible;
use crate::config::Config;

/// How many decisions are listed that are called the same.
const MOST_NAMESAKES: usize = 10;

/// The decision that `id` is the beginning of, or that was made for the request with this `x-request-id` or proxy's id.
pub(super) fn input(
    id: &str,
    log: Option<&Path>,
    config: Option<&Config>,
) -> Result<ExplainInput, String> {
    let configured = config.and_then(|config| config.audit.as_ref()?.file());
    let path = log.or(configured).ok_or_else(|| {
        String::from("no audit log is given: pass `--audit`, or settings (`--config`) that write one to a file")
    })?;
    let recorded = config.and_then(|config| config.audit.as_ref()).map(|audit| &audit.claims);
    put_again(find(id, path)?, recorded)
}

/// The decision in the log at `path`, or in one that was put aside before it.
fn find(id: &str, path: &Path) -> Result<DecisionRecord, String> {
    let shown = files::shown(path);
    if id.len() < 4 {
        return Err(String::from("give at least four characters of the decision's id"));
    }
    if path.as_os_str() == "-" {
        return only(id, find_in(id, path)?, &files::named(path));
    }
    let mut found = Vec::new();
    for log in once(path.to_owned()).chain(put_aside(path)) {
        found.extend(find_in(id, &log)?);
        if found.iter().any(|record| record.decision_id == id) {
            break;
        }
    }
    only(id, found, &shown)
}

/// The one that is meant. A decision's whole id is ours, and counts before what a caller may have called a request.
fn only(id: &str, mut found: Vec<DecisionRecord>, shown: &str) -> Result<DecisionRecord, String> {
    if let Some(at) = found.iter().position(|record| record.decision_id == id) {
        return Ok(found.swap_remove(at));
    }
    let id = visible(id);
    match (found.pop(), found.is_empty()) {
        (Some(record), true) => Ok(record),
        (Some(last), false) => {
            found.push(last);
            let count = found.len();
            let lines: Vec<_> = found.iter().take(MOST_NAMESAKES).map(line).collect();
            let more = if count > lines.len() { "\n  ..." } else { "" };
            Err(format!(
                "{count} decisions in `{shown}` are called `{id}`: name one of them by its own id\n  {}{more}",
                lines.join("\n  ")
            ))
        }
        (None, _) => {
            Err(format!("no decision in `{shown}` is called `{id}`; is it in an older log?"))
        }
    }
}

/// Every record that is called so.
fn find_in(id: &str, path: &Path) -> Result<Vec<DecisionRecord>, String> {
    let unreadable = |error: io::Error| files::unreadable(path, &error);
    let mut found: Vec<DecisionRecord> = Vec::new();
    let mut lines = records::open(path).map_err(unreadable)?;
    let mut take = |line: &str| {
        // Most lines are about other decisions, and need not be understood.
        if line.contains(id) {
            let record = serde_json::from_str::<DecisionRecord>(line).ok();
            found.extend(record.filter(|record| is_called(record, id)));
        }
    };
    lines.each(&mut take).map_err(unreadable)?;
    lines.rest().into_iter().for_each(take);
    lines.check(path)?;
    Ok(found)
}

fn is_called(record: &DecisionRecord, id: &str) -> bool {
    let of_request = record.request.iter().flat_map(|own| [&own.id, &own.x_request_id]);
    record.decision_id.starts_with(id) || of_request.into_iter().any(|own| own == id)
}

/// Tells a record from others that are called the same.
fn line(record: &DecisionRecord) -> String {
    let DecisionRecord { decision_id, time, decision, .. } = record;
    let request = record.request.clone().unwrap_or_default();
    let request = [request.method, request.host, request.path].join(" ");
    visible(&format!("{decision_id}  {time}  {decision}  {request}"))
}

/// Refuses a record that lacks the end of what rules look at.
fn is_whole(record: &DecisionRecord) -> Result<(), String> {
    let Some(field) = cut_field(record) else { return Ok(()) };
    let field = visible(field);
    Err(format!(
        "the record has only the beginning of `{field}`, which was too long for it, so that its decision cannot be evaluated again; give the request itself"
    ))
}

fn put_again(
    record: DecisionRecord,
    recorded: Option<&RecordedClaims>,
) -> Result<ExplainInput, String> {
    is_whole(&record)?;
    let RecordedRequest { view, caller, at, effect, missing } =
        RecordedRequest::of(&record, recorded)?;
    let caller = caller.map_or_else(ExplainedCaller::Refused, ExplainedCaller::Vouched);
    let ignored = record.ignored_tokens.iter().map(|own| {
        let place = format!("{} {}", own.place, own.name);
        format!("the token in {} was ignored: {}", place.trim_end(), own.reason)
    });
    let refused = record.refused_credentials.iter().map(|own| {
        let whose = [&own.spiffe, &own.subject, &own.issuer_name, &own.fingerprint];
        let whose: Vec<_> =
            whose.iter().filter(|mark| !mark.is_empty()).map(|mark| &***mark).collect();
        format!("the {} of {} was refused: {}", own.credential, whose.join(", "), own.reason)
    });
    let throttled = record.throttling.iter().map(|own| {
        let would = if own.enforced { "is" } else { "would be" };
        let failed = if own.failed.is_empty() { "it was not verified" } else { &*own.failed };
        format!(
            "the request {would} throttled: {} has too many failed attempts; of this one: {failed}",
            own.source
        )
    });
    let context = QuestionContext {
        notes: ignored.chain(refused).chain(throttled).collect(),
        from: QuestionSource::AuditRecord,
        vouched: true,
        recorded: Some(RecordedDecision::new(record, effect)),
        ..QuestionContext::default()
    };
    Ok(ExplainInput { view, caller, at: Some(at), missing, context })
}
