-- Everything in this schema that matters, and what the role that asks may do to it, by name: what the
-- server compares at its start.
WITH mine AS (
  SELECT c.* FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
    AND c.relname NOT IN ('__diesel_schema_migrations', '__diesel_schema_migrations_pkey')
), actors AS (
  -- That role, and whom it may become.
  SELECT * FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')
), facts (name, sql) AS (
  SELECT 'relation ' || relname, concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, relispartition)
    FROM mine WHERE relkind <> 'i'
  UNION ALL
  SELECT 'column ' || m.relname || '.' || a.attname, concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      (SELECT collname FROM pg_collation WHERE oid = a.attcollation), (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
        WHERE adrelid = m.oid AND adnum = a.attnum))
    FROM mine m JOIN pg_attribute a ON a.attrelid = m.oid WHERE m.relkind <> 'i' AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT 'constraint ' || m.relname || '.' || o.conname, concat_ws(' ', o.contype, o.convalidated, pg_get_constraintdef(o.oid))
    FROM mine m JOIN pg_constraint o ON o.conrelid = m.oid WHERE o.contype <> 'n'
  UNION ALL
  SELECT 'index ' || m.relname, concat_ws(' ', i.indisvalid, i.indisready, replace(pg_get_indexdef(m.oid),
      concat(' ', quote_ident(current_schema()), '.'), ' ')) FROM mine m JOIN pg_index i ON i.indexrelid = m.oid
  UNION ALL
  SELECT 'trigger ' || m.relname || '.' || g.tgname, concat_ws(' ', g.tgenabled, replace(pg_get_triggerdef(g.oid),
      concat(' ', quote_ident(current_schema()), '.'), ' '))
    FROM mine m JOIN pg_trigger g ON g.tgrelid = m.oid WHERE NOT g.tgisinternal
  UNION ALL
  SELECT 'foreign key of ' || m.relname || ' off', count(*)::text FROM mine m JOIN pg_trigger g ON g.tgrelid = m.oid
    WHERE g.tgisinternal AND g.tgenabled <> 'O' GROUP BY m.relname
  UNION ALL
  SELECT 'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', concat_ws(' ', p.prokind, p.prorettype::regtype, p.prosecdef, p.provolatile, (SELECT lanname FROM pg_language
      WHERE oid = p.prolang), CASE array_to_string(p.proconfig, ',') WHEN concat('search_path=', quote_ident(current_schema()), ', pg_temp')
      THEN 'bound' ELSE array_to_string(p.proconfig, ',') END, p.prosrc)
    FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
  UNION ALL
  SELECT 'inheritance of ' || m.relname, count(*)::text FROM mine m JOIN pg_inherits h ON m.oid IN (h.inhparent, h.inhrelid)
    GROUP BY m.relname
  UNION ALL
  SELECT 'rule ' || m.relname || '.' || r.rulename, pg_get_ruledef(r.oid) FROM mine m JOIN pg_rewrite r ON r.ev_class = m.oid
  UNION ALL
  SELECT 'policy ' || m.relname || '.' || p.polname, p.polcmd::text FROM mine m JOIN pg_policy p ON p.polrelid = m.oid
  UNION ALL
  SELECT 'event trigger ' || t.evtname, t.evtevent FROM pg_event_trigger t WHERE t.evtenabled <> 'D' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e')
  UNION ALL
  SELECT DISTINCT concat_ws(' ', 'right', p, 'on', c.relname), ''
    FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p, actors a
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND has_table_privilege(a.oid, c.oid, p)
  UNION ALL
  SELECT DISTINCT concat('right ', p, ' on ', c.relname, '.', t.attname), ''
    FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped,
      unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p, actors a
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT has_table_privilege(a.oid, c.oid, p)
      AND has_column_privilege(a.oid, c.oid, t.attnum, p)
  UNION ALL
  -- To every role, and to others than this one what changes rows or guards.
  SELECT DISTINCT concat('grant of ', g.privilege_type, ' on ', c.relname, ' to ', coalesce(quote_ident(r.rolname), 'PUBLIC')), ''
    FROM pg_class c CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL
      SELECT x.* FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = c.oid) g LEFT JOIN pg_roles r ON r.oid = g.grantee
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND g.grantee <> c.relowner
      AND (g.grantee = 0 OR g.privilege_type <> 'SELECT' AND g.grantee NOT IN (SELECT oid FROM actors))
  UNION ALL
  SELECT DISTINCT concat('right ', p, ' on the schema'), '' FROM unnest(ARRAY['CREATE', 'USAGE']) p, actors a
    WHERE has_schema_privilege(a.oid, current_schema(), p)
  UNION ALL
  SELECT 'membership in ' || rolname, '' FROM actors WHERE rolsuper OR rolname IN ('pg_write_all_data', 'pg_execute_server_program',
    'pg_read_server_files', 'pg_write_server_files', 'pg_create_subscription')
  UNION ALL
  SELECT 'CREATEROLE of ' || rolname, '' FROM actors WHERE rolcreaterole
  UNION ALL
  SELECT 'setting session_replication_role', current_setting('session_replication_role')
)
SELECT name, regexp_replace(sql, '\s+', ' ', 'g') AS sql FROM facts ORDER BY name COLLATE "C"
