//! Policy versions.

use actix_web::http::header::IF_MATCH;
use actix_web::{HttpRequest, get, put};

use super::AppData;
use super::extract::{Body, Caller, LARGEST_POLICY, PageQuery, Query, page};
use super::reply::{Answer, Either, ok, waiting};
use crate::operations::overrides::OverrideResult;
use crate::operations::policies::{PolicyVersion, PolicyVersionPage, PutOutcome, PutPolicy};
use crate::operations::{self, access};

/// List policy versions, newest first.
#[utoipa::path(
    operation_id = "listPolicyVersions",
    tag = "policy",
    params(PageQuery),
    responses((status = 200, description = "A page of versions.", body = PolicyVersionPage)),
)]
#[get("/v1/policy/versions")]
pub async fn list_policy_versions(
    app: AppData,
    caller: Caller<access::ListPolicyVersions>,
    query: Query<PageQuery>,
) -> Answer<PolicyVersionPage> {
    let query = query.read()?;
    Ok(ok(operations::policies::list_policy_versions(
        &app.pawl,
        caller.call,
        page(query.cursor, query.limit)?,
    )
    .await?))
}

/// Read the policy in force.
///
/// The `ETag` is what `putPolicy` wants as `If-Match`.
#[utoipa::path(
    operation_id = "getPolicy",
    tag = "policy",
    responses((
        status = 200,
        description = "The policy.",
        body = PolicyVersion,
        headers(("ETag" = String, description = "The version, quoted."))
    )),
)]
#[get("/v1/policy")]
pub async fn get_policy(app: AppData, caller: Caller<access::GetPolicy>) -> Answer<PolicyVersion> {
    let version = operations::policies::get_policy(&app.pawl, caller.call).await?;
    let etag = etag(version.version);
    Ok(ok(version).with_etag(etag))
}

/// Replace the policy.
///
/// Tightening applies at once. Weakening needs a reason and a proof, and approvals where the policy
/// demands them.
#[utoipa::path(
    operation_id = "putPolicy",
    tag = "policy",
    params(("If-Match" = String, Header, description = "The ETag of the version that this replaces.")),
    request_body = PutPolicy,
    responses(
        (
            status = 200,
            description = "In force.",
            body = PolicyVersion,
            headers(("ETag" = String, description = "The version, quoted."))
        ),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[put("/v1/policy")]
pub async fn put_policy(
    app: AppData,
    caller: Caller<access::PutPolicy>,
    request: HttpRequest,
    body: Body<PutPolicy, LARGEST_POLICY>,
) -> Answer<Either<PolicyVersion, OverrideResult>> {
    let body = body.read()?;
    let if_match = request.headers().get(IF_MATCH).and_then(|value| value.to_str().ok());
    let if_match = if_match.map(str::to_owned);
    Ok(match operations::policies::put_policy(&app.pawl, caller.call, if_match, body).await? {
        PutOutcome::InForce(version) => {
            let etag = etag(version.version);
            ok(Either::Left(*version)).with_etag(etag)
        }
        PutOutcome::Waiting(result) => waiting(&app.pawl.base_url, *result),
    })
}

fn etag(version: i64) -> String {
    format!("\"{version}\"")
}
