//! Fields of records that this version does not know: a later one wrote them.

use serde_json::Value;

use crate::audit::DecisionRecord;

/// The first field in `line` that `record`, which was read from it, does not have.
pub(in crate::cli) fn unknown_field(line: &str, record: &DecisionRecord) -> Option<String> {
    // A line that was read whole is as long as before when it is written again.
    let again = serde_json::to_string(record).ok()?;
    if again.len() == line.trim_end().len() {
        return None;
    }
    let (line, again) = (serde_json::from_str(line).ok()?, serde_json::from_str(&again).ok()?);
    more(&line, &again)
}

/// The first field of `line` that `known` lacks. An empty one says nothing.
fn more(line: &Value, known: &Value) -> Option<String> {
    match (line, known) {
        (Value::Object(line), Value::Object(known)) => {
            line.iter().find_map(|(name, value)| match known.get(name) {
                Some(known) => Some(format!("{name}.{}", more(value, known)?)),
                None => (!is_empty(value)).then(|| name.clone()),
            })
        }
        (Value::Array(line), Value::Array(known)) => {
            line.iter().zip(known).find_map(|(line, known)| more(line, known))
        }
        (_, _) => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P563: a record of a later version is recognized by a field that this one does not know, wherever it is.
    #[test]
    fn fields_of_later_versions_are_named() {
        for (line, unknown) in [
            (r#"{"decision_id":"a","time":"b"}"#, None),
            (r#"{ "time": "b", "decision_id": "\u0061", "mode": "", "duration_us": "7" }"#, None),
            (r#"{"decision_id":"a","colour":"red"}"#, Some("colour")),
            (r#"{"request":{"method":"GET","colour":1}}"#, Some("request.colour")),
            (r#"{"tokens":[{"subject":"a"},{"colour":[1]}]}"#, Some("tokens.colour")),
            (r#"{"colour":null,"tokens":[{"colour":{}}]}"#, None),
        ] {
            let record = serde_json::from_str(line).unwrap();
            assert_eq!(unknown_field(line, &record).as_deref(), unknown, "{line}");
        }
    }
}
