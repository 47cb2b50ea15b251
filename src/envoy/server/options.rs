//! How Envoy reaches us, how many may, and for how long.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::document::HumanDuration;
use crate::envoy::tls::TlsOptions;
use crate::envoy::{ClientAddress, ListenAddress, SocketOptions};
use crate::evidence::PeerSources;
use crate::request::Shown;

/// The address that Envoy calls, and the evidence that is accepted from it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerOptions {
    /// The address to listen at.
    pub address: ListenAddress,
    /// Who may open the Unix socket, where `address` is one.
    pub socket: SocketOptions,
    /// Mutual TLS; none on loopback and Unix sockets.
    pub tls: Option<TlsOptions>,
    /// The places in which evidence of the peer is read.
    pub peer_sources: PeerSources,
    /// Which of a request's headers Envoy sends with a check.
    pub shown_headers: Shown,
    /// How the address of the client is found, which `source` compares and the audit record has beside the connection's own.
    pub client_address: ClientAddress,
    /// Listen without TLS on an address that other machines can reach. Every client that reaches it can claim to be Envoy.
    pub insecure_allow_plaintext: bool,
    /// How many connections there may be, and for how long.
    pub connections: ConnectionOptions,
    /// Most checks that are decided at a time; further ones are denied with `overloaded`.
    pub concurrent_checks: usize,
    /// How serving ends.
    pub drain: DrainOptions,
}

/// Bounds on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionOptions {
    /// Most that are open at a time, and half of it from one address; further ones are closed at once.
    pub max: usize,
    /// After how long Envoy is asked to open a new one, up to a tenth more or less.
    pub max_age: HumanDuration,
    /// How long what was begun on an aged connection may take.
    pub max_age_grace: HumanDuration,
    /// How often a quiet connection is asked for a sign of life.
    pub keep_alive: KeepAliveOptions,
}

/// Signs of life on a connection (HTTP/2 PING).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeepAliveOptions {
    /// Asked for after this much silence.
    pub interval: HumanDuration,
    /// The connection is dropped where none comes within this.
    pub timeout: HumanDuration,
}

/// How serving ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DrainOptions {
    /// The time between saying "not ready" and refusing connections, for load balancers to notice.
    pub delay: HumanDuration,
    /// How long what was begun may take after that.
    pub timeout: HumanDuration,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            address: ListenAddress::Tcp(([127, 0, 0, 1], 9001).into()),
            socket: SocketOptions::default(),
            tls: None,
            peer_sources: PeerSources::default(),
            shown_headers: Shown::default(),
            client_address: ClientAddress::default(),
            insecure_allow_plaintext: false,
            connections: ConnectionOptions::default(),
            // As many as one Envoy cluster sends at a time by default. A check takes microseconds unless it waits for an
            // issuer, so that more than this at a time means that waiting is all they do.
            concurrent_checks: 1024,
            drain: DrainOptions::default(),
        }
    }
}

impl ListenerOptions {
    /// Checks that a public listener without TLS is configured by name (invariants 11 and 12), and that every bound lets
    /// something through.
    ///
    /// # Errors
    /// A message that says what is wrong and what to do.
    pub fn check(&self) -> Result<(), String> {
        self.check_reach()?;
        let unix = matches!(self.address, ListenAddress::Unix(_));
        if !unix && self.socket != SocketOptions::default() {
            return Err(format!(
                "`listener.socket` is for Unix sockets, and `listener.address` is `{}`",
                self.address
            ));
        }
        self.client_address.check()?;
        self.check_bounds()
    }

    fn check_reach(&self) -> Result<(), String> {
        if self.tls.is_some() && matches!(self.address, ListenAddress::Unix(_)) {
            return Err(
                "`listener.tls` is for TCP addresses: a Unix socket is guarded by its permissions"
                    .into(),
            );
        }
        if self.address.is_local() || self.tls.is_some() || self.insecure_allow_plaintext {
            return Ok(());
        }
        Err(format!(
            "`listener.address` is `{}`, which other machines can reach without TLS: set `listener.tls`, or listen on loopback or a Unix socket, or set `listener.insecureAllowPlaintext: true`",
            self.address
        ))
    }

    fn check_bounds(&self) -> Result<(), String> {
        let ConnectionOptions { max, max_age, keep_alive, .. } = self.connections;
        let zero = |duration: HumanDuration| duration.get().is_zero();
        for (setting, is_zero) in [
            ("connections.max", max == 0),
            ("connections.maxAge", zero(max_age)),
            ("connections.keepAlive.interval", zero(keep_alive.interval)),
            ("connections.keepAlive.timeout", zero(keep_alive.timeout)),
            ("concurrentChecks", self.concurrent_checks == 0),
        ] {
            if is_zero {
                return Err(format!("`listener.{setting}` is 0, which would let nothing through"));
            }
        }
        Ok(())
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            // An Envoy opens one connection per worker thread: hundreds of proxies, and some room while they reconnect.
            max: 4096,
            // A new replica has its share of the load after about this long; a handshake per worker costs nothing.
            max_age: HumanDuration::new(Duration::from_mins(5)),
            // Checks end within the deadline. Only watching health lasts longer, and starts again elsewhere.
            max_age_grace: HumanDuration::new(Duration::from_secs(10)),
            keep_alive: KeepAliveOptions::default(),
        }
    }
}

impl Default for KeepAliveOptions {
    fn default() -> Self {
        Self {
            // Below the idle timeouts of load balancers and NAT: a minute is the shortest in use.
            interval: HumanDuration::new(Duration::from_secs(30)),
            timeout: HumanDuration::new(Duration::from_secs(10)),
        }
    }
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self {
            // Kubernetes takes an endpoint away, and Envoy sees that, within a second or two.
            delay: HumanDuration::new(Duration::from_secs(5)),
            // With the delay and the audit log's last seconds below the 30 s that Kubernetes gives.
            timeout: HumanDuration::new(Duration::from_secs(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Option<String> {
        serde_json::from_str::<ListenerOptions>(json).unwrap().check().err()
    }

    /// Invariants 11 and 12, P18: what strangers can reach, or what lets nothing through, has to be meant.
    #[test]
    fn settings_that_cannot_be_meant_are_refused_with_what_to_do() {
        for (json, expected) in [
            (r#"{"address": "0.0.0.0:9001"}"#, Some("insecureAllowPlaintext")),
            (r#"{"address": "0.0.0.0:9001", "insecureAllowPlaintext": true}"#, None),
            (r#"{"address": "unix:///run/a", "socket": {"mode": "0600"}}"#, None),
            (r#"{"socket": {"mode": "0600"}}"#, Some("`listener.socket` is for Unix sockets")),
            (r#"{"connections": {"maxAge": "0s"}}"#, Some("`listener.connections.maxAge` is 0")),
            (r#"{"connections": {"max": 0}}"#, Some("`listener.connections.max` is 0")),
            (r#"{"concurrentChecks": 0}"#, Some("`listener.concurrentChecks` is 0")),
            (r#"{"drain": {"delay": "0s"}}"#, None),
            ("{}", None),
        ] {
            let problem = problem(json);
            assert_eq!(problem.is_some(), expected.is_some(), "{json}: {problem:?}");
            assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{json}");
        }
    }
}
