//! The page that the console is there for. Only a verified code opens it.

use actix_web::{HttpResponse, get, web};

use super::bar::bar;
use super::html;
use super::html::Page;
use super::sessions::Because;
use super::trouble::Trouble;
use super::visit::Visit;

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

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show_detections);
}
