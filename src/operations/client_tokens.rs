//! Clients' access tokens: opaque, five minutes, for an assertion that one of the client's keys signed, or
//! for the token of a service account that may sign in as the client.
//! They are no JWTs: the one thing that makes those is a verified code.

use std::collections::BTreeSet;

use super::access::ISSUE_CLIENT_TOKEN;
use super::call::Note;
use super::{Call, Done, Pawl, Presented, Shown};
use crate::mfa::client::{Scope, TOKEN_LIFE, TOKEN_PREFIX};
use crate::mfa::client_key::ClientKey;
use crate::mfa::event::EventKind;
use crate::mfa::ids::{ClientId, ClientKeyId, ClientTokenId, TenantId};
use crate::mfa::refusal::Refusal;
use crate::mfa::secret::SecretText;
use crate::mfa::words::ServiceAccount;
use crate::store::rows::ClientTokenRow;
use crate::store::seal::sha256;
use crate::store::{Json, StoreError};

/// What a client may sign with.
#[derive(Debug)]
pub struct Signers {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its live public keys.
    pub keys: Vec<(ClientKeyId, ClientKey)>,
}

/// The public keys of a client; `None` for a client that is not there. Whether client and tenant still
/// work is looked at when the token is issued.
///
/// # Errors
/// The database's.
pub async fn signers(pawl: &Pawl, client: ClientId) -> Done<Option<Signers>> {
    pawl.store
        .check("read_client_keys", move |tx| -> Done<_> {
            let Some(row) = tx.find_client_by_key(&client)? else { return Ok(None) };
            let mut keys = Vec::new();
            for key in tx.live_keys(&client)? {
                let Some(jwk) = key.jwk else { continue };
                let parsed = jwk.0.parse().map_err(|_| StoreError::Invalid("client key"))?;
                keys.push((key.id, parsed));
            }
            Ok(Some(Signers { tenant: row.tenant_id, keys }))
        })
        .await
}

/// The registration by which a service account may sign in as a client, if there is one. A client that
/// is not there has none.
///
/// # Errors
/// The database's.
pub async fn registration(
    pawl: &Pawl,
    client: ClientId,
    account: ServiceAccount,
) -> Done<Option<ClientKeyId>> {
    pawl.store
        .check("read_service_accounts", move |tx| -> Done<_> {
            let mut keys = tx.live_keys(&client)?.into_iter();
            let found = keys.find(|key| key.service_account.as_ref() == Some(&account));
            Ok(found.map(|key| key.id))
        })
        .await
}

/// A client's access token, in the one answer that holds it.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Shown,
    /// What it is good for.
    pub scopes: BTreeSet<Scope>,
}

/// What the client asked for besides its proof.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The assertion's `jti`, which is good once; none for a token that a cluster lets its pod use again.
    pub jti: Option<String>,
    /// The scopes that it asked for; all that it has if it did not say.
    pub scopes: Option<BTreeSet<Scope>>,
}

/// Issues a token. The assertion is used up with it.
///
/// # Errors
/// `unauthenticated` for a used assertion, a removed key, a disabled client or a suspended tenant;
/// scopes that the client does not have.
pub async fn issue(pawl: &Pawl, call: Call, wish: Wish) -> Done<Issued> {
    let Presented::Signed { key, .. } = call.presented.clone() else {
        return Err(Refusal::Unauthenticated("no assertion").into());
    };
    let committed = call
        .write(pawl, ISSUE_CLIENT_TOKEN, move |work| {
            let client = work.client()?;
            let jti_hash = match &wish.jti {
                Some(jti) => sha256(jti.as_bytes()),
                None => sha256(&work.bytes::<32>()),
            };
            let jti_hash = jti_hash.to_vec();
            if work.tx.is_spent(&work.tenant, &client.id, &jti_hash)? {
                return Err(Refusal::Unauthenticated("the assertion was used").into());
            }
            let scopes = wish.scopes.clone().unwrap_or_else(|| client.scopes.0.clone());
            if scopes.is_empty() || !scopes.is_subset(&client.scopes.0) {
                return Err(Refusal::ScopeNotRegistered.into());
            }
            let id = ClientTokenId::from_random(work.ordered());
            let data = serde_json::json!({ "key": key, "scopes": scopes });
            let event =
                work.record(Note::new(EventKind::ClientTokenIssued).object(&id).data(data))?;
            let (secret, _) = work.secret("");
            let name = client.id.as_str().trim_start_matches("cli_");
            let token = SecretText::new(format!("{TOKEN_PREFIX}{name}_{}", secret.expose()));
            work.tx.insert_client_token(ClientTokenRow {
                tenant_id: work.tenant.clone(),
                id,
                client_id: client.id,
                key_id: key.clone(),
                jti_hash,
                hash: sha256(token.expose().as_bytes()).to_vec(),
                scopes: Json(scopes.clone()),
                issued_at: work.now,
                expires_at: work.now.after(TOKEN_LIFE),
                event_seq: event.seq,
            })?;
            Ok(Issued { token: Shown::new(token), scopes })
        })
        .await?;
    Ok(committed.into_inner())
}
