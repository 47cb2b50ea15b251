//! Templates and the paths that they match.

use super::*;

fn matches(template: &str, path: &str) -> bool {
    let path = CanonicalPath::parse(path, PathLeniency::ALL).unwrap();
    PathTemplate::parse(template).unwrap().matches(&path)
}

/// P25: a wildcard is one whole segment and never empty; only `**` crosses a `/`.
#[test]
fn wildcards_do_not_cross_segments_and_are_not_empty() {
    for (template, path, expected) in [
        ("/", "/", true),
        ("/", "/a", false),
        ("/a", "/a", true),
        ("/a", "/a/", false),
        ("/a/", "/a/", true),
        ("/a", "/A", false),
        ("/*", "/a", true),
        ("/*", "/", false),
        ("/*", "/a/b", false),
        ("/a/*", "/a/", false),
        ("/a/*", "/a/b%20c", true),
        ("/a/*/", "/a/b/", true),
        ("/a/{id}", "/a/17", true),
        ("/a/{id}", "/a/", false),
        ("/a/{id}", "/a/17/b", false),
        ("/a/{id}/b", "/a/17/b", true),
        ("/**", "/", true),
        ("/**", "/a/b/c", true),
        ("/a/**", "/a", false),
        ("/a/**", "/a/", true),
        ("/a/**", "/a/b/c/", true),
        ("/a/**", "/ab", false),
        ("/a/{x}/**", "/a/b", false),
        ("/a/{x}/**", "/a/b/c", true),
        ("/caf%C3%A9", "/caf%c3%a9", true),
        ("/100%25", "/100%25", true),
        ("/a%2Fb", "/a%2fb", true),
        ("/a%2Fb", "/a/b", false),
        ("/a/b", "/a%2Fb", false),
        ("/**/c", "/a%2Fb/c", true),
        ("/**/b", "/b", true),
        ("/**/b", "/a/c/b", true),
        ("/**/b", "/b/", false),
        ("/**/b/", "/a/b/", true),
        ("/a/**/b", "/a/b", true),
        ("/a/**/b", "/a/x/y/b", true),
        ("/a/**/b", "/a/b/c", false),
        ("/a/**/b", "/x/a/b", false),
        ("/a/**/", "/a/", true),
        ("/a/**/", "/a/x/", true),
        ("/a/**/", "/a/x", false),
        ("/a/**/*/b", "/a/b", false),
        ("/a/**/*/b", "/a/x/b", true),
        ("/**/b/**", "/a/b", false),
        ("/**/b/**", "/a/b/", true),
        ("/**/b/**", "/b/c/d", true),
        ("/a/**/b/**/c", "/a/b/c", true),
        ("/a/**/b/**/c", "/a/x/b/b/y/c", true),
        ("/a/**/b/**/c", "/a/c", false),
        ("/**/**", "/", true),
    ] {
        assert_eq!(matches(template, path), expected, "{template} {path}");
    }
}

/// The meaning of a template, one segment after the other.
fn matches_slowly(template: &[&str], path: &[&str]) -> bool {
    match (template, path) {
        ([], []) => true,
        (["**"], [_, ..]) => true,
        (["**", rest @ ..], path) if !rest.is_empty() => {
            let longer = |path: &[&str]| matches!(path, [one, tail @ ..] if !one.is_empty() && matches_slowly(template, tail));
            matches_slowly(rest, path) || longer(path)
        }
        (["*", template @ ..], [segment, path @ ..]) => {
            !segment.is_empty() && matches_slowly(template, path)
        }
        ([literal, template @ ..], [segment, path @ ..]) => {
            literal == segment && matches_slowly(template, path)
        }
        ([], _) | (_, []) => false,
    }
}

proptest::proptest! {
    /// P25, P124: against a reference that is too simple to be wrong.
    #[test]
    fn templates_match_what_the_reference_matches(
        template in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "*", "**", "a%2Fb"]), 0..5),
        deep in proptest::prelude::any::<bool>(),
        path in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "**", "c d", "a%2Fb"]), 0..6),
        slash in proptest::prelude::any::<bool>(),
    ) {
        let ends = |parts: &[&str], end: bool, with: &'static str| {
            let own: Vec<_> = parts.iter().map(ToString::to_string).chain(end.then(|| with.to_owned())).collect();
            if own.is_empty() { vec![String::new()] } else { own }
        };
        let (template, path) = (ends(&template, deep, "**"), ends(&path, slash, ""));
        fn texts(parts: &[String]) -> Vec<&str> {
            parts.iter().map(String::as_str).collect()
        }
        let slow = matches_slowly(&texts(&template), &texts(&path));
        let (template, path) = (template.join("/"), path.join("/").replace(' ', "%20"));
        proptest::prop_assert_eq!(matches(&format!("/{template}"), &format!("/{path}")), slow);
    }
}

#[test]
fn captures_are_decoded_segments() {
    let template = PathTemplate::parse("/v1/{tenant}/orders/{id}").unwrap();
    let path = CanonicalPath::parse("/v1/a%20b/orders/17", PathLeniency::default()).unwrap();
    assert_eq!(template.captures().collect::<Vec<_>>(), ["tenant", "id"]);
    assert_eq!(template.capture("tenant", &path), Some("a b"));
    assert_eq!(template.capture("id", &path), Some("17"));
    assert_eq!(template.capture("other", &path), None);
    let template = PathTemplate::parse("/{a}/**/{b}/c/{d}").unwrap();
    for (path, expected) in [("/1/2/c/4", ["1", "2", "4"]), ("/1/x/y/c/2/c/4", ["1", "2", "4"])] {
        let path = CanonicalPath::parse(path, PathLeniency::default()).unwrap();
        assert!(template.matches(&path));
        let found = ["a", "b", "d"].map(|name| template.capture(name, &path).unwrap());
        assert_eq!(found, expected, "{path:?}");
    }
}

#[test]
fn the_narrower_of_two_templates_is_known() {
    for (wide, narrow) in [
        ("/**", "/a/**"),
        ("/**", "/"),
        ("/a/**", "/a/*"),
        ("/a/*", "/a/b"),
        ("/*/b", "/a/b"),
        ("/*/b/c", "/a/*/c"),
        ("/a/*/**", "/a/*/c"),
        ("/a/**", "/a/**/c"),
        ("/a/**/c", "/a/*/c"),
        ("/**/c", "/*/c"),
    ] {
        let (wide, narrow) =
            (PathTemplate::parse(wide).unwrap(), PathTemplate::parse(narrow).unwrap());
        assert!(wide.cmp_narrowness(&narrow).is_lt(), "{wide:?} {narrow:?}");
        assert!(narrow.cmp_narrowness(&wide).is_gt(), "{wide:?} {narrow:?}");
    }
}

#[test]
fn a_template_covers_what_it_always_matches() {
    let covers =
        |a: &str, b: &str| PathTemplate::parse(a).unwrap().covers(&PathTemplate::parse(b).unwrap());
    for (wide, narrow, expected) in [
        ("/a", "/a", true),
        ("/a", "/*", false),
        ("/*", "/a", true),
        ("/{x}", "/*", true),
        ("/*", "/", false),
        ("/**", "/", true),
        ("/**", "/**", true),
        ("/a/**", "/a", false),
        ("/a/**", "/a/", true),
        ("/a/**", "/a/b/**", true),
        ("/a/b/**", "/a/**", false),
        ("/a/*", "/a/**", false),
        ("/*/b", "/a/*", false),
        ("/a/**", "/a/**/b", true),
        ("/**", "/a/**/b", true),
        ("/a/b/**", "/a/**/b", false),
        ("/a/**/b", "/a/b", true),
        ("/a/**/b", "/a/*/b", true),
        ("/a/**/b", "/a/**/c/b", true),
        ("/a/**/b", "/a/**/b", true),
        ("/a/**/b", "/a/**", false),
        ("/a/*/b", "/a/**/b", false),
        ("/**/b/**", "/a/b/c", true),
        ("/**/b/**", "/a/b", false),
        ("/**/b/**", "/b/**/c", true),
        ("/**/b/**", "/**/b/**", true),
    ] {
        assert_eq!(covers(wide, narrow), expected, "{wide} {narrow}");
    }
}

/// P19: a template is held to the same canonical form as a path.
#[test]
fn what_no_canonical_path_can_match_is_refused() {
    for (text, why) in [
        ("", "start with"),
        ("a/b", "start with"),
        ("/a?b=c", "query"),
        ("/a//b", "empty segment"),
        ("/a//**", "empty segment"),
        ("/a/../b", "`..`"),
        ("/a/%2e", "needs no encoding"),
        ("/a%5Cb", "separator"),
        ("/a%2F..", "`..`"),
        ("/a%2F%2Fb", "empty segment"),
        ("/**/{a}/**", "more than one segment"),
        ("/**/{a}/b/**/c", "more than one segment"),
        ("/café", "percent-encoded"),
        ("/a b", "percent-encoded"),
        ("/a;b", "`;`"),
        ("/a*", "whole segment"),
        ("/a/***", "whole segment"),
        ("/{}", "not a name"),
        ("/{a-b}", "not a name"),
        ("/{1}", "not a name"),
        ("/x{a}", "not `{name}`"),
        ("/{a}/{a}", "twice"),
        ("/{a", "not `{name}`"),
    ] {
        let (message, _) = PathTemplate::parse(text).unwrap_err();
        assert!(message.contains(why), "{text}: {message}");
    }
}
