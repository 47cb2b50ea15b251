//! What an allow rule injects: names that may be set, and templates whose variables will have something to stand for.

use super::Compiler;
use super::identity::check_pointer;
use crate::document::policy::{Entries, RuleSpec};
use crate::document::{Spanned, closest};
use crate::policy::inject::{Injection, check_name};
use crate::policy::path::PathTemplate;
use crate::policy::template::Template;
use crate::policy::variable::Variable;

impl Compiler<'_, '_> {
    pub(super) fn inject(&mut self, spec: &RuleSpec, paths: &[PathTemplate]) -> Box<[Injection]> {
        let Some(inject) = &spec.inject else { return Box::default() };
        let headers = inject.value.headers.as_ref();
        if headers.is_none_or(|headers| headers.value.0.is_empty()) {
            let help = "name what to set under `inject.headers`, or leave `inject` out";
            self.error_with("empty-list", inject, "`inject` sets nothing", help);
        }
        let Some(Spanned { value: Entries(entries), .. }) = headers else { return Box::default() };
        let mut injections: Vec<Injection> = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let Some(injection) = self.injection(name, value) else { continue };
            if injections.iter().any(|other| other.name == injection.name) {
                let message = format!("header `{}` is set twice", injection.name);
                self.error_with(
                    "duplicate-header",
                    name,
                    message,
                    "names are the same in any case",
                );
            }
            for variable in injection.template.variables() {
                self.has_a_value(variable, value, spec, paths);
            }
            injections.push(injection);
        }
        injections.into()
    }

    fn injection(&mut self, name: &Spanned<String>, value: &Spanned<String>) -> Option<Injection> {
        let checked = check_name(&name.value, self.sealed).map_err(|(message, help)| {
            self.report(name, ("forbidden-header", message, help.map(str::to_owned)));
        });
        let template = Template::parse(&value.value)
            .map_err(|(message, help)| self.report(value, ("invalid-template", message, help)));
        Some(Injection { name: checked.ok()?.into(), template: template.ok()? })
    }

    /// A variable about something that the rule does not ask for would be empty now and then, and nobody would know when.
    fn has_a_value(
        &mut self,
        variable: &Variable,
        place: &Spanned<String>,
        spec: &RuleSpec,
        paths: &[PathTemplate],
    ) {
        if variable.needs_token() && spec.token.is_none() {
            let message = "the value is taken from a token, and the rule asks for none";
            self.error_with("unknown-variable", place, message, "add `token` to the rule");
        }
        if variable.needs_peer() && spec.peer.is_none() {
            let message = "the value is taken from the peer, and the rule asks for none";
            self.error_with("unknown-variable", place, message, "add `peer` to the rule");
        }
        if let Variable::TokenClaim(pointer) = variable
            && let Err(problem) = check_pointer(pointer)
        {
            self.report(place, problem);
        }
        if let Some(name) = variable.needs_capture() {
            self.is_captured(name, place, paths);
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
        self.error_with("unknown-variable", place, message, help);
    }
}
