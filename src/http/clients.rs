//! Clients.

use actix_web::{delete, get, post};

use super::AppData;
use super::extract::{Body, Caller, Named, PageQuery, Query, page};
use super::problem::Problem;
use super::reply::{Answer, ok, requested};
use crate::mfa::ids::{ClientId, ClientKeyId, ClientSecretId};
use crate::operations::client_endings::{self, DisableClient};
use crate::operations::client_keys::{self, AddClientKey};
use crate::operations::client_secrets::{self, RotateClientSecret};
use crate::operations::client_updates::{self, UpdateClient};
use crate::operations::clients::{Client, ClientPage, CreateClient};
use crate::operations::overrides::OverrideResult;
use crate::operations::{self, access};

/// Make a client for a console.
///
/// Its key is shown once: here, or to the requester by `collectOverride` if approvals are needed.
#[utoipa::path(
    operation_id = "createClient",
    tag = "clients",
    request_body = CreateClient,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/clients")]
pub async fn create_client(
    app: AppData,
    caller: Caller<access::CreateClient>,
    body: Body<CreateClient>,
) -> Answer<OverrideResult> {
    let body = body.read()?;
    let base = &app.pawl.base_url;
    let result = operations::clients::create_client(&app.pawl, caller.call, body).await?;
    let made = result.client_key.as_ref().map(|key| format!("{base}/v1/clients/{}", key.client_id));
    let reply = requested(base, result);
    Ok(match made {
        Some(place) => reply.at(place),
        None => reply,
    })
}

/// List clients.
#[utoipa::path(
    operation_id = "listClients",
    tag = "clients",
    params(PageQuery),
    responses((status = 200, description = "A page of clients.", body = ClientPage)),
)]
#[get("/v1/clients")]
pub async fn list_clients(
    app: AppData,
    caller: Caller<access::ListClients>,
    query: Query<PageQuery>,
) -> Answer<ClientPage> {
    let query = query.read()?;
    Ok(ok(operations::clients::list_clients(
        &app.pawl,
        caller.call,
        page(query.cursor, query.limit)?,
    )
    .await?))
}

/// Read a client.
#[utoipa::path(
    operation_id = "getClient",
    tag = "clients",
    params(("client_id" = ClientId, Path, description = "The client.")),
    responses((status = 200, description = "The client.", body = Client)),
)]
#[get("/v1/clients/{client_id}")]
pub async fn get_client(
    app: AppData,
    caller: Caller<access::GetClient>,
    id: Named<ClientId>,
) -> Answer<Client> {
    let id = id.read()?;
    Ok(ok(operations::clients::get_client(&app.pawl, caller.call, id).await?))
}

/// Disable a client, for good.
#[utoipa::path(
    operation_id = "disableClient",
    tag = "clients",
    params(("client_id" = ClientId, Path, description = "The client.")),
    request_body = DisableClient,
    responses((status = 200, description = "The client.", body = Client)),
)]
#[post("/v1/clients/{client_id}/disable")]
pub async fn disable_client(
    app: AppData,
    caller: Caller<access::DisableClient>,
    id: Named<ClientId>,
    body: Body<DisableClient>,
) -> Answer<Client> {
    let id = id.read()?;
    let body = body.read()?;
    Ok(ok(client_endings::disable_client(&app.pawl, caller.call, id, body).await?))
}

/// Replace a client's scopes and audiences.
///
/// Its next call is judged by the new ones. A login that it began for an audience that it loses is over; a token that
/// was issued for it works until it expires. Without the scope `login` no token of a person works at Pawl that was
/// issued through it.
#[utoipa::path(
    operation_id = "updateClient",
    tag = "clients",
    params(("client_id" = ClientId, Path, description = "The client.")),
    request_body = UpdateClient,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/clients/{client_id}/update")]
pub async fn update_client(
    app: AppData,
    caller: Caller<access::UpdateClient>,
    id: Named<ClientId>,
    body: Body<UpdateClient>,
) -> Answer<OverrideResult> {
    let id = id.read()?;
    let body = body.read()?;
    let result = client_updates::update_client(&app.pawl, caller.call, id, body).await?;
    Ok(requested(&app.pawl.base_url, result))
}

/// Give a client a second secret.
///
/// The new key is shown once: here, or to the requester by `collectOverride` if approvals are needed. The old
/// one works on until it is revoked or ends.
#[utoipa::path(
    operation_id = "rotateClientSecret",
    tag = "clients",
    params(("client_id" = ClientId, Path, description = "The client.")),
    request_body = RotateClientSecret,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/clients/{client_id}/secrets")]
pub async fn rotate_client_secret(
    app: AppData,
    caller: Caller<access::RotateClientSecret>,
    id: Named<ClientId>,
    body: Body<RotateClientSecret>,
) -> Answer<OverrideResult> {
    let id = id.read()?;
    let body = body.read()?;
    let result = client_secrets::rotate_client_secret(&app.pawl, caller.call, id, body).await?;
    Ok(requested(&app.pawl.base_url, result))
}

/// Revoke a live secret of a client.
#[utoipa::path(
    operation_id = "revokeClientSecret",
    tag = "clients",
    params(
        ("client_id" = ClientId, Path, description = "The client."),
        ("secret_id" = ClientSecretId, Path, description = "The secret, not the key."),
    ),
    responses((status = 200, description = "The client.", body = Client)),
)]
#[delete("/v1/clients/{client_id}/secrets/{secret_id}")]
pub async fn revoke_client_secret(
    app: AppData,
    caller: Caller<access::RevokeClientSecret>,
    ids: Named<(ClientId, ClientSecretId)>,
) -> Answer<Client> {
    let ids = ids.read()?;
    Ok(ok(client_secrets::revoke_client_secret(&app.pawl, caller.call, ids).await?))
}

/// Give a client a public key to sign in with, or let a service account of the cluster sign in as it.
///
/// `issueClientToken` takes what the private key signs, or the service account's token. No private key is
/// ever sent to Pawl.
#[utoipa::path(
    operation_id = "addClientKey",
    tag = "clients",
    params(("client_id" = ClientId, Path, description = "The client.")),
    request_body = AddClientKey,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/clients/{client_id}/keys")]
pub async fn add_client_key(
    app: AppData,
    caller: Caller<access::AddClientKey>,
    id: Named<ClientId>,
    body: Body<AddClientKey>,
) -> Answer<OverrideResult> {
    let id = id.read()?;
    let body = body.read()?;
    if body.service_account.is_some() && app.workloads.is_none() {
        return Err(Problem::invalid("service_account", "this server takes no such tokens"));
    }
    let result = client_keys::add_client_key(&app.pawl, caller.call, id, body).await?;
    Ok(requested(&app.pawl.base_url, result))
}

/// Remove a public key of a client, for good.
#[utoipa::path(
    operation_id = "removeClientKey",
    tag = "clients",
    params(
        ("client_id" = ClientId, Path, description = "The client."),
        ("key_id" = ClientKeyId, Path, description = "The key."),
    ),
    responses((status = 200, description = "The client.", body = Client)),
)]
#[delete("/v1/clients/{client_id}/keys/{key_id}")]
pub async fn remove_client_key(
    app: AppData,
    caller: Caller<access::RemoveClientKey>,
    ids: Named<(ClientId, ClientKeyId)>,
) -> Answer<Client> {
    let ids = ids.read()?;
    Ok(ok(client_keys::remove_client_key(&app.pawl, caller.call, ids).await?))
}
