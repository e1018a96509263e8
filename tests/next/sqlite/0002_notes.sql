-- A next version's migration, as a release could bring it: it adds only, to a known table too.
ALTER TABLE users ADD COLUMN nickname TEXT CHECK (nickname <> '');
ALTER TABLE users ADD COLUMN motto TEXT;

CREATE TRIGGER users_nickname BEFORE UPDATE ON users
WHEN OLD.offboarded_at IS NOT NULL AND NEW.nickname IS NOT OLD.nickname
BEGIN
  SELECT RAISE(ABORT, 'users: nobody is renamed who left');
END;

CREATE TABLE notes (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX notes_by_user ON notes (tenant_id, user_id);

INSERT INTO schema_versions (version, serves_from, added, dropped) VALUES (2, 1, '
notes
notes_by_user
users.nickname TEXT CHECK (nickname <> '''')
users.motto TEXT
users_nickname
', '');
INSERT INTO __diesel_schema_migrations (version) VALUES ('0002');
