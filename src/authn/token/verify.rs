//! Tokens, verified: signature, type, issuer, audience, time and binding.

use std::sync::Arc;

use super::identity::TokenIdentity;
use super::presenter::Presenter;
use super::usage::TokenUsage;
use crate::authn::cache::TokenCache;
use crate::authn::claims::RegisteredClaims;
use crate::authn::dpop::Possession;
use crate::authn::once::OneTimeUse;
use crate::authn::rejected_cookie::RejectedCookie;
use crate::authn::shown::{near, of_header, shown};
use crate::authn::signature::KeySets;
use crate::authn::signed::{Content, SignedToken};
use crate::authn::token_check::TokenCheck;
use crate::authn::{binding, identity, introspected, kind, profile, revoked, signature};
use crate::clock::UnixTime;
use crate::document::closest;
use crate::evidence::{Evidence, IgnoredToken, PresentedToken, UnreadableToken};
use crate::identity_map::claim_at;

use crate::limits::{MAX_PROOF_ID_BYTES, MAX_TENANTS_WITH_KEYS};
use crate::reason::{Reason, Rejection};
use crate::request::TokenPlace;
use crate::trust::{Issuer, KeySet, KeySource, Material, Outdated, TrustStore};

/// Everything that the verification of tokens uses.
#[derive(Clone, Copy)]
pub(in crate::authn) struct TokenVerifier<'a> {
    pub(in crate::authn) by: Presenter<'a>,
    pub(in crate::authn) trust: &'a TrustStore,
    pub(in crate::authn) material: &'a Material,
    pub(in crate::authn) memory: &'a dyn TokenCache,
    pub(in crate::authn) now: UnixTime,
}

/// The result for all tokens of a request.
pub(in crate::authn) struct TokenResults {
    /// Those that were verified; not all of them where one was refused.
    pub(in crate::authn) verified: Vec<TokenIdentity>,
    /// The cookies whose tokens were refused.
    pub(in crate::authn) cookies: Vec<RejectedCookie>,
    /// Why another one was refused, whatever the rest.
    pub(in crate::authn) refused: Option<Rejection>,
}

/// Verifies every token that was presented. One refused token refuses them all: a bad credential is never ignored in favour
/// of another.
///
/// `passed` sees every check that a token passes, in the order of [`TokenCheck::ALL`].
///
/// # Errors
/// The first check that fails.
pub fn verify_all(
    presented: &[PresentedToken],
    by: Presenter<'_>,
    trust: &TrustStore,
    material: &Material,
    memory: &dyn TokenCache,
    now: UnixTime,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<Vec<TokenIdentity>, Rejection> {
    let verifier = TokenVerifier { by, trust, material, memory, now };
    let mut verified: Vec<TokenIdentity> = Vec::with_capacity(presented.len());
    for token in presented {
        verifier.add(token, presented, &mut verified, passed)?;
    }
    note_copies(&mut verified, presented, &[]);
    Ok(verified)
}

/// Verifies every token in `evidence` as [`verify_all`] does. Where those that are refused were in cookies, the others are
/// verified all the same: a rule may say that it does without.
pub(in crate::authn) fn verify_shown(
    evidence: &Evidence,
    verifier: TokenVerifier<'_>,
    passed: &mut impl FnMut(TokenCheck),
) -> TokenResults {
    let presented = evidence.presented();
    let mut verified: Vec<TokenIdentity> = Vec::with_capacity(presented.len());
    let mut cookies: Vec<RejectedCookie> = Vec::new();
    // Those in cookies come last.
    for in_cookies in [false, true] {
        let is_wanted = |place: &TokenPlace| place.cookie().is_some() == in_cookies;
        for UnreadableToken { place, rejection } in &evidence.unreadable {
            if !is_wanted(place) {
                continue;
            }
            match cookie_at_fault(place, rejection, verifier.trust) {
                Some(cookie) => cookies.push(cookie),
                None => return TokenResults::refused(rejection.clone()),
            }
        }
        for token in presented.iter().filter(|token| is_wanted(&token.place)) {
            let added = verifier.add(token, presented, &mut verified, passed);
            let Err(rejection) = added else { continue };
            match cookie_at_fault(&token.place, &rejection, verifier.trust) {
                Some(cookie) => cookies.push(cookie),
                None => return TokenResults::refused(rejection),
            }
        }
    }
    note_copies(&mut verified, presented, &evidence.ignored);
    TokenResults { verified, cookies, refused: None }
}

/// Notes the other places of each token, whatever issuer has its tokens there, and also where the host ignores them: where it is taken
/// out, it is taken out of all (P449).
fn note_copies(
    verified: &mut [TokenIdentity],
    presented: &[PresentedToken],
    ignored: &[IgnoredToken],
) {
    let sent = presented.iter().map(|own| (&own.place, own.fingerprint));
    let ignored = ignored.iter().filter_map(|own| Some((&own.place, own.fingerprint?)));
    let all = sent.clone().chain(ignored);
    for token in verified {
        let own = sent.clone().find(|(place, _)| **place == token.place).map(|(_, print)| print);
        let same =
            all.clone().filter(|(place, print)| Some(*print) == own && **place != token.place);
        token.copies = same.map(|(place, _)| place.clone()).collect();
    }
}

/// The cookie that was refused for a fault of its own. A second token of one issuer, in one cookie or in two places, is no cookie's
/// fault (P285), and neither is a proof that is wrong or was not sent.
fn cookie_at_fault(
    place: &TokenPlace,
    why: &Rejection,
    trust: &TrustStore,
) -> Option<RejectedCookie> {
    let is_own =
        !matches!(why.reason(), Reason::TokenMultiple | Reason::DpopInvalid | Reason::DpopNonce);
    RejectedCookie::at(place, why, trust).filter(|_| is_own)
}

impl<'a> TokenVerifier<'a> {
    /// Verifies `token`, one of `presented`, beside those that are `verified` already. The very same token in another place is no second
    /// one (P412).
    fn add(
        &self,
        token: &PresentedToken,
        presented: &[PresentedToken],
        verified: &mut Vec<TokenIdentity>,
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<(), Rejection> {
        let Self { trust, material, memory, now, .. } = *self;
        let known = memory.lookup(&token.fingerprint).filter(|known| known.is(token));
        let issuer = match known.as_ref().and_then(|known| trust.issuer(known.issuer_id())) {
            Some(issuer) => issuer,
            None => issuer_of(token, trust)?,
        };
        if let Some(other) = verified.iter().find(|own| own.issuer_name() == issuer.name) {
            let first = presented.iter().find(|own| own.place == other.place);
            if first.is_some_and(|first| first.fingerprint == token.fingerprint) {
                return Ok(());
            }
            return Err(Reason::TokenMultiple
                .because(format!("several tokens of the issuer `{}` were sent", &issuer.name)));
        }
        passed(TokenCheck::Issuer);
        let identity = match self.verify_with(token, issuer, known, passed) {
            Err(why) => self.verify_with_others(token, issuer, why, passed)?,
            Ok(verified) => verified,
        };
        let Content { claims, registered, key, .. } = &*identity.content;
        let revocations = material.revocations(trust);
        // Its issuer may publish the key under further ids (P433), and in several sources (P493).
        let sources = material.key_sets(trust, issuer).filter(|(part, _)| part.iss == issuer.iss);
        let named = sources.filter(|_| key.is_some()).flat_map(|(_, keys)| keys.named());
        let names = named.filter(|(_, own)| Some(*own) == key.as_deref()).map(|(name, _)| name);
        let said = (&*claims.0, registered);
        revoked::check_token(said, issuer, (identity.key_id(), names), revocations, now)?;
        passed(TokenCheck::Revocation);
        verified.push(identity);
        Ok(())
    }

    /// Verifies `token` as one of `issuer`.
    fn verify_with(
        &self,
        token: &PresentedToken,
        issuer: &Issuer,
        known: Option<Arc<SignedToken>>,
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<TokenIdentity, Rejection> {
        let Self { by, material, now, .. } = *self;
        match &issuer.keys {
            KeySource::Local(keys) => self.verify(token, (issuer, keys), known, passed),
            KeySource::Remote(_) => {
                let keys = material.keys(&issuer.id).ok_or_else(|| stale(issuer, material))?;
                let verified = self.verify(token, (issuer, keys), known, passed);
                verified.map_err(|why| unasked(why, issuer, material))
            }
            KeySource::Introspected(_) => {
                ask(token, issuer, material, by, now, passed).map_err(unreadable_answer)
            }
        }
    }

    /// Verifies a JWT. `known` is what is remembered of it.
    fn verify(
        &self,
        token: &PresentedToken,
        (issuer, keys): (&Issuer, &KeySet),
        known: Option<Arc<SignedToken>>,
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<TokenIdentity, Rejection> {
        let Self { by, memory, now, .. } = *self;
        passed(TokenCheck::Keys);
        let known = known.filter(|known| known.is_by(keys) && !self.denies(issuer, known));
        let is_known = known.is_some();
        let signed = match known {
            Some(known) => {
                TokenCheck::SIGNED.into_iter().for_each(&mut *passed);
                known
            }
            None => {
                let all: Vec<_> = self.key_sets(issuer).collect();
                Arc::new(verify_signature(token, issuer, keys, &all, passed)?)
            }
        };
        let content = &signed.content;
        content.registered.check(&content.claims.0, issuer, now, passed)?;
        if !is_known {
            memory.keep(&signed);
        }
        TokenIdentity::new(token, issuer, content, (by, now), passed)
    }

    /// The key sets at hand of the document that `issuer` is a part of.
    fn key_sets(&self, issuer: &'a Issuer) -> impl Iterator<Item = &'a KeySet> {
        self.material.key_sets(self.trust, issuer).map(|(_, keys)| keys)
    }

    /// True if the key of a remembered token is denied by now, under a name that another source has for it (P493).
    fn denies(&self, issuer: &Issuer, known: &SignedToken) -> bool {
        let is_own = |(name, key): (&str, &str)| {
            Some(key) == known.content.key.as_deref() && issuer.denies_key(name)
        };
        issuer.denies_keys() && self.key_sets(issuer).flat_map(KeySet::named).any(is_own)
    }

    /// The same with the other sources of the issuer's keys, where those of the first are why it was refused (P470). The reason that says
    /// most counts.
    fn verify_with_others(
        &self,
        token: &PresentedToken,
        issuer: &Issuer,
        mut why: Rejection,
        passed: &mut impl FnMut(TokenCheck),
    ) -> Result<TokenIdentity, Rejection> {
        if by_keys(&why).is_none() {
            return Err(why);
        }
        for other in self.trust.issuers() {
            let is_source = other.name == issuer.name
                && other.id != issuer.id
                && other.iss == issuer.iss
                && !matches!(&other.keys, KeySource::Introspected(_));
            if !is_source {
                continue;
            }
            match self.verify_with(token, other, None, passed) {
                // A fault of the token itself is its own, whatever further sources say of keys (P712).
                Err(own) if by_keys(&own).is_none() => return Err(own),
                Err(own) if by_keys(&own) <= by_keys(&why) => {}
                Err(own) => why = own,
                Ok(verified) => return Ok(verified),
            }
        }
        let all: Vec<_> = self.key_sets(issuer).collect();
        let denial = token.jws().ok().and_then(|jws| signature::denial(jws, issuer, &all));
        Err(denial.filter(|_| by_keys(&why).is_some()).unwrap_or(why))
    }
}

/// Reasons that are about the keys alone, from those that say least.
const ABOUT_KEYS: [Reason; 5] = [
    Reason::KeyUnknown,
    Reason::KeysStale,
    Reason::KeysPending,
    Reason::TokenAlg,
    Reason::SignatureInvalid,
];

/// How much a reason says that is about the keys alone; none for one that is about the token.
fn by_keys(why: &Rejection) -> Option<(usize, bool)> {
    let at = ABOUT_KEYS.iter().position(|own| *own == why.reason())?;
    Some((at, !why.is_failed_attempt()))
}

/// A token that does not verify with keys that may not be the issuer's newest: that is no fault of the token.
fn unasked(why: Rejection, issuer: &Issuer, material: &Material) -> Rejection {
    let by_keys =
        matches!(why.reason(), Reason::KeyUnknown | Reason::SignatureInvalid | Reason::TokenAlg);
    match material.outdated(&issuer.id).filter(|_| by_keys) {
        Some(Outdated::Pending) => {
            let detail =
                format!("{}; the issuer was asked again and has not answered", why.detail());
            Reason::KeysPending.because(detail)
        }
        Some(Outdated::Failing) if why.reason() == Reason::KeyUnknown => why.without_blame(),
        Some(Outdated::Failing | Outdated::Missing) | None => why,
    }
}

/// An answer that cannot be read is the endpoint's mistake, and not the caller's.
fn unreadable_answer(why: Rejection) -> Rejection {
    if why.reason() != Reason::TokenMalformed {
        return why;
    }
    let said = why.detail().strip_prefix("token has ").unwrap_or(why.detail());
    let detail = format!("the answer of the introspection endpoint cannot be used: it has {said}");
    Reason::IntrospectionUnavailable.because(detail)
}

impl TokenResults {
    const fn refused(rejection: Rejection) -> Self {
        Self { verified: Vec::new(), cookies: Vec::new(), refused: Some(rejection) }
    }
}

/// The configured issuer that the token says it is from, or, for one that says nothing, the one that can be asked. The claim
/// only chooses whose rules and keys apply; if it lies, the signature will not verify (P53).
pub(in crate::authn) fn issuer_of<'a>(
    token: &'a PresentedToken,
    trust: &'a TrustStore,
) -> Result<&'a Issuer, Rejection> {
    if let Err(no_jws) = token.jws() {
        let opaque = token.is_opaque().then(|| trust.introspecting_at(&token.place)).flatten();
        return opaque.ok_or_else(|| no_jws.clone());
    }
    let mut named = trust.issuers_named(token.claimed_issuer(), token.claimed_subject()).peekable();
    let Some(first) = named.peek() else {
        return Err(Reason::IssuerUnknown.because(unknown(token.claimed_issuer(), trust)));
    };
    let places: Vec<_> = first.places.iter().map(|own| format!("`{own}`")).collect();
    named.find(|issuer| issuer.places.contains(&token.place)).ok_or_else(|| {
        Reason::IssuerUnknown.because(format!(
            "token is in `{}`, and its issuer's tokens may be in {}",
            token.place,
            places.join(", ")
        ))
    })
}

/// The fault in the `iss` of a token that no document names.
pub(super) fn unknown(iss: Option<&str>, trust: &TrustStore) -> String {
    let Some(iss) = iss else {
        return String::from("token has no `iss` that is a text, so it names no issuer");
    };
    let ours: Vec<&str> = trust.issuers().iter().map(|issuer| issuer.iss.as_str()).collect();
    let near = tenant_of(iss, trust).or_else(|| near(iss, &ours));
    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
    format!("token's issuer {} is not configured{near}", shown(iss))
}

/// The tenant that the `iss` of a token names, where it begins as those of an issuer with tenants, and one of ours that is similar (P511).
fn tenant_of(iss: &str, trust: &TrustStore) -> Option<String> {
    let begun = || trust.issuers().iter().filter_map(|own| Some((own, own.iss.begun_by(iss)?)));
    if let Some((_, begun)) = begun().find(|(_, begun)| begun.is_allowed) {
        return near(iss, &[&begun.meant]);
    }
    let (issuer, begun) = begun().next()?;
    let names: Vec<_> = trust.issuers().iter().filter(|own| own.name == issuer.name).collect();
    let names = names.iter().flat_map(|own| own.iss.tenants()).take(MAX_TENANTS_WITH_KEYS);
    let names: Vec<&str> = names.map(String::as_str).collect();
    let near = closest(begun.tenant, &names).map(|near| format!("; `{near}` is similar"));
    Some(format!(
        "the tenant {} is not among the `tenants` of `{}`{}",
        of_header(begun.tenant),
        issuer.name,
        near.unwrap_or_default()
    ))
}

fn stale(issuer: &Issuer, material: &Material) -> Rejection {
    // The id says which source of keys it is, where the issuer has several.
    let id = &issuer.id;
    let why = material.failure(id).map(|why| format!("; the last fetch failed: {why}"));
    let what = match material.outdated(id) {
        Some(Outdated::Missing) => format!("the keys of the issuer `{id}` were never fetched"),
        _ => format!("no current keys of the issuer `{id}`: the last ones are too old"),
    };
    Reason::KeysStale.because(what + &why.unwrap_or_default())
}

/// The part that is done once for a token and a key set.
fn verify_signature(
    token: &PresentedToken,
    issuer: &Issuer,
    keys: &KeySet,
    all: &KeySets<'_>,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<SignedToken, Rejection> {
    let jws = token.jws().map_err(Clone::clone)?;
    let key = signature::verify(jws, issuer, keys, all, passed)?;
    let registered = RegisteredClaims::read(&jws.claims, issuer.client_claim.as_deref())?;
    passed(TokenCheck::Claims);
    kind::check(&jws.claims, jws.header.token_type.as_deref(), issuer)?;
    passed(TokenCheck::Kind);
    Ok(SignedToken::new(token, issuer, keys, (key, registered, &jws.claims)))
}

/// Verifies an opaque token by the answer of its issuer.
fn ask(
    token: &PresentedToken,
    issuer: &Issuer,
    material: &Material,
    by: Presenter<'_>,
    now: UnixTime,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<TokenIdentity, Rejection> {
    let (claims, registered) = introspected::claims(token, issuer, material)?;
    passed(TokenCheck::Keys);
    TokenCheck::SIGNED.into_iter().for_each(&mut *passed);
    registered.check(&claims, issuer, now, passed)?;
    let content = Content::new((&issuer.name, None), registered, claims);
    let content = Arc::new(Content { opaque: Some(token.fingerprint), ..content });
    TokenIdentity::new(token, issuer, &content, (by, now), passed)
}

impl TokenIdentity {
    /// The last checks, which are the same for every kind of token and are made for every request, cached or not: the claims
    /// of its kind, and its binding. Other checks of facts that can change between two requests belong here.
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
        let certificate = by.peer.verified().and_then(|peer| peer.certificate.as_ref());
        let possession = Possession { proof: by.proof, request: by.request, now };
        let prove = |key: &[u8; 32]| possession.prove(token, issuer, key);
        let (binding, proof) =
            binding::check(&claims.0, token.scheme, certificate, issuer.binding, prove)?;
        identity::check(issuer.bind.as_ref(), |at| claim_at(&claims.0, at).cloned(), by.peer)?;
        let single_use = single_use(registered, issuer)?;
        passed(TokenCheck::Binding);
        Ok(Self {
            // A token without `exp` was refused before.
            expires_at: registered.expires_at.unwrap_or(UnixTime::from_secs(0)),
            content: Arc::clone(content),
            binding,
            place: token.place.clone(),
            copies: Vec::new(),
            proof,
            single_use,
            usage: TokenUsage::default(),
        })
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
    // Of several tenants each chooses its ids.
    let iss = registered.issuer.as_deref().filter(|_| issuer.iss.is_template());
    let iss = iss.unwrap_or(issuer.iss.as_str());
    Ok(Some(OneTimeUse::token(iss, id, end.plus(issuer.clock_skew))))
}
