//! Templates of header values, and the one place where a text becomes something that is sent upstream (P12).

use serde_json::Value;

use super::context::CheckContext;
use super::encoding::{Encoding, Form, ascii_json};
use super::missing::MissingData;
use super::variable::{TemplateVariable, VariableName, VariableValue};
use crate::document::closest;
use crate::json::is_exact;
use crate::limits::MAX_INJECTED_VALUE_BYTES;
use crate::policy::model::is_settable;

/// Text with variables in braces, such as `user={token.sub}`; `{{` and `}}` stand for single braces. A variable may be
/// encoded, as in `{token.sub|base64url}`, or written as JSON, as in `{token.claims./groups|json}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Template(Box<[TemplatePart]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(Box<str>),
    Variable(TemplateVariable, Form),
}

/// An error in a template, and what to do.
type TemplateError = (String, Option<String>);

/// A value must not be sent. It is not cleaned: a value that was changed on its way is the name of another caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Unsafe<'t> {
    why: UnsafeCause,
    /// The variable at fault, if it is one alone.
    variable: Option<&'t TemplateVariable>,
}

/// The cause that keeps a value from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnsafeCause {
    /// A record does not hold it.
    NotRecorded,
    /// It has a character that could end the header or mean something else to another reader.
    Characters,
    /// It has a character that Envoy does not set in a query.
    QueryCharacters,
    /// It is longer than [`MAX_INJECTED_VALUE_BYTES`].
    Length,
    /// It is a list with an element that would read as two, or none.
    Elements,
    /// It is no text and no list of texts.
    Formless,
    /// It has a number that is not known exactly.
    Rounded,
    /// It is one of several.
    Ambiguous,
}

impl Template {
    /// Reads a template; the error says what is wrong with it and what to do.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, TemplateError> {
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
                let (variable, form, after) = take_variable(from)?;
                parts.extend(take_literal(&mut literal));
                parts.push(TemplatePart::Variable(variable, form));
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
    pub(in crate::policy) fn text(&self) -> String {
        let part = |part: &TemplatePart| match part {
            TemplatePart::Text(text) => text.to_string(),
            TemplatePart::Variable(variable, form) => {
                format!("{{{}{}}}", variable.written(), form.words())
            }
        };
        self.0.iter().map(part).collect()
    }

    /// The variables in it.
    pub(in crate::policy) fn variables(&self) -> impl Iterator<Item = &TemplateVariable> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Variable(variable, _) => Some(variable),
            TemplatePart::Text(_) => None,
        })
    }

    /// Those that are written as they are.
    pub(in crate::policy) fn bare_variables(&self) -> impl Iterator<Item = &TemplateVariable> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Variable(variable, form) if form.is_bare() => Some(variable),
            TemplatePart::Variable(..) | TemplatePart::Text(_) => None,
        })
    }

    /// The first variable in a form that no query parameter can have, such as `{token.claims./groups|json}`.
    pub(in crate::policy) fn no_parameter(&self) -> Option<String> {
        let never = |form: Form| match form.encoding {
            None => form.json,
            Some(encoding) => encoding == Encoding::Rfc8187,
        };
        self.0.iter().find_map(|part| match part {
            TemplatePart::Variable(variable, form) if never(*form) => {
                Some(format!("{{{}{}}}", variable.written(), form.words()))
            }
            TemplatePart::Variable(..) | TemplatePart::Text(_) => None,
        })
    }

    /// True if a space is at one of its ends, where no value is sent with one.
    pub(in crate::policy) fn is_untrimmed(&self) -> bool {
        let space = |part: Option<&TemplatePart>, at: fn(&str) -> bool| matches!(part, Some(TemplatePart::Text(text)) if at(text));
        space(self.0.first(), |text| text.starts_with(' '))
            || space(self.0.last(), |text| text.ends_with(' '))
    }

    /// The text between them.
    pub(in crate::policy) fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Text(text) => Some(&**text),
            TemplatePart::Variable(..) => None,
        })
    }

    /// True if a record that lacks `missing` holds the value of every variable.
    pub(in crate::policy) fn is_recorded(&self, missing: MissingData) -> bool {
        !self
            .variables()
            .filter_map(TemplateVariable::record_field)
            .any(|field| missing.covers(field))
    }

    /// A value that was not recorded is not the same as none.
    fn check_recorded(&self, cx: &CheckContext<'_>) -> Result<(), Unsafe<'_>> {
        if self.is_recorded(cx.missing) {
            Ok(())
        } else {
            Err(UnsafeCause::NotRecorded.somewhere())
        }
    }

    /// The value for the request; `None` where a variable has no value, since half a value is a wrong one.
    ///
    /// # Errors
    /// [`Unsafe`] if the value must not be sent.
    pub(in crate::policy) fn render(
        &self,
        cx: &CheckContext<'_>,
    ) -> Result<Option<String>, Unsafe<'_>> {
        self.check_recorded(cx)?;
        let Some(value) = text_of(&self.0, cx)? else { return Ok(None) };
        if value.len() > MAX_INJECTED_VALUE_BYTES {
            return Err(UnsafeCause::Length.somewhere());
        }
        if is_sent_as_it_is(&value) { Ok(Some(value)) } else { Err(self.odd(cx, is_sent_as_it_is)) }
    }

    /// The first variable whose own text is not `fine`.
    fn odd(&self, cx: &CheckContext<'_>, fine: fn(&str) -> bool) -> Unsafe<'_> {
        let variable = self.0.iter().find_map(|part| {
            let TemplatePart::Variable(variable, _) = part else { return None };
            let own = text_of(std::slice::from_ref(part), cx).ok().flatten();
            own.is_some_and(|own| !fine(&own)).then_some(variable)
        });
        Unsafe { why: UnsafeCause::Characters, variable }
    }

    /// The value for the request of a query parameter.
    ///
    /// # Errors
    /// [`Unsafe`] where it must not be sent, or Envoy does not set it (P135).
    pub(in crate::policy) fn render_parameter(
        &self,
        cx: &CheckContext<'_>,
    ) -> Result<Option<String>, Unsafe<'_>> {
        let value = self.render(cx)?;
        if value.is_none() {
            return Ok(None);
        }
        // Compiling has checked the text between the variables.
        for part in &self.0 {
            if let TemplatePart::Variable(variable, form) = part
                && form.encoding != Some(Encoding::Percent)
                && !is_settable_part(part, cx)
            {
                return Err(Unsafe { why: UnsafeCause::QueryCharacters, variable: Some(variable) });
            }
        }
        Ok(value)
    }

    /// The value for the request as JSON: that of its variable where it is one variable only, else text.
    ///
    /// # Errors
    /// [`Unsafe`] where it is too large, could forge a line of a log, or holds a number that is not known exactly.
    pub(in crate::policy) fn render_value(
        &self,
        cx: &CheckContext<'_>,
    ) -> Result<Option<Value>, Unsafe<'_>> {
        self.check_recorded(cx)?;
        let value = match &*self.0 {
            [TemplatePart::Variable(variable, form)] if form.is_bare() => value_of(variable, cx)?,
            parts => text_of(parts, cx)?.map(Value::String),
        };
        let Some(value) = value else { return Ok(None) };
        if value.to_string().len() > MAX_INJECTED_VALUE_BYTES {
            return Err(UnsafeCause::Length.somewhere());
        }
        if is_plain_value(&value) { Ok(Some(value)) } else { Err(self.odd(cx, is_plain)) }
    }
}

impl UnsafeCause {
    const fn of(self, variable: &TemplateVariable) -> Unsafe<'_> {
        Unsafe { why: self, variable: Some(variable) }
    }

    const fn somewhere(self) -> Unsafe<'static> {
        Unsafe { why: self, variable: None }
    }
}

impl Unsafe<'_> {
    /// The fault of the value, and the form to write in the document. It never quotes the value.
    pub(in crate::policy) fn explain(self) -> String {
        let name = self
            .variable
            .map_or_else(|| String::from("it"), |own| format!("`{{{}}}`", own.written()));
        let form = |words: &str| {
            let name = self.variable.map_or_else(|| String::from("..."), TemplateVariable::written);
            format!("write `{{{name}{words}}}`, and let the receiver decode it")
        };
        match self.why {
            UnsafeCause::NotRecorded => String::from("the record does not hold it"),
            UnsafeCause::Characters => {
                format!("{name} has a character that cannot be sent as it is: {}", form("|percent"))
            }
            UnsafeCause::QueryCharacters => {
                format!(
                    "{name} has a character that Envoy does not set in a query: {}",
                    form("|base64url")
                )
            }
            UnsafeCause::Length => format!("it is longer than {MAX_INJECTED_VALUE_BYTES} bytes"),
            UnsafeCause::Elements => {
                format!(
                    "{name} is a list with an element that is empty or has a comma: {}",
                    form("|json")
                )
            }
            UnsafeCause::Formless => {
                format!("{name} is neither a text nor a list of texts: {}", form("|json"))
            }
            UnsafeCause::Rounded => format!("{name} has a number with more digits than are known"),
            UnsafeCause::Ambiguous => {
                format!("{name} is one of several: name one with `peer.trustDomain`")
            }
        }
    }
}

/// True if Envoy sets a part in a query as it is. One that is percent-encoded on purpose is, and no other one may have a `%`: the
/// upstream would decode it (P216).
fn is_settable_part(part: &TemplatePart, cx: &CheckContext<'_>) -> bool {
    let own = text_of(std::slice::from_ref(part), cx);
    own.is_ok_and(|own| own.is_none_or(|own| own.bytes().all(is_settable)))
}

/// Text that cannot end a line of a log.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// True if every text in it is plain, names of members included.
fn is_plain_value(value: &Value) -> bool {
    match value {
        Value::String(text) => is_plain(text),
        Value::Array(elements) => elements.iter().all(is_plain_value),
        Value::Object(members) => {
            members.iter().all(|(name, value)| is_plain(name) && is_plain_value(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Visible ASCII and space: no CR, LF, NUL, tab, DEL, nor bytes that another reader decodes in another way.
const fn is_sendable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

/// True if a header keeps the text as it is: no space at its ends.
fn is_sent_as_it_is(text: &str) -> bool {
    text.trim_matches(' ').len() == text.len() && text.bytes().all(is_sendable)
}

fn text_of<'t>(
    parts: &'t [TemplatePart],
    cx: &CheckContext<'_>,
) -> Result<Option<String>, Unsafe<'t>> {
    let mut value = String::new();
    for part in parts {
        match part {
            TemplatePart::Text(text) => value.push_str(text),
            TemplatePart::Variable(variable, form) => {
                let text = match form.json {
                    true => json_of(variable, cx)?,
                    false => one_line(variable.find(cx)).map_err(|why| why.of(variable))?,
                };
                let Some(text) = text else { return Ok(None) };
                value.push_str(&form.encode(text));
            }
        }
    }
    Ok(Some(value))
}

/// A variable as a value that may be of any kind. The name of one of several is none.
fn value_of<'t>(
    variable: &'t TemplateVariable,
    cx: &CheckContext<'_>,
) -> Result<Option<Value>, Unsafe<'t>> {
    if variable.is_ambiguous(cx) {
        return Err(UnsafeCause::Ambiguous.of(variable));
    }
    match variable.find_value(cx) {
        Some(value) if !is_exact(&value) => Err(UnsafeCause::Rounded.of(variable)),
        other => Ok(other),
    }
}

/// A variable as JSON. Neither an empty text nor an empty list is a value.
fn json_of<'t>(
    variable: &'t TemplateVariable,
    cx: &CheckContext<'_>,
) -> Result<Option<String>, Unsafe<'t>> {
    let is_empty = |value: &Value| {
        value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty)
    };
    let value = value_of(variable, cx)?.filter(|value| !is_empty(value));
    Ok(value.map(|value| ascii_json(&value)))
}

fn one_line(found: VariableValue<'_>) -> Result<Option<String>, UnsafeCause> {
    let text = match found {
        VariableValue::Nothing => return Ok(None),
        VariableValue::One(text) => text.into_owned(),
        // An element with a comma would read as two.
        VariableValue::Several(texts)
            if texts.iter().any(|text| text.contains(',') || text.trim().is_empty()) =>
        {
            return Err(UnsafeCause::Elements);
        }
        VariableValue::Several(texts) => texts.join(","),
        VariableValue::Formless => return Err(UnsafeCause::Formless),
        VariableValue::Rounded => return Err(UnsafeCause::Rounded),
        VariableValue::Ambiguous => return Err(UnsafeCause::Ambiguous),
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn take_literal(literal: &mut String) -> Option<TemplatePart> {
    let text = std::mem::take(literal);
    (!text.is_empty()).then(|| TemplatePart::Text(text.into()))
}

/// Reads `{variable}` at the start of `text`; gives what follows it.
fn take_variable(text: &str) -> Result<(TemplateVariable, Form, &str), TemplateError> {
    let Some((whole, after)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else {
        let help = String::from("write `{{` and `}}` for braces that are text");
        return Err((String::from("a brace is not closed, or was not opened"), Some(help)));
    };
    let (name, form) = Form::split(whole).map_err(|(message, help)| (message, Some(help)))?;
    if name == "decision.reason" {
        let help = "that of a denial is in the audit record and the proxy's metadata";
        return Err((String::from("an allow has no reason"), Some(String::from(help))));
    }
    let Some(variable) = TemplateVariable::parse(name) else {
        // A claim is what most mean by a name after `token.`.
        let claim =
            name.strip_prefix("token.").map(|rest| rest.strip_prefix("claims.").unwrap_or(rest));
        let claim = claim.map(|claim| claim.replace('.', "/"));
        let known = VariableName::ALL.map(VariableName::as_str);
        let help = match (closest(name, &known), claim) {
            (Some(near), _) => format!("did you mean `{{{near}}}`?"),
            (None, Some(claim)) => format!("for the claim write `{{token.claims./{claim}}}`"),
            (None, None) => format!("known are: {}", known.join(", ")),
        };
        return Err((format!("unknown variable `{{{name}}}`"), Some(help)));
    };
    Ok((variable, form, after))
}
