//! Who is in the database: tenants and users that can be computed from their numbers, so that a million
//! of them need no list.

use aws_lc_rs::digest::{SHA256, digest};
use pawl::mfa::ids::{ClientId, DirectoryId, EventId, FactorId, TenantId, UserId};
use pawl::mfa::time::{PERIOD_SECONDS, Step};

/// How many of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    pub users: usize,
    pub tenants: usize,
}

/// What a number stands for; the same number is another id for each.
#[derive(Clone, Copy)]
enum Kind {
    Tenant = 1,
    Directory = 2,
    Client = 3,
    User = 4,
    Factor = 5,
}

/// 128 bits that look random, as real ids do: neighbours in time are not neighbours in an index.
fn bits(kind: Kind, number: usize) -> [u8; 16] {
    let seed = (u128::from(kind as u8) << 64) | number as u128;
    let hash = digest(&SHA256, &seed.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.as_ref()).for_each(|(byte, random)| *byte = *random);
    bytes
}

impl Population {
    /// The tenant that a user is in.
    pub fn tenant_of(self, user: usize) -> usize {
        user % self.tenants
    }
}

pub fn tenant(number: usize) -> TenantId {
    TenantId::from_random(bits(Kind::Tenant, number))
}

pub fn directory(tenant: usize) -> DirectoryId {
    DirectoryId::from_random(bits(Kind::Directory, tenant))
}

pub fn client(tenant: usize) -> ClientId {
    ClientId::from_random(bits(Kind::Client, tenant))
}

pub fn user(number: usize) -> UserId {
    UserId::from_random(bits(Kind::User, number))
}

/// The console's own id of a user.
pub fn external_id(user: usize) -> String {
    format!("user-{user:08}")
}

pub fn factor(user: usize) -> FactorId {
    FactorId::from_random(bits(Kind::Factor, user))
}

/// The time first, as in real ones: the index on them grows at its end.
pub fn event(at: i64, number: usize) -> EventId {
    EventId::from_random(((u128::from(at.unsigned_abs()) << 80) | number as u128).to_be_bytes())
}

/// The secret part of a tenant's client key.
pub fn client_secret(tenant: usize) -> String {
    format!("benchmark-secret-of-a-client-{tenant:014}")
}

/// A tenant's client key.
pub fn client_key(tenant: usize) -> String {
    let id = client(tenant);
    let hex = id.as_str().trim_start_matches("cli_");
    format!("pawl_{hex}_{}", client_secret(tenant))
}

/// A user's shared secret.
pub fn seed(user: usize) -> [u8; 20] {
    let mut seed = [0x5a; 20];
    seed.iter_mut()
        .zip(bits(Kind::Factor, user))
        .for_each(|(byte, bit)| *byte = bit.rotate_left(3));
    seed
}

/// The code of a step.
pub fn code(seed: &[u8], step: Step) -> String {
    let seconds = step.number().unsigned_abs().saturating_mul(PERIOD_SECONDS);
    totp_rs::Builder::new()
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .with_step_duration(PERIOD_SECONDS)
        .with_secret(seed)
        .build_noncompliant()
        .generate(seconds)
        .to_string()
}
