//! `countersign schema`: the JSON Schema of documents, of settings or of what a command prints, and the reference of keys.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{CommandError, Exit, output_schema};
use crate::config;
use crate::document::{Kind, schema};
use crate::words::of_system;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign schema --output-file countersign.schema.json
  countersign schema --output markdown
  countersign schema --of explain

Exit codes: 0 printed; 1 it cannot be written; 2 wrong arguments")]
pub(super) struct Args {
    /// Only documents of this kind; every kind if unset.
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// The settings file instead of documents.
    #[arg(long, conflicts_with = "kind")]
    settings: bool,
    /// The output of this command with `--output json`, such as `explain` or `keys verify`.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["kind", "settings"], value_parser = PossibleValuesParser::new(output_schema::commands()))]
    of: Option<String>,
    /// List the commands that `--of` knows.
    #[arg(long, conflicts_with_all = ["kind", "settings", "of"])]
    list: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", conflicts_with_all = ["kind", "of", "list"])]
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
    let of_command = args.of.as_deref().and_then(output_schema::schema_of);
    let text = match (args.output, args.kind) {
        (SchemaOutput::Json, _) if args.list => {
            output_schema::commands().iter().map(|command| format!("{command}\n")).collect()
        }
        (SchemaOutput::Json, _) if let Some(schema) = &of_command => format!("{schema:#}\n"),
        (SchemaOutput::Markdown, _) if args.settings => config::schema::reference(),
        (SchemaOutput::Json, _) if args.settings => format!("{:#}\n", config::schema::schema()),
        (SchemaOutput::Markdown, _) => schema::reference(),
        (SchemaOutput::Json, None) => format!("{:#}\n", schema::schema()),
        (SchemaOutput::Json, Some(kind)) => format!("{:#}\n", schema::schema_of(kind)),
    };
    match &args.output_file {
        Some(path) => std::fs::write(path, text).map_err(|error| {
            CommandError::failure(format_args!(
                "cannot write `{}`: {}",
                path.display(),
                of_system(&error)
            ))
        })?,
        None => io::stdout().write_all(text.as_bytes())?,
    }
    Ok(Exit::Ok)
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str))
        .try_map(|word| Kind::named(&word).ok_or("no such kind"))
}
