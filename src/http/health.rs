//! The second port: whether the process lives, and whether it can answer.

use actix_web::{HttpResponse, get, web};

use super::App;
use crate::operations::keys::system_tenant;
use crate::operations::tenants::is_tenant;

/// The process lives. It does not ask the database.
#[get("/livez")]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// The process can answer: the database can be read.
#[get("/readyz")]
pub async fn readyz(app: web::Data<App>) -> HttpResponse {
    match is_tenant(&app.pawl, system_tenant()).await {
        Ok(_) => HttpResponse::Ok().content_type("text/plain").body("ok\n"),
        Err(_) => HttpResponse::ServiceUnavailable().content_type("text/plain").body("database\n"),
    }
}
