//! Writes a plan: what `--undo` needs first, then new files, then the backup, the client's file last. Whatever goes wrong
//! before that last step leaves the client as it was.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::plan::{PRIVATE, Plan, record_path};
use crate::store::private::{self, PrivateError};

/// Why a plan was not written. What had been made was taken away again.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file of ours.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// Some other file.
    #[error("`{}`: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// How.
        error: io::Error,
    },
    /// The client wrote its file meanwhile.
    #[error("`{}` was changed while it was being imported\nhelp: end the client that writes it, and try again", .0.display())]
    Changed(PathBuf),
}

/// Writes everything, or nothing.
///
/// # Errors
/// When something cannot be written; nothing is left then, and the client's file is as it was.
pub fn write(plan: &Plan) -> Result<(), WriteError> {
    let mut made = Vec::new();
    let written = write_all(plan, &mut made);
    if written.is_err() {
        for path in made.iter().rev() {
            let _ = fs::remove_file(path);
        }
        // Only where they are empty, which is what the system checks.
        let _ = fs::remove_dir(plan.dir.join(PRIVATE));
        if plan.record.made_dir {
            let _ = fs::remove_dir(&plan.dir);
        }
    }
    written
}

fn write_all(plan: &Plan, made: &mut Vec<PathBuf>) -> Result<(), WriteError> {
    private::directory(&plan.dir.join(PRIVATE))?;
    let record = serde_json::to_vec_pretty(&plan.record)
        .map_err(|error| WriteError::Io { path: record_path(&plan.dir), error: error.into() })?;
    create(&record_path(&plan.dir), &record, made)?;
    for file in &plan.files {
        create(&file.path, file.content.expose(), made)?;
    }
    let client = &plan.record.file;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| WriteError::Io { path, error }
    };
    let like = fs::metadata(client).map_err(io(client))?;
    new_file(&plan.record.backup, plan.before.as_bytes(), &like).map_err(io(&plan.record.backup))?;
    made.push(plan.record.backup.clone());
    if fs::read(client).map_err(io(client))? != plan.before.as_bytes() {
        return Err(WriteError::Changed(client.clone()));
    }
    replace(client, plan.after.as_bytes(), &like).map_err(io(client))
}

fn create(path: &Path, content: &[u8], made: &mut Vec<PathBuf>) -> Result<(), WriteError> {
    private::create(path, content)?;
    made.push(path.to_owned());
    Ok(())
}

/// Replaces a file whole, by one made beside it with the mode and the owner of `like`: a reader finds the old content or the new one.
///
/// # Errors
/// When the file system fails; the old content stands then.
pub fn replace(path: &Path, content: &[u8], like: &fs::Metadata) -> io::Result<()> {
    let beside = beside(path);
    // Left by a crash half way.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    new_file(&beside, content, like)?;
    if let Err(error) = fs::rename(&beside, path) {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    sync_dir(path)
}

/// Where a file that replaces another is made.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".ambit-new");
    PathBuf::from(beside)
}

/// Makes a file that is not there yet, durable before this returns.
fn new_file(path: &Path, content: &[u8], like: &fs::Metadata) -> io::Result<()> {
    // For its owner alone until it has its own mode: it may hold secrets.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let owned = |file: &fs::File| -> io::Result<()> {
        let made = file.metadata()?;
        if (made.uid(), made.gid()) == (like.uid(), like.gid()) {
            return Ok(());
        }
        fchown(file, Some(like.uid()), Some(like.gid()))
    };
    let written = file
        .write_all(content)
        .and_then(|()| owned(&file))
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777)))
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_dir(path));
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::formats::Client;
    use super::super::plan::{NewFile, Record, backup_path, digest};
    use super::*;
    use crate::keys::Secret;

    /// A plan over a client's file in that directory.
    pub fn sample(dir: &Path) -> Plan {
        let file = dir.join(".mcp.json");
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let gate = dir.join("gate");
        let new = |name: &str| NewFile { path: gate.join(name), content: Secret::from(name.to_owned()), what: "it" };
        let files = vec![new("private/fs.TOKEN"), new("SCOPE.md"), new("ambit.toml")];
        let record = Record {
            version: 1,
            agent: "shop".into(),
            client: Client::ClaudeCode,
            backup: backup_path(&file),
            file,
            before: digest(b"before"),
            after: digest(b"after"),
            made: files.iter().map(|one| (one.path.clone(), digest(one.content.expose()))).collect(),
            made_dir: true,
        };
        Plan { dir: gate, files, record, before: "before".into(), after: "after".into() }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn everything_is_written_and_modes_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        write(&plan).unwrap();
        assert_eq!(fs::read(&plan.record.file).unwrap(), b"after");
        assert_eq!(fs::read(&plan.record.backup).unwrap(), b"before");
        assert_eq!((mode(&plan.record.file), mode(&plan.record.backup)), (0o640, 0o640));
        assert_eq!(mode(&plan.dir.join("private")), 0o700);
        assert_eq!(mode(&plan.dir.join("private/fs.TOKEN")), 0o600);
    }

    #[test]
    fn what_cannot_be_finished_leaves_nothing() {
        let stands = |plan: &Plan| {
            assert!(!plan.dir.exists());
            assert!(!plan.record.backup.exists());
        };
        // The client wrote meanwhile.
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        fs::write(&plan.record.file, "something newer").unwrap();
        assert!(matches!(write(&plan), Err(WriteError::Changed(_))));
        assert_eq!(fs::read(&plan.record.file).unwrap(), b"something newer");
        stands(&plan);
        // A file came to stand where one should.
        let dir = tempfile::tempdir().unwrap();
        let mut plan = sample(dir.path());
        plan.files.push(plan.files[0].clone());
        assert!(matches!(write(&plan), Err(WriteError::Private(_))));
        assert_eq!(fs::read(&plan.record.file).unwrap(), b"before");
        stands(&plan);
        // The last step of all fails.
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        fs::create_dir(dir.path().join(".mcp.json.ambit-new")).unwrap();
        assert!(matches!(write(&plan), Err(WriteError::Io { .. })));
        assert_eq!(fs::read(&plan.record.file).unwrap(), b"before");
        stands(&plan);
    }
}
