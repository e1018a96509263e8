//! Pawl's tokens in actix-web: with a `Data<Pawl>`, `.wrap(from_fn(require))` hands handlers
//! `ReqData<Claims>`, or answers 401.
use actix_web::{Error, HttpMessage as _, HttpResponse, body, dev, error, middleware::Next, web};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};

/// What a console expects; `max_age` is how many seconds old a login may be.
#[rustfmt::skip]
pub struct Pawl {
    pub issuer: String, pub audience: String, pub jwks_url: String, pub max_age: Option<i64>,
    pub clock: fn() -> i64, pub keys: super::pawl_keys::Keys,
}

#[rustfmt::skip]
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Claims {
    pub iss: String, pub sub: String, pub aud: String, pub jti: String, pub tid: String, pub acr: String,
    pub amr: Vec<String>, pub iat: i64, pub nbf: i64, pub exp: i64, pub auth_time: i64, pub epoch: i64,
}

#[rustfmt::skip]
pub async fn require<B: body::MessageBody>(
    pawl: web::Data<Pawl>, request: dev::ServiceRequest, next: Next<B>,
) -> Result<dev::ServiceResponse<B>, Error> {
    let header = request.headers().get("Authorization").and_then(|value| value.to_str().ok());
    let token = match header.and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.to_owned(),
        _ => return Err(pawl.challenge("insufficient_user_authentication")),
    };
    let checking = pawl.clone(); // The key set may have to be fetched: not on this thread.
    let claims = web::block(move || checking.check(&token)).await?.ok_or_else(|| pawl.challenge("invalid_token"))?;
    if pawl.max_age.is_some_and(|age| (pawl.clock)() - claims.auth_time > age) {
        return Err(pawl.challenge("insufficient_user_authentication"));
    }
    request.extensions_mut().insert(claims);
    next.call(request).await
}

impl Pawl {
    fn check(&self, token: &str) -> Option<Claims> {
        let (header, now) = (decode_header(token).ok()?, (self.clock)());
        let (typ, kid) = (Some("at+jwt".to_owned()), header.kid.clone()?);
        let ours = Header { typ, kid: Some(kid.clone()), ..Header::new(Algorithm::ES256) };
        let key = (header == ours).then(|| self.keys.find(&self.jwks_url, &kid))??;
        // The library's checks of claims are not enough, and read the system's clock.
        let mut signature = Validation::new(Algorithm::ES256);
        signature.required_spec_claims.clear();
        (signature.validate_exp, signature.validate_aud) = (false, false);
        let it: Claims = decode(token, &key, &signature).ok()?.claims;
        let (_, tenant) = self.issuer.rsplit_once('/')?;
        let whose = (&it.iss, &it.aud, &*it.tid) == (&self.issuer, &self.audience, tenant);
        let begun = it.nbf.max(it.iat) <= now + 5 && it.auth_time <= it.iat;
        let lives = now < it.exp && it.exp <= it.iat.saturating_add(900);
        let strong = it.acr == "urn:pawl:acr:totp" && it.amr.iter().any(|method| method == "otp");
        (whose && begun && lives && strong).then_some(it)
    }

    fn challenge(&self, error: &str) -> Error {
        let age = self.max_age.map(|age| format!(", max_age=\"{age}\"")).unwrap_or_default();
        let value = format!("Bearer error=\"{error}\", acr_values=\"urn:pawl:acr:totp\"{age}");
        let answer =
            HttpResponse::Unauthorized().insert_header(("WWW-Authenticate", value)).finish();
        error::InternalError::from_response(error.to_owned(), answer).into()
    }
}
