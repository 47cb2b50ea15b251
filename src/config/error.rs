//! Errors in the settings. A value is never shown: it may be a password in the wrong place.

use std::path::PathBuf;

use figment::error::Kind;

use crate::document::{Diagnostic, closest, expected_scalar, plain_words};
use crate::secret::unread_file;

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {why}", unread_file(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The message of the operating system.
        why: String,
    },
    /// The file is read and not understood, at a place.
    #[error("{0}")]
    File(Box<Diagnostic>),
    /// An environment variable or a flag is not understood.
    #[error("{0}")]
    Layer(String),
    /// Settings that are understood one by one and cannot stand together.
    #[error("{0}")]
    Contradiction(String),
}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> Self {
        let source = error
            .metadata
            .as_ref()
            .map_or("settings", |metadata| metadata.name.as_ref())
            .to_owned();
        let key = error.path.join(".");
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the library's kinds are open-ended, and their own texts show values"
        )]
        let what = match error.kind {
            Kind::UnknownField(field, expected) => {
                let hint = closest(&field, expected)
                    .map(|word| format!("; did you mean `{word}`?"))
                    .unwrap_or_default();
                format!(
                    "unknown setting `{field}`, expected one of `{}`{hint}",
                    expected.join("`, `")
                )
            }
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                plain(&expected.to_string())
            }
            Kind::MissingField(field) => format!("missing `{field}`"),
            Kind::UnknownVariant(_, expected) => {
                format!("expected one of `{}`", expected.join("`, `"))
            }
            Kind::Message(message) => plain_words(&message).to_owned(),
            _ => String::from("cannot be read"),
        };
        // The library calls the layer of the flags by its Rust type.
        if source.contains("::") {
            return Self::Layer(format!("{}: {what}", flag(&key)));
        }
        let place = if key.is_empty() { source } else { format!("{source}: `{key}`") };
        Self::Layer(format!("{place}: {what}"))
    }
}

/// The library's word for a kind of value, without its Rust types.
fn plain(expected: &str) -> String {
    let what = match expected {
        "a sequence" => "a list such as `[a, b]`",
        "a map" => "a mapping such as `{ key: value }`",
        word if word.starts_with("struct ") => "a mapping such as `{ key: value }`",
        word if word.starts_with("enum ") || word.contains("variant identifier") => "a word",
        word => return expected_scalar(word),
    };
    format!("expected {what}")
}

/// The flag that sets `key`.
fn flag(key: &str) -> &str {
    match key {
        "listener.address" => "`--listen`",
        "log.level" => "`--log-level`",
        "log.format" => "`--log-format`",
        key if key.starts_with("documents") => "`--documents`",
        _ => "arguments",
    }
}
