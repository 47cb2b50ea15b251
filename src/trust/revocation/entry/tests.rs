//! Entries that are accepted, and the messages about those that are not.

use super::*;

fn spec(json: &str) -> RevocationEntrySpec<String> {
    serde_json::from_str(json).unwrap()
}

const PRINT: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn every_kind_is_read_and_written_back_in_one_form() {
    for (written, canonical) in [
        (r#"{"jti":"a b","issuer":"https://i"}"#, None),
        (r#"{"sub":"alice","issuer":"https://i","issuedBefore":"2026-11-22T03:00:00Z"}"#, None),
        (
            r#"{"sid":"s","issuer":"https://i","reason":"r","author":"a","at":"2026-11-22T03:00:00Z"}"#,
            None,
        ),
        (r#"{"client":"web","issuer":"https://i","expires":"2026-11-22T03:00:00Z"}"#, None),
        (r#"{"kid":"k","issuer":"https://i"}"#, None),
        (r#"{"issuer":"https://i"}"#, None),
        (
            r#"{"serial":"0A:1B","certificateIssuer":"CN=ca"}"#,
            Some(r#"{"serial":"a1b","certificateIssuer":"CN=ca"}"#),
        ),
        (
            r#"{"spki":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="}"#,
            Some(r#"{"spki":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#),
        ),
        (r#"{"spiffe":"spiffe://a/b","issuedBefore":"2026-11-22T03:00:00Z"}"#, None),
        (
            r#"{"spiffe":"spiffe://a/b","expires":"2026-11-22T04:00:00.25+01:00"}"#,
            Some(r#"{"spiffe":"spiffe://a/b","expires":"2026-11-22T03:00:01Z"}"#),
        ),
    ] {
        let entry = RevocationEntry::read(&spec(written)).unwrap();
        assert_eq!(entry.spec(), spec(canonical.unwrap_or(written)), "{written}");
        let again = RevocationEntry::read(&entry.spec()).unwrap();
        assert_eq!(
            (again.id(), again.target().digest()),
            (entry.id(), entry.target().digest()),
            "{written}"
        );
    }
}

/// P77: an entry that is half understood would revoke something else, or nothing.
#[test]
fn what_is_wrong_with_an_entry_is_said_at_its_field() {
    let long = format!(r#"{{"jti":"{}","issuer":"i"}}"#, "x".repeat(2000));
    for (written, field) in [
        ("{}", None),
        (r#"{"reason":"r"}"#, None),
        (r#"{"jti":"a"}"#, Some("jti")),
        (r#"{"jti":"","issuer":"i"}"#, Some("jti")),
        (r#"{"jti":"a\u0000","issuer":"i"}"#, Some("jti")),
        (long.as_str(), Some("jti")),
        (r#"{"jti":"a","sub":"b","issuer":"i"}"#, Some("sub")),
        (r#"{"jti":"a","issuer":"i","issuedBefore":"2026-11-22T03:00:00Z"}"#, Some("issuedBefore")),
        (r#"{"sub":"a","issuer":"i","issuedBefore":"yesterday"}"#, Some("issuedBefore")),
        (r#"{"sub":"a","issuer":"i","expires":"1700000000"}"#, Some("expires")),
        (r#"{"serial":"1f"}"#, Some("serial")),
        (r#"{"serial":"1f","issuer":"i"}"#, Some("issuer")),
        (r#"{"serial":"one","certificateIssuer":"CN=a"}"#, Some("serial")),
        (r#"{"spki":"abc"}"#, Some("spki")),
        (r#"{"certificate":"abc"}"#, Some("certificate")),
        (r#"{"spiffe":"spiffe://A/b"}"#, Some("spiffe")),
        (r#"{"spiffe":"spiffe://a/b","issuer":"i"}"#, Some("issuer")),
        (r#"{"spiffe":"spiffe://a/b","certificateIssuer":"CN=a"}"#, Some("certificateIssuer")),
    ] {
        let error = RevocationEntry::read(&spec(written)).unwrap_err();
        assert_eq!(error.field, field, "{written}: {error}");
        assert!(!error.message.ends_with('.'), "{error}");
    }
    let unknown = serde_json::from_str::<RevocationEntrySpec<String>>(r#"{"jit":"a"}"#);
    assert!(unknown.unwrap_err().to_string().contains("unknown field"));
}

/// P174: entries that no certificate can match are refused, and what is stored is read again.
#[test]
fn a_decimal_number_and_a_trust_domain_revoke_no_certificate() {
    let serial = |text: &str| {
        let json = serde_json::json!({ "serial": text, "certificateIssuer": "CN=ca" });
        RevocationEntry::read(&spec(&json.to_string()))
    };
    for decimal in ["457097709133432223940211199328656710031316293393", "12345678901234567"] {
        let error = serial(decimal).unwrap_err();
        assert!(error.message.contains("decimal"), "{error}");
        let entry = serial(&format!("0x{decimal}")).unwrap();
        let again = RevocationEntry::read(&entry.spec()).unwrap();
        assert_eq!((again.id(), again.target().digest()), (entry.id(), entry.target().digest()));
    }
    let pairs = "12:34:56:78:90:12:34:56:78:90";
    assert_eq!(serial(pairs).unwrap().spec().serial.as_deref(), Some("0x12345678901234567890"));
    for hexadecimal in ["1234567890123456", "1234567890123456789a", "5010f85d2680673e0f"] {
        assert_eq!(serial(hexadecimal).unwrap().spec().serial.as_deref(), Some(hexadecimal));
    }
    let domain = RevocationEntry::read(&spec(r#"{"spiffe":"spiffe://a"}"#)).unwrap_err();
    assert!(domain.message.contains("trust domain"), "{domain}");
}

#[test]
fn an_entry_is_named_by_what_it_revokes_and_its_limits() {
    let entry = |json: &str| RevocationEntry::read(&spec(json)).unwrap();
    let plain = entry(r#"{"sub":"a","issuer":"i"}"#);
    let explained = entry(r#"{"sub":"a","issuer":"i","reason":"r","author":"b"}"#);
    let limited = entry(r#"{"sub":"a","issuer":"i","issuedBefore":"2026-11-22T03:00:00Z"}"#);
    assert_eq!(plain.id(), explained.id());
    assert_ne!(plain.id(), limited.id());
    assert_eq!(plain.target().digest(), limited.target().digest());
    let (spki, certificate) = (
        entry(&format!(r#"{{"spki":"{PRINT}"}}"#)),
        entry(&format!(r#"{{"certificate":"{PRINT}"}}"#)),
    );
    let print = Fingerprint::of(b"abc");
    assert_eq!(spki.target().digest(), RevocationTarget::<&str>::Spki(print).digest());
    assert_eq!(
        certificate.target().digest(),
        RevocationTarget::<&str>::Certificate(print).digest()
    );
}
