//! A `TokenIssuer` document on its way to an issuer, and how its problems are reported.

use std::time::Duration;

use crate::document::{
    Attachments, Code, Diagnostic, Document, HumanDuration, Spanned, TokenIssuerSpec, closest,
};
use crate::trust::Algorithm;

/// One document on its way to an issuer.
pub(super) struct IssuerCompiler<'a> {
    pub(super) document: &'a Document,
    pub(super) spec: &'a TokenIssuerSpec,
    pub(super) files: &'a Attachments,
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

impl IssuerCompiler<'_> {
    pub(super) fn known_algorithms(&mut self, names: &[Spanned<String>]) -> Vec<Algorithm> {
        let mut known = Vec::new();
        for name in names {
            match Algorithm::named(&name.value) {
                Some(algorithm) => known.push(algorithm),
                None => self.unknown_algorithm(name),
            }
        }
        known
    }

    fn unknown_algorithm(&mut self, name: &Spanned<String>) {
        let text = &name.value;
        if text.eq_ignore_ascii_case("none") {
            let message = "algorithm `none` accepts tokens that any caller can write";
            let help = "name the algorithms that the issuer signs with";
            return self.error(Code::UnsignedAlgorithm, name, message, help);
        }
        let all: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
        let help = closest(text, &all).map_or_else(
            || format!("expected one of {}", all.join(", ")),
            |word| format!("did you mean `{word}`?"),
        );
        self.error(Code::UnknownAlgorithm, name, &format!("unknown algorithm `{text}`"), &help);
    }

    /// A duration that must not be zero.
    pub(super) fn duration(
        &mut self,
        given: Option<&Spanned<HumanDuration>>,
        field: &str,
        default: Duration,
    ) -> Duration {
        let Some(given) = given else { return default };
        if given.value.get().is_zero() {
            let message = format!("{field} is 0s, so no token would be accepted");
            self.error(Code::ZeroDuration, given, &message, "write a duration such as `1h`");
        }
        given.value.get()
    }

    pub(super) fn error<T>(&mut self, code: Code, place: &Spanned<T>, message: &str, help: &str) {
        let span = self.document.origin.span(place);
        self.problems.push(Diagnostic::error(code, span, message).help(help));
    }

    /// Reports an error in something that an issuer cannot do without.
    pub(super) fn refuse<T, R>(
        &mut self,
        code: Code,
        place: &Spanned<T>,
        message: &str,
        help: &str,
    ) -> Option<R> {
        self.error(code, place, message, help);
        None
    }
}
