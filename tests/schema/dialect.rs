//! What the two databases spell differently, and the migrations in each one's words.

use std::fmt::Write as _;

use super::MADE;
use super::guards::{self, Guard};
use super::source::{On, Schema, Table, column};

/// A database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

use Dialect::{Postgres, Sqlite};

impl Dialect {
    /// The migration up.
    pub fn up(self, schema: &Schema) -> String {
        let mut out = MADE.to_owned();
        commented(&mut out, &schema.about);
        if self == Postgres {
            let _ = write!(out, "\n{}", schema.postgres.statements);
        }
        for table in &schema.table {
            self.table(&mut out, table);
        }
        if self == Sqlite {
            let _ = write!(out, "\n{}", schema.sqlite.statements);
        }
        for table in &schema.table {
            for guard in guards::of(table, self == Sqlite) {
                self.guard(&mut out, table, &guard);
            }
            if self == Postgres {
                let name = &table.name;
                let _ = writeln!(
                    out,
                    "CREATE TRIGGER {name}_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT \
                     EXECUTE FUNCTION refuse('{name}: never emptied');"
                );
            }
        }
        let _ = write!(out, "\n{}", schema.last);
        out
    }

    /// The migration down.
    pub fn down(self, schema: &Schema) -> String {
        let mut out = MADE.to_owned();
        let with = if self == Postgres { " CASCADE" } else { "" };
        for table in schema.table.iter().rev() {
            let _ = writeln!(out, "DROP TABLE {}{with};", table.name);
        }
        if self == Postgres {
            for table in &schema.table {
                for guard in guards::of(table, false).iter().filter(|guard| needs_a_function(guard))
                {
                    let _ = writeln!(out, "DROP FUNCTION {}();", guard.name);
                }
            }
            out.push_str("DROP FUNCTION refuse();\n");
        }
        out
    }

    fn table(self, out: &mut String, table: &Table) {
        out.push('\n');
        commented(out, &table.about);
        let _ = writeln!(out, "CREATE TABLE {} (", table.name);
        let lines: Vec<_> = table.columns.lines().map(|line| self.column(line)).collect();
        let mut lines = lines.join("\n  ");
        if table.names_an_event() {
            lines += ",\n  FOREIGN KEY (tenant_id, event_seq) REFERENCES events (tenant_id, seq)";
        }
        let _ = writeln!(out, "  {lines}");
        out.push_str(match self {
            Sqlite => ") STRICT, WITHOUT ROWID",
            Postgres => ")",
        });
        if let (Postgres, Some(fill)) = (self, table.fillfactor) {
            let _ = write!(out, " WITH (fillfactor = {fill})");
        }
        let _ = write!(out, ";\n{}", table.indexes);
    }

    /// A line of a table: a column in this database's types, or a constraint as it is.
    fn column(self, line: &str) -> String {
        let Some((name, rest)) = column(line) else { return line.to_owned() };
        let (kind, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let more = if more.is_empty() { String::new() } else { format!(" {more}") };
        let is_null = if more.contains("NOT NULL") { "" } else { &format!(" OR {name} IS NULL") };
        let typed = match (self, kind) {
            (Sqlite, "TEXT" | "INTEGER" | "BLOB") => format!("{kind}{more}"),
            (Sqlite, "BOOLEAN") => format!("INTEGER{more} CHECK ({name} IN (0, 1))"),
            (Sqlite, "JSON") => format!("TEXT{more} CHECK (json_valid({name}))"),
            (Postgres, "TEXT") => format!("TEXT COLLATE \"C\"{more}"),
            (Postgres, "INTEGER") => format!("BIGINT{more}"),
            (Postgres, "BLOB") => format!("BYTEA{more}"),
            (Postgres, "BOOLEAN") => format!("BOOLEAN{more}"),
            (Postgres, "JSON") => {
                format!("TEXT COLLATE \"C\"{more} CHECK ({name}::jsonb IS NOT NULL{is_null})")
            }
            (Sqlite, "EVENT") => "INTEGER NOT NULL".to_owned(),
            (Postgres, "EVENT") => "BIGINT NOT NULL".to_owned(),
            _ => panic!("{name}: no type {kind}"),
        };
        format!("{name} {typed}{}", if line.ends_with(',') { "," } else { "" })
    }

    fn guard(self, out: &mut String, table: &Table, guard: &Guard) {
        out.push('\n');
        commented(out, &guard.about);
        let (name, on, table) = (&guard.name, word(guard.on), &table.name);
        let says = &guard.says;
        let refuses = guard.refuses.as_deref().map(|refuses| self.words(refuses));
        let when = guard.when.as_deref().map(|when| self.words(when));
        match self {
            Sqlite => {
                let _ = writeln!(out, "CREATE TRIGGER {name} BEFORE {on} ON {table}");
                match (when, refuses) {
                    (Some(when), Some(refuses)) => {
                        let _ = writeln!(out, "WHEN ({when}) AND (\n  {refuses})");
                    }
                    (_, Some(refuses)) => {
                        let _ = writeln!(out, "WHEN {refuses}");
                    }
                    (_, None) => {}
                }
                let _ = writeln!(out, "BEGIN SELECT RAISE(ABORT, '{says}'); END;");
            }
            Postgres if needs_a_function(guard) => {
                let row = if guard.on == On::Delete { "OLD" } else { "NEW" };
                let _ = writeln!(
                    out,
                    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$\n\
                     BEGIN\n  IF {}\n  THEN RAISE EXCEPTION '{says}'; END IF;\n  RETURN {row};\nEND $$;",
                    refuses.unwrap_or_default()
                );
                let only = when.map(|when| format!("\n  WHEN ({when})\n ")).unwrap_or_default();
                let _ = writeln!(
                    out,
                    "CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW{only} EXECUTE FUNCTION {name}();"
                );
            }
            Postgres => {
                let both: Vec<_> = when.into_iter().chain(refuses).collect();
                let only = match &both[..] {
                    [] => String::new(),
                    all => format!("\n  WHEN ({})\n ", all.join(") AND (")),
                };
                let _ = writeln!(
                    out,
                    "CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW{only} EXECUTE FUNCTION refuse('{says}');"
                );
            }
        }
    }

    /// Writes out the words that the databases spell differently.
    fn words(self, sql: &str) -> String {
        const WORDS: &[&str] = &[
            "json_text(",
            "json_number(",
            "json_true(",
            "json_same(",
            "json_holds(",
            "json_items(",
            "key_of(",
            "greatest(",
            "clock(",
        ];
        let first = WORDS.iter().filter_map(|word| Some((sql.find(word)?, *word))).min();
        let Some((at, word)) = first else { return sql.to_owned() };
        let (arguments, rest) = call(&sql[at + word.len()..]);
        let arguments: Vec<String> = arguments.iter().map(|text| self.words(text)).collect();
        format!("{}{}{}", &sql[..at], self.word(word, &arguments), self.words(rest))
    }

    fn word(self, word: &str, arguments: &[String]) -> String {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match (self, word, &arguments[..]) {
            (Sqlite, "json_text(" | "json_number(", [json, key]) => extract(json, key),
            (Sqlite, "json_true(", [json, key]) => format!("{} = 1", extract(json, key)),
            (Sqlite, "json_same(", [json, key, other]) => {
                format!("{} = {other}", extract(json, key))
            }
            (Sqlite, "json_holds(", [json, key, value]) => {
                let key = key.trim_matches('\'');
                format!("EXISTS (SELECT 1 FROM json_each({json}, '$.{key}') WHERE value = {value})")
            }
            (Sqlite, "json_items(", [json]) => format!("SELECT value FROM json_each({json})"),
            (Sqlite, "key_of(", [sealed]) => format!("CAST(substr({sealed}, 2, 8) AS TEXT)"),
            (Sqlite, "greatest(", all) => format!("max({})", all.join(", ")),
            (Sqlite, "clock(", _) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)".to_owned(),
            (Postgres, "json_text(", [json, key]) => format!("({json}::jsonb ->> {key})"),
            // Another server's event may hold anything: what is no number is NULL, as on SQLite, and no error.
            (Postgres, "json_number(", [json, key]) => format!(
                "CASE jsonb_typeof({json}::jsonb -> {key}) WHEN 'number' THEN ({json}::jsonb ->> {key})::numeric END"
            ),
            (Postgres, "json_true(", [json, key]) => format!("({json}::jsonb ->> {key}) = 'true'"),
            (Postgres, "json_same(", [json, key, other]) => {
                format!("({json}::jsonb -> {key}) = {other}::jsonb")
            }
            (Postgres, "json_holds(", [json, key, value]) => {
                format!("({json}::jsonb -> {key}) ? {value}")
            }
            (Postgres, "json_items(", [json]) => {
                format!("SELECT jsonb_array_elements_text({json}::jsonb)")
            }
            (Postgres, "key_of(", [sealed]) => format!("encode(substr({sealed}, 2, 8), 'escape')"),
            (Postgres, "greatest(", all) => format!("greatest({})", all.join(", ")),
            (Postgres, "clock(", _) => "extract(epoch FROM clock_timestamp()) * 1000".to_owned(),
            _ => panic!("{word}{arguments:?}"),
        }
    }
}

/// Whether a trigger's own WHEN cannot say it, for it queries.
fn needs_a_function(guard: &Guard) -> bool {
    guard.refuses.as_deref().is_some_and(|refuses| refuses.contains("SELECT "))
}

fn extract(json: &str, key: &str) -> String {
    format!("json_extract({json}, '$.{}')", key.trim_matches('\''))
}

fn word(on: On) -> &'static str {
    match on {
        On::Insert => "INSERT",
        On::Update => "UPDATE",
        On::Delete => "DELETE",
    }
}

fn commented(out: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "-- {line}");
    }
}

/// The arguments of a call whose parenthesis is open, and what follows it.
fn call(text: &str) -> (Vec<&str>, &str) {
    let (mut all, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            ',' | ')' if depth == 0 => {
                all.push(text[from..at].trim());
                from = at + 1;
                if c == ')' {
                    return (all, &text[from..]);
                }
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    panic!("a call that does not end: {text}")
}
