//! The JSON form is the schema's, and what must not be in a record is not.

use prost::Message as _;
use serde_json::json;

use super::*;

#[test]
fn moments_have_one_form() {
    assert_eq!(rfc3339(UnixTime::from_millis(1_795_341_600_020)), "2026-11-22T10:00:00.020Z");
    assert_eq!(rfc3339(UnixTime::from_millis(-1)), "1969-12-31T23:59:59.999Z");
    assert_eq!(rfc3339(UnixTime::from_millis(i64::MAX)), "");
}

/// P71, P80: names of parameters, and nothing that could be a value.
#[test]
fn a_query_shows_names_only() {
    for (target, shown) in [
        ("/a", ""),
        ("/a?", ""),
        ("/a?page=2&access_token=secret", "page=*&access_token=*"),
        ("/a?filter[from]=1#secret=1", "filter[from]=*"),
        ("/a?secret", "*"),
        ("/a?c2VjcmV0=", "*"),
        ("/a?c2VjcmV0==", "*"),
        ("/a?=secret&a=b=secret", "*&a=*"),
        ("/a?a-name-that-is-longer-than-usual=1", "*"),
        ("/a?s%65cret=1", "*"),
        ("/a#b?secret=1", ""),
    ] {
        assert_eq!(redacted(target), shown, "{target}");
    }
    let many = format!("/a?{}", "a=1&".repeat(1000));
    assert_eq!(redacted(&many).matches('*').count(), MAX_PARAMETERS);
}

/// P80: only claims that are allowed are in a record.
#[test]
fn claims_are_recorded_where_they_are_allowed() {
    let claims = json!({
        "iss": "corp", "sub": "alice", "client_id": "web", "aud": ["orders"], "scope": "a b",
        "tenant": "acme", "realm": { "roles": ["x"], "level": 3 }, "email": "a@example.com",
        "long": "x".repeat(1000),
    });
    let token = |pointers: &[&str]| {
        let allowed = pointers.iter().map(ToString::to_string).collect();
        let claims = claims.as_object().unwrap().clone();
        let identity = TokenIdentity::assertion("corp", claims, Binding::None).unwrap();
        token(&identity, &RecordedClaims::new(allowed).unwrap())
    };
    let none = token(&[]);
    assert_eq!((none.issuer.as_str(), none.subject.as_str()), ("corp", ""));
    assert!(none.client.is_empty() && none.audiences.is_empty() && none.scopes.is_empty());
    assert!(none.claims.is_empty());
    let some = token(&["/sub", "/aud", "/tenant", "/realm/roles", "/realm/level", "/no", "/long"]);
    assert_eq!((some.subject.as_str(), some.client.as_str()), ("alice", ""));
    assert_eq!(some.audiences, ["orders"]);
    let further = [("/long", "x".repeat(MAX_CLAIM_CHARS)), ("/realm/level", "3".into())];
    let further = further.into_iter().chain([("/realm/roles", "[\"x\"]".into())]);
    let further = further.chain([("/tenant", "acme".to_owned())]);
    assert_eq!(some.claims, further.map(|(name, value)| (name.to_owned(), value)).collect());
    assert!(!format!("{some:?}").contains("example.com"));
}

/// A field of a message as the schema writes it.
struct Field {
    kind: String,
    name: String,
    number: u32,
}

/// The fields of each message in the schema.
fn schema() -> BTreeMap<String, Vec<Field>> {
    let text = include_str!("../../../proto/countersign/v1/decision.proto");
    let mut messages = BTreeMap::<String, Vec<Field>>::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if let Some(name) = line.strip_prefix("message ") {
            current = name.trim_end_matches(" {").to_owned();
        } else if let Some((declared, number)) =
            line.split_once(" = ").filter(|_| !current.is_empty())
        {
            let (kind, name) = declared.rsplit_once(' ').unwrap();
            let kind = kind.trim_start_matches("repeated ").to_owned();
            let number = number.trim_end_matches(';').parse().unwrap();
            let field = Field { kind, name: name.to_owned(), number };
            messages.entry(current.clone()).or_default().push(field);
        }
    }
    messages
}

/// The message called `name` on the wire, with something in every field.
fn full(schema: &BTreeMap<String, Vec<Field>>, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let sized = |number: u32, value: Vec<u8>| {
        let mut bytes = Vec::new();
        prost::encoding::encode_varint(u64::from(number << 3 | 2), &mut bytes);
        prost::encoding::encode_varint(u64::try_from(value.len()).unwrap(), &mut bytes);
        bytes.extend(value);
        bytes
    };
    for Field { kind, number, .. } in &schema[name] {
        match kind.as_str() {
            "string" => bytes.extend(sized(*number, b"x".to_vec())),
            "map<string, string>" => {
                let entry = [sized(1, b"k".to_vec()), sized(2, b"v".to_vec())].concat();
                bytes.extend(sized(*number, entry));
            }
            "uint32" | "uint64" | "bool" => {
                prost::encoding::encode_varint(u64::from(number << 3), &mut bytes);
                bytes.push(1);
            }
            "double" => {
                prost::encoding::encode_varint(u64::from(number << 3 | 1), &mut bytes);
                bytes.extend(1.0f64.to_le_bytes());
            }
            message => bytes.extend(sized(*number, full(schema, message))),
        }
    }
    bytes
}

/// That `json` has exactly the fields of the message called `name`, each with a value of its kind.
fn has_the_fields(schema: &BTreeMap<String, Vec<Field>>, name: &str, json: &Value) {
    let object = json.as_object().unwrap();
    let mut names: Vec<_> = schema[name].iter().map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), names, "{name}");
    for Field { kind, name, .. } in &schema[name] {
        let value = &object[name];
        let value = value.as_array().map_or(value, |items| &items[0]);
        match kind.as_str() {
            "string" => assert!(value.is_string(), "{name}"),
            "map<string, string>" => assert_eq!(*value, json!({ "k": "v" }), "{name}"),
            "uint32" | "uint64" => assert!(value.is_u64(), "{name}"),
            "bool" => assert!(value.is_boolean(), "{name}"),
            "double" => assert!(value.is_f64(), "{name}"),
            message => has_the_fields(schema, message, value),
        }
    }
}

/// One source for both: every field of `proto/` is in the JSON form under its name, and nothing else is.
#[test]
fn the_json_form_is_the_schema() {
    let schema = schema();
    let bytes = full(&schema, "DecisionRecord");
    let record = DecisionRecord::decode(bytes.as_slice()).unwrap();
    let again = record.encode_to_vec();
    assert_eq!(DecisionRecord::decode(again.as_slice()).unwrap(), record);
    has_the_fields(&schema, "DecisionRecord", &serde_json::to_value(&record).unwrap());
    assert_eq!(serde_json::to_value(DecisionRecord::default()).unwrap(), json!({}), "absent parts");
}
