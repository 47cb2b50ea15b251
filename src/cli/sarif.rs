//! Problems as SARIF 2.1.0, for code review tools.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::document::{Code, Diagnostic, Severity};

/// The log of one run of `check`.
pub(super) fn log(problems: &[Diagnostic]) -> Value {
    let codes: BTreeSet<Code> = problems.iter().map(|problem| problem.code).collect();
    let rules: Vec<_> = codes.into_iter().map(rule).collect();
    let driver =
        json!({ "name": "countersign", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "results": problems.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code,
        "shortDescription": { "text": code.meaning() },
        "help": { "text": code.remedy() },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(problem: &Diagnostic) -> Value {
    let (line, column) = problem.span.line_column();
    let text = match &problem.help {
        Some(help) => problem.quiet(&format!("{}\n{help}", problem.message)),
        None => problem.quiet(&problem.message),
    };
    let uri = problem.span.file().shown_path().replace('\\', "/");
    json!({
        "ruleId": problem.code,
        "level": level(problem.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri },
            "region": { "startLine": line, "startColumn": column },
        } }],
    })
}
