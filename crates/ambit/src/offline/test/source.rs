//! Where scenarios come from: the page itself, and the `*.scenarios.md` beside it.

use std::path::{Path, PathBuf};

use ambit_core::policy::Policy;
use ambit_core::scope::diagnostics::Severity;
use ambit_core::scope::{Scenario, parse};

use crate::home::{self, OpenError};
use crate::offline::PageError;
use crate::report::Findings;

/// How the name of a document of scenarios ends.
const ENDING: &str = ".scenarios.md";

/// The scenarios of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The document, as the person knows it.
    pub file: String,
    /// Its rows.
    pub scenarios: Vec<Scenario>,
}

/// The scenarios of the page at that path: its own, then those of the `*.scenarios.md` in its directory, by name. `NAME.scenarios.md`
/// belongs to `NAME.md` alone where that stands there too; any other belongs to every page of the directory.
///
/// # Errors
/// When a document cannot be read, or has errors.
pub fn sources(path: &Path, policy: &Policy) -> Result<Vec<Source>, PageError> {
    let mut sources = vec![Source { file: home::shown(path), scenarios: policy.document().scenarios.clone() }];
    for path in beside(path)? {
        let text = home::read_text(&path)?;
        let file = home::shown(&path);
        let (scenarios, diagnostics) = parse::parse_scenarios(&text);
        if diagnostics.iter().any(|found| found.severity == Severity::Error) {
            let findings = vec![Findings { file: file.clone(), text, diagnostics }];
            return Err(PageError::Wrong { file, findings });
        }
        sources.push(Source { file, scenarios });
    }
    Ok(sources)
}

fn beside(page: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let dir = match page.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let unreadable = |why| OpenError::Unreadable { path: dir.to_owned(), why };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(stem) = name.strip_suffix(ENDING) else { continue };
        let of = dir.join(format!("{stem}.md"));
        if path != page && (!of.is_file() || of.file_name() == page.file_name()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
