-- Drops what no program needs any more, not even those of version 1.
DROP INDEX client_secrets_by_client;
INSERT INTO schema_versions (version, serves_from, added, dropped)
VALUES (3, 1, '', 'index client_secrets_by_client');
INSERT INTO __diesel_schema_migrations (version) VALUES ('0003');
