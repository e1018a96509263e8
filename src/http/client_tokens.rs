//! The token endpoint (RFC 6749 section 4.4 with RFC 7523): an assertion that a client's key signed, or a
//! cluster's token of a service account, for an access token of that client. Its problems say `error` too, as RFC 6749 section 5.2 names it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{HttpRequest, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AppData;
use super::body::Raw;
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

/// With the name that RFC 6749 has for it. Whatever is wrong with who asks is one problem.
fn named(problem: Problem) -> Problem {
    let (problem, error) = if problem.code.status() == StatusCode::UNAUTHORIZED {
        (Problem::new(Code::InvalidClient), "invalid_client")
    } else if problem.code == Code::InvalidScope {
        (problem, "invalid_scope")
    } else if problem.code == Code::UnsupportedGrantType {
        (problem, "unsupported_grant_type")
    } else if problem.code == Code::Unavailable {
        (problem, "temporarily_unavailable")
    } else {
        (problem, "invalid_request")
    };
    Problem { error: Some(error), ..problem }
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
    security(()),
)]
#[post("/oauth/token")]
pub async fn issue_client_token(
    app: AppData,
    request: HttpRequest,
    body: Raw,
) -> Answer<ClientToken> {
    telemetry::note(|log| log.operation = Some("issue_client_token"));
    let form = form(&request, body).map_err(named)?;
    issue_for(&app, &form).await.map(ok).map_err(named)
}

fn form(request: &HttpRequest, body: Raw) -> Result<ClientTokenRequest, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    if request.headers().contains_key(AUTHORIZATION) {
        return Err(Problem::invalid("client_assertion", "is the one way to authenticate here"));
    }
    let body = body.0?;
    let text = std::str::from_utf8(&body).map_err(|_| Problem::invalid("body", "is not UTF-8"))?;
    let form = web::Query::<ClientTokenRequest>::from_query(text);
    let form = form.map_err(|_| Problem::invalid("body", "has a missing or repeated parameter"))?;
    if form.grant_type != "client_credentials" {
        return Err(Problem::new(Code::UnsupportedGrantType));
    }
    if form.client_assertion_type != ASSERTION_TYPE {
        return Err(Problem::invalid("client_assertion_type", ASSERTION_TYPE));
    }
    Ok(form.into_inner())
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
        now,
        request: telemetry::request_id().unwrap_or_else(|| Arc::from("none")),
        source: telemetry::source(),
        entropy: app.entropy()?,
    };
    let wish = Wish { jti, scopes };
    let issued = issue(&app.pawl, call, wish).await?;
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
    Problem::new(Code::InvalidClient)
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
    let mut why = AssertionRefused::Signature;
    if keys.is_empty() {
        let nobody = nobody().ok_or_else(|| Problem::new(Code::Unavailable))?;
        let _ = assertion.verify(nobody, &audiences, now.seconds());
    }
    for (id, key) in keys {
        match assertion.verify(&key, &audiences, now.seconds()) {
            Ok(()) => return Ok(id),
            Err(refused) => why = refused,
        }
    }
    Err(refused(why))
}

/// A key whose answer nobody uses: the base point of P-256.
fn nobody() -> Option<&'static ClientKey> {
    static NOBODY: OnceLock<Option<ClientKey>> = OnceLock::new();
    let made = NOBODY.get_or_init(|| {
        let jwk = PublicJwk {
            kty: "EC".to_owned(),
            alg: KeyAlgorithm::Es256,
            crv: Some("P-256".to_owned()),
            x: Some("axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY".to_owned()),
            y: Some("T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU".to_owned()),
            n: None,
            e: None,
            r#use: None,
            kid: None,
        };
        jwk.parse().ok()
    });
    made.as_ref()
}

fn scopes(text: &str) -> Result<BTreeSet<Scope>, Problem> {
    let words = text.split(' ').map(Scope::parse);
    words.collect::<Option<_>>().ok_or_else(|| Problem::new(Code::InvalidScope))
}
