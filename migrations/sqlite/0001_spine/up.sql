-- Made from migrations/schema.toml by the test `schema`: change that, and say BLESS=1.

-- Times are milliseconds since 1970 (UTC). Ids are text with a prefix. JSON columns hold what the
-- domain wrote and are read back strictly. Every state row names, in event_seq, the event that last
-- changed it; triggers refuse a change that names none, or keeps the old one (design rules 7 and 10).
-- The log of events only grows, and has no gaps: each tenant's are numbered 1, 2, 3 and so on.

CREATE TABLE events (
  tenant_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL CHECK (at >= 0),
  kind TEXT NOT NULL CHECK (kind <> ''),
  actor_kind TEXT NOT NULL CHECK (actor_kind IN ('client', 'person', 'server')),
  actor_id TEXT NOT NULL,
  client_id TEXT,
  user_id TEXT,
  object_id TEXT,
  evaluated INTEGER CHECK (evaluated IN (0, 1)),
  request_id TEXT NOT NULL,
  data TEXT NOT NULL CHECK (json_valid(data)),
  PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;
-- For each filter of the record's pages, in its order; a time is sought by halving, for it never decreases. Neither
-- begins with the tenant alone, or SQLite, which has no statistics, would take it for the newest event.
CREATE INDEX events_by_user ON events (user_id, seq) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_kind ON events ((tenant_id || ' ' || kind), seq);

CREATE TABLE installation (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  tenant_id TEXT NOT NULL,
  key_check BLOB NOT NULL,
  sealed_pepper BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  event_seq INTEGER NOT NULL,
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'RS256')),
  public_jwk TEXT NOT NULL CHECK (json_valid(public_jwk)),
  sealed BLOB,
  state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'gone', 'revoked')),
  created_at INTEGER NOT NULL,
  active_from INTEGER,
  retiring_from INTEGER,
  ended_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CHECK ((state IN ('gone', 'revoked')) = (sealed IS NULL)),
  CHECK ((state IN ('gone', 'revoked')) = (ended_at IS NOT NULL)),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_active_signing_key ON signing_keys (tenant_id) WHERE state = 'active';
CREATE UNIQUE INDEX one_next_signing_key ON signing_keys (tenant_id) WHERE state = 'next';

CREATE TABLE tenants (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  suspended_at INTEGER,
  event_seq INTEGER NOT NULL,
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE directories (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- How many users it has, those that left included.
  users INTEGER NOT NULL DEFAULT 0 CHECK (users >= 0),
  look_alikes TEXT NOT NULL CHECK (look_alikes IN ('hold', 'note')),
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  directory_id TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL CHECK (json_valid(scopes)),
  audiences TEXT NOT NULL CHECK (json_valid(audiences)),
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  disabled_at INTEGER,
  -- The newest UTC day in which it created users, in days since 1970, how many, and the newest day in which
  -- it was refused one.
  new_users_day INTEGER NOT NULL DEFAULT 0 CHECK (new_users_day >= 0),
  new_users INTEGER NOT NULL DEFAULT 0 CHECK (new_users >= 0),
  new_users_refused_day INTEGER NOT NULL DEFAULT 0 CHECK (new_users_refused_day BETWEEN 0 AND new_users_day),
  -- The same for users that it off-boarded.
  offboardings_day INTEGER NOT NULL DEFAULT 0 CHECK (offboardings_day >= 0),
  offboardings INTEGER NOT NULL DEFAULT 0 CHECK (offboardings >= 0),
  offboardings_refused_day INTEGER NOT NULL DEFAULT 0 CHECK (offboardings_refused_day BETWEEN 0 AND offboardings_day),
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, directory_id) REFERENCES directories (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE client_secrets (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_secrets_by_client ON client_secrets (client_id);

CREATE TABLE client_keys (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  jwk TEXT CHECK (json_valid(jwk)),
  service_account TEXT,
  created_at INTEGER NOT NULL,
  removed_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CHECK ((jwk IS NULL) <> (service_account IS NULL)),
  FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_keys_by_client ON client_keys (client_id);

CREATE TABLE client_tokens (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  jti_hash BLOB NOT NULL CHECK (length(jti_hash) = 32),
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  scopes TEXT NOT NULL CHECK (json_valid(scopes)),
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at > issued_at AND expires_at <= issued_at + 300000),
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, event_seq),
  UNIQUE (tenant_id, client_id, jti_hash),
  FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
  FOREIGN KEY (tenant_id, key_id) REFERENCES client_keys (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_tokens_by_end ON client_tokens (expires_at);

CREATE TABLE users (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  directory_id TEXT NOT NULL,
  external_id TEXT NOT NULL,
  display_name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('person', 'service')),
  labels TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(labels)),
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  ever_enrolled INTEGER NOT NULL CHECK (ever_enrolled IN (0, 1)),
  ticket_only INTEGER NOT NULL CHECK (ticket_only IN (0, 1)),
  grace_until INTEGER,
  created_at INTEGER NOT NULL,
  offboarded_at INTEGER,
  event_seq INTEGER NOT NULL,
  external_id_folded TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, directory_id, external_id),
  FOREIGN KEY (tenant_id, directory_id) REFERENCES directories (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
-- To find another spelling of a new user's external id.
CREATE INDEX users_by_folded ON users (tenant_id, directory_id, external_id_folded);

CREATE TABLE user_groups (
  tenant_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  groups TEXT NOT NULL CHECK (json_valid(groups)),
  is_complete INTEGER NOT NULL CHECK (is_complete IN (0, 1)),
  is_told INTEGER NOT NULL CHECK (is_told IN (0, 1)),
  held BLOB CHECK (length(held) = 32),
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id, client_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE roles (
  tenant_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('helpdesk', 'auditor', 'admin')),
  granted_at INTEGER NOT NULL,
  override_id TEXT,
  revoked_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id, role),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id),
  version INTEGER NOT NULL CHECK (version >= 1),
  document TEXT NOT NULL CHECK (json_valid(document)),
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  override_id TEXT,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, version),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE factors (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('totp')),
  state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'ended')),
  algorithm TEXT NOT NULL CHECK (algorithm IN ('SHA1', 'SHA256', 'SHA512')),
  digits INTEGER NOT NULL CHECK (digits IN (6, 8)),
  sealed BLOB,
  created_at INTEGER NOT NULL,
  activated_at INTEGER,
  trust_since INTEGER,
  is_bootstrap INTEGER NOT NULL CHECK (is_bootstrap IN (0, 1)),
  exposed_to TEXT,
  rotate_by INTEGER,
  ended_at INTEGER,
  end_authority TEXT CHECK (end_authority IN ('replacement', 'recovery', 'override', 'offboarding')),
  end_authority_id TEXT,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  CHECK ((state = 'ended') = (sealed IS NULL)),
  CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
  CHECK (state <> 'pending' OR activated_at IS NULL),
  CHECK ((state IN ('active', 'suspended')) <= (activated_at IS NOT NULL)),
  CHECK ((activated_at IS NULL) = (trust_since IS NULL)),
  CHECK ((state = 'ended' AND activated_at IS NOT NULL) = (end_authority IS NOT NULL)),
  CHECK ((end_authority IS NULL) = (end_authority_id IS NULL)),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX factors_by_user ON factors (tenant_id, user_id);
CREATE UNIQUE INDEX one_pending_factor ON factors (tenant_id, user_id) WHERE state = 'pending';
CREATE UNIQUE INDEX one_bound_factor ON factors (tenant_id, user_id) WHERE state IN ('active', 'suspended');

CREATE TABLE factor_steps (
  tenant_id TEXT NOT NULL,
  factor_id TEXT NOT NULL,
  last_step INTEGER NOT NULL,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, factor_id),
  FOREIGN KEY (tenant_id, factor_id) REFERENCES factors (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE throttles (
  tenant_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  lane TEXT NOT NULL CHECK (lane <> ''),
  level INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  consecutive INTEGER NOT NULL CHECK (consecutive >= 0),
  blocked_until INTEGER NOT NULL CHECK (blocked_until >= 0),
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id, lane),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX throttles_by_end ON throttles (blocked_until) WHERE blocked_until > 0;

CREATE TABLE challenges (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  user_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  purpose TEXT NOT NULL CHECK (purpose IN ('login', 'recovery', 'enroll', 'ticket', 'recover', 'act')),
  audiences TEXT NOT NULL CHECK (json_valid(audiences)),
  primary_method TEXT NOT NULL,
  primary_at INTEGER NOT NULL,
  address TEXT,
  act_operation TEXT,
  act_digest BLOB CHECK (length(act_digest) = 32),
  recovery_code_id TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL CHECK (attempts BETWEEN 0 AND 5),
  closed_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id),
  CHECK ((purpose = 'act') = (act_digest IS NOT NULL)),
  CHECK ((purpose = 'act') = (act_operation IS NOT NULL)),
  CHECK ((purpose = 'recover') = (recovery_code_id IS NOT NULL)),
  CHECK (expires_at > created_at AND expires_at <= created_at + 300000),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
-- Ids begin with the time: the newest of a purpose are found without reading those that are over.
CREATE INDEX challenges_by_user ON challenges (tenant_id, user_id, client_id, purpose, id);
-- Housekeeping asks which rows of all tenants expired first. The end of a row is known at its birth and
-- never changes, so the index grows at one end and no change of the row touches it.
CREATE INDEX challenges_by_end ON challenges (expires_at);

CREATE TABLE enrollments (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  user_id TEXT NOT NULL,
  client_id TEXT,
  factor_id TEXT NOT NULL,
  authority TEXT NOT NULL CHECK (authority IN ('first', 'ticket', 'rotation', 'recovery', 'bootstrap')),
  authority_id TEXT,
  audiences TEXT NOT NULL CHECK (json_valid(audiences)),
  primary_method TEXT NOT NULL,
  primary_at INTEGER NOT NULL,
  address TEXT,
  attempts INTEGER NOT NULL CHECK (attempts BETWEEN 0 AND 5),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  closed_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, factor_id) REFERENCES factors (tenant_id, id),
  CHECK ((authority IN ('ticket', 'rotation', 'recovery')) = (authority_id IS NOT NULL)),
  CHECK (expires_at > created_at
    AND expires_at <= created_at + CASE authority WHEN 'bootstrap' THEN 1800000 ELSE 900000 END),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX enrollments_by_end ON enrollments (expires_at);
CREATE INDEX enrollments_by_factor ON enrollments (tenant_id, factor_id);
CREATE INDEX enrollments_of_server ON enrollments (tenant_id, user_id) WHERE client_id IS NULL;
CREATE INDEX enrollments_by_authority ON enrollments (tenant_id, authority_id) WHERE authority_id IS NOT NULL;

CREATE TABLE recovery_codes (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  created_at INTEGER NOT NULL,
  used_at INTEGER,
  replaced_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, user_id, hash),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('with_login', 'with_claim_code', 'bearer', 'admin_assisted')),
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  claim_code_hash BLOB,
  attempts INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  override_id TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  redeemed_at INTEGER,
  revoked_at INTEGER,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  CHECK (expires_at > created_at AND expires_at <= created_at
    + CASE mode WHEN 'bearer' THEN 600000 WHEN 'with_claim_code' THEN 86400000 ELSE 1209600000 END),
  CHECK (redeemed_at IS NULL OR revoked_at IS NULL),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_by_end ON tickets (expires_at);
CREATE INDEX tickets_by_user ON tickets (tenant_id, user_id);

CREATE TABLE petitions (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('exempt', 'reset', 'unlock', 'resume', 'extend_grace', 'groups')),
  user_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'taken_up', 'denied', 'withdrawn')),
  reason TEXT NOT NULL,
  facts TEXT NOT NULL CHECK (json_valid(facts)),
  requested_by_kind TEXT NOT NULL CHECK (requested_by_kind IN ('client', 'person')),
  requested_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  decided_at INTEGER,
  decided_by TEXT,
  override_id TEXT,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  CHECK ((state = 'open') = (decided_at IS NULL)),
  CHECK ((state = 'taken_up') = (override_id IS NOT NULL)),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX petitions_open ON petitions (tenant_id, user_id) WHERE state = 'open';

CREATE TABLE overrides (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('exempt', 'reset', 'unlock', 'resume', 'extend_grace', 'policy', 'floor', 'role', 'labels',
    'groups', 'reinstate', 'ticket', 'client', 'tenant')),
  user_id TEXT,
  facts TEXT NOT NULL CHECK (json_valid(facts)),
  audiences TEXT NOT NULL CHECK (json_valid(audiences)),
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  state TEXT NOT NULL CHECK (state IN ('requested', 'approved', 'used', 'expired', 'revoked', 'denied', 'withdrawn')),
  reason TEXT NOT NULL CHECK (length(reason) >= 15),
  ticket_reference TEXT,
  requested_by TEXT NOT NULL,
  requested_client_id TEXT,
  requested_epoch INTEGER,
  requested_at INTEGER NOT NULL,
  required_approvals INTEGER NOT NULL CHECK (required_approvals BETWEEN 0 AND 4),
  policy_version INTEGER NOT NULL,
  petition_id TEXT,
  is_break_glass INTEGER NOT NULL CHECK (is_break_glass IN (0, 1)),
  expires_at INTEGER NOT NULL,
  approved_at INTEGER,
  ended_at INTEGER,
  ended_by TEXT,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  CHECK ((kind IN ('exempt', 'reset', 'unlock', 'resume', 'extend_grace', 'role', 'labels', 'groups', 'reinstate', 'ticket'))
    = (user_id IS NOT NULL)),
  CHECK (user_id IS NULL OR user_id <> requested_by),
  CHECK (expires_at > requested_at AND expires_at <= requested_at + 604800000),
  CHECK (NOT is_break_glass OR (required_approvals = 0 AND expires_at <= requested_at + 3600000)),
  CHECK (is_break_glass = (requested_by = 'server')),
  CHECK ((state IN ('approved', 'used')) <= (approved_at IS NOT NULL)),
  CHECK ((state IN ('requested', 'approved')) = (ended_at IS NULL)),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX overrides_by_user ON overrides (tenant_id, user_id, state);
-- What is counted over all tenants: docs/metrics.md.
CREATE INDEX overrides_open ON overrides (expires_at) WHERE state IN ('requested', 'approved');
CREATE INDEX overrides_of_server ON overrides (tenant_id) WHERE is_break_glass;

CREATE TABLE approvals (
  tenant_id TEXT NOT NULL,
  override_id TEXT NOT NULL,
  person_id TEXT NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  client_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  at INTEGER NOT NULL,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, override_id, person_id),
  FOREIGN KEY (tenant_id, override_id) REFERENCES overrides (tenant_id, id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE issued_tokens (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  factor_id TEXT NOT NULL,
  audience TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at > issued_at AND expires_at <= issued_at + 900000),
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, event_seq, audience),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX issued_tokens_by_end ON issued_tokens (expires_at);

-- Which programs may serve over this schema: those of version serves_from and later. What a migration
-- added and dropped, by the names of the self-check, a name to a line: programs that do not know the
-- migration look for exactly that.
CREATE TABLE schema_versions (
  version INTEGER NOT NULL PRIMARY KEY,
  serves_from INTEGER NOT NULL CHECK (serves_from BETWEEN 1 AND version),
  added TEXT NOT NULL,
  dropped TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Statistics of a large installation, for the planner. Without any it takes a tenant for ten rows, and
-- reads the whole tenant instead of the user's index.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('users', 'sqlite_autoindex_users_2', '1000000 10000 10000 1'),
  ('users', 'users_by_folded', '1000000 10000 10000 1'),
  ('users', 'users', '1000000 10000 1'),
  ('user_groups', 'user_groups', '1000000 10000 10 1'),
  ('roles', 'roles', '1000000 10000 10 1'),
  ('factors', 'one_bound_factor', '1000000 10000 1'),
  ('factors', 'one_pending_factor', '1000000 10000 1'),
  ('factors', 'factors_by_user', '1000000 10000 10'),
  ('factors', 'factors', '1000000 10000 1'),
  ('factor_steps', 'factor_steps', '1000000 10000 1'),
  ('throttles', 'throttles', '1000000 10000 10 1'),
  ('challenges', 'challenges_by_end', '1000000 10'),
  ('challenges', 'challenges_by_user', '1000000 10000 10 10 10 1'),
  ('challenges', 'challenges', '1000000 10000 1'),
  ('challenges', 'sqlite_autoindex_challenges_1', '1000000 1'),
  ('enrollments', 'enrollments_by_end', '1000000 10'),
  ('enrollments', 'enrollments_by_factor', '1000000 10000 10'),
  ('enrollments', 'enrollments_of_server', '100 10 1'),
  ('enrollments', 'enrollments_by_authority', '1000 100 1'),
  ('enrollments', 'enrollments', '1000000 10000 1'),
  ('enrollments', 'sqlite_autoindex_enrollments_1', '1000000 1'),
  ('recovery_codes', 'sqlite_autoindex_recovery_codes_2', '1000000 10000 10 1'),
  ('recovery_codes', 'recovery_codes', '1000000 10000 1'),
  ('tickets', 'tickets_by_end', '1000000 10'),
  ('tickets', 'tickets_by_user', '1000000 10000 10'),
  ('tickets', 'tickets', '1000000 10000 1'),
  ('tickets', 'sqlite_autoindex_tickets_1', '1000000 1'),
  ('petitions', 'petitions', '1000000 10000 1'),
  ('petitions', 'petitions_open', '10000 1000 1'),
  ('overrides', 'overrides_by_user', '1000000 10000 10 10'),
  ('overrides', 'overrides', '1000000 10000 1'),
  ('approvals', 'approvals', '1000000 10000 10 1'),
  ('issued_tokens', 'issued_tokens_by_end', '1000000 10'),
  ('issued_tokens', 'issued_tokens', '1000000 10000 10 1'),
  ('events', 'events', '1000000 10000 1'),
  ('events', 'sqlite_autoindex_events_1', '1000000 1'),
  ('clients', 'clients', '1000000 10000 1'),
  ('clients', 'sqlite_autoindex_clients_1', '1000000 1'),
  ('client_secrets', 'client_secrets_by_client', '1000000 10'),
  ('client_secrets', 'client_secrets', '1000000 10000 1');

CREATE TRIGGER events_insert BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM events WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'events: exists'); END;

CREATE TRIGGER events_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events: append only'); END;

CREATE TRIGGER events_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events: never deleted'); END;

CREATE TRIGGER events_order BEFORE INSERT ON events
WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM events WHERE tenant_id = NEW.tenant_id), 0)
BEGIN SELECT RAISE(ABORT, 'events: only at the end'); END;

-- Rows are purged by the newest event's time: no event is more than a minute ahead of the clock here.
CREATE TRIGGER events_clock BEFORE INSERT ON events
WHEN NEW.at > CAST(unixepoch('subsec') * 1000 AS INTEGER) + 60000
BEGIN SELECT RAISE(ABORT, 'events: ahead of the clock'); END;

CREATE TRIGGER installation_insert BEFORE INSERT ON installation
WHEN EXISTS (SELECT 1 FROM installation WHERE id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'installation: exists, or names no event'); END;

CREATE TRIGGER installation_update BEFORE UPDATE ON installation
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'installation: changed without a new event'); END;

CREATE TRIGGER installation_facts BEFORE UPDATE ON installation
WHEN NEW.id IS DISTINCT FROM OLD.id
  OR NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'installation: a fact cannot change'); END;

CREATE TRIGGER installation_delete BEFORE DELETE ON installation
BEGIN SELECT RAISE(ABORT, 'installation: never deleted'); END;

-- A sealed value is replaced only by one of the same length that another key sealed, and nothing beside
-- it. The newest event says so, and from which keys to which; the server wrote it. The key check and the
-- pepper come last: when all token keys are under the new key, and this event counts those that it moved.
-- A key that they were moved away from never seals them again.
CREATE TRIGGER installation_resealed BEFORE UPDATE ON installation
WHEN length(NEW.key_check) <> length(OLD.key_check)
  OR substr(NEW.key_check, 1, 9) = substr(OLD.key_check, 1, 9)
  OR length(NEW.sealed_pepper) <> length(OLD.sealed_pepper)
  OR substr(NEW.sealed_pepper, 1, 9) = substr(OLD.sealed_pepper, 1, 9)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'secrets.resealed'
    AND e.actor_kind = 'server'
    AND json_extract(e.data, '$.to') = CAST(substr(NEW.key_check, 2, 8) AS TEXT)
    AND json_extract(e.data, '$.to') = CAST(substr(NEW.sealed_pepper, 2, 8) AS TEXT)
    AND EXISTS (SELECT 1 FROM json_each(e.data, '$.from') WHERE value = CAST(substr(OLD.key_check, 2, 8) AS TEXT))
    AND EXISTS (SELECT 1 FROM json_each(e.data, '$.from') WHERE value = CAST(substr(OLD.sealed_pepper, 2, 8) AS TEXT))
    AND json_extract(e.data, '$.installation') = 2
    AND json_extract(e.data, '$.signing_keys') = (SELECT count(*) FROM signing_keys k WHERE k.tenant_id = e.tenant_id AND k.event_seq = e.seq)
    AND NOT EXISTS (SELECT 1 FROM signing_keys k WHERE k.sealed IS NOT NULL
      AND CAST(substr(k.sealed, 2, 8) AS TEXT) <> json_extract(e.data, '$.to'))
    AND NOT EXISTS (SELECT 1 FROM events b WHERE b.tenant_id = e.tenant_id AND b.seq < e.seq
      AND b.kind = 'secrets.resealed' AND json_extract(b.data, '$.installation') = 2
      AND EXISTS (SELECT 1 FROM json_each(b.data, '$.from') WHERE value = json_extract(e.data, '$.to'))))
BEGIN SELECT RAISE(ABORT, 'installation: another secret, and not resealed'); END;

CREATE TRIGGER signing_keys_insert BEFORE INSERT ON signing_keys
WHEN EXISTS (SELECT 1 FROM signing_keys WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM signing_keys WHERE tenant_id = NEW.tenant_id AND state = 'active' AND NEW.state = 'active')
  OR EXISTS (SELECT 1 FROM signing_keys WHERE tenant_id = NEW.tenant_id AND state = 'next' AND NEW.state = 'next')
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'signing_keys: exists, or names no event'); END;

CREATE TRIGGER signing_keys_update BEFORE UPDATE ON signing_keys
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
  OR EXISTS (SELECT 1 FROM signing_keys WHERE tenant_id = NEW.tenant_id AND state = 'active' AND NEW.state = 'active' AND NOT (tenant_id = NEW.tenant_id AND id = NEW.id))
  OR EXISTS (SELECT 1 FROM signing_keys WHERE tenant_id = NEW.tenant_id AND state = 'next' AND NEW.state = 'next' AND NOT (tenant_id = NEW.tenant_id AND id = NEW.id))
BEGIN SELECT RAISE(ABORT, 'signing_keys: changed without a new event, or takes the place of another row'); END;

CREATE TRIGGER signing_keys_facts BEFORE UPDATE ON signing_keys
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.algorithm IS DISTINCT FROM OLD.algorithm
  OR NEW.public_jwk IS DISTINCT FROM OLD.public_jwk
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'signing_keys: a fact cannot change'); END;

CREATE TRIGGER signing_keys_delete BEFORE DELETE ON signing_keys
BEGIN SELECT RAISE(ABORT, 'signing_keys: never deleted'); END;

-- Signing keys: next → active → retiring → gone, or revoked; never back. Only the server makes and moves
-- one, each by an event of its own kind about this key. A change of state says when, and no time changes
-- without its state. A secret may be sealed anew meanwhile.
CREATE TRIGGER signing_keys_made BEFORE INSERT ON signing_keys
WHEN NEW.state NOT IN ('next', 'active') OR NEW.retiring_from IS NOT NULL
  OR (NEW.state = 'active') <> (NEW.active_from IS NOT NULL)
  OR NEW.active_from <> NEW.created_at
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND e.actor_kind = 'server'
    AND e.object_id = NEW.id
    AND e.at = NEW.created_at
    AND e.kind = CASE NEW.state WHEN 'next' THEN 'signing_key.published' ELSE 'signing_key.activated' END
    AND (NEW.state = 'next' OR NOT EXISTS (SELECT 1 FROM signing_keys k WHERE k.tenant_id = NEW.tenant_id)
    OR json_extract(e.data, '$.in_haste') = 1
    OR EXISTS (SELECT 1 FROM signing_keys k JOIN events r ON r.tenant_id = k.tenant_id AND r.seq = k.event_seq
      WHERE k.tenant_id = NEW.tenant_id AND k.state = 'revoked' AND k.active_from IS NOT NULL AND k.retiring_from IS NULL
        AND r.tenant_id = e.tenant_id AND r.seq = e.seq - 1)))
BEGIN SELECT RAISE(ABORT, 'signing_keys: not made by the server, or not new'); END;

CREATE TRIGGER signing_keys_life BEFORE UPDATE ON signing_keys
WHEN NEW.state <> OLD.state AND NOT EXISTS (SELECT 1 FROM events e
  WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.actor_kind = 'server' AND e.object_id = NEW.id AND (
     (OLD.state = 'next' AND NEW.state = 'active' AND e.kind = 'signing_key.activated' AND NOT EXISTS (
        SELECT 1 FROM signing_keys k WHERE k.tenant_id = OLD.tenant_id AND k.state = 'active'))
  OR (OLD.state = 'active' AND NEW.state = 'retiring' AND e.kind = 'signing_key.retired')
  OR (OLD.state = 'retiring' AND NEW.state = 'gone' AND e.kind = 'signing_key.ended')
  OR (OLD.state IN ('next', 'active', 'retiring') AND NEW.state = 'revoked' AND e.kind = 'signing_key.revoked')))
BEGIN SELECT RAISE(ABORT, 'signing_keys: no such transition'); END;

CREATE TRIGGER signing_keys_times BEFORE UPDATE ON signing_keys
WHEN (OLD.state = 'next' AND NEW.state = 'active') <> (NEW.active_from IS DISTINCT FROM OLD.active_from)
  OR (OLD.state = 'active' AND NEW.state = 'retiring') <> (NEW.retiring_from IS DISTINCT FROM OLD.retiring_from)
  OR (OLD.state <> NEW.state AND NEW.state IN ('gone', 'revoked')) <> (NEW.ended_at IS DISTINCT FROM OLD.ended_at)
  OR (NEW.state = 'active' AND coalesce(NEW.active_from < NEW.created_at, TRUE))
  OR (NEW.state = 'retiring' AND coalesce(NEW.retiring_from < NEW.active_from, TRUE))
  OR coalesce(NEW.ended_at < coalesce(NEW.retiring_from, NEW.active_from, NEW.created_at), FALSE)
BEGIN SELECT RAISE(ABORT, 'signing_keys: its times go forward with its state'); END;

-- A time of a life is its event's, or that of what came before, where another server's clock was ahead. A
-- key has been published for 22 minutes when it signs, unless it is the first of all, the event says that it is in
-- haste, or the event before took out the key that signed. It ends 18 minutes after it ceased to sign.
CREATE TRIGGER signing_keys_schedule BEFORE UPDATE ON signing_keys
WHEN (NEW.state <> OLD.state) AND (
  NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND max(e.at, OLD.created_at, coalesce(OLD.active_from, 0), coalesce(OLD.retiring_from, 0))
      = CASE NEW.state WHEN 'active' THEN NEW.active_from WHEN 'retiring' THEN NEW.retiring_from ELSE NEW.ended_at END)
  OR (NEW.state = 'active' AND NEW.active_from < NEW.created_at + 1320000 AND NOT EXISTS (
    SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND (json_extract(e.data, '$.in_haste') = 1
    OR EXISTS (SELECT 1 FROM signing_keys k JOIN events r ON r.tenant_id = k.tenant_id AND r.seq = k.event_seq
      WHERE k.tenant_id = NEW.tenant_id AND k.state = 'revoked' AND k.active_from IS NOT NULL AND k.retiring_from IS NULL
        AND r.tenant_id = e.tenant_id AND r.seq = e.seq - 1))))
  OR (NEW.state = 'gone' AND NEW.ended_at < OLD.retiring_from + 1080000))
BEGIN SELECT RAISE(ABORT, 'signing_keys: too soon, or not when its event says'); END;

-- No secret takes another one's place: a sealed value is replaced only by one of the same length, under
-- the key and from one of the keys that the event names, and an event moves no more token keys than it
-- counts.
CREATE TRIGGER signing_keys_resealed BEFORE UPDATE ON signing_keys
WHEN (NEW.sealed <> OLD.sealed) AND (
  length(NEW.sealed) <> length(OLD.sealed)
  OR substr(NEW.sealed, 1, 9) = substr(OLD.sealed, 1, 9)
  OR NEW.state IS DISTINCT FROM OLD.state
  OR NEW.active_from IS DISTINCT FROM OLD.active_from
  OR NEW.retiring_from IS DISTINCT FROM OLD.retiring_from
  OR NEW.ended_at IS DISTINCT FROM OLD.ended_at
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'secrets.resealed'
    AND e.actor_kind = 'server'
    AND json_extract(e.data, '$.to') = CAST(substr(NEW.sealed, 2, 8) AS TEXT)
    AND EXISTS (SELECT 1 FROM json_each(e.data, '$.from') WHERE value = CAST(substr(OLD.sealed, 2, 8) AS TEXT))
    AND json_extract(e.data, '$.signing_keys') > (SELECT count(*) FROM signing_keys k WHERE k.tenant_id = e.tenant_id AND k.event_seq = e.seq)))
BEGIN SELECT RAISE(ABORT, 'signing_keys: another secret, and not resealed'); END;

CREATE TRIGGER tenants_insert BEFORE INSERT ON tenants
WHEN EXISTS (SELECT 1 FROM tenants WHERE tenant_id = NEW.tenant_id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'tenants: exists, or names no event'); END;

CREATE TRIGGER tenants_update BEFORE UPDATE ON tenants
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'tenants: changed without a new event'); END;

CREATE TRIGGER tenants_facts BEFORE UPDATE ON tenants
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'tenants: a fact cannot change'); END;

CREATE TRIGGER tenants_delete BEFORE DELETE ON tenants
BEGIN SELECT RAISE(ABORT, 'tenants: never deleted'); END;

CREATE TRIGGER directories_insert BEFORE INSERT ON directories
WHEN EXISTS (SELECT 1 FROM directories WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'directories: exists, or names no event'); END;

CREATE TRIGGER directories_update BEFORE UPDATE ON directories
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'directories: changed without a new event'); END;

CREATE TRIGGER directories_facts BEFORE UPDATE ON directories
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'directories: a fact cannot change'); END;

CREATE TRIGGER directories_delete BEFORE DELETE ON directories
BEGIN SELECT RAISE(ABORT, 'directories: never deleted'); END;

-- Directories: a new one holds look-alikes, and letting them enroll takes an override that is in force.
CREATE TRIGGER directories_start BEFORE INSERT ON directories
WHEN NEW.look_alikes <> 'hold'
BEGIN SELECT RAISE(ABORT, 'directories: a new one holds look-alikes'); END;

CREATE TRIGGER directories_life BEFORE UPDATE ON directories
WHEN OLD.look_alikes = 'hold' AND NEW.look_alikes <> 'hold' AND NOT EXISTS (
  SELECT 1 FROM events e JOIN overrides o ON o.tenant_id = e.tenant_id AND o.id = json_extract(e.data, '$.override')
  WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.kind = 'directory.changed'
    AND e.object_id = NEW.id AND o.kind = 'tenant' AND json_extract(o.facts, '$.directory_id') = NEW.id
    AND json_extract(o.facts, '$.operation') = 'setLookAlikes' AND json_extract(o.facts, '$.look_alikes') = NEW.look_alikes
    AND o.state = 'approved' AND o.expires_at > e.at)
BEGIN SELECT RAISE(ABORT, 'directories: no authority to let look-alikes enroll'); END;

CREATE TRIGGER clients_insert BEFORE INSERT ON clients
WHEN EXISTS (SELECT 1 FROM clients WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM clients WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'clients: exists, or names no event'); END;

CREATE TRIGGER clients_update BEFORE UPDATE ON clients
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'clients: changed without a new event'); END;

CREATE TRIGGER clients_facts BEFORE UPDATE ON clients
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.directory_id IS DISTINCT FROM OLD.directory_id
  OR NEW.created_by IS DISTINCT FROM OLD.created_by
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'clients: a fact cannot change'); END;

CREATE TRIGGER clients_delete BEFORE DELETE ON clients
BEGIN SELECT RAISE(ABORT, 'clients: never deleted'); END;

-- No client makes a client. A disabled client and a revoked secret stay so; an expiry only comes
-- closer.
CREATE TRIGGER clients_made BEFORE INSERT ON clients
WHEN NEW.disabled_at IS NOT NULL
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = e.tenant_id)
    AND e.kind = 'client.created'
    AND e.actor_kind IN ('person', 'server')
    AND e.object_id = NEW.id
    AND e.at = NEW.created_at)
BEGIN SELECT RAISE(ABORT, 'clients: not made by its event'); END;

CREATE TRIGGER clients_life BEFORE UPDATE ON clients
WHEN OLD.disabled_at IS NOT NULL AND NEW.disabled_at IS DISTINCT FROM OLD.disabled_at
  OR (NEW.scopes IS DISTINCT FROM OLD.scopes OR NEW.audiences IS DISTINCT FROM OLD.audiences) AND NOT EXISTS (
    SELECT 1 FROM events e JOIN overrides o ON o.tenant_id = e.tenant_id AND o.id = json_extract(e.data, '$.override')
    WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.kind = 'client.updated'
      AND e.object_id = NEW.id AND OLD.disabled_at IS NULL
      AND o.kind = 'client' AND json_extract(o.facts, '$.operation') = 'updateClient'
      AND json_extract(o.facts, '$.client_id') = NEW.id
      AND json_extract(o.facts, '$.scopes') = NEW.scopes
      AND json_extract(o.facts, '$.audiences') = NEW.audiences
      AND o.state = 'approved' AND o.expires_at > e.at)
BEGIN SELECT RAISE(ABORT, 'clients: disabled for good, or no authority for other scopes or audiences'); END;

CREATE TRIGGER client_secrets_insert BEFORE INSERT ON client_secrets
WHEN EXISTS (SELECT 1 FROM client_secrets WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'client_secrets: exists, or names no event'); END;

CREATE TRIGGER client_secrets_update BEFORE UPDATE ON client_secrets
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'client_secrets: changed without a new event'); END;

CREATE TRIGGER client_secrets_facts BEFORE UPDATE ON client_secrets
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.client_id IS DISTINCT FROM OLD.client_id
  OR NEW.hash IS DISTINCT FROM OLD.hash
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'client_secrets: a fact cannot change'); END;

CREATE TRIGGER client_secrets_delete BEFORE DELETE ON client_secrets
BEGIN SELECT RAISE(ABORT, 'client_secrets: never deleted'); END;

-- A person or the server makes a secret, by the newest event, which makes one of this client. It lives
-- for ninety days at most, and no client has three that live.
CREATE TRIGGER client_secrets_made BEFORE INSERT ON client_secrets
WHEN NEW.revoked_at IS NOT NULL
  OR NEW.expires_at > NEW.created_at + 7776000000
  OR EXISTS (SELECT 1 FROM client_secrets s WHERE s.client_id = NEW.client_id AND s.event_seq = NEW.event_seq)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = e.tenant_id)
    AND e.kind IN ('client.created', 'client.secret_created')
    AND e.actor_kind IN ('person', 'server')
    AND e.object_id = NEW.client_id
    AND e.at = NEW.created_at)
  OR (SELECT count(*) FROM client_secrets s JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    WHERE s.client_id = NEW.client_id AND s.revoked_at IS NULL AND s.expires_at > e.at) >= 2
BEGIN SELECT RAISE(ABORT, 'client_secrets: a third, or not made by its event'); END;

CREATE TRIGGER client_secrets_life BEFORE UPDATE ON client_secrets
WHEN NEW.expires_at > OLD.expires_at
  OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
BEGIN SELECT RAISE(ABORT, 'client_secrets: a secret only ends sooner'); END;

CREATE TRIGGER client_keys_insert BEFORE INSERT ON client_keys
WHEN EXISTS (SELECT 1 FROM client_keys WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'client_keys: exists, or names no event'); END;

CREATE TRIGGER client_keys_update BEFORE UPDATE ON client_keys
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'client_keys: changed without a new event'); END;

CREATE TRIGGER client_keys_facts BEFORE UPDATE ON client_keys
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.client_id IS DISTINCT FROM OLD.client_id
  OR NEW.jwk IS DISTINCT FROM OLD.jwk
  OR NEW.service_account IS DISTINCT FROM OLD.service_account
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'client_keys: a fact cannot change'); END;

CREATE TRIGGER client_keys_delete BEFORE DELETE ON client_keys
BEGIN SELECT RAISE(ABORT, 'client_keys: never deleted'); END;

-- A person or the server gives a client a key, by the newest event, which names it. No client has three
-- that live, and a removed one stays so.
CREATE TRIGGER client_keys_made BEFORE INSERT ON client_keys
WHEN NEW.removed_at IS NOT NULL
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = e.tenant_id)
    AND e.kind = 'client.key_added'
    AND e.actor_kind IN ('person', 'server')
    AND e.object_id = NEW.client_id
    AND json_extract(e.data, '$.key') = NEW.id
    AND e.at = NEW.created_at)
  OR (SELECT count(*) FROM client_keys k WHERE k.client_id = NEW.client_id AND k.removed_at IS NULL) >= 2
BEGIN SELECT RAISE(ABORT, 'client_keys: a third, or not made by its event'); END;

CREATE TRIGGER client_keys_life BEFORE UPDATE ON client_keys
WHEN OLD.removed_at IS NOT NULL AND NEW.removed_at IS DISTINCT FROM OLD.removed_at
BEGIN SELECT RAISE(ABORT, 'client_keys: removed for good'); END;

CREATE TRIGGER client_tokens_insert BEFORE INSERT ON client_tokens
WHEN EXISTS (SELECT 1 FROM client_tokens WHERE hash = NEW.hash)
  OR EXISTS (SELECT 1 FROM client_tokens WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM client_tokens WHERE tenant_id = NEW.tenant_id AND event_seq = NEW.event_seq)
  OR EXISTS (SELECT 1 FROM client_tokens WHERE tenant_id = NEW.tenant_id AND client_id = NEW.client_id AND jti_hash = NEW.jti_hash)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'client_tokens: exists, or names no event'); END;

CREATE TRIGGER client_tokens_update BEFORE UPDATE ON client_tokens
BEGIN SELECT RAISE(ABORT, 'client_tokens: append only'); END;

CREATE TRIGGER client_tokens_delete BEFORE DELETE ON client_tokens
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = OLD.tenant_id
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'retention.purged' AND e.actor_kind = 'server' AND e.at > OLD.expires_at)
BEGIN SELECT RAISE(ABORT, 'client_tokens: not expired, or not purged'); END;

-- A client's token comes from a live key of that very client.
CREATE TRIGGER client_tokens_issued BEFORE INSERT ON client_tokens
WHEN NOT EXISTS (SELECT 1 FROM events e JOIN clients c ON c.tenant_id = e.tenant_id AND c.id = e.actor_id
      JOIN client_keys k ON k.tenant_id = c.tenant_id AND k.client_id = c.id
    WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.kind = 'client.token_issued'
    AND e.actor_kind = 'client' AND e.actor_id = NEW.client_id AND e.at = NEW.issued_at
    AND c.disabled_at IS NULL AND k.id = NEW.key_id AND k.removed_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'client_tokens: no live key of this client'); END;

CREATE TRIGGER users_insert BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM users WHERE tenant_id = NEW.tenant_id AND directory_id = NEW.directory_id AND external_id = NEW.external_id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'users: exists, or names no event'); END;

CREATE TRIGGER users_update BEFORE UPDATE ON users
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'users: changed without a new event'); END;

CREATE TRIGGER users_facts BEFORE UPDATE ON users
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.directory_id IS DISTINCT FROM OLD.directory_id
  OR NEW.external_id IS DISTINCT FROM OLD.external_id
  OR NEW.kind IS DISTINCT FROM OLD.kind
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
  OR NEW.external_id_folded IS DISTINCT FROM OLD.external_id_folded
BEGIN SELECT RAISE(ABORT, 'users: a fact cannot change'); END;

CREATE TRIGGER users_delete BEFORE DELETE ON users
BEGIN SELECT RAISE(ABORT, 'users: never deleted'); END;

-- Users: the epoch and "was enrolled once" never fall; coming back, a label, or losing the duty to
-- redeem a ticket takes what the rule names. An override counts until its end, by the event's time, and a
-- ticket by one is made by its requester.
CREATE TRIGGER users_start BEFORE INSERT ON users
WHEN NEW.epoch <> 1 OR NEW.labels <> '[]' OR NEW.grace_until IS NOT NULL
  OR (NOT NEW.ticket_only AND EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = NEW.tenant_id
        AND u.directory_id = NEW.directory_id AND u.external_id_folded = NEW.external_id_folded)
      AND EXISTS (SELECT 1 FROM directories d WHERE d.tenant_id = NEW.tenant_id
        AND d.id = NEW.directory_id AND d.look_alikes = 'hold'))
BEGIN SELECT RAISE(ABORT, 'users: no authority for this start'); END;

CREATE TRIGGER users_life BEFORE UPDATE ON users
WHEN NEW.epoch < OLD.epoch
  OR NEW.ever_enrolled < OLD.ever_enrolled
  OR (OLD.offboarded_at IS NOT NULL AND NEW.offboarded_at IS NOT NULL AND NEW.offboarded_at <> OLD.offboarded_at)
  OR (OLD.offboarded_at IS NOT NULL AND NEW.offboarded_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM overrides o JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
        WHERE o.tenant_id = OLD.tenant_id AND o.user_id = OLD.id
          AND o.kind = 'reinstate' AND o.state = 'approved' AND e.at < o.expires_at))
  OR (NEW.labels IS DISTINCT FROM OLD.labels AND NOT EXISTS (
        SELECT 1 FROM overrides o JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
        WHERE o.tenant_id = OLD.tenant_id AND o.user_id = OLD.id
          AND o.kind = 'labels' AND o.state = 'approved' AND e.at < o.expires_at))
  OR (OLD.ticket_only AND NOT NEW.ticket_only AND NOT EXISTS (
        SELECT 1 FROM factors f JOIN enrollments n ON n.tenant_id = f.tenant_id AND n.factor_id = f.id
        WHERE f.tenant_id = OLD.tenant_id AND f.user_id = OLD.id AND f.state = 'active'
          AND n.authority IN ('ticket', 'bootstrap')))
  OR (NEW.grace_until IS DISTINCT FROM OLD.grace_until
      AND (OLD.grace_until IS NULL OR NEW.grace_until IS NULL OR NEW.grace_until > OLD.grace_until) AND NOT EXISTS (
        SELECT 1 FROM overrides o JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
        WHERE o.tenant_id = OLD.tenant_id AND o.user_id = OLD.id
          AND o.kind = 'extend_grace' AND o.state = 'approved' AND e.at < o.expires_at))
BEGIN SELECT RAISE(ABORT, 'users: no authority for this change'); END;

CREATE TRIGGER user_groups_insert BEFORE INSERT ON user_groups
WHEN EXISTS (SELECT 1 FROM user_groups WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND client_id = NEW.client_id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'user_groups: exists, or names no event'); END;

CREATE TRIGGER user_groups_update BEFORE UPDATE ON user_groups
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'user_groups: changed without a new event'); END;

CREATE TRIGGER user_groups_facts BEFORE UPDATE ON user_groups
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.client_id IS DISTINCT FROM OLD.client_id
BEGIN SELECT RAISE(ABORT, 'user_groups: a fact cannot change'); END;

CREATE TRIGGER user_groups_delete BEFORE DELETE ON user_groups
BEGIN SELECT RAISE(ABORT, 'user_groups: never deleted'); END;

CREATE TRIGGER roles_insert BEFORE INSERT ON roles
WHEN EXISTS (SELECT 1 FROM roles WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND role = NEW.role)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'roles: exists, or names no event'); END;

CREATE TRIGGER roles_update BEFORE UPDATE ON roles
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'roles: changed without a new event'); END;

CREATE TRIGGER roles_facts BEFORE UPDATE ON roles
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.role IS DISTINCT FROM OLD.role
BEGIN SELECT RAISE(ABORT, 'roles: a fact cannot change'); END;

CREATE TRIGGER roles_delete BEFORE DELETE ON roles
BEGIN SELECT RAISE(ABORT, 'roles: never deleted'); END;

-- A role comes from an approved override that names the user and the role, or from the server's own
-- grant. What was granted and taken away stays on the row until the next grant.
CREATE TRIGGER roles_granted BEFORE INSERT ON roles
WHEN NEW.revoked_at IS NOT NULL OR (NEW.override_id IS NULL AND NOT EXISTS (
    SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.actor_kind = 'server'
      AND e.kind = 'role.granted' AND e.user_id = NEW.user_id))
  OR (NEW.override_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM overrides o WHERE o.tenant_id = NEW.tenant_id
        AND o.id = NEW.override_id AND o.user_id = NEW.user_id AND o.kind = 'role' AND o.state = 'approved'
        AND json_extract(o.facts, '$.role') = NEW.role AND json_extract(o.facts, '$.grant') = 1))
BEGIN SELECT RAISE(ABORT, 'roles: no authority to grant'); END;

CREATE TRIGGER roles_life BEFORE UPDATE ON roles
WHEN (NEW.revoked_at IS NOT NULL AND (NEW.override_id IS DISTINCT FROM OLD.override_id OR NEW.granted_at <> OLD.granted_at
      OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at <> OLD.revoked_at)))
  OR (NEW.revoked_at IS NULL AND OLD.revoked_at IS NULL)
  OR (NEW.revoked_at IS NULL AND (NEW.override_id IS NOT DISTINCT FROM OLD.override_id
      OR NOT EXISTS (SELECT 1 FROM overrides o WHERE o.tenant_id = NEW.tenant_id
        AND o.id = NEW.override_id AND o.user_id = NEW.user_id AND o.kind = 'role' AND o.state = 'approved'
        AND json_extract(o.facts, '$.role') = NEW.role AND json_extract(o.facts, '$.grant') = 1)))
BEGIN SELECT RAISE(ABORT, 'roles: no authority to grant'); END;

CREATE TRIGGER policies_insert BEFORE INSERT ON policies
WHEN EXISTS (SELECT 1 FROM policies WHERE tenant_id = NEW.tenant_id AND version = NEW.version)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'policies: exists, or names no event'); END;

CREATE TRIGGER policies_update BEFORE UPDATE ON policies
BEGIN SELECT RAISE(ABORT, 'policies: append only'); END;

CREATE TRIGGER policies_delete BEFORE DELETE ON policies
BEGIN SELECT RAISE(ABORT, 'policies: never deleted'); END;

-- Policy versions are dense, and no client makes one.
CREATE TRIGGER policies_version BEFORE INSERT ON policies
WHEN NEW.version <> 1 + (SELECT coalesce(max(version), 0) FROM policies WHERE tenant_id = NEW.tenant_id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.actor_kind IN ('person', 'server')
      AND e.kind = 'policy.replaced' AND e.object_id = CAST(NEW.version AS TEXT))
  OR (NEW.override_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM overrides o WHERE o.tenant_id = NEW.tenant_id
        AND o.id = NEW.override_id AND o.kind = 'policy' AND o.state = 'approved'))
BEGIN SELECT RAISE(ABORT, 'policies: not the next version, or no authority'); END;

CREATE TRIGGER factors_insert BEFORE INSERT ON factors
WHEN EXISTS (SELECT 1 FROM factors WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM factors WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND state = 'pending' AND NEW.state = 'pending')
  OR EXISTS (SELECT 1 FROM factors WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND state IN ('active', 'suspended') AND NEW.state IN ('active', 'suspended'))
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'factors: exists, or names no event'); END;

CREATE TRIGGER factors_update BEFORE UPDATE ON factors
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
  OR EXISTS (SELECT 1 FROM factors WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND state = 'pending' AND NEW.state = 'pending' AND NOT (tenant_id = NEW.tenant_id AND id = NEW.id))
  OR EXISTS (SELECT 1 FROM factors WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND state IN ('active', 'suspended') AND NEW.state IN ('active', 'suspended') AND NOT (tenant_id = NEW.tenant_id AND id = NEW.id))
BEGIN SELECT RAISE(ABORT, 'factors: changed without a new event, or takes the place of another row'); END;

CREATE TRIGGER factors_facts BEFORE UPDATE ON factors
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.kind IS DISTINCT FROM OLD.kind
  OR NEW.algorithm IS DISTINCT FROM OLD.algorithm
  OR NEW.digits IS DISTINCT FROM OLD.digits
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
  OR NEW.is_bootstrap IS DISTINCT FROM OLD.is_bootstrap
  OR NEW.exposed_to IS DISTINCT FROM OLD.exposed_to
BEGIN SELECT RAISE(ABORT, 'factors: a fact cannot change'); END;

CREATE TRIGGER factors_delete BEFORE DELETE ON factors
BEGIN SELECT RAISE(ABORT, 'factors: never deleted'); END;

-- Factors: pending → active ⇄ suspended → ended. There is no "disabled".
CREATE TRIGGER factors_start BEFORE INSERT ON factors
WHEN NEW.state <> 'pending' OR NEW.activated_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'factors: a factor starts pending'); END;

CREATE TRIGGER factors_confirmed BEFORE UPDATE ON factors
WHEN OLD.state = 'pending' AND NEW.state = 'active' AND NOT EXISTS (
    SELECT 1 FROM factor_steps s JOIN events e ON e.tenant_id = s.tenant_id AND e.seq = s.event_seq
      JOIN enrollments n ON n.tenant_id = s.tenant_id AND n.factor_id = s.factor_id AND n.id = e.object_id
    WHERE s.tenant_id = OLD.tenant_id AND s.factor_id = OLD.id AND s.last_step > 0
      AND s.event_seq = NEW.event_seq AND e.kind = 'enrollment.confirmed' AND e.at = NEW.activated_at
      AND (NEW.trust_since = NEW.activated_at
        OR (n.authority = 'rotation' AND EXISTS (SELECT 1 FROM factors f WHERE f.tenant_id = OLD.tenant_id
          AND f.id = n.authority_id AND f.trust_since = NEW.trust_since)))
      AND (NOT NEW.is_bootstrap OR n.authority = 'bootstrap'
        OR (n.authority = 'ticket' AND EXISTS (SELECT 1 FROM tickets t JOIN overrides o
          ON o.tenant_id = t.tenant_id AND o.id = t.override_id
          WHERE t.tenant_id = n.tenant_id AND t.id = n.authority_id AND o.is_break_glass))))
BEGIN SELECT RAISE(ABORT, 'factors: not confirmed by a code'); END;

CREATE TRIGGER factors_life BEFORE UPDATE ON factors
WHEN (NEW.state <> OLD.state AND NOT (
       (OLD.state = 'pending' AND NEW.state IN ('active', 'ended'))
    OR (OLD.state = 'active' AND NEW.state IN ('suspended', 'ended'))
    OR (OLD.state = 'suspended' AND NEW.state = 'ended')
    OR (OLD.state = 'suspended' AND NEW.state = 'active' AND EXISTS (
         SELECT 1 FROM overrides o JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
         WHERE o.tenant_id = OLD.tenant_id AND o.user_id = OLD.user_id
           AND o.kind = 'resume' AND o.state = 'approved' AND e.at < o.expires_at))))
  OR (OLD.state = 'pending' AND NEW.state = 'active' AND EXISTS (SELECT 1 FROM factors f
       WHERE f.tenant_id = OLD.tenant_id AND f.user_id = OLD.user_id AND f.state IN ('active', 'suspended')))
  OR (NEW.state <> 'ended' AND OLD.rotate_by < coalesce(NEW.rotate_by, OLD.rotate_by + 1))
  OR OLD.state = 'ended'
  OR (OLD.activated_at IS NOT NULL AND (NEW.activated_at IS DISTINCT FROM OLD.activated_at OR NEW.trust_since IS DISTINCT FROM OLD.trust_since))
  OR (NEW.state <> 'ended' AND NEW.sealed IS NULL)
BEGIN SELECT RAISE(ABORT, 'factors: no such transition'); END;

CREATE TRIGGER factors_authority BEFORE UPDATE ON factors
WHEN OLD.state IN ('active', 'suspended') AND NEW.state = 'ended' AND NOT coalesce(
     (NEW.end_authority = 'override' AND EXISTS (SELECT 1 FROM overrides o JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
        WHERE o.tenant_id = OLD.tenant_id AND o.id = NEW.end_authority_id AND o.user_id = OLD.user_id
          AND o.kind = 'reset' AND o.state = 'approved' AND e.at < o.expires_at))
  OR (NEW.end_authority IN ('replacement', 'recovery') AND EXISTS (SELECT 1 FROM factors f
        JOIN enrollments n ON n.tenant_id = f.tenant_id AND n.factor_id = f.id
        JOIN factor_steps s ON s.tenant_id = f.tenant_id AND s.factor_id = f.id AND s.last_step > 0
        JOIN events e ON e.tenant_id = s.tenant_id AND e.seq = s.event_seq AND e.kind = 'enrollment.confirmed' AND e.object_id = n.id
        WHERE f.tenant_id = OLD.tenant_id AND f.user_id = OLD.user_id AND f.state = 'pending' AND e.at = NEW.ended_at
          AND ((NEW.end_authority = 'replacement' AND n.authority = 'rotation'
              AND n.authority_id = OLD.id AND f.id = NEW.end_authority_id)
            OR (NEW.end_authority = 'recovery' AND n.authority = 'recovery'
              AND n.authority_id = NEW.end_authority_id))))
  OR (NEW.end_authority = 'offboarding' AND EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = OLD.tenant_id
        AND u.id = OLD.user_id AND u.id = NEW.end_authority_id AND u.offboarded_at IS NOT NULL)), FALSE)
BEGIN SELECT RAISE(ABORT, 'factors: no authority to end a factor'); END;

CREATE TRIGGER factors_resealed BEFORE UPDATE ON factors
WHEN (NEW.sealed <> OLD.sealed) AND (
  length(NEW.sealed) <> length(OLD.sealed)
  OR substr(NEW.sealed, 1, 9) = substr(OLD.sealed, 1, 9)
  OR NEW.state IS DISTINCT FROM OLD.state
  OR NEW.activated_at IS DISTINCT FROM OLD.activated_at
  OR NEW.trust_since IS DISTINCT FROM OLD.trust_since
  OR NEW.rotate_by IS DISTINCT FROM OLD.rotate_by
  OR NEW.ended_at IS DISTINCT FROM OLD.ended_at
  OR NEW.end_authority IS DISTINCT FROM OLD.end_authority
  OR NEW.end_authority_id IS DISTINCT FROM OLD.end_authority_id
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'secrets.resealed'
    AND e.actor_kind = 'server'
    AND json_extract(e.data, '$.to') = CAST(substr(NEW.sealed, 2, 8) AS TEXT)
    AND EXISTS (SELECT 1 FROM json_each(e.data, '$.from') WHERE value = CAST(substr(OLD.sealed, 2, 8) AS TEXT))))
BEGIN SELECT RAISE(ABORT, 'factors: another secret, and not resealed'); END;

CREATE TRIGGER factor_steps_insert BEFORE INSERT ON factor_steps
WHEN EXISTS (SELECT 1 FROM factor_steps WHERE tenant_id = NEW.tenant_id AND factor_id = NEW.factor_id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'factor_steps: exists, or names no event'); END;

CREATE TRIGGER factor_steps_update BEFORE UPDATE ON factor_steps
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'factor_steps: changed without a new event'); END;

CREATE TRIGGER factor_steps_facts BEFORE UPDATE ON factor_steps
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.factor_id IS DISTINCT FROM OLD.factor_id
BEGIN SELECT RAISE(ABORT, 'factor_steps: a fact cannot change'); END;

CREATE TRIGGER factor_steps_delete BEFORE DELETE ON factor_steps
BEGIN SELECT RAISE(ABORT, 'factor_steps: never deleted'); END;

-- A code works once: the step only rises, by an event that records the verification of this very
-- factor, and never so far ahead that it would lock its owner out.
CREATE TRIGGER factor_steps_start BEFORE INSERT ON factor_steps
WHEN NEW.last_step <> 0
BEGIN SELECT RAISE(ABORT, 'factor_steps: starts at zero'); END;

CREATE TRIGGER factor_steps_spent BEFORE UPDATE ON factor_steps
WHEN NEW.last_step <= OLD.last_step OR NOT EXISTS (SELECT 1 FROM events e
    JOIN factors f ON f.tenant_id = OLD.tenant_id AND f.id = OLD.factor_id AND f.user_id = e.user_id
    WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.evaluated AND json_extract(e.data, '$.factor') = OLD.factor_id
    AND e.kind IN ('code.verified', 'enrollment.confirmed', 'loss.reported')
    AND NEW.last_step BETWEEN e.at / 30000 - 10 AND e.at / 30000 + 10)
BEGIN SELECT RAISE(ABORT, 'factor_steps: already spent, or not by a verification'); END;

CREATE TRIGGER throttles_insert BEFORE INSERT ON throttles
WHEN EXISTS (SELECT 1 FROM throttles WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND lane = NEW.lane)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'throttles: exists, or names no event'); END;

CREATE TRIGGER throttles_update BEFORE UPDATE ON throttles
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'throttles: changed without a new event'); END;

CREATE TRIGGER throttles_facts BEFORE UPDATE ON throttles
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.lane IS DISTINCT FROM OLD.lane
BEGIN SELECT RAISE(ABORT, 'throttles: a fact cannot change'); END;

CREATE TRIGGER throttles_delete BEFORE DELETE ON throttles
BEGIN SELECT RAISE(ABORT, 'throttles: never deleted'); END;

-- A count of failures and a block go back only by a right code, a recovery code, an unlock or a reset
-- of that user. Attempts come back with time alone, and no faster than any policy allows, or in the login's
-- lane by a recovery code, an unlock or a reset: a right code gives none back.
CREATE TRIGGER throttles_life BEFORE UPDATE ON throttles
WHEN (NEW.consecutive < OLD.consecutive OR NEW.blocked_until < OLD.blocked_until OR NEW.updated_at < OLD.updated_at OR NEW.level > OLD.level) AND (
  ((NEW.consecutive < OLD.consecutive OR NEW.blocked_until < OLD.blocked_until)
    AND NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.user_id = OLD.user_id
      AND (e.kind IN ('code.verified', 'enrollment.confirmed', 'recovery_code.used', 'user.unlocked', 'factor.ended')
        OR (e.kind = 'loss.reported' AND e.evaluated))))
  OR ((NEW.updated_at < OLD.updated_at OR (NEW.level > OLD.level AND ((NEW.level - OLD.level)
        * CASE OLD.lane WHEN 'recovery_hour' THEN 720000 WHEN 'recovery_day' THEN 4320000 ELSE 10800000 END
        > NEW.updated_at - OLD.updated_at
      OR NEW.updated_at > coalesce((SELECT e.at FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq), 0))))
    AND NOT (OLD.lane = 'login' AND EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
      AND e.user_id = OLD.user_id AND e.kind IN ('recovery_code.used', 'user.unlocked', 'factor.ended')))))
BEGIN SELECT RAISE(ABORT, 'throttles: nothing lifts this block'); END;

CREATE TRIGGER challenges_insert BEFORE INSERT ON challenges
WHEN EXISTS (SELECT 1 FROM challenges WHERE hash = NEW.hash)
  OR EXISTS (SELECT 1 FROM challenges WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'challenges: exists, or names no event'); END;

CREATE TRIGGER challenges_update BEFORE UPDATE ON challenges
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'challenges: changed without a new event'); END;

CREATE TRIGGER challenges_facts BEFORE UPDATE ON challenges
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.hash IS DISTINCT FROM OLD.hash
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.client_id IS DISTINCT FROM OLD.client_id
  OR NEW.purpose IS DISTINCT FROM OLD.purpose
  OR NEW.audiences IS DISTINCT FROM OLD.audiences
  OR NEW.primary_method IS DISTINCT FROM OLD.primary_method
  OR NEW.primary_at IS DISTINCT FROM OLD.primary_at
  OR NEW.address IS DISTINCT FROM OLD.address
  OR NEW.act_operation IS DISTINCT FROM OLD.act_operation
  OR NEW.act_digest IS DISTINCT FROM OLD.act_digest
  OR NEW.recovery_code_id IS DISTINCT FROM OLD.recovery_code_id
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
  OR NEW.expires_at IS DISTINCT FROM OLD.expires_at
BEGIN SELECT RAISE(ABORT, 'challenges: a fact cannot change'); END;

CREATE TRIGGER challenges_delete BEFORE DELETE ON challenges
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = OLD.tenant_id
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'retention.purged' AND e.actor_kind = 'server' AND e.at > OLD.expires_at)
BEGIN SELECT RAISE(ABORT, 'challenges: not expired, or not purged'); END;

-- Challenges, enrollments, tickets, recovery codes: made with authority, single use, and attempts only
-- rise.
CREATE TRIGGER challenges_start BEFORE INSERT ON challenges
WHEN (NEW.purpose = 'recover') AND (
  NOT EXISTS (SELECT 1 FROM recovery_codes r WHERE r.tenant_id = NEW.tenant_id
    AND r.id = NEW.recovery_code_id AND r.user_id = NEW.user_id AND r.used_at = NEW.created_at
    AND r.event_seq = NEW.event_seq)
  OR EXISTS (SELECT 1 FROM challenges c WHERE c.tenant_id = NEW.tenant_id AND c.user_id = NEW.user_id
    AND c.recovery_code_id = NEW.recovery_code_id))
BEGIN SELECT RAISE(ABORT, 'challenges: no recovery code was used'); END;

CREATE TRIGGER challenges_life BEFORE UPDATE ON challenges
WHEN OLD.closed_at IS NOT NULL OR NEW.attempts < OLD.attempts
BEGIN SELECT RAISE(ABORT, 'challenges: over'); END;

CREATE TRIGGER enrollments_insert BEFORE INSERT ON enrollments
WHEN EXISTS (SELECT 1 FROM enrollments WHERE hash = NEW.hash)
  OR EXISTS (SELECT 1 FROM enrollments WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'enrollments: exists, or names no event'); END;

CREATE TRIGGER enrollments_update BEFORE UPDATE ON enrollments
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'enrollments: changed without a new event'); END;

CREATE TRIGGER enrollments_facts BEFORE UPDATE ON enrollments
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.hash IS DISTINCT FROM OLD.hash
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.client_id IS DISTINCT FROM OLD.client_id
  OR NEW.factor_id IS DISTINCT FROM OLD.factor_id
  OR NEW.authority IS DISTINCT FROM OLD.authority
  OR NEW.authority_id IS DISTINCT FROM OLD.authority_id
  OR NEW.audiences IS DISTINCT FROM OLD.audiences
  OR NEW.primary_method IS DISTINCT FROM OLD.primary_method
  OR NEW.primary_at IS DISTINCT FROM OLD.primary_at
  OR NEW.address IS DISTINCT FROM OLD.address
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
  OR NEW.expires_at IS DISTINCT FROM OLD.expires_at
BEGIN SELECT RAISE(ABORT, 'enrollments: a fact cannot change'); END;

CREATE TRIGGER enrollments_delete BEFORE DELETE ON enrollments
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = OLD.tenant_id
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'retention.purged' AND e.actor_kind = 'server' AND e.at > OLD.expires_at)
BEGIN SELECT RAISE(ABORT, 'enrollments: not expired, or not purged'); END;

CREATE TRIGGER enrollments_start BEFORE INSERT ON enrollments
WHEN NOT EXISTS (SELECT 1 FROM factors f WHERE f.tenant_id = NEW.tenant_id AND f.id = NEW.factor_id
    AND f.user_id = NEW.user_id AND f.state = 'pending')
  OR (NEW.authority IN ('first', 'ticket', 'bootstrap') AND EXISTS (SELECT 1 FROM factors f
      WHERE f.tenant_id = NEW.tenant_id AND f.user_id = NEW.user_id AND f.state IN ('active', 'suspended')))
  OR (NEW.authority IN ('ticket', 'recovery') AND EXISTS (SELECT 1 FROM enrollments n
      WHERE n.tenant_id = NEW.tenant_id AND n.authority_id = NEW.authority_id))
  OR NOT coalesce(CASE NEW.authority
    WHEN 'first' THEN EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = NEW.tenant_id AND u.id = NEW.user_id
      AND NOT u.ticket_only)
      AND NOT EXISTS (SELECT 1 FROM roles r WHERE r.tenant_id = NEW.tenant_id AND r.user_id = NEW.user_id
        AND r.revoked_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM enrollments n WHERE n.tenant_id = NEW.tenant_id AND n.user_id = NEW.user_id
        AND n.client_id IS NULL AND n.closed_at IS NULL AND n.expires_at > NEW.created_at)
    WHEN 'bootstrap' THEN EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.actor_kind = 'server')
      OR EXISTS (SELECT 1 FROM enrollments n WHERE n.tenant_id = NEW.tenant_id AND n.factor_id = NEW.factor_id
        AND n.authority = 'bootstrap')
    WHEN 'ticket' THEN EXISTS (SELECT 1 FROM tickets t WHERE t.tenant_id = NEW.tenant_id AND t.id = NEW.authority_id
      AND t.user_id = NEW.user_id AND t.redeemed_at = NEW.created_at)
    WHEN 'recovery' THEN EXISTS (SELECT 1 FROM challenges c JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
      WHERE c.tenant_id = NEW.tenant_id AND c.recovery_code_id = NEW.authority_id AND c.user_id = NEW.user_id
        AND c.closed_at IS NULL AND e.at < c.expires_at AND e.at = NEW.created_at
        AND e.kind = 'enrollment.begun' AND e.object_id = NEW.factor_id)
    WHEN 'rotation' THEN EXISTS (SELECT 1 FROM factors f
      JOIN factor_steps s ON s.tenant_id = f.tenant_id AND s.factor_id = f.id
      JOIN events p ON p.tenant_id = s.tenant_id AND p.seq = s.event_seq
      JOIN challenges c ON c.tenant_id = f.tenant_id AND c.id = p.object_id AND c.purpose = 'act'
      WHERE f.tenant_id = NEW.tenant_id AND f.id = NEW.authority_id AND f.user_id = NEW.user_id
        AND f.state = 'active' AND p.kind = 'code.verified' AND p.at = NEW.created_at)
    END, FALSE)
BEGIN SELECT RAISE(ABORT, 'enrollments: no authority to enroll'); END;

CREATE TRIGGER enrollments_life BEFORE UPDATE ON enrollments
WHEN OLD.closed_at IS NOT NULL OR NEW.attempts < OLD.attempts
BEGIN SELECT RAISE(ABORT, 'enrollments: over'); END;

CREATE TRIGGER recovery_codes_insert BEFORE INSERT ON recovery_codes
WHEN EXISTS (SELECT 1 FROM recovery_codes WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM recovery_codes WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND hash = NEW.hash)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'recovery_codes: exists, or names no event'); END;

CREATE TRIGGER recovery_codes_update BEFORE UPDATE ON recovery_codes
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'recovery_codes: changed without a new event'); END;

CREATE TRIGGER recovery_codes_facts BEFORE UPDATE ON recovery_codes
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.hash IS DISTINCT FROM OLD.hash
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'recovery_codes: a fact cannot change'); END;

CREATE TRIGGER recovery_codes_delete BEFORE DELETE ON recovery_codes
BEGIN SELECT RAISE(ABORT, 'recovery_codes: never deleted'); END;

CREATE TRIGGER recovery_codes_start BEFORE INSERT ON recovery_codes
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.kind = 'recovery_codes.issued'
    AND e.user_id = NEW.user_id)
BEGIN SELECT RAISE(ABORT, 'recovery_codes: not issued to this user'); END;

CREATE TRIGGER recovery_codes_life BEFORE UPDATE ON recovery_codes
WHEN OLD.used_at IS NOT NULL OR OLD.replaced_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'recovery_codes: used'); END;

CREATE TRIGGER tickets_insert BEFORE INSERT ON tickets
WHEN EXISTS (SELECT 1 FROM tickets WHERE hash = NEW.hash)
  OR EXISTS (SELECT 1 FROM tickets WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'tickets: exists, or names no event'); END;

CREATE TRIGGER tickets_update BEFORE UPDATE ON tickets
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'tickets: changed without a new event'); END;

CREATE TRIGGER tickets_facts BEFORE UPDATE ON tickets
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.mode IS DISTINCT FROM OLD.mode
  OR NEW.hash IS DISTINCT FROM OLD.hash
  OR NEW.claim_code_hash IS DISTINCT FROM OLD.claim_code_hash
  OR NEW.created_by IS DISTINCT FROM OLD.created_by
  OR NEW.override_id IS DISTINCT FROM OLD.override_id
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
  OR NEW.expires_at IS DISTINCT FROM OLD.expires_at
BEGIN SELECT RAISE(ABORT, 'tickets: a fact cannot change'); END;

CREATE TRIGGER tickets_delete BEFORE DELETE ON tickets
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = OLD.tenant_id
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'retention.purged' AND e.actor_kind = 'server' AND e.at > OLD.expires_at)
BEGIN SELECT RAISE(ABORT, 'tickets: not expired, or not purged'); END;

CREATE TRIGGER tickets_start BEFORE INSERT ON tickets
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.actor_kind IN ('person', 'server'))
  OR (NEW.override_id IS NULL AND EXISTS (SELECT 1 FROM roles r WHERE r.tenant_id = NEW.tenant_id
      AND r.user_id = NEW.user_id AND r.revoked_at IS NULL))
  OR (NEW.override_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM overrides o JOIN events e ON e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq
      WHERE o.tenant_id = NEW.tenant_id AND o.id = NEW.override_id AND o.user_id = NEW.user_id
        AND o.kind IN ('ticket', 'reset', 'reinstate') AND o.state = 'approved' AND e.at < o.expires_at
        AND e.actor_id = o.requested_by))
BEGIN SELECT RAISE(ABORT, 'tickets: no authority to make one'); END;

CREATE TRIGGER tickets_life BEFORE UPDATE ON tickets
WHEN OLD.redeemed_at IS NOT NULL OR OLD.revoked_at IS NOT NULL OR NEW.attempts < OLD.attempts
  OR NEW.redeemed_at >= OLD.expires_at
BEGIN SELECT RAISE(ABORT, 'tickets: over'); END;

CREATE TRIGGER petitions_insert BEFORE INSERT ON petitions
WHEN EXISTS (SELECT 1 FROM petitions WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'petitions: exists, or names no event'); END;

CREATE TRIGGER petitions_update BEFORE UPDATE ON petitions
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'petitions: changed without a new event'); END;

CREATE TRIGGER petitions_facts BEFORE UPDATE ON petitions
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.kind IS DISTINCT FROM OLD.kind
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.reason IS DISTINCT FROM OLD.reason
  OR NEW.facts IS DISTINCT FROM OLD.facts
  OR NEW.requested_by_kind IS DISTINCT FROM OLD.requested_by_kind
  OR NEW.requested_by IS DISTINCT FROM OLD.requested_by
  OR NEW.created_at IS DISTINCT FROM OLD.created_at
BEGIN SELECT RAISE(ABORT, 'petitions: a fact cannot change'); END;

CREATE TRIGGER petitions_delete BEFORE DELETE ON petitions
BEGIN SELECT RAISE(ABORT, 'petitions: never deleted'); END;

CREATE TRIGGER petitions_life BEFORE UPDATE ON petitions
WHEN OLD.state <> 'open'
BEGIN SELECT RAISE(ABORT, 'petitions: decided'); END;

CREATE TRIGGER overrides_insert BEFORE INSERT ON overrides
WHEN EXISTS (SELECT 1 FROM overrides WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'overrides: exists, or names no event'); END;

CREATE TRIGGER overrides_update BEFORE UPDATE ON overrides
WHEN NEW.event_seq <= OLD.event_seq
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'overrides: changed without a new event'); END;

CREATE TRIGGER overrides_facts BEFORE UPDATE ON overrides
WHEN NEW.tenant_id IS DISTINCT FROM OLD.tenant_id
  OR NEW.id IS DISTINCT FROM OLD.id
  OR NEW.kind IS DISTINCT FROM OLD.kind
  OR NEW.user_id IS DISTINCT FROM OLD.user_id
  OR NEW.facts IS DISTINCT FROM OLD.facts
  OR NEW.audiences IS DISTINCT FROM OLD.audiences
  OR NEW.digest IS DISTINCT FROM OLD.digest
  OR NEW.reason IS DISTINCT FROM OLD.reason
  OR NEW.ticket_reference IS DISTINCT FROM OLD.ticket_reference
  OR NEW.requested_by IS DISTINCT FROM OLD.requested_by
  OR NEW.requested_client_id IS DISTINCT FROM OLD.requested_client_id
  OR NEW.requested_epoch IS DISTINCT FROM OLD.requested_epoch
  OR NEW.requested_at IS DISTINCT FROM OLD.requested_at
  OR NEW.required_approvals IS DISTINCT FROM OLD.required_approvals
  OR NEW.policy_version IS DISTINCT FROM OLD.policy_version
  OR NEW.petition_id IS DISTINCT FROM OLD.petition_id
  OR NEW.is_break_glass IS DISTINCT FROM OLD.is_break_glass
BEGIN SELECT RAISE(ABORT, 'overrides: a fact cannot change'); END;

CREATE TRIGGER overrides_delete BEFORE DELETE ON overrides
BEGIN SELECT RAISE(ABORT, 'overrides: never deleted'); END;

-- Overrides: requested → approved → used | expired | revoked; requested → denied | withdrawn | expired.
-- A request and an approval are an administrator's, each with a code spent on that act in the same
-- instant: the event names it.
CREATE TRIGGER overrides_start BEFORE INSERT ON overrides
WHEN NEW.state <> 'requested' OR NEW.approved_at IS NOT NULL
  OR (NEW.is_break_glass AND NOT EXISTS (
        SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.actor_kind = 'server'
          AND e.kind = 'override.requested' AND e.object_id = NEW.id AND e.at = NEW.requested_at))
  OR (NOT NEW.is_break_glass AND NOT EXISTS (
        SELECT 1 FROM events e
        JOIN events p ON p.tenant_id = e.tenant_id AND p.id = json_extract(e.data, '$.proof')
        JOIN challenges c ON c.tenant_id = p.tenant_id AND c.id = p.object_id AND c.purpose = 'act'
        JOIN factor_steps s ON s.tenant_id = p.tenant_id AND s.event_seq = p.seq
        JOIN factors f ON f.tenant_id = s.tenant_id AND f.id = s.factor_id AND f.state = 'active'
        JOIN roles r ON r.tenant_id = f.tenant_id AND r.user_id = f.user_id AND r.role = 'admin' AND r.revoked_at IS NULL
        WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.kind = 'override.requested' AND e.object_id = NEW.id
          AND e.actor_kind = 'person' AND e.actor_id = NEW.requested_by AND f.user_id = NEW.requested_by
          AND e.at = NEW.requested_at AND p.at = NEW.requested_at
          AND e.client_id = NEW.requested_client_id AND EXISTS (SELECT 1 FROM users u
            WHERE u.tenant_id = NEW.tenant_id AND u.id = NEW.requested_by AND u.epoch = NEW.requested_epoch)))
BEGIN SELECT RAISE(ABORT, 'overrides: starts requested, by a person or by break-glass'); END;

CREATE TRIGGER overrides_life BEFORE UPDATE ON overrides
WHEN NEW.expires_at > OLD.expires_at
  OR (NEW.approved_at IS DISTINCT FROM OLD.approved_at AND NOT (OLD.state = 'requested' AND NEW.state = 'approved'))
  OR (OLD.state NOT IN ('requested', 'approved'))
  OR (NEW.state <> OLD.state AND NOT (
       (OLD.state = 'requested' AND NEW.state IN ('approved', 'denied', 'withdrawn', 'expired'))
    OR (OLD.state = 'approved' AND NEW.state IN ('used', 'expired', 'revoked'))))
  OR (OLD.state = 'requested' AND NEW.state = 'approved' AND (
       NEW.approved_at >= NEW.expires_at
    OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.at = NEW.approved_at)
    OR (NOT OLD.is_break_glass AND NOT EXISTS (SELECT 1 FROM users u
        JOIN roles r ON r.tenant_id = u.tenant_id AND r.user_id = u.id AND r.role = 'admin'
          AND r.revoked_at IS NULL AND r.granted_at <= OLD.requested_at
        JOIN factors f ON f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.state = 'active'
        JOIN clients c ON c.tenant_id = u.tenant_id AND c.id = OLD.requested_client_id AND c.disabled_at IS NULL
        WHERE u.tenant_id = OLD.tenant_id AND u.id = OLD.requested_by AND u.offboarded_at IS NULL
          AND u.epoch = OLD.requested_epoch))
    OR OLD.required_approvals > (SELECT count(*) FROM approvals a
        WHERE a.tenant_id = OLD.tenant_id AND a.override_id = OLD.id AND EXISTS (SELECT 1 FROM users u
          JOIN roles r ON r.tenant_id = u.tenant_id AND r.user_id = u.id AND r.role = 'admin'
            AND r.revoked_at IS NULL AND r.granted_at <= a.at
          JOIN factors f ON f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.state = 'active'
          JOIN clients c ON c.tenant_id = u.tenant_id AND c.id = a.client_id AND c.disabled_at IS NULL
          WHERE u.tenant_id = OLD.tenant_id AND u.id = a.person_id AND u.offboarded_at IS NULL
            AND u.epoch = a.epoch))))
BEGIN SELECT RAISE(ABORT, 'overrides: no such transition, or not enough approvals'); END;

CREATE TRIGGER approvals_insert BEFORE INSERT ON approvals
WHEN EXISTS (SELECT 1 FROM approvals WHERE tenant_id = NEW.tenant_id AND override_id = NEW.override_id AND person_id = NEW.person_id)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'approvals: exists, or names no event'); END;

CREATE TRIGGER approvals_update BEFORE UPDATE ON approvals
BEGIN SELECT RAISE(ABORT, 'approvals: append only'); END;

CREATE TRIGGER approvals_delete BEFORE DELETE ON approvals
BEGIN SELECT RAISE(ABORT, 'approvals: never deleted'); END;

CREATE TRIGGER approvals_other_person BEFORE INSERT ON approvals
WHEN NOT EXISTS (SELECT 1 FROM overrides o WHERE o.tenant_id = NEW.tenant_id AND o.id = NEW.override_id
    AND o.state = 'requested' AND o.digest = NEW.digest AND o.requested_by <> NEW.person_id
    AND (o.user_id IS NULL OR o.user_id <> NEW.person_id) AND NEW.at < o.expires_at)
  OR NOT EXISTS (SELECT 1 FROM events e
        JOIN events p ON p.tenant_id = e.tenant_id AND p.id = json_extract(e.data, '$.proof')
        JOIN challenges c ON c.tenant_id = p.tenant_id AND c.id = p.object_id AND c.purpose = 'act'
        JOIN factor_steps s ON s.tenant_id = p.tenant_id AND s.event_seq = p.seq
        JOIN factors f ON f.tenant_id = s.tenant_id AND f.id = s.factor_id AND f.state = 'active'
        JOIN roles r ON r.tenant_id = f.tenant_id AND r.user_id = f.user_id AND r.role = 'admin' AND r.revoked_at IS NULL
        WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.kind = 'override.endorsed' AND e.object_id = NEW.override_id
          AND e.actor_kind = 'person' AND e.actor_id = NEW.person_id AND f.user_id = NEW.person_id
          AND e.at = NEW.at AND p.at = NEW.at
          AND e.client_id = NEW.client_id AND EXISTS (SELECT 1 FROM users u
            WHERE u.tenant_id = NEW.tenant_id AND u.id = NEW.person_id AND u.epoch = NEW.epoch))
BEGIN SELECT RAISE(ABORT, 'approvals: by another person, of what they saw'); END;

CREATE TRIGGER issued_tokens_insert BEFORE INSERT ON issued_tokens
WHEN EXISTS (SELECT 1 FROM issued_tokens WHERE tenant_id = NEW.tenant_id AND event_seq = NEW.event_seq AND audience = NEW.audience)
  OR NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq)
BEGIN SELECT RAISE(ABORT, 'issued_tokens: exists, or names no event'); END;

CREATE TRIGGER issued_tokens_update BEFORE UPDATE ON issued_tokens
BEGIN SELECT RAISE(ABORT, 'issued_tokens: append only'); END;

CREATE TRIGGER issued_tokens_delete BEFORE DELETE ON issued_tokens
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant_id = OLD.tenant_id
    AND e.seq = (SELECT max(seq) FROM events WHERE tenant_id = OLD.tenant_id)
    AND e.kind = 'retention.purged' AND e.actor_kind = 'server' AND e.at > OLD.expires_at)
BEGIN SELECT RAISE(ABORT, 'issued_tokens: not expired, or not purged'); END;

-- No token without a code: its event is the one that spent the factor's step, for a login or an
-- enrollment that asked for this audience; a code that was spent on an act yields none.
CREATE TRIGGER issued_tokens_verified BEFORE INSERT ON issued_tokens
WHEN NOT EXISTS (SELECT 1 FROM events e
    JOIN factor_steps s ON s.tenant_id = e.tenant_id AND s.event_seq = e.seq
    JOIN factors f ON f.tenant_id = s.tenant_id AND f.id = s.factor_id
    JOIN users u ON u.tenant_id = f.tenant_id AND u.id = f.user_id
    LEFT JOIN challenges c ON c.tenant_id = e.tenant_id AND c.id = e.object_id AND e.kind = 'code.verified'
      AND c.purpose = 'login'
    LEFT JOIN enrollments n ON n.tenant_id = e.tenant_id AND n.id = e.object_id AND e.kind = 'enrollment.confirmed'
    WHERE e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq AND e.user_id = NEW.user_id AND e.evaluated
      AND e.client_id = NEW.client_id AND e.at = NEW.issued_at AND u.epoch = NEW.epoch
      AND s.factor_id = NEW.factor_id AND f.user_id = NEW.user_id AND f.state = 'active'
      AND NEW.audience IN (SELECT value FROM json_each(coalesce(c.audiences, n.audiences))))
BEGIN SELECT RAISE(ABORT, 'issued_tokens: no verified code'); END;

CREATE TRIGGER schema_versions_insert BEFORE INSERT ON schema_versions
WHEN EXISTS (SELECT 1 FROM schema_versions WHERE version = NEW.version)
BEGIN SELECT RAISE(ABORT, 'schema_versions: exists'); END;

CREATE TRIGGER schema_versions_update BEFORE UPDATE ON schema_versions
BEGIN SELECT RAISE(ABORT, 'schema_versions: append only'); END;

CREATE TRIGGER schema_versions_delete BEFORE DELETE ON schema_versions
BEGIN SELECT RAISE(ABORT, 'schema_versions: never deleted'); END;

-- Only a migration writes here, each the next row; no row is changed or taken away.
CREATE TRIGGER schema_versions_next BEFORE INSERT ON schema_versions
WHEN NEW.version <= (SELECT max(version) FROM schema_versions)
BEGIN SELECT RAISE(ABORT, 'schema_versions: not after the newest'); END;

INSERT INTO schema_versions (version, serves_from, added, dropped) VALUES (1, 1, '', '');
