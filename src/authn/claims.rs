//! The registered claims (RFC 7519 section 4.1, RFC 9068 section 2.2), read strictly and checked.
//!
//! A claim of the wrong type is never taken for an absent one (P55). `null` is an absent one: serializers write it for a field that has
//! no value.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Number, Value};

use crate::authn::TokenCheck;
use crate::authn::heap_size::text;
use crate::authn::shown::{near, shown};
use crate::clock::UnixTime;
use crate::document::HumanDuration;
use crate::identity_map::claim_at;
use crate::json::type_name;
use crate::limits::MAX_SCOPES;
use crate::reason::{Reason, Rejection};
use crate::trust::Issuer;

/// The claims that are looked at here, each of its proper type, in no more room than they take: they may be remembered.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RegisteredClaims {
    pub(super) issuer: Option<Box<str>>,
    pub(super) subject: Option<Box<str>>,
    pub(super) client: Option<Box<str>>,
    pub(super) token_id: Option<Box<str>>,
    pub(super) audiences: Box<[String]>,
    pub(super) scopes: Box<[String]>,
    pub(super) expires_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
    pub(super) issued_at: Option<UnixTime>,
}

/// The latest time that is accepted: 9999-12-31T23:59:59Z. Later ones are milliseconds, or worse.
const MAX_NUMERIC_DATE: f64 = 253_402_300_799.0;

impl RegisteredClaims {
    /// Reads `claims` of an issuer whose own name for the client, beside the registered ones, is `client_claim`.
    ///
    /// # Errors
    /// `token_malformed` for a claim of the wrong type; never its value.
    pub(super) fn read(
        claims: &Map<String, Value>,
        client_claim: Option<&str>,
    ) -> Result<Self, Rejection> {
        let client_id = string(claims, "client_id")?;
        let authorized_party = string(claims, "azp")?;
        let own = || claims.get(client_claim?).and_then(Value::as_str).map(Box::from);
        Ok(Self {
            issuer: string(claims, "iss")?,
            subject: string(claims, "sub")?,
            // Okta's and Entra ID's names for it are no registered claims: elsewhere they may be something else (P499).
            client: client_id.or(authorized_party).or_else(own),
            token_id: string(claims, "jti")?,
            audiences: audiences(claims)?,
            scopes: scopes(claims)?,
            expires_at: date(claims, "exp")?,
            not_before: date(claims, "nbf")?,
            issued_at: date(claims, "iat")?,
        })
    }

    /// About how many bytes they take on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let single = [&self.issuer, &self.subject, &self.client, &self.token_id];
        let single = single.into_iter().flatten().map(|string| string.len());
        let listed = self.audiences.iter().chain(&self.scopes).map(String::len);
        let slots = self.audiences.len().saturating_add(self.scopes.len());
        let texts = single.chain(listed).map(text);
        texts.fold(slots.saturating_mul(size_of::<String>()), usize::saturating_add)
    }

    /// Checks what every token of `issuer` must claim; the moment after which it is no longer accepted.
    ///
    /// # Errors
    /// The first check that fails.
    pub(super) fn check(
        &self,
        claims: &Map<String, Value>,
        issuer: &Issuer,
        now: UnixTime,
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<UnixTime, Rejection> {
        let end = self.check_time(issuer, now, passed)?;
        self.check_audience(issuer)?;
        passed(TokenCheck::Audience);
        for pointer in &issuer.required_claims {
            if claim_at(claims, pointer).is_none_or(Value::is_null) {
                let detail =
                    format!("token has no claim at `{pointer}`, which its issuer requires");
                return Err(Reason::ClaimMismatch.because(detail));
            }
        }
        passed(TokenCheck::RequiredClaims);
        Ok(end)
    }

    /// RFC 7519 sections 4.1.4 to 4.1.6, with the issuer's clock skew on both ends.
    fn check_time(
        &self,
        issuer: &Issuer,
        now: UnixTime,
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<UnixTime, Rejection> {
        let skew = issuer.clock_skew;
        let expires_at = self.expires_at.ok_or_else(|| {
            Reason::TokenLifetime.because("token has no `exp`, so it would never expire")
        })?;
        let end = expires_at.plus(skew);
        // Section 4.1.4: on or after this moment it must not be accepted.
        if now >= end {
            let ago = human(now.since(expires_at));
            return Err(Reason::TokenExpired.because(format!("token expired {ago} ago")));
        }
        passed(TokenCheck::Expiry);
        for (name, start) in [("nbf", self.not_before), ("iat", self.issued_at)] {
            if let Some(start) = start.filter(|start| now.plus(skew) < *start) {
                let ahead = human(start.since(now));
                let detail = format!("token has an `{name}` that is {ahead} in the future");
                return Err(Reason::TokenNotYetValid.because(detail));
            }
        }
        passed(TokenCheck::NotBefore);
        self.check_lifetime(issuer, expires_at, now)?;
        passed(TokenCheck::Lifetime);
        Ok(end)
    }

    fn check_lifetime(
        &self,
        issuer: &Issuer,
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        // A token that does not say when it was issued was issued now at the latest.
        let start = self.issued_at.or(self.not_before).unwrap_or(now);
        let (lifetime, most) = (expires_at.since(start), issuer.max_lifetime);
        if lifetime > most {
            let detail = format!(
                "token lives {}, and `maxLifetime` of its issuer is {}",
                human(lifetime),
                human(most)
            );
            return Err(Reason::TokenLifetime.because(detail));
        }
        let Some(max_age) = issuer.max_age else { return Ok(()) };
        let issued_at = self.issued_at.ok_or_else(|| {
            Reason::TokenLifetime.because("token has no `iat`, which `maxAge` of its issuer needs")
        })?;
        let age = now.since(issued_at);
        if age > max_age.saturating_add(issuer.clock_skew) {
            let detail = format!(
                "token is {} old, and `maxAge` of its issuer is {}",
                human(age),
                human(max_age)
            );
            return Err(Reason::TokenLifetime.because(detail));
        }
        Ok(())
    }

    /// RFC 7519 section 4.1.3: one of ours, exactly. There are no wildcards on either side (P54).
    fn check_audience(&self, issuer: &Issuer) -> Result<(), Rejection> {
        if self.audiences.is_empty() {
            return self.check_client(issuer);
        }
        if self.audiences.iter().any(|audience| issuer.audiences.contains(audience)) {
            return Ok(());
        }
        let ours: Vec<&str> = issuer.audiences.iter().map(String::as_str).collect();
        let near = self.audiences.iter().find_map(|theirs| near(theirs, &ours));
        let near = near.map(|near| format!("; {near}")).unwrap_or_default();
        let theirs: Vec<_> = self.audiences.iter().take(3).map(|own| shown(own)).collect();
        let theirs = theirs.join(", ");
        Err(Reason::Audience.because(match ours.is_empty() {
            true => format!(
                "the audience of the token is {theirs}, and its issuer has no `audiences`: only tokens without one count"
            ),
            false => format!(
                "the audience of the token is {theirs}, expected `{}`{near}",
                ours.join("`, `")
            ),
        }))
    }

    /// The client of a token without an audience ties it to this service, where the issuer's document says so.
    fn check_client(&self, issuer: &Issuer) -> Result<(), Rejection> {
        let named = &issuer.clients_without_audience;
        if self.client.as_deref().is_some_and(|own| named.iter().any(|client| client == own)) {
            return Ok(());
        }
        let detail = match (named.is_empty(), &self.client) {
            (true, _) => String::from("token has no audience"),
            (false, None) => String::from("token has neither an audience nor a client"),
            (false, Some(client)) => format!(
                "token has no audience, and its client {} is not one of `withoutAudience.clients`",
                shown(client)
            ),
        };
        Err(Reason::Audience.because(detail))
    }
}

impl fmt::Debug for RegisteredClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClaims").finish_non_exhaustive()
    }
}

fn string(claims: &Map<String, Value>, name: &str) -> Result<Option<Box<str>>, Rejection> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(other) => Err(wrong_type(name, other, "a string")),
    }
}

/// One string or a list of strings; both forms are in use for `aud` and for scopes.
fn strings(claims: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Rejection> {
    let list = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(vec![text.clone()])),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong_type(name, other, "a string or an array of strings")),
    };
    let texts = list.iter().map(|item| item.as_str().map(str::to_owned));
    texts.collect::<Option<Vec<_>>>().map(Some).ok_or_else(|| {
        let detail = format!("token has a claim `{name}` with an item that is not a string");
        Reason::TokenMalformed.because(detail)
    })
}

/// An empty string names no one, so it does not count.
fn audiences(claims: &Map<String, Value>) -> Result<Box<[String]>, Rejection> {
    let mut audiences = strings(claims, "aud")?.unwrap_or_default();
    audiences.retain(|audience| !audience.is_empty());
    Ok(audiences.into())
}

/// `scope` (RFC 8693 section 4.2), else `scp`. Only a space separates, and what is no scope token is no scope
/// (RFC 6749 section 3.3, P57).
fn scopes(claims: &Map<String, Value>) -> Result<Box<[String]>, Rejection> {
    let lists = match strings(claims, "scope")? {
        Some(lists) => lists,
        None => strings(claims, "scp")?.unwrap_or_default(),
    };
    let is_scope_byte = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let scopes: Box<[_]> = lists
        .iter()
        .flat_map(|list| list.split(' '))
        .filter(|scope| !scope.is_empty() && scope.bytes().all(is_scope_byte))
        .map(str::to_owned)
        .collect();
    if scopes.len() > MAX_SCOPES {
        let detail = format!("token has more than {MAX_SCOPES} scopes");
        return Err(Reason::TokenMalformed.because(detail));
    }
    Ok(scopes)
}

/// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<UnixTime>, Rejection> {
    let number = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(other) => return Err(wrong_type(name, other, "a number of seconds")),
    };
    moment(number).map(Some).ok_or_else(|| {
        let detail = format!("token has a claim `{name}` that is not a possible time");
        Reason::TokenMalformed.because(detail)
    })
}

/// The time that a number of seconds names.
pub(super) fn moment(number: &Number) -> Option<UnixTime> {
    let seconds = number.as_f64().filter(|own| (0.0..=MAX_NUMERIC_DATE).contains(own))?;
    let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
    Some(UnixTime::from_secs(0).plus(since_epoch))
}

fn wrong_type(name: &str, found: &Value, expected: &str) -> Rejection {
    let found = type_name(found);
    let detail = format!("token has a claim `{name}` that is {found}, expected {expected}");
    Reason::TokenMalformed.because(detail)
}

/// To the second, which is enough for a log.
fn human(duration: Duration) -> HumanDuration {
    HumanDuration::new(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests;
