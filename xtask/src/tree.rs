//! The files of this repository that are its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The repository.
pub struct Tree {
    root: PathBuf,
    files: Vec<String>,
}

impl Tree {
    /// The repository that this program was built in: what git tracks, and what it would if it were added.
    pub fn open() -> anyhow::Result<Tree> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in no directory")?.to_owned();
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root)
            .output()
            .context("git lists the files")?;
        ensure!(listed.status.success(), "git cannot list the files of {}", root.display());
        let listed = String::from_utf8(listed.stdout)?;
        let mut files: Vec<String> = listed.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        // One that was deleted and not yet committed is listed still.
        files.retain(|name| root.join(name).is_file());
        files.sort_unstable();
        Ok(Tree { root, files })
    }

    /// Every file, by its path from the root.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The text of a file; `None` for one that is no text.
    pub fn text(&self, file: &str) -> anyhow::Result<Option<String>> {
        let bytes = std::fs::read(self.path(file)).with_context(|| format!("`{file}` is read"))?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// The text of a file that must be there.
    pub fn read(&self, file: &str) -> anyhow::Result<String> {
        self.text(file)?.with_context(|| format!("`{file}` is not UTF-8"))
    }

    /// Where a file is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }
}
