//! The shipped Envoy configuration, filled in: what the demo and the tests run is the file that people copy.

use std::fmt::Display;
use std::net::SocketAddr;

use super::super::{DemoError, Folder};

/// The shipped configuration for an Envoy that is run by hand in front of a service, with mutual TLS.
pub const SIDECAR_MTLS: &str = include_str!("../../../envoy/sidecar-mtls.yaml");

/// A configuration template with what is known of its `${PLACEHOLDERS}`.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    template: String,
    values: Vec<(&'static str, String)>,
}

// === impl Bootstrap ===

impl Bootstrap {
    /// The configuration `template`, with nothing filled in.
    #[must_use]
    pub fn new(template: &str) -> Self {
        Self { template: template.to_owned(), values: Vec::new() }
    }

    /// [`SIDECAR_MTLS`] for the files in `folder`, a countersign and a service on this machine, and free ports of
    /// Envoy's own choice.
    #[must_use]
    pub fn sidecar_mtls(folder: &Folder, countersign: SocketAddr, service: SocketAddr) -> Self {
        let file = |name| folder.join(name).display().to_string();
        Self::new(SIDECAR_MTLS)
            .set("NODE_ID", "demo")
            .set("NODE_CLUSTER", "demo")
            .set("ADMIN_PORT", 0)
            .set("LISTEN_ADDRESS", "127.0.0.1")
            .set("LISTEN_PORT", 0)
            .set("SERVER_CERTIFICATE_FILE", file("envoy/server.pem"))
            .set("SERVER_KEY_FILE", file("envoy/server.key"))
            .set("CLIENT_CA_FILE", file("ca/prod.pem"))
            .set("TRUST_CHAIN_VERIFICATION", "ACCEPT_UNTRUSTED")
            .set("COUNTERSIGN_PORT", countersign.port())
            .set("SERVICE_ADDRESS", service.ip())
            .set("SERVICE_PORT", service.port())
    }

    /// This configuration with `${name}` filled in; the last value given for a name counts.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.retain(|(given, _)| *given != name);
        self.values.push((name, value.to_string()));
        self
    }

    /// This configuration with the only occurrence of `from` replaced: a test's variation of the shipped file.
    ///
    /// # Errors
    /// `from` does not occur exactly once.
    pub fn vary(mut self, from: &str, to: &str) -> Result<Self, DemoError> {
        let count = self.template.matches(from).count();
        if count != 1 {
            let message = format!("`{from}` occurs {count} times, expected once");
            return Err(DemoError::Bootstrap(message));
        }
        self.template = self.template.replace(from, to);
        Ok(self)
    }

    /// The configuration as Envoy reads it.
    ///
    /// # Errors
    /// A placeholder has no value, a value no placeholder, or a value cannot stand in a quoted YAML string.
    pub fn render(&self) -> Result<String, DemoError> {
        let mut text = self.template.clone();
        for (name, value) in &self.values {
            let placeholder = format!("${{{name}}}");
            if !text.contains(&placeholder) {
                return Err(DemoError::Bootstrap(format!("there is no `{placeholder}`")));
            }
            // Inside the double quotes of the template these would end the string or start an escape.
            if value.contains(['"', '\\']) || value.contains(char::is_control) {
                return Err(DemoError::Bootstrap(format!(
                    "`{placeholder}` cannot be `{}`: quotes, backslashes and control characters are not possible",
                    value.escape_default()
                )));
            }
            text = text.replace(&placeholder, value);
        }
        match unfilled(&text) {
            Some(line) => Err(DemoError::Bootstrap(format!("nothing was given for `{line}`"))),
            None => Ok(text),
        }
    }
}

/// The first line that still holds a placeholder and is not a comment.
fn unfilled(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.starts_with('#') && line.contains("${"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_in_or_named() {
        let template = Bootstrap::new("# ${ABOUT}\na: \"${ONE}\"\nb: ${TWO}\n");
        let filled = template.clone().set("ONE", "/x y/é").set("TWO", 2).render().unwrap();
        assert_eq!(filled, "# ${ABOUT}\na: \"/x y/é\"\nb: 2\n");
        let missing = template.clone().set("ONE", 1).render().unwrap_err().to_string();
        assert!(missing.contains("`b: ${TWO}`"), "{missing}");
        let unknown = template.set("THREE", 3).render().unwrap_err().to_string();
        assert!(unknown.contains("`${THREE}`"), "{unknown}");
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        for value in ["a\"b", "a\\b", "a\nb"] {
            let refused = Bootstrap::new("a: \"${A}\"").set("A", value).render().unwrap_err();
            assert!(refused.to_string().contains("not possible"), "{refused}");
        }
    }

    #[test]
    fn a_variation_replaces_exactly_one_place() {
        let template = Bootstrap::new("a: 1\nb: 1\nc: 2\n");
        assert_eq!(template.clone().vary("c: 2", "c: 3").unwrap().template, "a: 1\nb: 1\nc: 3\n");
        assert!(template.clone().vary(": 1", ": 3").is_err());
        assert!(template.vary("d", "e").is_err());
    }
}
