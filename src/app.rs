//! Puts the rooms together, serves, and stops without losing anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::{Grants, Tenant};
use crate::clock::Clock;
use crate::config::{Access, Settings};
use crate::http::{Gateway, router};
use crate::janitor;
use crate::service::{Authenticator, Required, Service, Tenants};
use crate::storage::{Storage, StorageSetupError};
use crate::store::{Migrations, Store, StoreError};
use crate::telemetry;

/// Requests that are under way when the gateway is asked to stop get so long.
const GRACE: Duration = Duration::from_secs(30);

/// A gateway that is ready to serve.
pub struct App {
    listener: TcpListener,
    router: Router,
    service: Service,
    store: Store,
    sweep_interval: Duration,
}

/// Why a gateway cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Storage's settings cannot work.
    #[error(transparent)]
    Storage(#[from] StorageSetupError),
    /// The database cannot be used.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The server failed.
    #[error("the server failed: {0}")]
    Serve(std::io::Error),
}

/// Database, storage and rules put together, without a server: for commands that work on them directly.
///
/// # Errors
/// [`AppError`].
pub async fn service(
    settings: &Settings,
    clock: Clock,
    migrations: Migrations,
) -> Result<(Service, Store), AppError> {
    let storage = Storage::connect(settings.storage.clone()).await?;
    let store = store(settings, migrations).await?;
    let tenants = tenants(settings, &store);
    let service = Service::new(store.clone(), storage, clock, settings.rules.clone()).with_tenants(tenants);
    Ok((service, store))
}

/// The database alone.
///
/// # Errors
/// [`StoreError`].
pub async fn store(settings: &Settings, migrations: Migrations) -> Result<Store, StoreError> {
    Store::open(settings.database.expose(), settings.database_connections, migrations).await
}

/// The tenants that these settings and their database name. In open mode nobody can be told apart, so there is one.
#[must_use]
pub fn tenants(settings: &Settings, store: &Store) -> Tenants {
    let defaults = settings.tenant_defaults();
    match &settings.access {
        Access::Open => Tenants::only(Tenant::only(&defaults)),
        Access::Required { tenants, .. } => Tenants::stored(tenants.clone(), defaults, store.clone()),
    }
}

fn authenticator(settings: &Settings, clock: &Clock, service: &Service, store: &Store) -> Authenticator {
    match &settings.access {
        Access::Open => Authenticator::Open(service.anybody()),
        Access::Required { tokens, issuers, .. } => Authenticator::Required(Arc::new(Required {
            store: store.clone(),
            clock: clock.clone(),
            tenants: service.tenants().clone(),
            tokens: tokens.clone(),
            grants: Grants::new(issuers.clone()),
        })),
    }
}

impl App {
    /// Opens the database, prepares storage and takes the address.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn start(settings: &Settings, clock: Clock, migrations: Migrations) -> Result<Self, AppError> {
        let metrics = telemetry::metrics();
        let (service, store) = service(settings, clock.clone(), migrations).await?;
        let address = settings.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| AppError::Listen { address, source })?;
        let gateway = Gateway {
            service: service.clone(),
            public_url: settings.public_url.clone().unwrap_or_default(),
            auth: authenticator(settings, &clock, &service, &store),
            cors_origins: settings.cors_origins.clone(),
            max_in_flight: settings.max_in_flight,
            metrics,
        };
        let sweep_interval = settings.sweep_interval;
        Ok(Self { listener, router: router(gateway), service, store, sweep_interval })
    }

    /// The address that is listened on: with port 0 in the settings, the one that was free.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `stop`; then takes no more requests, lets those under way end, and closes the database.
    ///
    /// # Errors
    /// [`AppError::Serve`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), AppError> {
        let janitor = tokio::spawn(janitor::run(self.service.clone(), self.sweep_interval, stop.clone()));
        let served = serve(self.listener, self.router, stop.clone()).await;
        // However serving ended, the rest ends too.
        stop.cancel();
        let rest = async {
            self.service.drain().await;
            janitor.await
        };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!("stopping although work is under way; whoever comes next finishes it");
        }
        self.store.close().await;
        served.map_err(AppError::Serve)
    }
}

/// Serves until `stop`, and then at most for the time of grace.
///
/// # Errors
/// What the listener says.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // Small answers must not wait for more to send (Nagle).
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let stopped = stop.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned());
    let out_of_patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served,
        () = out_of_patience => {
            tracing::warn!("requests are still under way; closing their connections");
            Ok(())
        }
    }
}
