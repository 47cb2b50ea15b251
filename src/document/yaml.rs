//! The only user of the YAML library: splitting, budgets and error texts.

use serde::Deserialize;
use serde_saphyr::{DuplicateKeyPolicy, Error, MergeKeyPolicy};

use super::advice::{self, SECRETS_ARE_IN_FILES};
use super::misleading::misleading;
use super::suggest::did_you_mean;
use super::unsaid::Unsaid;
use super::{Code, Diagnostic, Origin, Span, habits, masking, slips};
use crate::limits::{MAX_DOCUMENT_EVENTS, MAX_MESH_DEPTH};

/// Cuts a stream into its documents with the byte each starts at. Documents without content are skipped.
///
/// YAML reserves `---` at the start of a line as a document marker everywhere, block scalars included (YAML 1.2.2
/// section 9.1.2), so lines are enough to split by.
pub(super) fn split(text: &str) -> Vec<(usize, &str)> {
    let mut starts = vec![0];
    let mut at = 0usize;
    for line in text.split_inclusive('\n') {
        let next = at.saturating_add(line.len());
        if line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        {
            starts.push(at.saturating_add(3));
        }
        at = next;
    }
    let marks = starts.iter().skip(1).map(|start| start.saturating_sub(3));
    let ends: Vec<usize> = marks.chain([text.len()]).collect();
    starts
        .into_iter()
        .zip(ends)
        .filter_map(|(start, end)| Some((start, text.get(start..end)?)))
        .filter(|(start, text)| has_content(text) && (*start > 0 || !is_version(text)))
        .collect()
}

/// True if a text in front of the first marker says which YAML it is, and nothing else (YAML 1.2.2 section 6.8.1).
fn is_version(text: &str) -> bool {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    lines.all(|line| line.is_empty() || line.starts_with('#') || line == "%YAML 1.2")
}

fn has_content(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .any(|line| !line.is_empty() && !line.starts_with('#') && line != "...")
}

/// Reads all of a document like [`read`]; tags and keys without a value are errors, since both would be taken for nothing.
pub(super) fn read_whole<'de, T: Deserialize<'de>>(
    text: &'de str,
    origin: &Origin,
) -> Result<T, Diagnostic> {
    nothing_unsaid(text, origin, || read(text, origin))
}

/// Reads one document into `T`, strictly: duplicate keys, merge keys and aliases are errors.
pub(super) fn read<'de, T: Deserialize<'de>>(
    text: &'de str,
    origin: &Origin,
) -> Result<T, Diagnostic> {
    read_as(text, origin, false).map_err(|problem| match Unsaid::of(text).tag {
        Some(place) => tagged(origin.part(place)),
        None => problem,
    })
}

/// Reads all of a document like [`read_whole`]; a number or a truth value where a text belongs is an error.
pub(super) fn read_typed<'de, T: Deserialize<'de>>(
    text: &'de str,
    origin: &Origin,
) -> Result<T, Diagnostic> {
    nothing_unsaid(text, origin, || read_as(text, origin, true))
}

fn tagged(place: Span) -> Diagnostic {
    let message = "YAML reads a value that begins with `!` as a tag, and not as text";
    Diagnostic::error(Code::InvalidYaml, place, message)
        .help("put the whole value in quotes, as in `when: '!has(token.claims.x)'`")
}

/// A directive, such as `%YAML 1.1` or `%TAG`, as the first content of a document.
fn directive(text: &str, origin: &Origin) -> Option<Diagnostic> {
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        if line.starts_with('%') {
            let place = origin.part(at..at.saturating_add(line.trim_end().len()));
            let word = line.split_whitespace().next();
            let word = word.filter(|word| matches!(*word, "%YAML" | "%TAG")).unwrap_or("%");
            let message = format!("documents have no directives, such as `{word}`");
            return Some(
                Diagnostic::error(Code::InvalidYaml, place, message).help(
                    "remove the line; `%YAML 1.2` alone may stand in front of the first `---`",
                ),
            );
        }
        if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            return None;
        }
        at = at.saturating_add(line.len());
    }
    None
}

/// The value that `read` gives, unless a tag, a key without a value or an empty requirement is in `text`.
fn nothing_unsaid<T>(
    text: &str,
    origin: &Origin,
    read: impl FnOnce() -> Result<T, Diagnostic>,
) -> Result<T, Diagnostic> {
    if let Some(problem) = misleading(text, origin) {
        return Err(problem);
    }
    let Unsaid { tag, key, empty } = Unsaid::of(text);
    if let Some(place) = tag {
        return Err(tagged(origin.part(place)));
    }
    let read = read()?;
    if let Some(place) = empty {
        let message = format!("`{}` is empty", text.get(place.clone()).unwrap_or_default());
        let help = "add entries, or remove the key: an empty one requires nothing";
        return Err(Diagnostic::error(Code::EmptyList, origin.part(place), message).help(help));
    }
    let Some(place) = key else { return Ok(read) };
    let name = text.get(place.clone()).filter(|name| is_word(name));
    let name = name.map_or_else(|| String::from("a key"), |name| format!("`{name}`"));
    let message = format!("{name} has no value");
    let help = "write its value, or remove the key: with nothing behind it, it asks for nothing";
    Err(Diagnostic::error(Code::InvalidValue, origin.part(place), message).help(help))
}

fn read_as<'de, T: Deserialize<'de>>(
    text: &'de str,
    origin: &Origin,
    typed: bool,
) -> Result<T, Diagnostic> {
    // Anchors would let a short document expand into a long one, and hide from a reviewer what a rule says.
    let budget = serde_saphyr::budget! { max_anchors: 0, max_aliases: 0, max_depth: 32, max_nodes: 2_000_000, max_events: MAX_DOCUMENT_EVENTS };
    let options = serde_saphyr::options! {
        budget: budget,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        no_schema: typed,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| directive(text, origin).unwrap_or_else(|| diagnostic(&error, origin)))
}

/// Reads a document of another program, which may use anchors and merge keys, with at most `max_nodes` values.
pub(super) fn read_foreign<'de, T: Deserialize<'de>>(
    text: &'de str,
    origin: &Origin,
    max_nodes: usize,
) -> Result<T, Diagnostic> {
    let budget = serde_saphyr::budget! {
        max_depth: MAX_MESH_DEPTH,
        max_nodes: max_nodes,
        max_events: max_nodes.saturating_mul(4),
    };
    let options = serde_saphyr::options! {
        budget: budget,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Merge,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| foreign_diagnostic(&error, origin, max_nodes))
}

fn foreign_diagnostic(error: &Error, origin: &Origin, max_nodes: usize) -> Diagnostic {
    let mut inner = error.without_snippet();
    while let Error::AliasError { error, .. } = inner {
        inner = error.without_snippet();
    }
    if !matches!(inner, Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. }) {
        return diagnostic(error, origin);
    }
    let message = format!(
        "there are more than the {max_nodes} values for which there is room, with those that aliases repeat, or one is nested in more than {MAX_MESH_DEPTH} others"
    );
    Diagnostic::error(Code::YamlBudget, origin.start(), message)
        .help("write out what anchors repeat, and lint large files in several runs")
}

/// The words that are possible.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::from("expected an empty mapping, `{}`"),
        words => format!("expected one of {}", quoted(words)),
    }
}

/// `words` in backticks with commas.
pub(super) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// True if it looks like the name of a field, and not like a value that stands where one is expected.
fn is_word(text: &str) -> bool {
    text.len() <= 24 && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
}

fn diagnostic(error: &Error, origin: &Origin) -> Diagnostic {
    let error = error.without_snippet();
    let place = error.location().map_or_else(|| origin.start(), |location| origin.locate(location));
    if place.may_be_secret()
        && let Some(problem) = quiet_diagnostic(error, &place)
    {
        return problem;
    }
    let problem = |code, message| Diagnostic::error(code, place.clone(), message);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's errors are open-ended; the rest keep its own words"
    )]
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let message = format!("unknown field `{field}`, {}", one_of(expected));
            unknown_field(problem(Code::UnknownField, message), field, expected)
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let message = format!("{}, {}", got(variant), one_of(expected));
            unknown_value(problem(Code::UnknownValue, message), variant, expected)
        }
        Error::SerdeMissingField { field, .. } => {
            let message = format!("missing field `{field}` in the mapping that has this");
            helped(problem(Code::MissingField, message), advice::missing(field))
        }
        Error::DuplicateMappingKey { key, .. } => given_twice(key.as_deref(), &place),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            problem(Code::InvalidValue, format!("got {unexpected}, {}", expected_scalar(expected)))
        }
        Error::Unexpected { expected, .. } => {
            helped(problem(Code::InvalidValue, expected_shape(expected)), shape(expected, &place))
        }
        Error::InvalidBooleanStrict { .. } => {
            helped(problem(Code::InvalidValue, "expected `true` or `false`".into()), slips::truth(&place))
        }
        Error::MergeKeyNotAllowed { .. } => merge_key(&place),
        Error::InvalidScalar { ty, .. } => problem(Code::InvalidValue, expected_scalar(ty)),
        Error::QuotingRequired { .. } => no_text(&place),
        Error::NullIntoString { .. } => {
            problem(Code::InvalidValue, String::from("got nothing, expected a text"))
        }
        Error::Message { msg, .. } => problem(Code::InvalidValue, plain_words(msg).to_owned()),
        Error::ExternalMessage { msg, .. } => {
            let place = slips::place(&place);
            Diagnostic::error(Code::InvalidYaml, place.clone(), msg.clone()).help(slips::syntax(&place))
        }
        Error::Budget { .. } => problem(
            Code::YamlBudget,
            String::from("document uses anchors or aliases, or is too large or too deep"),
        )
        .help("write values out instead of using anchors, and put a text that begins with `&` or `*` in quotes; split a large file"),
        other => {
            helped(problem(Code::InvalidYaml, plain_message(other)), slips::reference(&place))
        }
    }
}

/// The problem of a key that is there twice; without its name, where that may be a secret.
fn given_twice(key: Option<&str>, place: &Span) -> Diagnostic {
    let name = key.map_or_else(|| String::from("a key"), |key| format!("`{key}`"));
    Diagnostic::error(Code::DuplicateKey, place.clone(), format!("{name} is given twice"))
        .help(slips::given_twice(key.unwrap_or_default(), place))
}

fn merge_key(place: &Span) -> Diagnostic {
    let message =
        "a merge key (`<<`) takes keys from elsewhere, and a document says all of its own";
    Diagnostic::error(Code::InvalidYaml, place.clone(), message).help(
        "write the keys out; requirements that several rules share are `kind: Fragments`, which rules name with `use`",
    )
}

/// The advice where another shape is `expected`.
fn shape(expected: &str, place: &Span) -> Option<String> {
    match expected {
        "mapping start" => match advice::key_at(place) {
            key @ ("headers" | "responseHeaders") => Some(format!(
                "write each header as a key with its value: `{key}: {{ x-user: \"{{token.sub}}\" }}`"
            )),
            key => slips::space_behind_colon(place).or_else(|| advice::mapping(key)),
        },
        "sequence start" => slips::no_list(place, advice::key_at(place)),
        "string scalar" | "scalar" if advice::key_at(place) == "inline" => Some(String::from(
            "write the text itself: `inline: |`, and the text indented on the lines below",
        )),
        "string scalar" | "scalar" => slips::mapping_for_text(place),
        _ => None,
    }
}

/// The word that is none of those that are expected.
fn got(word: &str) -> String {
    match word {
        "" | "~" => String::from("got nothing"),
        word => format!("unknown value `{word}`"),
    }
}

fn unknown_field(problem: Diagnostic, field: &str, expected: &[&str]) -> Diagnostic {
    match habits::field(field, expected) {
        Some(help) => problem.help(help),
        None => did_you_mean(problem, field, expected),
    }
}

fn unknown_value(problem: Diagnostic, word: &str, expected: &[&str]) -> Diagnostic {
    let is_source = expected.contains(&"file") && expected.contains(&"remote");
    match habits::value(word, expected) {
        Some(ours) => problem.help(format!("did you mean `{ours}`?")),
        None if is_source && word == "url" => {
            problem.help("a file on a server is `remote: { url: ADDRESS }`")
        }
        None if is_source => problem
            .help("a file is `{ file: PATH }`, one on a server `{ remote: { url: ADDRESS } }`"),
        None => did_you_mean(problem, word, expected),
    }
}

/// A number or a truth value where a text belongs.
fn no_text(place: &Span) -> Diagnostic {
    let expected = advice::scalar(advice::key_at(place));
    let message =
        format!("got a number or a truth value, {}", expected.unwrap_or("expected a text"));
    let problem = Diagnostic::error(Code::InvalidValue, place.clone(), message);
    let help = "put it in quotes if it is what you mean";
    helped(problem, expected.is_none().then_some(help))
}

fn helped(problem: Diagnostic, help: Option<impl Into<String>>) -> Diagnostic {
    match help {
        Some(help) => problem.help(help.into()),
        None => problem,
    }
}

/// The problem where the text may be a secret, in words that do not repeat it; nothing where the usual words do not either.
fn quiet_diagnostic(error: &Error, place: &Span) -> Option<Diagnostic> {
    let problem = |code, message| Diagnostic::error(code, place.clone(), message);
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors are open-ended")]
    Some(match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let name = if is_word(field) { format!(" `{field}`") } else { String::new() };
            let message = format!("unknown field{name}, {}", one_of(expected));
            let problem = unknown_field(problem(Code::UnknownField, message), field, expected);
            let help = match masking::holds_credentials(field) {
                false if expected.contains(&"discovery") => Some(advice::source_of_keys(field)),
                is_secret => {
                    (is_secret || expected.contains(&"file")).then_some(SECRETS_ARE_IN_FILES)
                }
            };
            match help.filter(|_| problem.help.is_none()) {
                Some(help) => problem.help(help),
                None => problem,
            }
        }
        Error::SerdeUnknownVariant { expected, .. } => {
            unknown_value(problem(Code::UnknownValue, one_of(expected)), "", expected)
        }
        Error::DuplicateMappingKey { key, .. } => {
            given_twice(key.as_deref().filter(|key| is_word(key)), place)
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            problem(Code::InvalidValue, expected_scalar(expected))
        }
        Error::Unexpected { expected: expected @ "mapping start", .. } => {
            let key = advice::key_at(place);
            if let Some(help) = advice::mapping(key) {
                return Some(problem(Code::InvalidValue, expected_shape(expected)).help(help));
            }
            let secret = advice::is_secret(key) || key == "headers";
            let message = if advice::has_file(key) {
                String::from("expected a mapping, as in `{ file: PATH }`")
            } else {
                expected_shape(expected)
            };
            helped(problem(Code::InvalidValue, message), secret.then_some(SECRETS_ARE_IN_FILES))
        }
        _ => return None,
    })
}

/// The expected value, in the words of documents instead of those of parsers.
fn expected_shape(expected: &str) -> String {
    match expected {
        "sequence start" => String::from("expected a list, as in `[a, b]`"),
        "mapping start" => String::from("expected a mapping, as in `{ key: value }`"),
        "string scalar" | "scalar" => String::from("expected a single value"),
        other => format!("unexpected {other}"),
    }
}

/// The words of the standard library for a value, in those of documents.
pub fn plain_words(message: &str) -> &str {
    match message {
        "invalid socket address syntax" => {
            "expected an IP address with a port, as in `127.0.0.1:9002`"
        }
        "invalid IP address syntax" => "expected an IP address, as in `127.0.0.1`",
        other => other,
    }
}

/// The words for a type that has no other name.
pub fn expected_scalar(ty: &str) -> String {
    match ty {
        "u8" => String::from("expected a whole number from 0 to 255"),
        "u16" => String::from("expected a whole number from 0 to 65535"),
        "u32" => String::from("expected a whole number from 0 to 4294967295"),
        "u64" | "usize" => String::from("expected a whole number, not below 0 and below 2^64"),
        other if other.starts_with("a nonzero ") => {
            String::from("expected a whole number, at least 1")
        }
        "i8" | "i16" | "i32" | "i64" => String::from("expected a whole number"),
        "f32" | "f64" => String::from("expected a number"),
        "bool" => String::from("expected `true` or `false`"),
        other => format!("expected {other}"),
    }
}

/// The library's own words without the place, which a diagnostic carries itself.
fn plain_message(error: &Error) -> String {
    use serde_saphyr::{DefaultMessageFormatter, MessageFormatter as _};
    DefaultMessageFormatter.format_message(error).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_split_at_its_markers() {
        let text =
            "# head\n---\na: 1\n---\n# nothing\n--- \nb: |\n  --- not a marker\n--- # c\nc: 3\n";
        let documents: Vec<_> = split(text).into_iter().map(|(at, t)| (at, t.trim())).collect();
        assert_eq!(documents, [(10, "a: 1"), (33, "b: |\n  --- not a marker"), (62, "# c\nc: 3")]);
        assert!(split("").is_empty());
        assert_eq!(split("# head\n%YAML 1.2\n---\na: 1\n"), [(20, "\na: 1\n")]);
    }
}
