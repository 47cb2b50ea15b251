//! The part of `values.schema.json` that is about the server's settings: made of the server's own schema, so that a slip is
//! refused by `helm install` and not by a pod that does not start.

use countersign::config::{Config, Overrides};
use serde_json::{Value, json};

use crate::tools::{self, root};

const SCHEMA: &str = "deploy/chart/values.schema.json";

/// The settings that the chart puts in by itself, from other values.
const OWNED: [&str; 4] = ["admin", "documents", "stateFolder", "store"];
const OWNED_OF_LISTENER: [&str; 4] = ["address", "insecureAllowPlaintext", "socket", "tls"];

/// `values.schema.json` as it has to be.
fn expected() -> Value {
    let text = countersign::config::schema::schema().to_string();
    // Helm reads draft 7, with regular expressions that cannot look ahead.
    let text = text.replace("#/$defs/", "#/definitions/");
    let text = text.replace(
        "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        "^([0-9]+(d|h|m|s|ms))+$",
    );
    let mut settings: Value = serde_json::from_str(&text).unwrap();
    let mut definitions = settings["$defs"].take();
    without(&mut settings["properties"], &OWNED);
    without(&mut definitions["ListenerOptions"]["properties"], &OWNED_OF_LISTENER);
    let mut schema: Value = serde_json::from_str(&tools::read(SCHEMA)).unwrap();
    schema["properties"]["settings"] = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": settings["properties"],
    });
    schema["definitions"] = definitions;
    schema
}

fn without(properties: &mut Value, keys: &[&str]) {
    let properties = properties.as_object_mut().unwrap();
    for key in keys {
        assert!(properties.remove(*key).is_some(), "`{key}` is no setting any more");
    }
}

/// `COUNTERSIGN_BLESS=1 cargo test --test deploy` rewrites it.
#[test]
fn the_chart_knows_every_setting_of_the_server() {
    let expected = expected();
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        std::fs::write(root().join(SCHEMA), format!("{expected:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_str(&tools::read(SCHEMA)).unwrap();
    assert!(
        kept == expected,
        "{SCHEMA} is out of date: COUNTERSIGN_BLESS=1 cargo test --test deploy"
    );
}

/// P524: a variable for a setting that the chart sets would win over it, and leave ports and probes behind.
#[test]
fn the_environment_does_not_set_what_the_chart_sets() {
    let schema: Value = serde_json::from_str(&tools::read(SCHEMA)).unwrap();
    let name = &schema["properties"]["env"]["items"]["properties"]["name"];
    let validator = jsonschema::validator_for(name).unwrap();
    let page = tools::read("docs/settings.md");
    let mut refused = 0;
    for row in page.lines().filter(|line| line.contains("`COUNTERSIGN_")) {
        let setting = row.split('`').nth(1).unwrap();
        let variable = row.rsplit('`').nth(1).unwrap();
        let first = setting.split('.').next().unwrap();
        let of_listener = setting.strip_prefix("listener.").and_then(|rest| rest.split('.').next());
        let chart = OWNED.contains(&first)
            || of_listener.is_some_and(|key| OWNED_OF_LISTENER.contains(&key) || key == "drain")
            || setting == "assertion.publish";
        assert_eq!(validator.is_valid(&json!(variable)), !chart, "{variable}");
        refused += usize::from(chart);
    }
    assert!(refused >= 20, "{refused}");
    for free in ["SSL_CERT_FILE", "HTTPS_PROXY", "no_proxy", "OTEL_RESOURCE_ATTRIBUTES", "TZ"] {
        assert!(validator.is_valid(&json!(free)), "{free}");
    }
}

/// The examples of settings in docs/operations.md are read by the server, and known to the schema that editors use.
#[test]
fn the_settings_in_the_docs_are_settings() {
    let schema = countersign::config::schema::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let page = tools::read("docs/operations.md");
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let value: Value = serde_saphyr::from_str(block).unwrap();
        let problems: Vec<_> =
            validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}: {block}");
        let documents =
            if value.get("documents").is_some() { "" } else { "documents: [policies]\n" };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{documents}{block}")).unwrap();
        let read = Config::load(Some(file.path()), &Overrides::default());
        assert!(read.is_ok(), "{}: {block}", read.unwrap_err());
    }
}
