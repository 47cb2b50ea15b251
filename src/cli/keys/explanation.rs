//! Explains how a token is verified. Nothing of the token is shown but its header, the names of its claims, its times, and an
//! issuer or audience that is not ours.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::authn::{TokenCheck, TokenIdentity};
use crate::cli::inspect::Verdict;
use crate::cli::style::{BAD, GOOD, QUIET, visible};
use crate::cli::time;
use crate::clock::UnixTime;
use crate::evidence::PresentedToken;
use crate::reason::{Reason, Rejection};

/// The result of verifying a token. Holds nothing of it but its header, the names of its claims, its times, and an
/// issuer or audience that is not ours.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct VerifyReport {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<Reason>,
    pub(super) detail: Option<String>,
    pub(super) at: String,
    /// The name of the issuer document that the token points to.
    pub(super) issuer: Option<String>,
    /// The configured issuers, if the token is of none of them.
    pub(super) known_issuers: Vec<String>,
    pub(super) source: Option<String>,
    /// The key that the header selects.
    pub(super) key: Option<KeyReport>,
    pub(super) header: Option<TokenHeader>,
    pub(super) claims: Vec<String>,
    /// With their values: only with `--show-values`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Map<String, Value>>,
    pub(super) times: Vec<Time>,
    pub(super) checks: Vec<KeyCheck>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeyReport {
    pub(super) kid: Option<String>,
    pub(super) thumbprint: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TokenHeader {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Time {
    claim: &'static str,
    at: String,
    relative: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeyCheck {
    check: &'static str,
    result: CheckResult,
}

/// The result of one check of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum CheckResult {
    Passed,
    Failed,
    NotReached,
}

impl CheckResult {
    pub(in crate::cli) const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        }
    }
}

const FORMAT: &str = "format";

impl VerifyReport {
    pub(super) fn new(
        verified: Result<&[TokenIdentity], &Rejection>,
        passed: &[TokenCheck],
        now: UnixTime,
    ) -> Self {
        Self::of(verified, CheckResult::Passed, passed, now)
    }

    fn of(
        verified: Result<&[TokenIdentity], &Rejection>,
        format: CheckResult,
        passed: &[TokenCheck],
        now: UnixTime,
    ) -> Self {
        let rejection = verified.err();
        let mut failed = rejection.is_none() || format == CheckResult::Failed;
        let mut checks = vec![KeyCheck { check: FORMAT, result: format }];
        checks.extend(TokenCheck::ALL.iter().map(|check| {
            let result = match (passed.contains(check), failed) {
                (true, _) => CheckResult::Passed,
                (false, true) => CheckResult::NotReached,
                (false, false) => CheckResult::Failed,
            };
            failed |= result == CheckResult::Failed;
            KeyCheck { check: check.as_str(), result }
        }));
        Self {
            verdict: if rejection.is_none() { Verdict::Verified } else { Verdict::Rejected },
            reason: rejection.map(Rejection::reason),
            detail: rejection.map(|rejection| rejection.detail().to_owned()),
            at: now.to_rfc3339(),
            issuer: None,
            known_issuers: Vec::new(),
            source: None,
            key: None,
            header: None,
            claims: Vec::new(),
            values: None,
            times: Vec::new(),
            checks,
        }
    }

    pub(super) fn unreadable(rejection: &Rejection, now: UnixTime) -> Self {
        Self::of(Err(rejection), CheckResult::Failed, &[], now)
    }

    /// Adds the header, the names of the claims, and the times.
    pub(super) fn describe(&mut self, token: Option<&PresentedToken>, now: UnixTime) {
        let Some(jws) = token.and_then(|token| token.jws().ok()) else { return };
        let header = &jws.header;
        self.header = Some(TokenHeader {
            alg: header.algorithm.clone(),
            typ: header.token_type.clone(),
            kid: header.key_id.clone(),
        });
        let claims = &jws.claims;
        self.claims = claims.keys().cloned().collect();
        for claim in ["iat", "nbf", "exp"] {
            if let Some(at) = claims.get(claim).and_then(Value::as_i64).map(UnixTime::from_secs) {
                let relative = time::relative(at, now);
                self.times.push(Time { claim, at: at.to_rfc3339(), relative });
            }
        }
    }
}

pub(super) fn write(report: &VerifyReport, out: &mut dyn Write) -> io::Result<()> {
    match (report.reason, report.detail.as_deref()) {
        (Some(reason), detail) => {
            let detail = visible(detail.unwrap_or_default());
            writeln!(out, "{BAD}rejected{BAD:#}  {reason}: {detail}")?;
        }
        (None, _) => writeln!(out, "{GOOD}verified{GOOD:#}")?,
    }
    writeln!(out, "{QUIET}judged at {}{QUIET:#}", report.at)?;
    if report.checks.first().is_some_and(|check| check.result == CheckResult::Passed) {
        write_token(report, out)?;
    }
    writeln!(out)?;
    for check in &report.checks {
        let name = check.check;
        match check.result {
            CheckResult::Passed => writeln!(out, "  {GOOD}passed{GOOD:#}       {name}")?,
            CheckResult::Failed => {
                let reason = report.reason.map_or("", Reason::as_str);
                writeln!(out, "  {BAD}failed{BAD:#}       {name}: {reason}")?;
            }
            CheckResult::NotReached => writeln!(out, "  {QUIET}not reached  {name}{QUIET:#}")?,
        }
    }
    if report.reason == Some(Reason::BindingUnavailable) {
        writeln!(
            out,
            "\n{QUIET}give the presenter's certificate with `--certificate FILE`{QUIET:#}"
        )?;
    }
    Ok(())
}

fn write_token(report: &VerifyReport, out: &mut dyn Write) -> io::Result<()> {
    let word =
        |word: &Option<String>| word.as_deref().map_or_else(|| String::from("none"), visible);
    let none = || match report.known_issuers.as_slice() {
        [] => String::from("there is no TokenIssuer among the documents"),
        known => format!("not among {}", visible(&known.join(", "))),
    };
    let issuer = report.issuer.as_deref().map_or_else(none, visible);
    let source = report.source.as_deref().map(|source| format!(", {}", visible(source)));
    line(out, "issuer", &format!("{issuer}{}", source.unwrap_or_default()))?;
    let Some(header) = &report.header else {
        return line(out, "token", "opaque: only its issuer understands it");
    };
    let key =
        report.key.as_ref().map(|key| format!("{}, thumbprint {}", word(&key.kid), key.thumbprint));
    line(out, "key", &key.unwrap_or_else(|| String::from("none that fits")))?;
    let (alg, typ, kid) = (visible(&header.alg), word(&header.typ), word(&header.kid));
    line(out, "header", &format!("alg {alg}, typ {typ}, kid {kid}"))?;
    let claims: Vec<_> = report.claims.iter().map(|name| visible(name)).collect();
    line(out, "claims", &claims.join(" "))?;
    for (name, value) in report.values.iter().flatten() {
        writeln!(out, "    {}  {}", visible(name), visible(&value.to_string()))?;
    }
    for time in &report.times {
        line(out, time.claim, &format!("{} ({})", time.at, time.relative))?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {QUIET}{label:<11}{QUIET:#}  {value}")
}
