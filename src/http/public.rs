//! What anybody may read: the key set, a tenant's metadata, this document.

use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use super::calls::MetadataCall;
use super::client_tokens::endpoint;
use super::extract::Named;
use super::problem::{Code, Problem};
use super::shared::{is_known, kept};
use super::{App, AppData};
use crate::mfa::client::Scope;
use crate::mfa::client_key::KeyAlgorithm;
use crate::mfa::ids::TenantId;
use crate::mfa::token_key::MAX_AGE;
use crate::operations::tenants::is_tenant;
use crate::telemetry;
use crate::token::issuer;

/// Seconds that a consumer may keep the key set and the metadata.
pub const MAX_AGE_SECONDS: i64 = MAX_AGE.as_seconds_up();

/// One public key (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct Jwk {
    /// Always `EC`.
    pub kty: String,
    /// Always `P-256`.
    pub crv: String,
    /// The point's x.
    pub x: String,
    /// The point's y.
    pub y: String,
    /// Always `ES256`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub r#use: String,
    /// The RFC 7638 thumbprint.
    pub kid: String,
}

/// The keys that sign every tenant's tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct Jwks {
    /// The keys, by `kid`.
    #[schema(max_items = 1000)]
    pub keys: Vec<Jwk>,
}

/// RFC 8414 metadata: only what works.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerMetadata {
    /// `iss` of every token of this tenant.
    #[schema(format = "uri")]
    pub issuer: String,
    /// Where the key set is.
    #[schema(format = "uri")]
    pub jwks_uri: String,
    /// What tokens are signed with.
    #[schema(max_items = 10)]
    pub access_token_signing_alg_values_supported: Vec<String>,
    /// The only `acr`.
    #[schema(max_items = 10)]
    pub acr_values_supported: Vec<String>,
    /// Where a client gets an access token.
    #[schema(format = "uri")]
    pub token_endpoint: String,
    /// How a client authenticates there.
    #[schema(max_items = 10)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// What a client may sign with.
    #[schema(max_items = 10)]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// What it is given for.
    #[schema(max_items = 10)]
    pub grant_types_supported: Vec<String>,
    /// What a client may do.
    #[schema(max_items = 10)]
    pub scopes_supported: Vec<String>,
    /// RFC 8414 asks for it; there is no authorization endpoint, so it is empty.
    #[schema(max_items = 10)]
    pub response_types_supported: Vec<String>,
}

fn cached(bytes: Vec<u8>, etag: Option<&str>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header(kept());
    if let Some(etag) = etag {
        response.insert_header((ETAG, etag));
    }
    response.content_type("application/json").body(bytes)
}

/// Read the key set.
#[utoipa::path(
    operation_id = "getJwks",
    tag = "public",
    responses(
        (
            status = 200,
            description = "The keys.",
            body = Jwks,
            headers(("ETag" = String, description = "Changes with the keys."))
        ),
        (
            status = 304,
            description = "As `If-None-Match` says.",
            headers(("ETag" = String, description = "The one that the caller has."))
        ),
    ),
)]
#[get("/.well-known/jwks.json")]
pub async fn get_jwks(app: AppData, request: HttpRequest) -> Result<HttpResponse, Problem> {
    telemetry::note(|log| log.operation = Some("get_jwks"));
    let keys = app.keys.fresh(app.clock.now()).await?;
    let (set, etag) = (&keys.set, keys.set.etag());
    if is_known(request.headers(), &[etag]) {
        let mut unchanged = HttpResponse::NotModified();
        return Ok(unchanged.insert_header((ETAG, etag)).insert_header(kept()).finish());
    }
    Ok(cached(set.json().to_vec(), Some(etag)))
}

/// Read a tenant's metadata (RFC 8414).
#[utoipa::path(
    operation_id = "getServerMetadata",
    tag = "public",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    responses((status = 200, description = "The metadata.", body = ServerMetadata)),
)]
#[get("/.well-known/oauth-authorization-server/t/{tenant_id}")]
pub async fn get_server_metadata(
    _charged: MetadataCall,
    app: AppData,
    id: Named<TenantId>,
) -> Result<HttpResponse, Problem> {
    telemetry::note(|log| log.operation = Some("get_server_metadata"));
    metadata(&app, id.read()?).await
}

/// Where else clients look for the metadata. Discovery of `OpenID` Connect puts the well-known part
/// after the issuer, RFC 8414 between its host and its path; a base URL under a path has the path there.
pub const OPENID_BY_ISSUER: &str = "/t/{tenant_id}/.well-known/openid-configuration";
/// The same name, which some clients of RFC 8414 put after the issuer.
pub const BY_ISSUER: &str = "/t/{tenant_id}/.well-known/oauth-authorization-server";
/// Where RFC 8414 puts the other name.
pub const OPENID: &str = "/.well-known/openid-configuration/t/{tenant_id}";
/// The base URL's path stands before the tenant.
pub const BEHIND_A_PATH: &str = "/.well-known/oauth-authorization-server/{path:.+}/t/{tenant_id}";
/// The same, of the other name.
pub const OPENID_BEHIND_A_PATH: &str = "/.well-known/openid-configuration/{path:.+}/t/{tenant_id}";

/// What is found there, and not documented: one path is enough for a generated client.
///
/// # Errors
/// `not-found`, `unavailable`.
pub async fn metadata_elsewhere(
    _charged: MetadataCall,
    app: AppData,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    telemetry::note(|log| log.operation = Some("get_server_metadata"));
    let path = request.match_info().get("path");
    let is_ours = path.is_none_or(|path| path_of(&app.pawl.base_url) == Some(path));
    let id = request.match_info().get("tenant_id").and_then(|id| TenantId::parse(id).ok());
    match id.filter(|_| is_ours) {
        Some(id) => metadata(&app, id).await,
        None => Err(Problem::new(Code::NotFound)),
    }
}

/// The path of the base URL, without the slash before it.
fn path_of(base: &str) -> Option<&str> {
    base.split_once("://")?.1.split_once('/').map(|(_, path)| path)
}

async fn metadata(app: &App, id: TenantId) -> Result<HttpResponse, Problem> {
    if !is_tenant(&app.pawl, id.clone()).await? {
        return Err(Problem::new(Code::NotFound));
    }
    let metadata = ServerMetadata {
        issuer: issuer(&app.pawl.base_url, &id),
        jwks_uri: format!("{}/.well-known/jwks.json", app.pawl.base_url),
        access_token_signing_alg_values_supported: vec!["ES256".to_owned()],
        acr_values_supported: vec!["urn:pawl:acr:totp".to_owned()],
        token_endpoint: endpoint(&app.pawl.base_url),
        token_endpoint_auth_methods_supported: vec!["private_key_jwt".to_owned()],
        token_endpoint_auth_signing_alg_values_supported: KeyAlgorithm::ALL
            .iter()
            .map(|algorithm| algorithm.as_str().to_owned())
            .collect(),
        grant_types_supported: vec!["client_credentials".to_owned()],
        scopes_supported: Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect(),
        response_types_supported: Vec::new(),
    };
    let json = serde_json::to_vec(&metadata).map_err(|_| Problem::new(Code::Unavailable))?;
    Ok(cached(json, None))
}

/// Read this document.
#[utoipa::path(
    operation_id = "getOpenapi",
    tag = "public",
    responses(
        (
            status = 200,
            description = "OpenAPI 3.1.",
            body = serde_json::Value,
            content_type = "application/json",
            headers(("ETag" = String, description = "Changes with the document."))
        ),
        (
            status = 304,
            description = "As `If-None-Match` says.",
            headers(("ETag" = String, description = "The one that the caller has."))
        ),
    ),
)]
#[get("/openapi.json")]
pub async fn get_openapi(app: AppData, request: HttpRequest) -> Result<HttpResponse, Problem> {
    telemetry::note(|log| log.operation = Some("get_openapi"));
    app.document.answer(&request)
}
