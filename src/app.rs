//! Puts the rooms together, serves, and stops without losing anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::Tenant;
use crate::clock::Clock;
use crate::config::{Access, Operations, Settings};
use crate::http::{Exposition, Gateway, MetricsAt, RateLimits, Transport, operations_router, router};
use crate::janitor;
use crate::server::{self, ConnectionLimits, GRACE, Tls, TlsError};
use crate::service::{Authenticator, Required, Service, Tenants};
use crate::storage::{Storage, StorageSetupError};
use crate::store::{Migrations, Store, StoreError};
use crate::telemetry;

/// A gateway that is ready to serve.
pub struct App {
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    operations: Option<(TcpListener, Router)>,
    connections: ConnectionLimits,
    service: Service,
    store: Store,
    sweep_interval: Option<Duration>,
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
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
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

fn authenticator(settings: &Settings, clock: Clock, service: &Service, store: &Store) -> Authenticator {
    match &settings.access {
        Access::Open => Authenticator::Open(service.anybody()),
        Access::Required { tokens, grants, .. } => Authenticator::Required(Arc::new(Required {
            store: store.clone(),
            clock,
            tenants: service.tenants().clone(),
            tokens: tokens.clone(),
            grants: grants.clone(),
        })),
    }
}

impl App {
    /// Opens the database, prepares storage, reads the certificate and takes the addresses.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn start(settings: &Settings, clock: Clock, migrations: Migrations) -> Result<Self, AppError> {
        let metrics = telemetry::metrics();
        let serving = &settings.serving;
        let tls = match &serving.tls {
            Some(files) => Some(Tls::load(files.clone()).await?),
            None => None,
        };
        let (service, store) = service(settings, clock.clone(), migrations).await?;
        let listener = listen(settings.listen).await?;
        let auth = authenticator(settings, clock, &service, &store);
        let gateway = gateway(settings, service.clone(), auth, metrics);
        let operations = match &serving.operations {
            Some(Operations { listen: address, hosts }) => {
                let gateway = Gateway { hosts: hosts.clone(), ..gateway.clone() };
                Some((listen(*address).await?, operations_router(gateway)))
            }
            None => None,
        };
        Ok(Self {
            listener,
            router: router(gateway),
            tls,
            operations,
            connections: serving.connections,
            service,
            store,
            sweep_interval: Some(settings.sweep_interval),
        })
    }

    /// The address that is listened on: with port 0 in the settings, the one that was free.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// The same of the listener of health and metrics, where they have one of their own.
    #[must_use]
    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// The same without the sweep in the background, for whoever sweeps by [`Service::sweep`] at moments of their own.
    #[must_use]
    pub fn without_janitor(self) -> Self {
        Self { sweep_interval: None, ..self }
    }

    /// Serves until `stop`; then takes no more requests, lets those under way end, and closes the database.
    pub async fn run(self, stop: CancellationToken) {
        let janitor = self
            .sweep_interval
            .map(|interval| tokio::spawn(janitor::run(self.service.clone(), interval, stop.clone())));
        let metrics = tokio::spawn(telemetry::keep_up(telemetry::metrics()));
        if let Some(tls) = self.tls.clone() {
            tokio::spawn(tls.keep_fresh(stop.clone()));
        }
        let main = server::serve(self.listener, self.router, self.connections, self.tls, stop.clone());
        match self.operations {
            Some((listener, router)) => {
                let operations = server::serve(listener, router, self.connections, None, stop);
                tokio::join!(main, operations);
            }
            None => main.await,
        }
        let rest = async {
            self.service.drain().await;
            if let Some(janitor) = janitor {
                // One that has panicked has ended too.
                let _ = janitor.await;
            }
        };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!("stopping although work is under way; whoever comes next finishes it");
        }
        metrics.abort();
        self.store.close().await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Listen { address, source })
}

fn gateway(settings: &Settings, service: Service, auth: Authenticator, metrics: PrometheusHandle) -> Gateway {
    let serving = &settings.serving;
    let public_url = settings.public_url.clone().unwrap_or_default();
    let is_tls = serving.tls.is_some() || public_url.starts_with("https:");
    Gateway {
        service,
        auth,
        cors_origins: settings.cors_origins.clone(),
        max_in_flight: settings.max_in_flight,
        body_timeout: serving.body_timeout,
        limits: RateLimits::new(serving),
        trusted_proxies: serving.trusted_proxies.clone(),
        hosts: serving.hosts.clone(),
        transport: if is_tls { Transport::Tls } else { Transport::Plain },
        metrics_at: if serving.operations.is_some() { MetricsAt::Operations } else { MetricsAt::Api },
        public_url,
        metrics: Exposition::new(metrics),
    }
}

/// Serves plain HTTP until `stop`, and then at most for the time of grace.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    server::serve(listener, router, ConnectionLimits::default(), None, stop).await;
}
