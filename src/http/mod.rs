//! What is said: routes, bodies, problems, the document.

mod absence;
mod body;
mod bounds;
mod callers;
pub mod calls;
pub mod client_tokens;
pub mod clients;
mod components;
pub mod connection;
pub mod contract;
pub mod docs;
pub mod document;
pub mod enrollments;
pub mod events;
mod examples;
pub mod extract;
pub mod health;
pub mod logins;
pub mod methods;
pub mod overrides;
pub mod petitions;
pub mod policies;
pub mod problem;
pub mod public;
mod read_at;
pub mod reply;
mod request;
pub mod roles;
mod shape;
pub mod shared;
pub mod tenants;
pub mod tickets;
pub mod token_keys;
pub mod tokens;
pub mod users;
pub mod workloads;

use std::sync::Arc;

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use self::calls::Calls;
use self::connection::Limits;
use self::health::Draining;
use crate::clock::Clock;
use crate::mfa::source::Proxies;
use crate::operations::Pawl;
use crate::telemetry::Exporter;
use shared::ServedDocument;
use token_keys::LiveKeys;
use workloads::Workloads;

pub use request::{log_request, not_found};

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    /// The operations' side.
    pub pawl: Pawl,
    /// Mints and checks.
    pub keys: Arc<LiveKeys>,
    /// The cluster whose service accounts may sign in as clients, if there is one.
    pub workloads: Option<Arc<Workloads>>,
    /// Tells the time.
    pub clock: Clock,
    /// The OpenAPI document.
    pub document: Arc<ServedDocument>,
    /// How many calls each caller may make.
    pub calls: Arc<Calls>,
    /// How long a peer may take.
    pub limits: Limits,
    /// Who is believed about where a request came from.
    pub proxies: Arc<Proxies>,
    /// Whether the process is about to end.
    pub draining: Draining,
    /// Where traces go, if anywhere.
    pub traces: Option<Arc<Exporter>>,
}

/// How a handler gets it.
pub type AppData = web::Data<App>;

/// Every route, once: the server registers these, and the document is made from these.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(logins::evaluate_login)
        .service(logins::verify_code)
        .service(logins::use_recovery_code)
        .service(logins::report_loss)
        .service(logins::begin_step_up)
        .service(enrollments::begin_enrollment)
        .service(enrollments::confirm_enrollment)
        .service(enrollments::cancel_enrollment)
        .service(enrollments::redeem_ticket)
        .service(enrollments::begin_rotation)
        .service(enrollments::regenerate_recovery_codes)
        .service(users::upsert_user)
        .service(users::list_users)
        .service(users::lookup_user)
        // The path is not that of a user whose id is `lookup`.
        .route("/v1/users/lookup", web::get().to(not_found))
        .service(users::get_user)
        .service(users::offboard_user)
        .service(users::get_mfa_status)
        .service(petitions::request_disable)
        .service(petitions::create_petition)
        .service(petitions::list_petitions)
        .service(petitions::get_petition)
        .service(petitions::withdraw_petition)
        .service(petitions::deny_petition)
        .service(petitions::take_up_petition)
        .service(overrides::request_override)
        .service(overrides::list_overrides)
        .service(overrides::get_override)
        .service(overrides::approve_override)
        .service(overrides::collect_override)
        .service(overrides::deny_override)
        .service(overrides::withdraw_override)
        .service(overrides::shorten_override)
        .service(overrides::revoke_override)
        .service(policies::get_policy)
        .service(policies::put_policy)
        .service(policies::list_policy_versions)
        .service(roles::grant_role)
        .service(roles::revoke_role)
        .service(tickets::create_ticket)
        .service(tickets::list_tickets)
        .service(tickets::revoke_ticket)
        .service(clients::create_client)
        .service(clients::list_clients)
        .service(clients::get_client)
        .service(clients::disable_client)
        .service(clients::update_client)
        .service(clients::rotate_client_secret)
        .service(clients::revoke_client_secret)
        .service(clients::add_client_key)
        .service(clients::remove_client_key)
        .service(client_tokens::issue_client_token)
        .service(tenants::get_tenant)
        .service(tenants::rename_tenant)
        .service(tenants::set_look_alikes)
        .service(events::list_events)
        .service(public::get_jwks)
        .service(public::get_server_metadata)
        .service(public::get_openapi)
        .route(public::BY_ISSUER, web::get().to(public::metadata_elsewhere))
        .route(public::OPENID_BY_ISSUER, web::get().to(public::metadata_elsewhere))
        .route(public::OPENID, web::get().to(public::metadata_elsewhere))
        .route(public::BEHIND_A_PATH, web::get().to(public::metadata_elsewhere))
        .route(public::OPENID_BEHIND_A_PATH, web::get().to(public::metadata_elsewhere));
}
