//! countersign's side: documents compiled, and cases evaluated, as `countersign test` does it.

use std::num::NonZeroUsize;

use countersign::clock::UnixTime;
use countersign::document::{self, Diagnostic, Kind, SourceFile};
use countersign::policy::{Decision, DecisionId, DecisionRequest, Denial, Permit, PolicySet, PolicySources, Question, Suite, Truth};
use countersign::request::{RequestView, Shown, TokenPlace};
use countersign::secret::Fingerprint;
use serde_json::Value;

use crate::answer::Answer;
use crate::world::trust;

/// The id of every decision of a suite.
const NO_ID: &str = "00000000000000000000000000000000";

/// Compiled documents with their suites.
pub struct Program {
    policies: std::sync::Arc<PolicySet>,
    suites: Vec<Suite>,
}

impl Program {
    /// Compiles documents.
    ///
    /// # Errors
    /// The problems, where one of them is an error.
    pub fn of(text: &str) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let found = document::find(&SourceFile::new("world.yaml", text), &mut problems);
        let (policies, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|document| document.kind() == Kind::Policy);
        let mut read = Vec::new();
        for document in &others {
            match document.read() {
                Ok(document) => read.push(document),
                Err(problem) => problems.push(problem),
            }
        }
        let sources = PolicySources {
            policies: &policies,
            others: &read,
            fragments: &Fingerprint::of(b""),
            issuers: &trust::ISSUERS,
            domains: &trust::DOMAINS,
            before: None,
            threads: NonZeroUsize::MIN,
            now: UnixTime::from_secs(0),
        };
        let policies = PolicySet::compile(&sources, &mut problems);
        let suites = Suite::compile(&read, &mut problems);
        match document::any_error(&problems) {
            true => Err(problems.iter().filter(|own| document::any_error(std::slice::from_ref(own))).map(rendered).collect()),
            false => Ok(Self { policies, suites }),
        }
    }

    /// The answer to a case of a suite, both by name.
    pub fn answer(&self, suite: &str, case: &str) -> Option<Answer> {
        let suite = self.suites.iter().find(|own| &*own.name == suite)?;
        let (_, question) = suite.questions(case).next()?;
        Some(self.decide(question))
    }

    fn decide(&self, question: Question) -> Answer {
        let Question { mut request, subject, now } = question;
        // A case has all the headers that there are, as for `explain`: else what no proxy may show is removed unseen.
        request.headers = request.headers.with_shown(Shown::Every);
        let subject = match self.policies.scope().of(&request) {
            Some(counting) => subject.where_count(|issuer| counting.has(issuer)),
            None => subject,
        };
        let now = now.unwrap_or(UnixTime::from_secs(0));
        let asked = DecisionRequest { subject: &subject, request: &request, now, id: DecisionId::default() };
        let decision = self.policies.evaluate(&asked);
        let mut answer = Answer::default();
        match &decision {
            Decision::Allow(permit) => allowed(permit, &request, &mut answer),
            Decision::Deny(denial) => denied(denial, &request, &mut answer),
        }
        if let Some(rule) = decision.rule() {
            answer.set("rule", rule);
        }
        for shadow in decision.shadows() {
            let unknown = shadow.result == Truth::Unknown;
            answer.set(format!("shadow {}", shadow.rule), format!("unknown={unknown} changes={}", shadow.changes));
        }
        answer
    }
}

fn rendered(problem: &Diagnostic) -> String {
    problem.render(false)
}

fn allowed(permit: &Permit, request: &RequestView, answer: &mut Answer) {
    answer.set("decision", "allow");
    let obligations = permit.obligations();
    for header in permit.headers() {
        answer.set(format!("header {}", header.name), &header.value);
    }
    for header in &obligations.response_headers {
        answer.set(format!("response header {}", header.name), &header.value);
    }
    for parameter in &obligations.query {
        answer.set(format!("parameter {}", parameter.name), &parameter.value);
    }
    for (name, value) in &obligations.metadata {
        answer.set(format!("metadata {name}"), value);
    }
    if let Some(assertion) = &obligations.assertion {
        answer.set("assertion", &assertion.header);
        for (name, value) in &assertion.claims {
            answer.set(format!("assertion claim {name}"), value);
        }
    }
    let is_set = |name: &str| {
        let asserted = obligations.assertion.as_ref().is_some_and(|own| *own.header == *name);
        asserted || permit.headers().iter().any(|own| *own.name == *name)
    };
    for (name, _) in request.headers.iter() {
        if is_set(name) || permit.strip().iter().any(|own| own == name) {
            answer.set(format!("removed header {name}"), "yes");
        }
    }
    let token = obligations.tokens.contains(&TokenPlace::Authorization);
    if token || permit.strip().iter().any(|own| own == "authorization") {
        answer.set("removed header authorization", "yes");
    }
    for name in permit.strip_query() {
        answer.set(format!("removed parameter {name}"), "yes");
    }
}

fn denied(denial: &Denial, request: &RequestView, answer: &mut Answer) {
    answer.set("decision", "deny");
    answer.set("reason", denial.rejection.reason());
    let told = denial.answer(request, NO_ID);
    answer.set("status", told.status);
    // The oracle says nothing of what stands in other forms.
    let is_json = told.header("content-type") == Some("application/json");
    let body: Value = Some(&told.body).filter(|_| is_json).and_then(|body| serde_json::from_str(body).ok()).unwrap_or(Value::Null);
    for (name, value) in body.as_object().into_iter().flatten() {
        if name != "decision_id" {
            answer.set(format!("body {name}"), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    for (name, value) in &told.headers {
        match &**name {
            "cache-control" | "x-decision-id" | "content-type" => {}
            "set-cookie" => answer.set("cleared cookie", value.split('=').next().unwrap_or_default()),
            other => answer.set(format!("answer {other}"), value),
        }
    }
}
