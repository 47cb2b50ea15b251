//! Values of templates (docs/semantics.md, the sections that the functions name).

use crate::answer::DECISION_ID;
use crate::rules::{Facts, Match};
use crate::value::Value;
use crate::{Judged, outside};

/// The result of a template.
pub(crate) enum Rendered {
    /// 8.5 A value is not there: nothing is sent.
    Absent,
    /// 8.6 A value must not be sent: the rule is unknown. It is never cleaned.
    Unsendable,
    Text(String),
}

/// 8.7 The value of a variable; none where it is not there.
pub(crate) fn variable(name: &str, facts: &Facts<'_>, m: &Match<'_>) -> Judged<Result<Option<Value>, ()>> {
    let token = m.issuer.as_ref().and_then(|issuer| facts.token(issuer));
    let peer = facts.peer();
    let list = |l: &[String]| Some(Value::List(l.iter().map(Value::of).collect()));
    let (policy, rule) = m.name();
    Ok(Ok(match name {
        "token.sub" => token.and_then(|t| t.claims.get("sub").cloned()),
        "token.jti" => token.and_then(|t| t.claims.get("jti").cloned()),
        "token.client" => token.and_then(|t| t.client().map(Value::Text)),
        "token.tenant" => token.and_then(|t| Some(Value::Text(facts.world.documents.named("TokenIssuer", &t.issuer)?.tenant(&t.iss)??))),
        "token.iss" => token.and_then(|t| t.claims.get("iss").cloned()),
        "peer.spiffe" => peer.and_then(|p| p.spiffe.clone().map(Value::Text)),
        "peer.dns" => peer.and_then(|p| list(&p.dns)).filter(|l| *l != Value::List(Vec::new())),
        "peer.ips" => peer.and_then(|p| list(&p.ips)).filter(|l| *l != Value::List(Vec::new())),
        // 8.8 Where several domains vouch and the rule names none, the name keeps its rule from allowing.
        "peer.trustDomain" => match peer.map(|p| p.speaking_domain(m, facts)) {
            Some(None) => return Ok(Err(())),
            found => found.flatten().map(Value::Text),
        },
        "request.method" => Some(Value::of(&facts.request.method)),
        "request.host" => Some(Value::of(&facts.host.name)),
        "decision.id" => Some(Value::of(DECISION_ID)),
        "decision.policy" => Some(Value::Text(policy)),
        "decision.rule" => Some(Value::Text(rule)),
        _ => match (name.strip_prefix("token.claims"), name.strip_prefix("request.path.")) {
            (Some(pointer), _) => token.and_then(|t| t.claims.at(pointer).cloned()),
            (_, Some(capture)) => m.captures.iter().find(|(n, _)| n == capture).map(|(_, v)| Value::of(v)),
            _ => return Err(outside(format!("the variable {{{name}}}"))),
        },
    }))
}

/// 8.9 A value as text: a list is joined with commas. A mapping, an element with a comma, a number that may have been rounded: none.
pub(crate) fn as_text(value: &Value, in_list: bool) -> Judged<Option<String>> {
    Ok(match value {
        Value::Text(text) => (!in_list || !text.contains(',')).then(|| text.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) if n.known() => Some(n.decimal().ok_or_else(|| outside("a number with many decimal places, as text"))?),
        Value::Number(_) => None,
        Value::List(list) if !in_list => {
            let parts = list.iter().map(|v| as_text(v, true)).collect::<Judged<Option<Vec<_>>>>()?;
            parts.map(|p| p.join(","))
        }
        Value::Null | Value::List(_) | Value::Map(_) => None,
    })
}

/// base64url without padding (RFC 4648 section 5).
pub fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0usize, |sum, (i, b)| sum | usize::from(*b) << (16 - 8 * i));
        out.extend((0..=chunk.len()).filter_map(|i| DIGITS.get(bits >> (18 - 6 * i) & 63)).map(|b| char::from(*b)));
    }
    out
}

/// 8.10 A value as JSON in visible ASCII. None for a number that may have been rounded.
fn as_json(value: &Value) -> Judged<Option<String>> {
    let inside = |list: Vec<Option<String>>| list.into_iter().collect::<Option<Vec<_>>>().map(|l| l.join(","));
    Ok(match value {
        Value::Null => Some("null".to_owned()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(_) => as_text(value, true)?,
        Value::Text(text) => Some(json_text(text)),
        Value::List(list) => inside(list.iter().map(as_json).collect::<Judged<_>>()?).map(|l| format!("[{l}]")),
        Value::Map(map) => {
            let mut map: Vec<_> = map.iter().collect();
            map.sort_by(|a, b| a.0.cmp(&b.0));
            let member = |(n, v): &(String, Value)| Ok(as_json(v)?.map(|v| format!("{}:{v}", json_text(n))));
            inside(map.into_iter().map(member).collect::<Judged<_>>()?).map(|l| format!("{{{l}}}"))
        }
    })
}

fn json_text(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            c => out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    out + "\""
}

/// 8.10 `{name|base64url}`, `{name|hex}`, `{name|percent}`, `{name|rfc8187}`.
pub(crate) fn encoded(text: String, encoding: Option<&str>) -> String {
    match encoding {
        Some("rfc8187") => format!("UTF-8''{}", encoded(text, Some("percent"))),
        Some("base64url") => base64url(text.as_bytes()),
        Some("hex") => text.bytes().map(|b| format!("{b:02x}")).collect(),
        Some("percent") => text
            .bytes()
            .map(|b| match b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                true => char::from(b).to_string(),
                false => format!("%{b:02X}"),
            })
            .collect(),
        _ => text,
    }
}

/// The parts of a template: literal text, and variables with their encoding.
pub(crate) fn parts(template: &str) -> Vec<(bool, String)> {
    let mut out = vec![(false, String::new())];
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                out.last_mut().map(|(_, t)| t.push(c)).unwrap_or_default();
            }
            '{' => out.push((true, String::new())),
            '}' => out.push((false, String::new())),
            c => out.last_mut().map(|(_, t)| t.push(c)).unwrap_or_default(),
        }
    }
    out.retain(|(variable, text)| *variable || !text.is_empty());
    out
}

/// 8.11 Text and values put together.
fn joined(template: &str, facts: &Facts<'_>, m: &Match<'_>, in_query: bool) -> Judged<Rendered> {
    let mut text = String::new();
    for (is_variable, part) in parts(template) {
        if !is_variable {
            text.push_str(&part);
            continue;
        }
        let mut words = part.split('|');
        let name = words.next().unwrap_or_default();
        let (json, others): (Vec<&str>, Vec<&str>) = words.partition(|w| *w == "json");
        let encoding = others.first().copied();
        let value = match variable(name, facts, m)? {
            Err(()) => return Ok(Rendered::Unsendable),
            Ok(None | Some(Value::Null)) => return Ok(Rendered::Absent),
            Ok(Some(value)) => value,
        };
        // Neither an empty text nor an empty list is a value.
        if value.text() == Some("") || value.list().is_some_and(<[Value]>::is_empty) {
            return Ok(Rendered::Absent);
        }
        let text_form = if json.is_empty() { as_text(&value, false)? } else { as_json(&value)? };
        let Some(value) = text_form else { return Ok(Rendered::Unsendable) };
        if value.is_empty() {
            return Ok(Rendered::Absent);
        }
        let value = encoded(value, encoding);
        // 8.12 Envoy sets letters, digits and `*-._` only; `percent` is for Envoys that do not validate.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"*-._".contains(&b);
        if in_query && encoding != Some("percent") && !value.bytes().all(plain) {
            return Ok(Rendered::Unsendable);
        }
        text.push_str(&value);
    }
    Ok(Rendered::Text(text))
}

/// 8.13 A template for a header, or for a parameter of the query: visible ASCII and inner spaces, at most 8 KiB.
pub(crate) fn render(template: &str, facts: &Facts<'_>, m: &Match<'_>, in_query: bool) -> Judged<Rendered> {
    let visible = |text: &str| text.bytes().all(|b| (b' '..0x7f).contains(&b)) && text.trim_matches(' ') == text && text.len() <= 8 * 1024;
    Ok(match joined(template, facts, m, in_query)? {
        Rendered::Text(text) if !visible(&text) => Rendered::Unsendable,
        other => other,
    })
}

/// 8.14 A member of metadata or of an assertion: any characters but control characters, and one variable alone keeps its kind.
pub(crate) fn member(template: &str, facts: &Facts<'_>, m: &Match<'_>) -> Judged<Result<Option<Value>, ()>> {
    fn clean(value: &Value) -> bool {
        match value {
            Value::Text(text) => !text.chars().any(char::is_control),
            Value::Number(n) => n.known(),
            Value::List(list) => list.iter().all(clean),
            Value::Map(map) => map.iter().all(|(n, v)| !n.chars().any(char::is_control) && clean(v)),
            _ => true,
        }
    }
    let alone = match parts(template).as_slice() {
        [(true, name)] if !name.contains('|') => Some(name.clone()),
        _ => None,
    };
    match alone {
        Some(name) => Ok(match variable(&name, facts, m)? {
            Ok(None | Some(Value::Null)) => Ok(None),
            Ok(Some(value)) if value == Value::of("") && !name.starts_with("token.claims") => Ok(None),
            Ok(Some(value)) if !clean(&value) => Err(()),
            other => other,
        }),
        None => Ok(match joined(template, facts, m, false)? {
            Rendered::Text(text) if !clean(&Value::of(&text)) => Err(()),
            Rendered::Text(text) => Ok(Some(Value::Text(text))),
            Rendered::Absent => Ok(None),
            Rendered::Unsendable => Err(()),
        }),
    }
}

pub(crate) fn members(of: &Value, key: &str) -> Vec<(String, String)> {
    match of.get(key) {
        Some(Value::Map(list)) => list.iter().filter_map(|(n, v)| Some((n.clone(), v.text()?.to_owned()))).collect(),
        _ => Vec::new(),
    }
}
