//! Masking judged by the YAML parser: a value that it reads below the key of a secret, or under a key that is not known to be
//! harmless, is not shown, however the document is spelled.

use proptest::prelude::*;

use super::*;
use crate::document::{Node, NodeBudget, SourceFile, Tree};

/// A key with its spellings.
fn key() -> impl Strategy<Value = String> {
    let harmless =
        prop_oneof![Just("name"), Just("host"), Just("paths"), Just("issuer"), Just("file")];
    let other = prop_oneof![
        Just("password"),
        Just("hmac"),
        Just("keys"),
        Just("client_secret"),
        Just("contraseña"),
        Just("a/token"),
        Just("myKey"),
        Just("pass word"),
        Just("it's"),
        Just("a:b"),
        Just("x{y}"),
        Just("$k"),
        Just("a, b"),
        Just("#k"),
        Just("k #c"),
        Just("- k"),
        Just("пароль"),
        Just("a\\b"),
        Just("say \"x\""),
        Just("token"),
        Just("k]"),
        Just("[k"),
    ];
    prop_oneof![harmless, other].prop_map(str::to_owned)
}

/// The text of a key in a spelling that YAML reads as that key.
fn spelled(key: &str, way: u8) -> String {
    let is_plain = key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '/' | ' '))
        && !key.starts_with('-');
    match way % 4 {
        0 if is_plain => key.to_owned(),
        1 => format!("'{}'", key.replace('\'', "''")),
        2 => {
            let escaped: String = key.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect();
            format!("\"{escaped}\"")
        }
        _ => format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// A value with a number by which it is found again.
fn scalar(number: u32, way: u8) -> String {
    let text = format!("qZ{number}x");
    match way % 6 {
        0 => format!("'{text}'"),
        1 => format!("\"{text}\""),
        2 => format!("'a, {text}'"),
        3 => format!("\"a: {text}\""),
        4 => format!("'# {text}'"),
        _ => text,
    }
}

#[derive(Clone, Debug)]
enum Shape {
    Scalar(u8),
    List(Vec<Self>),
    Map(Vec<(String, u8, Self)>),
}

fn shape() -> impl Strategy<Value = Shape> {
    any::<u8>().prop_map(Shape::Scalar).prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(Shape::List),
            proptest::collection::vec((key(), any::<u8>(), inner), 1..4).prop_map(Shape::Map),
        ]
    })
}

impl Shape {
    /// In brackets.
    fn flow(&self, number: &mut u32) -> String {
        match self {
            Self::Scalar(way) => {
                *number += 1;
                scalar(*number, *way)
            }
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|own| own.flow(number)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entries = unique(entries).into_iter();
                let entries: Vec<_> = entries
                    .map(|(key, way, value)| {
                        format!("{}: {}", spelled(key, *way), value.flow(number))
                    })
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// In lines, at this indentation.
    fn block(&self, indent: usize, number: &mut u32, out: &mut String) {
        let space = " ".repeat(indent);
        match self {
            Self::Scalar(_) => out.push_str(&format!("{space}{}\n", self.flow(number))),
            Self::List(items) => {
                for item in items {
                    out.push_str(&format!("{space}- {}\n", item.flow(number)));
                }
            }
            Self::Map(entries) => {
                for (key, way, value) in unique(entries) {
                    let key = spelled(key, *way);
                    let is_below = way & 64 > 0 && !matches!(value, Self::Scalar(_));
                    if is_below {
                        out.push_str(&format!("{space}{key}:\n"));
                        value.block(indent + 2, number, out);
                    } else {
                        out.push_str(&format!("{space}{key}: {}\n", value.flow(number)));
                    }
                }
            }
        }
    }
}

fn unique(entries: &[(String, u8, Shape)]) -> Vec<&(String, u8, Shape)> {
    let mut seen = BTreeSet::new();
    entries.iter().filter(|(key, ..)| seen.insert(key.as_str())).collect()
}

/// The numbers of values that must not be shown.
fn secret(node: &Node, key: Option<&str>, below: bool, found: &mut Vec<String>) {
    if let Some(text) = node.text() {
        let is_shown = !below && key.is_some_and(is_harmless);
        let number = text.split("qZ").nth(1).and_then(|rest| rest.split('x').next());
        found.extend(number.filter(|_| !is_shown).map(|number| format!("qZ{number}x")));
    }
    for item in node.items() {
        secret(item, key, below, found);
    }
    for (name, value) in node.entries() {
        let below = below || holds_credentials(&name.value);
        secret(value, Some(&name.value), below, found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    /// P773, P778: the parser and masking agree on what stands under which key.
    #[test]
    fn nothing_is_shown_that_the_parser_reads_under_another_key(
        entries in proptest::collection::vec((key(), any::<u8>(), shape()), 1..4),
    ) {
        let (mut text, mut number) = (String::new(), 0);
        Shape::Map(entries).block(0, &mut number, &mut text);
        let file = SourceFile::new("a.yaml", text.clone());
        let trees = Tree::read(&file, &mut NodeBudget::new(text.len(), 0), &mut Vec::new());
        prop_assume!(trees.len() == 1);
        let mut found = Vec::new();
        secret(&trees[0].root, None, false, &mut found);
        let (shown, _) = hide(&text, &masks(&text), 0..0);
        for value in found {
            prop_assert!(!shown.contains(&value), "{value} of\n{text}\nis shown:\n{shown}");
        }
    }
}
