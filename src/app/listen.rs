//! The two servers: how many connections each has, and around each connection a stream that is bounded.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{Error, web};
use socket2::SockRef;
use tokio::net::TcpStream;
use utoipa_actix_web::AppExt as _;

use super::{DRAIN_SECONDS, StartError};
use crate::config::{Config, Edge};
use crate::http::connection::{Bounded, Limits};
use crate::http::extract::LARGEST_BODY;
use crate::http::{App, docs, health, log_request, not_found, routes};

/// Connections that probes and scrapes have at once.
const PROBES: usize = 64;

/// Files that are no connection of the API: the database's, the probes', the log.
const OTHER_FILES: usize = 256;

/// What the system keeps of a connection that is not read, in each direction. Left to itself it takes
/// megabytes of each peer.
const SYSTEM_BUFFER: usize = 64 * 1024;

pub(super) type Served = (ServerHandle, tokio::task::JoinHandle<io::Result<()>>);

impl From<&Edge> for Limits {
    fn from(edge: &Edge) -> Self {
        Self { head: edge.head, body: edge.body, answer: edge.answer }
    }
}

pub(super) fn serve_api(
    app: App,
    listener: TcpListener,
    config: &Config,
) -> Result<Served, StartError> {
    let data = web::Data::new(app);
    let beside = if config.docs { docs::routes } else { |_: &mut web::ServiceConfig| {} };
    let connections = connections(config.edge.connections);
    let builder = Server::build()
        .workers(config.workers)
        .max_concurrent_connections(connections.div_ceil(config.workers))
        .shutdown_timeout(DRAIN_SECONDS);
    serve(builder, listener, &config.edge, move || {
        let (app, _) = actix_web::App::new()
            .into_utoipa_app()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(LARGEST_BODY))
            .configure(routes)
            .split_for_parts();
        app.configure(beside).default_service(web::to(not_found)).wrap(from_fn(log_request))
    })
}

/// The probes have connections of their own: they are answered while the API's are used up.
pub(super) fn serve_probes(
    app: App,
    listener: TcpListener,
    config: &Config,
) -> Result<Served, StartError> {
    let data = web::Data::new(app);
    // Nobody needs the answer to a probe of a process that ends.
    let builder = Server::build().workers(1).max_concurrent_connections(PROBES).shutdown_timeout(1);
    serve(builder, listener, &config.edge, move || {
        let probes = actix_web::App::new().app_data(data.clone());
        let probes = probes.service(health::livez).service(health::readyz).service(health::metrics);
        probes.wrap(from_fn(health::as_probe))
    })
}

/// How many connections the system's limit of files leaves, once it is raised as far as it may be.
fn connections(wanted: usize) -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_default();
    let left = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES);
    if left < wanted {
        tracing::warn!(limit, wanted, "the limit of open files leaves fewer connections");
    }
    wanted.min(left.max(16))
}

/// What `actix_web::HttpServer` makes of an app, but for the stream.
fn serve<F, I, S, B>(
    builder: ServerBuilder,
    listener: TcpListener,
    edge: &Edge,
    app: F,
) -> Result<Served, StartError>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    bound_by_system(&listener, edge.answer).map_err(StartError::Server)?;
    let (limits, idle) = (Limits::from(edge), edge.idle);
    let ending = builder.graceful_shutdown_signal();
    let server = builder.disable_signals().listen("http", listener, move || {
        let ending = ending.clone();
        let app = app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .keep_alive(idle)
            // The stream does it, for each request and not only for the first.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(Duration::from_secs(1))
            .on_connect_ext(|stream: &Bounded, data| {
                data.insert(stream.traffic());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        let accept = fn_service(move |stream: TcpStream| async move {
            let peer = stream.peer_addr().ok();
            Ok::<_, DispatchError>((Bounded::new(stream, limits), Protocol::Http1, peer))
        });
        accept.and_then(http)
    });
    let server = server.map_err(StartError::Server)?.run();
    Ok((server.handle(), tokio::task::spawn(server)))
}

/// Accepted connections have what the listener has: small buffers, and an end if the peer takes nothing.
fn bound_by_system(listener: &TcpListener, answer: Duration) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_send_buffer_size(SYSTEM_BUFFER)?;
    socket.set_recv_buffer_size(SYSTEM_BUFFER)?;
    socket.set_tcp_user_timeout(Some(answer))
}
