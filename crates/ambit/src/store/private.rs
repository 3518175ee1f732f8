//! Files and directories that nobody but their owner may touch: the store, the installation's keys, people's keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a private file or directory was not used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// Others may read or change it.
    #[error("`{path}` can be used by others (mode {mode:04o})\nhelp: `chmod {wanted:o} {path}`, and consider what was in it known", path = path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it must have.
        wanted: u32,
    },
    /// It belongs to somebody else.
    #[error("`{path}` belongs to user {owner}, not to the user that runs this\nhelp: run as its owner, or move it away and let a new one be made", path = path.display())]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// The user id that owns it.
        owner: u32,
    },
    /// It is something else than it should be: a link, a directory, a device, too long.
    #[error("`{path}` is not {wanted}\nhelp: look at what stands there; links are not followed", path = path.display())]
    NotThat {
        /// Which.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// The file system failed.
    #[error("`{path}`: {error}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// How.
        error: io::Error,
    },
}

/// No private file that is read whole is longer than this, in bytes.
const LONGEST: u64 = 1 << 20;

/// Makes the directory for its owner alone (mode 0700, parents as the system makes them), or checks that it is so.
///
/// # Errors
/// When it stands open to others, belongs to somebody else, or cannot be made.
pub fn directory(path: &Path) -> Result<(), PrivateError> {
    let fault = |error| PrivateError::Io { path: path.into(), error };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(fault)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::metadata(path).map_err(fault)?;
            if !found.is_dir() {
                return Err(PrivateError::NotThat { path: path.into(), wanted: "a directory" });
            }
            owned(path, &found, 0o700)
        }
        Err(error) => Err(fault(error)),
    }
}

/// Writes a new file of mode 0600, durable with its name before this returns; never over one that exists. What stands
/// at `path` afterwards is the whole content or nothing.
///
/// # Errors
/// `Io` with `AlreadyExists` when there is one already.
pub fn create(path: &Path, content: &[u8]) -> Result<(), PrivateError> {
    let fault = |error| PrivateError::Io { path: path.into(), error };
    let beside = beside(path);
    // Left by a crash half way; nobody else writes into a directory of ours.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(fault)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(fault)?;
    // A hard link, unlike a rename, fails when the name is taken.
    let linked = fs::hard_link(&beside, path).map_err(fault);
    let _ = fs::remove_file(&beside);
    linked?;
    sync_parent(path)
}

/// Replaces a file whole (mode 0600), durable before this returns: a reader finds the old content or the new one.
///
/// # Errors
/// When the file system fails.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), PrivateError> {
    let fault = |error| PrivateError::Io { path: path.into(), error };
    let beside = beside(path);
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(fault)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(fault)?;
    fs::rename(&beside, path).map_err(fault)?;
    sync_parent(path)
}

/// Opens a file that only its owner may read; links are not followed.
///
/// # Errors
/// When it is missing, not a plain file, somebody else's, or open to others.
pub fn open(path: &Path, options: &mut OpenOptions) -> Result<File, PrivateError> {
    let fault = |error| PrivateError::Io { path: path.into(), error };
    let no_follow =
        i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = match options.custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(PrivateError::NotThat { path: path.into(), wanted: "a plain file" });
        }
        Err(error) => return Err(fault(error)),
    };
    // Asked of the open file, so that what was checked is what is read.
    let found = file.metadata().map_err(fault)?;
    if !found.is_file() {
        return Err(PrivateError::NotThat { path: path.into(), wanted: "a plain file" });
    }
    owned(path, &found, 0o600)?;
    Ok(file)
}

/// As [`open`], without opening it: for a file in a private directory that somebody else will open. (Whoever opens and
/// closes a file of SQLite's drops the locks that SQLite holds on it in the same process.)
///
/// # Errors
/// As [`open`].
pub fn check(path: &Path) -> Result<(), PrivateError> {
    let found = fs::symlink_metadata(path).map_err(|error| PrivateError::Io { path: path.into(), error })?;
    if !found.is_file() {
        return Err(PrivateError::NotThat { path: path.into(), wanted: "a plain file" });
    }
    owned(path, &found, 0o600)
}

/// Reads a private file whole into memory that is wiped when dropped.
///
/// # Errors
/// As [`open`]; and when it is longer than a mebibyte.
pub fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, PrivateError> {
    let fault = |error| PrivateError::Io { path: path.into(), error };
    let file = open(path, OpenOptions::new().read(true))?;
    let length = file.metadata().map_err(fault)?.len();
    if length > LONGEST {
        return Err(PrivateError::NotThat { path: path.into(), wanted: "a file of at most 1 MiB" });
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut content = zeroize::Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.take(LONGEST).read_to_end(&mut content).map_err(fault)?;
    Ok(content)
}

/// Makes a name's place in its directory durable.
///
/// # Errors
/// When the file system fails.
pub fn sync_parent(path: &Path) -> Result<(), PrivateError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| PrivateError::Io { path: parent.into(), error })
}

fn owned(path: &Path, found: &fs::Metadata, wanted: u32) -> Result<(), PrivateError> {
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(PrivateError::NotOurs { path: path.into(), owner: found.uid() });
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateError::Open { path: path.into(), mode, wanted });
    }
    Ok(())
}

/// Where a private file is made, before it gets its name.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_made_once_and_read_back() {
        let place = tempfile::tempdir().unwrap();
        let directory_path = place.path().join("a/b");
        directory(&directory_path).unwrap();
        directory(&directory_path).unwrap();
        assert_eq!(fs::metadata(&directory_path).unwrap().permissions().mode() & 0o777, 0o700);
        let path = directory_path.join("key");
        create(&path, b"one").unwrap();
        assert!(
            matches!(create(&path, b"two"), Err(PrivateError::Io { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists)
        );
        assert_eq!(&**read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(&**read(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&directory_path).unwrap().count(), 1);
    }

    #[test]
    fn what_others_may_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        create(&path, b"one").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read(&path), Err(PrivateError::Open { .. })), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        read(&path).unwrap();
        let inside = place.path().join("open");
        fs::create_dir(&inside).unwrap();
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o750)).unwrap();
        let error = directory(&inside).unwrap_err().to_string();
        assert!(error.contains("mode 0750") && error.contains("help: `chmod 700"), "{error}");
    }

    #[test]
    fn links_and_directories_are_not_files() {
        let place = tempfile::tempdir().unwrap();
        let (path, link) = (place.path().join("key"), place.path().join("link"));
        create(&path, b"one").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(read(&link), Err(PrivateError::NotThat { .. })));
        fs::create_dir(place.path().join("directory")).unwrap();
        assert!(matches!(read(&place.path().join("directory")), Err(PrivateError::NotThat { .. })));
    }
}
