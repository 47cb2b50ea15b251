//! `countersign schema`: the JSON Schema of documents or settings, for editors, and the reference of their keys, for people.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Exit, style};
use crate::config;
use crate::document::{Kind, schema};

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only documents of this kind; of every kind if left out.
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// The settings file instead of documents.
    #[arg(long, conflicts_with = "kind")]
    settings: bool,
    /// For whom it is written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", conflicts_with = "kind")]
    output: Output,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

/// For whom the schema is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For editors and other programs: JSON Schema, draft 2020-12.
    #[default]
    Json,
    /// For people: the reference of every key, as Markdown.
    Markdown,
}

pub(super) fn run(args: &Args) -> Exit {
    let text = match (args.output, args.kind) {
        (Output::Markdown, _) if args.settings => config::schema::reference(),
        (Output::Json, _) if args.settings => format!("{:#}\n", config::schema::schema()),
        (Output::Markdown, _) => schema::reference(),
        (Output::Json, None) => format!("{:#}\n", schema::schema()),
        (Output::Json, Some(kind)) => format!("{:#}\n", schema::schema_of(kind)),
    };
    let written = match &args.output_file {
        Some(path) => std::fs::write(path, text).map_err(|error| {
            style::error(format_args!("cannot write `{}`: {error}", path.display()));
        }),
        // A closed pipe is not worth a message.
        None => io::stdout().write_all(text.as_bytes()).map_err(drop),
    };
    if written.is_ok() { Exit::Ok } else { Exit::Failure }
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str))
        .try_map(|word| Kind::named(&word).ok_or("no such kind"))
}
