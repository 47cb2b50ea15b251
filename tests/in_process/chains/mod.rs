//! Generated chains of certificates before two judges that have no code in common: ours and `openssl verify`.
//!
//! `openssl` is found on the PATH (Debian package `openssl`). Where it is missing the test says so and is skipped; under
//! `CI=true` it fails. `COUNTERSIGN_CHAINS` asks for another number of chains than 1,200, `COUNTERSIGN_CHAINS_SEED` for other
//! ones; a finding names its seed.

#![expect(
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says what it has counted, and is set by the environment"
)]

mod der;
mod generator;
mod judges;

use std::collections::{BTreeMap, BTreeSet};

use generator::{CHANGES, Chain, Dice, Keys};

/// How what one judge says begins (in one of several ways), the change that every such chain must have (any where it is empty), and why that is right.
type Explanation = (&'static str, &'static str, &'static str);

/// Chains that openssl refuses and we allow.
const LAXER: [Explanation; 1] = [(
    "unsuitable certificate purpose|unsupported certificate purpose",
    "any purpose",
    "anyExtendedKeyUsage is every purpose (RFC 5280 section 4.2.1.12); of a leaf only where `allowAny` says so",
)];

/// Chains that openssl refuses only with `-x509_strict`, which asks of CAs what RFC 5280 asks of them, and we allow.
const LAXER_THAN_STRICT: [Explanation; 3] = [
    (
        "Basic Constraints of CA cert not marked critical",
        "a critical extension",
        "many private authorities have basic constraints that are not critical; they are read all the same",
    ),
    (
        "CA cert does not include key usage extension|Path length given without key usage keyCertSign",
        "a CA without key usage",
        "without the extension a key is for everything (RFC 5280 section 4.2.1.3 asks CAs to have it)",
    ),
    (
        "Subject empty and Subject Alt Name extension not critical",
        "a subject",
        "common among workload certificates; the names are read all the same",
    ),
];

/// Chains that we refuse and openssl allows, by how our reason begins.
const STRICTER: [Explanation; 10] = [
    (
        "cert_eku: the certificate is a CA",
        "a leaf that is a CA",
        "an authority is never a peer (P36)",
    ),
    (
        "cert_eku: the certificate may sign certificates",
        "key usage of the leaf",
        "an end entity must not be able to sign others (RFC 5280 section 4.2.1.9)",
    ),
    (
        "cert_eku: the key usage is without `digitalSignature`",
        "key usage of the leaf",
        "the key must be allowed to sign the handshake (RFC 8446 section 4.4.2.3)",
    ),
    ("cert_key: ", "a short key", "RSA keys have at least 2048 bits; openssl's level is lower"),
    (
        "cert_san: ",
        "",
        "constraints on URIs, e-mail addresses and directory names refuse every name of their kind",
    ),
    (
        "chain_untrusted: an issuer on the path requires a policy",
        "",
        "the authority's own certificate and self-issued ones count, and `inhibitAnyPolicy` begins at once",
    ),
    (
        "chain_untrusted: the serial number is",
        "serial number",
        "positive, and of 20 bytes at most (RFC 5280 section 4.1.2.2)",
    ),
    (
        "chain_untrusted: of a certificate on the path, its critical extension",
        "",
        "critical extensions about policies, and critical key identifiers, are not processed",
    ),
    ("load: not-an-authority", "no CA", "openssl takes `keyCertSign` for basic constraints"),
    (
        "load: odd-authority",
        "",
        "an authority is held to its critical extensions; openssl lets some pass and does not count others",
    ),
];

/// How many chains were decided in each way.
#[derive(Debug, Default)]
struct Tally {
    both_allow: usize,
    both_refuse: usize,
    /// Findings by what the refusing judge says.
    laxer: BTreeMap<String, Vec<String>>,
    laxer_than_strict: BTreeMap<String, Vec<String>>,
    stricter: BTreeMap<String, Vec<String>>,
    /// How often each change was among those of a chain that both allow, and of one that both refuse.
    changes: BTreeMap<&'static str, (usize, usize)>,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

/// P107: no chain is allowed that openssl refuses, on any path, but for what the table explains; an explanation that explains
/// nothing fails, too.
#[test]
fn no_chain_is_allowed_that_openssl_refuses() {
    if !judges::has_openssl() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "this test needs `openssl`: apt-get install openssl");
        eprintln!("SKIPPED: this test needs `openssl`: apt-get install openssl");
        return;
    }
    let chains = number("COUNTERSIGN_CHAINS", 1200);
    let seed = number("COUNTERSIGN_CHAINS_SEED", 1);
    let usual = (chains, seed) == (1200, 1);
    let keys = Keys::new();
    let tally = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let keys = &keys;
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let mut tally = Tally::default();
                for at in (0..chains).filter(|at| at % 2 == half) {
                    let seed = seed.wrapping_mul(1_000_000).wrapping_add(at);
                    let chain = generator::chain(&mut Dice(seed), keys);
                    tally.judge(folder.path(), &chain, seed);
                }
                tally
            })
        });
        let [one, other] = halves.map(|half| half.join().unwrap());
        one.and(other)
    });
    tally.report();
    let mut wrong = Vec::new();
    check("allowed, and openssl refuses", &tally.laxer, &LAXER, usual, &mut wrong);
    check(
        "allowed, and strict openssl refuses",
        &tally.laxer_than_strict,
        &LAXER_THAN_STRICT,
        usual,
        &mut wrong,
    );
    check("refused, and openssl allows", &tally.stricter, &STRICTER, usual, &mut wrong);
    // A difference that only one of them can see would show nothing.
    let (least, total) = (usize::try_from(chains / 5).unwrap(), chains);
    if tally.both_allow < least || tally.both_refuse < least {
        wrong.push(format!("of {total} chains too few are decided in one way: {tally:?}"));
    }
    for change in CHANGES {
        if tally.changes.get(change.name).is_none_or(|(allowed, refused)| allowed + refused < 5) {
            wrong.push(format!("`{}` is hardly ever tried", change.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each finding has its explanation and each explanation a finding.
fn check(
    what: &str,
    findings: &BTreeMap<String, Vec<String>>,
    explained: &[Explanation],
    usual: bool,
    wrong: &mut Vec<String>,
) {
    let mut used = BTreeSet::new();
    for (said, chains) in findings {
        for chain in chains {
            let change = |change: &str| change.is_empty() || chain.contains(&format!("{change:?}"));
            let explains = |(begins, wants, _): &&Explanation| {
                begins.split('|').any(|begins| said.starts_with(begins)) && change(wants)
            };
            match explained.iter().find(explains) {
                Some((begins, ..)) => {
                    used.insert(*begins);
                }
                None => wrong.push(format!("{what} ({said}): {chain}")),
            }
        }
    }
    for (begins, _, why) in explained {
        assert!(why.len() > 20, "`{begins}` is not explained");
        // Other chains than the usual ones need not have everything.
        if usual && !used.contains(begins) {
            wrong.push(format!("{what}: no chain shows `{begins}`, take it off the list"));
        }
    }
}

// === impl Tally ===

impl Tally {
    fn judge(&mut self, folder: &std::path::Path, chain: &Chain, seed: u64) {
        let named = format!("seed {seed}, {:?}", chain.changes);
        let ours = judges::ours(chain);
        let intermediates: Vec<_> = chain.intermediates.iter().collect();
        let theirs = judges::openssl(folder, chain, &intermediates, &[]);
        match (ours, theirs) {
            (Ok(()), theirs) => self.allowed(folder, chain, theirs, named),
            (Err(_), Err(_)) => {
                self.both_refuse += 1;
                self.count(chain, |counts| counts.1 += 1);
            }
            (Err(why), Ok(())) => self.stricter.entry(why).or_default().push(named),
        }
    }

    fn allowed(
        &mut self,
        folder: &std::path::Path,
        chain: &Chain,
        theirs: judges::Verdict,
        named: String,
    ) {
        let theirs = theirs.or_else(|_| judges::openssl_by_any_path(folder, chain, &[]));
        if let Err(why) = theirs {
            self.laxer.entry(why).or_default().push(named);
            return;
        }
        self.both_allow += 1;
        self.count(chain, |counts| counts.0 += 1);
        if let Err(why) = judges::openssl_by_any_path(folder, chain, &["-x509_strict"]) {
            self.laxer_than_strict.entry(why).or_default().push(named);
        }
    }

    fn count(&mut self, chain: &Chain, add: fn(&mut (usize, usize))) {
        for change in &chain.changes {
            add(self.changes.entry(change).or_default());
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.both_allow += other.both_allow;
        self.both_refuse += other.both_refuse;
        for (own, others) in [
            (&mut self.laxer, other.laxer),
            (&mut self.laxer_than_strict, other.laxer_than_strict),
            (&mut self.stricter, other.stricter),
        ] {
            for (why, chains) in others {
                own.entry(why).or_default().extend(chains);
            }
        }
        for (change, (allowed, refused)) in other.changes {
            let counts = self.changes.entry(change).or_default();
            counts.0 += allowed;
            counts.1 += refused;
        }
        self
    }

    fn report(&self) {
        eprintln!("both allow {}, both refuse {}", self.both_allow, self.both_refuse);
        for (what, findings) in [
            ("only we allow", &self.laxer),
            ("only we allow, of the strict", &self.laxer_than_strict),
            ("only openssl allows", &self.stricter),
        ] {
            for (why, chains) in findings {
                eprintln!("{what}: {:4} {why}", chains.len());
            }
        }
    }
}
