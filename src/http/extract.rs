//! What a handler gets, and how a bad request becomes a problem. The credential is looked at first:
//! bodies and queries arrive as results, so nothing about them can be answered before it.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::App;
use super::body::Raw;
use super::problem::{Code, Problem};
use super::shape::{Place, UNFIT, reason};
use crate::mfa::client::KEY_PREFIX;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::operations::access::Permitted;
use crate::operations::{Call, ClientCredential, Entropy, Failure, Holder, Page, Presented};
use crate::telemetry;
use crate::token::verify_person_token;

/// The largest body of most operations.
pub const LARGEST_BODY: usize = 16 * 1024;
/// The largest body with reports about a person: a directory names hundreds of groups.
pub const LARGEST_REPORT: usize = 256 * 1024;
/// The largest body with a policy: 50 rules of 50 names each.
pub const LARGEST_POLICY: usize = 1024 * 1024;

/// A caller who may call the operation that `A` stands for.
pub struct Caller<A> {
    /// The call.
    pub call: Call,
    marked: PhantomData<A>,
}

impl<A: Permitted> FromRequest for Caller<A> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        telemetry::note(|log| log.operation = Some(A::ACCESS.name));
        let app = app(request);
        let credential = credential(request);
        let of = request.clone();
        Box::pin(telemetry::traced("credential", async move {
            let credential = credential?;
            let app = app.ok_or_else(|| Problem::new(Code::Unavailable))?;
            let pending = app.calls.begin(&of, &credential)?;
            let now = app.clock.now();
            let presented = if credential.starts_with(KEY_PREFIX) {
                client(&credential)?
            } else {
                match person(&credential, &app, now).await {
                    Ok(presented) => presented,
                    Err(problem) => {
                        // An expired token costs its address, not its person.
                        if problem.code == Code::Unauthenticated {
                            pending.is_refused(&of);
                        }
                        return Err(problem);
                    }
                }
            };
            let request = telemetry::request_id().unwrap_or_else(|| Arc::from("none"));
            let source = telemetry::source();
            let (clock, entropy) = (app.clock.clone(), app.entropy()?);
            let call = Call { presented, clock, request, source, entropy };
            let checked = call.clone().authenticate(&app.pawl, A::ACCESS).await;
            match &checked {
                Ok(()) | Err(Failure::Refused(Refusal::Forbidden(_))) => {
                    telemetry::note(|log| {
                        log.trace.know_caller();
                        log.client = log.claimed_client.take();
                    });
                    pending.is_good(&of, &call.presented)?;
                }
                Err(Failure::Refused(_)) => pending.is_refused(&of),
                // Nobody knows whether it is good.
                Err(Failure::Store(_)) => {}
            }
            checked?;
            Ok(Self { call, marked: PhantomData })
        }))
    }
}

fn app(request: &HttpRequest) -> Option<App> {
    request.app_data::<web::Data<App>>().map(|app| App::clone(app))
}

fn unauthenticated(why: &'static str) -> Problem {
    telemetry::note(|log| log.cause = Some(why.to_owned()));
    Problem::new(Code::Unauthenticated)
}

/// The one bearer credential.
fn credential(request: &HttpRequest) -> Result<Zeroizing<String>, Problem> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next().ok_or_else(|| unauthenticated("no credential"))?;
    if headers.next().is_some() {
        return Err(unauthenticated("two credentials"));
    }
    let text = header.to_str().map_err(|_| unauthenticated("not text"))?;
    let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthenticated("not a bearer credential"));
    }
    Ok(Zeroizing::new(credential.to_owned()))
}

fn client(bearer: &str) -> Result<Presented, Problem> {
    let (id, credential) = ClientCredential::parse(bearer)
        .ok_or_else(|| unauthenticated("not the form of a client's credential"))?;
    telemetry::note(|log| log.claimed_client = Some(id.to_string()));
    Ok(Presented::Client { id, credential })
}

async fn person(token: &str, app: &App, now: Timestamp) -> Result<Presented, Problem> {
    let keys = app.keys.fresh(now).await?;
    let verified = verify_person_token(token, &keys.set, &app.pawl.base_url, now);
    let claims = verified.map_err(|why| {
        telemetry::note(|log| log.cause = Some(why.to_string()));
        Problem::new(Code::Unauthenticated)
    })?;
    telemetry::note(|log| {
        log.claimed_client = Some(claims.client.to_string());
        log.person = Some(claims.user.to_string());
    });
    Ok(Presented::Person(Holder {
        tenant: claims.tenant,
        user: claims.user,
        client: claims.client,
        epoch: claims.epoch,
        key: claims.key,
    }))
}

/// A JSON body of at most so many bytes, or what is wrong with it.
pub struct Body<T, const LARGEST: usize = LARGEST_BODY>(Result<T, Problem>);

impl<T, const LARGEST: usize> Body<T, LARGEST> {
    /// The body, once the credential is known to be good.
    ///
    /// # Errors
    /// `invalid-request`, `payload-too-large`, `unsupported-media-type`.
    pub fn read(self) -> Result<T, Problem> {
        self.0
    }
}

impl<T, const LARGEST: usize> FromRequest for Body<T, LARGEST>
where
    T: DeserializeOwned + ToSchema + 'static,
{
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let bytes = Raw::<LARGEST>::from_request(request, payload);
        Box::pin(async move {
            Ok(Self(if is_json {
                bytes.await.and_then(|Raw(bytes)| parse(&bytes?))
            } else {
                Err(Problem::new(Code::UnsupportedMediaType))
            }))
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let Some(Ok(text)) = request.headers().get(CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let utf8 = |text: &str| text.trim().trim_matches('"').eq_ignore_ascii_case("charset=utf-8");
    kind.trim().eq_ignore_ascii_case("application/json")
        && (parameters.trim().is_empty() || utf8(&parameters.replace('"', "")))
}

fn parse<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, Problem> {
    // serde takes more than the document says.
    let place = Place::of(&T::name()).ok_or_else(|| Problem::new(Code::Unavailable))?;
    place.check(bytes).map_err(|found| Problem::invalid(ours(&found.path), found.reason))?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = ours(&error.path().to_string());
        // serde takes a number where a word should stand for a fault of the syntax.
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        fault(path, error.inner(), is_json)
    })?;
    json.end().map_err(|_| Problem::invalid("body", "has trailing data"))?;
    Ok(value)
}

/// Says what is wrong without a word of what was sent, but for the name of a field.
fn fault(path: String, error: &serde_json::Error, is_json: bool) -> Problem {
    if !is_json {
        return Problem::invalid("body", "is not JSON");
    }
    let text = error.to_string();
    for (kind, reason) in [
        ("unknown field", "is not a known field"),
        ("duplicate field", "is repeated"),
        ("missing field", "is missing"),
    ] {
        if let Some(name) = named(&text, kind) {
            let field = if path == "body" || path.ends_with(&name) {
                name
            } else {
                format!("{path}.{name}")
            };
            return Problem::invalid(field, reason);
        }
    }
    Problem::invalid(path, reason(error).unwrap_or_else(|| UNFIT.to_owned()))
}

/// The path as far as its names are ones that a field of ours could have: nothing else is echoed.
fn ours(path: &str) -> String {
    let plain = |segment: &&str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_[]".contains(&b);
        segment.len() <= 64 && !segment.is_empty() && segment.bytes().all(allowed)
    };
    let kept: Vec<&str> = path.split('.').take_while(plain).collect();
    if kept.is_empty() { "body".to_owned() } else { kept.join(".") }
}

/// The field's name in serde's message, if it is one that a field of ours could have.
fn named(text: &str, kind: &str) -> Option<String> {
    let rest = text.strip_prefix(kind)?.strip_prefix(" `")?;
    let (name, _) = rest.split_once('`')?;
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    Some(if plain && name.len() <= 64 { name.to_owned() } else { "body".to_owned() })
}

/// A query string, or what is wrong with it.
pub struct Query<T>(Result<T, Problem>);

impl<T> Query<T> {
    /// The query, once the credential is known to be good.
    ///
    /// # Errors
    /// `invalid-request`.
    pub fn read(self) -> Result<T, Problem> {
        self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = web::Query::<T>::from_query(request.query_string());
        ready(Ok(Self(read.map(web::Query::into_inner).map_err(|_| {
            Problem::invalid("query", "has an unknown, repeated or wrong parameter")
        }))))
    }
}

/// An id in the path. Text that is no id names nothing: `not-found`.
pub struct Named<T>(Option<T>);

impl<T> Named<T> {
    /// The id, once the credential is known to be good.
    ///
    /// # Errors
    /// `not-found`.
    pub fn read(self) -> Result<T, Problem> {
        self.0.ok_or_else(|| Problem::new(Code::NotFound))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Named<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = web::Path::<T>::from_request(request, payload).into_inner();
        ready(Ok(Self(path.ok().map(web::Path::into_inner))))
    }
}

/// Where a page begins and how long it is.
#[derive(Debug, Clone, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[param(max_length = 100, pattern = "^[a-z0-9_]*$")]
    pub cursor: Option<String>,
    /// Rows of a page.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: i64,
}

pub(super) fn default_limit() -> i64 {
    50
}

/// Checks the limits of a page.
///
/// # Errors
/// `invalid-request`.
pub fn page(cursor: Option<String>, limit: i64) -> Result<Page, Problem> {
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "wants 1 to 100"));
    }
    // An id or a number: PostgreSQL has no text with a NUL in it.
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > 100 || !cursor.bytes().all(plain)) {
        return Err(Problem::invalid("cursor", "not a cursor of this list"));
    }
    Ok(Page { after: cursor, limit })
}

impl App {
    /// Random bytes for one call.
    ///
    /// # Errors
    /// `unavailable` if the system has none.
    pub fn entropy(&self) -> Result<Entropy, Problem> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| Problem::new(Code::Unavailable))?;
        Ok(Entropy::new(seed))
    }
}
