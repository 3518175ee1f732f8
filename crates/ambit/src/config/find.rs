//! Where `ambit.toml` is: as said, else in the working directory or the nearest directory above it.

use std::fs::Metadata;
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
    #[error("`{}` was found on the way up, and another user decides what it says", .0.display())]
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
    if is_ours(&found)? { Ok(found) } else { Err(FindError::OfAnother(found)) }
}

/// Whether nobody else decides what stands at that path: the entry itself (a link says as much as a file) and its
/// directory belong to this user or to root, and others cannot put something else in its place.
fn is_ours(path: &Path) -> std::io::Result<bool> {
    let ours = |found: &Metadata| [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    let dir = std::fs::metadata(dir_of(path))?;
    let (writable, sticky) = (dir.mode() & 0o002 != 0, dir.mode() & 0o1000 != 0);
    Ok(ours(&std::fs::symlink_metadata(path)?) && ours(&dir) && (!writable || sticky))
}

/// The directory that paths in the file are relative to.
#[must_use]
pub fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
