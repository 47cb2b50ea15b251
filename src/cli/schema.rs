//! `countersign schema`: the JSON Schema of documents or settings, and the reference of their keys.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{CommandError, Exit};
use crate::config;
use crate::document::{Kind, schema};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign schema --output-file countersign.schema.json
  countersign schema --kind Policy --output markdown

Exit codes: 0 printed; 1 it cannot be written; 2 wrong arguments")]
pub(super) struct Args {
    /// Only documents of this kind; every kind if unset.
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// The settings file instead of documents.
    #[arg(long, conflicts_with = "kind")]
    settings: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", conflicts_with = "kind")]
    output: SchemaOutput,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum SchemaOutput {
    /// JSON Schema, draft 2020-12, for editors and other programs.
    #[default]
    Json,
    /// The reference of every key, as Markdown.
    Markdown,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let text = match (args.output, args.kind) {
        (SchemaOutput::Markdown, _) if args.settings => config::schema::reference(),
        (SchemaOutput::Json, _) if args.settings => format!("{:#}\n", config::schema::schema()),
        (SchemaOutput::Markdown, _) => schema::reference(),
        (SchemaOutput::Json, None) => format!("{:#}\n", schema::schema()),
        (SchemaOutput::Json, Some(kind)) => format!("{:#}\n", schema::schema_of(kind)),
    };
    match &args.output_file {
        Some(path) => std::fs::write(path, text).map_err(|error| {
            CommandError::failure(format_args!("cannot write `{}`: {error}", path.display()))
        })?,
        None => io::stdout().write_all(text.as_bytes())?,
    }
    Ok(Exit::Ok)
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str))
        .try_map(|word| Kind::named(&word).ok_or("no such kind"))
}
