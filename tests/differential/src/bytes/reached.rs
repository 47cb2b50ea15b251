//! The tier's coverage: every reason about a peer or a token, and every level of evidence from every source that can give it.

use countersign::reason::{Layer, Reason};

use super::judge::Judged;
use crate::coverage::Coverage;
use crate::excused;

/// The sources, with the levels that each can give.
const SOURCES: [(&str, &[&str]); 5] = [
    ("xfcc text", &["asserted", "hash", "leaf", "full"]),
    ("xfcc JSON", &["asserted", "hash", "leaf", "full"]),
    ("sourceCertificate", &["leaf", "full"]),
    ("client-cert", &["leaf", "full"]),
    ("principal", &["asserted"]),
];

/// The kinds of issuers.
const ISSUERS: [&str; 11] = [
    "profile jwtSvid",
    "profile keycloak",
    "profile entra",
    "profile okta",
    "profile auth0",
    "profile cognito",
    "profile google",
    "profile githubActions",
    "profile kubernetes",
    "tenants",
    "moreKeys",
];

/// Counts an answer.
pub fn count(coverage: &mut Coverage, judged: &Judged) {
    let reason = judged.answer.get("reason").or(judged.answer.get("decision")).unwrap_or("-");
    // If one of several faults is the reason, it is not known which.
    coverage.reach(match reason.contains('|') {
        true => "reason one of several".to_owned(),
        false => format!("reason {reason}"),
    });
    for kind in &judged.issuers {
        coverage.reach(format!("a verified token of an issuer with {kind}"));
    }
    if let Some(Ok(peer)) = &judged.identity.peer {
        coverage.reach(format!("evidence {} by {}", peer.evidence.name(), peer.source));
    }
}

fn wanted() -> Vec<(String, Option<&'static str>)> {
    let layers = [Layer::Peer, Layer::Token, Layer::Binding];
    let reasons = Reason::ALL.iter().filter(|reason| layers.contains(&reason.layer())).map(|reason| reason.as_str());
    let reasons = reasons.chain(["encoding_invalid", "header_duplicate", "allow"]);
    let mut all: Vec<_> = reasons.map(|reason| (format!("reason {reason}"), excused::reason_of_bytes(reason))).collect();
    all.extend(ISSUERS.map(|kind| (format!("a verified token of an issuer with {kind}"), None)));
    for (source, levels) in SOURCES {
        all.extend(levels.iter().map(|level| (format!("evidence {level} by {source}"), None)));
    }
    all
}

/// The counts as a table.
pub fn table(coverage: &Coverage) -> String {
    let lines: Vec<String> = coverage.reached().iter().map(|(name, count)| format!("  {name:<48}{count:>10}")).collect();
    lines.join("\n")
}

/// The counts that must be reached and are not, and those that are reached and excused.
pub fn faults(coverage: &Coverage) -> Vec<String> {
    let count = |name: &String| coverage.reached().get(name).copied().unwrap_or(0);
    let fault = |(name, excuse): (String, Option<&str>)| match (count(&name), excuse) {
        (0, None) => Some(format!("never reached: {name}")),
        (1.., Some(excuse)) => Some(format!("reached, and excused: {name} ({excuse})")),
        _ => None,
    };
    let unwritten = coverage.unwritten(excused::key_of_bytes);
    wanted().into_iter().filter_map(fault).chain(unwritten).collect()
}
