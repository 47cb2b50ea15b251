//! Section 3: documents, as values. They are taken to have passed `countersign check`: what it refuses is not looked for here.

use std::collections::BTreeMap;

use crate::value::{Number, Value};
use crate::{Judged, outside};

/// A document: its name, its annotations and its spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.annotations`.
    pub annotations: Value,
    /// `spec`.
    pub spec: Value,
}

impl Document {
    /// 5.52 The tenant that an `iss` of this issuer names (none where it has no tenants); nothing where it is of another issuer.
    pub fn tenant(&self, iss: &str) -> Option<Option<String>> {
        tenant_of(self.spec.text_of("issuer")?, &self.spec.texts("tenants"), iss)
    }

    /// 5.53 Whether an `iss` differs from one of this issuer by case, white space around it or a final `/` only.
    pub fn is_near(&self, iss: &str) -> bool {
        let plain = |t: &str| t.trim().to_lowercase().trim_end_matches('/').to_owned();
        let tenants: Vec<String> = self.spec.texts("tenants").iter().map(|t| t.to_lowercase()).collect();
        self.spec.text_of("issuer").is_some_and(|own| tenant_of(&plain(own), &tenants, &plain(iss)).is_some())
    }
}

/// 5.52 The tenant that an `iss` names, by an `issuer` and its `tenants`.
fn tenant_of(own: &str, tenants: &[String], iss: &str) -> Option<Option<String>> {
    if tenants.is_empty() {
        return (own == iss).then_some(None);
    }
    let (before, after) = own.split_once("{tenant}")?;
    let tenant = iss.strip_prefix(before)?.strip_suffix(after)?;
    let plain = tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let segment = plain && (1..=128).contains(&tenant.len()) && tenant.chars().any(|c| c != '.');
    let allowed = tenants.iter().any(|t| match t.split_once('*') {
        None => t == tenant,
        Some((a, b)) => tenant.len() > a.len() + b.len() && tenant.starts_with(a) && tenant.ends_with(b),
    });
    (segment && allowed).then(|| Some(tenant.to_owned()))
}

/// 3.9 What the profile of an issuer sets where its document says nothing. The claims that it requires are required in any case.
fn with_profile(spec: Value) -> Value {
    let Value::Map(mut members) = spec else { return spec };
    let profile = members.iter().find(|(n, _)| n == "profile").and_then(|(_, v)| v.text()).unwrap_or_default().to_owned();
    let (types, claims, hours) = match profile.as_str() {
        "keycloak" => ("JWT at+jwt", "/typ", 24),
        "entra" => ("JWT", "/tid", 24),
        "okta" => ("JWT at+jwt", "/cid", 24),
        "auth0" => ("JWT at+jwt", "", 24),
        "cognito" => ("JWT", "/token_use /client_id", 24),
        "google" => ("JWT", "", 1),
        "githubActions" => ("JWT", "/repository /job_workflow_ref", 1),
        "kubernetes" => ("JWT", "", 24),
        _ => return Value::Map(members),
    };
    let has = |name: &str| members.iter().any(|(n, _)| n == name);
    if has("introspection") && !has("keys") {
        return Value::Map(members);
    }
    let list = |texts: &str| Value::List(texts.split_whitespace().map(Value::of).collect());
    let defaults = [
        ("keys", Value::Map(vec![("discovery".to_owned(), Value::Map(Vec::new()))])),
        ("algorithms", list("RS256")),
        ("types", list(types)),
        ("requiredClaims", list(claims)),
        ("maxLifetime", Value::of(format!("{hours}h"))),
    ];
    let client = match profile.as_str() {
        "okta" => Some("cid"),
        "entra" => Some("appid"),
        _ => None,
    };
    let client = client.map(|own| ("clientClaim", Value::of(own)));
    let missing: Vec<_> = defaults.into_iter().chain(client).filter(|(name, _)| !has(name)).collect();
    if let Some((_, Value::List(own))) = members.iter_mut().find(|(n, _)| n == "requiredClaims") {
        own.extend(claims.split_whitespace().map(Value::of));
    }
    members.extend(missing.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Map(members)
}

/// 3.1 All documents by kind. Their order never matters: each kind is sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    kinds: BTreeMap<String, Vec<Document>>,
}

impl Documents {
    /// Reads YAML with any number of documents.
    pub fn read(&mut self, yaml: &str) -> Judged<()> {
        for part in serde_norway::Deserializer::from_str(yaml) {
            let read: Result<serde_norway::Value, _> = serde::Deserialize::deserialize(part);
            let value = value(&read.map_err(|e| outside(format!("a document that is no YAML: {e}")))?);
            if value == Value::Null {
                continue;
            }
            let metadata = value.get("metadata").cloned().unwrap_or(Value::Null);
            let list = self.kinds.entry(value.text_of("kind").unwrap_or_default().to_owned()).or_default();
            list.push(Document {
                name: metadata.text_of("name").unwrap_or_default().to_owned(),
                annotations: metadata.get("annotations").cloned().unwrap_or(Value::Null),
                spec: with_profile(value.get("spec").cloned().unwrap_or(Value::Null)),
            });
            list.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(())
    }

    /// The documents of a kind.
    pub fn of(&self, kind: &str) -> &[Document] {
        self.kinds.get(kind).map(Vec::as_slice).unwrap_or_default()
    }

    /// The document of a kind by its name.
    pub fn named(&self, kind: &str, name: &str) -> Option<&Document> {
        self.of(kind).iter().find(|d| d.name == name)
    }

    /// 3.2 A fragment by its name: names are shared by all documents.
    fn fragment(&self, kind: &str, name: &str) -> Option<&Value> {
        self.of("Fragments").iter().find_map(|d| d.spec.get(kind).and_then(|k| k.get(name)))
    }

    /// 3.3 What a `peer` or `token` asks for with everything that it uses. A key stands in one of them only.
    pub fn whole(&self, kind: &str, part: &Value) -> Value {
        let mut members = match part {
            Value::Map(members) => members.clone(),
            _ => Vec::new(),
        };
        while let Some(at) = members.iter().position(|(n, _)| n == "use") {
            let (_, name) = members.remove(at);
            if let Some(Value::Map(more)) = name.text().and_then(|n| self.fragment(kind, n)) {
                members.extend(more.clone());
            }
        }
        Value::Map(members)
    }

    /// 3.4 The conditions of a rule: its `when`, and those that it lists by name.
    pub fn conditions(&self, rule: &Value) -> Vec<String> {
        let named = rule.texts("conditions").into_iter().filter_map(|n| self.fragment("conditions", &n)?.text().map(str::to_owned));
        named.chain(rule.text_of("when").map(str::to_owned)).collect()
    }
}

/// A YAML value as one of ours.
fn value(yaml: &serde_norway::Value) -> Value {
    use serde_norway::Value as Yaml;
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(b) => Value::Bool(*b),
        Yaml::Number(n) => Number::read(&n.to_string()).map_or(Value::Null, Value::Number),
        Yaml::String(s) => Value::Text(s.clone()),
        Yaml::Sequence(list) => Value::List(list.iter().map(value).collect()),
        Yaml::Mapping(map) => Value::Map(map.iter().map(|(k, v)| (k.as_str().unwrap_or_default().to_owned(), value(v))).collect()),
        Yaml::Tagged(tagged) => value(&tagged.value),
    }
}

/// 3.5 A length of time in milliseconds: units, largest first (`1h30m`, `500ms`).
pub fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let by = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total += number.parse::<i64>().ok()? * by;
        rest = after;
    }
    Some(total)
}

/// The length of time under a name, in milliseconds.
pub fn duration_of(spec: &Value, name: &str) -> Option<i64> {
    spec.text_of(name).and_then(duration)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + of_year - 719_468
}

/// An offset from UTC in seconds: `UTC`, `Z` or `+01:00`.
pub fn offset(text: &str) -> Option<i64> {
    if matches!(text, "UTC" | "Z" | "z") {
        return Some(0);
    }
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    match text.get(..1)? {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

/// 3.7 RFC 3339 text as seconds since 1970.
pub fn moment(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let date = days(number(0..4)?, number(5..7)?, number(8..10)?);
    let rest = text.get(19..)?.trim_start_matches('.').trim_start_matches(|c: char| c.is_ascii_digit());
    Some(date * 86_400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)? - offset(rest)?)
}

/// 3.8 Whether a moment is in a `during`: from the first moment on, before the last, and in one of the weekly windows if there are any. A
/// window whose end is not after its beginning ends on the next day; `days` are those on which it begins.
pub fn during(during: &Value, now: i64) -> Judged<bool> {
    let after = during.text_of("from").and_then(moment).is_none_or(|from| now >= from);
    let before = during.text_of("until").and_then(moment).is_none_or(|until| now < until);
    let weekly = during.get("weekly").and_then(Value::list).unwrap_or_default();
    if let Some(zone) = weekly.iter().filter_map(|w| w.text_of("zone")).find(|z| offset(z).is_none()) {
        return Err(outside(format!("the zone {zone}")));
    }
    let clock = |w: &Value, name| {
        let (hours, minutes) = w.text_of(name)?.split_once(':')?;
        Some(hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?)
    };
    let open = |w: &Value| {
        let (Some(from), Some(until), Some(zone)) = (clock(w, "from"), clock(w, "until"), w.text_of("zone").and_then(offset)) else {
            return false;
        };
        let local = now + zone;
        let names = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
        let listed = w.texts("days");
        // It may have begun today or yesterday.
        [0, 1].into_iter().any(|back| {
            let day = local.div_euclid(86_400) - back;
            let name = usize::try_from(day.rem_euclid(7)).ok().and_then(|d| names.get(d));
            let begins = day * 1440 + from;
            let ends = day * 1440 + until + if until <= from { 1440 } else { 0 };
            let on = listed.is_empty() || listed.iter().any(|l| Some(&l.as_str()) == name);
            on && local >= begins * 60 && local < ends * 60
        })
    };
    Ok(after && before && (weekly.is_empty() || weekly.iter().any(open)))
}
