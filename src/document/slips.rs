//! Usual slips in YAML, found in the text around the place where its parser stops (P505).

use std::borrow::Cow;

use super::{Span, masking, punctuation};

/// Characters that YAML gives a meaning at the beginning of a value (YAML 1.2.2 section 5.3).
const INDICATORS: [char; 6] = ['*', '&', '!', '%', '@', '`'];

/// Keys that begin a document.
const HEADS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

/// Keys that only settings have at their top.
const OF_SETTINGS: [&str; 7] =
    ["listener", "documents", "admin", "audit", "log", "store", "stateFolder"];

/// Keys that only a configuration of Envoy has at its top.
const OF_ENVOY: [&str; 7] = [
    "static_resources",
    "dynamic_resources",
    "layered_runtime",
    "cluster_manager",
    "configs",
    "resources",
    "node",
];

/// The advice for a file of another program among the documents.
pub(super) const OF_A_MESH: &str = "this looks like a configuration of Envoy, Istio or a gateway, and the folders of documents hold documents of countersign only: put it elsewhere, and have `countersign lint-mesh FILE` check it";

/// The advice for a text that is no YAML.
pub(super) fn syntax(place: &Span) -> String {
    let at = place.bytes().start;
    let [line, next] = lines_at(place.file().text(), at);
    let odd = odd_character(line).or_else(|| odd_character(next));
    // No advice quotes a text that may be a secret.
    let (text, at) = shown(place);
    let [line, _] = lines_at(&text, at);
    let [own, _] = lines_at(place.file().text(), place.bytes().start);
    let found = odd.or_else(|| indicator(line)).or_else(|| braces(line)).or_else(|| variable(own));
    let found = found.or_else(|| after_quotes(line)).or_else(|| second_colon(line));
    found.or_else(|| punctuation::advice(&text, at, line)).unwrap_or_else(|| {
        String::from("look for a bracket, a quote or an indentation that does not fit")
    })
}

/// The place of the slip in a text that is no YAML, where the parser stops behind it.
pub(super) fn place(place: &Span) -> Span {
    match punctuation::place(place.file().text(), place.bytes().start) {
        Some(slip) => Span::new(place.file(), slip..slip.saturating_add(1)),
        None => place.clone(),
    }
}

/// The advice where a word like `key:{` stands and a mapping is expected.
pub(super) fn space_behind_colon(place: &Span) -> Option<String> {
    let (text, at) = shown(place);
    let [line, _] = lines_at(&text, at);
    punctuation::space_behind_colon(line).map(|(_, advice)| advice)
}

/// The advice for `*name`, `&name` and the like, which YAML reads as something else than a text.
pub(super) fn reference(place: &Span) -> Option<String> {
    let (text, at) = shown(place);
    let [line, _] = lines_at(&text, at);
    indicator(line)
}

/// The advice where a mapping stands and a text is expected.
pub(super) fn mapping_for_text(place: &Span) -> Option<String> {
    let (text, at) = shown(place);
    let rest = text.get(at..)?.lines().next()?;
    if let Some(inside) = rest.strip_prefix('{') {
        let (inside, _) = inside.split_once('}')?;
        if is_name(inside) {
            return Some(quoting(&format!("{{{inside}}}"), "a mapping"));
        }
        let path = inside.trim().strip_prefix("file:")?.trim();
        return Some(format!("write the path by itself: `{path}`"));
    }
    let (name, value) = rest.split_once(": ")?;
    let end = value.find([',', ']', '}', '#']).unwrap_or(value.len());
    let value = value.get(..end)?.trim();
    let is_word = |text: &str| !text.is_empty() && !text.contains([' ', '{', '[', '"', '\'']);
    let value = if value.starts_with('<') { ".." } else { value };
    (is_word(name) && is_word(value)).then(|| {
        format!(
            "YAML reads `{name}: {value}` as a mapping: write `{name}:{value}`, or put it in quotes"
        )
    })
}

/// The advice where a text or a mapping stands and a list is expected.
pub(super) fn no_list(place: &Span, key: &str) -> Option<String> {
    let (text, at) = shown(place);
    let line = text.get(at..)?.lines().next()?;
    let is_mapping = line.starts_with('{')
        || line
            .split_once(':')
            .is_some_and(|(name, rest)| is_name(name) && rest.starts_with([' ', '\r']))
        || line.strip_suffix(':').is_some_and(is_name);
    if is_mapping {
        return Some(match key {
            "claims" => {
                String::from("write each claim as an entry: `[{ pointer: /tenant, equals: acme }]`")
            }
            "headers" | "query" => format!(
                "write each test as an entry: `{key}: [{{ name: NAME, any: {{ equals: VALUE }} }}]`"
            ),
            _ => format!("write a list of mappings: `{key}: [{{ .. }}]`"),
        });
    }
    if matches!(key, "authorities" | "moreKeys" | "crls" | "clientAuthorities" | "signers") {
        return Some(format!("write a list of mappings: `{key}: [{{ file: PATH }}]`"));
    }
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
    let value = match quote {
        Some(quote) => line.get(1..)?.split_once(quote)?.0,
        None => line.split([',', '}', ']', '#']).next()?.trim(),
    };
    let words = || value.split([' ', ',']).filter(|word| !word.is_empty());
    let is_mapping = |word: &str| quote.is_none() && word.contains(['{', '[']);
    let is_plain =
        |word: &str| !word.ends_with(':') && !is_mapping(word) && !word.contains(['"', '<']);
    let is_list = words().next().is_some() && words().all(is_plain);
    is_list.then(|| format!("write `[{}]`", words().map(written).collect::<Vec<_>>().join(", ")))
}

/// The advice for a key that is there twice, as `apiVersion` is where a document lacks its marker.
pub(super) fn given_twice(key: &str, place: &Span) -> String {
    let (line, column) = place.line_column();
    match column == 1 && HEADS.contains(&key) {
        true => format!(
            "if another document begins here, write `---` on a line of its own before line {line}; else keep one of the two"
        ),
        false => String::from("keep one of the two"),
    }
}

/// The advice for a text without `apiVersion`.
pub(super) fn no_document(text: &str) -> &'static str {
    let has = |keys: &[&str]| top_keys(text).any(|key| keys.contains(&key));
    if has(&OF_ENVOY) && !has(&HEADS) {
        return OF_A_MESH;
    }
    if has(&OF_SETTINGS) && !has(&HEADS) {
        return "this looks like a settings file: put it outside the folders of documents, and name it with `--config`";
    }
    if text.trim_start().starts_with("- ") {
        return "write documents one after another, with `---` between them, and not as a list";
    }
    "a document has `apiVersion: countersign.dev/v1alpha1`, `kind`, `metadata` and `spec`"
}

/// True if `version` is the `apiVersion` of a resource that gateways and meshes read.
pub(super) fn is_of_a_mesh(version: &str) -> bool {
    let group = version.split('/').next().unwrap_or_default();
    let is_below = |own: &&str| group == *own || group.ends_with(&format!(".{own}"));
    let groups = ["istio.io", "envoyproxy.io", "gateway.networking.k8s.io"];
    groups.iter().any(is_below)
}

/// The advice for settings that are documents.
pub(super) fn no_settings(text: &str) -> Option<&'static str> {
    let is_document = ["apiVersion", "kind"].iter().all(|head| top_keys(text).any(|k| k == *head));
    is_document.then_some("this looks like a file of documents: name it under `documents` of the settings, or with `--documents`")
}

/// The keys at the beginning of lines.
fn top_keys(text: &str) -> impl Iterator<Item = &str> {
    let keys = text.lines().filter_map(|line| Some(line.split_once(':')?.0));
    keys.filter(|key| key.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The text of the file without what may be a secret, and the place in it.
fn shown(place: &Span) -> (Cow<'_, str>, usize) {
    let file = place.file();
    let (text, span) = masking::hide(file.text(), file.masks(), place.bytes());
    (text, span.start)
}

/// The line at `at`, and the one after it that is not empty.
fn lines_at(text: &str, at: usize) -> [&str; 2] {
    let start = punctuation::line_start(text, at);
    let mut lines = text.get(start..).unwrap_or_default().lines();
    let line = lines.next().unwrap_or_default();
    [line, lines.find(|line| !line.is_empty()).unwrap_or_default()]
}

/// A character that YAML or a person takes for another one.
fn odd_character(line: &str) -> Option<String> {
    let blank = |c: &char| c.is_whitespace() || *c == '-';
    if line.chars().take_while(blank).any(|c| c == '\t') {
        return Some(String::from("indent with spaces: YAML allows no tabs there"));
    }
    let odd = line.chars().find(|c| matches!(c, '“' | '”' | '‘' | '’' | '„') || is_blank(*c))?;
    let code = format!("U+{:04X}", u32::from(odd));
    Some(match is_blank(odd) {
        true => format!("a character that only looks like a space ({code}) is near: write a space"),
        false => format!("a typographic quote ({code}) quotes nothing in YAML: write `\"` or `'`"),
    })
}

/// True if it looks like a space, and is none to YAML.
const fn is_blank(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{3000}' | '\u{feff}')
}

/// The advice for a value that begins with a character of YAML.
fn indicator(line: &str) -> Option<String> {
    let word = values(line).find(|word| word.starts_with(INDICATORS))?;
    let mark = word.chars().next()?;
    Some(format!("a value that begins with `{mark}` needs quotes: `\"{word}\"`"))
}

/// The advice for braces within a text.
fn braces(line: &str) -> Option<String> {
    let word = values(line).find(|word| {
        let name = word.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        name.is_some_and(|(name, rest)| {
            is_name(name) && (!rest.is_empty() || !word.starts_with('{'))
        })
    })?;
    Some(quoting(word, "the beginning of a mapping where it has `{`"))
}

/// The advice for a variable of ours behind other text. It quotes nothing else of the line, whose value may be a secret.
fn variable(line: &str) -> Option<String> {
    let mut found = line.match_indices('{').filter_map(|(at, _)| {
        let before = line.get(..at)?.chars().next_back()?;
        let (name, _) = line.get(at.saturating_add(1)..)?.split_once('}')?;
        let is_ours =
            ["token.", "peer.", "request.", "decision."].iter().any(|own| name.starts_with(own));
        let is_glued = !matches!(before, ' ' | '"' | '\'' | '[' | '{');
        (is_ours && is_glued && is_name(name)).then_some(name)
    });
    let name = found.next()?;
    Some(format!(
        "YAML reads the `{{` of `{{{name}}}` as the beginning of a mapping: put the whole value in quotes, as in `\"user-{{{name}}}\"`"
    ))
}

/// The truth value that a word of other versions of YAML means.
pub(super) fn truth(place: &Span) -> Option<String> {
    let text = place.file().text().get(place.bytes().start..)?;
    let word = text.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    let meant = match word.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "true" | "1" => "true",
        "no" | "off" | "n" | "false" | "0" => "false",
        _ => return None,
    };
    Some(format!("write `{meant}`"))
}

/// The advice for a text behind closing quotes.
fn after_quotes(line: &str) -> Option<String> {
    let (_, value) = line.split_once(": ")?;
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let rest = value.get(1..)?.split_once(quote)?.1.trim();
    let goes_on = !rest.is_empty() && !rest.starts_with([',', ']', '}', '#', ':']);
    let other = if quote == '"' { '\'' } else { '"' };
    goes_on.then(|| format!("the value ends at its second `{quote}`: put the whole of it between `{other}` and `{other}`, or on a line of its own below `key: |`"))
}

/// The advice for a text with a colon and a space.
fn second_colon(line: &str) -> Option<String> {
    let (name, value) = line.split_once(": ")?;
    let is_plain = !name.contains(['{', '['])
        && !value.trim_start().starts_with(['{', '[', '"', '\'', '|', '>', '#']);
    (is_plain && value.contains(": "))
        .then(|| String::from("a value with a colon and a space in it needs quotes"))
}

/// The values of a line that are not in quotes, word by word.
fn values(line: &str) -> impl Iterator<Item = &str> {
    let start = line.find(|c: char| !matches!(c, ' ' | '-')).unwrap_or(0);
    let line = line.split(" #").next().unwrap_or_default().get(start..).unwrap_or_default();
    let words = line.split([' ', ',', '[', ']']).map(|word| word.trim_end_matches(':'));
    words.filter(|word| !word.is_empty() && !word.contains(['"', '\'']))
}

/// True for the names that our templates have in braces.
fn is_name(text: &str) -> bool {
    let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"._/|-*".contains(&b);
    !text.is_empty() && text.bytes().all(of_a_name)
}

fn quoting(text: &str, as_what: &str) -> String {
    format!("YAML reads `{text}` as {as_what}: put it in quotes, `\"{text}\"`")
}

/// A word as an entry of a list.
fn written(word: &str) -> String {
    let needs_quotes = word.starts_with(INDICATORS) || word.contains(['{', '}']);
    if needs_quotes { format!("\"{word}\"") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::SourceFile;

    /// P505: the advice quotes what was meant, and nothing that may be a secret.
    #[test]
    fn slips_are_recognised_around_their_place() {
        for (text, at, advice) in [
            (
                "hosts: [*.acme.test]",
                "*",
                "a value that begins with `*` needs quotes: `\"*.acme.test\"`",
            ),
            ("a:\n\t- b: c", "\t", "indent with spaces: YAML allows no tabs there"),
            ("paths: [/a/{id}/b]", "{", "put it in quotes, `\"/a/{id}/b\"`"),
            ("when: \"a\" == b", "==", "the value ends at its second `\"`"),
            ("name: a: b", ": b", "a value with a colon and a space in it needs quotes"),
            ("name: [a", "[", "the `[` in line 1 is not closed"),
            ("password: *hunter2", "*", "look for a bracket, a quote or an indentation"),
        ] {
            let file = SourceFile::new("a.yaml", text);
            let at = text.find(at).unwrap();
            let found = syntax(&Span::new(&file, at..at));
            assert!(found.contains(advice) && !found.contains("hunter2"), "{text}: {found}");
        }
        let file =
            SourceFile::new("a.yaml", "scopes: [invoices: read]\nheaders: { x: {token.sub} }");
        let meant = |part: &str| {
            let at = file.text().find(part).unwrap();
            mapping_for_text(&Span::new(&file, at..at)).unwrap_or_default()
        };
        assert!(meant("invoices: ").contains("write `invoices:..`"), "{}", meant("invoices: "));
        assert!(meant("{token").contains("`\"{token.sub}\"`"), "{}", meant("{token"));
    }
}
