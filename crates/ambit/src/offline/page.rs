//! A scope document as it stands on the disk, compiled over its surroundings.

use std::path::{Path, PathBuf};

use ambit_core::policy::Policy;
use ambit_core::scope::compile::compile;
use ambit_core::scope::diagnostics::{Severity, nearest};
use ambit_core::scope::parse;

use super::Surroundings;
use crate::home::{self, Home, OpenError};
use crate::report::Findings;
use crate::snapshot::SnapshotError;

/// A page that was read and compiled without an error.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it stands.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it means.
    pub policy: Policy,
}

/// Why there is no page to ask.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// `ambit.toml` has no such agent.
    #[error("`ambit.toml` has no agent `{name}`")]
    NoAgent {
        /// As it was named.
        name: String,
        /// The agent that may have been meant.
        near: Option<String>,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// What stands around the page cannot be had.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The document, or what stands around it, has errors.
    #[error("`{file}` has errors")]
    Wrong {
        /// Which.
        file: String,
        /// They, and what else was found.
        findings: Vec<Findings>,
    },
    /// The document is the scope of another agent.
    #[error("`{file}` is the scope of `{of}`, and `ambit.toml` gives it to `{to}`")]
    OtherAgent {
        /// The document.
        file: String,
        /// The agent in its front matter.
        of: String,
        /// The agent that was asked about.
        to: String,
    },
}

impl PageError {
    pub(super) fn no_agent(home: &Home, name: &str) -> PageError {
        let near = nearest(name, home.config.agents.keys().map(String::as_str)).map(str::to_owned);
        PageError::NoAgent { name: name.to_owned(), near }
    }

    /// Whether a file could not be read, as against one that says something wrong.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, PageError::Unreadable(_) | PageError::Snapshot(_))
    }

    /// Its message and, where documents have errors, the first of them.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let PageError::Wrong { findings, .. } = self else { return self.to_string() };
        let errors = findings.iter().flat_map(|of| of.diagnostics.iter().map(move |one| (&of.file, one)));
        match errors.clone().find(|(_, one)| one.severity == Severity::Error) {
            Some((file, first)) => format!("{self}: {file}:{}: {}: {}", first.at.line, first.name, first.message),
            None => self.to_string(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            PageError::NoAgent { near: Some(near), .. } => format!("did you mean `{near}`?"),
            PageError::NoAgent { near: None, .. } => "name one of the agents in `ambit.toml`".to_owned(),
            PageError::Unreadable(_) => "name a scope document that is there".to_owned(),
            PageError::Snapshot(_) => "`ambit check` shows what `ambit.toml` needs".to_owned(),
            PageError::Wrong { file, .. } => format!("correct it; `ambit check {file}` shows everything"),
            PageError::OtherAgent { .. } => "an agent has exactly one scope: correct one of the two".to_owned(),
        }
    }
}

impl Page {
    /// Reads and compiles the document at that path.
    ///
    /// # Errors
    /// When it cannot be read, or has errors.
    pub fn read(path: &Path, around: &Surroundings) -> Result<Page, PageError> {
        let bytes = std::fs::read(path).map_err(|why| OpenError::Unreadable { path: path.to_owned(), why })?;
        let file = home::shown(path);
        let parsed = parse::parse_bytes(&bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let wrong = |diagnostics, text| {
            let findings = vec![Findings { file: file.clone(), text, diagnostics }];
            Err(PageError::Wrong { file: file.clone(), findings })
        };
        if parsed.diagnostics.iter().any(|found| found.severity == Severity::Error) {
            return wrong(parsed.diagnostics, text);
        }
        let compiled = compile(&parsed.document, &around.setting);
        match compiled.policy {
            Some(policy) => Ok(Page { path: path.to_owned(), text, policy }),
            None => wrong([parsed.diagnostics, compiled.diagnostics].concat(), text),
        }
    }

    /// The page of the agent whose surroundings these are.
    ///
    /// # Errors
    /// When there is no such agent, or its page cannot be read or has errors.
    pub fn of(home: &Home, around: &Surroundings) -> Result<Page, PageError> {
        let agent = around.agent.as_str();
        let path = home.scope_path(agent).ok_or_else(|| PageError::no_agent(home, agent))?;
        let page = Page::read(&path, around)?;
        let of = &page.policy.document().front.agent;
        if of != agent {
            return Err(PageError::OtherAgent { file: home::shown(&path), of: of.clone(), to: agent.to_owned() });
        }
        Ok(page)
    }

    /// The document's path, as the person knows it.
    #[must_use]
    pub fn shown(&self) -> String {
        home::shown(&self.path)
    }
}
