//! Certificate policies along a path (RFC 5280 sections 4.2.1.4, 4.2.1.11, 4.2.1.14 and 6.1).
//!
//! No document asks for a policy, so that policies count only where a certificate of the path requires one to be explicit.
//! The authority's own certificate may, as in RFC 5937. Stricter than the standard: self-issued certificates count,
//! `inhibitAnyPolicy` begins at once, a policy that an issuer maps to another one is none, and critical policy extensions are
//! refused elsewhere.

use std::collections::BTreeSet;

use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::ParsedExtension;

use crate::reason::{Reason, Rejection};

const ANY_POLICY: &str = "2.5.29.32.0";

/// The state for the certificates that are still to come.
struct PolicyState {
    /// The policies that every certificate so far is valid for; nothing while that is any policy.
    valid: Option<BTreeSet<String>>,
    /// After how many certificates a policy is required; nothing where none is.
    explicit: Option<u32>,
    /// True if `anyPolicy` counts for nothing.
    inhibit_any: bool,
}

/// Checks a path from the authority, which comes first, down to the leaf.
///
/// # Errors
/// `chain_untrusted` where a policy is required and the path has none.
pub(super) fn check(path: &[X509Certificate<'_>]) -> Result<(), Rejection> {
    let unreadable = |_| refused("policies that cannot be read");
    let mut state = PolicyState { valid: None, explicit: None, inhibit_any: false };
    let Some((leaf, issuers)) = path.split_last() else { return Ok(()) };
    for (at, issuer) in issuers.iter().enumerate() {
        state.narrow(issuer, at == 0).map_err(unreadable)?;
        state.check()?;
        state.descend(issuer).map_err(unreadable)?;
    }
    state.narrow(leaf, issuers.is_empty()).map_err(unreadable)?;
    // Section 6.1.5: the leaf itself is the last certificate that is skipped.
    state.explicit = state.explicit.map(|skipped| skipped.saturating_sub(1));
    if leaf
        .policy_constraints()
        .map_err(unreadable)?
        .and_then(|own| own.value.require_explicit_policy)
        == Some(0)
    {
        state.explicit = Some(0);
    }
    state.check()
}

impl PolicyState {
    /// Keeps the policies that this certificate has too. An authority without policies is good for all.
    fn narrow(
        &mut self,
        certificate: &X509Certificate<'_>,
        authority: bool,
    ) -> Result<(), X509Error> {
        let policies = certificate.iter_extensions().find_map(|extension| {
            if let ParsedExtension::CertificatePolicies(policies) = extension.parsed_extension() {
                Some(policies)
            } else {
                None
            }
        });
        let Some(policies) = policies else {
            if !authority {
                self.valid = Some(BTreeSet::new());
            }
            return Ok(());
        };
        let mut own: BTreeSet<_> =
            policies.iter().map(|policy| policy.policy_id.to_id_string()).collect();
        if own.remove(ANY_POLICY) && !self.inhibit_any {
            return Ok(());
        }
        self.valid = Some(match self.valid.take() {
            None => own,
            Some(valid) => valid.intersection(&own).cloned().collect(),
        });
        Ok(())
    }

    /// The requirements of this issuer for the certificates below it (section 6.1.4).
    fn descend(&mut self, issuer: &X509Certificate<'_>) -> Result<(), X509Error> {
        let least = |own: Option<u32>, new: Option<u32>| match (own, new) {
            (Some(own), Some(new)) => Some(own.min(new)),
            (own, new) => own.or(new),
        };
        if issuer.policy_mappings()?.is_some() {
            self.valid = Some(BTreeSet::new());
        }
        let next = |skipped: Option<u32>| skipped.map(|skipped| skipped.saturating_sub(1));
        let constraints = issuer.policy_constraints()?;
        let required = constraints.and_then(|own| own.value.require_explicit_policy);
        self.explicit = least(next(self.explicit), required);
        self.inhibit_any |= issuer.inhibit_anypolicy()?.is_some();
        Ok(())
    }

    fn check(&self) -> Result<(), Rejection> {
        let none = self.valid.as_ref().is_some_and(BTreeSet::is_empty);
        if self.explicit == Some(0) && none {
            return Err(refused("no certificate policy that holds for the whole path"));
        }
        Ok(())
    }
}

fn refused(what: &str) -> Rejection {
    Reason::ChainUntrusted.because(format!(
        "an issuer on the path requires a policy (`policyConstraints`), and it has {what}"
    ))
}
