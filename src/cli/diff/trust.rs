//! The documents of trust of two sets: whose certificates and tokens count.

use std::collections::BTreeSet;
use std::time::Duration;

use super::places::{Place, Places};
use super::report::{ChangeEntry, KeyEntry};
use crate::document::{Document, Spanned, Spec};
use crate::policy::{AccessChange, RuleChangeKind};
use crate::secret::Fingerprint;

/// A document, and the fingerprint of its text.
type Read = (Document, Fingerprint);

/// `maxLifetime` of a `TokenIssuer` that does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_hours(24);

/// The changes of documents of trust. More trust lets in more callers, as far as rules let them; and a list that revokes more, fewer.
pub(super) fn changes(before: &Places, after: &Places) -> Vec<ChangeEntry> {
    let (old, new) = (before.trust(), after.trust());
    let names: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let entries = names.into_iter().filter_map(|name| {
        let (one, other) = (old.get(&name).copied(), new.get(&name).copied());
        let (kind, access, keys) = match (one, other) {
            (Some(one), Some(other)) => {
                let keys = keys(&one.0, &other.0);
                if keys.is_empty() && !is_changed(before, after, (one, other)) {
                    return None;
                }
                // Other keys may have changed as well.
                (RuleChangeKind::Changed, AccessChange::CannotTell, keys)
            }
            (None, _) => (RuleChangeKind::Added, of_whole(name.0, true), Vec::new()),
            (_, None) => (RuleChangeKind::Removed, of_whole(name.0, false), Vec::new()),
        };
        let place = |own: &Read| Place::from(own.0.origin.span(&own.0.metadata.name));
        Some(ChangeEntry {
            kind: name.0,
            name: name.1.to_owned(),
            change: kind,
            effect: None,
            access,
            keys,
            before: one.map(place),
            after: other.map(place),
        })
    });
    entries.collect()
}

fn of_whole(kind: &str, is_added: bool) -> AccessChange {
    match (kind == "RevocationList") != is_added {
        true => AccessChange::Widened,
        false => AccessChange::Narrowed,
    }
}

/// True if the text of a document, or a file that it points to, is another.
fn is_changed(before: &Places, after: &Places, (one, other): (&Read, &Read)) -> bool {
    let name = &one.0.metadata.name.value;
    let revision = |side: &Places| {
        let mut domains = side.snapshot.trust().domains().iter();
        domains.find(|own| own.name == *name).map(|own| own.revision)
    };
    let is_domain = matches!(one.0.spec, Spec::TrustDomain(_));
    one.1 != other.1 || (is_domain && revision(before) != revision(after))
}

fn keys(one: &Document, other: &Document) -> Vec<KeyEntry> {
    let (Spec::TokenIssuer(old), Spec::TokenIssuer(new)) = (&one.spec, &other.spec) else {
        return Vec::new();
    };
    let lifetime = |own: &Option<Spanned<crate::document::HumanDuration>>| {
        own.as_ref().map_or(DEFAULT_LIFETIME, |own| own.value.get())
    };
    let (short, long) = (lifetime(&old.max_lifetime), lifetime(&new.max_lifetime));
    let all = [
        ("audiences", of_lists(&old.audiences, &new.audiences)),
        ("algorithms", of_lists(&old.algorithms, &new.algorithms)),
        ("maxLifetime", of(short <= long, long <= short)),
        (
            "issuer",
            if old.issuer.value == new.issuer.value {
                AccessChange::Same
            } else {
                AccessChange::Both
            },
        ),
    ];
    let place = |document: &Document| Some(document.origin.span(&document.metadata.name).into());
    let changed = all.into_iter().filter(|(_, access)| *access != AccessChange::Same);
    let entry = |(key, access): (&str, _)| KeyEntry {
        key: key.to_owned(),
        access,
        before: place(one),
        after: place(other),
    };
    changed.map(entry).collect()
}

fn of_lists(old: &[Spanned<String>], new: &[Spanned<String>]) -> AccessChange {
    let set = |list: &[Spanned<String>]| {
        list.iter().map(|own| own.value.clone()).collect::<BTreeSet<_>>()
    };
    let (old, new) = (set(old), set(new));
    of(old.is_subset(&new), new.is_subset(&old))
}

const fn of(has_all_of_old: bool, has_all_of_new: bool) -> AccessChange {
    match (has_all_of_old, has_all_of_new) {
        (true, true) => AccessChange::Same,
        (true, false) => AccessChange::Widened,
        (false, true) => AccessChange::Narrowed,
        (false, false) => AccessChange::Both,
    }
}
