//! Words that `docs/style.md` retires: comments and texts of code, documents, and the data of tests do without them.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

use super::{relative, root};

/// The list in `docs/style.md` ("Words that do not come back") says the same.
const RETIRED: [&str; 12] = [
    "rejects",
    "mind case",
    "nobody",
    "somebody",
    "whoever",
    "whom",
    "anew",
    "mend",
    "for ever",
    "is told",
    "cannot be told",
    "left out",
];

/// No comment of code begins with one of these: it begins with its subject (`docs/style.md`, rule 5).
const NO_BEGINNING: [&str; 3] = ["What", "Where", "Whether"];

/// Everything that people read beside messages, which golden files show.
const READ: [&str; 17] = [
    "Cargo.toml",
    "SECURITY.md",
    "benches",
    "examples",
    "fuzz/fuzz_targets",
    "fuzz/src",
    "proto",
    "src",
    "tests",
    "docs",
    "policies",
    "deploy",
    "envoy",
    "README.md",
    "CHANGELOG.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
];

/// The page of rules itself, the file that you read, and names of others' vectors.
const SAYS_THE_WORDS: [&str; 3] =
    ["docs/style.md", "tests/in_process/tidy/words.rs", "tests/data/limbo.json"];

#[test]
fn retired_words_do_not_come_back() {
    let style = fs::read_to_string(root().join("docs/style.md")).unwrap();
    let promised = style.lines().find(|line| line.contains("words.rs` refuses these")).unwrap();
    let mut wrong: Vec<_> = RETIRED
        .iter()
        .filter(|word| !promised.contains(*word))
        .map(|own| own.to_string())
        .collect();
    for place in READ {
        search(&root().join(place), &mut wrong);
    }
    assert!(wrong.is_empty(), "docs/style.md retires these words:\n{}", wrong.join("\n"));
}

fn search(path: &Path, wrong: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            search(&entry.unwrap().path(), wrong);
        }
        return;
    }
    let extension = path.extension().unwrap_or_default();
    let is_code = extension == "rs";
    let is_data = ["yaml", "tpl", "toml", "proto", "json"].iter().any(|own| extension == *own);
    let is_text = is_data || extension == "md";
    if !(is_code || is_text) || SAYS_THE_WORDS.contains(&relative(path).as_str()) {
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    if is_code {
        let tokens = text.parse().unwrap_or_else(|e| panic!("{}: {e}", relative(path)));
        search_tokens(tokens, path, wrong);
    }
    if let Some(word) = retired_in(&relative(path)) {
        wrong.push(format!("{}: its name says `{word}`", relative(path)));
    }
    for (line, at) in text.lines().zip(1..) {
        if let Some(word) = comment_in(line, is_data).and_then(beginning_of) {
            wrong.push(format!("{}:{at}: a comment begins with `{word}`", relative(path)));
        }
        let line = if is_code { line.split_once("//").map_or("", |(_, own)| own) } else { line };
        if let Some(word) = retired_in(line) {
            wrong.push(format!("{}:{at}: `{word}`", relative(path)));
        }
    }
}

/// Names in code, and its texts: messages, help, and data of tests. The comments of an item are among them.
fn search_tokens(tokens: TokenStream, path: &Path, wrong: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => search_tokens(group.stream(), path, wrong),
            TokenTree::Literal(literal) => {
                if let Some(word) = retired_in(&literal.to_string()) {
                    let at = literal.span().start().line;
                    wrong.push(format!("{}:{at}: a text says `{word}`", relative(path)));
                }
            }
            TokenTree::Ident(name) => {
                if let Some(word) = retired_in(&name.to_string()) {
                    let at = name.span().start().line;
                    wrong.push(format!("{}:{at}: a name says `{word}`", relative(path)));
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// The text of a line that is a comment of code, of YAML or of TOML; Markdown has headings there.
fn comment_in(line: &str, is_data: bool) -> Option<&str> {
    let line = line.trim_start();
    let slashes = line.strip_prefix("//").map(|own| own.trim_start_matches(['/', '!']));
    slashes.or_else(|| line.strip_prefix("# ").filter(|_| is_data)).map(str::trim_start)
}

fn beginning_of(comment: &str) -> Option<&'static str> {
    let first = comment.split(|c: char| !c.is_alphanumeric()).next()?;
    NO_BEGINNING.into_iter().find(|word| *word == first)
}

fn retired_in(line: &str) -> Option<&'static str> {
    let line = line.to_lowercase();
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).collect();
    let line = format!(" {} ", words.join(" "));
    RETIRED.into_iter().find(|word| line.contains(&format!(" {word} ")))
}
