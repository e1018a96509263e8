//! What somebody at the server can do: look, make and disable clients, off-board users, and break the
//! glass. All of it is on record under the server's name.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::first_start::Delivery;
use super::{refused, say};
use crate::app::{entropy, explain};
use crate::clock::Clock;
use crate::config::Config;
use crate::mfa::client::Scope;
use crate::mfa::client_key::SignsIn;
use crate::mfa::ids::{ClientId, ClientKeyId, ClientSecretId, DirectoryId, TenantId, UserId};
use crate::mfa::words::{Audience, DisplayName, Reason, ServiceAccount};
use crate::operations::break_glass::{
    create_client, disable_client, list_clients_of, list_tenants, list_users_of, offboard_user,
};
use crate::operations::client_keys::{add_by_server, list_keys_of, remove_by_server};
use crate::operations::client_secrets::{list_secrets_of, revoke_by_server, rotate_by_server};
use crate::operations::clients::{ClientKey, CreateClient};
use crate::operations::{Entropy, Pawl};

/// Which tenant.
#[derive(Debug, Clone, Args)]
pub(super) struct InTenant {
    /// The tenant's id; may be left out while there is only one.
    #[arg(long)]
    tenant: Option<String>,
}

/// A tenant's clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// List the clients.
    List(InTenant),
    /// Make a client and print its key, once.
    Create {
        #[command(flatten)]
        place: InTenant,
        /// What people call it.
        #[arg(long)]
        name: String,
        /// The directory that it shares; left out, it gets one of its own.
        #[arg(long)]
        directory: Option<String>,
        /// An audience that it may ask tokens for; may be given more than once.
        #[arg(long = "audience", required = true)]
        audiences: Vec<String>,
        /// What it may do: login, users, offboard, petitions or tenant:read; may be given more than once.
        #[arg(long = "scope", default_value = "login")]
        scopes: Vec<String>,
    },
    /// Disable a client, for good.
    Disable {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
    },
    #[command(flatten)]
    Secret(SecretCommand),
}

/// A client's secrets.
#[derive(Debug, Subcommand)]
pub(super) enum SecretCommand {
    /// List the live secrets of a client.
    Secrets {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
    },
    /// Make a second secret for a client and print its key, once; the first works on.
    Rotate {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
        /// How many days the key lives.
        #[arg(long, default_value_t = 90)]
        days: u16,
    },
    /// List the public keys of a client, and the service accounts that may sign in as it.
    Keys {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
    },
    /// Give a client a public key to sign in with.
    AddKey {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
        /// A file with one public JWK.
        file: PathBuf,
    },
    /// Let a service account of the cluster sign in as a client.
    Bind {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
        /// system:serviceaccount:NAMESPACE:NAME.
        service_account: String,
    },
    /// Remove a public key or a service account of a client, for good.
    RemoveKey {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
        /// The key's id, as `pawl client keys` lists it.
        key: String,
    },
    /// Revoke a live secret of a client.
    RevokeSecret {
        #[command(flatten)]
        place: InTenant,
        /// The client's id.
        client: String,
        /// The secret's id, as `pawl client secrets` lists it.
        secret: String,
    },
}

/// A tenant's users.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// List the users, up to a thousand.
    List {
        #[command(flatten)]
        place: InTenant,
        /// Begin after this user id.
        #[arg(long, default_value = "")]
        after: String,
    },
    /// Off-board a user, with or without a role.
    Offboard {
        #[command(flatten)]
        place: InTenant,
        /// The user's id.
        user: String,
    },
}

pub(super) fn random() -> Result<Entropy, String> {
    entropy().map_err(|error| explain(&error))
}

pub(super) async fn tenant(pawl: &Pawl, place: &InTenant) -> Result<TenantId, String> {
    let tenants = list_tenants(pawl).await.map_err(refused)?;
    match (&place.tenant, tenants.as_slice()) {
        (Some(id), _) => match tenants.iter().find(|row| row.tenant_id.as_str() == id) {
            Some(row) => Ok(row.tenant_id.clone()),
            None => Err("there is no such tenant".to_owned()),
        },
        (None, [only]) => Ok(only.tenant_id.clone()),
        (None, []) => Err("there is no tenant; start the server, or `pawl bootstrap`".to_owned()),
        (None, several) => {
            let names = several.iter().map(|row| (&row.tenant_id, row.name.as_str()));
            let names: Vec<_> = names.map(|(id, name)| format!("  {id} {name}")).collect();
            Err(format!("say which with --tenant:\n{}", names.join("\n")))
        }
    }
}

pub(super) fn audiences(texts: &[String]) -> Result<BTreeSet<Audience>, String> {
    let parse = |text: &String| Audience::parse(text).map_err(|e| format!("--audience {e}"));
    texts.iter().map(parse).collect()
}

pub(super) async fn client(
    config: &Config,
    pawl: &Pawl,
    command: ClientCommand,
) -> Result<(), String> {
    match command {
        ClientCommand::List(place) => {
            let tenant = tenant(pawl, &place).await?;
            for row in list_clients_of(pawl, tenant).await.map_err(refused)? {
                let state = if row.disabled_at.is_some() { "disabled" } else { "live" };
                say(&format!(
                    "{}  {state:8}  {}  {}",
                    row.id,
                    row.directory_id,
                    row.name.as_str()
                ))?;
            }
            Ok(())
        }
        ClientCommand::Create { place, name, directory, audiences: wanted, scopes } => {
            let tenant = tenant(pawl, &place).await?;
            let directory = directory.as_deref().map(DirectoryId::parse).transpose();
            let body = CreateClient {
                name: DisplayName::parse(&name).map_err(|error| format!("--name {error}"))?,
                directory_id: directory.map_err(|error| format!("--directory: {error}"))?,
                scopes: scopes_of(&scopes)?,
                audiences: audiences(&wanted)?,
                key_days: 90,
                reason: Reason::parse("made at the command line").map_err(|e| e.to_string())?,
                ticket_reference: None,
                proof: None,
            };
            let now = Clock::system().now();
            let delivery = Delivery::prepare(config)?;
            let key = create_client(pawl, tenant, body, now, random()?).await.map_err(refused)?;
            // Whether or not that was heard, the key is told once.
            let told = say(key.client_id.as_str());
            give_key(delivery, &key).and(told)
        }
        ClientCommand::Disable { place, client } => {
            let tenant = tenant(pawl, &place).await?;
            let id = ClientId::parse(&client).map_err(|error| error.to_string())?;
            let now = Clock::system().now();
            disable_client(pawl, tenant, id, now, random()?).await.map_err(refused)?;
            say("disabled")
        }
        ClientCommand::Secret(command) => secret(config, pawl, command).await,
    }
}

fn scopes_of(words: &[String]) -> Result<BTreeSet<Scope>, String> {
    let wanted = || Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    let scope = |word: &String| {
        Scope::parse(word).ok_or_else(|| format!("--scope wants one of {}", wanted()))
    };
    words.iter().map(scope).collect()
}

async fn secret(config: &Config, pawl: &Pawl, command: SecretCommand) -> Result<(), String> {
    let now = Clock::system().now();
    match command {
        SecretCommand::Secrets { place, client } => {
            let of = (tenant(pawl, &place).await?, client_id(&client)?);
            for secret in list_secrets_of(pawl, of, now).await.map_err(refused)? {
                say(&format!("{}  good until {}", secret.id, secret.expires_at))?;
            }
            Ok(())
        }
        SecretCommand::Rotate { place, client, days } => {
            let of = (tenant(pawl, &place).await?, client_id(&client)?);
            let delivery = Delivery::prepare(config)?;
            let key = rotate_by_server(pawl, of, days, now, random()?).await.map_err(refused)?;
            give_key(delivery, &key)
        }
        SecretCommand::Keys { place, client } => {
            let of = (tenant(pawl, &place).await?, client_id(&client)?);
            let listed = list_keys_of(pawl, of).await.map_err(refused)?;
            for key in listed.keys {
                say(&format!("{}  {}  {}", key.id, key.alg.as_str(), key.thumbprint))?;
            }
            for bound in listed.service_accounts {
                say(&format!("{}  {}", bound.id, bound.service_account.as_str()))?;
            }
            Ok(())
        }
        SecretCommand::AddKey { place, client, file } => {
            let of = (tenant(pawl, &place).await?, client_id(&client)?);
            let text =
                std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let jwk = serde_json::from_slice(&text)
                .map_err(|_| format!("{} is not one public JWK", file.display()))?;
            let with = SignsIn::Jwk(jwk);
            let id = add_by_server(pawl, of, with, now, random()?).await.map_err(refused)?;
            say(id.as_str())
        }
        SecretCommand::Bind { place, client, service_account } => {
            if config.workload.is_none() {
                return Err("PAWL_WORKLOAD_ISSUER is not set: no such token is taken".to_owned());
            }
            let of = (tenant(pawl, &place).await?, client_id(&client)?);
            let account = ServiceAccount::parse(&service_account);
            let account = account.map_err(|error| format!("the service account is {error}"))?;
            let with = SignsIn::ServiceAccount(account);
            let id = add_by_server(pawl, of, with, now, random()?).await.map_err(refused)?;
            say(id.as_str())
        }
        SecretCommand::RemoveKey { place, client, key } => {
            let of = (tenant(pawl, &place).await?, client_id(&client)?);
            let id = ClientKeyId::parse(&key).map_err(|error| error.to_string())?;
            remove_by_server(pawl, of, id, now, random()?).await.map_err(refused)?;
            say("removed")
        }
        SecretCommand::RevokeSecret { place, client, secret } => {
            let of = (tenant(pawl, &place).await?, client_id(&client)?);
            let id = ClientSecretId::parse(&secret).map_err(|error| error.to_string())?;
            revoke_by_server(pawl, of, id, now, random()?).await.map_err(refused)?;
            say("revoked")
        }
    }
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}

fn give_key(delivery: Delivery<'_>, key: &ClientKey) -> Result<(), String> {
    let words = format!("{}\ngood until {}\n", key.key.expose(), key.expires_at);
    delivery.give("The client's key", &format!("{}.txt", key.secret_id), &words)
}

pub(super) async fn user(pawl: &Pawl, command: UserCommand) -> Result<(), String> {
    let now = Clock::system().now();
    match command {
        UserCommand::List { place, after } => {
            let tenant = tenant(pawl, &place).await?;
            let users =
                list_users_of(pawl, tenant, after, now, random()?).await.map_err(refused)?;
            for user in users {
                let roles: Vec<_> = user.roles.iter().map(|role| role.as_str()).collect();
                let state = if user.offboarded_at.is_some() { "off-boarded" } else { "here" };
                let (external, roles) = (user.external_id.as_str(), roles.join(","));
                say(&format!("{}  {state:11}  {external}  {roles}", user.id))?;
            }
            Ok(())
        }
        UserCommand::Offboard { place, user } => {
            let tenant = tenant(pawl, &place).await?;
            let id = UserId::parse(&user).map_err(|error| error.to_string())?;
            offboard_user(pawl, tenant, id, now, random()?).await.map_err(refused)?;
            say("off-boarded")
        }
    }
}
