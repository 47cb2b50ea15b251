//! Templates of header values, and the one place where a text becomes something that is sent upstream (P12).

use serde_json::Value;
use std::borrow::Cow;

use super::variable::{FORMS, Facts, Found, Variable};
use crate::document::closest;
use crate::json::is_exact_number;
use crate::limits::MAX_INJECTED_VALUE_BYTES;

/// Text with variables in braces, such as `user={token.sub}`; `{{` and `}}` stand for single braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Box<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Variable(Variable),
}

/// A value cannot be sent: it is too long, or has a character that could end the header or mean something else to
/// another reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsafe;

// === impl Template ===

impl Template {
    /// Reads a template; the error says what is wrong with it and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            literal.push_str(before);
            rest = if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                after
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                after
            } else {
                let (variable, after) = take_variable(from)?;
                parts.extend(take_literal(&mut literal));
                parts.push(Part::Variable(variable));
                after
            };
        }
        literal.push_str(rest);
        if literal.bytes().chain(text.bytes()).any(|b| !is_sendable(b)) {
            let message = String::from("the value has a character that headers cannot carry");
            return Err((message, Some(String::from("use visible ASCII characters and spaces"))));
        }
        parts.extend(take_literal(&mut literal));
        if parts.is_empty() {
            return Err((String::from("the value is empty"), None));
        }
        Ok(Self(parts.into()))
    }

    /// Its text in the document, but for doubled braces.
    pub(super) fn text(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.to_string(),
            Part::Variable(variable) => format!("{{{}}}", variable.name()),
        };
        self.0.iter().map(part).collect()
    }

    /// The variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// What was not recorded has no value, and is not left out as if it had none either.
    fn check_recorded(&self, facts: &Facts<'_>) -> Result<(), Unsafe> {
        let missing =
            |variable: &Variable| variable.datum().is_some_and(|datum| facts.gaps.cover(datum));
        if self.variables().any(missing) { Err(Unsafe) } else { Ok(()) }
    }

    /// The value for `facts`; `None` where a variable has no value, since half a value is a wrong one.
    ///
    /// # Errors
    /// [`Unsafe`] where the value must not be sent. It is not cleaned: a value that was changed on its way is somebody
    /// else's name.
    pub(super) fn render(&self, facts: &Facts<'_>) -> Result<Option<String>, Unsafe> {
        self.check_recorded(facts)?;
        let Some(value) = text_of(&self.0, facts)? else { return Ok(None) };
        let trimmed = value.trim_matches(' ').len() == value.len();
        let sendable =
            trimmed && value.len() <= MAX_INJECTED_VALUE_BYTES && value.bytes().all(is_sendable);
        if sendable { Ok(Some(value)) } else { Err(Unsafe) }
    }

    /// The value for `facts` as JSON: that of its variable where it is one variable only, else text.
    ///
    /// # Errors
    /// [`Unsafe`] where it is too large, could forge a line of a log, or holds a number that is not known exactly.
    pub(super) fn render_value(&self, facts: &Facts<'_>) -> Result<Option<Value>, Unsafe> {
        self.check_recorded(facts)?;
        let value = match &*self.0 {
            [Part::Variable(variable)] => variable.find_value(facts),
            parts => text_of(parts, facts)?.map(Value::String),
        };
        let Some(value) = value else { return Ok(None) };
        let small = value.to_string().len() <= MAX_INJECTED_VALUE_BYTES;
        if small && is_plain_value(&value) { Ok(Some(value)) } else { Err(Unsafe) }
    }
}

/// Text that cannot end a line of a log.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Whether every text in it is plain, names of members included, and every number what the token said.
fn is_plain_value(value: &Value) -> bool {
    match value {
        Value::String(text) => is_plain(text),
        Value::Array(elements) => elements.iter().all(is_plain_value),
        Value::Object(members) => {
            members.iter().all(|(name, value)| is_plain(name) && is_plain_value(value))
        }
        Value::Number(number) => is_exact_number(number),
        Value::Null | Value::Bool(_) => true,
    }
}

/// Visible ASCII and space: no CR, LF, NUL, tab, DEL, nor bytes that another reader decodes in another way.
const fn is_sendable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

fn text_of(parts: &[Part], facts: &Facts<'_>) -> Result<Option<String>, Unsafe> {
    let mut value = String::new();
    for part in parts {
        match part {
            Part::Text(text) => value.push_str(text),
            Part::Variable(variable) => match one_line(variable.find(facts))? {
                Some(text) => value.push_str(&text),
                None => return Ok(None),
            },
        }
    }
    Ok(Some(value))
}

fn one_line(found: Found<'_>) -> Result<Option<Cow<'_, str>>, Unsafe> {
    match found {
        Found::Nothing => Ok(None),
        Found::One(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        // An element with a comma would read as two.
        Found::Several(texts)
            if texts.iter().any(|text| text.contains(',') || text.trim().is_empty()) =>
        {
            Err(Unsafe)
        }
        Found::Several(texts) => {
            Ok(Some(texts.join(",").into()).filter(|text: &Cow<'_, str>| !text.is_empty()))
        }
        Found::Formless => Err(Unsafe),
    }
}

fn take_literal(literal: &mut String) -> Option<Part> {
    let text = std::mem::take(literal);
    (!text.is_empty()).then(|| Part::Text(text.into()))
}

/// Reads `{variable}` at the start of `text`; gives what follows it.
fn take_variable(text: &str) -> Result<(Variable, &str), (String, Option<String>)> {
    let Some((name, after)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else {
        let help = String::from("write `{{` and `}}` for braces that are text");
        return Err((String::from("a brace is not closed, or was not opened"), Some(help)));
    };
    if name == "decision.reason" {
        let help = "that of a denial is in the audit record and the proxy's metadata";
        return Err((String::from("an allow has no reason"), Some(String::from(help))));
    }
    let Some(variable) = Variable::parse(name) else {
        // A claim is what most mean by a name after `token.`.
        let claim =
            name.strip_prefix("token.").map(|rest| rest.strip_prefix("claims.").unwrap_or(rest));
        let claim = claim.map(|claim| claim.replace('.', "/"));
        let help = match (closest(name, &FORMS), claim) {
            (Some(near), _) => format!("did you mean `{{{near}}}`?"),
            (None, Some(claim)) => format!("for the claim write `{{token.claims./{claim}}}`"),
            (None, None) => format!("known are: {}", FORMS.join(", ")),
        };
        return Err((format!("unknown variable `{{{name}}}`"), Some(help)));
    };
    Ok((variable, after))
}
