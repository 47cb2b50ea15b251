//! One request with its caller, as a file or a case of a suite has it: what `explain` is asked about.

use std::sync::Arc;

use super::case::{Case, Question, Suite};
use super::compiler::{KnownIssuer, SuiteCompiler};
use crate::document::{Diagnostic, SourceFile, question};
use crate::request::SealedNames;

impl Question {
    /// Reads a file with `request`, `peer`, `token` or `tokens`, and `now`, in the shapes that a suite has them in. `issuers` and the
    /// names `domains` are those of the documents that it may refer to, `sealed` is what carries credentials. Every problem goes to `problems`; where one of them is an
    /// error the result must not be used.
    pub fn read(
        file: &Arc<SourceFile>,
        issuers: &[KnownIssuer<'_>],
        domains: &[&str],
        sealed: &SealedNames,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let (spec, origin) = question(file).map_err(|problem| problems.push(problem)).ok()?;
        SuiteCompiler::new(&origin, issuers, domains, sealed, problems).question(&spec)
    }
}

impl Suite {
    /// The names of its cases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| &*case.name)
    }

    /// The requests of the cases called `name`, or `suite/name`, each with which of several it is. A name may also be that of a
    /// case and one of its requests, as in reports: `name (variant)`.
    pub fn questions(&self, name: &str) -> impl Iterator<Item = (String, Question)> {
        let own = name.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix('/'));
        let wanted = own.unwrap_or(name).to_owned();
        let is_wanted = move |case: &&Case| wanted == *case.name || wanted == case.title();
        self.cases.iter().filter(is_wanted).map(|case| {
            let subject = case.subject.copy_of_assertion();
            let question = Question { request: case.request.clone(), subject, now: Some(self.now) };
            (case.title(), question)
        })
    }
}
