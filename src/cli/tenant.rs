//! `partgate tenant`: tenants in the database, beside those of the settings file.

use clap::Subcommand;
use partgate::access::{Tenant, TenantSettings, overlapping};
use partgate::app;
use partgate::clock::Clock;
use partgate::config::Settings;
use partgate::store::{Migrations, Store, TenantRecord, Written};
use serde_json::json;

use super::CliError;
use super::output::{failed, human_size, print_json, print_line};
use super::settings::SettingsArgs;

/// Set, list and remove tenants in the database
#[derive(Debug, clap::Args)]
pub(crate) struct TenantArgs {
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    Set(Box<SetArgs>),
    List(ListArgs),
    Remove(RemoveArgs),
}

/// Make a tenant, or change what is named; a running gateway sees it within seconds
#[derive(Debug, clap::Args)]
struct SetArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Its name: a-z, 0-9, - and _
    name: String,
    /// The bucket of its objects
    #[arg(long)]
    bucket: Option<String>,
    /// Before every key of its objects; when left out: storage.prefix, its name, a slash
    #[arg(long)]
    prefix: Option<String>,
    /// Who may choose keys: nobody, api_keys, everybody
    #[arg(long)]
    naming: Option<String>,
    /// The largest file: 10GiB
    #[arg(long, value_name = "SIZE")]
    max_size: Option<String>,
    /// How many uploads may be open at once
    #[arg(long, value_name = "N")]
    max_open_uploads: Option<String>,
    /// Their bytes together
    #[arg(long, value_name = "SIZE")]
    max_bytes_in_flight: Option<String>,
    /// The bytes that may be declared on one day (UTC)
    #[arg(long, value_name = "SIZE")]
    max_bytes_per_day: Option<String>,
    /// Content types: image/*,video/mp4
    #[arg(long, value_name = "LIST")]
    content_types: Option<String>,
    /// How long an upload may take: 7d
    #[arg(long, value_name = "TIME")]
    lifetime: Option<String>,
    /// How long a signed URL works: 15m
    #[arg(long, value_name = "TIME")]
    url_ttl: Option<String>,
    /// Origins whose pages may call: https://app.example.com
    #[arg(long, value_name = "LIST")]
    cors_origins: Option<String>,
}

/// List the tenants in force, those of the settings file too
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// One JSON object a tenant
    #[arg(long)]
    json: bool,
}

/// Remove a tenant that has no uploads (or --force); its keys and grants are worth nothing from then on
#[derive(Debug, clap::Args)]
struct RemoveArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Its name
    name: String,
    /// Although it has uploads: they are finished or taken back by the sweep
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(args: TenantArgs) -> Result<(), CliError> {
    match args.command {
        TenantCommand::Set(args) => set(*args).await,
        TenantCommand::List(args) => list(args).await,
        TenantCommand::Remove(args) => remove(args).await,
    }
}

async fn set(args: SetArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    let store = app::store(&settings, Migrations::Run).await.map_err(failed)?;
    let done = write(&settings, &store, &args).await;
    store.close().await;
    done
}

async fn write(settings: &Settings, store: &Store, args: &SetArgs) -> Result<(), CliError> {
    if settings.access.tenants().iter().any(|tenant| tenant.name == args.name) {
        let words = format!("{} is a tenant of the settings file, which goes before the database", args.name);
        return Err(CliError::Usage(words));
    }
    let records = store.tenants().await.map_err(failed)?;
    let before = records.iter().find(|record| record.name == args.name);
    let before = before.map(|record| serde_json::from_str::<TenantSettings>(&record.settings)).transpose();
    let before =
        before.map_err(|error| CliError::Failed(format!("what the database has cannot be read: {error}")))?;
    let wanted = changed(before.unwrap_or_default(), args);
    let defaults = settings.tenant_defaults();
    let tenant = wanted.resolve(&args.name, &defaults).map_err(|problems| {
        let lines: Vec<_> =
            problems.iter().map(|problem| format!("  {}: {}", problem.field, problem.detail)).collect();
        CliError::Usage(format!("the tenant cannot be:\n{}", lines.join("\n")))
    })?;
    check_apart(settings, &records, &tenant)?;
    let now = Clock::System.now();
    let text = serde_json::to_string(&wanted).map_err(|error| CliError::Failed(error.to_string()))?;
    let record = TenantRecord { name: args.name.clone(), settings: text, created_at: now, updated_at: now };
    store.put_tenant(&record).await.map_err(failed)
}

/// What the flags name goes over what is there.
fn changed(before: TenantSettings, args: &SetArgs) -> TenantSettings {
    let over = |new: &Option<String>, old: Option<String>| new.clone().or(old);
    TenantSettings {
        bucket: over(&args.bucket, before.bucket),
        prefix: over(&args.prefix, before.prefix),
        naming: over(&args.naming, before.naming),
        max_size: over(&args.max_size, before.max_size),
        max_open_uploads: over(&args.max_open_uploads, before.max_open_uploads),
        max_bytes_in_flight: over(&args.max_bytes_in_flight, before.max_bytes_in_flight),
        max_bytes_per_day: over(&args.max_bytes_per_day, before.max_bytes_per_day),
        content_types: over(&args.content_types, before.content_types),
        lifetime: over(&args.lifetime, before.lifetime),
        url_ttl: over(&args.url_ttl, before.url_ttl),
        cors_origins: over(&args.cors_origins, before.cors_origins),
    }
}

/// Neither this tenant nor another may reach into the other's objects.
fn check_apart(settings: &Settings, records: &[TenantRecord], tenant: &Tenant) -> Result<(), CliError> {
    let of_database = records.iter().filter(|record| record.name != tenant.name).filter_map(|record| {
        let other: TenantSettings = serde_json::from_str(&record.settings).ok()?;
        other.resolve(&record.name, &settings.tenant_defaults()).ok()
    });
    let others: Vec<_> = of_database.chain(settings.access.tenants().iter().cloned()).collect();
    let all: Vec<_> = others.iter().chain([tenant]).collect();
    match overlapping(&all) {
        Some((one, other)) => Err(CliError::Usage(format!(
            "{:?} of tenant {} lies within {:?} of tenant {}: one could reach the other's objects; give another --prefix",
            other.prefix, other.name, one.prefix, one.name
        ))),
        None => Ok(()),
    }
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    let store = app::store(&settings, Migrations::Run).await.map_err(failed)?;
    let tenants = app::tenants(&settings, &store).all().await.map_err(failed);
    store.close().await;
    for tenant in tenants?.values() {
        if args.json {
            print_json(&as_json(tenant));
        } else {
            print_line(&line(tenant));
        }
    }
    Ok(())
}

fn as_json(tenant: &Tenant) -> serde_json::Value {
    json!({
        "name": tenant.name,
        "bucket": tenant.bucket,
        "prefix": tenant.prefix,
        "naming": tenant.naming.name(),
        "max_size": tenant.limits.max_size_bytes,
        "max_open_uploads": tenant.limits.max_open_uploads,
        "max_bytes_in_flight": tenant.limits.max_bytes_in_flight,
        "max_bytes_per_day": tenant.limits.max_bytes_per_day,
        "content_types": tenant.content_types.patterns(),
        "lifetime_seconds": tenant.lifetime.whole_seconds(),
        "url_ttl_seconds": tenant.url_ttl.as_secs(),
        "cors_origins": tenant.cors_origins,
    })
}

fn line(tenant: &Tenant) -> String {
    let limits = &tenant.limits;
    let size = |what: &str, limit: Option<u64>| limit.map(|bytes| format!("{what} {}", human_size(bytes)));
    let limits = [
        size("a file", limits.max_size_bytes),
        limits.max_open_uploads.map(|count| format!("open {count}")),
        size("in flight", limits.max_bytes_in_flight),
        size("a day", limits.max_bytes_per_day),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let limits = if limits.is_empty() { "no limits".to_owned() } else { limits.join(", ") };
    format!("{}  s3://{}/{}  {limits}", tenant.name, tenant.bucket, tenant.prefix)
}

async fn remove(args: RemoveArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    let store = app::store(&settings, Migrations::Run).await.map_err(failed)?;
    let done = async {
        if !args.force && store.has_uploads(&args.name).await.map_err(failed)? {
            let words = format!("{} has uploads; --force removes it all the same", args.name);
            return Err(CliError::Failed(words));
        }
        match store.delete_tenant(&args.name).await.map_err(failed)? {
            Written::Done => Ok(()),
            Written::Conflict => {
                Err(CliError::Failed(format!("there is no tenant {:?} in the database", args.name)))
            }
        }
    }
    .await;
    store.close().await;
    done
}
