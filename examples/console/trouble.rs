//! Whatever does not go well, as a page that says what to do next.

use std::fmt;
use std::io::Write as _;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use super::api::{Failure, Problem};
use super::html;
use super::html::{Page, see, when};

/// Why a page cannot be shown.
#[derive(Debug)]
pub enum Trouble {
    /// Only for who is signed in.
    SignIn,
    /// Only for who proved it with a code.
    CodeOnly,
    /// Pawl refused.
    Refused(Box<Problem>),
    /// Pawl did not answer, or not so that it can be understood: nobody gets in.
    Closed,
    /// A form that this session was not shown.
    Forged,
    /// No such page.
    NotFound,
    /// This console itself.
    Broken(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(problem) => Self::Refused(problem),
            Failure::Unknown(why) => {
                let _ = writeln!(std::io::stderr(), "console: Pawl gave no answer: {why}");
                Self::Closed
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

impl ResponseError for Trouble {
    fn error_response(&self) -> HttpResponse {
        let (status, title, text) = match self {
            Self::SignIn => return see("/sign-in"),
            Self::Closed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Closed for the moment",
                "The service that checks codes does not answer, and without it nobody is let in: not \
                 knowing is no reason to skip the code. Nothing was changed. Please try again in a \
                 minute."
                    .to_owned(),
            ),
            Self::CodeOnly => (
                StatusCode::FORBIDDEN,
                "This page needs a code",
                "You are signed in without a code, and this page is only for sign-ins with one. Sign \
                 out, and in again once your authenticator is at hand."
                    .to_owned(),
            ),
            Self::Refused(problem) => {
                (StatusCode::CONFLICT, "That was not done", advice(problem))
            }
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "That form is out of date",
                "Nothing was done. Go back, load the page anew and try again.".to_owned(),
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is no such page",
                "Perhaps the address was mistyped.".to_owned(),
            ),
            Self::Broken(why) => {
                let _ = writeln!(std::io::stderr(), "console: {why}");
                let text = "Nothing was done. Please tell whoever runs this console.".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, "Something is broken here", text)
            }
        };
        let body = html!(r#"<p class="lead">{}</p><p><a href="/">Go on</a></p>"#, text);
        Page { title, bar: None, body }.with(status)
    }
}

/// What to do next, in the words of this console: by the code, and by nothing else.
pub fn advice(problem: &Problem) -> String {
    let text = match problem.code.as_str() {
        "code-rejected" => {
            "That code was not accepted. Each code works once: wait for the next one that your \
             authenticator shows."
        }
        "too-many-attempts" => {
            let seconds = problem.retry_after_seconds.unwrap_or(60);
            return format!(
                "Too many codes were tried. The next one is looked at in {seconds} seconds, and until \
                 then not even the right one."
            );
        }
        "challenge-over" | "enrollment-over" | "stale-primary-login" => {
            "That took too long, or was done already. Please start again."
        }
        "ticket-over" => "That ticket is used, out of date or not yours. Ask for a new one.",
        "ticket-required" => {
            "You need a ticket to set up an authenticator. Ask your administrator."
        }
        "already-enrolled" => "There is an authenticator already.",
        "not-enrolled" => "This user has no authenticator yet, and must set one up first.",
        "user-offboarded" => "This user has left.",
        "unauthenticated" => {
            "Your proof of identity is too old for this. Sign out and in again, then repeat it."
        }
        "forbidden" => "Your role does not allow this.",
        "own-account" => "Nobody weakens MFA for themselves. Ask another administrator.",
        "not-an-approver" => {
            "The requester, the approver and the user it is for must be different people."
        }
        "factor-too-new" => {
            let from = problem.usable_from.as_deref().map_or("tomorrow".to_owned(), when);
            return format!(
                "Your authenticator is too new to weaken anything. It may from {from}."
            );
        }
        "second-person-required" => {
            "This needs the approval of a second administrator, and there is none with an \
             authenticator who could give it."
        }
        "expiry-out-of-bounds" => {
            let latest = problem.latest.as_deref().map_or("then".to_owned(), when);
            return format!("The end must lie ahead, and not after {latest}.");
        }
        "exemption-not-allowed" => "The policy allows no exemption for this user.",
        "petition-decided" => "Somebody has decided about this already.",
        "override-not-open" | "digest-mismatch" => {
            "This has changed since the page was made. Look at it again."
        }
        "too-many-overrides" => "You have ten open overrides. End some of them first.",
        "proof-mismatch" | "proof-required" => "Please begin this anew.",
        "not-found" => "There is no such thing here.",
        "invalid-request" => {
            let reason = problem.reason.as_deref().unwrap_or("something is not well formed");
            let field = problem.field.as_deref().unwrap_or("the form");
            return format!(
                "Please correct what you sent. A reason is a sentence of 15 letters or more. ({field}: {reason}.)"
            );
        }
        other => return format!("Pawl refused this ({other}). Ask your administrator."),
    };
    text.to_owned()
}
