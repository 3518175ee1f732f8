//! One predicate against one value: yes, no, or unknown. Evaluation cannot fail.

use std::collections::BTreeMap;

use regex::Regex;

use crate::decimal::Decimal;
use crate::place;
use crate::policy::{List, ListKind};
use crate::scope::{Ask, Literal, Set};
use crate::task::Task;
use crate::time::Date;
use crate::truth::Truth;
use crate::value::Value;

/// A predicate with everything looked up that can be looked up beforehand.
#[derive(Clone, Debug)]
pub struct Check {
    negated: bool,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Is(Literal),
    OneOf(Vec<Literal>),
    OneOfAddresses(Vec<String>),
    InRequest,
    QuotedInRequest,
    TaskFact(String),
    Compared { with: Literal, above: bool, equal: bool },
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Matches(Regex),
    AddressAt(Vec<String>),
    AddressAtRequest,
    UrlAt(Vec<String>),
    UrlAtRequest,
    Under(Vec<String>),
    Given,
    Bool(bool),
}

/// Why a predicate cannot be made: the name of the finding, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmakeable {
    /// The finding's name.
    pub name: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

fn unmakeable<T>(name: &'static str, message: String, help: impl Into<String>) -> Result<T, Unmakeable> {
    Err(Unmakeable { name, message, help: help.into() })
}

/// The most that a compiled pattern may take, in bytes.
const PATTERN_BYTES: usize = 256 * 1024;

impl Check {
    /// Makes a predicate ready to be asked.
    ///
    /// # Errors
    /// When a list does not exist or is of the wrong kind, a pattern is not a regular expression, or a literal is of a
    /// type that this question cannot be asked of.
    pub fn new(negated: bool, ask: &Ask, lists: &BTreeMap<String, List>) -> Result<Check, Unmakeable> {
        let kind = match ask {
            Ask::Is(literal) => Kind::Is(literal.clone()),
            Ask::In(Set::Values(values)) => Kind::OneOf(values.clone()),
            Ask::In(Set::Request) => Kind::InRequest,
            Ask::In(Set::List(name)) => match list(name, lists)? {
                List { kind: ListKind::Address, members, .. } => Kind::OneOfAddresses(
                    texts(members).iter().filter_map(|m| place::address(m)).map(|(l, d)| format!("{l}@{d}")).collect(),
                ),
                List { members, .. } => Kind::OneOf(members.clone()),
            },
            Ask::QuotedInRequest => Kind::QuotedInRequest,
            Ask::TaskFact(name) => Kind::TaskFact(name.clone()),
            Ask::AtLeast(with) => compared(with, true, true)?,
            Ask::AtMost(with) => compared(with, false, true)?,
            Ask::Above(with) => compared(with, true, false)?,
            Ask::Below(with) => compared(with, false, false)?,
            Ask::StartsWith(text) => Kind::StartsWith(text.clone()),
            Ask::EndsWith(text) => Kind::EndsWith(text.clone()),
            Ask::Contains(text) => Kind::Contains(text.clone()),
            Ask::Matches(pattern) => {
                // Alone first: what is no pattern by itself could close the group that anchors it.
                let built = |text: &str| regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
                match built(pattern).and_then(|_| built(&format!(r"\A(?:{pattern})\z"))) {
                    Ok(regex) => Kind::Matches(regex),
                    Err(_) => {
                        return unmakeable(
                            "bad-pattern",
                            format!("`{pattern}` is no pattern"),
                            "write a regular expression without look-around or back-references; it must match the whole value",
                        );
                    }
                }
            }
            Ask::AddressAt(Set::Request) => Kind::AddressAtRequest,
            Ask::AddressAt(set) => Kind::AddressAt(hosts(set, lists, false)?),
            Ask::UrlAt(Set::Request) => Kind::UrlAtRequest,
            Ask::UrlAt(set) => Kind::UrlAt(hosts(set, lists, true)?),
            Ask::Under(Set::Request) => {
                return unmakeable(
                    "wrong-set",
                    "a path cannot be `under the request`".into(),
                    "write `is in the request`, or name the directory",
                );
            }
            Ask::Under(set) => Kind::Under(roots(set, lists)?),
            Ask::Given => Kind::Given,
            Ask::True => Kind::Bool(true),
            Ask::False => Kind::Bool(false),
        };
        Ok(Check { negated, kind })
    }

    /// Asks it of a value; `None` when nothing stands there. `task` is the task of the session.
    #[must_use]
    pub fn of(&self, value: Option<&Value>, task: Option<&Task>) -> Truth {
        let truth = match value {
            None | Some(Value::Null) => match self.kind {
                Kind::Given => Truth::No,
                _ => Truth::Unknown,
            },
            Some(value) => self.kind.of(value, task),
        };
        if self.negated { !truth } else { truth }
    }
}

impl Kind {
    fn of(&self, value: &Value, task: Option<&Task>) -> Truth {
        let text = || if let Value::Text(text) = value { Some(text.as_str()) } else { None };
        let on_text = |test: &dyn Fn(&str) -> bool| text().map_or(Truth::Unknown, |t| Truth::from(test(t)));
        let request = || task.and_then(|t| t.request.as_ref());
        match self {
            Kind::Is(literal) => equals(value, literal),
            Kind::OneOf(literals) => literals
                .iter()
                .map(|l| equals(value, l))
                .reduce(|a, b| {
                    if a == Truth::Yes || b == Truth::Yes {
                        Truth::Yes
                    } else if a == Truth::No || b == Truth::No {
                        Truth::No
                    } else {
                        Truth::Unknown
                    }
                })
                .unwrap_or(Truth::No),
            Kind::OneOfAddresses(members) => {
                text().and_then(place::address).map_or(Truth::Unknown, |(local, domain)| {
                    Truth::from(
                        members
                            .iter()
                            .any(|m| m.strip_suffix(&domain).and_then(|m| m.strip_suffix('@')) == Some(&local)),
                    )
                })
            }
            Kind::InRequest => request().map_or(Truth::Unknown, |r| r.names(value)),
            Kind::QuotedInRequest => request().map_or(Truth::Unknown, |r| r.quotes(value)),
            Kind::TaskFact(name) => match task.and_then(|t| t.fact(name)) {
                Some(fact) if std::mem::discriminant(fact) == std::mem::discriminant(value) && *fact != Value::Null => {
                    Truth::from(fact == value)
                }
                _ => Truth::Unknown,
            },
            Kind::Compared { with, above, equal } => order(value, with).map_or(Truth::Unknown, |order| {
                Truth::from(if order.is_eq() { *equal } else { order.is_gt() == *above })
            }),
            Kind::StartsWith(part) => on_text(&|t| t.starts_with(part.as_str())),
            Kind::EndsWith(part) => on_text(&|t| t.ends_with(part.as_str())),
            Kind::Contains(part) => on_text(&|t| t.contains(part.as_str())),
            Kind::Matches(regex) => on_text(&|t| regex.is_match(t)),
            Kind::AddressAt(domains) => text()
                .and_then(place::address)
                .map_or(Truth::Unknown, |(_, domain)| Truth::from(domains.contains(&domain))),
            Kind::AddressAtRequest => match (text().and_then(place::address), request()) {
                (Some((_, domain)), Some(request)) => request.names_host(&domain),
                _ => Truth::Unknown,
            },
            Kind::UrlAt(hosts) => text()
                .and_then(place::url_host)
                .map_or(Truth::Unknown, |host| Truth::from(hosts.iter().any(|h| place::host_is_at(&host, h)))),
            Kind::UrlAtRequest => match (text().and_then(place::url_host), request()) {
                (Some(host), Some(request)) => request.names_host(&host),
                _ => Truth::Unknown,
            },
            Kind::Under(roots) => text().map_or(Truth::Unknown, |t| {
                roots.iter().map(|root| place::is_under(t, root)).fold(Truth::No, Truth::or)
            }),
            Kind::Given => Truth::Yes,
            Kind::Bool(wanted) => {
                if let Value::Bool(b) = value {
                    Truth::from(b == wanted)
                } else {
                    Truth::Unknown
                }
            }
        }
    }
}

fn equals(value: &Value, literal: &Literal) -> Truth {
    match (value, literal) {
        (Value::Text(a), Literal::Text(b)) => Truth::from(a == b),
        (Value::Number(a), Literal::Number(b)) => Truth::from(a == b),
        (Value::Bool(a), Literal::Bool(b)) => Truth::from(a == b),
        (Value::Text(a), Literal::Date(b)) => Date::parse(a).map_or(Truth::Unknown, |a| Truth::from(a == *b)),
        _ => Truth::Unknown,
    }
}

fn order(value: &Value, literal: &Literal) -> Option<std::cmp::Ordering> {
    match (value, literal) {
        (Value::Number(a), Literal::Number(b)) => Some(Decimal::cmp(a, b)),
        (Value::Text(a), Literal::Date(b)) => Date::parse(a).map(|a| a.cmp(b)),
        _ => None,
    }
}

fn compared(with: &Literal, above: bool, equal: bool) -> Result<Kind, Unmakeable> {
    match with {
        Literal::Number(_) | Literal::Date(_) => Ok(Kind::Compared { with: with.clone(), above, equal }),
        Literal::Text(_) | Literal::Bool(_) => unmakeable(
            "wrong-type",
            "only numbers and dates can be compared".into(),
            "write the number or the date without quotes",
        ),
    }
}

fn list<'a>(name: &str, lists: &'a BTreeMap<String, List>) -> Result<&'a List, Unmakeable> {
    match lists.get(name) {
        Some(list) => Ok(list),
        None => {
            let near = crate::scope::diagnostics::nearest(name, lists.keys().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean the list `{near}`?"),
                None => format!("declare it in ambit.toml under `[lists.{name}]`; a value is written between quotes"),
            };
            unmakeable("unknown-list", format!("there is no list `{name}`"), help)
        }
    }
}

fn texts(members: &[Literal]) -> Vec<String> {
    members.iter().filter_map(|m| if let Literal::Text(t) = m { Some(t.clone()) } else { None }).collect()
}

fn members(
    set: &Set,
    lists: &BTreeMap<String, List>,
    kinds: &[ListKind],
    question: &str,
) -> Result<Vec<String>, Unmakeable> {
    match set {
        Set::Values(values) if values.iter().all(|v| matches!(v, Literal::Text(_))) => Ok(texts(values)),
        Set::Values(_) => unmakeable(
            "wrong-type",
            format!("`{question}` needs text between quotes"),
            "put the value between double quotes",
        ),
        Set::Request => Ok(Vec::new()),
        Set::List(name) => {
            let list = list(name, lists)?;
            if kinds.contains(&list.kind) {
                Ok(texts(&list.members))
            } else {
                unmakeable(
                    "wrong-list",
                    format!("the list `{name}` holds {}, which `{question}` cannot use", list.kind.words()),
                    "use a list of another kind, or `is in`",
                )
            }
        }
    }
}

fn hosts(set: &Set, lists: &BTreeMap<String, List>, stars: bool) -> Result<Vec<String>, Unmakeable> {
    let question = if stars { "is a URL at" } else { "is an address at" };
    members(set, lists, &[ListKind::Domain, ListKind::Host], question)?
        .into_iter()
        .map(|host| match place::host_pattern(&host) {
            Some(host) if stars || !host.starts_with("*.") => Ok(host),
            _ => unmakeable(
                "bad-host",
                format!("`{host}` is no {}", if stars { "host" } else { "domain" }),
                if stars {
                    "write a host such as \"api.acme.example\" or \"*.acme.example\", without scheme, port or path"
                } else {
                    "write a domain such as \"acme.example\", without `@` and without `*`"
                },
            ),
        })
        .collect()
}

fn roots(set: &Set, lists: &BTreeMap<String, List>) -> Result<Vec<String>, Unmakeable> {
    members(set, lists, &[ListKind::Path], "is under")?
        .into_iter()
        .map(|root| match place::normal(&root) {
            Some(_) => Ok(root),
            None => unmakeable(
                "bad-path",
                format!("`{root}` is no path that something can be under"),
                "write an absolute path or a URI, without `~`, `\\` or more `..` than directories",
            ),
        })
        .collect()
}
