//! Keys in every spelling.

use super::*;

/// P768: a key that is written with escapes may be that of a secret, and hides its value and all below.
#[test]
fn a_key_with_escapes_hides_its_value() {
    for (text, line) in [
        ("\"passwor\\u0064\": ^{ name: hunter2 }", "<hidden>: { name: <hidden> }"),
        ("\"secre\\u0074\" :\n  name: ^hunter2", "name: <hidden>"),
        ("{ \"\\x74oken\": { name: ^hunter2 } }", "{ <hidden>: { name: <hidden> } }"),
        ("\"pass\\\"word\":\n- name: ^hunter2", "- name: <hidden>"),
    ] {
        assert_eq!(shown(text).0, line, "{text}");
    }
}

/// P773: a key that is no plain word is one, also behind another in brackets, and its value is not that of the key before.
#[test]
fn a_key_of_any_characters_hides_its_value() {
    for key in [
        "contraseña",
        "\"contraseña\"",
        "clé",
        "a/token",
        "\"a/token\"",
        "$pass",
        "@pass",
        "'pa''ss'",
        "\"pa:ss\"",
        "pass word é",
        "'a, b'",
        "\"{a}\"",
        "пароль",
        "pass+phrase",
        "\"it's\"",
        "!!str pass",
    ] {
        for text in [
            format!("{{ name: x, {key}: hunter2 }}"),
            format!("target: {{ name: x, {key}: hunter2, id: b }}"),
            format!("target: {{ name: x, {key} : hunter2 }}"),
            format!("rules: [{{ name: x, {key}: [hunter2] }}]"),
            format!("rules: [{{ name: x, {key}: {{ k: hunter2 }} }}]"),
            format!("name: x\n{key}: hunter2\n"),
            format!("- name: x\n  {key}:\n    hunter2\n"),
            format!("target: {{ name: x,\n  {key}: hunter2 }}"),
            format!("target: {{ name: x,\n  id: y, {key}: hunter2 }}"),
        ] {
            let (shown, _) = hide(&text, &masks(&text), 0..0);
            assert!(!shown.contains("hunter2"), "{text}\n{shown}");
        }
    }
    for key in ["a/secret", "\"a/secret\"", "'a secret é'", "$password"] {
        let text = format!("{{ id: x, {key}: {{ name: hunter2 }} }}");
        assert!(!hide(&text, &masks(&text), 0..0).0.contains("hunter2"), "{text}");
    }
}

/// P778: cases that the parser found.
#[test]
fn a_value_is_that_of_the_key_that_the_parser_reads() {
    for text in [
        "myKey: [{ name: a }, hunter2]",
        "name: { \"\\u006Eame\": [a], password: { \"file\": hunter2 } }",
        "name: [{ id: a, keys: { inline: b }, more: hunter2 }]",
        "name: { client_secret: a, b: { id: c }, d: hunter2 }",
    ] {
        let (shown, _) = hide(text, &masks(text), 0..0);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
