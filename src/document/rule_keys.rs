//! The places of a rule's keys in its document, by their paths: no list of keys is needed for it.

use super::tree::{Node, NodeBudget, Tree};
use super::{Origin, Span, Spanned};

impl Tree {
    /// The document at `origin`, which was read without an error before.
    pub fn at(origin: &Origin) -> Option<Self> {
        let file = origin.file();
        let budget = &mut NodeBudget::new(file.text().len(), MOST_REPEATED);
        let all = Self::read(file, budget, &mut Vec::new()).into_iter();
        all.filter(|tree| tree.is_at(origin)).last()
    }

    /// The place of the value at `path`, such as `peer.spiffe`, of the rule that is called `name` there, or of the part of that path
    /// that the document has. A path that begins with `target.` is one of the policy.
    pub fn rule_key(&self, name: &Spanned<String>, path: &str) -> Option<Span> {
        let spec = self.root.get("spec")?;
        let name = self.span(name);
        let is_named = |rule: &&Node| rule.get("name").is_some_and(|own| self.place(own) == name);
        let mut node = match path.starts_with("target.") {
            true => spec,
            false => spec.items_of("rules").iter().find(is_named)?,
        };
        let mut found = None;
        for key in path.split('.') {
            let Some(value) = node.get(key) else { break };
            (node, found) = (value, Some(self.place(value)));
        }
        found
    }
}

/// Values that aliases may repeat.
const MOST_REPEATED: usize = 100_000;
