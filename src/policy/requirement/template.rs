//! Templates of header values, and the one place where a text becomes something that is sent upstream (P12).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::context::CheckContext;
use super::missing::MissingData;
use super::variable::{FORMS, TemplateVariable, VariableValue};
use crate::document::closest;
use crate::json::is_exact_number;
use crate::limits::MAX_INJECTED_VALUE_BYTES;
use crate::policy::model::parameters::is_settable;

/// Text with variables in braces, such as `user={token.sub}`; `{{` and `}}` stand for single braces. A variable may be
/// encoded, as in `{token.sub|base64url}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Template(Box<[TemplatePart]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(Box<str>),
    Variable(TemplateVariable, Option<Encoding>),
}

/// An encoding of a value that cannot be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// RFC 4648 section 5, without padding.
    Base64Url,
    /// RFC 4648 section 8, in lower case.
    Hex,
    /// RFC 3986 section 2.1. Envoy refuses it in query parameters if it validates mutations.
    Percent,
}

/// The encodings by name.
const ENCODINGS: [(&str, Encoding); 3] =
    [("base64url", Encoding::Base64Url), ("hex", Encoding::Hex), ("percent", Encoding::Percent)];

/// All but RFC 3986's unreserved characters, so that a value is one value to every reader.
const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An error in a template, and what to do.
type TemplateError = (String, Option<String>);

/// A value cannot be sent: it is too long, or has a character that could end the header or mean something else to
/// another reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Unsafe;

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
                let (variable, encoding, after) = take_variable(from)?;
                parts.extend(take_literal(&mut literal));
                parts.push(TemplatePart::Variable(variable, encoding));
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
            TemplatePart::Variable(variable, None) => format!("{{{}}}", variable.name()),
            TemplatePart::Variable(variable, Some(encoding)) => {
                format!("{{{}|{}}}", variable.name(), encoding.name())
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
            TemplatePart::Variable(variable, None) => Some(variable),
            TemplatePart::Variable(_, Some(_)) | TemplatePart::Text(_) => None,
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
    fn check_recorded(&self, cx: &CheckContext<'_>) -> Result<(), Unsafe> {
        if self.is_recorded(cx.missing) { Ok(()) } else { Err(Unsafe) }
    }

    /// The value for the request; `None` where a variable has no value, since half a value is a wrong one.
    ///
    /// # Errors
    /// [`Unsafe`] if the value must not be sent. It is not cleaned: a value that was changed on its way is the name of another
    /// caller.
    pub(in crate::policy) fn render(
        &self,
        cx: &CheckContext<'_>,
    ) -> Result<Option<String>, Unsafe> {
        self.check_recorded(cx)?;
        let Some(value) = text_of(&self.0, cx)? else { return Ok(None) };
        let trimmed = value.trim_matches(' ').len() == value.len();
        let sendable =
            trimmed && value.len() <= MAX_INJECTED_VALUE_BYTES && value.bytes().all(is_sendable);
        if sendable { Ok(Some(value)) } else { Err(Unsafe) }
    }

    /// The value for the request of a query parameter.
    ///
    /// # Errors
    /// [`Unsafe`] where it must not be sent, or Envoy does not set it (P135).
    pub(in crate::policy) fn render_parameter(
        &self,
        cx: &CheckContext<'_>,
    ) -> Result<Option<String>, Unsafe> {
        let value = self.render(cx)?;
        // Compiling has checked the text between the variables.
        match value.is_none() || self.0.iter().all(|part| is_settable_part(part, cx)) {
            true => Ok(value),
            false => Err(Unsafe),
        }
    }

    /// The value for the request as JSON: that of its variable where it is one variable only, else text.
    ///
    /// # Errors
    /// [`Unsafe`] where it is too large, could forge a line of a log, or holds a number that is not known exactly.
    pub(in crate::policy) fn render_value(
        &self,
        cx: &CheckContext<'_>,
    ) -> Result<Option<Value>, Unsafe> {
        self.check_recorded(cx)?;
        let value = match &*self.0 {
            // A mapping has a form here. The name of one of several does not.
            [TemplatePart::Variable(variable, None)] if variable.is_ambiguous(cx) => {
                return Err(Unsafe);
            }
            [TemplatePart::Variable(variable, None)] => variable.find_value(cx),
            parts => text_of(parts, cx)?.map(Value::String),
        };
        let Some(value) = value else { return Ok(None) };
        let small = value.to_string().len() <= MAX_INJECTED_VALUE_BYTES;
        if small && is_plain_value(&value) { Ok(Some(value)) } else { Err(Unsafe) }
    }
}

/// True if Envoy sets a part in a query as it is. One that is percent-encoded on purpose is, and no other one may have a `%`: the
/// upstream would decode it (P216).
fn is_settable_part(part: &TemplatePart, cx: &CheckContext<'_>) -> bool {
    match part {
        TemplatePart::Text(_) | TemplatePart::Variable(_, Some(Encoding::Percent)) => true,
        TemplatePart::Variable(..) => {
            let own = text_of(std::slice::from_ref(part), cx);
            own.is_ok_and(|own| own.is_none_or(|own| own.bytes().all(is_settable)))
        }
    }
}

/// Text that cannot end a line of a log.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// True if every text in it is plain, names of members included, and every number what the token said.
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

fn text_of(parts: &[TemplatePart], cx: &CheckContext<'_>) -> Result<Option<String>, Unsafe> {
    let mut value = String::new();
    for part in parts {
        match part {
            TemplatePart::Text(text) => value.push_str(text),
            TemplatePart::Variable(variable, encoding) => match one_line(variable.find(cx))? {
                Some(text) => {
                    value.push_str(&encoding.map_or(text.clone(), |own| own.write(&text)))
                }
                None => return Ok(None),
            },
        }
    }
    Ok(Some(value))
}

fn one_line(found: VariableValue<'_>) -> Result<Option<Cow<'_, str>>, Unsafe> {
    match found {
        VariableValue::Nothing => Ok(None),
        VariableValue::One(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        // An element with a comma would read as two.
        VariableValue::Several(texts)
            if texts.iter().any(|text| text.contains(',') || text.trim().is_empty()) =>
        {
            Err(Unsafe)
        }
        VariableValue::Several(texts) => {
            Ok(Some(texts.join(",").into()).filter(|text: &Cow<'_, str>| !text.is_empty()))
        }
        VariableValue::Formless => Err(Unsafe),
    }
}

fn take_literal(literal: &mut String) -> Option<TemplatePart> {
    let text = std::mem::take(literal);
    (!text.is_empty()).then(|| TemplatePart::Text(text.into()))
}

/// Reads `{variable}` at the start of `text`; gives what follows it.
fn take_variable(text: &str) -> Result<(TemplateVariable, Option<Encoding>, &str), TemplateError> {
    let Some((whole, after)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else {
        let help = String::from("write `{{` and `}}` for braces that are text");
        return Err((String::from("a brace is not closed, or was not opened"), Some(help)));
    };
    let (name, encoding) = match whole.rsplit_once('|') {
        Some((name, encoding)) => (name, Some(Encoding::parse(encoding)?)),
        None => (whole, None),
    };
    if name == "decision.reason" {
        let help = "that of a denial is in the audit record and the proxy's metadata";
        return Err((String::from("an allow has no reason"), Some(String::from(help))));
    }
    let Some(variable) = TemplateVariable::parse(name) else {
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
    Ok((variable, encoding, after))
}

impl Encoding {
    fn parse(name: &str) -> Result<Self, TemplateError> {
        let found = ENCODINGS.iter().find(|(own, _)| *own == name);
        found.map(|(_, encoding)| *encoding).ok_or_else(|| {
            let help = String::from("known are: base64url, hex, percent");
            (format!("unknown encoding `{name}`"), Some(help))
        })
    }

    fn name(self) -> &'static str {
        ENCODINGS.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| *name)
    }

    fn write<'t>(self, text: &str) -> Cow<'t, str> {
        match self {
            Self::Base64Url => URL_SAFE_NO_PAD.encode(text).into(),
            Self::Hex => text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
            Self::Percent => utf8_percent_encode(text, NOT_UNRESERVED).to_string().into(),
        }
    }
}
