//! Takes an import back: the client's file byte for byte from its backup, and the files that were made, as far as nothing
//! was built on them.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use super::plan::{PRIVATE, Record, backup_path, digest, record_path};
use super::write::{beside, replace};
use crate::store::private::{self, PrivateError};

/// Why an import was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// There is no record of one.
    #[error("nothing was imported into `{}`\nhelp: name the directory that `ambit init` wrote to with `--dir DIR`", .0.display())]
    Nothing(PathBuf),
    /// The record is not one that ambit wrote.
    #[error("`{}` is no record of an import: {why}\nhelp: put the backup of the client's file in its place by hand", .path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        why: String,
    },
    /// The client's file is another one than was written.
    #[error("`{}` was changed since; its backup would undo that too\nhelp: move the changes over by hand, or put the backup in its place with `--force`, which keeps the changed file beside it", .0.display())]
    Changed(PathBuf),
    /// The backup is not what it was.
    #[error("`{}` is not the backup that was made: {why}\nhelp: nothing was changed; the servers stand in `ambit.toml`", .path.display())]
    Backup {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        why: String,
    },
    /// The record cannot be read by its owner alone.
    #[error(transparent)]
    Private(PrivateError),
    /// The file system failed.
    #[error("`{}`: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// How.
        error: io::Error,
    },
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// The client's file, which is as it was before.
    pub file: PathBuf,
    /// Where the file as it stood until now is kept, where it had been changed.
    pub kept_changed: Option<PathBuf>,
    /// What was taken away.
    pub removed: Vec<PathBuf>,
    /// What stays, because it was changed since or a journal belongs to it.
    pub left: Vec<PathBuf>,
    /// Whether there is a state directory: then everything of Ambit stays.
    pub has_state: bool,
}

/// Takes back the import into `dir`; `state` is its state directory. With `force`, a client's file that was changed since
/// is put aside.
///
/// # Errors
/// When there is none, the file was changed since, or the backup is not what it was. Nothing was changed then.
pub fn undo(dir: &Path, state: &Path, force: bool, dry_run: bool) -> Result<Undone, UndoError> {
    let record = record(dir)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| UndoError::Io { path, error }
    };
    let now = match fs::read(&record.file) {
        Ok(now) => Some(now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(&record.file)(error)),
    };
    let stands = now.as_deref().map(digest);
    let mut undone = Undone {
        file: record.file.clone(),
        kept_changed: None,
        removed: Vec::new(),
        left: Vec::new(),
        has_state: state.exists(),
    };
    // Where the client was never rewritten, or is restored already, there is only the rest to take away.
    if stands.as_ref() != Some(&record.before) {
        let backup = backup(&record)?;
        if stands.as_ref() != Some(&record.after) && !force {
            return Err(UndoError::Changed(record.file));
        }
        let like = fs::metadata(&record.backup).map_err(io(&record.backup))?;
        if let Some(now) = now.filter(|_| stands.as_ref() != Some(&record.after)) {
            let aside = aside(&record.file);
            if !dry_run {
                private::create(&aside, &now).map_err(UndoError::Private)?;
            }
            undone.kept_changed = Some(aside);
        }
        if !dry_run {
            replace(&record.file, &backup, &like).map_err(io(&record.file))?;
        }
    }
    let remove = |path: &Path, undone: &mut Undone| -> Result<(), UndoError> {
        if !dry_run {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(path)(error)),
                _ => {}
            }
        }
        undone.removed.push(path.to_owned());
        Ok(())
    };
    for (path, written) in &record.made {
        match fs::read(path) {
            Err(_) => {}
            Ok(content) if !undone.has_state && digest(&content) == *written => remove(path, &mut undone)?,
            Ok(_) => undone.left.push(path.clone()),
        }
    }
    if record.backup.exists() {
        remove(&record.backup, &mut undone)?;
    }
    if !dry_run {
        // What a crash left half made: beside the client's file, and beside ours.
        let _ = fs::remove_file(beside(&record.file));
        for (path, _) in &record.made {
            let _ = fs::remove_file(private::beside(path));
        }
    }
    // The record last: until then, an undo that was cut off can be done again.
    remove(&record_path(dir), &mut undone)?;
    if !dry_run {
        // Only where they are empty, which is what the system checks.
        let _ = fs::remove_dir(dir.join(PRIVATE));
        if record.made_dir {
            let _ = fs::remove_dir(dir);
        }
    }
    Ok(undone)
}

/// The record of the import into that directory.
///
/// # Errors
/// When there is none, or it is not one.
pub fn record(dir: &Path) -> Result<Record, UndoError> {
    let path = record_path(dir);
    let bytes = match private::read(&path) {
        Ok(bytes) => bytes,
        Err(PrivateError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            return Err(UndoError::Nothing(dir.to_owned()));
        }
        Err(error) => return Err(UndoError::Private(error)),
    };
    let record: Record = serde_json::from_slice(&bytes)
        .map_err(|error| UndoError::Record { path: path.clone(), why: error.to_string() })?;
    let wrong = |why: &str| Err(UndoError::Record { path: path.clone(), why: why.to_owned() });
    if record.version != 1 {
        return wrong("it is of another version");
    }
    // Whoever laid a record into a directory must not have files elsewhere removed or replaced by it.
    let within = |path: &PathBuf| path.starts_with(dir) && path.components().all(|part| part != Component::ParentDir);
    if record.backup != backup_path(&record.file) || !record.made.iter().all(|(path, _)| within(path)) {
        return wrong("it speaks of files that no import writes");
    }
    Ok(record)
}

fn backup(record: &Record) -> Result<Vec<u8>, UndoError> {
    let wrong = |why: String| UndoError::Backup { path: record.backup.clone(), why };
    let bytes = fs::read(&record.backup).map_err(|error| wrong(error.to_string()))?;
    if digest(&bytes) == record.before { Ok(bytes) } else { Err(wrong("its bytes are others".to_owned())) }
}

fn aside(file: &Path) -> PathBuf {
    let named = |number: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(".changed-since");
        if number > 0 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    (0..1000).map(named).find(|path| fs::symlink_metadata(path).is_err()).unwrap_or_else(|| named(1000))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::super::write::tests::sample;
    use super::super::write::write;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn undo_of(plan: &Plan, force: bool) -> Result<Undone, UndoError> {
        undo(&plan.dir, &plan.dir.join(".ambit"), force, false)
    }

    fn is_as_before(plan: &Plan) {
        assert_eq!(fs::read(&plan.record.file).unwrap(), b"before");
        assert_eq!(fs::metadata(&plan.record.file).unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(!plan.record.backup.exists());
        assert!(!record_path(&plan.dir).exists());
    }

    #[test]
    fn what_was_imported_is_taken_back_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        write(&plan).unwrap();
        undo_of(&plan, false).unwrap();
        is_as_before(&plan);
        assert!(!plan.dir.exists());
        assert!(matches!(undo_of(&plan, false), Err(UndoError::Nothing(_))));
    }

    #[test]
    fn a_crash_anywhere_can_be_taken_back() {
        // The record first, the client last: whatever prefix of the files stands, the client is as it was.
        for stand in 0..=3 {
            let dir = tempfile::tempdir().unwrap();
            let plan = sample(dir.path());
            write(&plan).unwrap();
            fs::write(&plan.record.file, "before").unwrap();
            for file in plan.files.iter().skip(stand) {
                fs::remove_file(&file.path).unwrap();
            }
            if stand < 3 {
                fs::remove_file(&plan.record.backup).unwrap();
            }
            undo_of(&plan, false).unwrap();
            is_as_before(&plan);
            assert!(!plan.dir.exists());
        }
    }

    #[test]
    fn a_file_that_was_changed_since_is_put_back_only_by_force_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        write(&plan).unwrap();
        fs::write(&plan.record.file, "mine").unwrap();
        assert!(matches!(undo_of(&plan, false), Err(UndoError::Changed(_))));
        assert_eq!(fs::read(&plan.record.file).unwrap(), b"mine");
        let undone = undo_of(&plan, true).unwrap();
        assert_eq!(fs::read(undone.kept_changed.unwrap()).unwrap(), b"mine");
        is_as_before(&plan);
    }

    #[test]
    fn a_backup_that_is_another_is_not_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        write(&plan).unwrap();
        fs::write(&plan.record.backup, "evil").unwrap();
        assert!(matches!(undo_of(&plan, true), Err(UndoError::Backup { .. })));
        assert_eq!(fs::read(&plan.record.file).unwrap(), b"after");
    }

    #[test]
    fn a_record_of_other_files_is_no_record() {
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, "x").unwrap();
        let made = |path: PathBuf| Record { made: vec![(path, digest(b"x"))], ..plan.record.clone() };
        for record in [
            made(elsewhere.clone()),
            made(plan.dir.join("../elsewhere")),
            Record { backup: elsewhere.clone(), ..plan.record.clone() },
            Record { version: 2, ..plan.record.clone() },
        ] {
            let dir = plan.dir.join(PRIVATE);
            let _ = fs::remove_dir_all(&dir);
            private::directory(&dir).unwrap();
            private::create(&record_path(&plan.dir), &serde_json::to_vec(&record).unwrap()).unwrap();
            assert!(matches!(undo_of(&plan, true), Err(UndoError::Record { .. })), "{record:?}");
        }
        assert!(elsewhere.exists());
    }

    #[test]
    fn what_somebody_worked_on_stays() {
        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        write(&plan).unwrap();
        fs::write(plan.dir.join("SCOPE.md"), "answered").unwrap();
        let undone = undo_of(&plan, false).unwrap();
        assert_eq!(undone.left, [plan.dir.join("SCOPE.md")]);
        is_as_before(&plan);
        assert!(!plan.dir.join("ambit.toml").exists());

        let dir = tempfile::tempdir().unwrap();
        let plan = sample(dir.path());
        write(&plan).unwrap();
        fs::create_dir(plan.dir.join(".ambit")).unwrap();
        assert!(undo_of(&plan, false).unwrap().has_state);
        is_as_before(&plan);
        assert!(plan.dir.join("ambit.toml").exists());
    }
}
