//! A condition by itself, beside one request and its caller: what `countersign cel` shows.

use std::sync::Arc;

use super::case::Question;
use crate::authn::TokenIdentity;
use crate::clock::UnixTime;
use crate::document::{Code, Diagnostic, SourceFile, Span};
use crate::policy::model::decision_id::DecisionId;
use crate::policy::model::path::PathTemplate;
use crate::policy::model::rule_name::RuleName;
use crate::policy::model::truth::Truth;
use crate::policy::requirement::condition::{Condition, ConditionScope};
use crate::policy::requirement::context::CheckContext;
use crate::policy::requirement::missing::MissingData;
use crate::policy::requirement::observation::Operand;
use crate::request::SealedNames;

/// The result of a condition for one request.
#[derive(Clone, Debug)]
pub struct ConditionTrial {
    /// The result of the whole.
    pub truth: Truth,
    /// The results of the parts that `&&`, `||` and `?:` put together.
    pub operands: Vec<Operand>,
    /// The names of what it reads, as conditions write them.
    pub names: Vec<String>,
    /// False if the request's path is none that the template matches, so that no rule with it is about the request.
    pub is_about_the_path: bool,
    /// True if a caller with long lists makes it run out of steps.
    pub is_costly: bool,
}

/// The names that a condition is checked against.
#[derive(Clone, Copy, Debug)]
pub struct ConditionNames<'a> {
    /// The names of `TrustDomain` documents.
    pub domains: &'a [&'a str],
    /// The values of `iss` that tokens may have; every one where there are none.
    pub iss: &'a [&'a str],
    /// Headers that carry credentials.
    pub sealed: &'a SealedNames,
}

impl Question {
    /// Evaluates the condition `text` as the `when` of a rule with the path template `path`, if one is given. The rule asks for the
    /// peer and for the first token that the caller has.
    ///
    /// # Errors
    /// Everything that is wrong with the template or the condition.
    pub fn try_condition(
        &self,
        text: &Arc<SourceFile>,
        path: Option<&Arc<SourceFile>>,
        names: ConditionNames<'_>,
        now: UnixTime,
    ) -> Result<ConditionTrial, Vec<Diagnostic>> {
        let template = path.map(template).transpose().map_err(|problem| vec![problem])?;
        let captures: Vec<_> = template.iter().flat_map(PathTemplate::captures).collect();
        let ConditionNames { domains, iss, sealed } = names;
        let scope = ConditionScope::of_any_rule(&captures, sealed, (domains, iss));
        let scope = ConditionScope { has_paths: path.is_some(), ..scope };
        let condition = Condition::compile(text.text(), scope).map_err(|faults| {
            let whole = Span::new(text, 0..text.text().len());
            faults
                .into_iter()
                .map(|fault| fault.diagnostic(text.text(), &whole))
                .collect::<Vec<_>>()
        })?;
        let tokens = self.subject.tokens().verified().map(Vec::as_slice).unwrap_or_default();
        let issuers: Vec<Arc<str>> =
            tokens.iter().map(|token| token.issuer_name().into()).collect();
        let rule = RuleName { policy: "cel".into(), rule: "cel".into() };
        let cx = CheckContext {
            request: &self.request,
            subject: &self.subject,
            now,
            id: DecisionId::default(),
            rule: &rule,
            template: template.as_ref(),
            peer: self.subject.peer().verified(),
            trust_domain: None,
            issuers: &issuers,
            token: tokens.first(),
            missing: MissingData::NONE,
        };
        let (truth, operands) = (condition.holds(&cx), condition.operands(&cx));
        let matches = |template: &PathTemplate| {
            self.request.target.as_ref().is_ok_and(|target| template.matches(&target.path))
        };
        Ok(ConditionTrial {
            truth,
            operands,
            names: condition.names(),
            is_about_the_path: template.as_ref().is_none_or(matches),
            is_costly: condition.is_costly(),
        })
    }

    /// The names of the issuers whose verified tokens the caller has; a condition reads the first one's.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        let tokens = self.subject.tokens().verified().map(Vec::as_slice).unwrap_or_default();
        tokens.iter().map(TokenIdentity::issuer_name)
    }
}

/// The template in `file`.
fn template(file: &Arc<SourceFile>) -> Result<PathTemplate, Diagnostic> {
    PathTemplate::parse(file.text()).map_err(|(message, help)| {
        let place = Span::new(file, 0..file.text().len());
        let problem = Diagnostic::error(Code::InvalidPath, place, message);
        Diagnostic { help: help.map(str::to_owned), ..problem }
    })
}
