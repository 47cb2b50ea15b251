//! The certificate of a pinned authority restricts paths as that of any other issuer does, and messages say so.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, NameConstraints, SanType,
};

use super::*;
use crate::authn::Credential;
use crate::document::Diagnostic;
use crate::secret::Fingerprint;
use crate::trust::TrustStore;
use crate::trust::tests::pki::{
    Ca, ca_params, compile, leaf_params, name, store, trust_domain, url_encoded,
};

fn with(
    mut params: CertificateParams,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateParams {
    change(&mut params);
    params
}

fn issuing(purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    with(ca_params("root"), |params| params.extended_key_usages = vec![purpose])
}

/// A leaf with these names and none in its subject.
fn leaf(names: Vec<SanType>) -> CertificateParams {
    with(leaf_params(&[]), |params| params.subject_alt_names = names)
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn web() -> CertificateParams {
    leaf(vec![dns("web.prod.example")])
}

fn named(common: &str, extensions: Vec<CustomExtension>) -> CertificateParams {
    with(ca_params(common), |params| params.custom_extensions = extensions)
}

fn permitting(common: &str, below: u8) -> CertificateParams {
    let is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    with(ca_params(common), |params| params.is_ca = is_ca)
}

fn constrained(permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>) -> CertificateParams {
    let subtrees = NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded };
    with(ca_params("root"), |params| params.name_constraints = Some(subtrees))
}

/// A DER value of less than 128 bytes.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

/// An extension of the arc 2.5.29.
fn extension(id: u64, critical: bool, content: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, id], content);
    extension.set_criticality(critical);
    extension
}

/// `requireExplicitPolicy` after this many certificates.
fn explicit(skipped: u8, critical: bool) -> CustomExtension {
    extension(36, critical, tlv(0x30, &tlv(0x80, &[skipped])))
}

/// Certificate policies 1.2.N; 0 is `anyPolicy`.
fn policies(numbers: &[u8]) -> CustomExtension {
    let policy = |number: &u8| match number {
        0 => tlv(0x30, &tlv(6, &[0x55, 0x1d, 0x20, 0])),
        number => tlv(0x30, &tlv(6, &[0x2a, *number])),
    };
    let all: Vec<u8> = numbers.iter().flat_map(policy).collect();
    extension(32, false, tlv(0x30, &all))
}

fn inhibit_any(skipped: u8) -> CustomExtension {
    extension(54, false, vec![2, 1, skipped])
}

/// The result for a chain below `root`, through these intermediates, down to `leaf`.
fn outcome(
    root: CertificateParams,
    intermediates: Vec<CertificateParams>,
    leaf: &CertificateParams,
) -> Result<(), Rejection> {
    let root = Ca::self_signed(root);
    let trust = store(&[("plain", &root, "")]);
    let mut cas = vec![root];
    for params in intermediates {
        let next = cas.last().unwrap().intermediate(params);
        cas.push(next);
    }
    let leaf = cas.last().unwrap().sign(leaf);
    let chain: Vec<_> =
        std::iter::once(&leaf.der).chain(cas.iter().skip(1).rev().map(|ca| &ca.der)).collect();
    judge(&trust, &chain)
}

fn judge(
    trust: &TrustStore,
    chain: &[&rustls::pki_types::CertificateDer<'_>],
) -> Result<(), Rejection> {
    let chain = url_encoded(chain);
    let shown = Shown { without_tls: true, ..Shown::xfcc(format!("Chain=\"{chain}\""), "") };
    let shown = Shown { principal: None, ..shown };
    match shown.verify_at(trust, NOW) {
        Credential::Verified(_) => Ok(()),
        Credential::Rejected(rejection) => Err(rejection),
        Credential::Absent => panic!("absent"),
    }
}

fn reason(outcome: &Result<(), Rejection>) -> Option<Reason> {
    outcome.as_ref().err().map(Rejection::reason)
}

/// P100: the authority's own path length bounds the path, at every depth; self-issued certificates count.
#[test]
fn the_path_length_of_the_authority_is_kept() {
    for (permitted, intermediates, allowed) in
        [(0, 0, true), (0, 1, false), (1, 1, true), (1, 2, false), (2, 2, true), (2, 3, false)]
    {
        let below = (0..intermediates).map(|at| ca_params(&format!("{at}"))).collect();
        let found = outcome(permitting("root", permitted), below, &web());
        assert_eq!(found.is_ok(), allowed, "{permitted}, {intermediates}: {found:?}");
        if let Err(rejection) = found {
            assert_eq!(rejection.reason(), Reason::ChainUntrusted);
            assert!(rejection.detail().contains("path is too long"), "{rejection}");
        }
    }
    let own_name = outcome(permitting("root", 0), vec![ca_params("root")], &web());
    assert_eq!(reason(&own_name), Some(Reason::ChainUntrusted));
}

/// P100: names that the authority's own certificate does not permit, of every kind, and those of a kind that is not
/// evaluated.
#[test]
fn the_name_constraints_of_the_authority_are_kept() {
    use GeneralSubtree::{DirectoryName, DnsName, IpAddress, Rfc822Name};
    let block = || IpAddress(CidrSubnet::from_v4_prefix([10, 0, 0, 0], 8));
    let ip = |text: &str| SanType::IpAddress(text.parse().unwrap());
    let email = || SanType::Rfc822Name("you@prod.example".try_into().unwrap());
    let prod = || DnsName("prod.example".into());
    let mut mail_in_subject = web();
    mail_in_subject
        .distinguished_name
        .push(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "you@prod.example");
    let host_in_subject = |common: &str| {
        let names = vec![SanType::URI("https://a.example/".try_into().unwrap())];
        with(leaf(names), |params| params.distinguished_name = name(common))
    };
    for (permitted, excluded, leaf, allowed) in [
        (vec![prod()], vec![], web(), true),
        (vec![prod()], vec![], host_in_subject("web.prod.example"), true),
        (vec![prod()], vec![], host_in_subject("web.other.example"), false),
        (vec![prod()], vec![], host_in_subject("webprod.example"), false),
        (vec![prod()], vec![], host_in_subject("no host"), true),
        (vec![], vec![prod()], host_in_subject("web.PROD.example"), false),
        (vec![prod()], vec![], leaf(vec![dns("web.other.example")]), false),
        (vec![prod()], vec![], leaf(vec![dns("web.prod.example"), dns("other.example")]), false),
        (vec![], vec![prod()], web(), false),
        (vec![], vec![prod()], leaf(vec![dns("web.other.example")]), true),
        (vec![block()], vec![], leaf(vec![ip("10.1.2.3")]), true),
        (vec![block()], vec![], leaf(vec![ip("11.1.2.3")]), false),
        (vec![block()], vec![], leaf(vec![ip("2001:db8::1")]), false),
        (vec![], vec![block()], leaf(vec![ip("10.1.2.3")]), false),
        (vec![Rfc822Name("prod.example".into())], vec![], leaf(vec![email()]), false),
        (vec![Rfc822Name("prod.example".into())], vec![], mail_in_subject, false),
        (vec![Rfc822Name("prod.example".into())], vec![], web(), true),
        (vec![DirectoryName(name("prod"))], vec![], web(), false),
    ] {
        let what = format!("{permitted:?} {excluded:?} {:?}", leaf.subject_alt_names);
        let found = outcome(constrained(permitted, excluded), Vec::new(), &leaf);
        assert_eq!(found.is_ok(), allowed, "{what}: {found:?}");
        assert!(allowed || reason(&found) == Some(Reason::CertSan), "{what}: {found:?}");
    }
}

/// A path: a name for messages, the extensions of the authority, the intermediates, the leaf, and whether it is accepted.
type PolicyPath =
    (&'static str, Vec<CustomExtension>, Vec<CertificateParams>, CertificateParams, bool);

fn leaf_with(extensions: Vec<CustomExtension>) -> CertificateParams {
    with(web(), |params| params.custom_extensions = extensions)
}

fn check_policy_paths(paths: Vec<PolicyPath>) {
    for (what, root, below, leaf, allowed) in paths {
        let found = outcome(named("root", root), below, &leaf);
        assert_eq!(found.is_ok(), allowed, "{what}: {found:?}");
        assert!(allowed || reason(&found) == Some(Reason::ChainUntrusted), "{what}: {found:?}");
    }
}

/// P103: where a certificate of the path, the authority's own among them, requires a policy, critical or not, the path has
/// one that all of it shares (PKITS 4.8.4, 4.8.5, 4.8.9, 4.8.12 and 4.9).
#[test]
fn a_policy_that_is_required_is_there() {
    let ca = named;
    let none = || leaf_with(vec![]);
    let one = || leaf_with(vec![policies(&[1])]);
    let two = || leaf_with(vec![policies(&[2])]);
    check_policy_paths(vec![
        ("nothing is required", vec![], vec![ca("a", vec![policies(&[1])])], none(), true),
        ("by the authority", vec![explicit(0, false)], vec![], none(), false),
        ("by the authority", vec![explicit(0, false)], vec![], one(), true),
        ("for the third", vec![explicit(3, false)], vec![ca("a", vec![])], none(), true),
        ("for the second", vec![explicit(2, false)], vec![ca("a", vec![])], none(), false),
        (
            "another than the authority's",
            vec![explicit(0, false), policies(&[1])],
            vec![],
            two(),
            false,
        ),
        (
            "4.8.4: another than the intermediate's",
            vec![],
            vec![ca("a", vec![policies(&[1]), explicit(0, false)])],
            two(),
            false,
        ),
        (
            "the intermediate's",
            vec![],
            vec![ca("a", vec![policies(&[1, 2]), explicit(0, false)])],
            two(),
            true,
        ),
        (
            "4.8.12: none in between",
            vec![],
            vec![ca("a", vec![policies(&[1]), explicit(0, false)]), ca("b", vec![])],
            one(),
            false,
        ),
        ("by the leaf itself", vec![], vec![], leaf_with(vec![explicit(0, false)]), false),
        ("critical", vec![], vec![ca("a", vec![explicit(0, true)])], one(), false),
    ]);
}

/// P103: `anyPolicy` stands for every policy, until a certificate of the path inhibits it.
#[test]
fn any_policy_counts_until_it_is_inhibited() {
    let ca = named;
    let any = || leaf_with(vec![policies(&[0])]);
    check_policy_paths(vec![
        ("any", vec![], vec![ca("a", vec![policies(&[0]), explicit(0, false)])], any(), true),
        (
            "any, which does not count",
            vec![inhibit_any(0), explicit(0, false)],
            vec![],
            any(),
            false,
        ),
        (
            "any, inhibited later: stricter than the standard",
            vec![inhibit_any(1), explicit(0, false)],
            vec![],
            any(),
            false,
        ),
        (
            "any, which no longer counts",
            vec![inhibit_any(1), explicit(0, false)],
            vec![ca("a", vec![policies(&[0])])],
            any(),
            false,
        ),
    ]);
}

fn pinned(params: CertificateParams) -> (TrustStore, Vec<Diagnostic>) {
    let (odd, good) = (Ca::self_signed(params), Ca::root("good"));
    let pems = odd.pem() + &good.pem();
    let spec = "{ authorities: [{ file: ca.pem }] }";
    compile(&trust_domain("plain", spec), &[("ca.pem", pems.as_bytes())])
}

/// P101: an authority with a critical extension that is not processed, with one twice, or that is for servers, is ignored
/// when it is loaded, and so is an intermediate of the configuration.
#[test]
fn an_authority_is_held_to_what_is_asked_of_an_intermediate() {
    let private = {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        extension
    };
    let twice = |id| vec![extension(id, false, vec![4, 0]), extension(id, false, vec![4, 0])];
    let servers = issuing(ExtendedKeyUsagePurpose::ServerAuth);
    for (params, said) in [
        (named("root", vec![private]), "`1.2.3.4`"),
        (named("root", vec![explicit(0, true)]), "policyConstraints"),
        (named("root", vec![extension(54, true, vec![2, 1, 0])]), "inhibitAnyPolicy"),
        (named("root", vec![extension(32, true, tlv(0x30, &[]))]), "certificatePolicies"),
        (named("root", vec![extension(33, true, tlv(0x30, &[]))]), "policyMappings"),
        (named("root", vec![extension(46, true, tlv(0x30, &[]))]), "freshestCRL"),
        (named("root", vec![extension(36, false, vec![4, 0])]), "cannot be read"),
        (named("root", twice(18)), "`issuerAltName` (2.5.29.18) twice"),
        (servers, "without `clientAuth`"),
    ] {
        let (store, problems) = pinned(params.clone());
        assert_eq!(problems.len(), 1, "{said}");
        assert_eq!(problems[0].code, "odd-authority");
        assert!(problems[0].message.contains(said), "{}: {said}", problems[0]);
        assert_eq!(store.domains()[0].authorities.len(), 1, "{said}");
        let found = outcome(
            ca_params("root"),
            vec![with(params, |params| params.distinguished_name = name("middle"))],
            &web(),
        );
        assert!(
            matches!(reason(&found), Some(Reason::ChainUntrusted | Reason::CertEku)),
            "{said}: {found:?}"
        );
    }
    assert!(pinned(issuing(ExtendedKeyUsagePurpose::ClientAuth)).1.is_empty());
}

/// P102: where a CA has its issuer's name, the real cause is reported, and "another key" only if that is it.
#[test]
fn the_message_names_the_real_cause() {
    let detail = |found: Result<(), Rejection>| found.unwrap_err().detail().to_owned();
    let own = |params: CertificateParams| outcome(params, vec![ca_params("root")], &web());
    assert!(detail(own(permitting("root", 0))).contains("path is too long"));
    let constraints = constrained(vec![GeneralSubtree::DnsName("other.example".into())], vec![]);
    let found = own(constraints);
    assert_eq!(reason(&found), Some(Reason::CertSan));
    assert!(detail(found).contains("not permitted by the name constraints of `CN=root`"));
    let two = vec![permitting("root", 0), ca_params("root")];
    assert!(detail(outcome(ca_params("root"), two, &web())).contains("path is too long"));
    let servers = issuing(ExtendedKeyUsagePurpose::ServerAuth);
    let found = outcome(ca_params("root"), vec![servers], &web());
    assert_eq!(reason(&found), Some(Reason::CertEku));

    let (root, twin) = (Ca::root("root"), Ca::root("root"));
    let trust = store(&[("plain", &root, "")]);
    let found = judge(&trust, &[&twin.sign(&web()).der]);
    assert!(detail(found).contains("an authority of the same name has another key"));
    let (middle, other) =
        (root.intermediate(ca_params("middle")), root.intermediate(ca_params("middle")));
    let found = judge(&trust, &[&middle.sign(&web()).der, &other.der]);
    assert!(detail(found).contains("an intermediate of the issuer's name has another key"));
}

/// P367: a critical extension that is not understood is named, with the issuer that has it.
#[test]
fn an_issuer_with_an_odd_extension_is_named() {
    let mut private = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    private.set_criticality(true);
    let middle = named("middle", vec![private]);
    let found = outcome(ca_params("root"), vec![middle], &web()).unwrap_err();
    assert_eq!(found.reason(), Reason::ChainUntrusted);
    assert!(
        found.detail().contains("`CN=middle`") && found.detail().contains("1.2.3.4"),
        "{found}"
    );
}

/// P175: constraints on kinds of names that are not evaluated refuse what they may permit, and the text says so.
#[test]
fn a_constraint_that_is_not_evaluated_is_named() {
    use GeneralSubtree::{DirectoryName, DnsName, Rfc822Name};
    let email = leaf(vec![SanType::Rfc822Name("you@prod.example".try_into().unwrap())]);
    let mail = || Rfc822Name("prod.example".into());
    let subject = || DirectoryName(name("root"));
    for (permitted, leaf, middle, part) in [
        (mail(), &email, None, "`CN=root` constrains e-mail addresses, which is not evaluated"),
        (subject(), &web(), None, "constrains directory names, which is not evaluated"),
        (subject(), &web(), Some("root"), "constrains directory names, which is not evaluated"),
        (
            DnsName("other.example".into()),
            &web(),
            None,
            "not permitted by the name constraints of `CN=root`",
        ),
    ] {
        let middle = middle.map(ca_params).into_iter().collect();
        let found = outcome(constrained(vec![permitted], vec![]), middle, leaf);
        assert_eq!(reason(&found), Some(Reason::CertSan), "{part}");
        let rejection = found.unwrap_err();
        assert!(rejection.detail().contains(part), "{part}: {rejection}");
    }
}

/// P102: a chain that is too long is that of the place where it was found.
#[test]
fn a_chain_is_that_of_its_own_source() {
    let root = Ca::root("root");
    let trust = store(&[("prod", &root, "spiffe: prod.example")]);
    let leaf = root.workload("spiffe://prod.example/ns/web/sa/frontend");
    let chain = url_encoded(&[&[&leaf.der][..], &[&root.der; 8]].concat());
    let own = Fingerprint::of(&leaf.der).to_hex();
    let shown = Shown {
        certificate: Some(leaf.encoded()),
        ..Shown::xfcc(format!("Hash={own};Chain=\"{chain}\""), "")
    };
    let rejection = shown.rejection_at(&trust, NOW);
    assert_eq!(rejection.reason(), Reason::XfccMalformed);
    assert!(rejection.detail().contains("in xfcc cannot be read"), "{rejection}");
    assert!(rejection.detail().contains("more than 8 certificates"), "{rejection}");
}
