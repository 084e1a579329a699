//! Notes about unfinished uploads in the user's state folder, and the lock that keeps two processes apart.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::Error;

/// What tells, without reading, that a file is the same as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) size_bytes: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified_ns: u64,
    /// 0 where the system has none.
    pub(crate) inode: u64,
}

impl Stamp {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            size_bytes: metadata.len(),
            modified_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            inode: inode(metadata),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &fs::Metadata) -> u64 {
    0
}

/// One unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) gateway: String,
    pub(crate) upload_id: Uuid,
    /// Where the gateway issues them: good for this upload alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    pub(crate) path: PathBuf,
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
    /// Of the upload: of its content and purpose.
    pub(crate) fingerprint: String,
    /// Of the content alone.
    pub(crate) content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

/// The folder of records: `$XDG_STATE_HOME/partgate/uploads`, `~/.local/state/partgate/uploads`, on Windows
/// `%LOCALAPPDATA%\partgate\uploads`; `None` where none of these is set.
#[must_use]
pub fn default_state_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_STATE_HOME")
        .or_else(|| set("LOCALAPPDATA").filter(|_| cfg!(windows)))
        .or_else(|| set("HOME").map(|home| home.join(".local").join("state")))?;
    Some(base.join("partgate").join("uploads"))
}

/// The folder of records.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    folder: PathBuf,
}

/// Held as long as this process uploads the file.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while still held: whoever opened it before sees that its file is gone and opens another.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

impl Records {
    /// # Errors
    /// [`Error::StateUnwritable`].
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&folder)
            .map_err(|source| Error::StateUnwritable { path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    /// Takes the lock of one content on one gateway; `None` when another process has it.
    ///
    /// # Errors
    /// [`Error::StateUnwritable`].
    pub(crate) fn lock(&self, gateway: &str, fingerprint: &str) -> Result<Option<Lock>, Error> {
        let path = self.path(gateway, fingerprint, "lock");
        let unwritable = |source| Error::StateUnwritable { path: path.clone(), source };
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(unwritable)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(unwritable(source)),
            }
            let still_there = match (file.metadata(), fs::metadata(&path)) {
                (Ok(locked), Ok(found)) => inode(&locked) == inode(&found),
                _ => false,
            };
            if still_there {
                return Ok(Some(Lock { path, file }));
            }
        }
    }

    /// The record of one content on one gateway. What cannot be read counts as absent.
    pub(crate) fn find(&self, gateway: &str, fingerprint: &str) -> Option<Record> {
        read(&self.path(gateway, fingerprint, "json"))
    }

    /// Records of the same file, gateway and key, but of other content.
    pub(crate) fn find_other_content(&self, like: &Record) -> Vec<Record> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| read(&path))
            .filter(|found| {
                (&found.path, &found.gateway, &found.key) == (&like.path, &like.gateway, &like.key)
            })
            .filter(|found| found.content != like.content)
            .collect()
    }

    /// Writes a record: whole or not at all.
    ///
    /// # Errors
    /// [`Error::StateUnwritable`].
    pub(crate) fn save(&self, record: &Record) -> Result<(), Error> {
        let path = self.path(&record.gateway, &record.fingerprint, "json");
        write_atomically(&path, record).map_err(|source| Error::StateUnwritable { path, source })
    }

    /// Forgets a record.
    pub(crate) fn remove(&self, record: &Record) {
        let _ = fs::remove_file(self.path(&record.gateway, &record.fingerprint, "json"));
    }

    fn path(&self, gateway: &str, fingerprint: &str, extension: &str) -> PathBuf {
        let name = hex::encode(&Sha256::digest(format!("{gateway}\n{fingerprint}"))[..16]);
        self.folder.join(name).with_extension(extension)
    }
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_atomically(path: &Path, record: &Record) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    // A record may hold the upload's token.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(record)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "http://127.0.0.1:8080/";

    fn record(fingerprint: &str) -> Record {
        Record {
            gateway: GATEWAY.into(),
            upload_id: Uuid::nil(),
            token: None,
            path: "/data/file".into(),
            stamp: Stamp { size_bytes: 5, modified_ns: 6, inode: 7 },
            fingerprint: fingerprint.into(),
            content: format!("content of {fingerprint}"),
            key: None,
        }
    }

    fn records() -> (tempfile::TempDir, Records) {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path().join("uploads")).unwrap();
        (folder, records)
    }

    #[test]
    fn a_saved_record_is_found_until_removed() {
        let (_folder, records) = records();
        records.save(&record("a")).unwrap();
        assert_eq!(records.find(GATEWAY, "a"), Some(record("a")));
        assert_eq!(records.find("http://other/", "a"), None);
        records.remove(&record("a"));
        assert_eq!(records.find(GATEWAY, "a"), None);
    }

    #[test]
    fn other_content_of_the_same_file_is_found_by_path() {
        let (_folder, records) = records();
        records.save(&record("before")).unwrap();
        assert_eq!(records.find_other_content(&record("after")), [record("before")]);
        assert_eq!(records.find_other_content(&record("before")), []);
        let other_key = Record { key: Some("k".into()), ..record("after") };
        assert_eq!(records.find_other_content(&other_key), []);
    }

    #[test]
    fn a_damaged_record_counts_as_absent() {
        let (_folder, records) = records();
        fs::write(records.path(GATEWAY, "a", "json"), b"{").unwrap();
        assert_eq!(records.find(GATEWAY, "a"), None);
    }

    #[test]
    fn the_lock_is_held_by_one_and_leaves_nothing_behind() {
        let (_folder, records) = records();
        let held = records.lock(GATEWAY, "a").unwrap();
        assert!(held.is_some());
        assert!(records.lock(GATEWAY, "a").unwrap().is_none());
        drop(held);
        assert_eq!(fs::read_dir(&records.folder).unwrap().count(), 0);
        assert!(records.lock(GATEWAY, "a").unwrap().is_some());
    }
}
