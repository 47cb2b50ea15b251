//! The changes that a drill makes to the demo's mesh.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::testbed::envoy_binary::EnvoyBinary;
use crate::testbed::{Folder, Props, server};

/// Settings of a listener with mutual TLS, for clients with the SPIFFE ID `ALLOWED`.
pub(crate) const TLS: &str = "127.0.0.1:${PORT}
  tls:
    certificate: tls/countersign.pem
    key: tls/countersign.key
    clientAuthorities: ca/prod.pem
    clients: { spiffe: [\"ALLOWED\"] }";

/// Envoy's side: shows its certificate, and trusts only countersign's.
pub(crate) const CLUSTER: (&str, &str) = (
    "    - name: countersign\n      type: STATIC\n",
    r#"    - name: countersign
      type: STATIC
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2]
            tls_certificates:
              - certificate_chain: { filename: envoy/envoy.pem }
                private_key: { filename: envoy/envoy.key }
            validation_context:
              trusted_ca: { filename: ca/prod.pem }
              match_typed_subject_alt_names:
                - san_type: URI
                  matcher: { exact: "spiffe://prod.example/ns/auth/sa/countersign" }
"#,
);

/// The surroundings of the drills.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) program: PathBuf,
    pub(crate) envoy: EnvoyBinary,
    /// How long an attack lasts.
    pub(crate) time: Duration,
    /// True if Envoy and countersign wait for long: other programs use the machine, and times say nothing.
    pub(crate) patient: bool,
}

/// The changes to the demo's files.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Places of the settings, each with what stands there instead.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Further settings.
    pub(crate) more: String,
    /// Documents beside the demo's.
    pub(crate) files: Vec<(&'static str, String)>,
    /// Places of Envoy's configuration, each with what stands there instead.
    pub(crate) envoy: Vec<(&'static str, &'static str)>,
    /// How many descriptors the server may have.
    pub(crate) descriptors: Option<u32>,
    /// True if the audit file is a pipe that takes no more than its buffer.
    pub(crate) stalled_audit: bool,
}

impl Plan {
    /// The pipe in place of the audit file, open as long as it is held.
    pub(super) fn pipe(&self, folder: &Folder) -> Option<File> {
        let pipe = self.stalled_audit.then(|| folder.join("audit.jsonl"))?;
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        Some(File::options().read(true).write(true).open(pipe).unwrap())
    }

    pub(super) fn props(&self, ground: &Ground, folder: &Folder) -> Props {
        let (name, shipped) = server::FILES[0];
        let mut text = format!("{shipped}{}\n", self.more);
        for (from, to) in &self.settings {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text = text.replace(from, to);
        }
        let mut props = Props::new(self.program(ground, folder), ground.envoy.clone());
        props.envoy_changes.clone_from(&self.envoy);
        if ground.patient {
            text.push_str("deadline: 10s\n");
            props.envoy_changes.push((" timeout: 0.25s", " timeout: 15s"));
        }
        props.files = vec![(name, text)];
        props.files.extend(self.files.clone());
        props
    }

    /// The program, or a script that runs it with fewer descriptors.
    fn program(&self, ground: &Ground, folder: &Folder) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let Some(limit) = self.descriptors else { return ground.program.clone() };
        let program = ground.program.display();
        let script = format!("#!/bin/sh\nulimit -n {limit}\nexec '{program}' \"$@\"\n");
        folder.write("limited", script).unwrap();
        let path = folder.join("limited");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }
}
