//! From a committed proof to the tokens of an answer.

use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::{Code, Problem};
use crate::mfa::factor::VerifiedFactor;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::mfa::words::Audience;
use crate::operations::Committed;
use crate::telemetry;
use crate::token::AccessToken;

/// One access token (RFC 9068). It proves one login: exchange it for your own session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// The JWT.
    pub access_token: SecretToken,
    /// Always `Bearer`.
    pub token_type: TokenType,
    /// Its `aud`.
    pub audience: Audience,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

/// How a token is presented (RFC 6750).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum TokenType {
    /// In the Authorization header.
    Bearer,
}

/// A token in the one answer that holds it.
pub struct SecretToken(AccessToken);

impl std::fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[token]")
    }
}

impl Serialize for SecretToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl utoipa::PartialSchema for SecretToken {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A JWT of type at+jwt, signed with ES256."))
            .into()
    }
}
impl ToSchema for SecretToken {}

type Proven<T> = Result<(VerifiedFactor, T), Refusal>;

/// Mints the tokens of a committed outcome, or answers the refusal whose trace was committed.
///
/// # Errors
/// The refusal; `unavailable` if signing fails.
pub(super) async fn mint<T: 'static>(
    app: &App,
    committed: Committed<Proven<T>>,
) -> Result<(Vec<Token>, T), Problem> {
    let (proof, rest) = committed.split_pair()?;
    let keys = app.keys.for_proof(proof.look(), app.clock.now()).await;
    let _span = telemetry::span("mint");
    let tokens = keys.signer.mint(proof).map_err(|error| {
        let cause = telemetry::chain(&error);
        telemetry::note(|log| log.cause = Some(cause));
        Problem::new(Code::Unavailable)
    })?;
    let token = |token: AccessToken| Token {
        token_type: TokenType::Bearer,
        audience: token.audience.clone(),
        expires_at: token.expires_at,
        access_token: SecretToken(token),
    };
    Ok((tokens.into_iter().map(token).collect(), rest))
}
