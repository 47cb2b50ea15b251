//! The documents of trust of two sets: whose certificates and tokens count.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::places::{Place, Places};
use super::report::{ChangeEntry, KeyEntry};
use crate::document::{Attachments, Document, Spanned, Spec};
use crate::policy::{AccessChange, RuleChangeKind};
use crate::trust::DEFAULT_MAX_LIFETIME;

/// The changes of documents of trust. More trust lets in more callers, as far as rules let them; and a list that revokes more, fewer.
pub(super) fn changes(before: &Places, after: &Places) -> Vec<ChangeEntry> {
    let (old, new) = (before.trust(), after.trust());
    let names: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let entries = names.into_iter().filter_map(|name| {
        let (one, other) = (old.get(&name).copied(), new.get(&name).copied());
        let (kind, access, keys) = match (one, other) {
            (Some(one), Some(other)) => {
                let mut keys = keys(&one.0, &other.0);
                keys.extend(files(&one.0, &other.0));
                if keys.is_empty() && one.1 == other.1 {
                    return None;
                }
                // Other keys may have changed as well.
                (RuleChangeKind::Changed, AccessChange::CannotTell, keys)
            }
            (None, _) => (RuleChangeKind::Added, of_whole(name.0, true), Vec::new()),
            (_, None) => (RuleChangeKind::Removed, of_whole(name.0, false), Vec::new()),
        };
        Some(ChangeEntry {
            kind: name.0,
            name: name.1.to_owned(),
            change: kind,
            effect: None,
            access,
            keys,
            before: one.and_then(|own| place(&own.0)),
            after: other.and_then(|own| place(&own.0)),
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

/// The files that either document names and that have other contents. What is in them is not compared.
fn files(one: &Document, other: &Document) -> Vec<KeyEntry> {
    let (old, new) = (Attachments::named_in(one), Attachments::named_in(other));
    let contents = |path: Option<&PathBuf>| path.and_then(|path| fs::read(path).ok());
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let changed =
        names.into_iter().filter(|name| contents(old.get(*name)) != contents(new.get(*name)));
    let entry = |name: &String| KeyEntry {
        key: format!("file {name}"),
        access: AccessChange::CannotTell,
        before: old.get(name).and_then(|_| place(one)),
        after: new.get(name).and_then(|_| place(other)),
    };
    changed.map(entry).collect()
}

/// The place of the name of a document.
fn place(document: &Document) -> Option<Place> {
    Some(document.origin.span(&document.metadata.name).into())
}

fn keys(one: &Document, other: &Document) -> Vec<KeyEntry> {
    let (Spec::TokenIssuer(old), Spec::TokenIssuer(new)) = (&one.spec, &other.spec) else {
        return Vec::new();
    };
    let lifetime = |own: &Option<Spanned<crate::document::HumanDuration>>| {
        own.as_ref().map_or(DEFAULT_MAX_LIFETIME, |own| own.value.get())
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
