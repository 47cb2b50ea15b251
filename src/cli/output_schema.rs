//! The schemas of what commands print with `--output json`, made of the types that they print.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::error::ProblemReport;
use super::{
    cel, decisions, diff, doctor, explain, inspect, keys, replay, revoke, serve, test, who_can,
};
use crate::admin::api::{Receipt, RevocationPage, Withdrawn};
use crate::audit::DecisionRecord;
use crate::document::JsonDiagnostic;

/// A command, and the schema of each form of its output.
type CommandOutput = (&'static str, &'static [fn(&mut SchemaGenerator) -> Schema]);

/// Every command with a schema.
const OUTPUTS: [CommandOutput; 17] = [
    ("cel", &[of::<cel::CelReport>]),
    ("check", &[of::<Vec<JsonDiagnostic>>]),
    // One in each line.
    ("decisions", &[of::<DecisionRecord>]),
    ("decisions --by", &[of::<Vec<decisions::CountedReport>>]),
    ("diff", &[of::<diff::DiffReport>]),
    ("doctor", &[of::<doctor::DoctorReport>]),
    ("explain", &[of::<explain::ExplainReport>]),
    ("inspect", &[of::<inspect::InspectReport>]),
    ("keys", &[of::<Vec<keys::IssuerReport>>]),
    ("keys verify", &[of::<keys::VerifyReport>]),
    ("lint-mesh", &[of::<Vec<JsonDiagnostic>>]),
    ("replay", &[of::<replay::ReplayReport>]),
    ("revocations", &[of::<RevocationPage>]),
    ("revoke", &[of::<Receipt>, of::<Withdrawn>, of::<revoke::WrittenReport>]),
    ("serve --check", &[of::<serve::ConfigurationReport>]),
    ("test", &[of::<Vec<test::JsonCase<'static>>>]),
    ("who-can", &[of::<who_can::WhoCanReport>]),
];

fn of<R: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<R>()
}

/// The commands with a schema.
pub(super) fn commands() -> [&'static str; OUTPUTS.len()] {
    OUTPUTS.map(|(command, _)| command)
}

/// The schema of what `command` prints.
pub(super) fn schema_of(command: &str) -> Option<Value> {
    let (command, forms) = OUTPUTS.into_iter().find(|(own, _)| *own == command)?;
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut forms: Vec<Schema> = forms.iter().map(|form| form(&mut generator)).collect();
    // Every command prints its problems in the place of its report.
    forms.push(generator.subschema_for::<Vec<ProblemReport>>());
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("countersign {command} --output json"),
        "description": "The report, or the problems that keep the command from making one. Keys may be added in later versions.",
        "anyOf": forms,
    });
    let definitions = tidied(Value::Object(generator.take_definitions(true)));
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(String::from("$defs"), definitions);
    }
    Some(schema)
}

/// Each paragraph on one line. Unlike in documents, `null` is a value.
fn tidied(mut definitions: Value) -> Value {
    let mut waiting = vec![&mut definitions];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(text)) = members.get_mut("description") {
                    *text = text.replace('\n', " ");
                }
                waiting.extend(members.values_mut());
            }
            Value::Array(items) => waiting.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    definitions
}
