//! Adds an entry to a RevocationList document. Nothing else in the file changes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::style::{GOOD, Output};
use crate::cli::{CommandError, Exit, files};
use crate::document::{SourceFile, Spec, any_error, is_name, parse};
use crate::pdp::is_document;
use crate::replace_file::replace_file;
use crate::trust::RevocationEntry;
use crate::words::of_system;

/// A document that has a new entry.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct WrittenReport {
    /// The file.
    written: String,
}

/// Adds `entry` to the last document in the file, or creates the file.
pub(super) fn append(
    path: &Path,
    entry: &RevocationEntry,
    output: Output,
) -> Result<Exit, CommandError> {
    let shown = path.display().to_string();
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    if hidden || !is_document(path) {
        return Err(CommandError::Usage(format!(
            "`--write {shown}` is no document: servers read files whose names end with `.yaml` or `.yml` and do not begin with a dot"
        )));
    }
    let failed = |error: io::Error| {
        CommandError::failure(format_args!("cannot write `{shown}`: {}", of_system(&error)))
    };
    let target = target(path).map_err(failed)?;
    // Held until the file is replaced: another command that adds to it waits, and then reads this entry too.
    let _writing = lock_folder(&target).map_err(failed)?;
    let text = with_entry(path, entry).map_err(CommandError::Document)?;
    replace_file(&target, text.as_bytes(), Some(permissions(&target))).map_err(failed)?;
    output.write(&WrittenReport { written: shown }, |WrittenReport { written: shown }, out| {
        writeln!(out, "{GOOD}written{GOOD:#} to {shown}; it counts when the file is put in force")
    })?;
    Ok(Exit::Ok)
}

/// The file itself, where `path` is a symbolic link: a link that is replaced leaves its file without the entry.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Ok(path.to_owned())
        }
        found => found,
    }
}

/// Locks the folder of `path` for those who add to a document. The file itself is replaced, and a lock of it with it.
fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(files::folder_of(path))?;
    folder.lock()?;
    Ok(folder)
}

/// The text of the file with the entry. It is read back before it is written: the entry has to be there, and nothing else may
/// have changed.
fn with_entry(path: &Path, entry: &RevocationEntry) -> Result<String, String> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_document(path),
        Err(error) => return Err(format!("cannot read `{shown}`: {}", of_system(&error))),
    };
    let line = serde_json::to_string(entry).unwrap_or_default();
    let known = entries(path, &text);
    let fits = |candidate: &String| {
        entries(path, candidate).is_some_and(|entries| {
            known.as_ref().is_none_or(|known| {
                entries.len() == known.len().saturating_add(1) && entries.starts_with(known)
            }) && entries.last() == Some(entry)
        })
    };
    ["    ", "  ", "      ", "        "]
        .into_iter()
        .map(|indent| format!("{}\n{indent}- {line}\n", text.trim_end()))
        .find(fits)
        .ok_or_else(|| {
            format!("`{shown}` does not end with the `entries` of a RevocationList document; add by hand: - {line}")
        })
}

fn new_document(path: &Path) -> String {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = stem.to_ascii_lowercase().replace('_', "-");
    let name = if is_name(&name) { name.as_str() } else { "revoked" };
    format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: {{ name: {name} }}\nspec:\n  entries:\n"
    )
}

/// The entries of the last document, or `None` if the text cannot be used.
fn entries(path: &Path, text: &str) -> Option<Vec<RevocationEntry>> {
    let mut problems = Vec::new();
    let documents = parse(&SourceFile::new(path, text), &mut problems);
    let Spec::RevocationList(list) = &documents.last()?.spec else { return None };
    let plain = list.entries.iter().map(|entry| entry.value.clone().map(|text| text.value));
    let entries = plain.map(|spec| RevocationEntry::read(&spec).ok()).collect::<Option<_>>();
    entries.filter(|_| !any_error(&problems))
}

/// The permissions of the file, or those of a new one that everyone can read.
fn permissions(path: &Path) -> fs::Permissions {
    let new = || std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::metadata(path).map_or_else(|_| new(), |metadata| metadata.permissions())
}
