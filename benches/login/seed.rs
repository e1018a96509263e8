//! Fills an empty database: a million enrollments over HTTP would take longer than the measurement.
//! The rows are those that the operations write, with the secrets sealed by Pawl's own key ring.

use std::fmt::Write as _;

use pawl::mfa::time::Timestamp;
use pawl::operations::secret_hash;
use pawl::store::KeyRing;
use pawl::store::seal::Place;

use crate::Outcome;
use crate::population::{self, Population};

/// Where the rows go.
pub trait Rows {
    /// Runs statements.
    fn run(&mut self, sql: &str) -> Outcome<()>;
    /// Bytes as this database writes them.
    fn bytes(&self, bytes: &[u8]) -> String;
}

/// Rows of one INSERT.
const BATCH: usize = 400;

struct Seeding<'a> {
    population: Population,
    ring: &'a KeyRing,
    at: i64,
}

/// Writes tenants with their clients, and users with an active factor.
pub fn fill(
    rows: &mut dyn Rows,
    population: Population,
    ring: &KeyRing,
    now: Timestamp,
) -> Outcome<()> {
    // An hour ago: nothing of it is fresh, and no clock is behind it.
    let seeding = Seeding { population, ring, at: now.millis() - 3_600_000 };
    for tenant in 0..population.tenants {
        let statements = seeding.tenant(tenant, rows);
        rows.run(&statements)?;
    }
    let mut users: Vec<usize> = (0..population.users).collect();
    users.sort_by_cached_key(|&user| (population::tenant(population.tenant_of(user)), user));
    table(rows, &users, EVENTS, |user, _| Ok(seeding.event(user)))?;
    // In the order of their keys, so that the tables are built from left to right.
    users.sort_by_cached_key(|&user| {
        (population::tenant(population.tenant_of(user)), population::user(user))
    });
    table(rows, &users, USERS, |user, _| Ok(seeding.user(user)))?;
    users.sort_by_cached_key(|&user| {
        (population::tenant(population.tenant_of(user)), population::factor(user))
    });
    table(rows, &users, FACTORS, |user, rows| seeding.factor(user, rows))?;
    table(rows, &users, STEPS, |user, _| Ok(seeding.step(user)))
}

const EVENTS: &str = "events (tenant_id, seq, id, at, kind, actor_kind, actor_id, client_id, \
    user_id, object_id, evaluated, request_id, data)";
const USERS: &str = "users (tenant_id, id, directory_id, external_id, display_name, kind, labels, \
    epoch, ever_enrolled, ticket_only, created_at, event_seq, external_id_folded)";
const FACTORS: &str = "factors (tenant_id, id, user_id, kind, state, algorithm, digits, sealed, \
    created_at, activated_at, trust_since, is_bootstrap, event_seq)";
const STEPS: &str = "factor_steps (tenant_id, factor_id, last_step, event_seq)";

fn table(
    rows: &mut dyn Rows,
    users: &[usize],
    table: &str,
    values: impl Fn(usize, &dyn Rows) -> Outcome<String>,
) -> Outcome<()> {
    for batch in users.chunks(BATCH) {
        let mut sql = format!("INSERT INTO {table} VALUES ");
        for (index, user) in batch.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}({})", values(*user, rows)?);
        }
        sql.push(';');
        rows.run(&sql)?;
    }
    Ok(())
}

impl Seeding<'_> {
    /// A tenant with the policy and the client's rights that the first start made. Its one event is its
    /// client's.
    fn tenant(&self, tenant: usize, rows: &dyn Rows) -> String {
        let (id, directory) = (population::tenant(tenant), population::directory(tenant));
        let (client, at) = (population::client(tenant), self.at);
        let event = population::event(at, tenant);
        let hash = rows.bytes(&secret_hash(&population::client_secret(tenant)));
        let secret = client.as_str().replace("cli_", "sec_");
        let ends = at + 90 * 86_400_000;
        format!(
            "INSERT INTO {EVENTS} VALUES ('{id}', 1, '{event}', {at}, 'client.created', 'server', \
             'server', NULL, NULL, '{client}', NULL, 'benchmark', '{{}}');
             INSERT INTO tenants (tenant_id, name, created_at, event_seq) \
             VALUES ('{id}', 'Tenant {tenant}', {at}, 1);
             INSERT INTO directories (tenant_id, id, name, created_at, look_alikes, event_seq) \
             VALUES ('{id}', '{directory}', 'console', {at}, 'hold', 1);
             INSERT INTO policies (tenant_id, version, document, created_by, created_at, event_seq) \
             SELECT '{id}', 1, document, 'server', {at}, 1 FROM policies LIMIT 1;
             INSERT INTO clients (tenant_id, id, directory_id, name, scopes, audiences, created_by, \
             created_at, event_seq) SELECT '{id}', '{client}', '{directory}', 'console', scopes, \
             audiences, 'server', {at}, 1 FROM clients LIMIT 1;
             INSERT INTO client_secrets (tenant_id, id, client_id, hash, created_at, expires_at, \
             event_seq) VALUES ('{id}', '{secret}', '{client}', {hash}, {at}, {ends}, 1);"
        )
    }

    fn tenant_id(&self, user: usize) -> String {
        population::tenant(self.population.tenant_of(user)).to_string()
    }

    /// The number of the event that enrolled a user: after the tenant's first.
    fn event_seq(&self, user: usize) -> usize {
        user / self.population.tenants + 2
    }

    fn event(&self, user: usize) -> String {
        let client = population::client(self.population.tenant_of(user));
        let (factor, number) = (population::factor(user), self.event_seq(user));
        let id = population::event(self.at, self.population.tenants + user);
        format!(
            "'{}', {number}, '{id}', {}, 'enrollment.confirmed', 'client', '{client}', '{client}', \
             '{}', '{factor}', NULL, 'req_{user:032x}', '{{\"factor\":\"{factor}\"}}'",
            self.tenant_id(user),
            self.at,
            population::user(user)
        )
    }

    fn user(&self, user: usize) -> String {
        let external = population::external_id(user);
        format!(
            "'{}', '{}', '{}', '{external}', '{external}', 'person', '[]', 2, TRUE, FALSE, {}, {}, \
             '1:{external}'",
            self.tenant_id(user),
            population::user(user),
            population::directory(self.population.tenant_of(user)),
            self.at,
            self.event_seq(user)
        )
    }

    fn factor(&self, user: usize, rows: &dyn Rows) -> Outcome<String> {
        let (tenant, id, at) = (self.tenant_id(user), population::factor(user), self.at);
        let owner = population::user(user).to_string();
        let place = Place {
            table: "factors",
            tenant: &tenant,
            user: &owner,
            row: id.as_str(),
            parameters: "totp/SHA1/6/30",
        };
        let mut nonce = [0; 12];
        nonce.iter_mut().zip(user.to_be_bytes()).for_each(|(byte, part)| *byte = part);
        let sealed = self.ring.seal(&place, &population::seed(user), nonce);
        let sealed = rows.bytes(&sealed.map_err(|error| error.to_string())?);
        Ok(format!(
            "'{tenant}', '{id}', '{}', 'totp', 'active', 'SHA1', 6, {sealed}, {at}, {at}, {at}, \
             FALSE, {}",
            population::user(user),
            self.event_seq(user)
        ))
    }

    fn step(&self, user: usize) -> String {
        let (factor, event) = (population::factor(user), self.event_seq(user));
        format!("'{}', '{factor}', 0, {event}", self.tenant_id(user))
    }
}
