//! Certificates and tokens with real signatures, judged by the tables of `docs/peer-evidence.md`, `docs/tokens.md` and
//! `docs/revocation.md`. The certificates of `data` were made once; their private keys are gone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use countersign_oracle::template::base64url;
use countersign_oracle::value::Value;
use countersign_oracle::{Evidence, Request, Sources, World, decide, token, walk};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest, Sha256};

const TRUST: &str = "
kind: TrustDomain
metadata: { name: prod }
spec: { spiffe: prod.example, authorities: [{ file: ca.pem }], forwarders: ['spiffe://prod.example/ns/istio-system/sa/*'] }
---
kind: Policy
metadata: { name: p }
spec: { target: { hosts: [a.example.com] }, rules: [{ name: r, effect: allow, public: true }] }
";

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn encoded(name: &str) -> String {
    file(name).iter().map(|b| if b.is_ascii_alphanumeric() { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn trusting(documents: &str) -> World {
    let mut world = common::world(&[documents]);
    for name in ["ca.pem", "other.pem", "intermediate.pem", "constrained.pem", "ca.crl"] {
        world.files.insert(name.to_owned(), file(name));
    }
    world.sources = Sources { source_certificate: true, xfcc: true, ..Sources::default() };
    world
}

fn shown(certificate: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        host: "a.example.com".to_owned(),
        path: "/".to_owned(),
        source_certificate: encoded(certificate),
        ..Request::default()
    }
}

/// The SPIFFE ID or the names of who is trusted, or the reason.
fn who(world: &World, request: &Request) -> String {
    match walk::authenticate(world, request) {
        Err(what) => format!("outside {}", what.0),
        Ok(None) => "absent".to_owned(),
        Ok(Some(Err(reason))) => reason.to_owned(),
        Ok(Some(Ok(p))) => format!("{} {}", p.evidence.name(), p.spiffe.unwrap_or_else(|| p.dns.join(","))),
    }
}

const FRONT: &str = "spiffe://prod.example/ns/web/sa/front";

#[test]
fn what_is_verified() {
    let world = trusting(TRUST);
    let leaf = format!("leaf {FRONT}");
    for (certificate, wanted) in [
        ("good.pem", leaf.as_str()),
        ("expired.pem", "cert_expired"),
        ("early.pem", "cert_not_yet_valid"),
        ("server-only.pem", "cert_eku"),
        ("no-eku.pem", "cert_eku"),
        ("no-signature.pem", "cert_eku"),
        ("wrong-ca.pem", "chain_untrusted"),
        ("below-intermediate.pem", "chain_untrusted"),
        ("two-uris.pem", "spiffe_invalid"),
        ("partner.pem", "trust_domain_unknown"),
        ("forwarder.pem", "absent"),
    ] {
        assert_eq!(who(&world, &shown(certificate)), wanted, "{certificate}");
    }
    let mut odd = shown("good.pem");
    odd.source_certificate.truncate(200);
    assert_eq!(who(&world, &odd), "encoding_invalid");
    assert_eq!(decide(&world, &shown("expired.pem")).unwrap().reason, Some("cert_expired"));
}

#[test]
fn what_documents_ask_of_certificates() {
    let with = |more: &str| trusting(&TRUST.replace("forwarders:", &format!("{more}, forwarders:")));
    assert_eq!(who(&with("leaf: { maxLifetime: 25h }"), &shown("long.pem")), "cert_lifetime");
    assert_eq!(who(&with("leaf: { minRemaining: 2d }"), &shown("good.pem")), "cert_lifetime");
    assert_eq!(who(&with("leaf: { extendedKeyUsage: { allowAbsent: true } }"), &shown("no-eku.pem")), format!("leaf {FRONT}"));
    assert_eq!(who(&with("intermediates: [{ file: intermediate.pem }]"), &shown("below-intermediate.pem")), format!("leaf {FRONT}"));
    assert_eq!(who(&with("leaf: { pins: [{ certificate: '00' }] }"), &shown("good.pem")), "cert_pin");
    let revocation = "revocation: { crls: [{ file: ca.crl }] }";
    assert_eq!(who(&with(revocation), &shown("revoked.pem")), "cert_revoked");
    assert_eq!(who(&with(revocation), &shown("good.pem")), format!("leaf {FRONT}"));
    let mut late = with(revocation);
    late.now += 86_401;
    assert_eq!(who(&late, &shown("long.pem")), "crl_stale");
    let mut graced = with(&revocation.replace("] }", "], onStale: { grace: 1h } }"));
    graced.now += 86_401;
    assert_eq!(who(&graced, &shown("long.pem")), format!("leaf {FRONT}"));
    assert_eq!(who(&with("revocation: { crls: [] }"), &shown("good.pem")), "crl_missing");
    assert_eq!(who(&with("revocation: { crls: [], onMissing: allow }"), &shown("good.pem")), format!("leaf {FRONT}"));
}

#[test]
fn times_include_both_ends_and_of_several_faults_any_is_the_reason() {
    let mut world = trusting(TRUST);
    world.now += 86_400;
    assert_eq!(who(&world, &shown("good.pem")), format!("leaf {FRONT}"));
    world.now += 1;
    assert_eq!(who(&world, &shown("good.pem")), "cert_expired");
    assert!(who(&world, &shown("server-only.pem")).contains('|'));
    assert!(who(&world, &shown("wrong-ca.pem")).contains("chain_untrusted"));
}

#[test]
fn name_constraints() {
    let world = trusting("kind: TrustDomain\nmetadata: { name: partner }\nspec: { authorities: [{ file: constrained.pem }] }");
    assert_eq!(who(&world, &shown("permitted.pem")), "leaf gateway.p.example");
    assert_eq!(who(&world, &shown("not-permitted.pem")), "cert_san");
}

#[test]
fn several_domains_over_one_authority() {
    let domain = |name: &str, more: &str| {
        format!("kind: TrustDomain\nmetadata: {{ name: {name} }}\nspec: {{ authorities: [{{ file: ca.pem }}]{more} }}\n---\n")
    };
    let world =
        trusting(&(domain("a", ", leaf: { maxLifetime: 1h }") + &domain("b", "") + &domain("c", ", leaf: { pins: [{ spki: '00' }] }")));
    let found = walk::authenticate(&world, &shown("partner.pem")).unwrap().unwrap().unwrap();
    assert_eq!((found.domains, found.in_doubt), (vec!["b".to_owned()], vec!["a".to_owned()]));
}

fn xfcc(value: &str, own: &str, principal: &str) -> Request {
    Request {
        headers: vec![("x-forwarded-client-cert".to_owned(), value.as_bytes().to_vec())],
        destination_principal: own.to_owned(),
        source_principal: principal.to_owned(),
        ..shown("good.pem")
    }
}

#[test]
fn xfcc_as_text() {
    let mut world = trusting(TRUST);
    world.sources.least = Some(Evidence::Hash);
    let own = "spiffe://prod.example/ns/shop/sa/orders";
    let hash = "ab".repeat(32);
    let said = |value: &str| {
        let mut request = xfcc(&value.replace("HASH", &hash), own, FRONT);
        request.source_certificate.clear();
        request
    };
    for (value, wanted) in [
        (format!("By={own};Hash=HASH;URI={FRONT}"), format!("hash {FRONT}")),
        (format!("By={own};URI={FRONT}"), "evidence_insufficient".to_owned()),
        (format!("By=spiffe://prod.example/x;Hash=HASH;URI={FRONT}"), "xfcc_untrusted_hop".to_owned()),
        (format!("By={own};Hash=HASH;URI={FRONT},By={own};Hash=HASH;URI={FRONT}"), "xfcc_inconsistent".to_owned()),
        (format!("By={own};Hash=HASH;URI=spiffe://prod.example/other"), "xfcc_untrusted_hop".to_owned()),
        (format!("By={own};Hash=HASH;Hash=HASH;URI={FRONT}"), "xfcc_malformed".to_owned()),
        (format!("Hash=HASH;By={own};URI={FRONT}"), "xfcc_malformed".to_owned()),
        (format!("By={own};Hash=HASH;Subject=\"CN=x;URI={FRONT}"), "xfcc_malformed".to_owned()),
        (format!("By={own};Hash=\"HASH\";URI={FRONT}"), "xfcc_malformed".to_owned()),
        (format!("By={own};Hash=HASH;URI={FRONT};Extra=1"), format!("hash {FRONT}")),
        (format!("By={own};Cert=\"{}\";URI={FRONT}", encoded("good.pem")), format!("leaf {FRONT}")),
        (format!("By={own};Chain=\"{}\";URI={FRONT}", encoded("good.pem")), format!("full {FRONT}")),
        (format!("By={own};Hash=HASH;Cert=\"{}\";URI={FRONT}", encoded("good.pem")), "xfcc_inconsistent".to_owned()),
    ] {
        assert_eq!(who(&world, &said(&value)), wanted, "{value}");
    }
    let mut without = said(&format!("By={own};Hash=HASH;URI={FRONT}"));
    without.source_principal.clear();
    assert_eq!(who(&world, &without), "xfcc_untrusted_hop");
}

#[test]
fn the_walk_past_a_forwarder() {
    let world = trusting(TRUST);
    let own = "spiffe://prod.example/ns/shop/sa/orders";
    let ingress = "spiffe://prod.example/ns/istio-system/sa/ingress";
    let near = format!("By={own};Cert=\"{}\"", encoded("forwarder.pem"));
    let behind = |value: &str| Request { source_certificate: encoded("forwarder.pem"), ..xfcc(value, own, ingress) };
    let caller = format!("By={ingress};Cert=\"{}\"", encoded("good.pem"));
    assert_eq!(who(&world, &behind(&format!("{caller},{near}"))), format!("leaf {FRONT}"));
    assert_eq!(who(&world, &behind(&near)), "absent");
    let bare = format!("By={ingress};Hash={};URI={FRONT}", "ab".repeat(32));
    assert_eq!(who(&world, &behind(&format!("{bare},{near}"))), "evidence_insufficient");
    let other = format!("By=spiffe://prod.example/x;Cert=\"{}\"", encoded("good.pem"));
    assert_eq!(who(&world, &behind(&format!("{other},{near}"))), "xfcc_untrusted_hop");
    let noby = format!("Cert=\"{}\"", encoded("good.pem"));
    let again = format!("By={ingress};Cert=\"{}\"", encoded("forwarder.pem"));
    let expired = format!("By={ingress};Cert=\"{}\"", encoded("expired.pem"));
    for (left, wanted) in [
        (noby.clone(), format!("leaf {FRONT}")),
        (format!("{noby},{caller}"), "xfcc_untrusted_hop".to_owned()),
        (format!("{caller},{caller}"), "xfcc_inconsistent".to_owned()),
        (format!("Hash=1,{caller}"), "xfcc_malformed".to_owned()),
        (again, "absent".to_owned()),
        (expired, "cert_expired".to_owned()),
    ] {
        assert_eq!(who(&world, &behind(&format!("{left},{near}"))), wanted, "{left}");
    }
    let principal = Request { source_principal: FRONT.to_owned(), ..behind(&format!("{caller},{near}")) };
    assert_eq!(who(&world, &principal), "xfcc_inconsistent");
    let certificate = Request { source_certificate: encoded("good.pem"), source_principal: FRONT.to_owned(), ..behind(&near) };
    assert_eq!(who(&world, &certificate), "xfcc_inconsistent");
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn coordinates(key: &SigningKey) -> (String, String) {
    let point = key.verifying_key().to_sec1_point(false);
    let bytes = point.as_bytes();
    (base64url(&bytes[1..33]), base64url(&bytes[33..65]))
}

fn sign(key: &SigningKey, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature: Signature = key.sign(input.as_bytes());
    format!("{input}.{}", base64url(&signature.to_bytes()))
}

fn issuing(more: &str) -> World {
    let (x, y) = coordinates(&key());
    let keys = format!("{{\"keys\":[{{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k1\",\"x\":\"{x}\",\"y\":\"{y}\"}}]}}");
    let issuer = format!(
        "---\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec: {{ issuer: 'https://i.example', audiences: [orders], algorithms: [ES256], keys: {{ inline: '{keys}' }}{more} }}"
    );
    trusting(&format!("{TRUST}{issuer}"))
}

const HEADER: &str = "{\"alg\":\"ES256\",\"kid\":\"k1\"}";
const CLAIMS: &str =
    "{\"iss\":\"https://i.example\",\"aud\":\"orders\",\"iat\":1767225500,\"exp\":1767225700,\"sub\":\"alice\",\"jti\":\"j\"}";

fn carrying(token: &str) -> Request {
    let mut request = shown("good.pem");
    request.scheme = "https".to_owned();
    request.headers.push(("authorization".to_owned(), format!("Bearer {token}").into_bytes()));
    request
}

/// `verified`, `ignored`, or the reason.
fn verdict(world: &World, request: &Request) -> String {
    let peer = walk::authenticate(world, request).unwrap().and_then(Result::ok);
    match token::authenticate(world, request, peer.as_ref()) {
        Err(what) => format!("outside {}", what.0),
        Ok(found) if !found.refused.is_empty() => found.refused[0].reason.to_owned(),
        Ok(found) if found.tokens.is_empty() => "ignored".to_owned(),
        Ok(_) => "verified".to_owned(),
    }
}

#[test]
fn tokens_through_every_check() {
    let world = issuing("");
    let with = |from: &str, to: &str| sign(&key(), HEADER, &CLAIMS.replace(from, to));
    let by_header = |header: &str| sign(&key(), header, CLAIMS);
    for (token, wanted) in [
        (with("", ""), "verified"),
        (with("\"sub\":\"alice\"", "\"sub\":7"), "token_malformed"),
        (with("\"sub\":\"alice\"", "\"iss\":\"x\""), "token_malformed"),
        (with("https://i.example", "https://i.example/"), "issuer_unknown"),
        (with("\"exp\":1767225700,", ""), "token_lifetime"),
        (with("1767225700", "1767225570"), "token_expired"),
        (with("1767225700", "1767225571"), "verified"),
        (with("1767225700", "1767400000"), "token_lifetime"),
        (with("1767225500", "1767225631"), "token_not_yet_valid"),
        (with("\"orders\"", "[\"x\",\"orders\"]"), "verified"),
        (with("\"orders\"", "\"Orders\""), "audience"),
        (with("\"sub\"", "\"token_use\":\"id\",\"sub\""), "token_type"),
        (with("\"sub\"", "\"typ\":\"Refresh\",\"sub\""), "token_type"),
        (with("\"sub\"", "\"nonce\":\"n\",\"sub\""), "token_type"),
        (with("\"sub\"", "\"nonce\":\"n\",\"scope\":\"a\",\"sub\""), "verified"),
        (with("\"sub\"", "\"events\":{},\"sub\""), "token_type"),
        (by_header("{\"alg\":\"ES256\",\"kid\":\"k2\"}"), "key_unknown"),
        (by_header("{\"alg\":\"ES256\"}"), "verified"),
        (by_header("{\"alg\":\"none\"}"), "token_alg"),
        (by_header("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"logout+jwt\"}"), "token_type"),
        (by_header("{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[\"x\"]}"), "token_malformed"),
        (sign(&SigningKey::from_slice(&[8; 32]).unwrap(), HEADER, CLAIMS), "signature_invalid"),
        (format!("{}=", by_header(HEADER)), "token_malformed"),
        (format!("{},{}", by_header(HEADER), by_header(HEADER)), "token_multiple"),
        ("opaque".to_owned(), "token_malformed"),
    ] {
        assert_eq!(verdict(&world, &carrying(&token)), wanted, "{token}");
    }
    assert_eq!(verdict(&issuing(", requiredClaims: [/tenant]"), &carrying(&by_header(HEADER))), "claim_mismatch");
    assert_eq!(verdict(&issuing(", denyKids: [k1]"), &carrying(&by_header(HEADER))), "key_unknown");
    assert_eq!(verdict(&issuing(", maxAge: 30s"), &carrying(&by_header(HEADER))), "token_lifetime");
    assert_eq!(verdict(&issuing(", binding: certificate"), &carrying(&by_header(HEADER))), "binding_unavailable");
}

#[test]
fn certificate_bound_tokens() {
    let world = issuing("");
    let pem = x509_cert::Certificate::load_pem_chain(&file("good.pem")).unwrap();
    let der = x509_cert::der::Encode::to_der(&pem[0]).unwrap();
    let bound = |hash: &[u8]| {
        sign(&key(), HEADER, &CLAIMS.replace("\"sub\"", &format!("\"cnf\":{{\"x5t#S256\":\"{}\"}},\"sub\"", base64url(hash))))
    };
    assert_eq!(verdict(&world, &carrying(&bound(&Sha256::digest(&der)))), "verified");
    assert_eq!(verdict(&world, &carrying(&bound(&[0; 32]))), "binding_mismatch");
    let mut bare = carrying(&bound(&[0; 32]));
    bare.source_certificate.clear();
    assert_eq!(verdict(&world, &bare), "binding_unavailable");
    let unknown = sign(&key(), HEADER, &CLAIMS.replace("\"sub\"", "\"cnf\":{\"x\":\"y\"},\"sub\""));
    assert_eq!(verdict(&world, &carrying(&unknown)), "binding_unavailable");
}

#[test]
fn proofs_of_possession() {
    let world = issuing("");
    let (x, y) = coordinates(&key());
    let jkt = base64url(&Sha256::digest(format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}")));
    let token = sign(&key(), HEADER, &CLAIMS.replace("\"sub\"", &format!("\"cnf\":{{\"jkt\":\"{jkt}\"}},\"sub\"")));
    let ath = base64url(&Sha256::digest(&token));
    let header =
        format!("{{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{x}\",\"y\":\"{y}\"}}}}");
    let claims = format!("{{\"htm\":\"GET\",\"htu\":\"https://a.example.com/\",\"iat\":1767225600,\"jti\":\"p\",\"ath\":\"{ath}\"}}");
    let asked = |scheme: &str, proof: Option<String>| {
        let mut request = carrying("");
        request.headers = vec![("authorization".to_owned(), format!("{scheme} {token}").into_bytes())];
        request.headers.extend(proof.map(|p| ("dpop".to_owned(), p.into_bytes())));
        request
    };
    let proof = |from: &str, to: &str| Some(sign(&key(), &header, &claims.replace(from, to)));
    for (request, wanted) in [
        (asked("DPoP", proof("", "")), "verified"),
        (asked("Bearer", proof("", "")), "dpop_invalid"),
        (asked("DPoP", None), "dpop_invalid"),
        (asked("DPoP", proof("GET", "PUT")), "dpop_invalid"),
        (asked("DPoP", proof("a.example", "b.example")), "dpop_invalid"),
        (asked("DPoP", proof("1767225600", "1767225500")), "dpop_invalid"),
        (asked("DPoP", proof("1767225600", "1767225631")), "dpop_invalid"),
        (asked("DPoP", proof(&ath, "x")), "dpop_invalid"),
    ] {
        assert_eq!(verdict(&world, &request), wanted);
    }
    let good = asked("DPoP", proof("", ""));
    assert!(decide(&world, &good).unwrap().allow);
    let mut again = world.clone();
    again.used.insert(format!("dpop {jkt} p"), (again.now + 1) * 1000);
    let replayed = decide(&again, &good).unwrap();
    assert_eq!(replayed.reason, Some("token_replayed"));
    assert_eq!(replayed.rule, decide(&world, &good).unwrap().rule, "1.12");
}

#[test]
fn revocation_of_tokens_and_peers() {
    let request = carrying(&sign(&key(), HEADER, CLAIMS));
    let entry = |text: &str| {
        let mut world = issuing("");
        world.documents.read(&format!("kind: RevocationList\nmetadata: {{ name: l }}\nspec: {{ entries: [{{ {text} }}] }}")).unwrap();
        decide(&world, &request).unwrap().reason.unwrap_or("allow")
    };
    for (text, wanted) in [
        ("jti: j, issuer: 'https://i.example'", "token_revoked"),
        ("jti: j, issuer: 'https://other.example'", "allow"),
        ("sub: alice, issuer: 'https://i.example'", "token_revoked"),
        ("sub: alice, issuer: 'https://i.example', issuedBefore: 2026-01-01T00:00:00Z", "token_revoked"),
        ("sub: alice, issuer: 'https://i.example', issuedBefore: 2025-12-31T00:00:00Z", "allow"),
        ("sub: alice, issuer: 'https://i.example', expires: 2026-01-01T00:00:00Z", "allow"),
        ("kid: k1, issuer: 'https://i.example'", "token_revoked"),
        ("issuer: 'https://i.example'", "token_revoked"),
        ("client: x, issuer: 'https://i.example'", "allow"),
        ("spiffe: 'spiffe://prod.example/ns/web/sa/front'", "cert_revoked"),
        ("spiffe: 'spiffe://prod.example/ns/web/sa/front', issuedBefore: 2025-12-31T00:00:00Z", "allow"),
        ("serial: '0x1a', certificateIssuer: 'cn = test ca'", "cert_revoked"),
        ("serial: '0x1a', certificateIssuer: 'CN=other CA'", "allow"),
    ] {
        assert_eq!(entry(text), wanted, "{text}");
    }
}

#[test]
fn tokens_of_others() {
    let mut world = issuing(", tokens: [{ authorization: {} }, { cookie: session }]");
    let said = |world: &World, name: &str, value: &str| {
        let mut request = shown("good.pem");
        request.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        decide(world, &request).unwrap().reason.unwrap_or("allow")
    };
    let good = sign(&key(), HEADER, CLAIMS);
    let foreign = sign(&key(), HEADER, &CLAIMS.replace("i.example", "other.example"));
    let near = sign(&key(), HEADER, &CLAIMS.replace("i.example", "I.example/"));
    let no_text = sign(&key(), HEADER, &CLAIMS.replace("\"https://i.example\"", "7"));
    assert_eq!(said(&world, "authorization", &format!("Bearer {foreign}")), "issuer_unknown");
    let target = "target: { hosts: [a.example.com], tokens: { issuers: [corp], others: ignored } }";
    let ignoring = TRUST.replace("target: { hosts: [a.example.com] }", target);
    world.documents = Default::default();
    let issuer = issuing(", tokens: [{ authorization: {} }, { cookie: session }]").documents.named("TokenIssuer", "corp").cloned().unwrap();
    let keys = issuer.spec.at("/keys/inline").and_then(Value::text).unwrap().to_owned();
    let corp = format!(
        "---\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec: {{ issuer: 'https://i.example', audiences: [orders], algorithms: [ES256], keys: {{ inline: '{keys}' }}, tokens: [{{ authorization: {{}} }}, {{ cookie: session }}] }}"
    );
    world.documents.read(&format!("{ignoring}{corp}")).unwrap();
    for (name, value, wanted) in [
        ("authorization", format!("Bearer {good}"), "allow"),
        ("authorization", format!("Bearer {foreign}"), "allow"),
        ("authorization", "Bearer opaque".to_owned(), "allow"),
        ("authorization", format!("Bearer {near}"), "issuer_unknown"),
        ("authorization", format!("Bearer {no_text}"), "issuer_unknown"),
        ("authorization", format!("Bearer {}", &good[..good.len() / 2]), "token_malformed"),
        ("authorization", format!("Bearer {good}x"), "token_malformed"),
        ("cookie", format!("a=b; session={foreign}"), "allow"),
        ("cookie", format!("session={}", good.replace('.', "")), "token_malformed"),
        ("cookie", format!("session={good}; session={good}"), "token_multiple"),
        ("x-other", "eyJ".to_owned(), "allow"),
    ] {
        assert_eq!(said(&world, name, &value), wanted, "{name}: {value}");
    }
}

/// A token in a cookie is judged after those in every other place, the query included.
#[test]
fn cookies_come_last() {
    let world = issuing(", tokens: [{ authorization: {} }, { query: access_token }, { cookie: session }]");
    let good = sign(&key(), HEADER, CLAIMS);
    let expired = sign(&key(), HEADER, &CLAIMS.replace("\"exp\":", "\"exp\":1,\"old\":"));
    for (query, cookie, wanted) in [
        (&expired, format!("session={good}; session={good}"), "token_expired"),
        (&expired, format!("session={good}"), "token_expired"),
        (&good, format!("session={expired}"), "token_multiple"),
        (&good, format!("session={good}"), "allow"),
    ] {
        let mut request = shown("good.pem");
        request.path = format!("/?access_token={query}");
        request.headers.push(("cookie".to_owned(), cookie.into_bytes()));
        assert_eq!(decide(&world, &request).unwrap().reason.unwrap_or("allow"), wanted);
    }
}

#[test]
fn opaque_tokens() {
    let issuer = "---\nkind: TokenIssuer\nmetadata: { name: asked }\nspec: { issuer: 'https://i.example', audiences: [orders], introspection: { url: 'https://i.example/i', client: { id: c } } }";
    let mut world = trusting(&format!("{TRUST}{issuer}"));
    for (token, answer) in [
        ("good", "{\"active\":true,\"aud\":\"orders\"}"),
        ("gone", "{\"active\":false}"),
        ("odd", "{\"active\":\"true\"}"),
        ("refresh", "{\"active\":true,\"aud\":\"orders\",\"token_type\":\"refresh_token\"}"),
        ("foreign", "{\"active\":true,\"aud\":\"orders\",\"iss\":\"x\"}"),
        ("elsewhere", "{\"active\":true,\"aud\":\"x\"}"),
        ("late", "{\"active\":true,\"aud\":\"orders\",\"exp\":1767225000}"),
    ] {
        world.introspection.insert(token.to_owned(), Value::json(answer.as_bytes(), 16).unwrap());
    }
    for (token, wanted) in [
        ("good", "verified"),
        ("gone", "introspection_inactive"),
        ("odd", "introspection_unavailable"),
        ("silent", "introspection_unavailable"),
        ("refresh", "token_type"),
        ("foreign", "issuer_unknown"),
        ("elsewhere", "audience"),
        ("late", "token_expired"),
    ] {
        assert_eq!(verdict(&world, &carrying(token)), wanted, "{token}");
    }
}

#[test]
fn numbers_and_json_are_exact() {
    let read = |t: &str| Value::json(t.as_bytes(), 16);
    assert!(read("{\"a\":1,\"a\":2}").is_none() && read("[1,]").is_none() && read("01").is_none() && read("{\"a\":1} ").is_some());
    assert!(read(&("[".repeat(16) + &"]".repeat(16))).is_some() && read(&("[".repeat(17) + &"]".repeat(17))).is_none());
    for (text, known) in [
        ("9223372036854775808", true),
        ("18446744073709551616", false),
        ("9007199254740991.5", true),
        ("9007199254740992.5", false),
        ("1e20", false),
        ("1.5", true),
    ] {
        let Some(Value::Number(n)) = read(text) else { panic!("{text}") };
        assert_eq!(n.known(), known, "{text}");
    }
}

#[test]
fn every_number_that_the_oracle_cites_is_in_the_semantics() {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = std::fs::read_to_string(format!("{root}/../../docs/semantics.md")).unwrap();
    for entry in std::fs::read_dir(format!("{root}/src")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|l| l.trim().strip_prefix("//")) {
            let word = line.trim_start_matches('/').trim().split(' ').next().unwrap_or_default();
            let cited =
                word.split_once('.').is_some_and(|(a, b)| !b.is_empty() && [a, b].iter().all(|p| p.bytes().all(|b| b.is_ascii_digit())));
            assert!(!cited || page.contains(&format!("**{word}**")), "{word}");
        }
    }
}
