//! The trait of keys of a rule: the rules that may have one, and how two values of it compare. `diff`, `who-can` and `check` go by it,
//! and serving does not.

use super::requirement::Requirement;
use crate::words::words;

/// A requirement that stands under a key of its own in the document of a rule.
pub(in crate::policy) trait RuleKey: Requirement + PartialEq {
    /// The path of the key in the document of a rule, such as `peer.spiffe`; with `target.` in that of its policy.
    const PATH: &'static str;

    /// The rules that may have it.
    const RULES: FittingRules;

    /// True if it tells callers apart: when a rule counts, and where a connection goes, says nothing about them.
    const IS_ABOUT_CALLERS: bool = true;

    /// The callers that its values name.
    const NAMES: Option<NamedCallers> = None;

    /// True if it holds for all that a witness stands for where it holds for the witness, who has only what an allow rule asks for, and
    /// whose wildcards are filled with names that no rule says.
    const IS_OF_CLASS: bool = false;

    /// The change that callers see where the same values stand in another order, or with values beside that add nothing.
    const REORDERED: Reordered = Reordered::Nothing;

    /// True if this holds wherever `other` does; none where the values do not tell, unless they are equal.
    fn covers(&self, _other: &Self) -> Option<bool> {
        None
    }
}

/// The rules that may have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum FittingRules {
    /// All.
    Any,
    /// Allow rules: a caller who shows more meets it, so that a deny rule, which denies callers who *meet* its requirements, would deny
    /// the wrong ones.
    Allow,
    /// Deny rules: callers meet it about which something is odd.
    Deny,
}

words! {
    /// The callers that values of a key name.
    pub enum NamedCallers {
        /// Peers.
        Peers "peers",
        /// Issuers of tokens.
        Issuers "issuers",
        /// Subjects of tokens.
        Subjects "subjects",
        /// Clients that tokens were issued to.
        Clients "clients",
        /// Callers whose tokens have scopes.
        Scopes "scopes",
    }
}

/// The change that callers see where values are in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Reordered {
    /// None.
    Nothing,
    /// Another challenge: it names values as they are written.
    Challenge,
    /// Another identity goes on: the first issuer with a token gives it.
    Identity,
}

/// True if everything in `part` is in `whole`.
pub(super) fn is_part<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    part.iter().all(|own| whole.contains(own))
}
