//! Logins and acts.

use actix_web::post;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppData;
use super::extract::{Body, Caller, LARGEST_POLICY, LARGEST_REPORT};
use super::reply::{Answer, ok};
use super::tokens::{Token, mint};
use crate::operations::acts::{Act, StepUp};
use crate::operations::evaluations::{EvaluateLogin, Evaluation, Obligation};
use crate::operations::recovery::{LossReport, Recovered, ReportLoss, UseRecoveryCode};
use crate::operations::verifications::VerifyCode;
use crate::operations::{self, access};
use crate::telemetry;

/// Ask what must happen after a primary login.
#[utoipa::path(
    operation_id = "evaluateLogin",
    tag = "logins",
    request_body = EvaluateLogin,
    responses((status = 200, description = "The decision.", body = Evaluation)),
)]
#[post("/v1/evaluations")]
pub async fn evaluate_login(
    app: AppData,
    caller: Caller<access::EvaluateLogin>,
    body: Body<EvaluateLogin, LARGEST_REPORT>,
) -> Answer<Evaluation> {
    let body = body.read()?;
    telemetry::note(|log| log.reported = body.treated());
    Ok(ok(operations::evaluations::evaluate_login(&app.pawl, caller.call, body).await?))
}

/// Use a recovery code.
///
/// It yields the right to enroll again, and no token.
#[utoipa::path(
    operation_id = "useRecoveryCode",
    tag = "logins",
    request_body = UseRecoveryCode,
    responses((status = 200, description = "A challenge for `beginEnrollment`.", body = Recovered)),
)]
#[post("/v1/challenges/recover")]
pub async fn use_recovery_code(
    app: AppData,
    caller: Caller<access::UseRecoveryCode>,
    body: Body<UseRecoveryCode>,
) -> Answer<Recovered> {
    let body = body.read()?;
    Ok(ok(operations::recovery::use_recovery_code(&app.pawl, caller.call, body).await?))
}

/// Report a lost authenticator.
///
/// With the password alone this files a petition; with a right code or recovery code it suspends the factor.
#[utoipa::path(
    operation_id = "reportLoss",
    tag = "logins",
    request_body = ReportLoss,
    responses((status = 200, description = "What became of it.", body = LossReport)),
)]
#[post("/v1/challenges/report-loss")]
pub async fn report_loss(
    app: AppData,
    caller: Caller<access::ReportLoss>,
    body: Body<ReportLoss>,
) -> Answer<LossReport> {
    let body = body.read()?;
    Ok(ok(operations::recovery::report_loss(&app.pawl, caller.call, body).await?))
}

/// Open a challenge for one act of the calling person.
#[utoipa::path(
    operation_id = "beginStepUp",
    tag = "logins",
    request_body = Act,
    responses((status = 200, description = "The challenge, and the act in words.", body = StepUp)),
)]
#[post("/v1/step-ups")]
pub async fn begin_step_up(
    app: AppData,
    caller: Caller<access::BeginStepUp>,
    body: Body<Act, LARGEST_POLICY>,
) -> Answer<StepUp> {
    let body = body.read()?;
    Ok(ok(operations::acts::begin_step_up(&app.pawl, caller.call, body).await?))
}

/// What a right code leads to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verification {
    /// One token for each audience that was asked for, in that order, from one proof.
    #[schema(max_items = 3)]
    pub tokens: Vec<Token>,
    /// What the user must do soon.
    #[schema(max_items = 10)]
    pub obligations: Vec<Obligation>,
}

/// Verify a code.
///
/// A wrong code, a replayed one and a user without a factor answer the same.
#[utoipa::path(
    operation_id = "verifyCode",
    tag = "logins",
    request_body = VerifyCode,
    responses((status = 200, description = "The tokens.", body = Verification)),
)]
#[post("/v1/challenges/verify")]
pub async fn verify_code(
    app: AppData,
    caller: Caller<access::VerifyCode>,
    body: Body<VerifyCode>,
) -> Answer<Verification> {
    let body = body.read()?;
    let committed = operations::verifications::verify_code(&app.pawl, caller.call, body).await?;
    let (tokens, verified) = mint(&app, committed).await?;
    let obligations = verified.obligations;
    Ok(ok(Verification { tokens, obligations }))
}
