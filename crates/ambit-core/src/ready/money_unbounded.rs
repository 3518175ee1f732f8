//! Money without a lower bound, a currency test or an aggregate limit.

use super::Rule;
use crate::catalog::Resource;
use crate::policy::{Policy, PolicyLine};
use crate::scope::diagnostics::Diagnostic;
use crate::scope::{Ask, Counted, Literal, Section, Set, Window};
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "money-unbounded", about: "money has a lower bound, a currency and a total", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for line in policy.lines().iter().filter(|l| l.line.section != Section::CannotTouch) {
        let resources = line.reaches().filter_map(|(r, _)| policy.catalog().resource(r));
        let Some((resource, amount)) = resources.filter_map(|r| Some((r, r.declared.amount.as_deref()?))).next() else {
            continue;
        };
        let mut missing = Vec::new();
        if !bounded_below(line, amount) {
            missing.push(format!("a lower bound (`where {amount} is above 0`)"));
        }
        if let Some(currency) = resource.fields.iter().map(|f| &f.name).find(|n| n.to_lowercase().contains("currency"))
            && !is_fixed(line, currency)
        {
            missing.push(format!("a currency (`{currency} is \"EUR\"`)"));
        }
        if line.line.section.is_can() && !has_total(line) {
            missing.push(format!("a total (`at most 1000 of {amount} per day`)"));
        }
        if !missing.is_empty() {
            found.push(Diagnostic::not_ready(
                RULE.name,
                line.line.at.clone(),
                format!("`{}` moves money; the line lacks {}", name(resource), missing.join(" and ")),
                "a negative amount, another currency or many small sums go around a bare upper bound",
            ));
        }
    }
}

fn name(resource: &Resource) -> &str {
    &resource.name
}

fn bounded_below(line: &PolicyLine, amount: &str) -> bool {
    let on_amount = line.line.tests.iter().filter(|t| t.path.steps.last().is_some_and(|s| s.name == amount));
    on_amount.flat_map(|t| &t.any).filter(|p| !p.negated).any(|p| match &p.ask {
        Ask::Above(Literal::Number(n)) | Ask::AtLeast(Literal::Number(n)) | Ask::Is(Literal::Number(n)) => {
            !n.is_negative()
        }
        Ask::In(Set::Values(_) | Set::Request) | Ask::TaskFact(_) => true,
        _ => false,
    })
}

fn is_fixed(line: &PolicyLine, field: &str) -> bool {
    line.line
        .tests
        .iter()
        .filter(|t| t.path.steps.last().is_some_and(|s| s.name == field))
        .flat_map(|t| &t.any)
        .any(|p| !p.negated && matches!(p.ask, Ask::Is(_) | Ask::In(_) | Ask::TaskFact(_)))
}

fn has_total(line: &PolicyLine) -> bool {
    line.line.limits.iter().any(|l| l.per != Window::AtOnce && matches!(l.of, Counted::Sum(_)))
}
