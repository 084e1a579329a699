//! Columns of a row, of which none that was written by this program can be misunderstood.

use std::fmt;

use time::OffsetDateTime;

use super::StoreError;
use super::values::{Row, from_micros};
use crate::upload::UploadId;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Upload(UploadId),
    ApiKey(String),
    Tenant(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upload(id) => write!(f, "upload {id}"),
            Self::ApiKey(id) => write!(f, "API key {id}"),
            Self::Tenant(name) => write!(f, "tenant {name}"),
        }
    }
}

/// Reads columns of one row; the first that cannot be understood is named in the error.
pub(super) struct Columns<'a> {
    pub(super) row: &'a dyn Row,
    pub(super) of: Subject,
}

impl Columns<'_> {
    pub(super) fn optional_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.row.text(column)?)
    }

    pub(super) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column, "NULL"))
    }

    pub(super) fn integer(&self, column: &str) -> Result<i64, StoreError> {
        self.row.integer(column)?.ok_or_else(|| self.corrupt(column, "NULL"))
    }

    pub(super) fn small(&self, column: &str) -> Result<u32, StoreError> {
        let value = self.integer(column)?;
        u32::try_from(value).map_err(|_| self.corrupt(column, &value.to_string()))
    }

    pub(super) fn parsed<T>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| self.unreadable(column, &text))
    }

    pub(super) fn optional<T>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(text) = self.optional_text(column)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| self.unreadable(column, &text))
    }

    pub(super) fn optional_bytes(&self, column: &str) -> Result<Option<u64>, StoreError> {
        let value = self.row.integer(column)?;
        value
            .map(|value| u64::try_from(value).map_err(|_| self.corrupt(column, &value.to_string())))
            .transpose()
    }

    pub(super) fn bytes(&self, column: &str) -> Result<u64, StoreError> {
        self.optional_bytes(column)?.ok_or_else(|| self.corrupt(column, "NULL"))
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.row.flag(column)?)
    }

    pub(super) fn optional_time(&self, column: &str) -> Result<Option<OffsetDateTime>, StoreError> {
        let value = self.row.integer(column)?;
        value
            .map(|value| from_micros(value).ok_or_else(|| self.corrupt(column, &value.to_string())))
            .transpose()
    }

    pub(super) fn time(&self, column: &str) -> Result<OffsetDateTime, StoreError> {
        self.optional_time(column)?.ok_or_else(|| self.corrupt(column, "NULL"))
    }

    /// A text that cannot be read may be a person's: only its length is told.
    fn unreadable(&self, column: &str, text: &str) -> StoreError {
        let detail = format!("{column} has {} bytes that are no such thing", text.len());
        StoreError::Corrupt { of: self.of.to_string(), detail }
    }

    pub(super) fn corrupt(&self, column: &str, value: &str) -> StoreError {
        StoreError::Corrupt { of: self.of.to_string(), detail: format!("{column} is {value:?}") }
    }
}
