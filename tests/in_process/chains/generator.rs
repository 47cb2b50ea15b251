//! Chains of certificates by the number: mostly sound, each with some things that may or may not matter.

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, KeyPair, SerialNumber,
    date_time_ymd,
};

use super::der::*;

/// The same numbers for the same seed, on every machine (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

/// The contents of a certificate to come, and its signer.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) subject: Subject,
    issuer: Subject,
    key: usize,
    signer: usize,
    extensions: Vec<Extension>,
    serial: Vec<u8>,
    years: (i32, i32),
    broken: bool,
    short_key: bool,
}

/// A common name and what may stand beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    common: String,
    organization: Option<&'static str>,
    email: Option<&'static str>,
}

/// A chain as it is presented, and what was done to it.
pub(crate) struct Chain {
    pub(crate) root: Vec<u8>,
    pub(crate) leaf: Vec<u8>,
    pub(crate) intermediates: Vec<Vec<u8>>,
    pub(crate) changes: Vec<&'static str>,
}

/// Keys are made once: most of the time goes into them.
pub(crate) struct Keys(Vec<KeyPair>);

const KEYS: usize = 8;

// === impl Dice ===

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn byte(&mut self, bound: usize) -> u8 {
        u8::try_from(self.below(bound)).unwrap()
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

// === impl Keys ===

impl Keys {
    pub(crate) fn new() -> Self {
        let kinds = [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384];
        let kinds = kinds.into_iter().chain([&rcgen::PKCS_ED25519]).cycle();
        Self(kinds.take(KEYS).map(|kind| KeyPair::generate_for(kind).unwrap()).collect())
    }
}

/// The public half of an RSA key of 1024 bits, whose private half does not exist.
struct ShortKey(Vec<u8>);

impl rcgen::PublicKeyData for ShortKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

// === impl Subject ===

impl Subject {
    fn new(common: impl Into<String>) -> Self {
        Self { common: common.into(), organization: None, email: None }
    }

    fn name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        if let Some(organization) = self.organization {
            name.push(DnType::OrganizationName, organization);
        }
        if !self.common.is_empty() {
            name.push(DnType::CommonName, self.common.as_str());
        }
        if let Some(email) = self.email {
            let email = rcgen::DnValue::Ia5String(email.try_into().unwrap());
            name.push(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), email);
        }
        name
    }
}

// === impl Plan ===

impl Plan {
    fn ca(common: &str, key: usize, issuer: Subject, signer: usize) -> Self {
        let extensions = vec![
            basic_constraints(true, None),
            key_usage(6),
            subject_key(key),
            authority_key(signer),
        ];
        let subject = Subject::new(common);
        Self { subject, issuer, key, signer, extensions, ..Self::leaf(Subject::new(""), 0) }
    }

    fn leaf(issuer: Subject, signer: usize) -> Self {
        Self {
            subject: Subject::new("web"),
            issuer,
            key: KEYS - 1,
            signer,
            extensions: vec![
                key_usage(0x80),
                extended_key_usage(&[2]),
                alternative_names(&[Name::Dns("web.prod.example")]),
                subject_key(KEYS - 1),
                authority_key(signer),
            ],
            serial: vec![1, 2, 3, 4],
            years: (2026, 2027),
            broken: false,
            short_key: false,
        }
    }

    /// Puts an extension in the place of one with the same identifier.
    fn set(&mut self, extension: Extension) {
        self.unset(&extension.oid);
        self.extensions.push(extension);
    }

    fn unset(&mut self, oid: &[u64]) {
        self.extensions.retain(|own| own.oid != oid);
    }

    fn build(&self, keys: &Keys) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = self.subject.name();
        params.serial_number = Some(SerialNumber::from(self.serial.clone()));
        params.not_before = date_time_ymd(self.years.0, 1, 1);
        params.not_after = date_time_ymd(self.years.1, 1, 1);
        params.custom_extensions = self.extensions.iter().map(custom).collect();
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = self.issuer.name();
        let issuer = Issuer::new(issuer, &keys.0[self.signer]);
        let certificate = if self.short_key {
            let modulus = tlv(2, &[&[0], &[0xc5; 128]]);
            let key = ShortKey(sequence(&[modulus, vec![2, 3, 1, 0, 1]]));
            params.signed_by(&key, &issuer)
        } else {
            params.signed_by(&keys.0[self.key], &issuer)
        };
        let mut der = certificate.unwrap().der().to_vec();
        if self.broken {
            *der.last_mut().unwrap() ^= 1;
        }
        der
    }
}

fn custom(extension: &Extension) -> CustomExtension {
    let mut own = CustomExtension::from_oid_content(&extension.oid, extension.value.clone());
    own.set_criticality(extension.critical);
    own
}

/// A chain of at most four CAs and a leaf, changed in up to three ways.
pub(crate) fn chain(dice: &mut Dice, keys: &Keys) -> Chain {
    let depth = dice.of(&[0, 0, 1, 1, 1, 2, 2, 3]);
    let mut plans = vec![Plan::ca("root", 0, Subject::new("root"), 0)];
    for at in 1..=depth {
        let above = plans[at - 1].subject.clone();
        plans.push(Plan::ca(&format!("ca {at}"), at, above, at - 1));
    }
    plans.push(Plan::leaf(plans[depth].subject.clone(), depth));
    let mut chain = Chain {
        root: Vec::new(),
        leaf: Vec::new(),
        intermediates: Vec::new(),
        changes: Vec::new(),
    };
    let mut strangers = Vec::new();
    for _ in 0..dice.of(&[0, 1, 1, 1, 2, 2, 3]) {
        let change = dice.of(&CHANGES);
        (change.make)(dice, &mut plans, &mut strangers);
        chain.changes.push(change.name);
    }
    let mut built: Vec<_> = plans.iter().map(|plan| plan.build(keys)).collect();
    chain.root = built.remove(0);
    chain.leaf = built.pop().unwrap();
    built.reverse();
    built.extend(strangers.iter().map(|plan| plan.build(keys)));
    arrange(dice, &mut chain, built);
    chain
}

/// Intermediates in the order in which they were issued, or not, or not all of them.
fn arrange(dice: &mut Dice, chain: &mut Chain, mut intermediates: Vec<Vec<u8>>) {
    if intermediates.len() > 1 && dice.below(4) == 0 {
        let at = dice.below(intermediates.len());
        intermediates.rotate_left(at);
        chain.changes.push("another order");
    }
    if !intermediates.is_empty() && dice.below(25) == 0 {
        intermediates.remove(dice.below(intermediates.len()));
        chain.changes.push("one missing");
    }
    if dice.below(20) == 0 {
        intermediates.push(chain.root.clone());
        chain.changes.push("the root as well");
    }
    chain.intermediates = intermediates;
}

type Make = fn(&mut Dice, &mut [Plan], &mut Vec<Plan>);

/// One kind of change.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    make: Make,
}

macro_rules! changes {
    ($($name:literal: $make:expr,)*) => { [$(Change { name: $name, make: $make }),*] };
}

fn any_ca<'p>(dice: &mut Dice, plans: &'p mut [Plan]) -> &'p mut Plan {
    let cas = plans.len() - 1;
    &mut plans[dice.below(cas)]
}

fn any<'p>(dice: &mut Dice, plans: &'p mut [Plan]) -> &'p mut Plan {
    let all = plans.len();
    &mut plans[dice.below(all)]
}

fn leaf(plans: &mut [Plan]) -> &mut Plan {
    plans.last_mut().unwrap()
}

/// Names that a constraint may be about, half of them the leaf's own.
fn bases() -> [Name; 12] {
    [
        Name::Dns("prod.example"),
        Name::Dns("web.prod.example"),
        Name::Dns("other.example"),
        Name::Dns(""),
        Name::Ip(vec![10, 0, 0, 0, 255, 0, 0, 0]),
        Name::Ip(vec![192, 0, 2, 0, 255, 255, 255, 0]),
        Name::Ip(
            [[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0; 4], [255; 4], [0; 4], [0; 4], [0; 4]]
                .concat(),
        ),
        Name::Email("prod.example"),
        Name::Email("you@prod.example"),
        Name::Uri("prod.example"),
        Name::Directory("prod"),
        Name::Directory("other"),
    ]
}

fn san_names() -> [Name; 11] {
    [
        Name::Dns("web.prod.example"),
        Name::Dns("prod.example"),
        Name::Dns("web.other.example"),
        Name::Dns("*.prod.example"),
        Name::Ip(vec![10, 1, 2, 3]),
        Name::Ip(vec![192, 0, 2, 1]),
        Name::Ip([[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0, 0, 0, 1]].concat()),
        Name::Email("you@prod.example"),
        Name::Email("you@other.example"),
        Name::Uri("https://prod.example/web"),
        Name::Directory("prod"),
    ]
}

pub(crate) const CHANGES: [Change; 32] = changes! {
    "path length": |dice, plans, _| {
        let most = dice.byte(4);
        any_ca(dice, plans).set(basic_constraints(true, Some(most)));
    },
    "path length of the authority": |dice, plans, _| {
        let most = dice.byte(3);
        plans[0].set(basic_constraints(true, Some(most)));
    },
    "permitted names": |dice, plans, _| {
        let base = dice.of(&bases());
        any_ca(dice, plans).set(name_constraints(&[base], &[]));
    },
    "several permitted names": |dice, plans, _| {
        let bases = [dice.of(&bases()), dice.of(&bases())];
        any_ca(dice, plans).set(name_constraints(&bases, &[]));
    },
    "excluded names": |dice, plans, _| {
        let base = dice.of(&bases());
        any_ca(dice, plans).set(name_constraints(&[], &[base]));
    },
    "permitted and excluded names": |dice, plans, _| {
        let (one, other) = (dice.of(&bases()), dice.of(&bases()));
        any_ca(dice, plans).set(name_constraints(&[one], &[other]));
    },
    "names of the leaf": |dice, plans, _| {
        let names = [dice.of(&san_names()), dice.of(&san_names())];
        leaf(plans).set(alternative_names(&names[..=dice.below(2)]));
    },
    "no names": |_, plans, _| leaf(plans).unset(&[2, 5, 29, 17]),
    "a subject": |dice, plans, _| {
        let plan = leaf(plans);
        match dice.below(3) {
            0 => plan.subject.email = Some(dice.of(&["you@prod.example", "you@other.example"])),
            1 => plan.subject.organization = Some(dice.of(&["prod", "other"])),
            _ => plan.subject.common = dice.of(&["web.other.example", "web.prod.example", ""]).into(),
        }
    },
    "key usage of a CA": |dice, plans, _| {
        let bits = dice.of(&[2, 4, 6, 0x80, 0x84]);
        any_ca(dice, plans).set(key_usage(bits));
    },
    "a CA without key usage": |dice, plans, _| any_ca(dice, plans).unset(&[2, 5, 29, 15]),
    "purposes of a CA": |dice, plans, _| {
        let purposes = dice.of(&[&[1][..], &[2], &[1, 2], &[3]]);
        any_ca(dice, plans).set(extended_key_usage(purposes));
    },
    "purposes of the leaf": |dice, plans, _| {
        let purposes = dice.of(&[&[1][..], &[2], &[1, 2], &[3]]);
        leaf(plans).set(extended_key_usage(purposes));
    },
    "any purpose": |dice, plans, _| any(dice, plans).set(extended_key_usage(&[0])),
    "a leaf without purposes": |_, plans, _| leaf(plans).unset(&[2, 5, 29, 37]),
    "key usage of the leaf": |dice, plans, _| {
        let bits = dice.of(&[0x80, 0x20, 0xa0, 0x84, 0x08, 0x02]);
        leaf(plans).set(key_usage(bits));
    },
    "a leaf without key usage": |_, plans, _| leaf(plans).unset(&[2, 5, 29, 15]),
    "no CA": |dice, plans, _| {
        let plan = any_ca(dice, plans);
        if dice.coin() { plan.set(basic_constraints(false, None)) } else { plan.unset(&[2, 5, 29, 19]) }
    },
    "a leaf that is a CA": |dice, plans, _| {
        let ca = dice.coin();
        leaf(plans).set(basic_constraints(ca, None));
    },
    "dates": |dice, plans, _| {
        let years = dice.of(&[(2024, 2025), (2027, 2028), (2020, 2040), (1999, 2051)]);
        any(dice, plans).years = years;
    },
    "a private extension": |dice, plans, _| {
        let critical = dice.coin();
        any(dice, plans).set(private(critical));
    },
    "a critical extension": |dice, plans, _| {
        let plan = any(dice, plans);
        let at = dice.below(plan.extensions.len());
        plan.extensions[at].critical ^= true;
    },
    "policies": |dice, plans, _| {
        let numbers = dice.of(&[&[1][..], &[2], &[1, 2], &[0]]);
        if dice.coin() {
            plans.iter_mut().skip(1).for_each(|plan| plan.set(policies(numbers)));
        } else {
            any(dice, plans).set(policies(numbers));
        }
    },
    "a policy required": |dice, plans, _| {
        let (after, critical) = (dice.byte(3), dice.below(4) == 0);
        any(dice, plans).set(policy_constraints(after, critical));
    },
    "no more any policy": |dice, plans, _| {
        let (after, critical) = (dice.byte(2), dice.below(4) == 0);
        any_ca(dice, plans).set(inhibit_any(after, critical));
        plans.iter_mut().skip(1).for_each(|plan| plan.set(policies(&[0])));
        any_ca(dice, plans).set(policy_constraints(0, false));
    },
    "its issuer's name": |dice, plans, _| {
        let at = 1 + dice.below(plans.len() - 1);
        let own = plans[at].issuer.clone();
        plans[at].subject = own.clone();
        if let Some(below) = plans.get_mut(at + 1) {
            below.issuer = own;
        }
    },
    "an extension twice": |dice, plans, _| {
        let plan = any(dice, plans);
        let again = dice.of(&plan.extensions);
        plan.extensions.push(again);
    },
    "serial number": |dice, plans, _| {
        let serials = [vec![0], vec![0x7f; 20], vec![0x7f; 21], vec![0x80, 1], vec![0, 0x80]];
        any(dice, plans).serial = dice.of(&serials);
    },
    "a short key": |_, plans, _| leaf(plans).short_key = true,
    "a broken signature": |dice, plans, _| any(dice, plans).broken = true,
    "another key": |dice, plans, _| {
        let at = 1 + dice.below(plans.len() - 1);
        plans[at].signer = KEYS - 2;
    },
    "cross-signed": |dice, plans, strangers| {
        // Another certificate of a CA of the chain: by a root that is not pinned, by the pinned one, or by itself.
        let at = dice.below(plans.len() - 1);
        let mut twin = plans[at].clone();
        match dice.below(3) {
            0 => (twin.issuer, twin.signer) = (Subject::new("elsewhere"), 6),
            1 => (twin.issuer, twin.signer) = (plans[0].subject.clone(), 0),
            _ => (twin.issuer, twin.signer) = (twin.subject.clone(), twin.key),
        }
        twin.set(authority_key(twin.signer));
        if dice.coin() {
            twin.extensions.retain(|own| own.oid != [2, 5, 29, 30]);
            twin.set(basic_constraints(true, None));
        }
        twin.serial = vec![9, 9];
        strangers.push(twin);
    },
};
