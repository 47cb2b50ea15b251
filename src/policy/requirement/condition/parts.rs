//! Evaluating a condition: as a whole, and each of its operands by itself, to show which of them decided, and by which values.

use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::{Context, Value};

use super::compiled::Condition;
use super::functions;
use super::operands::{leaves, slots_in};
use super::source::{SourceValue, Variable};
use super::steps;
use super::values::Values;
use crate::policy::model::Truth;
use crate::policy::requirement::context::CheckContext;
use crate::policy::requirement::observation::{Observation, ObservedValue, Operand};

impl Condition {
    /// Its result. An error of any sort is unknown: the library's messages quote values, and are not kept.
    pub(in crate::policy) fn holds(&self, cx: &CheckContext<'_>) -> Truth {
        let Some(environment) = functions::environment() else { return Truth::Unknown };
        let values = Values { slots: &self.slots, cx: *cx };
        let mut context = Context::with_env(Arc::clone(environment));
        context.set_variable_resolver(&values);
        truth(&self.expression, &context)
    }

    /// The text of each operand, from left to right.
    pub(in crate::policy) fn parts(&self) -> Vec<String> {
        leaves(&self.expression).into_iter().map(|node| self.text_of(node).to_owned()).collect()
    }

    /// The values that it demands of a variable by `==` with a text or a number, if only `&&` joins its parts.
    pub(in crate::policy) fn required_values(&self) -> Vec<(String, String)> {
        if self.text.contains("||") || self.text.contains('?') {
            return Vec::new();
        }
        let demand = |part: String| {
            let (one, other) = part.split_once("==")?;
            let (one, other) = (one.trim(), other.trim());
            let (name, value) = if is_of_request(one) { (one, other) } else { (other, one) };
            let bare = value.trim_matches(['"', '\'']);
            let is_text =
                value.len() == bare.len().saturating_add(2) && !bare.contains(['"', '\'', '\\']);
            let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            (is_text || is_number).then(|| (name.to_owned(), bare.to_owned()))
        };
        self.parts().into_iter().filter_map(demand).collect()
    }

    fn text_of(&self, node: &IdedExpr) -> &str {
        let place = self.operands.iter().find(|(id, _)| *id == node.id);
        place.and_then(|(_, at)| self.text.get(at.clone())).unwrap_or(&self.text).trim()
    }

    /// Each operand by itself. One that stands behind another which settles the matter is evaluated all the same.
    pub(in crate::policy) fn operands(&self, cx: &CheckContext<'_>) -> Vec<Operand> {
        let Some(environment) = functions::environment() else { return Vec::new() };
        let values = Values { slots: &self.slots, cx: *cx };
        let mut context = Context::with_env(Arc::clone(environment));
        context.set_variable_resolver(&values);
        let operand = |node: &IdedExpr| {
            let text = self.text_of(node);
            let truth = truth(node, &context);
            let sources = slots_in(node).into_iter().filter_map(|at| self.slots.get(at)?.source());
            let observed = sources.map(|source| values.show(source)).collect();
            Operand { text: text.to_owned(), truth, observed }
        };
        leaves(&self.expression).into_iter().map(operand).collect()
    }
}

/// True if it is a variable that does not depend on who asks.
fn is_of_request(name: &str) -> bool {
    ["request.", "connection.", "client."].iter().any(|root| name.starts_with(root))
}

/// The value of `node`, within the steps that it may take.
fn truth(node: &IdedExpr, context: &Context<'_, '_>) -> Truth {
    match steps::within(|| Value::resolve(node, context)) {
        Some(Ok(Value::Bool(holds))) => holds.into(),
        Some(Ok(_) | Err(_)) | None => Truth::Unknown,
    }
}

impl Values<'_> {
    fn show(&self, source: &Variable) -> Observation {
        let name = source.name();
        if source.record_field().is_some_and(|field| self.cx.missing.covers(field)) {
            return Observation::new(name, ObservedValue::NotRecorded);
        }
        let value = match source.find(&self.cx) {
            None if source.is_there(&self.cx) == Some(true) => ObservedValue::Unreadable,
            None => ObservedValue::Absent,
            Some(SourceValue::Json(value)) => ObservedValue::json(Some(value)),
            Some(SourceValue::Text(text)) if !source.is_open() => ObservedValue::text(text),
            Some(SourceValue::Text(text)) => ObservedValue::Open(text.to_owned()),
            Some(SourceValue::Address(ip)) => ObservedValue::Open(ip.to_string()),
            Some(SourceValue::Bool(bool)) => ObservedValue::Open(bool.to_string()),
            Some(SourceValue::Int(int)) => ObservedValue::Open(int.to_string()),
            Some(SourceValue::Texts(texts)) => ObservedValue::list(texts),
        };
        Observation::new(name, value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::ConditionScope;
    use super::*;
    use crate::request::SealedNames;

    fn parts(text: &str) -> Vec<String> {
        let sealed = SealedNames::default();
        let (captures, domains, issuers) = (&["id"][..], &[][..], &[][..]);
        let scope = ConditionScope::of_any_rule(captures, &sealed, (domains, issuers));
        Condition::compile(text, scope)
            .unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
            .parts()
    }

    /// P152: an operand is shown as it stands in the document, from its first byte to its last.
    #[test]
    fn operands_are_shown_whole() {
        for operands in [
            vec!["token.sub == request.path.id"],
            vec!["token.sub == request.path.id", "request.path.id != token.client"],
            vec!["has(token.claims.a.b)", "!has(token.claims.c)"],
            vec!["\"a\" in token.claims", "token.claims.yes"],
            vec!["(token.sub) == (request.path.id)", "(token.sub) == ((request.path.id))"],
            vec!["!(token.claims.a && token.claims.b)", "-token.claims.n < 1"],
            vec!["token.claims.roles.exists(r, r == 'a' && r != \"b\")", "token.sub.size() > 1"],
            vec![
                "token.claims.list[0].name == token.claims.m[\"a\"].b",
                "token.claims.x.size() == 1",
            ],
            vec![
                "{'a': 1, 'b': token.claims.n} == token.claims.m",
                "token.claims.m == {'c': token.claims.n}",
            ],
            vec!["'&&' == request.path.id", "\"a || \\\"b\" != token.sub", "r'\\' == token.sub"],
            vec!["request.method\n  == request . path\n . id"],
            vec!["[token.sub] == [request.path.id]", "size(token.scopes) == 1"],
        ] {
            let joined = operands.join(" && ");
            assert_eq!(parts(&joined), operands, "{joined}");
            assert_eq!(parts(&format!("({joined} // b && c\n)")), operands, "({joined})");
            let each: Vec<_> = operands.iter().map(|operand| format!("({operand}\n)")).collect();
            let nested = format!("(({}) || now > token.exp)", each.join("&&"));
            let found = parts(&nested);
            let (last, own) = found.split_last().unwrap();
            assert_eq!(last, "now > token.exp", "{nested}");
            let bare = |text: &String| text.trim_matches(['(', ')', '\n', ' ']).to_owned();
            let wanted: Vec<_> = operands.iter().map(|text| bare(&(*text).to_owned())).collect();
            assert_eq!(own.iter().map(bare).collect::<Vec<_>>(), wanted, "{nested}");
        }
        let choice = "token.claims.a ? token.sub == request.path.id : token.claims.b";
        assert_eq!(
            parts(choice),
            ["token.claims.a", "token.sub == request.path.id", "token.claims.b"]
        );
    }
}
