//! The token endpoint (RFC 6749 section 4.4 with RFC 7523): an assertion that a client's key signed, or a
//! cluster's token of a service account, for an access token of that client. Its errors are those of RFC 6749
//! section 5.2, with the members of a problem beside `error` and `error_description`.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{HttpRequest, post, web};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AppData;
use super::body::Raw;
use super::calls::TokenCall;
use super::problem::{Code, Problem};
use super::reply::{Answer, ok};
use super::tokens::TokenType;
use super::workloads::proven_by_cluster;
use crate::mfa::client::{Scope, TOKEN_LIFE};
use crate::mfa::client_key::{ClientKey, KeyAlgorithm, PublicJwk};
use crate::mfa::ids::{ClientId, ClientKeyId};
use crate::mfa::time::Timestamp;
use crate::operations::client_tokens::{Wish, issue, signers};
use crate::operations::{Call, Presented, Shown};
use crate::telemetry;
use crate::token::{Assertion, AssertionRefused, issuer};

/// Where the endpoint is.
pub const PATH: &str = "/oauth/token";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the form says; anything else in it is ignored, as RFC 6749 section 3.2 demands.
#[derive(Deserialize, ToSchema)]
pub struct ClientTokenRequest {
    /// `client_credentials`.
    #[serde(default)]
    #[schema(required, min_length = 1)]
    pub grant_type: String,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    #[serde(default)]
    pub client_assertion_type: String,
    /// The JWT that the client signed, or the token of its service account.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub client_assertion: String,
    /// Which client it is. It may be left out beside a JWT that the client signed.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Scopes of its registration with blanks between them; all if left out.
    #[serde(default)]
    pub scope: Option<String>,
}

impl ClientTokenRequest {
    /// A parameter without a value counts as left out (RFC 6749 section 3.2).
    fn without_empty(self) -> Self {
        let present = |text: &String| !text.is_empty();
        Self {
            client_id: self.client_id.filter(present),
            scope: self.scope.filter(present),
            ..self
        }
    }
}

/// A client's access token (RFC 6749 section 5.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientToken {
    /// The token: `Authorization: Bearer …`. It is opaque.
    pub access_token: Shown,
    /// Always `Bearer`.
    pub token_type: TokenType,
    /// Seconds until it ends.
    #[schema(minimum = 1, maximum = 300)]
    pub expires_in: i64,
    /// What it is good for, with blanks between them.
    pub scope: String,
}

/// The URL of the endpoint.
#[must_use]
pub fn endpoint(base: &str) -> String {
    format!("{base}{PATH}")
}

/// With the name that RFC 6749 section 5.2 has for it. Whatever is wrong with who asks is one problem. That
/// Pawl cannot answer has no name there: it is a 503 as everywhere else.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other problem is a wrong request")]
pub(super) fn named(problem: Problem) -> Problem {
    let (problem, error) = match problem.code {
        Code::Unavailable => return problem,
        Code::Unauthenticated | Code::InvalidClient => (problem, "invalid_client"),
        Code::InvalidScope => (problem, "invalid_scope"),
        Code::UnsupportedGrantType => (problem, "unsupported_grant_type"),
        _ => (problem, "invalid_request"),
    };
    let told = || match (&problem.field, &problem.reason) {
        (Some(field), Some(reason)) => format!("{field} {reason}"),
        _ => problem.detail.clone(),
    };
    let description = problem.error_description.clone().unwrap_or_else(told);
    Problem { error: Some(error), error_description: Some(description), ..problem }
}

/// Get an access token for a client.
///
/// With `private_key_jwt`: the client signs an assertion with a key that `addClientKey` gave it. Or with
/// the projected token of a Kubernetes service account that `addClientKey` let sign in, and `client_id`.
#[utoipa::path(
    operation_id = "issueClientToken",
    tag = "public",
    request_body(content = ClientTokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token, shown once.", body = ClientToken)),
)]
#[post("/oauth/token")]
pub async fn issue_client_token(
    charged: TokenCall,
    app: AppData,
    request: HttpRequest,
    body: Raw,
) -> Answer<ClientToken> {
    telemetry::note(|log| log.operation = Some("issue_client_token"));
    let form = form(&request, body).map_err(named)?;
    let issued = issue_for(&app, &form).await.map_err(named)?;
    charged.give_back();
    Ok(ok(issued))
}

fn form(request: &HttpRequest, body: Raw) -> Result<ClientTokenRequest, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    let body = body.0?;
    let text = std::str::from_utf8(&body).map_err(|_| Problem::invalid("body", "is not UTF-8"))?;
    let form = web::Query::<ClientTokenRequest>::from_query(text);
    let form = form.map_err(|_| Problem::invalid("body", "has a missing or repeated parameter"))?;
    let form = form.into_inner().without_empty();
    if request.headers().contains_key(AUTHORIZATION) {
        return Err(other_way(&form));
    }
    if form.grant_type.is_empty() {
        return Err(Problem::invalid("grant_type", "is wanted: client_credentials"));
    }
    if form.grant_type != "client_credentials" {
        return Err(Problem::new(Code::UnsupportedGrantType));
    }
    if form.client_assertion_type != ASSERTION_TYPE {
        return Err(Problem::invalid("client_assertion_type", format!("must be {ASSERTION_TYPE}")));
    }
    Ok(form)
}

/// Two ways to authenticate are a wrong request. The `Authorization` header alone is an authentication that
/// failed, and RFC 6749 section 5.2 wants 401 for it.
fn other_way(form: &ClientTokenRequest) -> Problem {
    if form.client_assertion.is_empty() {
        let description = "client_assertion is the one way to authenticate here (private_key_jwt)";
        let description = Some(description.to_owned());
        Problem { error_description: description, ..Problem::new(Code::Unauthenticated) }
    } else {
        Problem::invalid(
            "client_assertion",
            "is the one way to authenticate here: no Authorization",
        )
    }
}

async fn issue_for(app: &super::App, form: &ClientTokenRequest) -> Result<ClientToken, Problem> {
    let now = app.clock.now();
    let proven = match &app.workloads {
        Some(cluster) => proven_by_cluster(app, cluster, form, now).await?,
        None => None,
    };
    let Proven { client, key, jti } = match proven {
        Some(proven) => proven,
        None => proven_by_key(app, form, now).await?,
    };
    telemetry::note(|log| log.client = Some(client.to_string()));
    let scopes = form.scope.as_deref().map(scopes).transpose()?;
    let call = Call {
        presented: Presented::Signed { id: client, key },
        clock: app.clock.clone(),
        request: telemetry::request_id().unwrap_or_else(|| Arc::from("none")),
        source: telemetry::source(),
        entropy: app.entropy()?,
    };
    let wish = Wish { jti, scopes };
    let issued =
        issue(&app.pawl, call, wish).await.map_err(|failure| match Problem::from(failure) {
            gone if gone.code == Code::Unauthenticated => spent(),
            problem => problem,
        })?;
    let words: Vec<&str> = issued.scopes.iter().map(|scope| scope.as_str()).collect();
    Ok(ClientToken {
        access_token: issued.token,
        token_type: TokenType::Bearer,
        expires_in: TOKEN_LIFE.as_seconds_up(),
        scope: words.join(" "),
    })
}

pub(super) fn refused(why: AssertionRefused) -> Problem {
    telemetry::note(|log| log.cause = Some(why.to_string()));
    let error_description = Some(why.description().to_owned());
    Problem { error_description, ..Problem::new(Code::InvalidClient) }
}

/// The key signed it; the transaction found that this is not enough.
fn spent() -> Problem {
    let description = "jti was used before, or the client or its key has just been taken away";
    let error_description = Some(description.to_owned());
    Problem { error_description, ..Problem::new(Code::InvalidClient) }
}

/// Who it is, and how that was shown.
pub(super) struct Proven {
    pub(super) client: ClientId,
    pub(super) key: ClientKeyId,
    pub(super) jti: Option<String>,
}

async fn proven_by_key(
    app: &super::App,
    form: &ClientTokenRequest,
    now: Timestamp,
) -> Result<Proven, Problem> {
    let assertion = Assertion::read(&form.client_assertion).map_err(refused)?;
    if form.client_id.as_ref().is_some_and(|id| id != assertion.client().as_str()) {
        return Err(refused(AssertionRefused::Claims));
    }
    let key = signer(app, &assertion, now).await?;
    let jti = Some(assertion.jti().to_owned());
    Ok(Proven { client: assertion.client().clone(), key, jti })
}

/// Which of the client's keys signed the assertion. A client that is not there, or has no key, costs a
/// comparison too.
async fn signer(
    app: &super::App,
    assertion: &Assertion,
    now: Timestamp,
) -> Result<ClientKeyId, Problem> {
    let base = &app.pawl.base_url;
    let here = endpoint(base);
    let found = signers(&app.pawl, assertion.client().clone()).await?;
    let (issuer, keys) =
        found.map_or((None, Vec::new()), |found| (Some(issuer(base, &found.tenant)), found.keys));
    let audiences: Vec<&str> =
        [Some(here.as_str()), issuer.as_deref()].into_iter().flatten().collect();
    if keys.is_empty() {
        // Whatever it says: there is no key, and no id of one to answer.
        let absent = absent_key().ok_or_else(|| Problem::new(Code::Unavailable))?;
        let _ = assertion.verify(absent, &audiences, now.seconds());
    }
    let mut why = AssertionRefused::Signature;
    for (id, key) in keys {
        match assertion.verify(&key, &audiences, now.seconds()) {
            Ok(()) => return Ok(id),
            // Of two keys, the one that signed says more.
            Err(AssertionRefused::Algorithm | AssertionRefused::Signature) => {}
            Err(other) => why = other,
        }
    }
    Err(refused(why))
}

/// A key to compare with where there is none. Its private half was dropped when it was made.
fn absent_key() -> Option<&'static ClientKey> {
    static MADE: OnceLock<Option<ClientKey>> = OnceLock::new();
    MADE.get_or_init(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        // An uncompressed point: 4, x, y.
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        let [x, y] = [x, y].map(|half| Some(URL_SAFE_NO_PAD.encode(half)));
        let (kty, crv) = ("EC".to_owned(), Some("P-256".to_owned()));
        let alg = KeyAlgorithm::Es256;
        PublicJwk { kty, alg, crv, x, y, n: None, e: None, r#use: None, kid: None }.parse().ok()
    })
    .as_ref()
}

fn scopes(text: &str) -> Result<BTreeSet<Scope>, Problem> {
    let words = text.split(' ').map(Scope::parse);
    words.collect::<Option<_>>().ok_or_else(|| Problem::new(Code::InvalidScope))
}
