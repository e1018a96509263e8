//! The whole story with the client that openapi-generator makes for Rust.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::Utc;
use pawl_client::apis::configuration::Configuration;
use pawl_client::apis::petitions_api::RequestDisableError;
use pawl_client::apis::{
    Error, enrollments_api, events_api, logins_api, overrides_api, petitions_api,
};
use pawl_client::models::*;

type Story<T> = Result<T, Box<dyn std::error::Error>>;

fn variable(name: &str) -> String {
    std::env::var(name).expect(name)
}

fn connect(credential: String) -> Configuration {
    let base_path = variable("PAWL_BASE_URL");
    Configuration { base_path, bearer_access_token: Some(credential), ..Configuration::default() }
}

/// What the phone shows.
fn show_code(secret: &str) -> Story<String> {
    let output = Command::new("oathtool").args(["--totp", "--base32", secret]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A code works once.
async fn wait_for_the_next_code() -> Story<()> {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() % 30_000;
    tokio::time::sleep(Duration::from_millis(30_000 - u64::try_from(passed)?)).await;
    Ok(())
}

/// The console checked the password; what now?
async fn log_in(console: &Configuration, user: &str, audiences: &[&str]) -> Story<Evaluation> {
    let audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
    let primary = PrimaryLogin::new(PrimaryMethod::Password, Utc::now().fixed_offset());
    let body = EvaluateLogin::new(user.to_owned(), user.to_owned(), audiences, primary);
    Ok(logins_api::evaluate_login(console, body).await?)
}

async fn confirm(
    console: &Configuration,
    enrollment: &str,
    secret: &str,
) -> Story<EnrollmentConfirmed> {
    let body = ConfirmEnrollment::new(enrollment.to_owned(), show_code(secret)?);
    Ok(enrollments_api::confirm_enrollment(console, body).await?)
}

#[tokio::main]
async fn main() -> Story<()> {
    let console = connect(variable("CONSOLE_KEY"));
    let (issuer, admin_secret) = (variable("CONSOLE_ISSUER"), variable("ADMIN_SECRET"));

    // The first administrator's secret was printed at the first start.
    let Evaluation::Enroll(decision) = log_in(&console, "admin", &["console", &issuer]).await?
    else {
        return Err("the administrator does not enroll".into());
    };
    let waiting = decision.enrollment.ok_or("no waiting enrollment")?;
    let confirmed = confirm(&console, &waiting.handle, &admin_secret).await?;
    let token = confirmed.tokens.into_iter().find(|token| token.audience == issuer);
    let person = connect(token.ok_or("no token for Pawl")?.access_token);

    // A user whom Pawl does not know yet.
    let Evaluation::Enroll(decision) = log_in(&console, "ada", &["console"]).await? else {
        return Err("the user does not enroll".into());
    };
    let ada = decision.user_id;
    let challenge = decision.challenge.ok_or("no challenge")?.handle;
    let shown =
        enrollments_api::begin_enrollment(&console, BeginEnrollment::new(challenge)).await?;
    let confirmed = confirm(&console, &shown.enrollment, &shown.secret).await?;
    assert_eq!(confirmed.recovery_codes.len(), 10);
    println!("step enroll");

    wait_for_the_next_code().await?;
    let Evaluation::Challenge(decision) = log_in(&console, "ada", &["console"]).await? else {
        return Err("the user is not asked for a code".into());
    };
    let body = VerifyCode::new(decision.challenge.handle, show_code(&shown.secret)?);
    let verification = logins_api::verify_code(&console, body).await?;
    assert_eq!(verification.tokens[0].audience, "console");
    println!("step verify");

    refuse(&console, &ada).await?;
    println!("step refuse");
    grant(&person, &ada, &admin_secret).await?;
    assert!(matches!(log_in(&console, "ada", &["console"]).await?, Evaluation::Exempt(_)));
    println!("step override");
    list(&person).await?;
    println!("step list");
    Ok(())
}

async fn refuse(console: &Configuration, user: &str) -> Story<()> {
    let body = RequestDisable {
        petition: Some(true),
        reason: Some(Some("my phone is at home today".to_owned())),
    };
    let Err(Error::ResponseError(refusal)) =
        petitions_api::request_disable(console, user, body).await
    else {
        return Err("MFA was switched off".into());
    };
    // The variant says nothing, for all hold the same type and the first one fits: the status does.
    assert_eq!(refusal.status.as_u16(), 403);
    let Some(RequestDisableError::Status400(problem)) = refusal.entity else {
        return Err("not a problem".into());
    };
    assert_eq!(problem.code, ProblemCode::MfaDisableRefused);
    assert_eq!(problem.r#type, "urn:pawl:problem:mfa-disable-refused");
    assert!(problem.petition_id.is_some());
    Ok(())
}

/// The step-up carries the whole act; the operation carries the same again, with the proof.
async fn grant(person: &Configuration, user: &str, secret: &str) -> Story<()> {
    let mut body = RequestOverride {
        audiences: Some(vec!["console".to_owned()]),
        expires_at: Some(Some((Utc::now() + Duration::from_secs(3600)).fixed_offset())),
        ..RequestOverride::new(
            user.to_owned(),
            PetitionKind::Exempt,
            "phone forgotten, seen in person".to_owned(),
        )
    };
    let act = Act::RequestOverride(Box::new(RequestOverrideAct::new(body.clone())));
    let step_up = logins_api::begin_step_up(person, act).await?;
    body.proof = Some(Some(Box::new(Proof::new(step_up.challenge.handle, show_code(secret)?))));
    let result = overrides_api::request_override(person, body).await?;
    assert_eq!(result.r#override.state, OverrideState::Approved);
    Ok(())
}

async fn list(person: &Configuration) -> Story<()> {
    let (mut kinds, mut ids, mut pages) = (HashSet::new(), HashSet::new(), 0);
    let mut cursor: Option<String> = None;
    loop {
        let page =
            events_api::list_events(person, None, None, None, None, cursor.as_deref(), Some(5))
                .await?;
        if page.items.is_empty() {
            break;
        }
        for event in page.items {
            assert!(ids.insert(event.id));
            kinds.insert(event.kind);
        }
        (cursor, pages) = (page.next_cursor, pages + 1);
    }
    assert!(pages > 1);
    assert!(
        kinds.contains(&EventKind::DisableRefused) && kinds.contains(&EventKind::OverrideApproved)
    );
    Ok(())
}
