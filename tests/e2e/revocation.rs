//! A credential that is revoked from a shell is refused with the very next request, and let in again when that is taken back.

use std::sync::Arc;

use crate::testbed::http1::Request;
use crate::testbed::mint::Key;
use crate::testbed::pki::{FRONTEND, HOST};
use crate::testbed::{Folder, server};
use serde_json::json;
use tokio::process::Command;

use crate::envoy;

const ISSUER: &str = "https://login.example.com";

/// P64: nothing that was remembered of a token or a certificate outlives its revocation by a single request.
#[tokio::test]
async fn a_token_is_refused_with_the_next_request_after_it_was_revoked() {
    let Some(mut props) = envoy::props() else { return };
    let (name, text) = server::FILES[0];
    let api =
        "admin: { address: 127.0.0.1:${ADMIN_PORT}, revocations: { tokenFile: admin.token } }";
    let text = text.replace("admin: { address: 127.0.0.1:${ADMIN_PORT} }", api);
    assert!(text.contains("tokenFile"));
    props.files = vec![(name, text), ("admin.token", format!("{}\n", "s3cret".repeat(8)))];
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let token = stage.issuer.mint(Key::Ec, &json!({ "jti": "stolen-1" })).unwrap();
    let request = Request::get(HOST, "/v1/orders").bearer(&token);
    let other = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let admin = format!("http://{}", stage.addresses().admin);
    let certificate = folder.join("clients/frontend.pem");
    let run = async |arguments: Vec<&str>| {
        let mut command = Command::new(&props.program);
        command.args(&arguments).args(["--admin", &admin, "--token-file"]);
        let output = command.arg(folder.join("admin.token")).output().await.unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {told}{error}");
        assert!(!told.contains("s3cret") && !error.contains("s3cret"), "P66: {told}{error}");
        told
    };
    for (revoke, reason) in [
        (vec!["--jti", "stolen-1", "--issuer", ISSUER], "token_revoked"),
        (vec!["--certificate", certificate.to_str().unwrap()], "cert_revoked"),
        (vec!["--spiffe", FRONTEND], "cert_revoked"),
    ] {
        for _ in 0..3 {
            let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
            assert_eq!(answer.status, 200, "before {revoke:?}");
        }
        let told = run([&["revoke", "--reason", "drill"], &revoke[..]].concat()).await;
        assert!(told.contains("this replica only"), "{told}");
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!(record.text("/reason"), Some(reason), "{}", record.as_json());
        assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
        assert!(record.text("/detail").is_some_and(|detail| detail.contains("drill")));
        // P366: named, and not as who was asking.
        let named = match reason {
            "token_revoked" => ("token", "/refused_credentials/0/token_id_hash"),
            _ => ("certificate", "/refused_credentials/0/fingerprint"),
        };
        assert_eq!(record.text("/refused_credentials/0/credential"), Some(named.0));
        assert_eq!(record.text(named.1).map(str::len), Some(64), "{}", record.as_json());
        let verified = if reason == "token_revoked" { "/tokens/0/issuer" } else { "/peer/spiffe" };
        assert_eq!(record.text(verified), None);
        if reason == "token_revoked" {
            let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &other).await;
            assert_eq!(answer.status, 200, "another token of the same user");
        }
        let listed = run(vec!["revocations", "--output", "json", "--list", "running"]).await;
        assert!(listed.contains("drill"), "{listed}");
        run([&["revoke", "--undo"], &revoke[..]].concat()).await;
    }
    let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!(answer.status, 200);
    stage.strike().await.unwrap();
}
