//! Carrying out what an allow obliges us to, as far as it takes keys or credentials.

use super::Pinned;
use super::cookies::Cookies;
use super::outcome::SealedHeader;
use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::policy::Decision;
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, TokenPlace};

impl Pinned<'_> {
    /// What an allow obliges us to, as far as it takes keys or credentials.
    pub(super) fn carry_out(
        &self,
        decision: &Decision,
        subject: &Subject,
        cookies: &Cookies,
        now: UnixTime,
    ) -> Result<Vec<SealedHeader>, Rejection> {
        let Decision::Allow(permit) = decision else { return Ok(Vec::new()) };
        let obligations = permit.obligations();
        let mut sealed = Vec::new();
        if let Some(TokenPlace::Cookie(name)) = &obligations.token {
            sealed.extend(cookies.without(name));
        }
        if let Some(wanted) = &obligations.assertion {
            let assertions = self.pdp.assertions.as_ref().ok_or_else(|| {
                Reason::AssertionUnavailable.because("the settings have no `assertion`")
            })?;
            sealed.push(assertions.header(wanted, permit.rule(), subject, now)?);
        }
        Ok(sealed)
    }

    /// The cookies, where a token may be among them.
    pub(super) fn kept_cookies(&self, credentials: &CredentialHeaders) -> Cookies {
        let places = self.current.snapshot.token_places();
        match places.iter().any(|place| matches!(place, TokenPlace::Cookie(_))) {
            true => Cookies::of(credentials.all("cookie")),
            false => Cookies::default(),
        }
    }
}
