//! `countersign init`: a working set-up in a folder that has no files of the same names.

mod args;
mod start;
mod write;

use std::io::{self, Write};
use std::path::Path;

pub(super) use self::args::Args;
use super::files::shown;
use super::style::{HEADING, QUIET};
use super::{CommandError, Exit, style};
use crate::clock::{Clock as _, SystemClock};
use crate::demo::envoy_binary::VERSION;

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    args.judge()?;
    let files = start::files(args, SystemClock.now())?;
    start::judge(args, &files)?;
    write::all_or_none(&args.folder, &files)?;
    say(args, &mut style::out())?;
    Ok(Exit::Ok)
}

/// Says what comes next, with commands to paste.
fn say(args: &Args, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{HEADING}written to {}{HEADING:#}\n", shown(&args.folder))?;
    if args.folder != Path::new(".") {
        writeln!(out, "cd {}", shown(&args.folder))?;
    }
    if args.dev {
        writeln!(
            out,
            "countersign dev                  {QUIET}# countersign and Envoy, decisions and suites as they come{QUIET:#}"
        )?;
        writeln!(out, "\n{HEADING}or each by itself{HEADING:#}\n")?;
    } else {
        yours(args, out)?;
    }
    let config = "--config countersign.yaml";
    writeln!(
        out,
        "countersign test {config}     {QUIET}# what is allowed, and what is not{QUIET:#}"
    )?;
    writeln!(out, "countersign serve {config}")?;
    writeln!(out, "envoy --config-path envoy.yaml   {QUIET}# in another terminal{QUIET:#}")?;
    if args.dev {
        ask(args, out)?;
        writeln!(out, "{REPLACE}{QUIET}# the places that are yours to fill in{QUIET:#}")?;
    }
    writeln!(
        out,
        "\n{QUIET}No Envoy here? `countersign demo` fetches one to `~/.cache/countersign/envoy-{VERSION}/envoy`.{QUIET:#}"
    )
}

/// Finds what is to be filled in.
const REPLACE: &str = "grep -rn REPLACE .               ";

/// The files that Envoy and the server need and that only you have: without them Envoy does not start.
fn yours(args: &Args, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{HEADING}First put in place, beside `envoy.yaml`:{HEADING:#}")?;
    writeln!(out, "  envoy.pem, envoy.key           Envoy's own certificate and its key")?;
    if args.ca.is_none() {
        writeln!(
            out,
            "  ca.pem                         your authority, in place of one whose key is thrown away"
        )?;
    }
    writeln!(
        out,
        "{REPLACE}{QUIET}# fill in what it finds, and your service's address with it{QUIET:#}"
    )?;
    writeln!(out, "{HEADING}Then:{HEADING:#}")
}

/// Requests for another terminal.
fn ask(args: &Args, out: &mut dyn Write) -> io::Result<()> {
    for request in start::requests(args) {
        writeln!(out, "{request}")?;
    }
    let config = "--config countersign.yaml";
    writeln!(out, "countersign decisions {config}        {QUIET}# what was decided{QUIET:#}")?;
    writeln!(out, "countersign explain {config} --decision ID")
}
