//! A decision as Envoy's `CheckResponse`, written straight to the wire.
//!
//! Envoy reads `status.code` first, so a denied body beside code OK is an **allow** (P1). Status, HTTP code, headers and body are
//! therefore written here, together, from one [`Outcome`]; no other code knows these fields, and the OK arm takes a [`Permit`].

mod writer;

use std::collections::BTreeSet;

use self::writer::Writer;
use crate::json::is_exact_double;
use crate::pdp::{Outcome, SealedHeader};
use crate::policy::{
    Annotations, Answer, Decision, DecisionId, Denial, Effect, HeaderMutation, Permit, RuleName,
};
use crate::reason::Reason;
use crate::request::TokenPlace;

/// The code of `google.rpc.Code` by which Envoy lets a request pass.
const OK: i32 = 0;

/// `HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD`.
const OVERWRITE: u64 = 2;

/// The field numbers of `CheckResponse` in Envoy's protocol.
mod field {
    pub(super) const STATUS: u32 = 1;
    pub(super) const DENIED: u32 = 2;
    pub(super) const OK: u32 = 3;
    pub(super) const METADATA: u32 = 4;
    /// Of `OkHttpResponse`.
    pub(super) mod ok {
        pub(in super::super) const HEADERS: u32 = 2;
        pub(in super::super) const HEADERS_TO_REMOVE: u32 = 5;
        pub(in super::super) const RESPONSE_HEADERS: u32 = 6;
        pub(in super::super) const QUERY: u32 = 7;
        pub(in super::super) const QUERY_TO_REMOVE: u32 = 8;
    }
    /// Of `DeniedHttpResponse`.
    pub(super) mod denied {
        pub(in super::super) const STATUS: u32 = 1;
        pub(in super::super) const HEADERS: u32 = 2;
        pub(in super::super) const BODY: u32 = 3;
    }
}

/// Writes the whole answer to one check.
pub fn encode(outcome: &Outcome, out: &mut Vec<u8>) {
    match (&outcome.decision, &outcome.answer) {
        (Decision::Allow(permit), _) => allow(permit, outcome, &mut Writer::new(out)),
        (Decision::Deny(denial), Some(answer)) => {
            deny(denial, answer, outcome.id, &mut Writer::new(out));
        }
        (Decision::Deny(_), None) => refuse_unseen(out),
    }
}

/// Writes a denial without any detail, not even an id, for when observing or encoding the decision failed.
pub(super) fn refuse_unseen(out: &mut Vec<u8>) {
    let words = Reason::PolicyUnavailable.client_answer();
    let answer = &mut Writer::new(out);
    grpc(words.grpc_status(), answer);
    answer.message(field::DENIED, |denied| {
        http(words.status(), denied);
        overwrite(field::denied::HEADERS, "cache-control", "no-store", denied);
    });
}

fn allow(permit: &Permit, outcome: &Outcome, answer: &mut Writer<'_>) {
    let Outcome { id, sealed, response_headers, .. } = outcome;
    let obligations = permit.obligations();
    grpc(OK, answer);
    answer.message(field::OK, |ok| {
        each(field::ok::HEADERS, &obligations.headers, ok);
        for header in sealed {
            overwrite(field::ok::HEADERS, &header.name, header.value.expose(), ok);
        }
        remove(permit, sealed, ok);
        each(field::ok::RESPONSE_HEADERS, &obligations.response_headers, ok);
        each(field::ok::RESPONSE_HEADERS, response_headers, ok);
        for parameter in &obligations.query {
            ok.message(field::ok::QUERY, |set| {
                set.text(1, &parameter.name);
                set.text(2, &parameter.value);
            });
        }
        for name in permit.strip_query() {
            ok.text(field::ok::QUERY_TO_REMOVE, name);
        }
    });
    let named = Some((permit.rule(), permit.annotations()));
    answer.message(field::METADATA, |fields| {
        metadata(*id, Effect::Allow, named, None, fields);
        let is_ours = |name: &str| match name {
            "decision_id" | "decision" | "policy" | "rule" => true,
            "annotations" => !permit.annotations().is_empty(),
            _ => false,
        };
        for (name, value) in obligations.metadata.iter().filter(|(name, _)| !is_ours(name)) {
            fields.entry(name, |wire| wire_value(value, wire));
        }
    });
}

/// A header that is set overwrites the caller's copies. Every other header that a rule could have set, or that overrides
/// the request line, is removed (P13, P133). The two lists are disjoint because Envoy removes after it sets.
fn remove(permit: &Permit, sealed: &[SealedHeader], ok: &mut Writer<'_>) {
    let set = || {
        let own = permit.headers().iter().map(|header| &*header.name);
        own.chain(sealed.iter().map(|header| &*header.name))
    };
    ok.append(|out| permit.removed().write(set(), removed, out));
    // A header that others share is set to what is left of it, where anything is. A parameter is among those that are removed from
    // the query.
    let stays = |place: &TokenPlace, name: &str| place.is_shared() && set().any(|own| own == name);
    let goes = |place| TokenPlace::header(place).filter(|name| !stays(place, name));
    let tokens: BTreeSet<_> = permit.obligations().tokens.iter().filter_map(goes).collect();
    for name in tokens {
        ok.text(field::ok::HEADERS_TO_REMOVE, name);
    }
}

/// The name of a header to remove, in an answer.
fn removed(name: &str, out: &mut Vec<u8>) {
    Writer::new(out).text(field::ok::HEADERS_TO_REMOVE, name);
}

fn each(field: u32, headers: &[HeaderMutation], out: &mut Writer<'_>) {
    for header in headers {
        overwrite(field, &header.name, &header.value, out);
    }
}

fn deny(denial: &Denial, own: &Answer, id: DecisionId, answer: &mut Writer<'_>) {
    let reason = denial.rejection.reason();
    let named = denial.rule.as_ref().map(|rule| (rule, &denial.annotations));
    let Answer { status, headers, body } = own;
    grpc(denial.rejection.client_answer().grpc_status(), answer);
    answer.message(field::DENIED, |denied| {
        http(*status, denied);
        for (name, value) in headers {
            overwrite(field::denied::HEADERS, name, value, denied);
        }
        denied.text(field::denied::BODY, body);
    });
    answer.message(field::METADATA, |fields| {
        metadata(id, Effect::Deny, named, Some(reason), fields);
    });
}

/// `google.rpc.Status` with its code only, which is written even where it is OK.
fn grpc(code: i32, answer: &mut Writer<'_>) {
    // There is no negative code; one would be unknown.
    let code = u64::try_from(code).unwrap_or(u64::from(u32::MAX));
    answer.message(field::STATUS, |status| status.number(1, code));
}

fn http(status: u16, denied: &mut Writer<'_>) {
    denied.message(field::denied::STATUS, |code| code.number(1, status.into()));
}

/// For Envoy's own access log: `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:decision_id)%`.
fn metadata(
    id: DecisionId,
    effect: Effect,
    named: Option<(&RuleName, &Annotations)>,
    reason: Option<Reason>,
    fields: &mut Writer<'_>,
) {
    fields.text_entry("decision_id", id.hex().as_str());
    fields.text_entry("decision", effect.as_str());
    if let Some((RuleName { policy, rule }, annotations)) = named {
        fields.text_entry("policy", policy);
        fields.text_entry("rule", rule);
        if !annotations.is_empty() {
            fields.entry("annotations", |value| {
                value.message(5, |notes| {
                    annotations.iter().for_each(|(name, own)| notes.text_entry(name, own));
                });
            });
        }
    }
    if let Some(reason) = reason {
        fields.text_entry("reason", reason.as_str());
    }
}

/// The fields of `google.protobuf.Value`.
fn wire_value(value: &serde_json::Value, wire: &mut Writer<'_>) {
    use serde_json::Value as Json;
    match value {
        Json::Null => wire.number(1, 0),
        Json::Bool(value) => wire.number(4, u64::from(*value)),
        // A number that no double can hold stays what it is, as text.
        Json::Number(number) => {
            let exact =
                number.as_f64().filter(|double| number.is_f64() || is_exact_double(*double));
            match exact {
                Some(double) => wire.double(2, double),
                None => wire.text(3, &number.to_string()),
            }
        }
        Json::String(text) => wire.text(3, text),
        Json::Array(values) => wire.message(6, |list| {
            values.iter().for_each(|value| list.message(1, |wire| wire_value(value, wire)));
        }),
        Json::Object(members) => wire.message(5, |fields| {
            members
                .iter()
                .for_each(|(name, value)| fields.entry(name, |wire| wire_value(value, wire)));
        }),
    }
}

/// The action is always said: the wire default would append to the caller's value.
fn overwrite(field: u32, name: &str, value: &str, out: &mut Writer<'_>) {
    out.message(field, |option| {
        option.message(1, |header| {
            header.text(1, name);
            header.text(2, value);
        });
        option.number(3, OVERWRITE);
    });
}

#[cfg(test)]
mod tests;
