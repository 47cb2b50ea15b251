//! `countersign lint-mesh`: what makes authorization weaker than it looks, in the settings of Envoy and its control planes.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::check::{CheckOutput, report};
use super::{CommandError, Exit, documents, files};
use crate::document::any_error;
use crate::limits::MAX_MESH_FILE_BYTES;
use crate::mesh::{IdentityHeaders, lint};

const EXAMPLES: &str = "\
Examples:
  countersign lint-mesh envoy.yaml
  curl -s 127.0.0.1:9901/config_dump?include_eds | countersign lint-mesh -
  kubectl get -A -o yaml peerauthentications,authorizationpolicies,destinationrules,envoyfilters \\
      | countersign lint-mesh -
  countersign lint-mesh --documents policies --output sarif manifests/ > mesh.sarif
  countersign check --explain fails-open

Exit codes: 0 nothing is open; 1 the report cannot be written; 2 wrong arguments; 3 wrong settings;
4 a problem was found, or a file cannot be read";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files, or folders that are searched for `*.yaml`, `*.yml` and `*.json`: a bootstrap or `/config_dump` of Envoy, a mesh configuration
    /// or resources of Istio, resources of Envoy Gateway and of the Gateway API. With `-`, standard input.
    #[arg(required = true, value_name = "FILE|FOLDER")]
    paths: Vec<PathBuf>,
    /// The policies that the mesh asks about: headers that they inject must not be written after the check.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// The settings of a server, for its documents.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// End with exit code 4 also where there are warnings alone.
    #[arg(long)]
    deny_warnings: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: CheckOutput,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let files = read_all(&args.paths)?;
    if files.is_empty() {
        let message = "the folders have no `*.yaml`, `*.yml` or `*.json` file";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let identity = IdentityHeaders::with(injected(args)?);
    let count = files.len();
    let problems = lint(files, &identity);
    report(&problems, count, args.output)?;
    let refused = any_error(&problems) || (args.deny_warnings && !problems.is_empty());
    Ok(if refused { Exit::Documents } else { Exit::Ok })
}

/// The texts of the files and folders in `paths`, with their names.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, String)>, CommandError> {
    let mut all = Vec::new();
    for path in paths {
        read(path, &mut all)
            .map_err(|error| CommandError::Usage(files::unreadable(path, &error)))?;
    }
    Ok(all)
}

/// The headers that the policies inject.
fn injected(args: &Args) -> Result<Vec<String>, CommandError> {
    let paths = documents::named(&args.documents, args.config.as_deref())?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let snapshot = documents::read(&paths)?;
    Ok(snapshot.policies().injected_headers().map(str::to_owned).collect())
}

/// Adds the texts of the file or folder at `path`, with their names.
fn read(path: &Path, files: &mut Vec<(String, String)>) -> io::Result<()> {
    if path.as_os_str() == "-" {
        let text = bounded(io::stdin().lock())?;
        files.push((String::from("standard input"), text));
        return Ok(());
    }
    if !path.is_dir() {
        files.push((path.display().to_string(), bounded(fs::File::open(path)?)?));
        return Ok(());
    }
    let mut entries: Vec<_> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        let is_hidden =
            entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_wanted = entry
            .extension()
            .is_some_and(|own| ["yaml", "yml", "json"].iter().any(|wanted| own == *wanted));
        if !is_hidden && (entry.is_dir() || is_wanted) {
            read(&entry, files)?;
        }
    }
    Ok(())
}

/// The text of `file`, which is not larger than what a whole mesh needs.
fn bounded(file: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_MESH_FILE_BYTES).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_MESH_FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_MESH_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text in UTF-8"))
}
