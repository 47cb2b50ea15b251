//! The values that an allow rule injects and the parts that it removes: names that may be set, and templates whose variables
//! will have a value.

use std::sync::Arc;
use std::time::Duration;

use super::compiler::{PolicyCompiler, check_pointer, coded};
use crate::document::answers::{AssertionSpec, InjectSpec, RemoveSpec};
use crate::document::policy::{Entries, KeepSpec, RuleSpec, Texts};
use crate::document::{Code, Diagnostic, HumanDuration, Spanned, closest};
use crate::limits::{MAX_ASSERTION_LIFETIME, MAX_INJECTIONS, MIN_ASSERTION_LIFETIME};
use crate::policy::model::{
    Keep, OVERRIDE_HEADERS, OVERRIDE_PARAMETERS, PathTemplate, check_injected,
    check_injected_parameter, check_parameter, check_removal, check_response_name, is_settable,
};
use crate::policy::requirement::injection::{
    AssertionTemplate, Injection, ObligationTemplate, Removal,
};
use crate::policy::requirement::template::Template;
use crate::policy::requirement::variable::{TemplateVariable, VariableName};

/// How long an assertion is good for where nothing is said: a request and its retries.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// Members of the metadata that are ours.
const OWN_METADATA: [&str; 6] =
    ["annotations", "decision", "decision_id", "policy", "reason", "rule"];

/// Claims that an assertion has in any case.
const OWN_CLAIMS: [&str; 12] =
    ["act", "aud", "cnf", "exp", "iat", "iss", "jti", "nbf", "peer", "policy", "rule", "sub"];

/// Names of people, by the claims of OpenID Connect Core section 5.1.
const CLAIMS_OF_PEOPLE: [&str; 5] = [
    "token.claims./name",
    "token.claims./given_name",
    "token.claims./family_name",
    "token.claims./middle_name",
    "token.claims./nickname",
];

/// Reads a name, or says what is wrong with it.
type CheckName<'c> = &'c dyn Fn(&str) -> Result<String, (String, Option<&'static str>)>;

/// The rule that is compiled, and the paths that it captures from.
#[derive(Clone, Copy)]
struct Within<'w> {
    spec: &'w RuleSpec,
    paths: &'w [PathTemplate],
    /// True if the values are members of JSON, which may have any text.
    json: bool,
}

impl PolicyCompiler<'_, '_> {
    pub(super) fn obligations(
        &mut self,
        spec: &RuleSpec,
        paths: &[PathTemplate],
    ) -> ObligationTemplate {
        let within = Within { spec, paths, json: false };
        let remove = spec.remove.as_ref().map(|remove| self.removal(remove, spec));
        let obligations = match &spec.inject {
            Some(inject) => self.injected(inject, within),
            None => ObligationTemplate::default(),
        };
        ObligationTemplate { remove: remove.unwrap_or_default(), ..obligations }
    }

    fn injected(&mut self, inject: &Spanned<InjectSpec>, within: Within<'_>) -> ObligationTemplate {
        let json = Within { json: true, ..within };
        let InjectSpec { headers, response_headers, query, metadata, assertion } = &inject.value;
        let lists = [headers, response_headers, query, metadata];
        let sets_nothing = |list: &Option<Spanned<Entries<String>>>| {
            list.as_ref().is_none_or(|list| list.value.0.is_empty())
        };
        if assertion.is_none() && lists.into_iter().all(sets_nothing) {
            let help = "name what to set under `inject.headers`, or remove `inject`";
            self.error_with(Code::EmptyList, inject, "`inject` sets nothing", help);
        }
        let sealed = self.sealed.clone();
        let obligations = ObligationTemplate {
            headers: self.each_injection(headers, &|name| check_injected(name, &sealed), within),
            response_headers: self.each_injection(response_headers, &check_response_name, within),
            query: self.each_parameter(query, within),
            metadata: self.each_injection(metadata, &check_member(&OWN_METADATA), json),
            assertion: assertion
                .as_ref()
                .and_then(|spec| self.assertion(&spec.value, within))
                .map(Box::new),
            remove: Removal::default(),
            keep: None,
        };
        if let (Some(spec), Some(own)) = (assertion, &obligations.assertion)
            && obligations.headers.iter().any(|injection| injection.name == own.header)
        {
            self.set_twice(&spec.value.header, &own.header);
        }
        obligations
    }

    fn each_injection(
        &mut self,
        entries: &Option<Spanned<Entries<String>>>,
        check: CheckName<'_>,
        within: Within<'_>,
    ) -> Box<[Injection]> {
        let Some(list) = entries else { return Box::default() };
        let mut injections: Vec<Injection> = Vec::with_capacity(list.value.0.len());
        if list.value.0.len() > MAX_INJECTIONS {
            let message = format!("more than {MAX_INJECTIONS} entries");
            self.error(Code::TooMany, list, message);
        }
        for (name, value) in &list.value.0 {
            let Some(injection) = self.injection(name, value, check) else { continue };
            if injections.iter().any(|other| other.name == injection.name) {
                self.set_twice(name, &injection.name);
            }
            if injection.template.is_untrimmed() && !within.json {
                let message = "the value begins or ends with a space, which no header keeps";
                let help = "remove the space: no request would be allowed with it";
                self.error_with(Code::InvalidTemplate, value, message, help);
            }
            for variable in injection.template.variables() {
                self.has_a_value(variable, value, within);
            }
            if !within.json {
                self.warn_of_names(&injection.template, value);
            }
            injections.push(injection);
        }
        injections.into()
    }

    /// A claim that names a person is plain ASCII for some people only, and the others would be denied (P465).
    fn warn_of_names(&mut self, template: &Template, place: &Spanned<String>) {
        let names = template.bare_variables().map(TemplateVariable::written);
        let Some(name) = names.into_iter().find(|own| CLAIMS_OF_PEOPLE.contains(&own.as_str()))
        else {
            return;
        };
        let message = format!(
            "`{{{name}}}` is not plain ASCII for every user, and a rule does not allow what it cannot send"
        );
        let help = format!("write `{{{name}|percent}}`, and let the receiver decode it");
        let problem = Diagnostic::warning(Code::UnencodedName, self.origin.span(place), message);
        self.problems.push(problem.help(help));
    }

    /// A value that Envoy does not set as it is needs an encoding that Envoy accepts. Fixed text is checked here, when
    /// documents are loaded; values are checked when they are rendered (P135).
    fn each_parameter(
        &mut self,
        entries: &Option<Spanned<Entries<String>>>,
        within: Within<'_>,
    ) -> Box<[Injection]> {
        for (_, value) in entries.iter().flat_map(|list| &list.value.0) {
            let Ok(template) = Template::parse(&value.value) else { continue };
            let other = template
                .literals()
                .flat_map(str::chars)
                .find(|c| !c.is_ascii() || !u8::try_from(*c).is_ok_and(is_settable));
            if template.bare_variables().any(|own| own.name == VariableName::PeerSpiffe) {
                let message =
                    "a query parameter cannot be set to a SPIFFE ID, which has `:` and `/`";
                let help = "write `{peer.spiffe|base64url}` or `{peer.spiffe|hex}`: Envoy answers 500 to other characters (`validate_mutations`)";
                self.error_with(Code::InvalidTemplate, value, message, help);
            }
            if let Some(form) = template.no_parameter() {
                let message = format!(
                    "a query parameter cannot be set to `{form}`, which has other characters than letters and digits"
                );
                let help = "write it in base64url at last, as in `{token.claims./groups|json|base64url}`: Envoy answers 500 to others (`validate_mutations`)";
                self.error_with(Code::InvalidTemplate, value, message, help);
            }
            if let Some(other) = other {
                let message = format!("a query parameter cannot be set to a value with `{other}`");
                let help = "use letters, digits, `*`, `-`, `.` and `_`: Envoy answers 500 to all others, also where they are encoded (`validate_mutations`)";
                self.error_with(Code::InvalidTemplate, value, message, help);
            }
        }
        self.each_injection(entries, &check_injected_parameter, within)
    }

    /// The overrides that a target keeps.
    pub(super) fn keep(&mut self, keep: &Spanned<KeepSpec>) -> Keep {
        let KeepSpec { headers, query } = &keep.value;
        if headers.is_none() && query.is_none() {
            let help = "list `headers` or `query`, or remove `keep`";
            self.error_with(Code::EmptyList, keep, "`keep` keeps nothing", help);
        }
        let one_of = |name: &str, known: &[&str]| match known.contains(&name) {
            true => Ok(name.to_owned()),
            false => {
                let message = format!("`{name}` is not removed, so that it cannot be kept");
                let help = match closest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("what can be kept: {}", known.join(", ")),
                };
                Err((Code::InvalidValue, message, Some(help)))
            }
        };
        let header = |name: &String| one_of(&name.to_ascii_lowercase(), &OVERRIDE_HEADERS);
        let parameter = |name: &String| one_of(name, &OVERRIDE_PARAMETERS);
        Keep {
            headers: self.each(headers.as_ref(), "headers", header).into(),
            query: self.each(query.as_ref(), "query", parameter).into(),
        }
    }

    fn set_twice(&mut self, place: &Spanned<String>, name: &str) {
        let message = format!("`{name}` is set twice");
        let help = "names of headers are the same in any case";
        self.error_with(Code::DuplicateHeader, place, message, help);
    }

    fn injection(
        &mut self,
        name: &Spanned<String>,
        value: &Spanned<String>,
        check: CheckName<'_>,
    ) -> Option<Injection> {
        let checked = self.checked_name(name, check);
        let template = Template::parse(&value.value)
            .map_err(|(message, help)| self.report(value, (Code::InvalidTemplate, message, help)));
        Some(Injection { name: checked?.into(), template: template.ok()? })
    }

    fn checked_name(&mut self, name: &Spanned<String>, check: CheckName<'_>) -> Option<String> {
        let checked = check(&name.value).map_err(coded(Code::ForbiddenHeader));
        checked.map_err(|problem| self.report(name, problem)).ok()
    }

    fn assertion(&mut self, spec: &AssertionSpec, within: Within<'_>) -> Option<AssertionTemplate> {
        let AssertionSpec { header, audience, lifetime, claims } = spec;
        let sealed = self.sealed.clone();
        let header = self.checked_name(header, &|name| check_injected(name, &sealed));
        if audience.value.is_empty() {
            let help = "name the upstream that the assertion is for; it refuses those for others";
            self.error_with(Code::InvalidValue, audience, "`audience` is empty", help);
        }
        let who = within.spec;
        if who.peer.is_none() && who.token.is_none() {
            let message = "an assertion says who is calling, and the rule requires no identity";
            self.error_with(Code::UnknownVariable, audience, message, "add `peer` or `token`");
        }
        let json = Within { json: true, ..within };
        let lifetime = lifetime.as_ref().map_or(DEFAULT_LIFETIME, |own| self.lifetime(own));
        for (_, value) in claims.iter().flat_map(|claims| &claims.value.0) {
            if value.value.contains("{decision.id}") {
                let message =
                    "one assertion serves many requests, and each has its own decision id";
                let help = "set it as a header of its own, under `inject.headers`";
                self.error_with(Code::InvalidTemplate, value, message, help);
            }
        }
        Some(AssertionTemplate {
            claims: self.each_injection(claims, &check_member(&OWN_CLAIMS), json),
            header: header?.into(),
            audience: Arc::from(audience.value.as_str()),
            lifetime,
        })
    }

    fn lifetime(&mut self, lifetime: &Spanned<HumanDuration>) -> Duration {
        let own = lifetime.value.get();
        if !(MIN_ASSERTION_LIFETIME..=MAX_ASSERTION_LIFETIME).contains(&own) {
            let (least, most) = (MIN_ASSERTION_LIFETIME, MAX_ASSERTION_LIFETIME);
            let (least, most) = (HumanDuration::new(least), HumanDuration::new(most));
            let message = format!("`lifetime` is {}, expected {least} to {most}", lifetime.value);
            let help =
                "countersign signs a new assertion as long as callers come; a minute is enough";
            self.error_with(Code::InvalidValue, lifetime, message, help);
        }
        own
    }

    fn removal(&mut self, remove: &Spanned<RemoveSpec>, rule: &RuleSpec) -> Removal {
        let RemoveSpec { token, headers, query } = &remove.value;
        let token = token.as_ref().filter(|token| token.value);
        if token.is_none() && headers.is_none() && query.is_none() {
            let help = "say `token: true`, or list `headers` or `query`";
            self.error_with(Code::EmptyList, remove, "`remove` removes nothing", help);
        }
        if let (Some(token), None) = (token, &rule.token) {
            let message = "the rule asks for no token that could be removed";
            self.error_with(Code::UnknownVariable, token, message, "add `token` to the rule");
        }
        Removal {
            token: token.is_some(),
            headers: self.each_removed(headers.as_ref(), "headers", check_removal),
            query: self.each_removed(query.as_ref(), "query", |name| {
                check_parameter(name).map(|()| name.to_owned())
            }),
        }
    }

    fn each_removed(
        &mut self,
        names: Option<&Spanned<Texts>>,
        key: &str,
        check: impl Fn(&str) -> Result<String, (String, Option<&'static str>)>,
    ) -> Box<[String]> {
        let read = |name: &String| check(name).map_err(coded(Code::ForbiddenHeader));
        self.each(names, key, read).into()
    }

    /// A variable about something that the rule does not require would be empty for some requests, and no author could say for
    /// which.
    fn has_a_value(
        &mut self,
        variable: &TemplateVariable,
        place: &Spanned<String>,
        within: Within<'_>,
    ) {
        if variable.needs_token() && within.spec.token.is_none() {
            let message = "the value is taken from a token, and the rule asks for none";
            self.error_with(Code::UnknownVariable, place, message, "add `token` to the rule");
        }
        if variable.needs_peer() && within.spec.peer.is_none() {
            let message = "the value is taken from the peer, and the rule asks for none";
            self.error_with(Code::UnknownVariable, place, message, "add `peer` to the rule");
        }
        if let Some(pointer) = variable.claim() {
            match check_pointer(pointer) {
                Err(problem) => self.report(place, problem),
                Ok(()) => self.template_claim_is_known(pointer, place, within.spec),
            }
        }
        if let Some(name) = variable.needs_capture() {
            self.is_captured(name, place, within.paths);
        }
    }

    fn is_captured(&mut self, name: &str, place: &Spanned<String>, paths: &[PathTemplate]) {
        let lacking = paths.iter().find(|path| !path.captures().any(|own| own == name));
        let message = match lacking {
            Some(path) => format!("`{}` does not capture `{{{name}}}`", path.as_str()),
            None if paths.is_empty() => format!("no path captures `{{{name}}}`"),
            None => return,
        };
        let known: Vec<&str> = paths.iter().flat_map(PathTemplate::captures).collect();
        let help = match closest(name, &known) {
            Some(near) if near != name => format!("did you mean `{{request.path.{near}}}`?"),
            Some(_) | None => format!("name the segment `{{{name}}}` in each of `on.paths`"),
        };
        self.error_with(Code::UnknownVariable, place, message, help);
    }
}

/// Names of members of an object, of which some are `taken`.
pub(super) fn check_member(
    taken: &'static [&'static str],
) -> impl Fn(&str) -> Result<String, (String, Option<&'static str>)> {
    |name| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            let help = "use at most 64 letters, digits, `_`, `-` and `.`";
            return Err((format!("`{name}` is not a name that can be set"), Some(help)));
        }
        if taken.contains(&name) {
            let help = "countersign sets it itself; use a name of your own";
            return Err((format!("`{name}` cannot be set"), Some(help)));
        }
        Ok(name.to_owned())
    }
}
