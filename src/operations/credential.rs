//! Client credentials: the form in which they arrive, and the row that a presented one matches.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::Done;
use crate::mfa::client::{KEY_PREFIX, TOKEN_PREFIX};
use crate::mfa::ids::{ClientId, ClientKeyId};
use crate::mfa::refusal::Refusal;
use crate::store::rows::{ClientKeyRow, ClientRow, ClientSecretRow, ClientTokenRow};
use crate::store::seal::{constant_time_eq, sha256};

/// The SHA-256 of a client's secret or access token. Only a text that ends in 43 characters of
/// canonical base64url, which are 256 bits, has one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Hashes `text` if its secret part has the form of a secret that Pawl issues.
    fn parse(text: &str, secret: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        (bytes.len() == 32).then(|| Self(sha256(text.as_bytes())))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

/// A client credential of the right form. The client is the one that the credential names: nothing
/// has been compared yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCredential {
    /// A client key, `pawl_{32 hex}_{43 base64url}`; the hash is of its secret part.
    Key(SecretHash),
    /// An access token, `pawl_at_{32 hex}_{43 base64url}`; the hash is of the whole token.
    Token(SecretHash),
}

impl ClientCredential {
    /// Reads a bearer credential that begins like a client's. `None` if it has another form: then no
    /// row can match it, and none is looked up.
    #[must_use]
    pub fn parse(bearer: &str) -> Option<(ClientId, Self)> {
        let named = |parts: &str| -> Option<ClientId> {
            ClientId::parse(&format!("cli_{}", parts.split_once('_')?.0)).ok()
        };
        if let Some(parts) = bearer.strip_prefix(TOKEN_PREFIX) {
            let (_, secret) = parts.split_once('_')?;
            return Some((named(parts)?, Self::Token(SecretHash::parse(bearer, secret)?)));
        }
        let parts = bearer.strip_prefix(KEY_PREFIX)?;
        let (_, secret) = parts.split_once('_')?;
        Some((named(parts)?, Self::Key(SecretHash::parse(secret, secret)?)))
    }

    /// The hash that is compared.
    #[must_use]
    pub fn hash(&self) -> &SecretHash {
        match self {
            Self::Key(hash) | Self::Token(hash) => hash,
        }
    }
}

/// A row that the database returned and that matches what the caller presented.
///
/// [`MatchedRow::find`] is the only constructor, and it takes rows: a decoy, a default or an initial
/// value of a comparison has no row and can never be a match.
pub(super) struct MatchedRow<R>(R);

impl<R> MatchedRow<R> {
    /// The last row that `matches`. Every row is compared, so that the time does not tell which one it was.
    pub(super) fn find(rows: Vec<R>, matches: impl Fn(&R) -> bool) -> Option<Self> {
        let mut found = None;
        for row in rows {
            if matches(&row) {
                found = Some(Self(row));
            }
        }
        found
    }

    /// The row whose stored hash is the presented one, compared in constant time.
    pub(super) fn by_hash(
        rows: Vec<R>,
        hash: impl Fn(&R) -> &[u8],
        presented: &[u8; 32],
    ) -> Option<Self> {
        Self::find(rows, |row| constant_time_eq(hash(row), presented))
    }

    /// The row.
    pub(super) fn row(&self) -> &R {
        &self.0
    }
}

/// What proved that a client calls: a live row of that client.
pub(super) enum ClientProof {
    /// One of its secrets.
    Secret(MatchedRow<ClientSecretRow>),
    /// One of its access tokens, which limits the scopes.
    Token(MatchedRow<ClientTokenRow>),
    /// One of its public keys, which signed an assertion.
    Key(MatchedRow<ClientKeyRow>),
}

impl ClientProof {
    pub(super) fn secret(rows: Vec<ClientSecretRow>, presented: &SecretHash) -> Option<Self> {
        MatchedRow::by_hash(rows, |row| &row.hash, presented.bytes()).map(Self::Secret)
    }

    pub(super) fn token(row: Option<ClientTokenRow>, presented: &SecretHash) -> Option<Self> {
        let rows = row.into_iter().collect();
        MatchedRow::by_hash(rows, |row| &row.hash, presented.bytes()).map(Self::Token)
    }

    pub(super) fn key(rows: Vec<ClientKeyRow>, key: &ClientKeyId) -> Option<Self> {
        MatchedRow::find(rows, |row| row.id == *key).map(Self::Key)
    }

    /// Whether the row belongs to this client of this tenant.
    fn is_of(&self, client: &ClientRow) -> bool {
        let (tenant, id) = match self {
            Self::Secret(matched) => (&matched.row().tenant_id, &matched.row().client_id),
            Self::Token(matched) => (&matched.row().tenant_id, &matched.row().client_id),
            Self::Key(matched) => (&matched.row().tenant_id, &matched.row().client_id),
        };
        *tenant == client.tenant_id && *id == client.id
    }
}

/// A client that proved to be the caller. There is no other constructor than [`Self::new`].
#[derive(Debug, Clone)]
pub(super) struct AuthenticatedClient(ClientRow);

impl AuthenticatedClient {
    /// The enabled client to which the proof belongs. A token's scopes limit the client's.
    ///
    /// # Errors
    /// `unauthenticated`: without a client or a proof, with the proof of another client, and for a
    /// disabled client alike.
    pub(super) fn new(client: Option<ClientRow>, proof: Option<ClientProof>) -> Done<Self> {
        let refused = || Refusal::Unauthenticated("no live client has this credential");
        let (mut client, proof) = client.zip(proof).ok_or_else(refused)?;
        if !proof.is_of(&client) || client.disabled_at.is_some() {
            return Err(refused().into());
        }
        if let ClientProof::Token(token) = &proof {
            client.scopes.0.retain(|scope| token.row().scopes.0.contains(scope));
        }
        Ok(Self(client))
    }

    pub(super) fn row(&self) -> &ClientRow {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn only_a_credential_of_the_issued_form_is_looked_up() {
        let secret = "A".repeat(43);
        let key = |secret: &str| ClientCredential::parse(&format!("pawl_{ID}_{secret}"));
        let token = |secret: &str| ClientCredential::parse(&format!("pawl_at_{ID}_{secret}"));
        assert!(matches!(key(&secret), Some((_, ClientCredential::Key(_)))));
        assert!(matches!(token(&secret), Some((_, ClientCredential::Token(_)))));
        let wrong = [
            "",
            "nobody's secret",
            &"A".repeat(42),
            &"A".repeat(44),
            &format!("{}=", "A".repeat(42)),
            &format!("{}+", "A".repeat(42)),
            // The last character's two low bits are no bits of the secret.
            &format!("{}B", "A".repeat(42)),
            &format!("{} ", "A".repeat(43)),
        ];
        for secret in wrong {
            assert_eq!(key(secret), None, "{secret:?}");
            assert_eq!(token(secret), None, "{secret:?}");
        }
        assert_eq!(ClientCredential::parse(&format!("pawl_{}_{secret}", &ID[1..])), None);
    }

    #[test]
    fn without_rows_there_is_no_match() {
        assert!(MatchedRow::find(Vec::<u8>::new(), |_| true).is_none());
        let of_two = MatchedRow::find(vec![1, 2], |row| *row == 1);
        assert_eq!(of_two.map(|matched| matched.0), Some(1));
    }
}
