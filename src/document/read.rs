//! From a file to its documents: found by their markers first, read one at a time after that, since a document that is read
//! takes many times the memory of its text.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::suggest::did_you_mean;
use super::{
    API_VERSION, Code, Diagnostic, Document, Kind, Metadata, Origin, QuestionSpec, SourceFile,
    Span, Spanned, Spec, TokenIssuerSpec, is_name, slips, yaml,
};
use crate::secret::Fingerprint;

/// A document that was found; only its kind is read.
#[derive(Clone, Debug)]
pub struct RawDocument {
    kind: Kind,
    origin: Origin,
    /// How many bytes of the file are its text.
    len: usize,
}

/// The part of a document that says how to read the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Spanned<String>,
    kind: Spanned<String>,
}

/// A whole document of a known kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WholeDocument<S> {
    #[serde(rename = "apiVersion")]
    _api_version: serde::de::IgnoredAny,
    #[serde(rename = "kind")]
    _kind: serde::de::IgnoredAny,
    metadata: Metadata,
    spec: S,
}

/// Finds every document in `file`. Text that is not a document becomes a diagnostic in `problems`.
pub fn find(file: &Arc<SourceFile>, problems: &mut Vec<Diagnostic>) -> Vec<RawDocument> {
    let texts = yaml::split(file.text());
    if texts.is_empty() {
        let message = "the file has no documents";
        let problem = Diagnostic::error(Code::EmptyFile, Span::start_of(file), message);
        problems.push(problem.help(
            "was it emptied, or is it being written? a file that is not needed any more is removed",
        ));
    }
    let raw = |(base, text): (usize, &str)| {
        let origin = Origin { file: Arc::clone(file), base };
        let kind = match plain_head(text) {
            Some(kind) => Ok(kind),
            None => head(text, &origin),
        };
        let kind = kind.map_err(|problem| problems.push(problem)).ok()?;
        Some(RawDocument { kind, origin, len: text.len() })
    };
    texts.into_iter().filter_map(raw).collect()
}

/// Reads every document in `file`. One that cannot be read becomes a diagnostic in `problems`.
pub fn parse(file: &Arc<SourceFile>, problems: &mut Vec<Diagnostic>) -> Vec<Document> {
    let found = find(file, problems);
    let read = found.iter().map(RawDocument::read);
    read.filter_map(|read| read.map_err(|problem| problems.push(problem)).ok()).collect()
}

/// Reads a file that is not a document but follows the same rules, such as the server's settings.
///
/// # Errors
/// The first problem, with its place.
pub fn read_settings<'de, T: Deserialize<'de>>(
    file: &'de Arc<SourceFile>,
) -> Result<T, Diagnostic> {
    yaml::read_typed(file.text(), &Origin::of(file)).map_err(|problem: Diagnostic| {
        match slips::no_settings(file.text()) {
            Some(help) => problem.help(help),
            None => problem,
        }
    })
}

/// Reads the request to explain in `file`, and where it starts.
///
/// # Errors
/// The first problem, with its place.
pub fn question(file: &Arc<SourceFile>) -> Result<(QuestionSpec, Origin), Diagnostic> {
    let origin = Origin::of(file);
    yaml::read_whole(file.text(), &origin).map(|spec| (spec, origin))
}

impl RawDocument {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name, also where the rest of it cannot be read.
    pub fn name(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            metadata: Name,
        }
        #[derive(Deserialize)]
        struct Name {
            name: String,
        }
        let named: Named = yaml::read(self.text(), &self.origin).ok()?;
        Some(named.metadata.name)
    }

    /// True if it has `kind` twice: a `---` is missing in it.
    pub fn has_two_heads(&self) -> bool {
        self.text().lines().filter(|line| line.starts_with("kind:")).nth(1).is_some()
    }

    /// Its place.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The fingerprint of its text. Documents that have the same one say the same.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.text().as_bytes())
    }

    /// Reads it.
    ///
    /// # Errors
    /// The first problem, with its place.
    pub fn read(&self) -> Result<Document, Diagnostic> {
        // Problems of the head come first, even if the head was not read by itself.
        self.whole().map_err(|problem| head(self.text(), &self.origin).err().unwrap_or(problem))
    }

    fn whole(&self) -> Result<Document, Diagnostic> {
        let (text, origin) = (self.text(), &self.origin);
        match self.kind {
            Kind::Fragments => whole(text, origin, |spec| Spec::Fragments(Box::new(spec))),
            Kind::Policy => whole(text, origin, |spec| Spec::Policy(Box::new(spec))),
            Kind::PolicySuite => whole(text, origin, |spec| Spec::PolicySuite(Box::new(spec))),
            Kind::RevocationList => {
                whole(text, origin, |spec| Spec::RevocationList(Box::new(spec)))
            }
            Kind::TokenIssuer => {
                let filled = |spec: TokenIssuerSpec| spec.with_profile();
                whole(text, origin, |spec| Spec::TokenIssuer(Box::new(filled(spec))))
            }
            Kind::TrustDomain => whole(text, origin, |spec| Spec::TrustDomain(Box::new(spec))),
        }
    }

    fn text(&self) -> &str {
        let end = self.origin.base.saturating_add(self.len);
        self.origin.file.text().get(self.origin.base..end).unwrap_or_default()
    }
}

/// Reports documents of one kind that have the name of one before them; `named` are names with their places, as they are read.
pub fn check_unique<'a>(
    named: impl Iterator<Item = (Kind, &'a str, Span)>,
    problems: &mut Vec<Diagnostic>,
) {
    let mut seen = HashMap::new();
    for (kind, name, span) in named {
        if let Some(first) = seen.insert((kind, name), span.clone()) {
            let message = format!("there are two {kind} documents called `{name}`");
            let problem = Diagnostic::error(Code::DuplicateName, span, message);
            problems.push(problem.help(format!("the other one is at {first}")));
        }
    }
}

/// The kind of a document that begins as nearly every one does: with its `apiVersion` and its `kind`, plain, on lines of
/// their own. Nothing before the first of them has opened a text that they could stand in, so a parser finds them there too.
/// None where it begins in another way, or where one of them is unknown.
fn plain_head(text: &str) -> Option<Kind> {
    let mut lines = text.lines().filter(|line| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with('#')
    });
    let version = lines.next()?.strip_prefix("apiVersion: ")?;
    let kind = lines.next()?.strip_prefix("kind: ")?;
    (version.trim_end() == API_VERSION).then(|| Kind::named(kind.trim_end())).flatten()
}

/// The kind of any document; the rest of it is ignored.
fn head(text: &str, origin: &Origin) -> Result<Kind, Diagnostic> {
    let head: Head = yaml::read(text, origin).map_err(|problem: Diagnostic| {
        let is_list = text.trim_start().starts_with("- ");
        match problem.code == Code::MissingField || problem.code == Code::InvalidValue && is_list {
            true => problem.help(slips::no_document(text)),
            false => problem,
        }
    })?;
    if head.api_version.value != API_VERSION {
        let message =
            format!("unknown apiVersion `{}`, expected `{API_VERSION}`", head.api_version.value);
        let place = origin.span(&head.api_version);
        let problem = Diagnostic::error(Code::UnknownApiVersion, place, message);
        let version = &head.api_version.value;
        return Err(match slips::is_of_a_mesh(version) {
            true => problem.help(slips::OF_A_MESH),
            false => problem,
        });
    }
    let word = head.kind.value.as_str();
    Kind::named(word).ok_or_else(|| {
        let kinds = Kind::ALL.map(Kind::as_str);
        let message = format!("unknown kind `{word}`, expected one of {}", yaml::quoted(&kinds));
        let problem = Diagnostic::error(Code::UnknownKind, origin.span(&head.kind), message);
        did_you_mean(problem, word, &kinds)
    })
}

fn whole<'de, S: Deserialize<'de>>(
    text: &'de str,
    origin: &Origin,
    spec: impl FnOnce(S) -> Spec,
) -> Result<Document, Diagnostic> {
    let whole: WholeDocument<S> = yaml::read_whole(text, origin)?;
    check_name(&whole.metadata.name, origin)?;
    Ok(Document { metadata: whole.metadata, spec: spec(whole.spec), origin: origin.clone() })
}

fn check_name(name: &Spanned<String>, origin: &Origin) -> Result<(), Diagnostic> {
    let text = &name.value;
    if is_name(text) {
        return Ok(());
    }
    let message =
        format!("`{text}` is not a name: expected lower-case letters, digits, `-` and `.`");
    let problem = Diagnostic::error(Code::InvalidName, origin.span(name), message);
    let near: String = text.to_ascii_lowercase().replace(['_', ' ', '/'], "-");
    Err(match is_name(&near) {
        true => problem.help(format!("did you mean `{near}`?")),
        false => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way to the kind never says anything that reading the head does not say.
    #[test]
    fn a_kind_that_is_seen_is_the_one_that_is_read() {
        let version = format!("apiVersion: {API_VERSION}");
        let seen = |text: &str| {
            let origin = Origin { file: SourceFile::new("a.yaml", text), base: 0 };
            (plain_head(text), head(text, &origin).ok())
        };
        for text in [
            format!("{version}\nkind: Policy\nmetadata: {{ name: a }}\n"),
            format!("\n# a comment\n{version}  \r\n  # another\nkind: TrustDomain \r\nspec: 1\n"),
        ] {
            let (plain, read) = seen(&text);
            assert!(plain.is_some() && plain == read, "{text:?}: {plain:?}, {read:?}");
        }
        for text in [
            format!("kind: Policy\n{version}\n"),
            format!("{{ {version}, kind: Policy }}\n"),
            format!("\"\n{version}\nkind: Policy\n\"\n"),
            format!("|\n{version}\nkind: Policy\n"),
            format!("- |\n{version}\nkind: Policy\n"),
            format!("a: '\n{version}\nkind: Policy\n'\n"),
            format!("{version}\nkind: 'Policy'\n"),
            format!("{version}\nkind: Policy # who\n"),
            format!("{version}\nkind: Polcy\n"),
            format!("{version}\rkind: TrustDomain\nkind: Policy\n"),
            format!("\u{feff}{version}\nkind: Policy\n"),
            String::from("apiVersion: v1\nkind: Policy\n"),
        ] {
            assert_eq!(seen(&text).0, None, "{text:?}");
        }
    }

    #[test]
    fn a_head_that_is_repeated_is_refused_when_the_document_is_read() {
        let text = format!("apiVersion: {API_VERSION}\nkind: Policy\nkind: TokenIssuer\n");
        let mut problems = Vec::new();
        assert!(parse(&SourceFile::new("a.yaml", text), &mut problems).is_empty());
        let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["duplicate-key"]);
    }
}
