//! The XFCC grammar, as Envoy writes it and as nobody should.

use super::*;

fn parse(text: &str) -> Result<Xfcc, Rejection> {
    Xfcc::parse(&text.into())
}

const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

fn one(text: &str) -> XfccElement {
    let xfcc = parse(text).unwrap();
    assert_eq!(xfcc.elements().len(), 1, "{text}");
    xfcc.elements()[0].clone()
}

#[test]
fn an_element_as_a_sidecar_writes_it_is_read() {
    let element = one(&format!(
        "By=spiffe://a.example/me;Hash={HASH};Subject=\"\";URI=spiffe://a.example/you;DNS=you.example"
    ));
    assert_eq!(element.by(), ["spiffe://a.example/me"]);
    assert_eq!(element.hash().unwrap().to_hex(), HASH);
    assert_eq!(element.subject(), Some(""));
    assert_eq!(element.uris(), ["spiffe://a.example/you"]);
    assert_eq!(element.dns(), ["you.example"]);
    assert!(element.certificate().is_none());
}

#[test]
fn elements_keep_their_order_and_white_space_around_the_comma_is_not_text() {
    let xfcc = parse("URI=spiffe://a/1,URI=spiffe://a/2 , URI=spiffe://a/3").unwrap();
    let uris: Vec<_> = xfcc.elements().iter().flat_map(XfccElement::uris).collect();
    assert_eq!(uris, ["spiffe://a/1", "spiffe://a/2", "spiffe://a/3"]);
    assert!(parse("  ").unwrap().elements().is_empty());
}

/// P32: `\"`, `,`, `;` and `=` inside quotes are text, and `\\` before a quote does not escape it.
#[test]
fn a_quoted_subject_is_one_value_whatever_it_spells() {
    for (text, subject) in [
        (r#"Subject="CN=a\";URI=spiffe://evil/x""#, r#"CN=a\";URI=spiffe://evil/x"#),
        (r#"Subject="CN=a,O=b;URI=spiffe://evil/x""#, "CN=a,O=b;URI=spiffe://evil/x"),
        (r#"Subject="CN=a\\""#, r"CN=a\\"),
        (r#"Subject="CN=a\\\",O=b""#, r#"CN=a\\\",O=b"#),
        (r#"subject="CN=a\,b""#, r"CN=a\,b"),
    ] {
        let element = one(text);
        assert_eq!(element.subject(), Some(subject), "{text}");
        assert!(element.uris().is_empty(), "{text}");
    }
    let both = one(r#"Subject="CN=a\\";URI=spiffe://a/b"#);
    assert_eq!(both.uris(), ["spiffe://a/b"]);
}

/// P33: keys in any case, repeats only where Envoy repeats, empty values are no values.
#[test]
fn keys_are_read_in_any_case_and_repeat_only_where_envoy_repeats_them() {
    let element = one(
        "BY=spiffe://a/1;by=spiffe://a/2;uri=;URI=spiffe://a/3;Dns=a.example;DNS=b.example;Hash=;Cert=\"\"",
    );
    assert_eq!(element.by(), ["spiffe://a/1", "spiffe://a/2"]);
    assert_eq!(element.uris(), ["spiffe://a/3"]);
    assert_eq!(element.dns(), ["a.example", "b.example"]);
    assert!(element.hash().is_none() && element.certificate().is_none());
    for twice in ["Hash=;Hash=", "Cert=x;cert=x", "Chain=x;Chain=x", "Subject=\"\";Subject=\"\""] {
        let error = parse(twice).unwrap_err();
        assert_eq!(error.reason(), Reason::XfccMalformed, "{twice}");
    }
}

/// P87: keys beyond the documented ones are ignored and counted, quoted or not.
#[test]
fn unknown_keys_are_ignored_and_counted() {
    let xfcc =
        parse("Issuer=\"CN=ca,O=\\\"x\\\"\";URI=spiffe://a/b;Foo=1,URI=spiffe://a/c;Bar=").unwrap();
    assert_eq!(xfcc.unknown_keys(), 3);
    assert_eq!(xfcc.elements().len(), 2);
}

/// P84: an unterminated quote condemns the whole header, the element that it swallowed included.
#[test]
fn an_unterminated_quote_makes_the_whole_header_malformed() {
    for text in [
        "By=x;Subject=\"CN=a,By=spiffe://a/me;Hash=00;URI=spiffe://a/you",
        "URI=spiffe://a/you,Subject=\"CN=a",
        "Subject=\"",
        "Subject=\"CN=a\\\"",
        "Subject=\"CN=a\\",
    ] {
        assert_eq!(parse(text).unwrap_err().reason(), Reason::XfccMalformed, "{text}");
    }
}

#[test]
fn what_does_not_follow_the_grammar_is_malformed() {
    let short = HASH.trim_start_matches('4');
    let not_hex = HASH.replace('4', "g");
    for text in [
        "spiffe://a/b",
        "URI",
        "=x",
        "U RI=x",
        "URI=a,,URI=b",
        "URI=a;;DNS=b",
        "URI=a;",
        "URI=a,",
        ",URI=a",
        "URI=a\"b",
        "Subject=\"a\"b",
        "Subject=\"a\" ;URI=b",
        "URI=a\0b",
        "URI=a\nb",
        &format!("Hash={short}"),
        &format!("Hash={not_hex}"),
    ] {
        assert_eq!(parse(text).unwrap_err().reason(), Reason::XfccMalformed, "{text}");
    }
}

#[test]
fn a_header_is_bounded_in_bytes_elements_and_names() {
    let elements = vec!["URI=a"; MAX_XFCC_ELEMENTS].join(",");
    assert!(parse(&elements).is_ok());
    assert!(parse(&format!("{elements},URI=a")).is_err());
    assert!(parse(&vec!["URI=a"; 10_000].join(",")).is_err());
    assert!(parse(&vec!["DNS=a"; MAX_SUBJECT_ALT_NAMES + 1].join(";")).is_err());
    assert!(parse(&format!("URI={}", "a".repeat(MAX_XFCC_BYTES))).is_err());
}
