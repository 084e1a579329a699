//! The database: reachable, and its schema up to date.

use std::path::Path;

use super::Check::Database;
use super::report::Findings;
use crate::causes::causes;
use crate::config::Settings;
use crate::store::{DatabaseKind, Migrations, Store, StoreError};

/// Opens the database without changing it. None where it cannot be used.
pub(super) async fn check(settings: &Settings, findings: &Findings) -> Option<Store> {
    let url = settings.database.expose();
    if let Some(file) = missing_file(url) {
        missing(file, findings);
        return None;
    }
    let opened = Store::open(url, settings.database_connections, Migrations::Refuse).await;
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            findings.bad(Database, causes(&error), mend(&error));
            return None;
        }
    };
    match store.ping().await {
        Ok(()) => good(url, findings),
        Err(error) => findings.bad(Database, causes(&error), mend(&error)),
    }
    Some(store)
}

fn good(url: &str, findings: &Findings) {
    match DatabaseKind::of(url) {
        Some(DatabaseKind::Sqlite) if url.contains(":memory:") => findings.warning(
            Database,
            "SQLite in memory: uploads are forgotten when the gateway stops",
            "set database = \"sqlite://partgate.db\" or a PostgreSQL URL",
        ),
        Some(DatabaseKind::Sqlite) => {
            findings.good(Database, "SQLite answers and its schema is up to date (one machine only)");
        }
        Some(DatabaseKind::Postgres) | None => {
            findings.good(Database, "PostgreSQL answers and its schema is up to date");
        }
    }
}

/// SQLite makes files, and no folders.
fn missing(file: &Path, findings: &Findings) {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (file, place) = (file.display(), folder.display());
    if folder.is_dir() {
        let found = format!("the file {file} is not there yet; `partgate serve` makes it");
        findings.note(Database, found, "run `partgate migrate`, or set database if it should be elsewhere");
    } else {
        let found = format!("neither the file {file} nor its folder is there");
        findings.bad(
            Database,
            found,
            format!("make the folder {place}, or set database to a file elsewhere"),
        );
    }
}

/// The file of a SQLite database that is not there. Opening it would make it, and the doctor changes nothing.
fn missing_file(url: &str) -> Option<&Path> {
    let file = url.strip_prefix("sqlite:")?;
    let file = file.strip_prefix("//").unwrap_or(file).split('?').next()?;
    let is_file = !file.is_empty() && file != ":memory:";
    Some(Path::new(file)).filter(|file| is_file && !file.exists())
}

fn mend(error: &StoreError) -> &'static str {
    match error {
        StoreError::SchemaOutdated | StoreError::Migration(_) => {
            "run `partgate migrate` (or start the gateway without --no-migrate)"
        }
        StoreError::Database(_) | StoreError::Url(_) => {
            "set database to a URL that works from here, sqlite://path or postgres://user:password@host/database, \
             and see that the server runs and lets this user in"
        }
        StoreError::Corrupt { .. } => "restore the database from a backup",
    }
}
