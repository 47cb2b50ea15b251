//! Statements for upstreams about who is calling: a short-lived JWT, signed once per caller and rule and used again for as
//! long as it lives, so that it costs a request no signature.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache;
use serde_json::{Map, Value, json};

use super::sealed::SealedHeader;
use crate::authn::{PeerIdentity, Subject, TokenIdentity};
use crate::clock::UnixTime;
use crate::policy::{AssertionRequest, RuleName};
use crate::reason::{Reason, Rejection};
use crate::secret::{Fingerprint, Secret, hex};
use crate::signer::Signer;

/// Makes assertions and keeps them.
#[derive(Debug)]
pub(super) struct Assertions {
    signer: Arc<Signer>,
    kept: Cache<Fingerprint, Arc<CachedAssertion>>,
}

#[derive(Debug)]
struct CachedAssertion {
    token: Secret<String>,
    /// Past this moment another one is signed, so that what goes upstream has some life left.
    until: UnixTime,
}

/// Most bytes of assertions that are kept; one has about a kilobyte.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// The size of a cached assertion's bookkeeping.
const ENTRY_OVERHEAD: usize = 256;

/// A token may be accepted for a moment after its end, for the sake of clocks. What speaks of it then lives this long.
const LEAST_LIFE: Duration = Duration::from_secs(5);

impl Assertions {
    pub(super) fn new(signer: Arc<Signer>) -> Self {
        let weigh = |_: &Fingerprint, kept: &Arc<CachedAssertion>| {
            let size = kept.token.expose().len().saturating_add(ENTRY_OVERHEAD);
            u32::try_from(size).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(KEPT_BYTES).weigher(weigh).build();
        Self { signer, kept }
    }

    /// The header that says who `subject` is, which `rule` allowed.
    ///
    /// # Errors
    /// `assertion_unavailable` where nothing can be signed.
    pub(super) fn header(
        &self,
        wanted: &AssertionRequest,
        rule: &RuleName,
        subject: &Subject,
        now: UnixTime,
    ) -> Result<SealedHeader, Rejection> {
        let caller = AssertedCaller::of(wanted, subject);
        let statement = caller.statement(wanted, rule, self.signer.issuer());
        let key = self.key(&statement, &caller, wanted.lifetime);
        let name = Arc::clone(&wanted.header);
        if let Some(kept) = self.kept.get(&key).filter(|kept| now < kept.until) {
            return Ok(SealedHeader { name, value: kept.token.clone() });
        }
        let end = caller.end(wanted.lifetime, now);
        let kept = self.sign(statement, now, end).ok_or_else(|| {
            Reason::AssertionUnavailable.because("the assertion could not be signed")
        })?;
        let kept = Arc::new(kept);
        self.kept.insert(key, Arc::clone(&kept));
        Ok(SealedHeader { name, value: kept.token.clone() })
    }

    /// Names a statement about a caller: what it says, how long it and what it speaks of live, and the key that signs.
    fn key(
        &self,
        statement: &Map<String, Value>,
        caller: &AssertedCaller<'_>,
        life: Duration,
    ) -> Fingerprint {
        let ends = [caller.token.map(TokenIdentity::expires_at), caller.peer_end()];
        let ends = ends.map(|end| end.map(UnixTime::as_millis));
        let all = json!([statement, ends, life.as_millis().to_string(), self.signer.key_id()]);
        Fingerprint::of(all.to_string().as_bytes())
    }

    fn sign(
        &self,
        mut claims: Map<String, Value>,
        now: UnixTime,
        end: UnixTime,
    ) -> Option<CachedAssertion> {
        let mut id = [0; 16];
        rand::fill(&mut id).ok()?;
        claims.insert("iat".into(), json!(now.as_secs()));
        claims.insert("exp".into(), json!(end.as_secs()));
        claims.insert("jti".into(), json!(hex(&id)));
        // A quarter of its life is left when it is used for the last time.
        let until = now.plus(end.since(now).mul_f64(0.75));
        Some(CachedAssertion { token: self.signer.sign(&claims)?, until })
    }
}

/// The subject of a statement: the peer, and the token that the rule asked for.
struct AssertedCaller<'a> {
    peer: Option<&'a PeerIdentity>,
    token: Option<&'a TokenIdentity>,
}

impl<'a> AssertedCaller<'a> {
    fn of(wanted: &AssertionRequest, subject: &'a Subject) -> Self {
        let token = wanted.issuer.as_deref().and_then(|issuer| subject.token(issuer));
        Self { peer: subject.peer().verified(), token }
    }

    /// Everything that is the same for every request of the caller.
    fn statement(
        &self,
        wanted: &AssertionRequest,
        rule: &RuleName,
        issuer: &str,
    ) -> Map<String, Value> {
        let mut claims = wanted.claims.clone();
        let mut set = |name: &str, value: Option<Value>| {
            claims.extend(value.map(|value| (name.to_owned(), value)));
        };
        let subject = self.token.and_then(TokenIdentity::subject).or_else(|| self.peer_name());
        set("iss", Some(json!(issuer)));
        set("sub", subject.map(|subject| json!(subject)));
        set("aud", Some(json!(&*wanted.audience)));
        set("client_id", self.token.and_then(TokenIdentity::client).map(|client| json!(client)));
        set("act", self.actor());
        set("cnf", self.confirmation());
        set("peer", self.peer.map(about_peer));
        set("policy", Some(json!(&*rule.policy)));
        set("rule", Some(json!(&*rule.rule)));
        claims
    }

    fn peer_name(&self) -> Option<&'a str> {
        let peer = self.peer?;
        let spiffe = peer.spiffe.as_ref().map(|id| id.as_str());
        spiffe.or_else(|| peer.dns.first().map(String::as_str)).or_else(|| peer.subject.as_deref())
    }

    /// RFC 8693 section 4.1: the actor, and the subject that it acts for.
    fn actor(&self) -> Option<Value> {
        let token = self.token.filter(|token| token.subject().is_some())?;
        let mut actor = Map::from_iter([("sub".to_owned(), json!(self.peer_name()?))]);
        let earlier = token.claim("/act").filter(|act| act.is_object());
        actor.extend(earlier.map(|act| ("act".to_owned(), act.clone())));
        Some(Value::Object(actor))
    }

    /// RFC 8705 section 3.1: the certificate of the peer.
    fn confirmation(&self) -> Option<Value> {
        let certificate = self.peer?.certificate.as_ref()?;
        Some(json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(certificate.as_bytes()) }))
    }

    fn peer_end(&self) -> Option<UnixTime> {
        self.peer.and_then(|peer| peer.not_after)
    }

    /// The statement ends with what it speaks of (invariant 7).
    fn end(&self, lifetime: Duration, now: UnixTime) -> UnixTime {
        let ends = [self.token.map(TokenIdentity::expires_at), self.peer_end()];
        let end = ends.into_iter().flatten().fold(now.plus(lifetime), UnixTime::min);
        end.max(now.plus(LEAST_LIFE))
    }
}

fn about_peer(peer: &PeerIdentity) -> Value {
    let mut about = json!({
        "trust_domain": &peer.trust_domain, "evidence": peer.level().as_str(),
    });
    if let (Some(about), Some(spiffe)) = (about.as_object_mut(), peer.spiffe.as_ref()) {
        about.insert("spiffe".into(), json!(spiffe.as_str()));
    }
    about
}

#[cfg(test)]
mod tests;
