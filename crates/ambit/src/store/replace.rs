//! A person's own file, replaced whole: its mode and its owner are kept, and what somebody else wrote meanwhile is not
//! lost. (Ambit's private files are `private.rs`'s.)

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Why a file was not replaced. It stands as it stood.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// It is no longer what was read.
    #[error("it was changed meanwhile")]
    Changed,
    /// Nobody may write it.
    #[error("it is read-only")]
    ReadOnly,
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Replaces what stands at that path, if it is still `before`. Written beside and renamed, durable before this returns:
/// a reader finds the old content or the new one. Where the path is a link, what it leads to is replaced.
///
/// # Errors
/// When it changed, may not be written, or the file system fails.
pub fn replace(path: &Path, before: &[u8], after: &[u8]) -> Result<(), ReplaceError> {
    let path = path.canonicalize()?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let known = std::fs::metadata(&path)?;
    if known.permissions().readonly() {
        return Err(ReplaceError::ReadOnly);
    }
    let mut beside = tempfile::Builder::new().prefix(".ambit-").suffix(".new").tempfile_in(directory)?;
    beside.write_all(after)?;
    let own = beside.as_file().metadata()?;
    if (own.uid(), own.gid()) != (known.uid(), known.gid()) {
        std::os::unix::fs::fchown(beside.as_file(), Some(known.uid()), Some(known.gid()))?;
    }
    // After the owner, because changing that takes bits away.
    beside.as_file().set_permissions(known.permissions())?;
    beside.as_file().sync_all()?;
    if std::fs::read(&path)? != before {
        return Err(ReplaceError::Changed);
    }
    beside.persist(&path).map_err(|error| error.error)?;
    std::fs::File::open(directory)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn the_mode_is_kept_and_a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("SCOPE.md"), dir.path().join("link.md"));
        std::fs::write(&file, "one").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("SCOPE.md", &link).unwrap();
        replace(&link, b"one", b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(names(dir.path()), 2);
    }

    #[test]
    fn what_was_changed_meanwhile_or_is_read_only_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("SCOPE.md");
        std::fs::write(&file, "somebody else's").unwrap();
        assert!(matches!(replace(&file, b"one", b"two"), Err(ReplaceError::Changed)));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
        assert!(matches!(replace(&file, b"somebody else's", b"two"), Err(ReplaceError::ReadOnly)));
        assert_eq!(std::fs::read(&file).unwrap(), b"somebody else's");
        assert_eq!(names(dir.path()), 1);
        assert!(matches!(replace(&dir.path().join("none"), b"", b"two"), Err(ReplaceError::Io(_))));
    }
}
