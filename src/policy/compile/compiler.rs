//! One document being compiled: reading its entries, and reporting what is wrong at its place.

use std::sync::Arc;

use super::fragment_store::{Fragments, Use};
use crate::document::{Code, Diagnostic, Kind, Origin, Spanned, TENANT, closest};
use crate::request::SealedNames;

/// The names of the documents that rules may refer to.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct IssuerNames<'a> {
    /// The `TokenIssuer` documents.
    pub(in crate::policy) issuers: &'a [&'a str],
    /// The `TrustDomain` documents.
    pub(in crate::policy) domains: &'a [&'a str],
    /// The `issuer` of each `TokenIssuer` document, by the name of the document.
    pub(in crate::policy) iss: &'a [(&'a str, &'a str)],
}

impl<'a> IssuerNames<'a> {
    /// The `iss` of tokens of the `TokenIssuer` documents called `issuers`, or of any where none is named. None where they cannot be
    /// listed.
    pub(super) fn values_of_iss(&self, issuers: &[&str]) -> Vec<&'a str> {
        let fits = |(name, _): &&(&str, &str)| issuers.is_empty() || issuers.contains(name);
        let found: Vec<_> = self.iss.iter().filter(fits).map(|(_, iss)| *iss).collect();
        // With tenants there is more than one.
        if found.iter().any(|iss| iss.contains(TENANT)) { Vec::new() } else { found }
    }
}

/// An error in one entry: code, message and advice.
pub(in crate::policy) type CompileProblem = (Code, String, Option<String>);

/// An error in one entry, with advice.
pub(super) fn problem(
    code: Code,
    message: impl Into<String>,
    help: impl Into<String>,
) -> CompileProblem {
    (code, message.into(), Some(help.into()))
}

/// Gives what is wrong with a value its code.
pub(super) fn coded(code: Code) -> impl Fn((String, Option<&'static str>)) -> CompileProblem {
    move |(message, help)| (code, message, help.map(str::to_owned))
}

/// One document being compiled, and where its problems go.
pub(super) struct PolicyCompiler<'a, 'p> {
    pub(super) origin: &'a Origin,
    pub(super) policy: Arc<str>,
    pub(super) names: IssuerNames<'p>,
    pub(super) sealed: &'p SealedNames,
    pub(super) cookies: &'p [&'p str],
    pub(super) fragments: &'p Fragments<'p>,
    /// The fragments that it uses.
    pub(super) uses: &'p mut Vec<Use>,
    pub(super) problems: &'p mut Vec<Diagnostic>,
}

impl PolicyCompiler<'_, '_> {
    /// Reads each entry of a list, and reports an entry that cannot be read at its place. An empty list is an error: it would
    /// match nothing, which an author does not mean.
    pub(super) fn each<S, T>(
        &mut self,
        list: Option<&Spanned<Vec<Spanned<S>>>>,
        key: &str,
        read: impl Fn(&S) -> Result<T, CompileProblem>,
    ) -> Vec<T> {
        let Some(list) = list else { return Vec::new() };
        if list.value.is_empty() {
            let message = format!("`{key}` is empty, so nothing can match");
            let help = format!("list what is meant, or remove `{key}`");
            self.error_with(Code::EmptyList, list, message, help);
        }
        let mut read_values = Vec::with_capacity(list.value.len());
        for entry in &list.value {
            match read(&entry.value) {
                Ok(value) => read_values.push(value),
                Err(problem) => self.report(entry, problem),
            }
        }
        read_values
    }

    /// Reports an error at `place`.
    pub(super) fn error<T>(&mut self, code: Code, place: &Spanned<T>, message: impl Into<String>) {
        self.report(place, (code, message.into(), None));
    }

    /// Reports an error at `place`, with advice.
    pub(super) fn error_with<T>(
        &mut self,
        code: Code,
        place: &Spanned<T>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(place, (code, message.into(), Some(help.into())));
    }

    pub(super) fn report<T>(&mut self, place: &Spanned<T>, (code, message, help): CompileProblem) {
        let problem = Diagnostic::error(code, self.origin.span(place), message);
        self.problems.push(Diagnostic { help, ..problem });
    }

    /// Reports that a document of a `kind` is missing, by its name where that is what `place` says.
    pub(super) fn missing<T>(
        &mut self,
        kind: Kind,
        code: Code,
        place: &Spanned<T>,
        (message, help, name): (String, String, Option<&str>),
    ) {
        let problem = Diagnostic::error(code, self.origin.span(place), message).help(help);
        self.problems.push(problem.missing(kind, name));
    }

    /// Checks a reference to another document.
    pub(super) fn refers(
        &mut self,
        kind: Kind,
        code: Code,
        name: &Spanned<String>,
        known: &[&str],
    ) {
        let text = name.value.as_str();
        if known.contains(&text) {
            return;
        }
        let help = match closest(text, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("there is no `kind: {kind}` document"),
            None => format!("known are: {}", known.join(", ")),
        };
        let message = format!("no {kind} document is called `{text}`");
        self.missing(kind, code, name, (message, help, Some(text)));
    }
}
