//! Plays steps of the tour and compares what came of them with what had to.

use serde::Serialize;
use serde_json::Value;

use super::audit::AuditRecord;
use super::http1::Response;
use super::mint::SUBJECT;
use super::pki::FRONTEND;
use super::stage::Stage;
use super::tour::{Expected, Step};
use super::upstream::Received;
use countersign::policy::Effect;
use countersign::reason::Reason;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The point of the request.
    pub(crate) title: &'static str,
    /// The certificate and the token that were sent.
    pub(crate) credentials: String,
    /// From the audit record.
    pub(crate) decision: Option<Effect>,
    /// The reason of a denial, from the audit record.
    pub(crate) reason: Option<Reason>,
    /// The rule that decided, or that came closest, from the audit record.
    pub(crate) rule: Option<String>,
    pub(crate) status: Option<u16>,
    /// How long countersign took to decide, from the audit record.
    pub(crate) micros: Option<f64>,
    /// The request that the service behind Envoy received.
    pub(crate) upstream: Option<Received>,
    /// The differences from the expected result.
    pub(crate) problems: Vec<String>,
}

/// Sends the request of `step` and collects what can be seen of it.
pub(crate) async fn play(stage: &mut Stage<'_>, step: &Step<'_>) -> Row {
    let before = stage.upstream.requests();
    let answer = match stage.client(step.identity) {
        Ok(client) => client.send(&step.request).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let record = stage.audit.next().await;
    let reached = stage.upstream.requests().saturating_sub(before);
    let mut row = Row::new(step, record.as_ref());
    match answer {
        Ok(answer) => row.judge(step.expected, &answer, record.as_ref(), reached),
        Err(error) => row.problems.push(format!("no answer: {error}")),
    }
    row
}

impl Row {
    fn new(step: &Step<'_>, record: Option<&AuditRecord>) -> Self {
        let text = |pointer| record.and_then(|r| r.text(pointer)).map(str::to_owned);
        Self {
            title: step.title,
            credentials: step.credentials(),
            decision: record.and_then(AuditRecord::decision),
            reason: record.and_then(AuditRecord::reason),
            rule: text("/rule"),
            status: None,
            micros: record.and_then(AuditRecord::micros),
            upstream: None,
            problems: Vec::new(),
        }
    }

    /// True if everything is as it had to be.
    pub(crate) const fn as_expected(&self) -> bool {
        self.problems.is_empty()
    }

    fn judge(
        &mut self,
        expected: Expected,
        answer: &Response,
        record: Option<&AuditRecord>,
        reached: u64,
    ) {
        self.status = Some(answer.status);
        self.same("status", Some(answer.status), Some(expected.status()));
        self.same("decision", self.decision, Some(expected.decision()));
        match expected {
            Expected::Allow { rule } => {
                self.same("rule", self.rule.clone(), Some(rule.to_owned()));
                self.same("requests upstream", Some(reached), Some(1));
                self.upstream = serde_json::from_slice(&answer.body).ok();
                self.identity_headers("x-subject", SUBJECT);
                self.identity_headers("x-peer", FRONTEND);
            }
            Expected::Deny(reason) => {
                self.same("reason", self.reason, Some(reason));
                self.same("requests upstream", Some(reached), Some(0));
                self.decision_id(answer, record);
            }
        }
    }

    /// The upstream received our header once, and no other under the same name.
    fn identity_headers(&mut self, name: &'static str, expected: &str) {
        let seen =
            self.upstream.as_ref().map(|seen| seen.values(name).collect::<Vec<_>>().join(" and "));
        self.same(name, seen, Some(expected.to_owned()));
    }

    /// The caller of a denied request can quote an id, under which the audit record is found.
    fn decision_id(&mut self, answer: &Response, record: Option<&AuditRecord>) {
        let recorded = record.and_then(|r| r.text("/decision_id")).map(str::to_owned);
        if recorded.is_none() {
            self.problems.push("no decision id in the audit record".to_owned());
        }
        self.same(
            "x-decision-id",
            answer.header("x-decision-id").map(str::to_owned),
            recorded.clone(),
        );
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let in_body = body.as_ref().and_then(|body| body.pointer("/decision_id")?.as_str());
        self.same("decision id in the body", in_body.map(str::to_owned), recorded);
    }

    fn same<T: PartialEq + ToString>(&mut self, what: &str, got: Option<T>, expected: Option<T>) {
        if got != expected {
            let show = |value: Option<T>| {
                value.map_or("nothing".to_owned(), |v| format!("`{}`", v.to_string()))
            };
            self.problems.push(format!("{what} is {}, expected {}", show(got), show(expected)));
        }
    }
}
