-- Made from migrations/schema.toml by the test `schema`: change that, and say BLESS=1.

DROP TABLE schema_versions;
DROP TABLE issued_tokens;
DROP TABLE approvals;
DROP TABLE overrides;
DROP TABLE petitions;
DROP TABLE tickets;
DROP TABLE recovery_codes;
DROP TABLE enrollments;
DROP TABLE challenges;
DROP TABLE throttles;
DROP TABLE factor_steps;
DROP TABLE factors;
DROP TABLE policies;
DROP TABLE roles;
DROP TABLE user_groups;
DROP TABLE users;
DROP TABLE client_tokens;
DROP TABLE client_keys;
DROP TABLE client_secrets;
DROP TABLE clients;
DROP TABLE directories;
DROP TABLE tenants;
DROP TABLE signing_keys;
DROP TABLE installation;
DROP TABLE events;
