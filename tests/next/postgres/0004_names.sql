-- A contract: programs of version 1 cannot serve over this.
ALTER TABLE users ALTER COLUMN nickname SET DEFAULT 'nobody';
INSERT INTO schema_versions (version, serves_from, added, dropped) VALUES (4, 2, '', '');
INSERT INTO __diesel_schema_migrations (version) VALUES ('0004');
