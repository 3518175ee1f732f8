//! Where `ambit.toml` is: as said, else in the working directory or the nearest directory above it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The file's name.
pub const NAME: &str = "ambit.toml";

/// Why there is no `ambit.toml`.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// None stands in the directory or above it.
    #[error("no `ambit.toml` in `{}` or a directory above it", .0.display())]
    Nowhere(PathBuf),
    /// The one found belongs to somebody else, who would decide which programs run.
    #[error("`{}` was found on the way up, and belongs to another user", .0.display())]
    OfAnother(PathBuf),
    /// There is no working directory.
    #[error("the working directory cannot be read: {0}")]
    NoDirectory(#[from] std::io::Error),
}

/// The absolute path of `ambit.toml`: `said` where something was said (a directory means the file in it), else the
/// nearest one upward from the working directory. Whether a file that was named exists shows when it is read.
///
/// What is found without being named must belong to this user or to root: it says which programs are started.
///
/// # Errors
/// When nothing was said and there is none, or only one of another user.
pub fn find(said: Option<&Path>) -> Result<PathBuf, FindError> {
    let here = std::env::current_dir()?;
    if let Some(said) = said {
        let path = here.join(said);
        return Ok(if path.is_dir() { path.join(NAME) } else { path });
    }
    let found = here.ancestors().map(|dir| dir.join(NAME)).find(|path| path.is_file());
    let found = found.ok_or(FindError::Nowhere(here))?;
    let owner = std::fs::metadata(&found)?.uid();
    let ours = owner == 0 || owner == rustix::process::geteuid().as_raw();
    if ours { Ok(found) } else { Err(FindError::OfAnother(found)) }
}

/// The directory that paths in the file are relative to.
#[must_use]
pub fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
