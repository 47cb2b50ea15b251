//! Why a command fails. Commands return these; `command::run` prints them.

use std::fmt::Display;
use std::io;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{Exit, sarif, style};
use crate::config::ConfigError;
use crate::document::{Diagnostic, JsonDiagnostic, Severity};
use crate::secret::without_tokens;

/// The values of `--output` that programs read.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProgramOutput {
    Json,
    Sarif,
}

/// A problem, for programs, in the place of what the command would print.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ProblemReport {
    /// One of a file, with its place.
    Document(JsonDiagnostic),
    /// Any other.
    Message {
        /// `error`.
        severity: Severity,
        /// The message.
        message: String,
    },
}

impl ProgramOutput {
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "json" => Some(Self::Json),
            "sarif" => Some(Self::Sarif),
            _ => None,
        }
    }
}

/// Why a command fails.
#[derive(Debug)]
pub(super) enum CommandError {
    /// The arguments cannot be used.
    Usage(String),
    /// The settings cannot be used, or something that they point to.
    Settings(String),
    /// The settings file has an error.
    SettingsFile(Box<Diagnostic>),
    /// The file of a question has errors. The text says which file.
    Question(Vec<Diagnostic>, String),
    /// The documents have errors. The text says what was not done.
    Documents(Vec<Diagnostic>, &'static str),
    /// The documents have errors, and the report of them cannot be written.
    Unreported(io::Error),
    /// A document cannot be changed.
    Document(String),
    /// The address cannot be listened on.
    Listen(String),
    /// The command failed while running.
    Failure(String),
    /// The reader of standard output has gone, so nothing is printed.
    Output,
}

impl CommandError {
    pub(super) fn failure(message: impl Display) -> Self {
        Self::Failure(message.to_string())
    }

    pub(super) fn settings(message: impl Display) -> Self {
        Self::Settings(message.to_string())
    }

    /// The same, which says that the settings file is the one that the variable `name` names.
    pub(super) fn of_variable(self, name: &str) -> Self {
        let origin = format!("the variable {name} names the settings file");
        match self {
            Self::Settings(message) => Self::Settings(format!("{message}; {origin}")),
            Self::SettingsFile(mut problem) => {
                let help = problem.help.take().map(|help| format!("{help}; {origin}"));
                problem.help = Some(help.unwrap_or(origin));
                Self::SettingsFile(problem)
            }
            other @ (Self::Usage(_)
            | Self::Question(..)
            | Self::Documents(..)
            | Self::Unreported(_)
            | Self::Document(_)
            | Self::Listen(_)
            | Self::Failure(_)
            | Self::Output) => other,
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Question(..) => Exit::Usage,
            Self::Settings(_) | Self::SettingsFile(_) => Exit::Settings,
            Self::Documents(..) | Self::Document(_) | Self::Unreported(_) => Exit::Documents,
            Self::Listen(_) => Exit::Listen,
            Self::Failure(_) | Self::Output => Exit::Failure,
        }
    }

    /// Writes it to standard output for programs that asked for `output`: the problems, as `check` does, or the message in their
    /// place. Nothing where standard output is what failed.
    pub(super) fn write(&self, output: Option<ProgramOutput>) {
        let problems = match self {
            Self::Documents(problems, _) | Self::Question(problems, _) => problems.as_slice(),
            Self::SettingsFile(problem) => std::slice::from_ref(&**problem),
            Self::Usage(_) | Self::Settings(_) | Self::Document(_) | Self::Listen(_) => &[],
            Self::Failure(_) | Self::Output | Self::Unreported(_) => return,
        };
        let value = match (output, self) {
            (Some(ProgramOutput::Sarif), _) => sarif::log(problems),
            (
                Some(ProgramOutput::Json),
                Self::Usage(message)
                | Self::Settings(message)
                | Self::Document(message)
                | Self::Listen(message),
            ) => {
                let message = without_tokens(message);
                json!([ProblemReport::Message { severity: Severity::Error, message }])
            }
            (Some(ProgramOutput::Json), _) => {
                let problems = problems.iter().map(Diagnostic::json);
                json!(problems.map(ProblemReport::Document).collect::<Vec<_>>())
            }
            (None, _) => return,
        };
        // The exit code and standard error say the same.
        let _ = style::json(&value, &mut io::stdout());
    }

    /// Prints it on standard error.
    ///
    /// Returns the exit code of the command.
    pub(super) fn print(&self) -> Exit {
        match self {
            Self::Usage(message)
            | Self::Settings(message)
            | Self::Document(message)
            | Self::Listen(message)
            | Self::Failure(message) => style::error(message),
            Self::SettingsFile(problem) => style::diagnostics(std::slice::from_ref(problem)),
            Self::Question(problems, message) => {
                style::diagnostics(problems);
                style::error(message);
            }
            Self::Documents(problems, consequence) => {
                style::diagnostics(problems);
                style::error(format_args!("{consequence}: the documents have errors"));
            }
            Self::Unreported(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                style::error(unwritten(error));
            }
            Self::Unreported(_) | Self::Output => {}
        }
        self.exit()
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::File(problem) => Self::SettingsFile(problem),
            other @ (ConfigError::Unreadable { .. }
            | ConfigError::Layer(_)
            | ConfigError::Contradiction(_)) => Self::Settings(other.to_string()),
        }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Output;
        }
        Self::Failure(unwritten(&error))
    }
}

fn unwritten(error: &io::Error) -> String {
    format!("cannot write to standard output: {}", error.kind())
}
