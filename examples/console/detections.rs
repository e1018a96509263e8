//! The page that the console is there for, and the same for programs. Only a verified code opens either.

use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use jiff::Timestamp;
use serde_json::json;

use super::bar::bar;
use super::html;
use super::html::Page;
use super::sessions::Because;
use super::tokens::Wanted;
use super::trouble::Trouble;
use super::visit::Visit;
use super::{AUDIENCE, Console};

const FOUND: [(&str, &str, &str); 4] = [
    ("High", "Sign-in from two continents within an hour", "finance-04"),
    ("High", "Backups deleted by a new account", "vault-01"),
    ("Medium", "Unsigned driver loaded", "dock-17"),
    ("Low", "Port scan from the guest network", "lobby-02"),
];

#[get("/detections")]
async fn show_detections(visit: Visit) -> Result<HttpResponse, Trouble> {
    let signed_in = visit.signed_in()?;
    let Because::Code(_) = &signed_in.because else { return Err(Trouble::CodeOnly) };
    let rows = FOUND.map(|(severity, what, host)| {
        html!(
            r#"<tr><td><span class="tag {}">{}</span></td><td>{}</td><td><code>{}</code></td></tr>"#,
            severity.to_lowercase(),
            severity,
            what,
            host
        )
    });
    let body = html!(
        r#"<p class="lead">Today, on the hosts of your organization.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Detections"><table><thead><tr><th scope="col">Severity</th><th scope="col">What</th><th scope="col">Host</th></tr></thead>
<tbody>{}</tbody></table></div>"#,
        Vec::from(rows)
    );
    Ok(Page { title: "Detections", bar: Some(bar(&visit, signed_in)?), body }.ok())
}

/// The same for a program that sends a token of its own in place of a session: what `pawl probe` asks.
#[get("/api/detections")]
async fn list_detections(request: HttpRequest, console: web::Data<Console>) -> HttpResponse {
    let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let now = Timestamp::now().as_second();
    for tenant in &console.tenants {
        let wanted = Wanted { issuer: &tenant.issuer, audience: AUDIENCE, now };
        match console.keys.check(token, &wanted).await {
            Ok(Some(_)) => {
                let list = FOUND.map(|(severity, what, host)| {
                    json!({ "severity": severity, "what": what, "host": host })
                });
                return HttpResponse::Ok().json(list);
            }
            Ok(None) => {}
            // Without keys nothing is believed.
            Err(_) => return HttpResponse::ServiceUnavailable().finish(),
        }
    }
    let challenge = (WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
    HttpResponse::Unauthorized().insert_header(challenge).finish()
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show_detections).service(list_detections);
}
