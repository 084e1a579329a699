//! Connections that are used on the caller's own thread.
//!
//! The driver has a thread for each connection, and to wake one and be woken by it costs many times what a point read
//! does. Readers of a file in WAL mode wait for nobody, so what touches a few pages is read here and now.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::types::{FromSql, FromSqlError, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::super::StoreError;
use super::super::values::Row;
use super::PATIENCE;
use crate::upload::UploadId;

/// Statements that a connection keeps prepared; there are fewer.
const STATEMENTS: usize = 32;

/// Connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    /// As many as have been in use at once; none once the store is closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Some(Vec::new())) }
    }

    /// Runs `read` on a connection, on this thread.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = match self.idle(|idle| idle.as_mut().map(Vec::pop)) {
            Some(Some(connection)) => connection,
            Some(None) => self.connect()?,
            None => return Err(StoreError::Database(sqlx::Error::PoolClosed)),
        };
        let answer = read(&connection);
        self.idle(|idle| idle.as_mut().map(|idle| idle.push(connection)));
        answer
    }

    pub(super) fn close(&self) {
        self.idle(Option::take);
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // Whoever finds a lock has to wait elsewhere: this is not a thread to sleep on.
        connection.busy_timeout(std::time::Duration::ZERO)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }

    fn idle<T>(&self, act: impl FnOnce(&mut Option<Vec<Connection>>) -> T) -> T {
        act(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection for a thread that writes.
pub(super) fn connect_writer(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Invariant: what was answered is on disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Whether another connection has a lock.
pub(super) fn is_busy(error: &StoreError) -> bool {
    let StoreError::Database(sqlx::Error::AnyDriverError(error)) = error else { return false };
    let code = error.downcast_ref().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(sqlx::Error::AnyDriverError(error.into()))
    }
}

/// A row whose columns are found by a list of their names: SQLite is asked for no names.
pub(super) struct Placed<'a> {
    pub(super) row: &'a rusqlite::Row<'a>,
    pub(super) columns: &'static [&'static str],
}

impl Placed<'_> {
    fn column<T: FromSql>(&self, name: &str) -> Result<T, sqlx::Error> {
        let place = self.columns.iter().position(|column| *column == name);
        let place = place.ok_or_else(|| sqlx::Error::ColumnNotFound(name.to_owned()))?;
        self.row
            .get(place)
            .map_err(|source| sqlx::Error::ColumnDecode { index: name.to_owned(), source: source.into() })
    }
}

/// An id, which is text here.
struct Id(Uuid);

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> Result<Self, FromSqlError> {
        let id = Uuid::try_parse(value.as_str()?);
        id.map(Self).map_err(|error| FromSqlError::Other(error.into()))
    }
}

impl Row for Placed<'_> {
    fn id(&self, column: &str) -> Result<Uuid, sqlx::Error> {
        Ok(self.column::<Id>(column)?.0)
    }

    fn text(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
        self.column(column)
    }

    fn integer(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        self.column(column)
    }

    fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        self.column(column)
    }

    fn bits(&self, column: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
        self.column(column)
    }
}

/// Room for the text of an id.
pub(super) struct IdText([u8; Hyphenated::LENGTH]);

impl IdText {
    pub(super) fn new() -> Self {
        Self([0; Hyphenated::LENGTH])
    }

    /// The id as it is stored, without an allocation.
    pub(super) fn of(&mut self, id: UploadId) -> &str {
        id.0.hyphenated().encode_lower(&mut self.0)
    }
}
