//! The tenants of this gateway: those of its settings and those of its database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ServiceError;
use crate::access::{Tenant, TenantDefaults, TenantSettings, overlapping};
use crate::store::{Store, TenantRecord};

/// How long what the database says of tenants is taken for true: so late comes a change made by another process.
const FRESH: Duration = Duration::from_secs(2);
/// A tenant that is not known is looked for again at most so often: it may have been made just now.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Tenants by name.
pub type TenantMap = BTreeMap<String, Arc<Tenant>>;

/// Where tenants are looked up. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tenants(Arc<Source>);

#[derive(Debug)]
enum Source {
    /// The same ones as long as the process lives.
    Fixed(Arc<TenantMap>),
    /// Those of the settings and those of the database.
    Stored(Stored),
}

#[derive(Debug)]
struct Stored {
    of_settings: Vec<Tenant>,
    defaults: TenantDefaults,
    store: Store,
    known: Mutex<Option<(Instant, Arc<TenantMap>)>>,
}

impl Tenants {
    /// One tenant and no other, whatever the database says: open mode.
    #[must_use]
    pub fn only(tenant: Tenant) -> Self {
        Self(Arc::new(Source::Fixed(Arc::new(by_name([tenant])))))
    }

    /// Those of the settings and those that `partgate tenant set` has put into the database. Where there are none at
    /// all there is one, `default`, which has the whole of the gateway's prefix.
    #[must_use]
    pub fn stored(of_settings: Vec<Tenant>, defaults: TenantDefaults, store: Store) -> Self {
        Self(Arc::new(Source::Stored(Stored { of_settings, defaults, store, known: Mutex::default() })))
    }

    /// The tenant of this name.
    ///
    /// # Errors
    /// [`ServiceError::Database`].
    pub async fn find(&self, name: &str) -> Result<Option<Arc<Tenant>>, ServiceError> {
        let found = self.within(FRESH).await?.get(name).cloned();
        match found {
            Some(tenant) => Ok(Some(tenant)),
            None => Ok(self.within(ASK_AGAIN).await?.get(name).cloned()),
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// [`ServiceError::Database`].
    pub async fn all(&self) -> Result<Arc<TenantMap>, ServiceError> {
        self.within(FRESH).await
    }

    /// What is known, and not for longer than `age`.
    async fn within(&self, age: Duration) -> Result<Arc<TenantMap>, ServiceError> {
        let stored = match &*self.0 {
            Source::Fixed(tenants) => return Ok(Arc::clone(tenants)),
            Source::Stored(stored) => stored,
        };
        let known = stored.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, tenants)) = known.filter(|(read_at, _)| read_at.elapsed() < age) {
            return Ok(tenants);
        }
        let read_at = Instant::now();
        let records = stored.store.tenants().await?;
        let tenants = Arc::new(combine(&stored.of_settings, &records, &stored.defaults));
        *stored.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((read_at, Arc::clone(&tenants)));
        Ok(tenants)
    }
}

/// Settings go before the database. A record that cannot be used makes no tenant: its callers hear that there is none,
/// which is safer than a tenant with other limits or in another's place.
fn combine(of_settings: &[Tenant], records: &[TenantRecord], defaults: &TenantDefaults) -> TenantMap {
    let mut tenants = of_settings.to_vec();
    for record in records {
        if tenants.iter().any(|tenant| tenant.name == record.name) {
            continue;
        }
        match usable(record, &tenants, defaults) {
            Ok(tenant) => tenants.push(tenant),
            Err(reason) => {
                tracing::error!(tenant = record.name, reason, "a tenant of the database cannot be used");
            }
        }
    }
    if tenants.is_empty() && records.is_empty() {
        tenants.push(Tenant::only(defaults));
    }
    by_name(tenants)
}

fn usable(record: &TenantRecord, others: &[Tenant], defaults: &TenantDefaults) -> Result<Tenant, String> {
    let settings: TenantSettings =
        serde_json::from_str(&record.settings).map_err(|error| error.to_string())?;
    let tenant = settings.resolve(&record.name, defaults).map_err(|problems| {
        problems
            .iter()
            .map(|problem| format!("{}: {}", problem.field, problem.detail))
            .collect::<Vec<_>>()
            .join("; ")
    })?;
    let all: Vec<_> = others.iter().chain([&tenant]).collect();
    match overlapping(&all) {
        Some((one, other)) => Err(format!("the prefixes of {} and {} overlap", one.name, other.name)),
        None => Ok(tenant),
    }
}

fn by_name(tenants: impl IntoIterator<Item = Tenant>) -> TenantMap {
    tenants.into_iter().map(|tenant| (tenant.name.clone(), Arc::new(tenant))).collect()
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn defaults() -> TenantDefaults {
        super::super::Rules::default().tenant_defaults("b")
    }

    fn record(name: &str, settings: &str) -> TenantRecord {
        let (created_at, updated_at) = (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH);
        TenantRecord { name: name.to_owned(), settings: settings.to_owned(), created_at, updated_at }
    }

    fn names(of_settings: &[Tenant], records: &[TenantRecord]) -> Vec<String> {
        combine(of_settings, records, &defaults()).into_keys().collect()
    }

    #[test]
    fn there_is_a_default_only_where_there_is_no_other() {
        assert_eq!(names(&[], &[]), ["default"]);
        assert_eq!(names(&[], &[record("a", "{}")]), ["a"]);
    }

    #[test]
    fn a_record_that_cannot_be_used_makes_no_tenant_and_no_default() {
        for settings in ["{", r#"{"max_size": "many"}"#, r#"{"unknown": "1"}"#] {
            assert!(names(&[], &[record("a", settings)]).is_empty(), "{settings}");
        }
        let a = TenantSettings::default().resolve("a", &defaults()).unwrap();
        let inside = record("b", r#"{"prefix": "a/b/"}"#);
        assert_eq!(names(&[a], &[inside]), ["a"], "it would be inside of a");
    }

    #[test]
    fn settings_go_before_the_database() {
        let settings = TenantSettings { max_size: Some("5".to_owned()), ..TenantSettings::default() };
        let a = settings.resolve("a", &defaults()).unwrap();
        let tenants = combine(&[a], &[record("a", r#"{"max_size": "9"}"#)], &defaults());
        assert_eq!(tenants["a"].limits.max_size_bytes, Some(5));
    }
}
