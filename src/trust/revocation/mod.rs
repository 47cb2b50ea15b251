//! What is believed no longer: entries, lists of them, and the form in which they are looked up.

mod entry;
mod key;
mod lines;
mod list;
mod signature;
mod table;
mod view;

pub use entry::{EntryError, RevocationEntry, RevocationNote};
pub use key::{RevocationKey, RevocationKind};
pub use lines::{FIRST_LINE, LineError, ListText};
pub(super) use list::compile;
pub use list::{
    AcceptedList, ListError, ListMark, ListPlace, ListSignature, ListSource, RevocationList,
};
pub use signature::ListSignatureError;
pub use table::{RevocationTable, Revoked};
pub use view::Revocations;

use crate::document::{Diagnostic, Document, Spec, closest};

/// Warns of entries about tokens of an issuer that no document knows: a slip there revokes nothing.
pub(super) fn check_issuers(
    documents: &[Document],
    known: &[&str],
    problems: &mut Vec<Diagnostic>,
) {
    for document in documents {
        let Spec::RevocationList(spec) = &document.spec else { continue };
        let issuers = spec.entries.iter().filter_map(|entry| entry.value.issuer.as_ref());
        for issuer in issuers.filter(|issuer| !known.contains(&issuer.value.as_str())) {
            let message = format!("no `TokenIssuer` document has the issuer `{}`", issuer.value);
            let span = document.origin.span(issuer);
            let problem = Diagnostic::warning("unknown-issuer", span, message);
            problems.push(match closest(&issuer.value, known) {
                Some(similar) => problem.help(format!("did you mean `{similar}`?")),
                None => problem.help("the entry revokes nothing until there is one"),
            });
        }
    }
}

#[cfg(test)]
mod tests;
