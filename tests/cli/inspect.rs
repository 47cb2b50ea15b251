//! `countersign inspect` as an operator meets it: every form of evidence, the walk, the verdicts, and nothing hostile on
//! the terminal.

use crate::program::{NOW, Props, Run};
use crate::testbed::pki::{COUNTERSIGN, ENVOY, FRONTEND, Identity, REPORTS, Usage};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign::clock::UnixTime;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message as _;
use rcgen::{CertificateParams, SanType};
use serde_json::json;

const DOMAINS: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: TrustDomain
metadata: { name: prod }
spec:
  spiffe: prod.example
  authorities: [{ file: ../ca/prod.pem }]
  forwarders: [\"spiffe://prod.example/ns/edge/sa/*\"]
  leaf: { maxLifetime: 25h }
---
apiVersion: countersign.dev/v1alpha1
kind: TrustDomain
metadata: { name: partner }
spec:
  spiffe: partner.example
  authorities: [{ file: ../ca/prod.pem }]
";

const AT: &str = "--at 2027-01-15T08:00:00Z --documents policies";

fn props() -> Props {
    let props = Props::new();
    props.write("policies/domains.yaml", DOMAINS);
    props
}

fn encoded(identity: &Identity) -> String {
    utf8_percent_encode(&identity.pem(), NON_ALPHANUMERIC).to_string()
}

/// An element as a default Istio sidecar writes it.
fn hashed(identity: &Identity, uri: &str) -> String {
    format!("By={COUNTERSIGN};Hash={};Subject=\"\";URI={uri}", identity.fingerprint().to_hex())
}

/// Nothing on the terminal moves a cursor or turns text round.
#[track_caller]
fn assert_harmless(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let harmful =
            |c: char| (c.is_control() && c != '\n') || ('\u{200b}'..='\u{202e}').contains(&c);
        assert!(!text.contains(harmful), "{text:?}");
    }
    assert!((0..=4).contains(&run.code), "{}", run.stderr);
}

#[test]
fn a_certificate_is_shown_by_every_name_that_it_has() {
    let props = props();
    let run = props.run(&format!("inspect clients/frontend.pem {AT}"), "");
    let (hex, x5t) = {
        let print = props.pki.frontend.fingerprint();
        (print.to_hex(), URL_SAFE_NO_PAD.encode(print.as_bytes()))
    };
    run.shows(
        0,
        &[
            &format!("verified  {FRONTEND}"),
            "trust domain prod",
            "evidence leaf",
            "subject CN=frontend",
            "issuer CN=prod.example demo CA",
            &format!("uri {FRONTEND}"),
            "valid 2027-01-15T07:59:00Z to 2027-01-15T20:00:00Z",
            "12h left, lives 12h1m",
            "key EC, 256 bits",
            "usage digitalSignature, clientAuth",
            &format!("sha256 {hex}"),
            &format!("x5t#S256 {x5t}"),
            "trust domain partner: not asked, it vouches for spiffe://partner.example only",
            "trust domain prod: vouches its chain holds until 2027-01-15T20:00:00Z",
        ],
    );
    let json = props.run(&format!("inspect - --output json {AT}"), props.pki.frontend.pem()).json();
    assert_eq!(json["peer"]["verdict"], "verified");
    assert_eq!(json["peer"]["spiffe"], FRONTEND);
    let leaf = &json["xfcc"]["elements"][0]["certificate"]["leaf"];
    assert_eq!((&leaf["x5t#S256"], &leaf["sha256"]), (&json!(x5t), &json!(hex)));
    assert_eq!(leaf["seconds_left"], 12 * 3600);
    let spki = leaf["spki_sha256"].as_str().unwrap();
    assert_eq!(STANDARD.decode(spki).unwrap().len(), 32);
}

/// A pin that is printed here can be put into a document as it is.
#[test]
fn the_printed_pins_are_pins() {
    let props = props();
    let json = props.run("inspect clients/frontend.pem --output json", "").json();
    let leaf = &json["xfcc"]["elements"][0]["certificate"]["leaf"];
    for (kind, pin) in [("spki", &leaf["spki_sha256"]), ("certificate", &leaf["sha256"])] {
        let pinned = DOMAINS.replace("maxLifetime: 25h", &format!("pins: [{{ {kind}: {pin} }}]"));
        props.write("policies/domains.yaml", pinned);
        assert_eq!(props.run(&format!("inspect clients/frontend.pem {AT}"), "").code, 0, "{kind}");
        let other = props.run(&format!("inspect clients/reports.pem {AT}"), "");
        assert!(other.stdout.starts_with("rejected  cert_pin: "), "{}", other.stdout);
    }
}

/// P30: position carries the trust, and the walk says so.
#[test]
fn the_walk_says_who_is_skipped_who_is_trusted_and_who_is_not_reached() {
    let props = props();
    let forged = hashed(&props.pki.reports, REPORTS).replace(COUNTERSIGN, REPORTS);
    let caller = format!("By={ENVOY};Cert=\"{}\"", encoded(&props.pki.frontend));
    let gateway = format!("By={COUNTERSIGN};Cert=\"{}\"", encoded(&props.pki.envoy));
    let xfcc = format!("x-forwarded-client-cert: {forged},{caller},{gateway}\n");
    let peer = format!("--principal {ENVOY} --destination {COUNTERSIGN} --least-evidence hash");
    let run = props.run(&format!("inspect {AT} {peer}"), &xfcc);
    run.shows(
        0,
        &[
            &format!("verified {FRONTEND}"),
            "evidence leaf",
            "source xfcc",
            &format!("through {ENVOY}"),
            &format!(
                "XFCC element 3 forwarder skipped, it forwards for the one before it: {ENVOY}"
            ),
            &format!("XFCC element 2 caller verified, by leaf: {FRONTEND}"),
            "XFCC element 1 not reached any client can write elements before the caller's",
            "XFCC element 1 of 3 (not reached)",
            "certificate none was shown",
            "XFCC element 3 of 3 (forwarder)",
        ],
    );
    let json = props.run(&format!("inspect {AT} {peer} --output json"), &xfcc).json();
    let walk = json["walk"].as_array().unwrap();
    let steps: Vec<_> = walk.iter().map(|hop| (&hop["element"], &hop["finding"])).collect();
    let expected = [
        (json!(3), json!("forwarder")),
        (json!(2), json!("caller")),
        (json!(1), json!("not_reached")),
    ];
    assert!(steps.into_iter().eq(expected.iter().map(|(a, b)| (a, b))), "{walk:?}");

    let stranger = props.run(&format!("inspect {AT} --principal {REPORTS}"), &xfcc);
    assert!(stranger.stdout.starts_with("rejected  xfcc_untrusted_hop: "), "{}", stranger.stdout);
    assert_eq!(stranger.code, 1);
    stranger.shows(1, &["XFCC element 2 not reached the walk ended before it"]);
    // P94: what a server refuses unless its settings name its proxies.
    let hash = format!("x-forwarded-client-cert: {}\n", hashed(&props.pki.frontend, FRONTEND));
    let direct = format!("--principal {FRONTEND} --destination {COUNTERSIGN}");
    let little = props.run(&format!("inspect {AT} {direct}"), &hash);
    assert!(little.stdout.starts_with("rejected  evidence_insufficient: "), "{}", little.stdout);
}

/// P88, P89: the one line of item 0, and what keeps it out is said.
#[test]
fn a_spelled_element_is_refused_with_its_cause() {
    let props = props();
    let (own, victims) = ("b".repeat(64), "a".repeat(64));
    let id = "spiffe://prod.example/admin";
    let xfcc = format!("Hash={own};Subject=\"\";URI=;DNS={id};DNS=x,Hash={victims};URI={id}");
    let check = json!({ "xfcc": xfcc, "sourcePrincipal": id, "destinationPrincipal": "localhost" });
    for more in ["", "--least-evidence asserted", "--sources xfcc --least-evidence hash"] {
        let run = props.run(&format!("inspect {AT} {more}"), check.to_string());
        assert!(run.stdout.starts_with("rejected  xfcc_malformed: "), "{}", run.stdout);
        let cause = "`x-forwarded-client-cert` has a `DNS` that is not a DNS name";
        run.shows(1, &[&format!("malformed xfcc_malformed: {cause}")]);
    }
}

/// P95: XFCC as JSON is known by its looks.
#[test]
fn json_is_shown_as_text_is() {
    let props = props();
    let pem = props.pki.frontend.pem();
    let hash = props.pki.frontend.fingerprint().to_hex();
    let xfcc =
        json!([{ "by": [COUNTERSIGN], "hash": hash, "cert": pem, "uri": [FRONTEND] }]).to_string();
    let peer = format!("--principal {FRONTEND} --destination {COUNTERSIGN}");
    let run = props.run(&format!("inspect {AT} {peer}"), &xfcc);
    run.shows(
        0,
        &[&format!("verified {FRONTEND}"), "evidence leaf", "XFCC element 1 of 1 (caller)"],
    );
}

#[test]
fn a_refusal_has_its_reason_and_the_moment_can_be_chosen() {
    let props = props();
    for (file, at, reason) in [
        ("clients/expired.pem", "2027-01-15T08:00:00Z", "cert_expired"),
        ("clients/impostor.pem", "2027-01-15T08:00:00Z", "chain_untrusted"),
        ("clients/frontend.pem", "2027-01-16T08:00:00Z", "cert_expired"),
        ("clients/frontend.pem", "1799999000", "cert_not_yet_valid"),
        ("ca/prod.pem", "2027-01-15T08:00:00Z", "trust_domain_unknown"),
    ] {
        let run = props.run(&format!("inspect {file} --documents policies --at {at}"), "");
        assert_eq!(run.code, 1, "{file}");
        assert!(run.stdout.starts_with(&format!("rejected  {reason}: ")), "{file}\n{}", run.stdout);
    }
    let run = props.run(&format!("inspect clients/expired.pem {AT}"), "");
    assert!(run.stdout.contains("expired 1h ago"), "{}", run.stdout);
}

/// The same check in each form in which a user may have it.
#[test]
fn a_recorded_check_is_read_in_every_form() {
    let props = props();
    let leaf = encoded(&props.pki.frontend);
    let xfcc = hashed(&props.pki.frontend, FRONTEND);
    let xfcc = xfcc.replace("Subject=\"\"", "Subject=\"CN=frontend\"");
    let short = json!({
        "xfcc": xfcc, "sourceCertificate": leaf, "sourcePrincipal": FRONTEND,
        "destinationPrincipal": COUNTERSIGN,
    });
    let attributes = |http: serde_json::Value| {
        json!({ "attributes": {
            "source": { "principal": FRONTEND, "certificate": leaf },
            "destination": { "principal": COUNTERSIGN },
            "request": { "http": http },
        }})
    };
    let map = attributes(json!({ "headers": { "x-forwarded-client-cert": xfcc } }));
    let line = json!({ "key": "x-forwarded-client-cert", "rawValue": STANDARD.encode(&xfcc) });
    let raw = attributes(json!({ "headerMap": { "headers": [line] } }));
    let peer = |principal: &str, certificate: &str| Peer {
        principal: principal.into(),
        certificate: certificate.into(),
        ..Peer::default()
    };
    let http = HttpRequest {
        headers: [("x-forwarded-client-cert".to_owned(), xfcc.clone())].into(),
        ..HttpRequest::default()
    };
    let check = CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer(FRONTEND, &leaf)),
            destination: Some(peer(COUNTERSIGN, "")),
            request: Some(Request { http: Some(http), ..Request::default() }),
            ..AttributeContext::default()
        }),
    };
    let texts = [short, map, raw].map(|value| value.to_string().into_bytes());
    for bytes in texts.into_iter().chain([check.encode_to_vec()]) {
        let json = props.run(&format!("inspect {AT} --output json"), &bytes).json();
        assert_eq!(json["peer"]["source"], "source_certificate", "{json}");
        assert_eq!(json["peer"]["evidence"], "leaf");
        assert_eq!(json["principal"], FRONTEND);
        assert_eq!(json["xfcc"]["elements"][0]["uri"][0], FRONTEND);
        assert_eq!(json["notes"], json!([]));
    }
    // P30: a recorded check that names no TLS peer is refused as a server refuses it.
    let bare = json!({ "xfcc": xfcc }).to_string();
    props.run(&format!("inspect {AT}"), &bare).shows(1, &[]);
}

/// RFC 9440: the word of the last forwarder alone.
#[test]
fn client_cert_is_trusted_behind_a_forwarder_only() {
    let props = props();
    let leaf = format!(":{}:", STANDARD.encode(props.pki.frontend.der()));
    let shown = |principal: &str| {
        let mut check = json!({ "clientCert": leaf, "sourcePrincipal": principal });
        if principal == ENVOY {
            check["sourceCertificate"] = encoded(&props.pki.envoy).into();
        }
        check.to_string()
    };
    // P92: a principal alone does not prove the forwarder.
    let named = json!({ "clientCert": leaf, "sourcePrincipal": ENVOY }).to_string();
    let run = props.run(&format!("inspect {AT}"), named);
    assert!(run.stdout.starts_with("rejected  xfcc_untrusted_hop: "), "{}", run.stdout);
    let run = props.run(&format!("inspect {AT}"), shown(ENVOY));
    run.shows(
        0,
        &[
            &format!("verified {FRONTEND}"),
            "source client_cert",
            &format!("client-cert caller verified, by leaf: {FRONTEND}"),
            "client-cert",
            "subject CN=frontend",
        ],
    );
    let run = props.run(&format!("inspect {AT}"), shown(REPORTS));
    assert!(run.stdout.starts_with("rejected  xfcc_untrusted_hop: "), "{}", run.stdout);
    let run = props.run(&format!("inspect {AT} --sources xfcc"), shown(ENVOY));
    run.shows(1, &["absent no certificate evidence was shown"]);
    let named = json!({ "sourcePrincipal": FRONTEND }).to_string();
    props.run(&format!("inspect {AT}"), &named).shows(1, &[]);
    let least = "--least-evidence asserted";
    let run = props.run(&format!("inspect {AT} --sources xfcc,principal {least}"), &named);
    run.shows(
        0,
        &["evidence asserted", &format!("principal caller verified, by asserted: {FRONTEND}")],
    );
}

#[test]
fn a_forwarders_certificate_is_verified_and_said_to_be_one() {
    let props = props();
    let run = props.run(&format!("inspect envoy/envoy.pem {AT}"), "");
    run.shows(0, &[&format!("verified {ENVOY}"), "evidence leaf"]);
    assert!(run.stdout.contains("note: it is a trusted forwarder"), "{}", run.stdout);
}

#[test]
fn a_chain_makes_full_evidence_and_der_is_a_certificate_too() {
    let props = props();
    let chain = format!("{}{}", props.pki.frontend.pem(), props.pki.ca().pem());
    let run = props.run(&format!("inspect {AT}"), &chain);
    run.shows(0, &["evidence full", "chain 1 CN=prod.example demo CA"]);
    let run = props.run(&format!("inspect {AT}"), props.pki.frontend.der());
    run.shows(0, &["evidence leaf"]);
    // A key in the same file is ignored.
    let key = std::fs::read_to_string(props.folder.join("clients/frontend.key")).unwrap();
    let run = props.run(&format!("inspect {AT}"), key.clone() + &props.pki.frontend.pem());
    run.shows(0, &["evidence leaf"]);
    assert!(!run.stdout.contains(key.lines().nth(1).unwrap()));
}

#[test]
fn without_documents_everything_is_shown_and_nothing_is_verified() {
    let props = props();
    let run = props.run("inspect clients/frontend.pem", "");
    run.shows(0, &["subject CN=frontend"]);
    assert!(run.stdout.contains("note: nothing is verified"), "{}", run.stdout);
    assert!(!run.stdout.contains("caller"), "{}", run.stdout);
}

/// P38, P83: hostile names are seen and do nothing to the terminal.
#[test]
fn a_hostile_certificate_does_nothing_to_the_terminal() {
    let props = props();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "a\u{1b}[2J\u{202e}\u{9b}31mb");
    params.subject_alt_names = vec![
        SanType::URI("spiffe://prod.example/\u{1b}]0;owned\u{7}".try_into().unwrap()),
        SanType::DnsName("good.example\0.evil".try_into().unwrap()),
    ];
    let hostile = props.pki.ca().sign("hostile", &params).unwrap();
    for arguments in [format!("inspect {AT}"), format!("inspect {AT} --output json")] {
        let run = props.run(&arguments, hostile.pem());
        assert_harmless(&run);
        assert_eq!(run.code, 1);
    }
    let run = props.run(&format!("inspect {AT}"), hostile.pem());
    run.shows(1, &["uri spiffe://prod.example/\\u{1b}]0;owned\\u{7}"]);
}

#[test]
fn hostile_input_is_refused_without_a_panic() {
    let props = props();
    let pem = props.pki.frontend.pem();
    let uri = "URI=spiffe://prod.example/\u{202e}a".to_owned();
    let inputs: Vec<Vec<u8>> = vec![
        vec![],
        b"\0".to_vec(),
        b"\x1b[2J".to_vec(),
        b"{".to_vec(),
        b"{\"xfcc\": 1}".to_vec(),
        b"{\"\x1b[2J\": 1}".to_vec(),
        "{\"\u{202e}\": 1}".into(),
        b"{\"attributes\": []}".to_vec(),
        b"{\"attributes\": {\"request\": {\"http\": {\"headerMap\": {\"headers\": [7]}}}}}"
            .to_vec(),
        b"URI=\"".to_vec(),
        b"=;=,;,".to_vec(),
        uri.into_bytes(),
        vec![b','; 20_000],
        b"Cert=\"%\"".to_vec(),
        b"Cert=\"-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----\"".to_vec(),
        b"-----BEGIN CERTIFICATE-----\nMIIB\n".to_vec(),
        pem.replace('A', "B").into_bytes(),
        pem.repeat(9).into_bytes(),
        vec![0x30; 70_000],
        vec![0xff; 9 * 1024 * 1024],
    ];
    for input in inputs {
        for more in ["", "--as pem", "--as der", "--as xfcc", "--as json", "--as check"] {
            let run = props.run(&format!("inspect {AT} {more}"), &input);
            let shown = String::from_utf8_lossy(input.get(..40).unwrap_or(&input)).into_owned();
            assert_harmless(&run);
            assert_ne!(run.code, 0, "{more} {shown:?}\n{}", run.stdout);
        }
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let props = props();
    props.write("keys.json", "{\"keys\": []}");
    for (arguments, code, texts) in [
        ("inspect absent.pem", 2, ["cannot read `absent.pem`", "no such file"]),
        ("inspect -", 2, ["cannot inspect `standard input`", "there is nothing in it"]),
        ("inspect keys.json", 2, ["unknown field `keys`", "`attributes`"]),
        ("inspect clients/frontend.pem --at noon", 2, ["noon", "2026-11-22T03:00:00Z"]),
        (
            "inspect clients/frontend.pem --documents absent",
            4,
            ["cannot read `absent`", "nothing was evaluated"],
        ),
    ] {
        let run = props.run(arguments, "");
        assert_eq!(run.code, code, "{}", run.stderr);
        for text in texts {
            assert!(run.stderr.contains(text), "{text}\n{}", run.stderr);
        }
    }
}

/// P205: without documents no certificate is trusted, and what cannot be read is a failure all the same, wherever it stands.
#[test]
fn a_certificate_that_cannot_be_read_is_a_failure_without_documents_too() {
    let props = props();
    let good = encoded(&props.pki.frontend);
    let bad = "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----";
    for (kind, input, code) in [
        ("json", format!("{{\"sourceCertificate\": \"{good}\"}}"), 0),
        ("json", format!("{{\"sourceCertificate\": \"{bad}\"}}"), 1),
        ("json", String::from("{\"clientCert\": \":AAAA:\"}"), 1),
        ("xfcc", format!("Cert=\"{good}\""), 0),
        ("xfcc", format!("Cert=\"{bad}\""), 1),
        ("der", String::from("no certificate"), 1),
    ] {
        let run = props.run(&format!("inspect --as {kind}"), &input);
        assert_eq!(run.code, code, "{kind} {input}\n{}{}", run.stdout, run.stderr);
    }
}

/// A usage that is for servers only is not for callers, and the verdict says so.
#[test]
fn a_certificate_of_a_server_is_refused_for_its_usage() {
    let props = props();
    let names = vec![SanType::URI(FRONTEND.try_into().unwrap())];
    let now = UnixTime::from_secs(NOW);
    let server = props.pki.ca().issue("server", names, Usage::Server, now).unwrap();
    let run = props.run(&format!("inspect {AT}"), server.pem());
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("rejected  cert_eku: "), "{}", run.stdout);
    run.shows(1, &["usage digitalSignature, serverAuth"]);
}
