//! The shipped Envoy configuration, filled in: what the demo and the tests run is the file that people copy.

use std::fmt::Display;
use std::net::SocketAddr;

use super::super::{DemoError, Folder};

/// The shipped configuration for an Envoy that is run by hand in front of a service, with mutual TLS.
pub(crate) const SIDECAR_MTLS: &str = include_str!("../../../envoy/sidecar-mtls.yaml");

/// A configuration template with what is known of its `${PLACEHOLDERS}`.
#[derive(Clone, Debug)]
pub(crate) struct Bootstrap {
    template: String,
    values: Vec<(&'static str, String)>,
    changes: Vec<(&'static str, &'static str)>,
}

impl Bootstrap {
    /// The configuration `template`, with nothing filled in.
    pub(crate) fn new(template: &str) -> Self {
        Self { template: template.to_owned(), values: Vec::new(), changes: Vec::new() }
    }

    /// [`SIDECAR_MTLS`] for the files in `folder`, a countersign and a service on this machine, and free ports of
    /// Envoy's own choice.
    pub(crate) fn sidecar_mtls(
        folder: &Folder,
        countersign: SocketAddr,
        service: SocketAddr,
    ) -> Self {
        let file = |name| folder.join(name).display().to_string();
        Self::new(SIDECAR_MTLS)
            .set("NODE_ID", "demo")
            .set("NODE_CLUSTER", "demo")
            .set("ADMIN_PORT", 0)
            .set("LISTEN_ADDRESS", "127.0.0.1")
            .set("LISTEN_PORT", 0)
            .set("SERVER_CERTIFICATE_FILE", file("envoy/envoy.pem"))
            .set("SERVER_KEY_FILE", file("envoy/envoy.key"))
            .set("CLIENT_CA_FILE", file("ca/prod.pem"))
            .set("TRUST_CHAIN_VERIFICATION", "ACCEPT_UNTRUSTED")
            .set("COUNTERSIGN_PORT", countersign.port())
            .set("SERVICE_ADDRESS", service.ip())
            .set("SERVICE_PORT", service.port())
    }

    /// This configuration with `${name}` filled in; the last value given for a name counts.
    #[must_use]
    pub(crate) fn set(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.retain(|(given, _)| *given != name);
        self.values.push((name, value.to_string()));
        self
    }

    /// This configuration with the only occurrence of `from` in the template replaced: a test's variation of the shipped
    /// file. Both sides may hold placeholders.
    #[must_use]
    pub(crate) fn vary(mut self, from: &'static str, to: &'static str) -> Self {
        self.changes.push((from, to));
        self
    }

    /// The configuration as Envoy reads it.
    pub(crate) fn render(&self) -> Result<String, DemoError> {
        let mut text = self.varied()?;
        for (name, value) in &self.values {
            let placeholder = format!("${{{name}}}");
            if !self.template.contains(&placeholder) {
                return Err(DemoError::Bootstrap(format!("there is no `{placeholder}`")));
            }
            // Inside the double quotes of the template these would end the string or start an escape.
            if value.contains(['"', '\\']) || value.contains(char::is_control) {
                let message = "quotes, backslashes and control characters are not possible";
                let value = value.escape_default();
                return Err(DemoError::Bootstrap(format!(
                    "`{placeholder}` cannot be `{value}`: {message}"
                )));
            }
            text = text.replace(&placeholder, value);
        }
        match unfilled(&text) {
            Some(line) => Err(DemoError::Bootstrap(format!("nothing was given for `{line}`"))),
            None => Ok(text),
        }
    }

    fn varied(&self) -> Result<String, DemoError> {
        self.changes.iter().try_fold(self.template.clone(), |text, (from, to)| {
            match text.matches(from).count() {
                1 => Ok(text.replace(from, to)),
                count => Err(DemoError::Bootstrap(format!(
                    "`{from}` occurs {count} times, expected once"
                ))),
            }
        })
    }
}

/// The first line that still holds a placeholder and is not a comment.
fn unfilled(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.starts_with('#') && line.contains("${"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_placeholder_is_filled_in_or_named() {
        use super::*;
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
        use super::*;
        for value in ["a\"b", "a\\b", "a\nb"] {
            let refused = Bootstrap::new("a: \"${A}\"").set("A", value).render().unwrap_err();
            assert!(refused.to_string().contains("not possible"), "{refused}");
        }
    }

    #[test]
    fn a_variation_replaces_exactly_one_place() {
        use super::*;
        let template = Bootstrap::new("a: 1\nb: 1\nc: ${C}\n").set("C", 2);
        let varied = template.clone().vary("c: ${C}", "d: ${C}, c: 3").render().unwrap();
        assert_eq!(varied, "a: 1\nb: 1\nd: 2, c: 3\n");
        for nowhere_or_twice in [": 1", "x"] {
            assert!(template.clone().vary(nowhere_or_twice, "e").render().is_err());
        }
    }
}
