-- A next version's migration, as a release could bring it: it adds only, to a known table too.
ALTER TABLE users ADD COLUMN nickname TEXT COLLATE "C" CHECK (nickname <> '');

CREATE FUNCTION users_nickname() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  RAISE EXCEPTION 'users: nobody is renamed who left';
END $$;
CREATE TRIGGER users_nickname BEFORE UPDATE ON users FOR EACH ROW
  WHEN (OLD.offboarded_at IS NOT NULL AND NEW.nickname IS DISTINCT FROM OLD.nickname)
  EXECUTE FUNCTION users_nickname();

CREATE TABLE notes (
  tenant_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  event_seq BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)
);
CREATE INDEX notes_by_user ON notes (tenant_id, user_id);
GRANT SELECT, INSERT ON notes TO {role};

INSERT INTO schema_versions (version, serves_from, added, dropped) VALUES (2, 1, '
column notes.event_seq
column notes.id
column notes.tenant_id
column notes.user_id
column users.nickname
constraint notes.notes_pkey
constraint notes.notes_tenant_id_event_seq_fkey
constraint notes.notes_tenant_id_user_id_fkey
constraint users.users_nickname_check
function users_nickname()
index notes_by_user
index notes_pkey
relation notes
right INSERT on notes
right SELECT on notes
trigger users.users_nickname
', '');
INSERT INTO __diesel_schema_migrations (version) VALUES ('0002');
