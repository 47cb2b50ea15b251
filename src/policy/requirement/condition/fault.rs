//! Faults in conditions, and the scope that a condition is checked against.

use std::ops::Range;

use cel::common::ast::SourceInfo;

use crate::document::{Code, Diagnostic, KnownClaims, Span};
use crate::request::SealedNames;

/// The requirements of the rule around a condition, and so the variables that the condition may read.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct ConditionScope<'a> {
    /// True if it asks for a token.
    pub(in crate::policy) token: bool,
    /// True if it asks for a peer.
    pub(in crate::policy) peer: bool,
    /// The names that every one of its paths captures.
    pub(in crate::policy) captures: &'a [&'a str],
    /// False where no path template is given, as in a trial.
    pub(in crate::policy) has_paths: bool,
    /// Headers that carry credentials.
    pub(in crate::policy) sealed: &'a SealedNames,
    /// The names of the trust domains that are trusted.
    pub(in crate::policy) domains: &'a [&'a str],
    /// The `iss` of the tokens that it may ask for.
    pub(in crate::policy) issuers: &'a [&'a str],
    /// The claims of these tokens, where each issuer lists them.
    pub(in crate::policy) claims: Option<&'a KnownClaims<'a>>,
}

impl<'a> ConditionScope<'a> {
    /// That of a rule which asks for a peer and a token of any issuer with one of the `issuers`' `iss`.
    pub(in crate::policy) const fn of_any_rule(
        captures: &'a [&'a str],
        sealed: &'a SealedNames,
        (domains, issuers): (&'a [&'a str], &'a [&'a str]),
    ) -> Self {
        Self {
            token: true,
            peer: true,
            captures,
            has_paths: true,
            sealed,
            domains,
            issuers,
            claims: None,
        }
    }
}

/// A fault in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Fault {
    pub(in crate::policy) code: Code,
    pub(in crate::policy) message: String,
    pub(in crate::policy) help: Option<String>,
    /// The bytes of the text that it is about.
    pub(in crate::policy) at: Range<usize>,
    pub(super) node: u64,
    pub(super) length: usize,
}

impl Fault {
    pub(super) fn new(node: u64, message: impl Into<String>) -> Self {
        let (message, code) = (message.into(), Code::InvalidCondition);
        Self { code, message, help: None, at: 0..0, node, length: 0 }
    }

    pub(super) fn of_all(text: &str, message: impl Into<String>) -> Self {
        Self { at: 0..text.len(), ..Self::new(0, message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// How many bytes it is about, where the library does not know.
    pub(super) fn length(mut self, bytes: usize) -> Self {
        self.length = bytes;
        self
    }

    /// At its place in `text`, which stands at `whole`.
    pub(in crate::policy) fn diagnostic(self, text: &str, whole: &Span) -> Diagnostic {
        let place = whole.part(text, self.at);
        let problem = Diagnostic::error(self.code, place, self.message);
        Diagnostic { help: self.help, ..problem }
    }

    pub(super) fn located(mut self, text: &str, places: &SourceInfo) -> Self {
        let byte = |at| byte_of_char(text, at);
        self.at = match places.offset_for(self.node) {
            Some((start, end)) => {
                let (start, end) = (byte(start), byte(end.saturating_add(1)));
                start..end.max(start.saturating_add(self.length)).min(text.len())
            }
            None => 0..text.len(),
        };
        self
    }
}

pub(super) fn byte_of_char(text: &str, at: u32) -> usize {
    let chars = usize::try_from(at).unwrap_or(usize::MAX);
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}
