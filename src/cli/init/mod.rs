//! `countersign init`: a start that works, in an empty folder.

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
    let files = start::files(args, SystemClock.now())?;
    start::judge(&files)?;
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
    let config = "--config countersign.yaml";
    writeln!(
        out,
        "countersign test {config}     {QUIET}# what is allowed, and what is not{QUIET:#}"
    )?;
    writeln!(out, "countersign serve {config}")?;
    writeln!(out, "envoy --config-path envoy.yaml   {QUIET}# in another terminal{QUIET:#}")?;
    if args.dev {
        ask(args, out)?;
    }
    writeln!(
        out,
        "grep -rn REPLACE .               {QUIET}# the places that are yours to fill in{QUIET:#}"
    )?;
    writeln!(
        out,
        "\n{QUIET}No Envoy here? `countersign demo` fetches one to `~/.cache/countersign/envoy-{VERSION}/envoy`.{QUIET:#}"
    )
}

/// Requests for a third terminal.
fn ask(args: &Args, out: &mut dyn Write) -> io::Result<()> {
    let host = start::request_host(args);
    let curl = format!(
        "curl -i --noproxy '*' --cacert ca.pem --connect-to {host}:443:{} --cert dev/front.pem --key dev/front.key",
        start::ENVOY
    );
    for (user, becomes) in [("alice", "allowed"), ("bob", "denied, and `explain` says why")] {
        writeln!(
            out,
            "{curl} -H \"authorization: Bearer $(cat dev/{user}.jwt)\" https://{host}/users/alice/items/1   {QUIET}# {becomes}{QUIET:#}"
        )?;
    }
    let config = "--config countersign.yaml";
    writeln!(out, "countersign decisions {config}        {QUIET}# what was decided{QUIET:#}")?;
    writeln!(out, "countersign explain {config} --decision ID")
}
