-- What the serving role may do: nothing that a trigger does not watch.
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {role};
-- Before PostgreSQL 15 everybody may create in `public`, and so stand beside the guards.
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT ON {schema}.events, {schema}.installation, {schema}.signing_keys, {schema}.tenants, {schema}.directories, {schema}.clients, {schema}.client_secrets, {schema}.client_keys, {schema}.client_tokens, {schema}.users, {schema}.user_groups, {schema}.roles, {schema}.policies, {schema}.factors, {schema}.factor_steps, {schema}.throttles, {schema}.challenges, {schema}.enrollments, {schema}.recovery_codes, {schema}.tickets, {schema}.petitions, {schema}.overrides, {schema}.approvals, {schema}.issued_tokens TO {role};
GRANT UPDATE ON {schema}.installation, {schema}.signing_keys, {schema}.tenants, {schema}.directories, {schema}.clients, {schema}.client_secrets, {schema}.client_keys, {schema}.users, {schema}.user_groups, {schema}.roles, {schema}.factors, {schema}.factor_steps, {schema}.throttles, {schema}.challenges, {schema}.enrollments, {schema}.recovery_codes, {schema}.tickets, {schema}.petitions, {schema}.overrides TO {role};
GRANT DELETE ON {schema}.challenges, {schema}.client_tokens, {schema}.enrollments, {schema}.tickets, {schema}.issued_tokens TO {role};
GRANT SELECT ON {schema}.__diesel_schema_migrations, {schema}.schema_versions TO {role};
