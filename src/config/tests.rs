//! Layers in order, unknown keys with their place, and never a value in a message.

use std::path::PathBuf;

use super::*;
use crate::config::raw::RawConfig;
use std::path::Path;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countersign.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: &str) -> Result<Config, ConfigError> {
    let (_folder, path) = file(text);
    Config::load(Some(&path), &Overrides::default())
}

#[test]
fn the_file_overrides_defaults_and_flags_override_the_file() {
    let (folder, path) =
        file("listener: { address: 127.0.0.1:1 }\ndocuments: [policies]\nlog: { level: debug }\n");
    let overrides = Overrides {
        listener: Some(ListenerOverrides { address: "127.0.0.1:2".into() }),
        log: Some(LogOverrides { level: None, format: Some("json".into()) }),
        ..Overrides::default()
    };
    let config = Config::load(Some(&path), &overrides).unwrap();
    assert_eq!(config.listener.address.to_string(), "127.0.0.1:2");
    assert_eq!(config.documents, [folder.path().join("policies")]);
    assert_eq!(config.log.level, "debug");
    assert_eq!(config.log.format, crate::telemetry::LogFormat::Json);
    assert_eq!(config.pdp.deadline.as_millis(), 150);
    assert_eq!(
        config.pdp.peer_sources,
        crate::evidence::PeerSources::default(),
        "nothing is trusted unless asked for"
    );
}

#[test]
fn environment_names_become_settings() {
    use figment::value::UncasedStr;
    for (variable, setting) in [
        ("LISTENER__ADDRESS", "listener.address"),
        ("LISTENER__PEER_SOURCES__SOURCE_CERTIFICATE", "listener.peerSources.sourceCertificate"),
        ("DEADLINE", "deadline"),
    ] {
        assert_eq!(load::setting_name(UncasedStr::new(variable)).as_str(), setting);
    }
}

#[test]
fn the_standard_variables_of_telemetry_count_where_the_settings_say_nothing() {
    use figment::Figment;
    use figment::providers::{Format as _, Serialized};
    let name = || Figment::from(("otel_service_name", "env"));
    let both = || name().merge(("otel_exporter_otlp_endpoint", "http://env:4317"));
    for (text, standard, expected) in [
        ("{}", both(), Some(("http://env:4317", "env"))),
        ("otlp: { sample: 0.5 }", both(), Some(("http://env:4317", "env"))),
        ("otlp: { endpoint: 'http://file', serviceName: f }", both(), Some(("http://file", "f"))),
        ("otlp: { endpoint: 'http://file' }", name(), Some(("http://file", "env"))),
        ("{}", name(), None),
        ("{}", Figment::new(), None),
    ] {
        let layers = Figment::from(serde_saphyr::figment::Yaml::string(text));
        let layers = layers.join(Serialized::default("documents", ["a"]));
        let raw: RawConfig = load::with_standard(layers, &standard).extract().unwrap();
        let otlp = raw.otlp.as_ref().map(|o| (o.endpoint.as_str(), o.service_name.as_str()));
        assert_eq!(otlp, expected, "{text}");
    }
}

#[test]
fn an_unknown_key_is_refused_at_its_place() {
    let error = load("documents: [a]\nlistener:\n  adress: 127.0.0.1:1\n").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("countersign.yaml:3:3: unknown field `adress`"), "{text}");
    assert!(text.contains("did you mean `address`?"), "{text}");
}

#[test]
fn a_value_is_shown_only_in_advice_about_plain_settings() {
    for text in [
        "deadline: hunter2\ndocuments: [a]\n",
        "documents: hunter2\n",
        "memory: { tokenBytes: hunter2 }\n",
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains("countersign.yaml:1:"), "{error}");
        let is_plain = text.starts_with("deadline") || text.starts_with("documents");
        assert!(is_plain || !error.contains("hunter2"), "{error}");
    }
}

/// A number where a text belongs is found in the file, not in the layer that the file becomes.
#[test]
fn a_number_is_no_text() {
    for (text, place, help) in [
        ("log: { level: 3 }", "1:15", "put it in quotes"),
        ("listener: { socket: { mode: 0660 } }", "1:29", "put it in quotes"),
        ("stateFolder: true", "1:14", "put it in quotes"),
        ("documents: [1]", "1:13", "put it in quotes"),
        ("admin: { address: '9002' }", "1:19", "`127.0.0.1:9002`"),
        ("admin:\n\taddress: a", "2:1", "YAML allows no tabs"),
    ] {
        let error = load(&format!("{text}\n")).unwrap_err().to_string();
        for part in [&format!("countersign.yaml:{place}"), help] {
            assert!(error.contains(part), "{part}\n{error}");
        }
    }
}

/// P453: a setting that is wrong is refused where it stands, in words of settings.
#[test]
fn a_wrong_setting_is_refused_at_its_place() {
    for (text, place, says) in [
        ("deadline: 5", "1:11", "`5` is not a duration, expected a number with a unit"),
        ("deadline: 1.5", "1:11", "`1.5` is not a duration"),
        ("deadline: true", "1:11", "is not a duration"),
        ("deadline: 0s", "1:11", "would refuse every request"),
        ("reload: { settle: 10 }", "1:19", "`10` is not a duration"),
        ("reload:\n  settle: 10h", "2:11", "a change would count too late"),
        ("listener: { address: 9001 }", "1:22", "expected an address with its port"),
        ("admin: { address: 9002 }", "1:19", "expected an address with its port"),
        ("fetch: { requestsPerHost: 0 }", "1:", "expected a whole number, at least 1"),
        ("throttle: { failures: 0 }", "1:", "expected a whole number, at least 1"),
        ("throttle: { ipv4Prefix: 40 }", "1:25", "expected 1 to 32"),
        ("listener: { concurrentChecks: 0 }", "1:31", "would let nothing through"),
        ("log: { level: verbose }", "1:15", "`verbose` is not a log level"),
        ("anomalies: true", "1:12", "write `anomalies: {}`"),
        ("audit: stdout", "1:8", "`audit: { stdout: {} }`"),
        ("throttle: 5", "1:11", "write `throttle: {}`"),
        (
            "fetch: { proxy: 'proxy.example:3128' }",
            "",
            "`fetch.proxy` has no scheme: write `http://`",
        ),
        (
            "fetch: { proxy: 'http://a', noProxy: ['10.*'] }",
            "1:38",
            "`10.*`, which no host can match",
        ),
    ] {
        let error = load(&format!("{text}\ndocuments: [a]\n")).unwrap_err().to_string();
        for part in [place, says] {
            assert!(error.contains(part), "{text}: {part}\n{error}");
        }
        assert!(!error.contains("nonzero") && !error.contains("u32"), "{error}");
    }
}

/// Invariant 11 and invariant 12: what is weaker than loopback has to be asked for by name.
#[test]
fn contradictions_are_refused() {
    assert!(load("").unwrap_err().to_string().contains("no documents"));
    let open = "documents: [a]\nlistener: { address: 0.0.0.0:9001 }\n";
    assert!(load(open).unwrap_err().to_string().contains("insecureAllowPlaintext"));
    assert!(
        load("documents: [a]\nlistener: { address: 0.0.0.0:9001, insecureAllowPlaintext: true }\n")
            .is_ok()
    );
    let both = "documents: [a]\nlistener: { address: 127.0.0.1:9001 }\nadmin: { address: 127.0.0.1:9001 }\n";
    assert!(load(both).unwrap_err().to_string().contains("a port of its own"));
    let missing =
        Config::load(Some(Path::new("/nonexistent/countersign.yaml")), &Overrides::default());
    assert!(
        missing.unwrap_err().to_string().contains("cannot read `/nonexistent/countersign.yaml`")
    );
}

#[test]
fn records_for_the_collector_need_one() {
    let audit = |text: &str| load(&format!("documents: [a]\naudit: {{ otlp: {{}} }}\n{text}"));
    assert!(audit("otlp: { endpoint: 'http://127.0.0.1:4317' }\n").unwrap().audit.is_some());
    let error = audit("").unwrap_err().to_string();
    assert!(error.contains("`audit.otlp` sends records to `otlp.endpoint`"), "{error}");
}

/// P92, P94: what states something about the proxies has to be asked for in its own words.
#[test]
fn statements_about_proxies_are_explicit() {
    use crate::evidence::PrincipalSource;
    use crate::evidence_level::EvidenceLevel;
    let sources = |text: &str| {
        let settings = format!("documents: [a]\nlistener:\n  peerSources: {{ {text} }}\n");
        load(&settings).map(|config| config.pdp.peer_sources)
    };
    let off = sources("xfcc: true").unwrap();
    assert_eq!((off.principal, off.least_evidence), (PrincipalSource::Off, EvidenceLevel::Leaf));
    assert_eq!(sources("principal: false").unwrap().principal, PrincipalSource::Off);
    assert_eq!(sources("principal: off").unwrap().principal, PrincipalSource::Off);
    let stated = sources("principal: uriSanRequired, leastEvidence: asserted").unwrap();
    assert_eq!(stated.principal, PrincipalSource::UriSanRequired);
    assert_eq!(stated.least_evidence, EvidenceLevel::Asserted);
    let error = sources("principal: true").unwrap_err().to_string();
    for part in ["countersign.yaml:3:", "principal: uriSanRequired", "san_type: URI"] {
        assert!(error.contains(part), "{part}\n{error}");
    }
    let error = sources("principal: uri").unwrap_err().to_string();
    assert!(error.contains("`off` or `uriSanRequired`"), "{error}");
    assert!(sources("leastEvidence: none").is_err());
}

/// P406: the password of a proxy is in no message and in no text about the settings.
#[test]
fn the_password_of_a_proxy_is_not_shown() {
    let fetch = |fetch: &str| load(&format!("documents: [a]\nfetch: {{ {fetch} }}\n"));
    let config =
        fetch("proxy: 'http://us:hunter2@proxy.example', noProxy: [corp.example]").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    for (wrong, expected) in [
        ("proxy: 'socks5://us:hunter2@proxy.example'", "`fetch.proxy` is no address of a proxy"),
        ("noProxy: [corp.example]", "`fetch.noProxy` is without `fetch.proxy`"),
        ("proxy: [hunter2]", "countersign.yaml:2:"),
        ("prox: 'http://us:hunter2@proxy.example'", "unknown field `prox`"),
    ] {
        let error = fetch(wrong).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
    }
}
