-- Everything in this schema that matters, by name: what the server compares at its start.
WITH mine AS (
  SELECT c.* FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relname NOT LIKE '\_\_diesel%'
), facts (name, sql) AS (
  SELECT 'relation ' || relname, concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, relhasrules, relispartition)
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
    FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.proname NOT LIKE 'diesel%'
  UNION ALL
  SELECT 'inheritance of ' || m.relname, count(*)::text FROM mine m JOIN pg_inherits h ON m.oid IN (h.inhparent, h.inhrelid)
    GROUP BY m.relname
)
SELECT name, regexp_replace(sql, '\s+', ' ', 'g') AS sql FROM facts ORDER BY name COLLATE "C"
