//! The decisions that a command is about, by the filters that its caller gives.

use std::str::FromStr as _;

use crate::audit::DecisionRecord;
use crate::cli::time;
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::document::HumanDuration;
use crate::policy::Effect;
use crate::reason::Reason;

/// Filters of decisions. Without any, every decision is wanted.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(in crate::cli) struct Filters {
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
}

impl Filters {
    /// True if the decision in `record` is wanted.
    pub(in crate::cli) fn want(&self, record: &DecisionRecord) -> bool {
        self.is_in_time(record) && self.is_about(record)
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

/// `POLICY/NAME` of the rule that decided, or came closest.
pub(in crate::cli) fn rule(record: &DecisionRecord) -> String {
    let DecisionRecord { policy, rule, .. } = record;
    if rule.is_empty() { policy.clone() } else { format!("{policy}/{rule}") }
}

/// The name that the peer is best known by.
pub(in crate::cli) fn peer(record: &DecisionRecord) -> String {
    let marks = record.peer.iter().flat_map(|own| [&own.spiffe, &own.subject, &own.fingerprint]);
    marks.into_iter().find(|mark| !mark.is_empty()).cloned().unwrap_or_default()
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
