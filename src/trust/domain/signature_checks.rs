//! The signature checks of one verification: each is made once, and how many may fail is bounded.
//!
//! A caller writes the chain that it shows, and path building tries every key of a name: seven issuers of one name cost a
//! hundred checks (P240). A signature is by one key, so a certificate whose signer is found is checked against no other.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex};

use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
};

use super::signed::{SignatureCheck, Signed};
use crate::sync::lock;

/// How many more checks may fail for one request.
#[derive(Debug)]
pub struct SignatureBudget(Cell<u32>);

/// The budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSpent;

/// The checks of one verification, and their results.
pub struct SignatureChecks {
    results: Results,
    algorithms: Vec<Once>,
}

/// An algorithm that looks first whether the check was made before.
struct Once {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    results: Results,
}

#[derive(Clone, Default)]
struct Results(Arc<Mutex<Vec<CheckedSignature>>>);

/// The result of one check. It has copies of its own, so that it holds for exactly these bytes.
struct CheckedSignature {
    key: Box<[u8]>,
    message: Box<[u8]>,
    signature: Box<[u8]>,
    verifies: bool,
}

impl SignatureBudget {
    /// A budget of so many checks that fail.
    pub const fn new(checks: u32) -> Self {
        Self(Cell::new(checks))
    }
}

impl SignatureChecks {
    /// No check is made yet.
    pub fn new() -> Self {
        let results = Results::default();
        let once = |algorithm: &&'static dyn SignatureVerificationAlgorithm| Once {
            algorithm: *algorithm,
            results: results.clone(),
        };
        let algorithms = webpki::ALL_VERIFICATION_ALGS.iter().map(once).collect();
        Self { results, algorithms }
    }

    /// The algorithms for path building, which share the results.
    pub fn algorithms(&self) -> Vec<&dyn SignatureVerificationAlgorithm> {
        self.algorithms.iter().map(|once| -> &dyn SignatureVerificationAlgorithm { once }).collect()
    }

    /// True if the key, a SubjectPublicKeyInfo, has signed the certificate.
    ///
    /// # Errors
    /// The check was not made before, it fails, and the budget is spent.
    pub fn is_signed_by(
        &self,
        certificate: &CertificateDer<'_>,
        key: &[u8],
        budget: &SignatureBudget,
    ) -> Result<bool, BudgetSpent> {
        let Some(signed) = Signed::read(certificate) else { return Ok(false) };
        let Some(SignatureCheck { algorithm, key, message, signature }) = signed.check(key) else {
            return Ok(false);
        };
        if let Some(verifies) = self.results.known(&key.data, message, signature) {
            return Ok(verifies);
        }
        if self.results.find_out(algorithm, &key.data, message, signature) {
            return Ok(true);
        }
        budget.0.set(budget.0.get().checked_sub(1).ok_or(BudgetSpent)?);
        Ok(false)
    }
}

impl Default for SignatureChecks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SignatureChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignatureChecks({} made)", lock(&self.results.0).len())
    }
}

impl Results {
    /// The result of this check, if it is known: another key than the one that made a signature did not.
    fn known(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
        let results = lock(&self.0);
        let mut same =
            results.iter().filter(|one| *one.signature == *signature && *one.message == *message);
        same.find_map(|one| match *one.key == *key {
            true => Some(one.verifies),
            false => one.verifies.then_some(false),
        })
    }

    fn find_out(
        &self,
        algorithm: &dyn SignatureVerificationAlgorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let verifies = algorithm.verify_signature(key, message, signature).is_ok();
        let (key, message, signature) = (key.into(), message.into(), signature.into());
        lock(&self.0).push(CheckedSignature { key, message, signature, verifies });
        verifies
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.algorithm.fmt(f)
    }
}

impl SignatureVerificationAlgorithm for Once {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let known = self.results.known(key, message, signature);
        let find_out = || self.results.find_out(self.algorithm, key, message, signature);
        known.unwrap_or_else(find_out).then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.algorithm.fips()
    }
}
