//! Values on their way into a statement and out of a row, the same for every database.

use std::borrow::Cow;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::postgres::Bits;
use crate::upload::UploadId;

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Id(Uuid),
    Text(Option<Cow<'a, str>>),
    Integer(Option<i64>),
    Flag(bool),
}

/// The parameters of a statement, `$1` first.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::values::Value::from($value)),*] };
}
pub(super) use values;

/// Binds parameters. A macro, because the types of a query are those of its database.
macro_rules! bound {
    ($sql:expr, $values:expr, $id:expr) => {
        $values.into_iter().fold(sqlx::query($sql), |query, value| match value {
            $crate::store::values::Value::Id(id) => query.bind($id(id)),
            $crate::store::values::Value::Text(text) => query.bind(text),
            $crate::store::values::Value::Integer(integer) => query.bind(integer),
            $crate::store::values::Value::Flag(flag) => query.bind(flag),
        })
    };
}
pub(super) use bound;

impl From<UploadId> for Value<'_> {
    fn from(id: UploadId) -> Self {
        Self::Id(id.0)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::from))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::from))
    }
}

impl From<i64> for Value<'_> {
    fn from(integer: i64) -> Self {
        Self::Integer(Some(integer))
    }
}

impl From<u32> for Value<'_> {
    fn from(integer: u32) -> Self {
        Self::Integer(Some(integer.into()))
    }
}

impl From<u64> for Value<'_> {
    fn from(bytes: u64) -> Self {
        Self::Integer(Some(signed(bytes)))
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(bytes: Option<u64>) -> Self {
        Self::Integer(bytes.map(signed))
    }
}

impl From<OffsetDateTime> for Value<'_> {
    fn from(time: OffsetDateTime) -> Self {
        Self::Integer(Some(micros(time)))
    }
}

impl From<Option<OffsetDateTime>> for Value<'_> {
    fn from(time: Option<OffsetDateTime>) -> Self {
        Self::Integer(time.map(micros))
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

pub(super) fn micros(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

pub(super) fn from_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

/// The databases' integers are signed; a size beyond them is beyond every store too.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A row of either database.
pub(super) trait Row {
    fn id(&self, column: &str) -> Result<Uuid, sqlx::Error>;
    fn text(&self, column: &str) -> Result<Option<String>, sqlx::Error>;
    fn integer(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;
    fn flag(&self, column: &str) -> Result<bool, sqlx::Error>;
    /// Bits, the first in the highest bit of the first byte.
    fn bits(&self, column: &str) -> Result<Option<Vec<u8>>, sqlx::Error>;
}

macro_rules! row {
    ($row:ty, $id:ty, $bits:ty) => {
        impl Row for $row {
            fn id(&self, column: &str) -> Result<Uuid, sqlx::Error> {
                Ok(self.try_get::<$id, _>(column)?.into())
            }

            fn text(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
                self.try_get(column)
            }

            fn integer(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
                self.try_get(column)
            }

            fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
                self.try_get(column)
            }

            fn bits(&self, column: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
                Ok(self.try_get::<Option<$bits>, _>(column)?.map(Into::into))
            }
        }
    };
}

row!(SqliteRow, uuid::fmt::Hyphenated, Vec<u8>);
row!(PgRow, Uuid, Bits);
