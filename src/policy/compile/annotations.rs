//! Annotations of a policy and its rules for readers of decisions: few, short, and never able to break a line of a log.

use super::compiler::{PolicyCompiler, coded};
use super::inject::check_member;
use crate::document::Code;
use crate::document::Spanned;
use crate::document::policy::Entries;
use crate::limits::{MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS};
use crate::policy::model::{Annotations, Note};

impl PolicyCompiler<'_, '_> {
    /// Reads what is to go with decisions. A name with a `/` belongs to a tool, as in Kubernetes, and goes nowhere.
    pub(super) fn notes(&mut self, entries: &Spanned<Entries<String>>) -> Vec<Note> {
        let ours = entries.value.0.iter().filter(|(name, _)| !name.value.contains('/'));
        let ours: Vec<_> = ours.collect();
        for (name, value) in &ours {
            if let Err(wrong) = check_member(&[])(&name.value) {
                self.report(name, coded(Code::InvalidName)(wrong));
            }
            let text = value.value.as_str();
            if text.is_empty()
                || text.len() > MAX_ANNOTATION_BYTES
                || text.contains(char::is_control)
            {
                let message = format!(
                    "an annotation is empty, longer than {MAX_ANNOTATION_BYTES} bytes, or has control characters"
                );
                let help = "it goes with every decision: write a name or a link; \
                            the names of tools' own have a prefix, as in `example.com/name`";
                self.error_with(Code::InvalidValue, value, message, help);
            }
        }
        if ours.len() > MAX_ANNOTATIONS {
            self.too_many(entries);
        }
        let text = |text: &Spanned<String>| text.value.as_str().into();
        ours.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// Those of the policy, and of a rule, whose own word counts where both have one.
    pub(super) fn annotations(
        &mut self,
        of_policy: &[Note],
        own: Option<&Spanned<Entries<String>>>,
    ) -> Annotations {
        let mut notes = own.map(|own| self.notes(own)).unwrap_or_default();
        let others = of_policy.iter().filter(|(name, _)| !notes.iter().any(|(own, _)| own == name));
        let others: Vec<_> = others.cloned().collect();
        let all = notes.len().saturating_add(others.len());
        if let Some(own) = own.filter(|_| all > MAX_ANNOTATIONS && notes.len() <= MAX_ANNOTATIONS) {
            self.too_many(own);
        }
        notes.extend(others);
        Annotations::new(notes)
    }

    fn too_many(&mut self, entries: &Spanned<Entries<String>>) {
        let message = format!(
            "more than {MAX_ANNOTATIONS} annotations, those of the policy and the rule together"
        );
        self.error_with(Code::TooMany, entries, message, "keep what those who read decisions need");
    }
}
