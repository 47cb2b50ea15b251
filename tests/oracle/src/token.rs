//! Section 5b: tokens: where they are, how they are read, verified and judged, and what ties them to the caller.

use crate::binding::{bind, binding};
use crate::places::{credentials, is_unreadable, places};
use crate::signature::{read, verify};
use std::collections::BTreeSet;

use crate::documents::{Document, duration_of};
use crate::path::{self, Host};
use crate::peer::Peer;
use crate::value::{Number, Value};
use crate::{Identity, Judged, Once, Reason, Request, World, outside, revocation};

/// 5.40 A token that was verified.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name of its issuer's document.
    pub issuer: String,
    /// The `issuer` of that document.
    pub iss: String,
    /// Its claims.
    pub claims: Value,
    /// 5.44 The claim that names its client beside `client_id` and `azp`.
    pub client_claim: Option<String>,
    /// Its tie to the caller.
    pub binding: Binding,
    /// Its place.
    pub place: Place,
    /// The other places of the very same text.
    pub copies: Vec<Place>,
    /// The credentials of it that may be used only once.
    pub once: Vec<Once>,
    /// 6.37 The signals that are raised about it.
    pub raised: Vec<String>,
    /// 6.37 The signals that cannot be determined.
    pub in_doubt: Vec<String>,
}

/// The tie of a token to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing.
    None,
    /// The certificate of the peer.
    Certificate,
    /// A key, with a proof.
    Dpop,
}

/// A place of tokens, in the order in which they are judged: cookies come last (5.50).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The header `Authorization`.
    Authorization,
    /// A header of its own.
    Header(String),
    /// A header, behind a word or without one.
    Prefixed(String, String),
    /// An element of `Sec-WebSocket-Protocol`: its mark, whether the mark is the element before it, and whether it is in base64url.
    Protocol(String, bool, bool),
    /// A parameter of the query.
    Query(String),
    /// A cookie.
    Cookie(String),
}

/// 5.41 A token that was refused. A rule may ignore one in a cookie.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The cookie that it was in, where the fault is its own.
    pub cookie: Option<String>,
    /// The issuers whose tokens are in that cookie.
    pub issuers: Vec<String>,
}

impl Token {
    /// 5.42 Its audiences: a text or a list of texts.
    pub fn audiences(&self) -> Vec<String> {
        texts(self.claims.get("aud"))
    }

    /// 5.43 Its scopes: `scope`, else `scp`; a text with spaces, or a list. A scope is a whole word.
    pub fn scopes(&self) -> Vec<String> {
        let found = self.claims.given("scope").or_else(|| self.claims.given("scp"));
        texts(found).iter().flat_map(|t| t.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// 5.44 Its client: `client_id`, else `azp`, else the issuer's `clientClaim`.
    pub fn client(&self) -> Option<String> {
        client(&self.claims, self.client_claim.as_deref()).map(str::to_owned)
    }
}

fn client<'a>(claims: &'a Value, own: Option<&str>) -> Option<&'a str> {
    ["client_id", "azp"].into_iter().chain(own).find_map(|name| claims.text_of(name))
}

pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::List(list)) => list.iter().filter_map(|v| v.text().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// 5.48 The issuers whose tokens count at a host, where every policy about it ignores the others; none where tokens of others are refused.
pub fn counting(world: &World, request: &Request) -> Option<BTreeSet<String>> {
    let host = Host::read(&request.host)?;
    let mut counting = BTreeSet::new();
    let mut any = false;
    for policy in world.documents.of("Policy") {
        let target = policy.spec.get("target")?;
        if !path::names(target, &host) {
            continue;
        }
        any = true;
        let tokens = target.get("tokens").filter(|t| t.text_of("others") == Some("ignored"))?;
        counting.extend(tokens.texts("issuers"));
    }
    any.then_some(counting)
}

/// How tokens that count were shown.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// True if there was any.
    pub any: bool,
    /// True if one had the scheme `DPoP`, or a place had several and a proof came.
    pub dpop: bool,
    /// The issuer document that the first one names.
    pub issuer: Option<String>,
    /// True if the proof is what is wrong.
    pub faulty: bool,
}

/// 5.50 Every token in every place of every issuer.
pub fn authenticate(world: &World, request: &Request, peer: Option<&Peer>) -> Judged<Identity> {
    let issuers = world.documents.of("TokenIssuer");
    let counting = counting(world, request);
    let counts = |name: &str| counting.as_ref().is_none_or(|c| c.contains(name));
    let mut found = Identity::default();
    let all: BTreeSet<Place> = issuers.iter().flat_map(places).collect();
    // 5.50 The refusals of places that hold no one credential come before those of tokens.
    let mut unreadable = 0;
    for place in all.iter().cloned() {
        let users: Vec<&Document> = issuers.iter().filter(|i| places(i).contains(&place)).collect();
        let cookie = if let Place::Cookie(name) = &place { Some(name.clone()) } else { None };
        let names: Vec<String> = users.iter().map(|i| i.name.clone()).collect();
        let refuse = |reason: Reason, own: bool| Refused { reason, cookie: cookie.clone().filter(|_| own), issuers: names.clone() };
        let sent = credentials(request, &place);
        if !sent.is_empty() && !users.iter().any(|i| counts(&i.name)) {
            found.ignored.push("issuer_unknown");
            continue;
        }
        match sent.as_slice() {
            [] => {}
            [(text, dpop)] if is_unreadable(text) => {
                found.shown.any = true;
                found.shown.dpop |= dpop;
                found.refuse_first(refuse("token_malformed", true), cookie.is_some(), &mut unreadable);
            }
            [(text, dpop)] => {
                let counted: Vec<&Document> = issuers.iter().filter(|i| counts(&i.name)).collect();
                let (named, judged) = one(world, request, peer, &counted, &place, text, *dpop, counting.is_some())?;
                if !matches!(judged, Err((_, true))) {
                    found.shown.any = true;
                    found.shown.dpop |= dpop;
                    found.shown.issuer = found.shown.issuer.or(named.clone());
                }
                // A second one that names the issuer of a good one, whatever is wrong with it.
                let twice = found.tokens.iter().any(|t: &Token| Some(&t.issuer) == named.as_ref());
                let good = found.tokens.iter().find(|t: &&Token| Some(&t.issuer) == named.as_ref());
                if good.is_some_and(|t| credentials(request, &t.place).iter().any(|(own, _)| own == text)) {
                    // The very same text is no second token.
                    continue;
                }
                match judged {
                    _ if twice => found.refused.push(refuse("token_multiple", false)),
                    Ok(token) => found.tokens.push(token),
                    Err((reason, true)) => found.ignored.push(reason),
                    Err((reason, false)) => found.refused.push(refuse(reason, !reason.starts_with("dpop"))),
                }
            }
            _ => {
                found.shown.any = true;
                found.shown.dpop |= !request.lines("dpop").is_empty();
                found.refuse_first(refuse("token_multiple", false), cookie.is_some(), &mut unreadable);
            }
        }
    }
    // 5.50 Its text is in all these places, whatever issuer has its tokens there.
    for token in &mut found.tokens {
        let Some((own, _)) = credentials(request, &token.place).into_iter().next() else { continue };
        let same = |place: &&Place| **place != token.place && matches!(&*credentials(request, place), [(text, _)] if *text == own);
        token.copies = all.iter().filter(same).cloned().collect();
    }
    Ok(found)
}

pub(crate) type Checked<T> = Result<T, (Reason, bool)>;

/// 5.51 One token, through every check in its order: the issuer that it names, and the token. A failure says whether it is ignored.
#[expect(clippy::too_many_arguments, reason = "the steps are one list, and this is what they look at")]
pub(crate) fn one(
    world: &World,
    request: &Request,
    peer: Option<&Peer>,
    counting: &[&Document],
    place: &Place,
    text: &str,
    dpop_scheme: bool,
    ignoring: bool,
) -> Judged<(Option<String>, Checked<Token>)> {
    if text.len() > 16 * 1024 {
        return Ok((None, Err(("token_malformed", false))));
    }
    let (issuer, header, claims, answered) = match claimed(world, counting, place, text, ignoring) {
        Ok(found) => found,
        Err((issuer, fault)) => return Ok((issuer, Err(fault))),
    };
    let judged = judged(world, request, peer, issuer, place, text, (&header, claims, answered), dpop_scheme)?;
    // 5.60 An answer that cannot be read is its endpoint's fault.
    let blamed = |reason| if answered && reason == "token_malformed" { "introspection_unavailable" } else { reason };
    Ok((Some(issuer.name.clone()), judged.map_err(|reason| (blamed(reason), false))))
}

/// 5.60 The claims of an answer, with times that are digits in quotes.
fn unquoted(claims: &Value) -> Value {
    let Value::Map(members) = claims else { return claims.clone() };
    let time = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| Number::read(text)).flatten().map(Value::Number);
    let member = |(name, value): &(String, Value)| {
        let time = ["exp", "nbf", "iat"].contains(&name.as_str()).then(|| value.text().and_then(time)).flatten();
        (name.clone(), time.unwrap_or_else(|| value.clone()))
    };
    Value::Map(members.iter().map(member).collect())
}

type Claimed<'a> = (&'a Document, Value, Value, bool);

/// 5.52 The issuer that a token names, its header and claims, and whether they are an issuer's answer.
fn claimed<'a>(
    world: &World,
    counting: &[&'a Document],
    place: &Place,
    text: &str,
    ignoring: bool,
) -> Result<Claimed<'a>, (Option<String>, (Reason, bool))> {
    let fail = |reason: Reason| Err((None, (reason, false)));
    let here = |i: &&&Document| places(i).contains(place);
    if text.starts_with("eyJ") {
        let Some((header, claims)) = read(text) else { return fail("token_malformed") };
        // `iss` chooses whose rules and keys apply; JWT-SVIDs are known by the trust domain of `sub`.
        let iss = claims.get("iss");
        let of_domain = |i: &Document| {
            claims.text_of("sub").is_some_and(|s| s.starts_with(&format!("{}/", i.spec.text_of("issuer").unwrap_or_default())))
        };
        let svid = |i: &Document| i.spec.text_of("profile") == Some("jwtSvid");
        let its =
            |i: &&&Document| if svid(i) { of_domain(i) } else { iss.and_then(Value::text).is_some_and(|iss| i.tenant(iss).is_some()) };
        if let Some(issuer) = counting.iter().filter(its).find(here) {
            return Ok((*issuer, header, claims, false));
        }
        // 5.53 It is ignored where it certainly names no issuer that counts: by more than case and a final `/`.
        let near = |iss: &str| counting.iter().any(|i| i.is_near(iss));
        let other = iss.is_none_or(|iss| iss.text().is_some_and(|iss| !near(iss))) && !counting.iter().any(|i| its(&i));
        return Err((None, ("issuer_unknown", ignoring && other)));
    }
    // 5.54 An opaque token is asked about in the place of an issuer that introspects; elsewhere it is no token of anyone.
    let Some(issuer) = counting.iter().filter(here).find(|i| i.spec.get("introspection").is_some()) else {
        return Err((None, ("token_malformed", ignoring && !begins_as_jose(text))));
    };
    let fail = |reason: Reason| Err((Some(issuer.name.clone()), (reason, false)));
    let Some(claims) = world.introspection.get(text) else { return fail("introspection_unavailable") };
    match claims.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return fail("introspection_inactive"),
        _ => return fail("introspection_unavailable"),
    }
    let claims = &unquoted(claims);
    if claims.given("iss").is_some_and(|i| i.text().is_none_or(|iss| issuer.tenant(iss).is_none())) {
        return fail("issuer_unknown");
    }
    Ok((*issuer, Value::Map(Vec::new()), claims.clone(), true))
}

/// 5.55 to 5.69.
#[expect(clippy::too_many_arguments, reason = "the steps are one list, and this is what they look at")]
fn judged(
    world: &World,
    request: &Request,
    peer: Option<&Peer>,
    issuer: &Document,
    place: &Place,
    text: &str,
    (header, claims, answered): (&Value, Value, bool),
    dpop_scheme: bool,
) -> Judged<Result<Token, Reason>> {
    let mut key = Vec::new();
    if !answered {
        // 5.54 One with keys, too, is asked about what is no JWT.
        if issuer.spec.get("introspection").is_some() && issuer.spec.get("keys").is_none() {
            return Err(outside("a JWT at an issuer that introspects"));
        }
        match verify(world, issuer, text, header, &claims)? {
            Ok(verified) => key = verified,
            Err(reason) => return Ok(Err(reason)),
        }
    }
    if !well_typed(&claims) {
        return Ok(Err("token_malformed"));
    }
    if let Err(reason) = kind(&issuer.spec, header, &claims) {
        return Ok(Err(reason));
    }
    let judged = judge(&issuer.spec, &claims, world.now, answered)?;
    if let Err(reason) = judged.and_then(|()| of_tenant(issuer, &claims)) {
        return Ok(Err(reason));
    }
    let (binding, mut once) = match binding(world, request, peer, issuer, text, &claims, dpop_scheme)? {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(reason) = issuer.spec.get("bind").and_then(|b| bind(b, &claims, peer)) {
        return Ok(Err(reason));
    }
    let iss = match issuer.spec.get("tenants").and_then(|_| claims.text_of("iss")) {
        Some(iss) => iss.to_owned(),
        None => issuer.spec.text_of("issuer").unwrap_or_default().to_owned(),
    };
    if revocation::token(world, issuer, &iss, &key, &claims) {
        return Ok(Err("token_revoked"));
    }
    if issuer.spec.text_of("use") == Some("once") {
        let Some(jti) = claims.text_of("jti") else { return Ok(Err("token_malformed")) };
        let skew = duration_of(&issuer.spec, "clockSkew").unwrap_or(30_000);
        let ends = match claims.get("exp") {
            Some(Value::Number(n)) => n.thousandths(),
            _ => None,
        };
        once.push(Once { id: format!("{iss} {jti}"), ends: ends.unwrap_or(i64::MAX - skew) + skew });
    }
    let client_claim = issuer.spec.text_of("clientClaim").map(str::to_owned);
    let (place, copies) = (place.clone(), Vec::new());
    let (raised, in_doubt) = (Vec::new(), Vec::new());
    Ok(Ok(Token { issuer: issuer.name.clone(), iss, claims, client_claim, binding, place, copies, once, raised, in_doubt }))
}

/// 5.53 Whether a text begins as a JWT does for some reader: with `{`, or with what decodes to it, whatever stands between.
fn begins_as_jose(text: &str) -> bool {
    let head: String = text.trim_start().split('.').next().unwrap_or_default().chars().filter(|c| !"=".contains(*c)).collect();
    let plain = head.replace('+', "-").replace('/', "_");
    let mut known: String = plain.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(64).collect();
    while !known.len().is_multiple_of(4) {
        known.push('A');
    }
    let bytes = crate::signature::from_base64url(&known).unwrap_or_default();
    text.trim_start().starts_with('{') || bytes.trim_ascii_start().starts_with(b"{")
}

/// 5.60 The kind of a token, by what its claims (and `typ` of its header) say. Access tokens are accepted, ID tokens by `kinds`.
pub(crate) fn kind(spec: &Value, header: &Value, claims: &Value) -> Result<(), Reason> {
    let kinds = if spec.get("kinds").is_some() { spec.texts("kinds") } else { vec!["access".to_owned()] };
    let marks: Vec<String> = spec.texts("accessMarks").iter().map(|m| m.to_lowercase()).collect();
    let (mut access, mut id) = (false, false);
    for name in ["typ", "token_use", "token_type"] {
        let Some(found) = claims.given(name) else { continue };
        let Some(word) = found.text() else { return Err("token_malformed") };
        match Some(word.to_lowercase()).as_deref() {
            Some("bearer" | "access" | "access_token" | "at+jwt") => access = true,
            Some("id" | "id_token") => id = true,
            Some("jwt") => {}
            Some("dpop") if claims.at("/cnf/jkt").is_some() => access = true,
            Some(word) if marks.iter().any(|m| m == word) => access = true,
            _ => return Err("token_type"),
        }
    }
    let plain = |t: &str| t.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    if let Value::Map(members) = claims {
        for (name, value) in members {
            // 5.61 Words of issuers, in any spelling; other words there say nothing.
            if !["type", "use", "tokentype", "tokenname", "purpose"].contains(&plain(name).as_str()) || name == "token_type" {
                continue;
            }
            match value.text().map(plain).as_deref() {
                Some("refresh" | "refreshtoken" | "offline" | "offlinetoken" | "logout" | "logouttoken") => return Err("token_type"),
                Some("id" | "idtoken") => id = true,
                Some("access" | "accesstoken") => access = true,
                _ => {}
            }
        }
    }
    let has = |name: &str| claims.given(name).is_some();
    let another = has("events") || has("token_introspection") || (has("htm") && has("htu")) || has("response_type");
    if another || (has("code") && has("state")) || has("access_token") {
        return Err("token_type");
    }
    id |= has("at_hash") || has("c_hash") || has("s_hash");
    // 5.62 A `nonce` makes an ID token, unless something else is that of an access token.
    access |= header.text_of("typ").is_some_and(|t| t.to_lowercase().trim_start_matches("application/") == "at+jwt");
    id |= has("nonce") && !(access || has("scope") || has("scp") || has("cid"));
    // A token that says both has to be accepted as both.
    let accepted = |kind: &str, said: bool| !said || kinds.iter().any(|k| k == kind);
    if accepted("id", id) && accepted("access", access) { Ok(()) } else { Err("token_type") }
}

/// The end of the year 9999, in milliseconds.
const LAST_MOMENT: i64 = 253_402_300_799_000;

/// The time of a claim, in milliseconds.
fn time(claims: &Value, name: &str) -> Option<i64> {
    match claims.given(name)? {
        Value::Number(n) => n.thousandths().filter(|t| (0..=LAST_MOMENT).contains(t)),
        _ => None,
    }
}

/// 5.60 Registered claims have their types, or are null as if they were absent, and times are from 1970 to 9999.
fn well_typed(claims: &Value) -> bool {
    let is_text = |name: &&str| claims.given(name).is_none_or(|v| v.text().is_some());
    let texts_only = |v: &Value| v.text().is_some() || v.list().is_some_and(|l| l.iter().all(|e| e.text().is_some()));
    ["iss", "sub", "jti", "client_id", "azp"].iter().all(is_text)
        && ["aud", "scope", "scp"].iter().all(|n| claims.given(n).is_none_or(texts_only))
        && ["exp", "nbf", "iat"].iter().all(|n| claims.given(n).is_none() || time(claims, n).is_some())
}

/// 5.63 The claims: times, lifetime, age, audience, required claims. Both ends have the clock skew.
pub(crate) fn judge(spec: &Value, claims: &Value, now: i64, answered: bool) -> Judged<Result<(), Reason>> {
    let [exp, nbf, iat] = ["exp", "nbf", "iat"].map(|name| time(claims, name));
    let now = now * 1000;
    let skew = duration_of(spec, "clockSkew").unwrap_or(30_000);
    // 5.64 An answer about an opaque token without `exp` ends with the answer.
    let Some(exp) =
        exp.or(answered.then(|| now + duration_of(spec.get("introspection").unwrap_or(&Value::Null), "cacheTtl").unwrap_or(30_000)))
    else {
        return Ok(Err("token_lifetime"));
    };
    if now >= exp + skew {
        return Ok(Err("token_expired"));
    }
    if nbf.is_some_and(|t| t > now + skew) || iat.is_some_and(|t| t > now + skew) {
        return Ok(Err("token_not_yet_valid"));
    }
    if exp - iat.or(nbf).unwrap_or(now) > duration_of(spec, "maxLifetime").unwrap_or(86_400_000) {
        return Ok(Err("token_lifetime"));
    }
    if let Some(most) = duration_of(spec, "maxAge") {
        // 5.65 `maxAge` needs `iat`, and has the clock skew.
        if iat.is_none_or(|iat| now - iat > most + skew) {
            return Ok(Err("token_lifetime"));
        }
    }
    let audiences = texts(claims.get("aud"));
    let nameless = audiences.iter().all(String::is_empty);
    let client = client(claims, spec.text_of("clientClaim"));
    let clients = spec.get("withoutAudience").map(|w| w.texts("clients")).unwrap_or_default();
    let by_client = nameless && client.is_some_and(|own| clients.iter().any(|c| c == own));
    if !by_client && !spec.texts("audiences").iter().any(|a| audiences.contains(a)) {
        return Ok(Err("audience"));
    }
    if spec.texts("requiredClaims").iter().any(|p| claims.at(p).is_none_or(|v| *v == Value::Null)) {
        return Ok(Err("claim_mismatch"));
    }
    if spec.text_of("profile") == Some("kubernetes") {
        let named = claims.text_of("sub").and_then(|s| s.strip_prefix("system:serviceaccount:")).and_then(|s| s.split_once(':'));
        let at = |p: &str| claims.at(p).and_then(Value::text);
        if named.is_none() || named != at("/kubernetes.io/namespace").zip(at("/kubernetes.io/serviceaccount/name")) {
            return Ok(Err("claim_mismatch"));
        }
    }
    Ok(Ok(()))
}

/// 5.63 The `tid` of a token of Entra ID is the tenant in its `iss`.
fn of_tenant(issuer: &Document, claims: &Value) -> Result<(), Reason> {
    let iss = claims.text_of("iss").or_else(|| issuer.spec.text_of("issuer")).unwrap_or_default();
    let path = iss.split_once("://").map_or(iss, |(_, rest)| rest);
    let fits = |tid: &str| match issuer.tenant(iss).flatten() {
        Some(tenant) => tenant == tid,
        None => path.split('/').skip(1).any(|segment| segment == tid),
    };
    let entra = issuer.spec.text_of("profile") == Some("entra");
    if !entra || claims.text_of("tid").is_some_and(fits) { Ok(()) } else { Err("claim_mismatch") }
}

/// A whole number as a value.
pub fn whole(n: i64) -> Value {
    Value::Number(Number::whole(n))
}
