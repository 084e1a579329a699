//! `partgate key`: API keys.

use std::time::Duration;

use clap::Subcommand;
use partgate::access::{Role, Roles};
use partgate::app;
use partgate::clock::Clock;
use partgate::service::{NewKey, create_key};
use partgate::store::{ApiKeyRecord, Migrations, Store, Written};
use partgate::units::parse_duration;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::CliError;
use super::output::{failed, print_json, print_line};
use super::settings::SettingsArgs;

/// Make, list and revoke API keys
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Make a key; it is shown once
#[derive(Debug, clap::Args)]
struct CreateArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Whose key it is (where there are no tenants: "default"); not for an operator's
    #[arg(long, value_name = "NAME", required_unless_present = "admin", conflicts_with = "admin")]
    tenant: Option<String>,
    /// An operator's key: sees and aborts the uploads of all tenants, sweeps, reads metrics, and uploads nothing
    #[arg(long)]
    admin: bool,
    /// What the key may do: upload, read
    #[arg(long, value_name = "ROLES", value_delimiter = ',', default_value = "upload,read", value_parser = parse_role)]
    role: Vec<Role>,
    /// What it is for
    #[arg(long, value_name = "WORDS", default_value = "")]
    name: String,
    /// When it ends: 90d, 12h; without it, when it is revoked
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    expires_in: Option<Duration>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// List keys, newest first; their secrets are nowhere
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Only this tenant's
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// One JSON object a key
    #[arg(long)]
    json: bool,
}

/// End a key, at once and for good
#[derive(Debug, clap::Args)]
struct RevokeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The key's id: what stands between pgk_ and the next _
    id: String,
}

pub(crate) async fn run(args: KeyArgs) -> Result<(), CliError> {
    match args.command {
        KeyCommand::Create(args) => create(args).await,
        KeyCommand::List(args) => list(args).await,
        KeyCommand::Revoke(args) => revoke(args).await,
    }
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let settings = args.settings.load(&[])?;
    let store = app::store(&settings, Migrations::Run).await.map_err(failed)?;
    if let Some(name) = &args.tenant {
        let tenants = app::tenants(&settings, &store).all().await.map_err(failed)?;
        if !tenants.contains_key(name) {
            let known: Vec<_> = tenants.keys().map(String::as_str).collect();
            return Err(CliError::Usage(format!(
                "there is no tenant {name:?}; there are: {}",
                known.join(", ")
            )));
        }
    }
    let now = Clock::System.now();
    let roles: Roles = if args.admin {
        [Role::Read, Role::Admin].into_iter().collect()
    } else {
        args.role.into_iter().collect()
    };
    let expires_at = args.expires_in.map(|life| now + life);
    let new = NewKey { tenant: args.tenant, name: args.name, roles, expires_at };
    let minted = create_key(&store, new, now).await.map_err(failed);
    store.close().await;
    let minted = minted?;
    if args.json {
        print_json(&json!({ "id": minted.id, "key": minted.secret_text }));
    } else {
        print_line(&minted.secret_text);
        eprintln!("Keep it: it is shown this once. Its id is {}.", minted.id);
    }
    Ok(())
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let store = open(&args.settings).await?;
    let keys = store.keys(args.tenant.as_deref()).await.map_err(failed);
    store.close().await;
    for key in keys? {
        if args.json {
            print_json(&json!({
                "id": key.id,
                "tenant": key.tenant,
                "name": key.name,
                "roles": key.roles,
                "created_at": key.created_at.format(&Rfc3339).ok(),
                "last_used_at": key.last_used_at.and_then(|at| at.format(&Rfc3339).ok()),
                "expires_at": key.expires_at.and_then(|at| at.format(&Rfc3339).ok()),
                "revoked_at": key.revoked_at.and_then(|at| at.format(&Rfc3339).ok()),
            }));
        } else {
            print_line(&line(&key));
        }
    }
    Ok(())
}

async fn revoke(args: RevokeArgs) -> Result<(), CliError> {
    let store = open(&args.settings).await?;
    let written = store.revoke_key(&args.id, Clock::System.now()).await.map_err(failed);
    store.close().await;
    match written? {
        Written::Done => Ok(()),
        Written::Conflict => {
            Err(CliError::Failed(format!("there is no key {:?}, or it is revoked already", args.id)))
        }
    }
}

async fn open(settings: &SettingsArgs) -> Result<Store, CliError> {
    app::store(&settings.load(&[])?, Migrations::Run).await.map_err(failed)
}

fn line(key: &ApiKeyRecord) -> String {
    let day = |at: Option<OffsetDateTime>| at.map_or_else(|| "never".to_owned(), |at| at.date().to_string());
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", at.date()),
        (None, Some(at)) => format!("until {}", at.date()),
        (None, None) => "in force".to_owned(),
    };
    let tenant = key.tenant.as_deref().unwrap_or("(operator)");
    format!(
        "{}  {tenant:<16}  {:<12}  used {}  {state}  {}",
        key.id,
        key.roles,
        day(key.last_used_at),
        key.name
    )
}

fn parse_role(name: &str) -> Result<Role, String> {
    match Role::from_name(name) {
        Some(role @ (Role::Upload | Role::Read)) => Ok(role),
        Some(Role::Admin) => Err("an operator's key is made with --admin".to_owned()),
        None => Err(format!("{name:?} is neither upload nor read")),
    }
}
