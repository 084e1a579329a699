//! Connections between calls.
//!
//! The driver's pool asks the server whether a connection still works when it is given back, and so it did before it
//! was lent: two more round trips a call. Here a connection whose call has ended well is kept as it is, and is good for
//! the next call if that comes soon. Everything else is the driver's pool's as before.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::StoreError;
use super::connections::{PATIENCE, takes_writes};

/// A connection that has worked so recently works still. If not, a read is tried again and a write fails.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// What nobody has needed for so long goes back to the driver's pool, which closes it in time. So does each connection
/// so often, for the driver to look at its age.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Connections to the server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    driver: PgPool,
    /// As many as the driver's pool has, so that nobody waits there while a connection lies here.
    places: Arc<Semaphore>,
    /// What has worked last is at the end.
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    worked_at: Instant,
    borrowed_at: Instant,
}

impl Pool {
    pub(super) fn new(driver: PgPool) -> Self {
        let places = Arc::new(Semaphore::new(driver.options().get_max_connections() as usize));
        Self(Arc::new(Shared { driver, places, kept: Mutex::default() }))
    }

    /// A connection, once there is a place.
    pub(super) async fn lend(&self) -> Result<Lent, StoreError> {
        let lent = timeout(PATIENCE, self.lend_in_time()).await;
        Ok(lent.map_err(|_| sqlx::Error::PoolTimedOut)??)
    }

    async fn lend_in_time(&self) -> Result<Lent, sqlx::Error> {
        let place = Arc::clone(&self.0.places).acquire_owned().await;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let kept = self.0.kept().pop_back();
        let Some(Kept { connection, worked_at, borrowed_at }) = kept else {
            let connection = self.0.driver.acquire().await?;
            return Ok(self.lent(connection, Instant::now(), place));
        };
        let mut lent = self.lent(connection, borrowed_at, place);
        if worked_at.elapsed() >= TRUSTED_FOR && !takes_writes(&mut lent).await.unwrap_or(false) {
            if let Some(connection) = lent.connection.take() {
                drop(connection.detach());
            }
            lent.connection = Some(self.0.driver.acquire().await?);
            lent.borrowed_at = Instant::now();
        }
        Ok(lent)
    }

    fn lent(
        &self,
        connection: PoolConnection<Postgres>,
        borrowed_at: Instant,
        place: OwnedSemaphorePermit,
    ) -> Lent {
        Lent {
            pool: Arc::clone(&self.0),
            connection: Some(connection),
            place: Some(place),
            borrowed_at,
            has_worked: false,
        }
    }

    /// Drops all that is kept: one connection has failed, so others may have.
    pub(super) fn distrust(&self) {
        for kept in self.0.kept().drain(..) {
            drop(kept.connection.detach());
        }
    }

    /// Closes all connections; what the server does not acknowledge in time is dropped.
    pub(super) async fn close(&self) {
        self.0.places.close();
        for kept in self.0.kept().drain(..) {
            give_back(kept.connection, None);
        }
        let _ = timeout(PATIENCE, self.0.driver.close()).await;
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection whose call has ended well.
    fn keep(&self, connection: PoolConnection<Postgres>, borrowed_at: Instant) {
        let mut kept = self.kept();
        kept.push_back(Kept { connection, worked_at: Instant::now(), borrowed_at });
        if kept.front().is_some_and(|oldest| oldest.worked_at.elapsed() > KEPT_FOR)
            && let Some(oldest) = kept.pop_front()
        {
            give_back(oldest.connection, None);
        }
    }
}

/// A connection, which takes a place until it is given back.
pub(in crate::store) struct Lent {
    pool: Arc<Shared>,
    /// There until it is given back.
    connection: Option<PoolConnection<Postgres>>,
    place: Option<OwnedSemaphorePermit>,
    borrowed_at: Instant,
    has_worked: bool,
}

impl Lent {
    /// Nothing is under way on the connection, and no transaction is open.
    pub(super) fn has_worked(&mut self) {
        self.has_worked = true;
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("it is there until this is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is there until this is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let is_open = !self.pool.places.is_closed();
        if self.has_worked && is_open && self.borrowed_at.elapsed() < KEPT_FOR {
            // Before the place is free, so that whoever gets it finds the connection.
            self.pool.keep(connection, self.borrowed_at);
        } else {
            give_back(connection, self.place.take());
        }
    }
}

/// Gives a connection to the driver's pool, and then its place. The driver tests it first and would wait without end for
/// a server that is gone, and the place would be lost: past the bound, the connection is closed and another may be made.
fn give_back(mut connection: PoolConnection<Postgres>, place: Option<OwnedSemaphorePermit>) {
    let returned = timeout(PATIENCE, connection.return_to_pool());
    tokio::spawn(async move {
        let _ = returned.await;
        drop(place);
    });
}
