//! From a refusal that a real Envoy gave to the rule behind it: by the decision's id, with what the demo leaves behind.

use std::path::Path;
use std::sync::Arc;

use crate::testbed::Folder;
use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use serde_json::Value;
use tokio::process::Command;

use crate::envoy;

pub(crate) async fn explain(folder: &Path, id: &str, output: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["explain", "--config", "countersign.yaml", "--decision", id]);
    let run = command.args(["--output", output]).current_dir(folder).output().await.unwrap();
    let said = [run.stdout, run.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (run.status.code().unwrap(), said.concat())
}

#[tokio::test]
async fn a_refusal_by_envoy_is_explained_by_its_id() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let request = Request::get(HOST, "/v1/orders/42?secret=1").bearer(&stage.tokens.bound);

    // A bound token in other hands is refused before any rule is asked.
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.reports), &request).await;
    let id = answer.header("x-decision-id").unwrap().to_owned();
    let (code, tree) = explain(folder.path(), &id, "human").await;
    assert_eq!(code, 1, "{tree}");
    assert!(tree.starts_with("deny  binding_mismatch: "), "{tree}");
    assert!(tree.contains("the record gives the same answer today"), "{tree}");
    let (_, json) = explain(folder.path(), &id, "json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["recorded"]["same_documents"], true, "{json:#}");
    assert_eq!(json["tokens"]["reason"], "binding_mismatch");
    assert_eq!(json["recorded"]["detail"].as_str(), record.text("/detail"));

    // A request that lacks its token came close to a rule, which is named with what it misses.
    let plain = Request::get(HOST, "/v1/orders/42");
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &plain).await;
    let id = answer.header("x-decision-id").unwrap().to_owned();
    let (code, json) = explain(folder.path(), id.get(..8).unwrap(), "json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, 1);
    assert_eq!(json["answer"]["reason"].as_str(), record.reason_text(), "{json:#}");
    assert_eq!(json["recorded"]["same_answer"], true);
    let rule = format!("orders/{}", record.text("/rule").unwrap());
    assert_eq!(json["changes"][0]["rule"], rule, "{json:#}");
    let need = json["changes"][0]["needs"][0].as_str().unwrap();
    assert!(need.contains("must carry a token"), "{need}");
    stage.strike().await.unwrap();
}
