//! Selection by labels.

use std::collections::HashMap;
use std::slice;

use crate::document::Node;

/// The places of objects, by the names of labels and by their values.
#[derive(Debug, Default)]
pub(super) struct Labelled<'a> {
    places: HashMap<&'a str, HashMap<&'a str, Vec<usize>>>,
}

impl<'a> Labelled<'a> {
    /// Adds an object with `labels` at the place `at`.
    pub(super) fn add(&mut self, at: usize, labels: Option<&'a Node>) {
        for (name, value) in labels.into_iter().flat_map(Node::entries) {
            let Some(value) = value.text() else { continue };
            let of_name = self.places.entry(&name.value).or_default();
            of_name.entry(value).or_default().push(at);
        }
    }

    /// The places of those that `selector` may select, by the label that the fewest have; none if it asks for no value of a label.
    pub(super) fn candidates(&self, selector: &Node) -> Option<Vec<usize>> {
        let of_values = selector.get("matchLabels").into_iter().flat_map(Node::entries);
        let of_values = of_values.map(|(name, own)| (name.value.as_str(), slice::from_ref(own)));
        let listed = selector.items_of("matchExpressions").iter();
        let listed = listed.filter(|own| own.text_of("operator") == Some("In"));
        let of_lists = listed.filter_map(|own| Some((own.text_of("key")?, own.items_of("values"))));
        let found = of_values.chain(of_lists).map(|(name, values)| self.with(name, values));
        let fewest = found.min_by_key(|found| found.iter().map(|own| own.len()).sum::<usize>())?;
        let mut places = fewest.concat();
        places.sort_unstable();
        places.dedup();
        Some(places)
    }

    /// The places of those whose label `name` is one of `values`.
    fn with(&self, name: &str, values: &[Node]) -> Vec<&[usize]> {
        let Some(of_name) = self.places.get(name) else { return Vec::new() };
        let texts = values.iter().filter_map(Node::text);
        texts.filter_map(|own| Some(of_name.get(own)?.as_slice())).collect()
    }
}

/// True if `selector` (`matchLabels` and `matchExpressions`) selects an object with `labels`.
pub(super) fn select(selector: &Node, labels: Option<&Node>) -> bool {
    let value = |name: &str| {
        let mut entries = labels.into_iter().flat_map(Node::entries);
        entries.find(|(key, _)| key.value == name).map(|(_, value)| value)
    };
    let are_equal = |wanted: &Node, name: &str| value(name).is_some_and(|own| is_same(own, wanted));
    let mut wanted = selector.get("matchLabels").into_iter().flat_map(Node::entries);
    let expressions = selector.items_of("matchExpressions");
    wanted.all(|(name, wanted)| are_equal(wanted, &name.value))
        && expressions.iter().all(|own| holds(own, value(own.text_of("key").unwrap_or_default())))
}

/// True if `expression` holds for a label that is `value`.
fn holds(expression: &Node, value: Option<&Node>) -> bool {
    let listed = || {
        let values = expression.items_of("values");
        value.is_some_and(|value| values.iter().any(|own| is_same(own, value)))
    };
    match expression.text_of("operator") {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

/// True if two labels are the same text.
fn is_same(one: &Node, other: &Node) -> bool {
    one.text().is_some() && one.text() == other.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{NodeBudget, SourceFile, Tree};

    /// P613: the objects that are compared with all selectors together are as many as those that they select.
    #[test]
    fn selectors_are_compared_with_the_objects_of_a_label_alone() {
        let count = 2_000;
        let labels: String =
            (0..count).map(|number| format!("{{ app: shop, id: i{number} }}\n---\n")).collect();
        let selectors: String = (0..count)
            .map(|number| match number % 2 {
                0 => format!("{{ matchLabels: {{ app: shop, id: i{number} }} }}\n---\n"),
                _ => format!(
                    "matchExpressions: [{{ key: id, operator: In, values: [i{number}] }}]\n---\n"
                ),
            })
            .collect();
        let read = |text: String| {
            let file = SourceFile::foreign("labels.yaml", text);
            Tree::read(&file, &mut NodeBudget::new(100_000, 0), &mut Vec::new())
        };
        let (labels, selectors) = (read(labels), read(selectors));
        let mut labelled = Labelled::default();
        labels.iter().enumerate().for_each(|(at, own)| labelled.add(at, Some(&own.root)));
        let compared = selectors.iter().filter_map(|own| labelled.candidates(&own.root));
        assert_eq!(compared.map(|own| own.len()).sum::<usize>(), count);
    }

    /// A label that the index does not have selects nothing, and a selector without a value may select anything.
    #[test]
    fn candidates_hold_everything_that_a_selector_selects() {
        let read = |text: &str| {
            let file = SourceFile::foreign("labels.yaml", text.to_owned());
            Tree::read(&file, &mut NodeBudget::new(100, 0), &mut Vec::new())
        };
        let labels = read("{ app: a, tier: web }\n---\n{ app: b, tier: web, one: 1 }\n");
        let mut labelled = Labelled::default();
        labels.iter().enumerate().for_each(|(at, own)| labelled.add(at, Some(&own.root)));
        for (selector, expected) in [
            ("matchLabels: { tier: web, app: b }", Some(&[1][..])),
            ("matchLabels: { app: c }", Some(&[])),
            ("matchLabels: { one: 1 }", Some(&[])),
            ("matchExpressions: [{ key: app, operator: In, values: [a] }]", Some(&[0])),
            ("matchExpressions: [{ key: app, operator: In, values: [b, a, b] }]", Some(&[0, 1])),
            ("matchExpressions: [{ key: app, operator: NotIn, values: [a] }]", None),
            ("{ matchLabels: {} }", None),
        ] {
            let selector = &read(selector)[0].root;
            assert_eq!(labelled.candidates(selector).as_deref(), expected, "{selector:?}");
            for (at, own) in
                labels.iter().enumerate().filter(|(_, own)| select(selector, Some(&own.root)))
            {
                assert!(expected.is_none_or(|found| found.contains(&at)), "{selector:?}: {own:?}");
            }
        }
    }
}
