-- Made from migrations/schema.toml by the test `schema`: change that, and say BLESS=1.

-- What the serving role may do: nothing that a guard does not watch. Only Pawl's own tables are named, because
-- other tables of the schema belong to other programs.
REVOKE ALL ON "{schema}".events, "{schema}".installation, "{schema}".signing_keys, "{schema}".tenants, "{schema}".directories, "{schema}".clients, "{schema}".client_secrets, "{schema}".client_keys, "{schema}".client_tokens, "{schema}".users, "{schema}".user_groups, "{schema}".roles, "{schema}".policies, "{schema}".factors, "{schema}".factor_steps, "{schema}".throttles, "{schema}".challenges, "{schema}".enrollments, "{schema}".recovery_codes, "{schema}".tickets, "{schema}".petitions, "{schema}".overrides, "{schema}".approvals, "{schema}".issued_tokens, "{schema}".schema_versions, "{schema}".__diesel_schema_migrations FROM PUBLIC, "{role}";
REVOKE CREATE ON SCHEMA "{schema}" FROM "{role}";
GRANT USAGE ON SCHEMA "{schema}" TO "{role}";
GRANT SELECT, INSERT ON "{schema}".events, "{schema}".installation, "{schema}".signing_keys, "{schema}".tenants, "{schema}".directories, "{schema}".clients, "{schema}".client_secrets, "{schema}".client_keys, "{schema}".client_tokens, "{schema}".users, "{schema}".user_groups, "{schema}".roles, "{schema}".policies, "{schema}".factors, "{schema}".factor_steps, "{schema}".throttles, "{schema}".challenges, "{schema}".enrollments, "{schema}".recovery_codes, "{schema}".tickets, "{schema}".petitions, "{schema}".overrides, "{schema}".approvals, "{schema}".issued_tokens TO "{role}";
GRANT UPDATE (key_check, sealed_pepper, event_seq) ON "{schema}".installation TO "{role}";
GRANT UPDATE (sealed, state, active_from, retiring_from, ended_at, event_seq) ON "{schema}".signing_keys TO "{role}";
GRANT UPDATE (name, suspended_at, event_seq) ON "{schema}".tenants TO "{role}";
GRANT UPDATE (name, users, look_alikes, event_seq) ON "{schema}".directories TO "{role}";
GRANT UPDATE (name, scopes, audiences, disabled_at, new_users_day, new_users, new_users_refused_day, offboardings_day, offboardings, offboardings_refused_day, event_seq) ON "{schema}".clients TO "{role}";
GRANT UPDATE (expires_at, revoked_at, event_seq) ON "{schema}".client_secrets TO "{role}";
GRANT UPDATE (removed_at, event_seq) ON "{schema}".client_keys TO "{role}";
GRANT UPDATE (display_name, labels, epoch, ever_enrolled, ticket_only, grace_until, offboarded_at, event_seq) ON "{schema}".users TO "{role}";
GRANT UPDATE (groups, is_complete, is_told, held, event_seq) ON "{schema}".user_groups TO "{role}";
GRANT UPDATE (granted_at, override_id, revoked_at, event_seq) ON "{schema}".roles TO "{role}";
GRANT UPDATE (state, sealed, activated_at, trust_since, rotate_by, ended_at, end_authority, end_authority_id, event_seq) ON "{schema}".factors TO "{role}";
GRANT UPDATE (last_step, event_seq) ON "{schema}".factor_steps TO "{role}";
GRANT UPDATE (level, updated_at, consecutive, blocked_until, event_seq) ON "{schema}".throttles TO "{role}";
GRANT UPDATE (attempts, closed_at, event_seq) ON "{schema}".challenges TO "{role}";
GRANT UPDATE (attempts, closed_at, event_seq) ON "{schema}".enrollments TO "{role}";
GRANT UPDATE (used_at, replaced_at, event_seq) ON "{schema}".recovery_codes TO "{role}";
GRANT UPDATE (attempts, redeemed_at, revoked_at, event_seq) ON "{schema}".tickets TO "{role}";
GRANT UPDATE (state, decided_at, decided_by, override_id, event_seq) ON "{schema}".petitions TO "{role}";
GRANT UPDATE (state, expires_at, approved_at, ended_at, ended_by, event_seq) ON "{schema}".overrides TO "{role}";
GRANT DELETE ON "{schema}".client_tokens, "{schema}".challenges, "{schema}".enrollments, "{schema}".tickets, "{schema}".issued_tokens TO "{role}";
GRANT SELECT ON "{schema}".__diesel_schema_migrations, "{schema}".schema_versions TO "{role}";
