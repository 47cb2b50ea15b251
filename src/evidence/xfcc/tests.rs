//! The XFCC grammar, as Envoy writes it, and in forms that are refused.

mod laws;

use super::*;
use crate::limits::{MAX_SUBJECT_ALT_NAMES, MAX_XFCC_BYTES, MAX_XFCC_ELEMENTS};
use crate::reason::{Reason, Rejection};

fn parse(text: &str) -> Result<Xfcc, Rejection> {
    Xfcc::parse(&text.into())
}

const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

fn one(text: &str) -> XfccElement {
    let xfcc = parse(text).unwrap();
    assert_eq!(xfcc.elements.len(), 1, "{text}");
    xfcc.elements[0].clone()
}

#[test]
fn an_element_as_a_sidecar_writes_it_is_read() {
    let element = one(&format!(
        "By=spiffe://a.example/me;Hash={HASH};Subject=\"\";URI=spiffe://a.example/you;DNS=you.example"
    ));
    assert_eq!(element.by, ["spiffe://a.example/me"]);
    assert_eq!(element.hash.as_ref().unwrap().to_hex(), HASH);
    assert_eq!(element.subject.as_deref(), Some(""));
    assert_eq!(element.uris, ["spiffe://a.example/you"]);
    assert_eq!(element.dns, ["you.example"]);
    assert!(element.certificate.as_ref().is_none());
}

#[test]
fn elements_keep_their_order_and_white_space_after_the_comma_is_not_text() {
    let xfcc = parse("URI=spiffe://a/1,URI=spiffe://a/2,  URI=spiffe://a/3").unwrap();
    let uris: Vec<_> = xfcc.elements.iter().flat_map(|element| &element.uris).collect();
    assert_eq!(uris, ["spiffe://a/1", "spiffe://a/2", "spiffe://a/3"]);
    assert!(parse("  ").unwrap().elements.is_empty());
}

/// P32: `\"`, `,` and `=` inside quotes are text, and `\\` before a quote does not escape it.
#[test]
fn a_quoted_subject_is_one_value_whatever_it_spells() {
    for (text, subject) in [
        (r#"Subject="CN=a\"\;URI=spiffe://evil/x""#, r#"CN=a\"\;URI=spiffe://evil/x"#),
        (r#"Subject="CN=a,O=b\;URI=spiffe://evil/x""#, r"CN=a,O=b\;URI=spiffe://evil/x"),
        (r#"Subject="CN=a\\""#, r"CN=a\\"),
        (r#"Subject="CN=a\\\",O=b""#, r#"CN=a\\\",O=b"#),
        (r#"subject="CN=a\,b""#, r"CN=a\,b"),
        (r#"Subject="CN=w\C3\A9b\01""#, r"CN=w\C3\A9b\01"),
    ] {
        let element = one(text);
        assert_eq!(element.subject.as_deref(), Some(subject), "{text}");
        assert!(element.uris.is_empty(), "{text}");
    }
    let both = one(r#"Subject="CN=a\\";URI=spiffe://a/b"#);
    assert_eq!(both.uris, ["spiffe://a/b"]);
}

/// P88: quotes stand around what Envoy quotes, with text in them that Envoy can have quoted. A quote that a caller opened
/// before Envoy's own element would close inside of it otherwise.
#[test]
fn quotes_hold_what_envoy_can_have_quoted() {
    for text in [
        "Subject=\"CN=a;O=b\"",
        "Subject=\"CN=a<b\"",
        "Subject=\"CN=a\\z\"",
        "Subject=\"CN=a\\0\"",
        "Subject=\"CN=x,By=spiffe://a/me;Hash=0;URI=spiffe://a/x\"",
        "Subject=CN=a",
        "Issuer=\"CN=a;O=b\"",
        "Foo=\"a;b\"",
        "Cert=\"\"",
        "Cert=x",
        "Cert=\"a,b\"",
        "Cert=\"a;b\"",
        "Cert=\"a b\"",
        "Chain=\"a\\b\"",
        "By=\"spiffe://a/b\"",
        "URI=\"spiffe://a/b\"",
        "DNS=\"a.example\"",
        &format!("Hash=\"{HASH}\""),
    ] {
        assert_eq!(parse(text).unwrap_err().reason(), Reason::XfccMalformed, "{text}");
    }
}

/// P88: keys in Envoy's order; a pair that stands out of it was spelled by a name.
#[test]
fn keys_stand_in_the_order_in_which_envoy_writes_them() {
    let pairs = [
        String::from("By=spiffe://a/me"),
        format!("Hash={HASH}"),
        String::from("Cert=\"x\""),
        String::from("Chain=\"x\""),
        String::from("Subject=\"CN=a\""),
        String::from("URI=spiffe://a/b"),
        String::from("DNS=a.example"),
        String::from("Issuer=\"CN=ca\""),
        String::from("Future=1"),
    ];
    assert!(parse(&pairs.join(";")).is_ok());
    for (before, one) in pairs.iter().enumerate() {
        for other in &pairs[before + 1..] {
            assert!(parse(&format!("{one};{other}")).is_ok(), "{one} {other}");
            assert!(parse(&format!("{other};{one}")).is_err(), "{other} {one}");
        }
    }
}

/// P89: a name is one of its kind, to the last byte, in every element of the header.
#[test]
fn a_name_is_what_its_kind_has_to_be() {
    for pair in [
        "URI=spiffe://a/b ",
        "URI= spiffe://a/b",
        "URI=a.example",
        "URI=spiffe://a/\\b",
        "DNS=spiffe://a/b",
        "DNS=a.example ",
        "DNS=a=b",
        "DNS=",
        "By=",
        "By=me",
        "URI=;URI=spiffe://a/b",
        "URI=spiffe://a/b;URI=",
        "URI=;URI=",
        "URI=spiffe://a/b;URI=-",
        "URI=-;URI=spiffe://a/b",
        "URI=-;URI=-",
        "URI=-;URI=",
        "URI=;URI=-",
        "By=spiffe://a/b;By=-",
        "By=-;By=spiffe://a/b",
        "DNS=-",
    ] {
        for text in [
            pair.to_owned(),
            format!("{pair},URI=spiffe://a/c"),
            format!("URI=spiffe://a/c,{pair}"),
        ] {
            assert_eq!(parse(&text).unwrap_err().reason(), Reason::XfccMalformed, "{text}");
        }
    }
    assert!(one("URI=").denies_uris);
    let waypoint = one("By=spiffe://a/me;URI=-");
    assert!(waypoint.uris.is_empty() && !waypoint.denies_uris, "Envoy's word for nothing");
}

/// P33: keys in any case, repeats only where Envoy repeats.
#[test]
fn keys_are_read_in_any_case_and_repeat_only_where_envoy_repeats_them() {
    let element = one(
        "BY=spiffe://a/1;by=spiffe://a/2;uri=spiffe://a/3;URI=spiffe://a/4;Dns=a.example;DNS=b.example",
    );
    assert_eq!(element.by, ["spiffe://a/1", "spiffe://a/2"]);
    assert_eq!(element.uris, ["spiffe://a/3", "spiffe://a/4"]);
    assert_eq!(element.dns, ["a.example", "b.example"]);
    assert!(element.hash.as_ref().is_none() && element.certificate.as_ref().is_none());
    for twice in [
        &format!("Hash={HASH};Hash={HASH}"),
        "Cert=\"x\";cert=\"x\"",
        "Chain=\"x\";Chain=\"x\"",
        "Subject=\"\";Subject=\"\"",
        "Issuer=\"\";Issuer=\"\"",
        "Hash=",
    ] {
        assert_eq!(parse(twice).unwrap_err().reason(), Reason::XfccMalformed, "{twice}");
    }
}

/// P87: keys beyond the documented ones are ignored and counted, where they cannot change what was read before.
#[test]
fn unknown_keys_are_ignored_and_counted() {
    let xfcc = parse(
        "URI=spiffe://a/b;Issuer=\"CN=ca,O=\\\"x\\\"\";Foo=1;Far=\"2\",URI=spiffe://a/c;Bar=",
    )
    .unwrap();
    assert_eq!(xfcc.unknown_keys, 3);
    assert_eq!(xfcc.elements.len(), 2);
    assert!(parse("Foo=1;URI=spiffe://a/b").is_err());
}

/// P91: what follows a URI can be a part of it, in text.
#[test]
fn a_uri_is_open_where_something_follows_it() {
    assert!(!one("Subject=\"\";URI=spiffe://a/b").has_open_uri);
    assert!(!one("URI=;DNS=a.example").has_open_uri);
    assert!(one("URI=spiffe://a/b;DNS=a.example").has_open_uri);
    assert!(one("URI=spiffe://a/b;Issuer=\"CN=a\"").has_open_uri);
    assert!(one("URI=spiffe://a/b;Foo=1").has_open_uri);
    assert!(!one(r#"[{"uri":["spiffe://a/b"],"dns":["a.example"]}]"#).has_open_uri);
}

/// P95: JSON as Envoy 1.40 writes it, and nothing else.
#[test]
fn json_is_read_as_strictly_as_text() {
    const PEM: &str = "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n";
    let whole = format!(
        r#"[{{"by":["spiffe://a/me"],"hash":"{HASH}","cert":"{PEM}","chain":["{PEM}","{PEM}"],"subject":"CN=a\\,b","uri":["spiffe://a/b"],"dns":["a.example"],"issuer":"CN=ca"}}]"#
    );
    let element = one(&whole);
    assert_eq!(element.by, ["spiffe://a/me"]);
    assert_eq!(element.hash.as_ref().unwrap().to_hex(), HASH);
    assert_eq!(element.subject.as_deref(), Some(r"CN=a\,b"));
    assert_eq!(element.uris, ["spiffe://a/b"]);
    assert_eq!(element.dns, ["a.example"]);
    assert_eq!(element.certificate.as_ref().unwrap().decode().unwrap().intermediates.len(), 1);
    assert!(parse(&whole).unwrap().is_json && !parse("URI=spiffe://a/b").unwrap().is_json);
    assert!(parse("[]").unwrap().elements.is_empty());
    let sixteen = vec!["{}"; MAX_XFCC_ELEMENTS];
    assert_eq!(parse(&format!("[{}]", sixteen.join(","))).unwrap().elements.len(), 16);
    let names = vec!["\"a\""; MAX_SUBJECT_ALT_NAMES + 1].join(",");
    let certificates = vec![format!("\"{PEM}\""); 9].join(",");
    for text in [
        "[",
        "[,{}]",
        "[{}],URI=spiffe://a/b",
        "[{}],[{}]",
        "[1]",
        "[[]]",
        r#"["a"]"#,
        r#"[{"hash":1}]"#,
        r#"[{"hash":""}]"#,
        r#"[{"uri":"spiffe://a/b"}]"#,
        r#"[{"uri":[]}]"#,
        r#"[{"uri":[1]}]"#,
        r#"[{"uri":[["spiffe://a/b"]]}]"#,
        r#"[{"uri":["spiffe://a/b","x"]}]"#,
        r#"[{"uri":["spiffe://a/b;DNS=a"]}]"#,
        r#"[{"uri":["spiffe://a/b,URI=spiffe://a/c"]}]"#,
        r#"[{"dns":["spiffe://a/b"]}]"#,
        r#"[{"dns":["a\u0000b"]}]"#,
        r#"[{"subject":"CN=a;b"}]"#,
        r#"[{"subject":"CN=a\u0001"}]"#,
        r#"[{"subject":["CN=a"]}]"#,
        r#"[{"cert":"x"}]"#,
        r#"[{"cert":"-----BEGIN CERTIFICATE-----\nA,B\n-----END CERTIFICATE-----\n"}]"#,
        r#"[{"cert":"-----BEGIN CERTIFICATE-----\nAAAA\n"}]"#,
        r#"[{"cert":"AAAA\n-----END CERTIFICATE-----\n"}]"#,
        r#"[{"chain":"x"}]"#,
        r#"[{"URI":["spiffe://a/b"]}]"#,
        r#"[{"other":1}]"#,
        r#"[{"uri":["spiffe://a/b"],"uri":["spiffe://a/c"]}]"#,
        r#"[{"uri":["spiffe://a/b"],"\u0075ri":["spiffe://a/c"]}]"#,
        &format!("[{}]", vec!["{}"; MAX_XFCC_ELEMENTS + 1].join(",")),
        &format!(r#"[{{"dns":[{names}]}}]"#),
        &format!(r#"[{{"chain":[{certificates}]}}]"#),
    ] {
        assert_eq!(parse(text).unwrap_err().reason(), Reason::XfccMalformed, "{text}");
    }
}

/// P95: Envoy goes on in the form that the header seems to have, which a caller chooses: text behind the beginning of a JSON
/// string, closed by a name that spells JSON, is no JSON element.
#[test]
fn text_inside_of_json_is_malformed() {
    let spelled = r#""},{"by":["spiffe://a/me"],"uri":["spiffe://a/victim"]}]"#;
    for key in ["uri", "dns", "by"] {
        let text = format!(r#"[{{"{key}":["x,By=spiffe://a/me;Hash={HASH};URI=;DNS={spelled}"#);
        assert_eq!(parse(&text).unwrap_err().reason(), Reason::XfccMalformed, "{text}");
    }
    for key in ["subject", "issuer", "hash", "cert", "other"] {
        let text = format!(r#"[{{"{key}":"x,By=spiffe://a/me;Hash={HASH};URI=;DNS={spelled}"#);
        assert_eq!(parse(&text).unwrap_err().reason(), Reason::XfccMalformed, "{text}");
    }
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
        "URI=spiffe://a/1 ,URI=spiffe://a/2",
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
    let elements = vec!["URI=a:b"; MAX_XFCC_ELEMENTS].join(",");
    assert!(parse(&elements).is_ok());
    assert!(parse(&format!("{elements},URI=a:b")).is_err());
    assert!(parse(&vec!["URI=a:b"; 8_000].join(",")).is_err());
    assert!(parse(&vec!["DNS=a"; MAX_SUBJECT_ALT_NAMES].join(";")).is_ok());
    assert!(parse(&vec!["DNS=a"; MAX_SUBJECT_ALT_NAMES + 1].join(";")).is_err());
    assert!(parse(&format!("URI=a:{}", "a".repeat(MAX_XFCC_BYTES))).is_err());
}
