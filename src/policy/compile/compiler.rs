//! One document being compiled: reading its entries, and reporting what is wrong at its place.

use std::sync::Arc;

use super::fragment_store::{Fragments, Use};
use crate::document::{
    ClaimTypes, Code, Diagnostic, Kind, KnownClaims, Origin, Spanned, TENANT, closest, not_plain,
};
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
    /// The claims that each `TokenIssuer` document lists, by its name; none where it lists none.
    pub(in crate::policy) claims: &'a [(&'a str, Option<ClaimTypes>)],
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

    /// The claims of tokens of the `TokenIssuer` documents called `issuers`, or of any where none is named. None unless each of them is
    /// there and lists its claims.
    pub(in crate::policy) fn known_claims(&self, issuers: &[&str]) -> Option<KnownClaims<'a>> {
        let fits = |(name, _): &&(&str, _)| issuers.is_empty() || issuers.contains(name);
        let found = self.claims.iter().filter(fits);
        let found: Option<Vec<_>> =
            found.map(|(name, types)| Some((*name, types.as_ref()?))).collect();
        let found = found.filter(|found| !found.is_empty())?;
        let is_there = |issuer: &&str| found.iter().any(|(name, _)| name == issuer);
        issuers.iter().all(is_there).then_some(KnownClaims(found))
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

/// RFC 6901 section 3: empty, or each part after a `/`, with `~` only as `~0` and `~1`.
pub(super) fn check_pointer(text: &str) -> Result<(), CompileProblem> {
    if !text.starts_with('/') {
        let bare = text.trim_start_matches(['$', '#', '@', '.']).trim_start_matches('/');
        let bare = bare.replace("['", "/").replace("[\"", "/").replace(['[', '.'], "/");
        let help = format!("did you mean `/{}`?", bare.replace(['\'', '"', ']'], ""));
        let message = format!("`{text}` is not a JSON pointer: it does not start with `/`");
        return Err((Code::InvalidPointer, message, Some(help)));
    }
    if text.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        let message = format!("`{text}` is not a JSON pointer: `~` stands only in `~0` and `~1`");
        return Err(problem(Code::InvalidPointer, message, "write `~0` for `~` and `~1` for `/`"));
    }
    let never = |why: &str, help: String| {
        Err((Code::InvalidPointer, format!("`{text}` leads to no claim: {why}"), Some(help)))
    };
    if let Some(name) = text.strip_prefix('/').filter(|name| name.contains("://")) {
        let near = format!("did you mean `/{}`?", name.replace('/', "~1"));
        return never("a `/` in a claim's name is written `~1`", near);
    }
    let mut parts = text.split('/').skip(1);
    if let Some(part) = parts.clone().find(|part| part.is_empty() || not_plain(part).is_some()) {
        let why = match not_plain(part) {
            Some(why) => format!("a part of it {why}"),
            None => String::from("a part of it is empty"),
        };
        return never(&why, String::from("write the names of the members, as in `/realm/roles`"));
    }
    if let Some(part) = parts.find(|part| matches!(*part, "*" | "**" | "-") || part.contains('[')) {
        let why = format!("`{part}` is the name of a member, and no wildcard");
        let help = "for an element of a list there is `contains`, and `/0` is the first one";
        return never(&why, help.to_owned());
    }
    Ok(())
}
