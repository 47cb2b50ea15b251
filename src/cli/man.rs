//! `countersign man`: manual pages, made of the same arguments as `--help`.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap_mangen::Man;

use super::files::shown;
use super::style::visible;
use super::{CommandError, Exit};
use crate::document::closest;
use crate::words::of_system;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign man explain | man -l -
  countersign man --to /usr/local/share/man/man1

Exit codes: 0 printed or written; 1 it cannot be written; 2 wrong arguments")]
pub(super) struct Args {
    /// The command; the program itself if unset.
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    command: Option<String>,
    /// Write the pages of the program and of every command into this folder: `countersign.1`, `countersign-check.1` and so on.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

pub(super) fn run(args: &Args, program: clap::Command) -> Result<Exit, CommandError> {
    if let Some(folder) = &args.to {
        let written =
            fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(program, folder));
        written.map_err(|error| {
            CommandError::failure(format_args!(
                "cannot write into `{}`: {}",
                shown(folder),
                of_system(&error)
            ))
        })?;
        return Ok(Exit::Ok);
    }
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut page = Vec::new();
    Man::new(named(program, args.command.as_deref())?).render(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(Exit::Ok)
}

/// The command called `name`, or the program itself.
fn named(program: clap::Command, name: Option<&str>) -> Result<clap::Command, CommandError> {
    let Some(name) = name else { return Ok(program) };
    let found = program.get_subcommands().find(|command| command.get_name() == name);
    found.cloned().ok_or_else(|| {
        let names: Vec<_> = program.get_subcommands().map(clap::Command::get_name).collect();
        let near = closest(name, &names).map(|near| format!("; did you mean `{near}`?"));
        let name = visible(name);
        CommandError::Usage(format!("no command is called `{name}`{}", near.unwrap_or_default()))
    })
}
