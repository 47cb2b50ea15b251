//! The claims that the tokens of an issuer have: those of standards, those of its profile, and those that its document lists. They are
//! for what documents say of claims. No token is judged by them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::claims::{ClaimTypeSpec, ClaimWord};
use super::{Entries, IssuerProfile, TokenIssuerSpec, closest};

/// A type and the claims that have it. A member of a claim is behind a `/`.
type Table = &'static [(ClaimWord, &'static str)];

/// RFC 7519 section 4.1, RFC 7800 section 3.1, RFC 8693 section 4, RFC 9068 section 2.2, and `azp` of OpenID Connect Core section 2, which
/// names the client.
const STANDARD: Table = &[
    (ClaimWord::String, "iss sub jti client_id azp acr"),
    (ClaimWord::Number, "exp nbf iat auth_time"),
    (ClaimWord::Strings, "amr"),
    (ClaimWord::Any, "aud act may_act scope cnf groups roles entitlements"),
];

/// The claims of an ID token about its user (OpenID Connect Core sections 2 and 5.1).
const OF_USERS: Table = &[
    (
        ClaimWord::String,
        "nonce at_hash sid name given_name family_name preferred_username email phone_number zoneinfo locale",
    ),
    (ClaimWord::Number, "updated_at"),
    (ClaimWord::Boolean, "email_verified phone_number_verified"),
];

const KEYCLOAK: Table = &[
    (ClaimWord::String, "typ sid session_state"),
    (ClaimWord::Strings, "allowed-origins realm_access/roles"),
    (ClaimWord::Any, "resource_access"),
];

const ENTRA: Table = &[
    (
        ClaimWord::String,
        "tid oid ver appid appidacr azpacr scp idtyp idp ipaddr upn unique_name login_hint sid rh uti aio",
    ),
    (ClaimWord::Strings, "groups roles wids"),
    (ClaimWord::Any, "hasgroups _claim_names _claim_sources xms_cc"),
];

const OKTA: Table =
    &[(ClaimWord::String, "cid uid"), (ClaimWord::Number, "ver"), (ClaimWord::Strings, "scp")];

const AUTH0: Table =
    &[(ClaimWord::String, "gty org_id org_name"), (ClaimWord::Strings, "permissions")];

const COGNITO: Table = &[
    (ClaimWord::String, "token_use username origin_jti event_id device_key"),
    (ClaimWord::Number, "version"),
    (ClaimWord::Strings, "cognito:groups"),
];

const GOOGLE: Table = &[(ClaimWord::String, "hd"), (ClaimWord::Any, "google")];

const GITHUB: Table = &[(
    ClaimWord::String,
    "repository repository_id repository_owner repository_owner_id repository_visibility ref ref_type ref_protected base_ref head_ref sha \
     actor actor_id workflow workflow_ref workflow_sha job_workflow_ref job_workflow_sha run_id run_number run_attempt event_name \
     environment environment_node_id runner_environment enterprise enterprise_id check_run_id issuer_scope",
)];

const KUBERNETES: Table = &[
    (
        ClaimWord::String,
        "kubernetes.io/namespace kubernetes.io/serviceaccount/name kubernetes.io/serviceaccount/uid kubernetes.io/pod/name \
         kubernetes.io/pod/uid kubernetes.io/node/name kubernetes.io/node/uid kubernetes.io/secret/name kubernetes.io/secret/uid",
    ),
    (ClaimWord::Number, "kubernetes.io/warnafter"),
];

const fn of_profile(profile: IssuerProfile) -> &'static [Table] {
    match profile {
        IssuerProfile::Jwt | IssuerProfile::JwtSvid => &[],
        IssuerProfile::Kubernetes => &[KUBERNETES],
        IssuerProfile::Keycloak => &[KEYCLOAK, OF_USERS],
        IssuerProfile::Entra => &[ENTRA, OF_USERS],
        IssuerProfile::Okta => &[OKTA],
        IssuerProfile::Auth0 => &[AUTH0],
        IssuerProfile::Cognito => &[COGNITO],
        IssuerProfile::Google => &[GOOGLE, OF_USERS],
        IssuerProfile::GithubActions => &[GITHUB],
    }
}

/// The type that the claim `name` has in access tokens, ID tokens and answers of introspection (RFC 7662 section 2.2).
pub fn usual_type(name: &str) -> Option<ClaimWord> {
    const ACTIVE: Table = &[(ClaimWord::Boolean, "active")];
    let rows = [STANDARD, OF_USERS, ACTIVE].into_iter().flatten();
    let is_named = |names: &str| names.split(' ').any(|own| own == name);
    rows.copied().find_map(|(word, names)| is_named(names).then_some(word))
}

/// The claims of an issuer whose document lists them, or the members of one of them, by name. It has no places, so that it is the same
/// wherever the document stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimTypes(BTreeMap<Box<str>, ClaimType>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum ClaimType {
    Word(ClaimWord),
    Members(ClaimTypes),
}

/// The kind of a claim's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// A word of a list of claims.
    Word(ClaimWord),
    /// A mapping with members.
    Members,
}

/// The claims of the issuers of a rule, each of which lists its own.
#[derive(Clone, Debug)]
pub struct KnownClaims<'a>(pub Vec<(&'a str, &'a ClaimTypes)>);

/// A claim as a document writes it.
#[derive(Clone, Debug)]
pub struct ClaimPath<'p> {
    parts: Vec<Cow<'p, str>>,
    spelling: Spelling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// `/realm_access/roles`
    Pointer,
    /// `token.claims.realm_access.roles`
    Variable,
    /// `tenant`
    Name,
}

/// A claim that no issuer has: the message, and the advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownClaim {
    /// The message.
    pub message: String,
    /// The advice.
    pub help: String,
}

/// The part of a path that is not there, and the names that are.
struct Miss<'a> {
    at: usize,
    /// None where the claim before it has no members.
    names: Option<Vec<&'a str>>,
}

impl ClaimTypes {
    /// Those of the issuer of `spec`, where it lists its own.
    pub fn of(spec: &TokenIssuerSpec) -> Option<Self> {
        let listed = spec.claims.as_ref()?;
        let mut all = Self::default();
        for table in [STANDARD].iter().chain(of_profile(spec.profile)) {
            for (word, names) in *table {
                names.split_whitespace().for_each(|path| all.insert(path, *word));
            }
        }
        all.0.extend(Self::listed(&listed.value).0);
        Some(all)
    }

    fn listed(entries: &Entries<ClaimTypeSpec>) -> Self {
        let entry = |spec: &ClaimTypeSpec| match spec {
            ClaimTypeSpec::Word(word) => ClaimType::Word(*word),
            ClaimTypeSpec::Members(members) => ClaimType::Members(Self::listed(members)),
        };
        let entries = entries.0.iter();
        Self(entries.map(|(name, spec)| (name.value.as_str().into(), entry(&spec.value))).collect())
    }

    fn insert(&mut self, path: &str, word: ClaimWord) {
        let Some((first, rest)) = path.split_once('/') else {
            self.0.insert(path.into(), ClaimType::Word(word));
            return;
        };
        let entry = self.0.entry(first.into());
        if let ClaimType::Members(members) =
            entry.or_insert_with(|| ClaimType::Members(Self::default()))
        {
            members.insert(rest, word);
        }
    }

    fn kind(&self, path: &ClaimPath<'_>) -> Result<ClaimKind, Miss<'_>> {
        let mut here = self;
        let mut found = ClaimKind::Members;
        for (at, part) in path.parts.iter().enumerate() {
            match here.0.get(&**part) {
                None => {
                    let names = here.0.keys().map(|name| &**name).collect();
                    return Err(Miss { at, names: Some(names) });
                }
                Some(ClaimType::Members(members)) => (here, found) = (members, ClaimKind::Members),
                Some(ClaimType::Word(word)) => {
                    let rest = path.parts.get(at.saturating_add(1)..).unwrap_or_default();
                    return below(*word, rest, path.spelling)
                        .ok_or_else(|| Miss { at: at.saturating_add(1), names: None });
                }
            }
        }
        Ok(found)
    }
}

/// The kind of what is at `rest` below a claim of the type `word`; none where nothing is.
fn below(word: ClaimWord, rest: &[Cow<'_, str>], spelling: Spelling) -> Option<ClaimKind> {
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    match (word, rest) {
        (word, []) => Some(ClaimKind::Word(word)),
        (ClaimWord::Any, _) => Some(ClaimKind::Word(ClaimWord::Any)),
        // A pointer reaches an element (RFC 6901 section 4).
        (ClaimWord::Strings, [part]) if spelling == Spelling::Pointer && is_number(part) => {
            Some(ClaimKind::Word(ClaimWord::String))
        }
        _ => None,
    }
}

impl KnownClaims<'_> {
    /// The kind of the claim at `path`. Any, where the issuers that have it do not agree.
    ///
    /// # Errors
    /// No issuer has it.
    pub fn kind(&self, path: &ClaimPath<'_>) -> Result<ClaimKind, UnknownClaim> {
        let found = self.0.iter().map(|(_, types)| types.kind(path));
        let mut kinds = found.clone().filter_map(Result::ok);
        if let Some(first) = kinds.next() {
            let same = kinds.all(|kind| kind == first);
            return Ok(if same { first } else { ClaimKind::Word(ClaimWord::Any) });
        }
        let misses: Vec<Miss<'_>> = found.filter_map(Result::err).collect();
        Err(self.unknown(path, &misses))
    }

    fn issuers(&self) -> String {
        let names: Vec<_> = self.0.iter().map(|(name, _)| format!("`{name}`")).collect();
        names.join(" or ")
    }

    /// The message of the issuer that got furthest, and the names of all.
    fn unknown(&self, path: &ClaimPath<'_>, misses: &[Miss<'_>]) -> UnknownClaim {
        let at = misses.iter().map(|miss| miss.at).max().unwrap_or_default();
        let misses = misses.iter().filter(|miss| miss.at == at);
        let names: Vec<&str> =
            misses.filter_map(|miss| miss.names.as_deref()).flatten().copied().collect();
        let issuers = self.issuers();
        if names.is_empty() && at > 0 {
            let parent = path.with_parts(path.parts.get(..at).unwrap_or_default());
            return UnknownClaim {
                message: format!("the claim `{parent}` of {issuers} has no members"),
                help: String::from(
                    "correct the path, or list the members under `claims` of the TokenIssuer document",
                ),
            };
        }
        let wrong = path.parts.get(at).map(|part| &**part).unwrap_or_default();
        let help = match closest(wrong, &names) {
            Some(near) => {
                let mut parts = path.parts.clone();
                if let Some(part) = parts.get_mut(at) {
                    *part = Cow::Borrowed(near);
                }
                format!("did you mean `{}`?", path.with_parts(&parts))
            }
            None => {
                String::from("correct it, or list it under `claims` of the TokenIssuer document")
            }
        };
        UnknownClaim { message: format!("no token of {issuers} has the claim `{path}`"), help }
    }
}

impl<'p> ClaimPath<'p> {
    /// A JSON pointer (RFC 6901).
    pub fn pointer(text: &'p str) -> Self {
        let plain = |part: &'p str| match part.contains('~') {
            true => Cow::Owned(part.replace("~1", "/").replace("~0", "~")),
            false => Cow::Borrowed(part),
        };
        Self { parts: text.split('/').skip(1).map(plain).collect(), spelling: Spelling::Pointer }
    }

    /// The name of a claim, or a JSON pointer where it begins with `/`.
    pub fn name_or_pointer(text: &'p str) -> Self {
        match text.starts_with('/') {
            true => Self::pointer(text),
            false => Self::name(text),
        }
    }

    /// The name of a claim, as tokens have it.
    pub fn name(name: &'p str) -> Self {
        Self { parts: vec![Cow::Borrowed(name)], spelling: Spelling::Name }
    }

    /// The keys behind `token.claims` in a condition.
    pub fn variable(keys: &'p [Box<str>]) -> Self {
        let parts = keys.iter().map(|key| Cow::Borrowed(&**key)).collect();
        Self { parts, spelling: Spelling::Variable }
    }

    fn with_parts<'o>(&self, parts: &[Cow<'o, str>]) -> ClaimPath<'o> {
        ClaimPath { parts: parts.to_vec(), spelling: self.spelling }
    }
}

impl fmt::Display for ClaimPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spelling {
            Spelling::Pointer => self
                .parts
                .iter()
                .try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1"))),
            Spelling::Name => f.write_str(&self.parts.join("/")),
            Spelling::Variable => f.write_str(&format!("token.claims.{}", self.parts.join("."))),
        }
    }
}

impl fmt::Display for ClaimKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Word(ClaimWord::String) => "text",
            Self::Word(ClaimWord::Integer) => "a whole number",
            Self::Word(ClaimWord::Number) => "a number",
            Self::Word(ClaimWord::Boolean) => "true or false",
            Self::Word(ClaimWord::Strings) => "a list of texts",
            Self::Word(ClaimWord::Any) => "any value",
            Self::Members => "a mapping",
        })
    }
}

/// The type that standards give the claim `name`, where they say one.
pub fn standard_type(name: &str) -> Option<ClaimWord> {
    let has = |names: &str| names.split_whitespace().any(|own| own == name);
    let (word, _) = STANDARD.iter().find(|(_, names)| has(names))?;
    Some(*word).filter(|word| *word != ClaimWord::Any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{SourceFile, Spec, parse};

    fn types(claims: &str) -> ClaimTypes {
        let text = format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: https://a.example\n  \
             profile: keycloak\n  claims: {claims}\n"
        );
        let mut problems = Vec::new();
        let documents = parse(&SourceFile::new("issuer.yaml", &text), &mut problems);
        assert_eq!(problems, []);
        let Spec::TokenIssuer(spec) = &documents[0].spec else { panic!() };
        ClaimTypes::of(spec).unwrap()
    }

    /// P685: and what is near a misspelled claim is what the issuers have at that place.
    #[test]
    fn claims_are_those_of_standards_of_the_profile_and_of_the_document() {
        let corp = types(
            "{ tenant: string, groups: strings, org: { units: strings, id: integer }, free: any }",
        );
        let known = KnownClaims(vec![("corp", &corp)]);
        for (pointer, kind) in [
            ("/sub", "text"),
            ("/exp", "a number"),
            ("/tenant", "text"),
            ("/realm_access/roles", "a list of texts"),
            ("/realm_access/roles/0", "text"),
            ("/resource_access/orders/roles", "any value"),
            ("/org", "a mapping"),
            ("/org/id", "a whole number"),
            ("/free/x/y", "any value"),
        ] {
            assert_eq!(known.kind(&ClaimPath::pointer(pointer)).unwrap().to_string(), kind);
        }
        for (pointer, help) in [
            ("/tenat", "did you mean `/tenant`?"),
            ("/org/unts", "did you mean `/org/units`?"),
            ("/realm_access/rolse", "did you mean `/realm_access/roles`?"),
        ] {
            assert_eq!(known.kind(&ClaimPath::pointer(pointer)).unwrap_err().help, help);
        }
        let no_members = known.kind(&ClaimPath::pointer("/tenant/id")).unwrap_err();
        assert_eq!(no_members.message, "the claim `/tenant` of `corp` has no members");
    }

    /// P686: of several issuers one that has the claim is enough, and its kind counts where all agree.
    #[test]
    fn a_claim_of_one_of_several_issuers_is_known() {
        let (corp, other) =
            (types("{ tenant: string, level: integer }"), types("{ level: string }"));
        let known = KnownClaims(vec![("corp", &corp), ("other", &other)]);
        let kind = |pointer| known.kind(&ClaimPath::pointer(pointer)).map(|kind| kind.to_string());
        assert_eq!(kind("/tenant"), Ok(String::from("text")));
        assert_eq!(kind("/level"), Ok(String::from("any value")));
        let unknown = kind("/tenat").unwrap_err();
        assert_eq!(unknown.message, "no token of `corp` or `other` has the claim `/tenat`");
    }
}
