//! Certificates and revocation lists for the table.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, SanType, SerialNumber, date_time_ymd,
};

use super::Scene;
use crate::trust::tests::pki::{Ca, Leaf, ca_params, crl_params, leaf_params, name};

const MIDDLE: &str = "the middle";

/// The default leaf: `web.prod.example`, serial number 1.
fn web() -> CertificateParams {
    let mut params = leaf_params(&[]);
    params.distinguished_name = name("web");
    params.serial_number = Some(SerialNumber::from(1));
    params.subject_alt_names = vec![dns("web.prod.example")];
    params
}

fn middle() -> CertificateParams {
    let mut params = ca_params(MIDDLE);
    params.serial_number = Some(SerialNumber::from(77));
    params
}

pub(super) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

pub(super) fn email(address: &str) -> SanType {
    SanType::Rfc822Name(address.try_into().unwrap())
}

pub(super) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn presented(chain: &[&Leaf], root: Ca) -> Scene {
    let chain = chain.iter().map(|leaf| (*leaf).clone()).collect();
    Scene { root, intermediates: Vec::new(), chain, lists: Vec::new() }
}

fn as_leaf(ca: &Ca) -> Leaf {
    Leaf { der: ca.der.clone() }
}

/// A leaf below an intermediate below the root, changed as the row says.
pub(super) fn plain(
    change_ca: fn(&mut CertificateParams),
    change_leaf: fn(&mut CertificateParams),
) -> Scene {
    let (mut ca, mut leaf) = (middle(), web());
    change_ca(&mut ca);
    change_leaf(&mut leaf);
    let root = Ca::root("root");
    let middle = root.intermediate(ca.clone());
    // The library does not let what is no CA sign; its key does.
    let able = Issuer::new(self::middle(), key_of(&middle));
    let der = leaf.signed_by(&KeyPair::generate().unwrap(), &able).unwrap().der().clone();
    presented(&[&Leaf { der }, &as_leaf(&middle)], root)
}

fn key_of(ca: &Ca) -> KeyPair {
    KeyPair::try_from(ca.issuer.key().serialize_der()).unwrap()
}

/// As [`plain`], with the last byte of one certificate of the chain changed.
pub(super) fn tampered(at: usize) -> Scene {
    let mut scene = plain(|_| {}, |_| {});
    let mut der = scene.chain[at].der.to_vec();
    *der.last_mut().unwrap() ^= 1;
    scene.chain[at].der = der.into();
    scene
}

/// A leaf that says that it is from an issuer of this name, signed with the key of the intermediate.
pub(super) fn renamed(issuer: &str) -> Scene {
    let root = Ca::root("root");
    let middle = root.intermediate(middle());
    let other = Issuer::new(ca_params(issuer), key_of(&middle));
    let der = web().signed_by(&KeyPair::generate().unwrap(), &other).unwrap().der().clone();
    presented(&[&Leaf { der }, &as_leaf(&middle)], root)
}

/// A leaf and an intermediate with these lists, given the root and the intermediate.
pub(super) fn listed(lists: fn(&Ca, &Ca) -> Vec<Vec<u8>>) -> Scene {
    let root = Ca::root("root");
    let middle = root.intermediate(middle());
    let leaf = middle.sign(&web());
    let lists = lists(&root, &middle);
    let chain = vec![leaf, as_leaf(&middle)];
    Scene { root, intermediates: vec![middle], chain, lists }
}

pub(super) fn broken(mut list: Vec<u8>) -> Vec<u8> {
    *list.last_mut().unwrap() ^= 1;
    list
}

pub(super) fn list_until(ca: &Ca, year: i32, month: u8) -> Vec<u8> {
    let mut params = crl_params(1, &[]);
    params.this_update = date_time_ymd(2026, 5, 1);
    params.next_update = date_time_ymd(year, month, 1);
    ca.sign_crl(&params)
}

/// A leaf and a list with serial numbers of 20 bytes that differ in the last one.
pub(super) fn long_serial(revoked: u8) -> Scene {
    let serial = |last: u8| SerialNumber::from([&[0x7f; 19][..], &[last]].concat());
    let root = Ca::root("root");
    let mut leaf = web();
    leaf.serial_number = Some(serial(1));
    let mut list = crl_params(1, &[0]);
    list.revoked_certs[0].serial_number = serial(revoked);
    let (chain, lists) = (vec![root.sign(&leaf)], vec![root.sign_crl(&list)]);
    Scene { root, intermediates: Vec::new(), chain, lists }
}

/// Two certificates of one CA: one whose key signs certificates, one whose key signs lists.
pub(super) fn separate_key() -> Scene {
    let mut scene = listed(|root, _| vec![root.crl(1, &[])]);
    let mut params = middle();
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let for_lists = scene.root.intermediate(params);
    let able = Issuer::new(middle(), key_of(&for_lists));
    scene.lists.push(crl_params(1, &[]).signed_by(&able).unwrap().der().to_vec());
    scene.intermediates.push(for_lists);
    scene
}

/// A CA before and after it got a new key, and a leaf of the new one.
pub(super) fn rollover(new_list: bool) -> Scene {
    let root = Ca::root("root");
    let (old, new) = (root.intermediate(middle()), root.intermediate(middle()));
    let chain = vec![new.sign(&web()), as_leaf(&new)];
    let mut lists = vec![root.crl(1, &[]), old.crl(1, &[1])];
    lists.extend(new_list.then(|| new.crl(2, &[])));
    Scene { root, intermediates: vec![old, new], chain, lists }
}

/// A first intermediate that permits `permitted` more, `more` below it, and a leaf.
pub(super) fn deep(permitted: u8, more: usize) -> Scene {
    let root = Ca::root("root");
    let mut params = middle();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(permitted));
    let mut cas = vec![root.intermediate(params)];
    for at in 0..more {
        let next = cas[at].intermediate(ca_params(&format!("below {at}")));
        cas.push(next);
    }
    let mut chain = vec![cas[more].sign(&web())];
    chain.extend(cas.iter().rev().map(as_leaf));
    Scene { root, intermediates: Vec::new(), chain, lists: Vec::new() }
}

/// An intermediate that permits none below it, and its own new key below it.
pub(super) fn self_issued() -> Scene {
    let root = Ca::root("root");
    let mut params = middle();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let old = root.intermediate(params);
    let new = old.intermediate(middle());
    presented(&[&new.sign(&web()), &as_leaf(&new), &as_leaf(&old)], root)
}

/// An intermediate without `cRLSign`, and a list by its key.
pub(super) fn mute() -> Scene {
    let root = Ca::root("root");
    let mut params = middle();
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let mute = root.intermediate(params);
    let able = Issuer::new(middle(), key_of(&mute));
    let list = crl_params(1, &[]).signed_by(&able).unwrap().der().to_vec();
    let chain = vec![mute.sign(&web()), as_leaf(&mute)];
    let lists = vec![root.crl(1, &[]), list];
    Scene { root, intermediates: vec![mute], chain, lists }
}

/// An intermediate that permits `permitted` only, and a leaf with `name` as its one name.
pub(super) fn constrained(permitted: GeneralSubtree, name: Option<SanType>) -> Scene {
    let mut params = middle();
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![permitted],
        excluded_subtrees: Vec::new(),
    });
    below(params, name)
}

/// As [`constrained`], to URIs of this host.
pub(super) fn constrained_uri(host: &str, name: &str) -> Scene {
    let mut params = middle();
    let subtree = tlv(0x30, &tlv(0x86, host.as_bytes()));
    let mut extension =
        CustomExtension::from_oid_content(&[2, 5, 29, 30], tlv(0x30, &tlv(0xa0, &subtree)));
    extension.set_criticality(true);
    params.custom_extensions = vec![extension];
    below(params, Some(uri(name)))
}

fn below(params: CertificateParams, name: Option<SanType>) -> Scene {
    let root = Ca::root("root");
    let middle = root.intermediate(params);
    let mut leaf = web();
    leaf.subject_alt_names = name.into_iter().collect();
    presented(&[&middle.sign(&leaf), &as_leaf(&middle)], root)
}

/// Certificate policies: `1.2.3`.
pub(super) fn policies() -> Vec<CustomExtension> {
    let one = tlv(0x30, &tlv(6, &[0x2a, 3]));
    vec![CustomExtension::from_oid_content(&[2, 5, 29, 32], tlv(0x30, &one))]
}

/// Policy constraints, critical: an explicit policy from here on.
pub(super) fn policy_constraints() -> Vec<CustomExtension> {
    critical(&[2, 5, 29, 36], tlv(0x30, &tlv(0x80, &[0])))
}

pub(super) fn unknown() -> Vec<CustomExtension> {
    critical(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0])
}

fn critical(oid: &[u64], content: Vec<u8>) -> Vec<CustomExtension> {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(true);
    vec![extension]
}

/// A DER value of less than 128 bytes.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}
