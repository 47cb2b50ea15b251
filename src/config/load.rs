//! The layers of the settings, lowest first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use figment::providers::{Env, Format as _, Serialized};
use figment::value::{Dict, Map, Uncased, UncasedStr, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;
use serde_saphyr::figment::Yaml;

use super::error::ConfigError;
use super::raw::RawConfig;
use crate::document::{self, Code, Diagnostic, NodeBudget, SourceFile, Span, Tree};
use crate::pdp::Proxies;
use crate::words::of_system;

/// The settings from flags; unset ones leave the layers below alone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overrides {
    /// `--listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<ListenerOverrides>,
    /// `--documents`, as absolute paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<PathBuf>,
    /// `--log-level`, `--log-format`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogOverrides>,
}

/// The listener's part of [`Overrides`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct ListenerOverrides {
    /// `--listen`.
    pub address: String,
}

/// The log's part of [`Overrides`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogOverrides {
    /// `--log-level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// `--log-format`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// Variables that share the prefix and are not settings: the flag `--config`, and switches of the tests.
const NOT_SETTINGS: [&str; 4] = ["config", "vectors", "bless", "cache"];

/// The prefix of environment variables that are settings.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// The layers, lowest first.
pub(super) fn layered(file: Option<&Path>, overrides: &Overrides) -> Result<Figment, ConfigError> {
    let mut figment = Figment::new();
    if let Some(path) = file {
        figment = figment.merge(Yaml::string(&checked(path)?));
    }
    let layered = variables().fold(figment, Figment::merge);
    let layered = layered.merge(Serialized::defaults(overrides));
    let standard = Env::raw().only(&["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"]);
    Ok(with_standard(layered, &Figment::from(standard)))
}

/// The settings in `layers`, and with a problem that only all of them show, where it comes from.
pub(super) fn read<T>(
    layers: &Figment,
    file: Option<&Path>,
    judge: impl FnOnce(RawConfig) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    // Lossy for the environment, where everything is text. The file was read strictly, on its own.
    judge(layers.extract_lossy()?).map_err(|error| {
        let ConfigError::Contradiction(message) = error else { return error };
        located(layers, file, message)
    })
}

/// The problem of a setting, which `message` begins with, at the line of the file or the variable that has it.
fn located(layers: &Figment, file: Option<&Path>, message: String) -> ConfigError {
    let setting = message.strip_prefix('`').and_then(|rest| rest.split('`').next());
    let from = setting.and_then(|setting| Some((setting, layers.find_metadata(setting)?)));
    let Some((setting, from)) = from else { return ConfigError::Contradiction(message) };
    // The layer of the flags has the name of a Rust type.
    if from.name.contains("::") {
        return ConfigError::Contradiction(message);
    }
    if from.name.starts_with(PREFIX) {
        return ConfigError::Contradiction(format!("{}: {message}", from.name));
    }
    let text =
        file.and_then(|path| Some(SourceFile::new(path, std::fs::read_to_string(path).ok()?)));
    match text.and_then(|text| place_of(&text, setting)) {
        Some(place) => {
            ConfigError::File(Box::new(Diagnostic::error(Code::InvalidValue, place, message)))
        }
        None => ConfigError::Contradiction(message),
    }
}

/// The place in `file` of the value at `path`, such as `throttle.ipv4Prefix`.
fn place_of(file: &Arc<SourceFile>, path: &str) -> Option<Span> {
    let budget = &mut NodeBudget::new(file.text().len(), 0);
    let tree = Tree::read(file, budget, &mut Vec::new()).into_iter().next()?;
    let value = path.split('.').try_fold(&tree.root, |value, key| value.get(key))?;
    Some(tree.place(value))
}

/// The two standard variables that every program of a mesh is given, where nothing else says it: below all other layers,
/// since they are not about this one. A name alone turns nothing on.
pub(super) fn with_standard(layers: Figment, standard: &Figment) -> Figment {
    let of = |name| standard.extract_inner::<String>(name).ok().filter(|value| !value.is_empty());
    let mut layers = layers;
    if let Some(endpoint) = of("otel_exporter_otlp_endpoint") {
        layers = layers.join(Serialized::default("otlp.endpoint", endpoint));
    }
    match of("otel_service_name") {
        Some(name) if layers.contains("otlp") => {
            layers.join(Serialized::default("otlp.serviceName", name))
        }
        Some(_) | None => layers,
    }
}

/// The proxies in variables without our prefix, which other programs read, too.
pub fn standard_proxies() -> Proxies {
    let all: BTreeMap<_, _> =
        Env::raw().lowercase(false).iter().map(|(name, text)| (name.into_string(), text)).collect();
    Proxies::from_environment(|name| all.get(name).cloned())
}

/// True if the variable `name` is there and empty, as a shell or a manifest unsets one.
pub fn is_empty_variable(name: &str) -> bool {
    let all = Env::raw().lowercase(false);
    all.iter().any(|(own, text)| own == name && text.is_empty())
}

/// The text of the settings file, after it was read on its own: only that reading knows lines and columns.
fn checked(path: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        why: of_system(&error),
    })?;
    let file = SourceFile::new(path, text);
    if !file.text().trim().is_empty() {
        let _: RawConfig = document::read_settings(&file)
            .map_err(|problem| ConfigError::File(Box::new(problem)))?;
    }
    Ok(file.text().to_owned())
}

/// One variable as a layer, so that a mistake names it.
struct EnvironmentVariable {
    name: String,
    setting: String,
    text: String,
}

impl Provider for EnvironmentVariable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let nested = figment::util::nest(&self.setting, value(&self.text));
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

/// A value stays the text that it is, or `0660` would be the number 660 and a user `1234` no name. Lists, mappings and truth
/// values are read.
fn value(text: &str) -> Value {
    let Ok(parsed) = text.parse::<Value>();
    if matches!(parsed, Value::Num(..)) { Value::from(text.trim()) } else { parsed }
}

/// `COUNTERSIGN_LISTENER__PEER_SOURCES__XFCC` sets `listener.peerSources.xfcc`.
fn variables() -> impl Iterator<Item = EnvironmentVariable> {
    let env = Env::prefixed(PREFIX)
        .filter(|key| !NOT_SETTINGS.iter().any(|other| key == *other))
        .filter(|key| !is_service_link(key.as_str()));
    let all: Vec<_> = env.iter().collect();
    all.into_iter().map(|(key, text)| EnvironmentVariable {
        name: variable(&key),
        // Or `maxAge` would be `maxage`, which is no setting.
        setting: setting_name(&key).to_string(),
        text,
    })
}

fn variable(key: &UncasedStr) -> String {
    format!("{PREFIX}{}", key.as_str().to_ascii_uppercase())
}

/// The variables in the environment that only look like settings: Kubernetes sets them for services.
pub fn service_links() -> Vec<String> {
    let all = Env::prefixed(PREFIX).filter(|key| is_service_link(key.as_str()));
    let mut names: Vec<_> = all.iter().map(|(name, _)| variable(&name)).collect();
    names.sort_unstable();
    names
}

/// True if Kubernetes sets this variable for a service whose name begins with `countersign` (`enableServiceLinks`): such as
/// `COUNTERSIGN_PORT=tcp://10.0.0.1:9001`. The name has lost its prefix. No setting looks like that.
pub(super) fn is_service_link(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts: Vec<_> = name.split('_').collect();
    let of_port = |parts: &[&str]| match parts {
        [] => true,
        [number, protocol, rest @ ..] => {
            number.parse::<u16>().is_ok()
                && matches!(*protocol, "TCP" | "UDP" | "SCTP")
                && matches!(rest, [] | ["PROTO" | "PORT" | "ADDR"])
        }
        [_] => false,
    };
    let after = |at: usize| parts.get(at.saturating_add(1)..).unwrap_or_default();
    !name.contains("__")
        && parts.iter().enumerate().any(|(at, part)| match *part {
            "PORT" => of_port(after(at)),
            "SERVICE" => matches!(after(at), ["HOST"] | ["PORT", ..]),
            _ => false,
        })
}

pub(super) fn setting_name(key: &UncasedStr) -> Uncased<'_> {
    let lower = key.as_str().to_ascii_lowercase();
    lower.split("__").map(camel_case).collect::<Vec<_>>().join(".").into()
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut out, word| {
        let mut chars = word.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
        out
    })
}
