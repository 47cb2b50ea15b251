//! The expectations of a case beside the decision: the changes of an allow to the request and its answer, and the response to a
//! denied caller.

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::case::Expectation;
use crate::policy::{Answer, Decision, Denial, HeaderMutation, Permit};
use crate::request::RequestView;

/// The id of every decision in a suite.
const NO_ID: &str = "00000000000000000000000000000000";

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// The part of the answer.
    pub what: String,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub found: String,
}

/// The value that was found, as text; `None` if there is none.
type FoundAnswer = Option<String>;

impl Expectation {
    /// The differences between the expected and the actual answer to `request`.
    pub(super) fn answer_differences(
        &self,
        decision: &Decision,
        request: &RequestView,
    ) -> Vec<Difference> {
        let (permit, answer) = match decision {
            Decision::Allow(permit) => (Some(permit), None),
            Decision::Deny(denial) => (None, Some(answer_to(denial, request))),
        };
        let mut differences = Differences::default();
        for (name, expected) in &self.headers {
            let found = permit.and_then(|permit| value_of(permit.headers(), name));
            differences.compare("header", name, expected, found, "not injected");
        }
        for (name, expected) in &self.response_headers {
            let sent = answer.as_ref().and_then(|answer| answer.header(name).map(str::to_owned));
            let added =
                permit.and_then(|permit| value_of(&permit.obligations().response_headers, name));
            differences.compare("response header", name, expected, sent.or(added), "not sent");
        }
        if let Some(expected) = self.status {
            let found = answer.as_ref().map(|answer| answer.status.to_string());
            differences.compare("status", "", &expected.to_string(), found, "none");
        }
        if let Some(expected) = &self.body {
            let body = answer.as_ref().map(|answer| answer.body.as_str());
            differences.compare_body(expected, body.unwrap_or_default());
        }
        self.obligation_differences(permit, &mut differences);
        differences.0
    }

    fn obligation_differences(&self, permit: Option<&Permit>, differences: &mut Differences) {
        let obligations = permit.map(Permit::obligations);
        for (name, expected) in &self.query {
            let mut set = obligations.iter().flat_map(|own| &own.query);
            let set = set.find(|parameter| *parameter.name == **name);
            let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let found = set.map(|parameter| plain(&parameter.value));
            differences.compare("query parameter", name, expected, found, "not set");
        }
        let metadata = obligations.map(|own| &own.metadata);
        differences.compare_members("metadata", &self.metadata, metadata);
        let assertion = obligations.and_then(|own| own.assertion.as_ref());
        let claims = assertion.map(|assertion| &assertion.claims);
        differences.compare_members("assertion claim", &self.assertion, claims);
        for name in &self.removed {
            let found = permit.is_some_and(|permit| removes(permit, name));
            let found = found.then(|| "removed".to_owned());
            differences.compare("request header", name, "removed", found, "not removed");
        }
    }
}

fn answer_to(denial: &Denial, request: &RequestView) -> Answer {
    denial.answer(request, NO_ID)
}

fn value_of(headers: &[HeaderMutation], name: &str) -> FoundAnswer {
    headers.iter().find(|header| *header.name == *name).map(|header| header.value.clone())
}

fn removes(permit: &Permit, name: &str) -> bool {
    // Of a header that others share, only the token goes.
    let mut whole = permit.obligations().tokens.iter().filter(|place| !place.is_shared());
    let is_token = whole.any(|place| place.header() == Some(name));
    is_token || permit.strip().iter().any(|own| own == name)
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn compare(&mut self, kind: &str, name: &str, expected: &str, found: FoundAnswer, none: &str) {
        if found.as_deref() == Some(expected) {
            return;
        }
        self.0.push(Difference {
            what: format!("{kind} {name}").trim_end().to_owned(),
            expected: expected.to_owned(),
            found: found.unwrap_or_else(|| none.to_owned()),
        });
    }

    fn compare_members(
        &mut self,
        kind: &str,
        expected: &Map<String, Value>,
        found: Option<&Map<String, Value>>,
    ) {
        for (name, expected) in expected {
            let found = found.and_then(|members| members.get(name)).map(Value::to_string);
            self.compare(kind, name, &expected.to_string(), found, "not set");
        }
    }

    fn compare_body(&mut self, expected: &Value, body: &str) {
        if let Some(members) = expected.as_object() {
            let found: Option<Map<String, Value>> = serde_json::from_str(body).ok();
            return self.compare_members("body", members, found.as_ref());
        }
        let text = expected.as_str().map_or_else(|| expected.to_string(), str::to_owned);
        if !body.contains(&text) {
            self.compare("body", "", &text, Some(body.trim_end().to_owned()), "none");
        }
    }
}
