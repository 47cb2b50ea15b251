//! From a `TokenIssuer` document to an [`Issuer`], with every problem reported.

use std::sync::Arc;
use std::time::Duration;

use super::compiler::IssuerCompiler;
use super::places::places_of;
use super::token_issuer::{Issuer, canonical_type};
use crate::document::{
    Attachments, Code, Diagnostic, Document, IssuerName, IssuerProfile, Spanned, Spec, TENANT,
    TokenIssuerSpec, has_placeholder, like_a_pattern, not_plain,
};
use crate::limits::MAX_CLOCK_SKEW;
use crate::spiffe::SpiffeId;
use crate::trust::Algorithm;

const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(30);

/// `maxLifetime` of a `TokenIssuer` that does not say.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_hours(24);

impl Issuer {
    pub(in crate::trust) fn compile(
        document: &Document,
        spec: &TokenIssuerSpec,
        files: &Attachments,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<Self> {
        IssuerCompiler { document, spec, files, problems }.parts().unwrap_or_default()
    }
}

/// Refuses two issuers whose tokens cannot be distinguished: the same `iss` in the same place (P53), or opaque tokens, which
/// say nothing, in the same place.
pub(in crate::trust) fn refuse_ambiguous(documents: &[Document], problems: &mut Vec<Diagnostic>) {
    let mut before: Vec<(&str, IssuerName, &TokenIssuerSpec)> = Vec::new();
    for document in documents {
        let Spec::TokenIssuer(spec) = &document.spec else { continue };
        let (own, iss) = (document.metadata.name.value.as_str(), IssuerName::of(spec));
        let mut clash = |first: &str, what: &str| {
            let message = format!("{what} as the issuer `{first}`");
            let help = "merge the two documents (one may have `keys` and `moreKeys` for JWTs, and `introspection` for opaque tokens), or \
                give their tokens different places with `tokens`";
            let span = document.origin.span(&spec.issuer);
            problems.push(Diagnostic::error(Code::DuplicateIssuer, span, message).help(help));
        };
        for place in places_of(spec) {
            // Two documents of one name are an error of their own.
            let mut others = before
                .iter()
                .filter(|(name, _, other)| *name != own && places_of(other).contains(&place));
            let opaque = |(_, _, other): &&(&str, IssuerName, &TokenIssuerSpec)| {
                spec.introspection.is_some() && other.introspection.is_some()
            };
            if let Some((first, ..)) = others.clone().find(|(_, other, _)| other.overlaps(&iss)) {
                clash(first, "issuer has the same `iss` and the same place for its tokens");
            }
            if let Some((first, ..)) = others.find(opaque) {
                clash(first, "issuer has opaque tokens in the same place");
            }
        }
        before.push((own, iss, spec));
    }
}

impl IssuerCompiler<'_> {
    /// Checks every setting even if an earlier one is wrong, so that all problems are reported at once.
    fn parts(mut self) -> Option<Vec<Issuer>> {
        let iss = self.iss();
        let (audiences, clients) = (self.audiences(), self.clients_without_audience());
        self.judge_audiences();
        let algorithms = self.algorithms();
        let types = self.types();
        let (kinds, access_marks) = (self.kinds(), self.access_marks());
        let clock_skew = self.clock_skew();
        let max_lifetime =
            self.duration(self.spec.max_lifetime.as_ref(), "maxLifetime", DEFAULT_MAX_LIFETIME);
        let max_age = self.spec.max_age.as_ref();
        let max_age = max_age.map(|age| self.duration(Some(age), "maxAge", Duration::ZERO));
        let places = self.places();
        let (required_claims, client_claim) = (self.required_claims(), self.client_claim());
        let (bind, dpop) = (self.bind(), self.dpop());
        self.judge_claims();
        let parts = self.key_parts();
        let name = &self.document.metadata.name.value;
        let (iss, mut parts) = (iss?, parts?.into_iter());
        let first = parts.next()?;
        let issuer = Issuer {
            name: name.clone(),
            id: first.id(name),
            profile: self.spec.profile,
            iss: first.iss(&iss),
            audiences: audiences?,
            clients_without_audience: clients,
            client_claim,
            algorithms: algorithms?,
            types: types?,
            kinds,
            access_marks,
            clock_skew,
            max_lifetime,
            max_age,
            places: places?,
            binding: self.spec.binding,
            bind,
            token_use: self.spec.token_use,
            dpop: Arc::new(dpop),
            required_claims,
            denied_keys: values(&self.spec.deny_kids),
            keys: first.keys,
        };
        let others = parts.map(|part| Issuer {
            id: part.id(name),
            iss: part.iss(&iss),
            keys: part.keys,
            ..issuer.clone()
        });
        let others: Vec<_> = others.collect();
        Some(std::iter::once(issuer).chain(others).collect())
    }

    fn iss(&mut self) -> Option<IssuerName> {
        self.judge_tenants()?;
        let iss = &self.spec.issuer;
        if iss.value.trim().is_empty() || iss.value.chars().any(char::is_control) {
            let message = "issuer is empty or not plain text";
            let help = "write the exact `iss` claim of its tokens";
            return self.refuse(Code::InvalidIssuer, iss, message, help);
        }
        let text = match self.spec.tenants {
            Some(_) => iss.value.replace(TENANT, "tenant"),
            None => iss.value.clone(),
        };
        if let Some((why, help)) = never_an_issuer(&text) {
            let message = format!("issuer `{}` {why}", iss.value.escape_debug());
            return self.refuse(Code::InvalidIssuer, iss, &message, &help);
        }
        if self.spec.profile == IssuerProfile::JwtSvid && !is_trust_domain(&iss.value) {
            let message = "issuer of JWT-SVIDs is not a trust domain";
            let help = "write it as a SPIFFE ID without a path, such as `spiffe://prod.example`";
            return self.refuse(Code::InvalidIssuer, iss, message, help);
        }
        Some(IssuerName::of(self.spec))
    }

    fn audiences(&mut self) -> Option<Vec<String>> {
        if self.spec.audiences.is_empty() && self.spec.without_audience.is_none() {
            let message = "issuer has no `audiences`, so tokens meant for others would be accepted";
            let help = "name what the `aud` claim says for this service, such as `audiences: [orders]`; where its tokens have none, \
                        name their clients with `withoutAudience`";
            return self.refuse(Code::MissingAudiences, &self.spec.issuer, message, help);
        }
        for audience in self.spec.audiences.iter().filter(|a| a.value.trim().is_empty()) {
            self.error(Code::InvalidAudience, audience, "audience is empty", "remove it");
        }
        for audience in self.spec.audiences.iter().filter(|a| !a.value.trim().is_empty()) {
            if let Some(why) = not_plain(&audience.value) {
                let message = format!("audience `{}` {why}", audience.value.escape_debug());
                let help = "write exactly what the `aud` claim of its tokens says";
                self.error(Code::InvalidAudience, audience, &message, help);
            }
        }
        for audience in &self.spec.audiences {
            if let Some(why) = like_a_pattern(&audience.value) {
                let message = format!("audience `{}` {why}", audience.value);
                let help = "name the audiences: they are compared exactly";
                self.error(Code::InvalidAudience, audience, &message, help);
            }
        }
        Some(values(&self.spec.audiences))
    }

    /// RFC 8725 section 3.9 wants an audience: another service that takes the client's tokens can use them here.
    fn clients_without_audience(&mut self) -> Vec<String> {
        let Some(spec) = &self.spec.without_audience else { return Vec::new() };
        let clients = &spec.value.clients;
        if !self.spec.profile.may_lack_audience() {
            let message = "tokens of this `profile` always have an audience";
            self.error(Code::NoAudience, spec, message, "remove `withoutAudience`");
        }
        if clients.value.is_empty() {
            let message = "`withoutAudience` names no `clients`";
            let help = "name the clients whose tokens count, by `client_id`, `azp` or what `clientClaim` names";
            self.error(Code::NoAudience, clients, message, help);
        }
        for client in &clients.value {
            if let Some(why) = not_plain(&client.value).or_else(|| like_a_pattern(&client.value)) {
                let message = format!("client `{}` {why}", client.value.escape_debug());
                let help = "write exactly what the claim says: clients are compared whole";
                self.error(Code::NoAudience, client, &message, help);
            }
        }
        let message = "tokens without an audience are accepted: any service that these clients send a token to can use it here";
        let help = "have the issuer write an audience for this service, name it under `audiences`, and remove `withoutAudience`; until then name only clients that send tokens to this service alone";
        let span = self.document.origin.span(spec);
        self.problems.push(Diagnostic::warning(Code::WithoutAudience, span, message).help(help));
        values(&clients.value)
    }

    fn algorithms(&mut self) -> Option<Vec<Algorithm>> {
        let is_opaque = self.spec.introspection.is_some() && self.spec.keys.is_none();
        if is_opaque && self.spec.algorithms.is_empty() {
            // An opaque token has no algorithm.
            return Some(Vec::new());
        }
        if self.spec.algorithms.is_empty() {
            let message = "issuer has no `algorithms`";
            let help = "name the algorithms that it signs with, such as `algorithms: [RS256]`";
            return self.refuse(Code::MissingAlgorithms, &self.spec.issuer, message, help);
        }
        let known = self.known_algorithms(&self.spec.algorithms);
        let all_known = known.len() == self.spec.algorithms.len();
        (all_known && self.judge_symmetry(&known)).then_some(known)
    }

    fn types(&mut self) -> Option<Vec<String>> {
        let Some(types) = &self.spec.types else {
            let types = self.spec.profile.defaults().types;
            return Some(types.iter().map(|name| canonical_type(name)).collect());
        };
        if types.is_empty() {
            let message = "issuer has an empty list of `types`, so no token would be accepted";
            let help = "remove `types` for the default `[JWT, at+jwt]`, or name its `typ` values";
            return self.refuse(Code::MissingTypes, &self.spec.issuer, message, help);
        }
        for named in types {
            self.judge_type(named);
        }
        Some(types.iter().map(|t| canonical_type(&t.value)).collect())
    }

    fn clock_skew(&mut self) -> Duration {
        let Some(skew) = &self.spec.clock_skew else { return DEFAULT_CLOCK_SKEW };
        if skew.value.get() > MAX_CLOCK_SKEW {
            let message = format!("clockSkew is {}, and at most 60s is possible", skew.value);
            let help = "expired tokens are accepted for as long: synchronise the clocks instead";
            self.error(Code::ClockSkew, skew, &message, help);
        }
        skew.value.get().min(MAX_CLOCK_SKEW)
    }

    fn required_claims(&mut self) -> Vec<String> {
        for kid in &self.spec.deny_kids {
            if let Some(why) = not_plain(&kid.value) {
                let message = format!("key id `{}` {why}", kid.value.escape_debug());
                self.error(Code::InvalidKeyId, kid, &message, "write exactly the `kid` of the key");
            } else if let Some(why) = like_a_pattern(&kid.value) {
                let message =
                    format!("key id `{}` {why}: it denies the key of that name only", kid.value);
                let span = self.document.origin.span(kid);
                let help = "write exactly the `kid` of each key";
                self.problems
                    .push(Diagnostic::warning(Code::LiteralPattern, span, message).help(help));
            }
        }
        let required = self.spec.required_claims.as_deref().unwrap_or_default();
        for pointer in required.iter().filter(|p| !p.value.starts_with('/')) {
            let message = format!("`{}` is not a JSON pointer", pointer.value);
            let help = format!("write `/{}`", pointer.value);
            self.error(Code::InvalidPointer, pointer, &message, &help);
        }
        values(required)
    }

    fn client_claim(&mut self) -> Option<String> {
        if let Some(given) = &self.spec.client_claim
            && (given.value.is_empty() || given.value.starts_with('/'))
        {
            let message = format!("clientClaim is `{}`, expected the name of a claim", given.value);
            let help =
                "write its name, such as `cid`; claims below others are for `claims` of rules";
            self.error(Code::InvalidPointer, given, &message, help);
        }
        self.spec.client_claim().map(str::to_owned)
    }
}

/// Why no token has this `iss`, which is compared byte by byte (RFC 7519 section 4.1.1).
fn never_an_issuer(text: &str) -> Option<(&'static str, String)> {
    let exact = "write the exact `iss` claim of its tokens";
    if let Some(why) = not_plain(text) {
        return Some((why, exact.to_owned()));
    }
    if has_placeholder(text) || text.contains('*') || text.contains("/:") {
        let help = format!(
            "{exact}; of an issuer with several tenants write `{TENANT}` as a segment of the path, and name them with `tenants`"
        );
        return Some(("has a placeholder", help));
    }
    if let Some(at) = text.find("/.well-known/") {
        let near = text.get(..at).unwrap_or_default();
        return Some(("is the address of its metadata", format!("did you mean `{near}`?")));
    }
    // RFC 7519 section 2: what has a `:` is a URI.
    if text.contains(' ') && text.contains(':') {
        return Some(("is a URI with a space", exact.to_owned()));
    }
    // OpenID Connect Discovery 1.0 section 2, RFC 8414 section 2.
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    if is_url && text.contains(['?', '#']) {
        return Some(("has a query or a fragment", exact.to_owned()));
    }
    // Its tokens name the tenant.
    let shared = ["/common/", "/organizations/", "/consumers/"];
    let microsoft = ["https://login.microsoftonline.com/", "https://sts.windows.net/"];
    if microsoft.iter().any(|begin| text.starts_with(begin))
        && shared.iter().any(|part| format!("{text}/").contains(part))
    {
        let help = format!("{exact}: they have the id of the tenant in place of the word");
        return Some(("is for signing in, and no token has it", help));
    }
    None
}

fn is_trust_domain(text: &str) -> bool {
    text.parse::<SpiffeId>().is_ok_and(|id| id.path().is_empty())
}

fn values(list: &[Spanned<String>]) -> Vec<String> {
    list.iter().map(|item| item.value.clone()).collect()
}
