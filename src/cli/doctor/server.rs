//! The addresses to listen on, and the server that runs there.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;

use super::finding::{Matter, Outcome, Report};
use crate::admin::HealthState;
use crate::admin::status::{DocumentsStatus, StatusPage};
use crate::cli::admin_client::status;
use crate::cli::files::shown;
use crate::cli::style::visible;
use crate::config::Config;
use crate::envoy::Listener;
use crate::pdp::Snapshot;
use crate::words::of_system;

/// Binds the addresses for a moment. Those of a server that runs here are taken, and it says how it is.
pub(super) async fn addresses(config: &Config, snapshot: Option<&Snapshot>, report: &mut Report) {
    let mut running = false;
    if let Some(admin) = &config.admin {
        if let Some(own) = &admin.revocations
            && let Err(why) = own.check()
        {
            report.advise(
                Matter::Admin,
                Outcome::Error,
                format!("`admin.revocations`: {why}"),
                token_remedy(&own.token_file),
            );
        }
        let address = admin.address;
        match TcpListener::bind(address).await {
            Ok(_) => report.good(Matter::Admin, format_args!("{address} is free")),
            Err(error) if is_busy(&error) => match status(address).await {
                Some(status) => {
                    running = true;
                    report.good(Matter::Admin, format_args!("a server runs here, at {address}"));
                    same_documents((address, &status), snapshot, report);
                    parts((address, &status), report);
                }
                None => {
                    report.fail(Matter::Admin, format_args!("another program listens at {address}"))
                }
            },
            Err(error) => {
                report.fail(Matter::Admin, format_args!("{address}: {}", of_system(&error)))
            }
        }
    }
    let address = &config.listener.address;
    match Listener::bind(address, config.listener.socket).await {
        Ok(_) => report.good(Matter::Listener, format_args!("{address} is free")),
        Err(error) if is_busy(&error) && running => {
            report.good(Matter::Listener, format_args!("{address}, by the server that runs here"));
        }
        Err(error) if is_busy(&error) && config.admin.is_none() => {
            report.warn(Matter::Listener, format_args!("{address} is taken: without `admin` it cannot be seen whether by the server itself"));
        }
        Err(error) => {
            report.fail(Matter::Listener, format_args!("{address}: {}", of_system(&error)))
        }
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// Compares the documents of the server at `address` with ours: with others, it is another server, or it has not taken them.
fn same_documents(
    (address, status): (SocketAddr, &StatusPage),
    snapshot: Option<&Snapshot>,
    report: &mut Report,
) {
    let Some(snapshot) = snapshot else { return };
    let theirs = visible(&status.revision);
    let ours = snapshot.revision().as_str();
    // Those that wait for a confirmation have a finding of their own.
    if theirs == ours || status.documents.unconfirmed_set.is_some() {
        return;
    }
    // Files of other servers may have changed since they were fetched.
    let is_fetched = snapshot.trust().domains().iter().any(|domain| !domain.remotes.is_empty());
    let severity = if is_fetched { Outcome::Warning } else { Outcome::Error };
    let detail = format!(
        "the server at {address} has documents {theirs}, and these are {ours}: another countersign, or it did not take them"
    );
    let remedy = "if it is another one, change `admin.address` and `listener.address`, or end it: `serve` cannot start beside it; else its log and `/status` say why";
    report.advise(Matter::Server, severity, detail, remedy.to_owned());
}

/// The remedy for the token of the admin listener.
fn token_remedy(file: &Path) -> String {
    let file = shown(file);
    format!(
        "write a token there that its owner alone can read: `(umask 077; openssl rand -hex 32 > {file})`"
    )
}

/// The remedy for documents that lack what is in force.
fn confirmation(address: SocketAddr, set: &str, documents: &DocumentsStatus) -> String {
    let gone: Vec<_> = documents.errors.iter().map(|own| visible(own)).collect();
    let gone = if gone.is_empty() { String::new() } else { format!(" ({})", gone.join("; ")) };
    let set = visible(set);
    format!(
        "bring back what is missing{gone}, or confirm that it is gone: `curl -X PUT --data {set} {address}/documents/confirmed`"
    )
}

/// The parts of the running server that are not well, and its documents, if they wait for a confirmation.
fn parts((address, status): (SocketAddr, &StatusPage), report: &mut Report) {
    let documents = &status.documents;
    if let Some(set) = &documents.unconfirmed_set {
        let detail = "the files lack what is in force, and wait for a confirmation".to_owned();
        let remedy = confirmation(address, set, documents);
        report.advise(Matter::Server, Outcome::Warning, detail, remedy);
    }
    for part in &status.components {
        let text = format_args!("{}: {}", visible(&part.name), visible(&part.detail)).to_string();
        match part.condition {
            HealthState::Good => {}
            HealthState::Degraded => report.warn(Matter::Server, text),
            HealthState::Missing | HealthState::Required | HealthState::NotReady => {
                report.fail(Matter::Server, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(status: serde_json::Value) -> serde_json::Value {
        let mut report = Report::default();
        let status = serde_json::from_value(status).unwrap();
        parts((SocketAddr::from(([127, 0, 0, 1], 9002)), &status), &mut report);
        serde_json::to_value(report.json()).unwrap()
    }

    /// P595: the parts of a running server that are not well are findings.
    #[test]
    fn parts_of_a_running_server_are_findings() {
        let part = |name: &str, condition: &str| json!({ "name": name, "condition": condition, "detail": "so" });
        let value = found(
            json!({ "revision": "5c3a", "documents": { "errors": [] }, "components": [
            part("listener", "good"), part("store", "degraded"), part("keys", "missing"), part("policies", "notReady"),
        ] }),
        );
        assert_eq!((&value["warnings"], &value["errors"]), (&1.into(), &2.into()));
        assert_eq!(value["findings"][1]["detail"], "keys: so");
    }

    /// P659: documents that wait for a confirmation are not those of another server.
    #[test]
    fn a_removal_that_waits_is_not_another_server() {
        let reported = |waits: Option<&str>| {
            let mut report = Report::default();
            let status = json!({ "revision": "0000", "components": [],
                "documents": { "unconfirmed_set": waits, "errors": [] } });
            let status = serde_json::from_value(status).unwrap();
            let snapshot = crate::pdp::Load::from_paths(&[]).snapshot.unwrap();
            let address = SocketAddr::from(([127, 0, 0, 1], 9002));
            same_documents((address, &status), Some(&snapshot), &mut report);
            report.count(Outcome::Error)
        };
        assert_eq!((reported(None), reported(Some("5c3a"))), (1, 0));
    }

    /// P631: documents that wait for a confirmation have the command that confirms them, and the names of what is gone.
    #[test]
    fn a_removal_that_waits_has_its_command() {
        let value = found(json!({ "revision": "5c3a", "components": [],
            "documents": { "unconfirmed_set": "5c3a", "errors": ["no policy `orders`"] } }));
        let remedy = value["findings"][0]["remedy"].as_str().unwrap();
        for part in ["no policy `orders`", "--data 5c3a 127.0.0.1:9002/documents/confirmed"] {
            assert!(remedy.contains(part), "{remedy}");
        }
    }
}
