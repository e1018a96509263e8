//! Enrollments, rotation, recovery codes.

use actix_web::post;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppData;
use super::extract::{Body, Caller};
use super::problem::{Code, Problem};
use super::reply::{Answer, created, no_content, ok};
use super::tokens::{Token, mint};
use crate::operations::confirmations::ConfirmEnrollment;
use crate::operations::enrollments::{
    BeginEnrollment, BeginRotation, CancelEnrollment, EnrollmentSecret,
};
use crate::operations::recovery::{RecoveryCodes, RegenerateRecoveryCodes};
use crate::operations::tickets::RedeemTicket;
use crate::operations::{self, Shown, access};

/// Begin an enrollment: the secret is shown once.
#[utoipa::path(
    operation_id = "beginEnrollment",
    tag = "enrollments",
    request_body = BeginEnrollment,
    responses((status = 201, description = "The secret.", body = EnrollmentSecret)),
)]
#[post("/v1/enrollments")]
pub async fn begin_enrollment(
    app: AppData,
    caller: Caller<access::BeginEnrollment>,
    body: Body<BeginEnrollment>,
) -> Answer<EnrollmentSecret> {
    let body = body.read()?;
    Ok(created(operations::enrollments::begin_enrollment(&app.pawl, caller.call, body).await?))
}

/// Give up an enrollment.
#[utoipa::path(
    operation_id = "cancelEnrollment",
    tag = "enrollments",
    request_body = CancelEnrollment,
    responses((status = 204, description = "Given up.")),
)]
#[post("/v1/enrollments/cancel")]
pub async fn cancel_enrollment(
    app: AppData,
    caller: Caller<access::CancelEnrollment>,
    body: Body<CancelEnrollment>,
) -> Answer<()> {
    let body = body.read()?;
    operations::enrollments::cancel_enrollment(&app.pawl, caller.call, body).await?;
    Ok(no_content())
}

/// Begin an enrollment with a ticket and a live challenge of its user.
#[utoipa::path(
    operation_id = "redeemTicket",
    tag = "enrollments",
    request_body = RedeemTicket,
    responses((status = 201, description = "The secret.", body = EnrollmentSecret)),
)]
#[post("/v1/tickets/redeem")]
pub async fn redeem_ticket(
    app: AppData,
    caller: Caller<access::RedeemTicket>,
    body: Body<RedeemTicket>,
) -> Answer<EnrollmentSecret> {
    let body = body.read()?;
    Ok(created(operations::tickets::redeem_ticket(&app.pawl, caller.call, body).await?))
}

/// Begin the replacement of one's own factor.
///
/// The old one works until the new one is confirmed.
#[utoipa::path(
    operation_id = "beginRotation",
    tag = "enrollments",
    request_body = BeginRotation,
    responses((status = 201, description = "The secret.", body = EnrollmentSecret)),
)]
#[post("/v1/rotations")]
pub async fn begin_rotation(
    app: AppData,
    caller: Caller<access::BeginRotation>,
    body: Body<BeginRotation>,
) -> Answer<EnrollmentSecret> {
    let body = body.read()?;
    Ok(created(operations::enrollments::begin_rotation(&app.pawl, caller.call, body).await?))
}

/// Replace one's own recovery codes.
#[utoipa::path(
    operation_id = "regenerateRecoveryCodes",
    tag = "enrollments",
    request_body = RegenerateRecoveryCodes,
    responses((status = 201, description = "Ten codes, shown once.", body = RecoveryCodes)),
)]
#[post("/v1/recovery-codes")]
pub async fn regenerate_recovery_codes(
    app: AppData,
    caller: Caller<access::RegenerateRecoveryCodes>,
    body: Body<RegenerateRecoveryCodes>,
) -> Answer<RecoveryCodes> {
    let body = body.read()?;
    Ok(created(
        operations::recovery::regenerate_recovery_codes(&app.pawl, caller.call, body).await?,
    ))
}

/// A bound factor.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnrollmentConfirmed {
    /// The tokens of the login that this enrollment is part of.
    #[schema(max_items = 3)]
    pub tokens: Vec<Token>,
    /// Ten recovery codes, shown once.
    #[schema(max_items = 10)]
    pub recovery_codes: Vec<Shown>,
}

/// Says, whatever the cause is, that the code of an earlier picture is never the right one: a person who
/// scanned that would try one code after the other.
fn of_the_last_picture(problem: Problem) -> Problem {
    if problem.code == Code::CodeRejected {
        let detail = "Ask for the next code of the picture that was shown last; each works once, and an \
                      earlier picture is void.";
        return Problem { detail: detail.to_owned(), ..problem };
    }
    problem
}

/// Confirm an enrollment by the first code of its secret.
///
/// That code counts as used. What the new factor replaces ends at the same moment.
#[utoipa::path(
    operation_id = "confirmEnrollment",
    tag = "enrollments",
    request_body = ConfirmEnrollment,
    responses((status = 200, description = "The factor is bound.", body = EnrollmentConfirmed)),
)]
#[post("/v1/enrollments/confirm")]
pub async fn confirm_enrollment(
    app: AppData,
    caller: Caller<access::ConfirmEnrollment>,
    body: Body<ConfirmEnrollment>,
) -> Answer<EnrollmentConfirmed> {
    let body = body.read()?;
    let committed =
        operations::confirmations::confirm_enrollment(&app.pawl, caller.call, body).await?;
    let (tokens, confirmed) = mint(&app, committed).await.map_err(of_the_last_picture)?;
    let recovery_codes = confirmed.recovery_codes;
    Ok(ok(EnrollmentConfirmed { tokens, recovery_codes }))
}
