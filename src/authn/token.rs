//! Tokens, verified: signature, type, issuer, audience, time and binding.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::binding::{self, Binding};
use crate::authn::claims::RegisteredClaims;
use crate::authn::dpop::Possession;
use crate::authn::excuse::RejectedCookie;
use crate::authn::once::OneTimeUse;
use crate::authn::signed::{Content, SignedToken, TokenMemory};
use crate::authn::{Credential, PeerIdentity};
use crate::authn::{identity, introspected, kind, profile, revoked, signature};
use crate::clock::UnixTime;
use crate::evidence::{DpopProof, Evidence, Presented, PresentedToken, UnreadableToken};
use crate::identity_map::claim_at;
use crate::limits::MAX_PROOF_ID_BYTES;
use crate::reason::{Reason, Rejection};
use crate::request::{RequestLine, TokenPlace};
use crate::trust::{Issuer, KeySet, KeySource, Material, TrustStore};

pub use trace::TokenCheck;

/// A verified token.
#[derive(Clone)]
pub struct TokenIdentity {
    content: Arc<Content>,
    expires_at: UnixTime,
    binding: Binding,
    place: TokenPlace,
    proof: Option<OneTimeUse>,
    single_use: Option<OneTimeUse>,
}

/// Who presents a token, and what it shows beside it.
#[derive(Clone, Copy, Debug)]
pub struct Presenter<'a> {
    /// The peer.
    pub peer: &'a Credential<PeerIdentity>,
    /// The proof that it holds a key.
    pub proof: &'a Presented<DpopProof>,
    /// The request that such a proof must be for.
    pub request: Option<&'a RequestLine>,
}

/// What tokens are verified with.
#[derive(Clone, Copy)]
pub(super) struct Verifier<'a> {
    pub(super) by: Presenter<'a>,
    pub(super) trust: &'a TrustStore,
    pub(super) material: &'a Material,
    pub(super) memory: &'a dyn TokenMemory,
    pub(super) now: UnixTime,
}

/// What became of all the tokens of a request.
pub(super) struct Shown {
    /// Those that were verified; not all of them where one was refused.
    pub(super) verified: Vec<TokenIdentity>,
    /// The cookies whose tokens were refused.
    pub(super) cookies: Vec<RejectedCookie>,
    /// Why another one was refused, whatever the rest.
    pub(super) refused: Option<Rejection>,
}

/// Verifies every token that was presented. One that is refused refuses them all: a bad credential is never passed over
/// in favour of another.
///
/// `passed` is told of every check that a token passes, in the order of [`TokenCheck::ALL`].
///
/// # Errors
/// The first check that fails.
pub fn verify_all(
    presented: &[PresentedToken],
    by: Presenter<'_>,
    trust: &TrustStore,
    material: &Material,
    memory: &dyn TokenMemory,
    now: UnixTime,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<Vec<TokenIdentity>, Rejection> {
    let verifier = Verifier { by, trust, material, memory, now };
    let mut verified: Vec<TokenIdentity> = Vec::with_capacity(presented.len());
    for token in presented {
        verifier.add(token, &mut verified, passed)?;
    }
    Ok(verified)
}

/// Verifies every token in `evidence` as [`verify_all`] does. Where those that are refused were in cookies, the others are
/// verified all the same: a rule may say that it does without.
pub(super) fn verify_shown(
    evidence: &Evidence,
    verifier: Verifier<'_>,
    passed: &mut impl FnMut(TokenCheck),
) -> Shown {
    let presented = evidence.presented();
    let mut verified: Vec<TokenIdentity> = Vec::with_capacity(presented.len());
    let mut cookies: Vec<RejectedCookie> = Vec::new();
    for UnreadableToken { place, rejection } in &evidence.unreadable {
        match RejectedCookie::at(place, rejection, verifier.trust) {
            Some(cookie) => cookies.push(cookie),
            None => return Shown::refused(rejection.clone()),
        }
    }
    let is_cookie = |token: &&PresentedToken| matches!(token.place(), TokenPlace::Cookie(_));
    let others = presented.iter().filter(|token| !is_cookie(token));
    for token in others.chain(presented.iter().filter(is_cookie)) {
        let Err(rejection) = verifier.add(token, &mut verified, passed) else { continue };
        // A second token of one issuer is no cookie's fault.
        let own = rejection.reason() != Reason::TokenMultiple;
        match RejectedCookie::at(token.place(), &rejection, verifier.trust).filter(|_| own) {
            Some(cookie) => cookies.push(cookie),
            None => return Shown::refused(rejection),
        }
    }
    Shown { verified, cookies, refused: None }
}

// === impl Verifier ===

impl Verifier<'_> {
    /// Verifies `token` beside those that are `verified` already.
    fn add(
        &self,
        token: &PresentedToken,
        verified: &mut Vec<TokenIdentity>,
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<(), Rejection> {
        let Self { by, trust, material, memory, now } = *self;
        let known = memory.recall(&token.fingerprint()).filter(|known| known.is(token));
        let issuer = match known.as_ref().and_then(|known| trust.issuer(known.issuer_name())) {
            Some(issuer) => issuer,
            None => issuer_of(token, trust)?,
        };
        if verified.iter().any(|other| other.issuer_name() == issuer.name()) {
            return Err(Reason::TokenMultiple
                .because(format!("several tokens of the issuer `{}` were sent", issuer.name())));
        }
        passed(TokenCheck::Issuer);
        let identity = match issuer.keys() {
            KeySource::Local(keys) => {
                verify(token, (issuer, keys), known, by, memory, now, passed)?
            }
            KeySource::Remote(_) => {
                let keys = material.keys(issuer.name()).ok_or_else(|| stale(issuer))?;
                let verified = verify(token, (issuer, keys), known, by, memory, now, passed);
                verified.map_err(|why| unasked(why, issuer, material))?
            }
            KeySource::Introspected(_) => {
                ask(token, issuer, material, by, now, passed).map_err(unreadable_answer)?
            }
        };
        let said = (&*identity.content.claims.0, &identity.content.registered);
        let revocations = material.revocations(trust);
        revoked::check_token(said, issuer, identity.key_id(), revocations, now)?;
        passed(TokenCheck::Revocation);
        verified.push(identity);
        Ok(())
    }
}

/// A key that is unknown while the issuer does not answer may be there all the same: that is no fault of the token.
fn unasked(why: Rejection, issuer: &Issuer, material: &Material) -> Rejection {
    match why.reason() == Reason::KeyUnknown && material.is_behind(issuer.name()) {
        true => why.without_blame(),
        false => why,
    }
}

/// What cannot be read in an answer is the issuer's mistake.
fn unreadable_answer(why: Rejection) -> Rejection {
    if why.reason() == Reason::TokenMalformed { why.without_blame() } else { why }
}

// === impl Shown ===

impl Shown {
    const fn refused(rejection: Rejection) -> Self {
        Self { verified: Vec::new(), cookies: Vec::new(), refused: Some(rejection) }
    }
}

/// The configured issuer that the token says it is from, or, for one that says nothing, the one that can be asked. The claim
/// only chooses whose rules and keys apply; if it lies, the signature will not verify (P53).
pub(super) fn issuer_of<'a>(
    token: &'a PresentedToken,
    trust: &'a TrustStore,
) -> Result<&'a Issuer, Rejection> {
    if let Err(no_jws) = token.jws() {
        let opaque = token.is_opaque().then(|| trust.introspecting_at(token.place())).flatten();
        return opaque.ok_or_else(|| no_jws.clone());
    }
    let mut named = trust.issuers_named(token.claimed_issuer(), token.claimed_subject()).peekable();
    if named.peek().is_none() {
        return Err(Reason::IssuerUnknown.because("token is from no issuer that is configured"));
    }
    named.find(|issuer| issuer.places().contains(token.place())).ok_or_else(|| {
        Reason::IssuerUnknown.because("token is not in a place where its issuer's tokens may be")
    })
}

fn stale(issuer: &Issuer) -> Rejection {
    Reason::KeysStale.because(format!("no current keys of the issuer `{}`", issuer.name()))
}

/// Verifies a JWT. `known` is what is remembered of it.
fn verify(
    token: &PresentedToken,
    (issuer, keys): (&Issuer, &KeySet),
    known: Option<Arc<SignedToken>>,
    by: Presenter<'_>,
    memory: &dyn TokenMemory,
    now: UnixTime,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<TokenIdentity, Rejection> {
    passed(TokenCheck::Keys);
    let known = known.filter(|known| known.is_by(keys));
    let is_known = known.is_some();
    let signed = match known {
        Some(known) => {
            TokenCheck::SIGNED.into_iter().for_each(&mut *passed);
            known
        }
        None => Arc::new(verify_signature(token, issuer, keys, passed)?),
    };
    let content = &signed.content;
    content.registered.check(&content.claims.0, issuer, now, passed)?;
    if !is_known {
        memory.keep(&signed);
    }
    TokenIdentity::new(token, issuer, content, (by, now), passed)
}

/// The part that is done once for a token and a key set.
fn verify_signature(
    token: &PresentedToken,
    issuer: &Issuer,
    keys: &KeySet,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<SignedToken, Rejection> {
    let jws = token.jws().map_err(Clone::clone)?;
    let key = signature::verify(jws, issuer, keys, passed)?;
    let registered = RegisteredClaims::read(jws.claims())?;
    passed(TokenCheck::Claims);
    kind::check(jws.claims(), jws.header().token_type.as_deref(), issuer)?;
    passed(TokenCheck::Kind);
    Ok(SignedToken::new(token, issuer, keys, (key.id(), registered, jws.claims())))
}

/// Takes the issuer's word on an opaque token.
fn ask(
    token: &PresentedToken,
    issuer: &Issuer,
    material: &Material,
    by: Presenter<'_>,
    now: UnixTime,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<TokenIdentity, Rejection> {
    let (claims, registered) = introspected::claims(token, issuer, material)?;
    TokenCheck::VOUCHED.into_iter().for_each(&mut *passed);
    registered.check(&claims, issuer, now, passed)?;
    let content = Arc::new(Content::new(issuer.name(), registered, claims));
    TokenIdentity::new(token, issuer, &content, (by, now), passed)
}

// === impl Presenter ===

#[cfg(test)]
impl Presenter<'_> {
    /// Somebody of whom nothing is known.
    pub(super) const NOBODY: Self =
        Self { peer: &Credential::Absent, proof: &Presented::Absent, request: None };
}

// === impl TokenIdentity ===

impl TokenIdentity {
    /// The last checks, which are the same for every kind of token and are made for every request, whatever is remembered:
    /// what its kind must say, and its binding. What else can end a token between two requests belongs here.
    fn new(
        token: &PresentedToken,
        issuer: &Issuer,
        content: &Arc<Content>,
        (by, now): (Presenter<'_>, UnixTime),
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<Self, Rejection> {
        let Content { registered, claims, .. } = &**content;
        profile::check(&claims.0, registered.subject.as_deref(), issuer)?;
        passed(TokenCheck::Profile);
        let certificate = by.peer.verified().and_then(PeerIdentity::certificate);
        let possession = Possession { proof: by.proof, request: by.request, now };
        let prove = |key: &[u8; 32]| possession.prove(token, issuer, key);
        let (binding, proof) =
            binding::check(&claims.0, token.scheme(), certificate, issuer.binding(), prove)?;
        identity::check(issuer.bind(), |at| claim_at(&claims.0, at).cloned(), by.peer)?;
        let single_use = single_use(registered, issuer)?;
        passed(TokenCheck::Binding);
        Ok(Self {
            // Whoever gets here has an `exp`.
            expires_at: registered.expires_at.unwrap_or(UnixTime::from_secs(0)),
            content: Arc::clone(content),
            binding,
            place: token.place().clone(),
            proof,
            single_use,
        })
    }

    /// A token that somebody vouches for instead of a signature: for policy tests and `explain` only.
    /// `tests/in_process/tidy.rs` keeps it out of the serving path.
    ///
    /// `issuer_name` is the name of the `TokenIssuer` document. A token without `exp` never expires.
    ///
    /// # Errors
    /// `token_malformed` where a registered claim has the wrong type.
    pub fn assertion(
        issuer_name: &str,
        claims: Map<String, Value>,
        binding: Binding,
    ) -> Result<Self, Rejection> {
        let registered = RegisteredClaims::read(&claims)?;
        Ok(Self {
            expires_at: registered.expires_at.unwrap_or(UnixTime::from_millis(i64::MAX)),
            content: Arc::new(Content::new(issuer_name, registered, Arc::new(claims))),
            binding,
            place: TokenPlace::Authorization,
            proof: None,
            single_use: None,
        })
    }

    /// The name of the `TokenIssuer` document that vouches for it.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.content.issuer_name
    }

    /// Its `iss` claim.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.content.registered.issuer.as_deref().unwrap_or_default()
    }

    /// Its `sub` claim.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.content.registered.subject.as_deref()
    }

    /// The client it was issued to: `client_id` (RFC 9068), else `azp` (OpenID Connect Core section 2).
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.content.registered.client.as_deref()
    }

    /// Its `aud` claim, as a list.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.content.registered.audiences
    }

    /// Its scopes: `scope` split at spaces (RFC 8693 section 4.2), or `scp`.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.content.registered.scopes
    }

    /// Its whole claims set.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.content.claims.0
    }

    /// The claim at the JSON pointer `pointer` (RFC 6901), such as `/realm_access/roles`.
    #[must_use]
    pub fn claim(&self, pointer: &str) -> Option<&Value> {
        claim_at(&self.content.claims.0, pointer)
    }

    /// The id of the key that verified it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.content.key_id.as_deref()
    }

    /// Its `jti` claim.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.content.registered.token_id.as_deref()
    }

    /// When it expires.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Where in the request it was.
    #[must_use]
    pub const fn place(&self) -> &TokenPlace {
        &self.place
    }

    /// What ties it to the peer.
    #[must_use]
    pub const fn binding(&self) -> Binding {
        self.binding
    }
}

impl TokenIdentity {
    /// The proof that it came with, where it is bound to a key: it must not have been used before.
    pub(super) const fn proof(&self) -> Option<&OneTimeUse> {
        self.proof.as_ref()
    }

    /// Itself, where its issuer's tokens work once.
    pub(super) const fn single_use(&self) -> Option<&OneTimeUse> {
        self.single_use.as_ref()
    }
}

/// Only of issuers that are marked so: access tokens and WIT-SVIDs are used again and again (P68).
fn single_use(
    registered: &RegisteredClaims,
    issuer: &Issuer,
) -> Result<Option<OneTimeUse>, Rejection> {
    if !issuer.is_once() {
        return Ok(None);
    }
    let id = registered.token_id.as_deref();
    let id = id.filter(|id| !id.is_empty() && id.len() <= MAX_PROOF_ID_BYTES).ok_or_else(|| {
        Reason::TokenMalformed.because(format!(
            "token has no `jti` of 1 to {MAX_PROOF_ID_BYTES} bytes, and its issuer's tokens work once"
        ))
    })?;
    let end = registered.expires_at.unwrap_or(UnixTime::from_millis(i64::MAX));
    Ok(Some(OneTimeUse::token(issuer.iss(), id, end.plus(issuer.clock_skew()))))
}

impl fmt::Debug for TokenIdentity {
    /// No claim: they are about people (P80).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIdentity")
            .field("issuer_name", &self.issuer_name())
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}

mod trace;

#[cfg(test)]
mod mint;
#[cfg(test)]
mod shared_secret_tests;
#[cfg(test)]
mod tests;
