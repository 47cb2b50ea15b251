//! Adding an entry to a RevocationList document, so that nothing else in the file changes.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use crate::cli::Exit;
use crate::cli::style::{self, GOOD, Output};
use crate::document::{RevocationEntrySpec, SourceFile, Spec, any_error, is_name, parse};
use crate::replace_file::replace_file;

/// Adds `spec` to the last document in the file, or makes the file.
pub(super) fn append(path: &Path, spec: &RevocationEntrySpec<String>, output: Output) -> Exit {
    let written = match with_entry(path, spec) {
        Ok(text) => replace_file(path, text.as_bytes(), Some(permissions(path))),
        Err(message) => {
            style::error(message);
            return Exit::Documents;
        }
    };
    let shown = path.display();
    if let Err(error) = written {
        style::error(format_args!("cannot write `{shown}`: {}", error.kind()));
        return Exit::Failure;
    }
    let told = match output {
        Output::Human => {
            writeln!(
                anstream::stdout(),
                "{GOOD}written{GOOD:#} to {shown}; it counts when the file is put in force"
            )
        }
        Output::Json => {
            style::json(&json!({ "written": shown.to_string() }), &mut io::stdout().lock())
        }
    };
    if told.is_ok() { Exit::Ok } else { Exit::Failure }
}

/// The text of the file with the entry. It is read back before anything is written: the entry has to be there, and nothing
/// else may have changed.
fn with_entry(path: &Path, spec: &RevocationEntrySpec<String>) -> Result<String, String> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_document(path),
        Err(error) => return Err(format!("cannot read `{shown}`: {}", error.kind())),
    };
    let entry = serde_json::to_string(spec).unwrap_or_default();
    let known = entries(path, &text);
    let fits = |candidate: &String| {
        entries(path, candidate).is_some_and(|entries| {
            known.as_ref().is_none_or(|known| {
                entries.len() == known.len().saturating_add(1) && entries.starts_with(known)
            }) && entries.last() == Some(spec)
        })
    };
    ["    ", "  ", "      ", "        "]
        .into_iter()
        .map(|indent| format!("{}\n{indent}- {entry}\n", text.trim_end()))
        .find(fits)
        .ok_or_else(|| {
            format!("`{shown}` does not end with the `entries` of a RevocationList document; add by hand: - {entry}")
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

/// The entries of the last document; none where the text cannot be used.
fn entries(path: &Path, text: &str) -> Option<Vec<RevocationEntrySpec<String>>> {
    let mut problems = Vec::new();
    let documents = parse(&SourceFile::new(path, text), &mut problems);
    let Spec::RevocationList(list) = &documents.last()?.spec else { return None };
    let plain = list.entries.iter().map(|entry| entry.value.clone().map(|text| text.value));
    (!any_error(&problems)).then(|| plain.collect())
}

/// The permissions of the file, or those of a new one that everyone can read.
fn permissions(path: &Path) -> fs::Permissions {
    let new = || std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::metadata(path).map_or_else(|_| new(), |metadata| metadata.permissions())
}
