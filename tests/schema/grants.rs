//! What the role that serves may do on PostgreSQL, from the same rules: it changes the columns that an
//! event may change and no other, and deletes from the tables that are purged.

use std::fmt::Write as _;

use super::source::{Schema, Table};

/// Where diesel keeps which migrations were applied.
const MIGRATIONS: &str = "__diesel_schema_migrations";

/// The grants to `{role}` in `{schema}`.
pub fn of(schema: &Schema) -> String {
    let mut out = super::MADE.to_owned();
    out.push_str(
        "-- What the serving role may do: nothing that a guard does not watch. Only Pawl's own tables are named, because\n\
         -- other tables of the schema belong to other programs.\n",
    );
    let named = |of: &dyn Fn(&Table) -> bool| {
        schema.table.iter().filter(|table| of(table)).map(|table| place(&table.name)).collect()
    };
    let all: Vec<String> = named(&|_| true);
    let written: Vec<String> = named(&Table::written_by_the_server);
    let purged: Vec<String> = named(&|table| table.purged);
    let read: Vec<String> = named(&|table| !table.written_by_the_server());
    let (all, migrations) = (all.join(", "), place(MIGRATIONS));
    let _ = writeln!(out, "REVOKE ALL ON {all}, {migrations} FROM PUBLIC, \"{{role}}\";");
    out.push_str("REVOKE CREATE ON SCHEMA \"{schema}\" FROM \"{role}\";\n");
    out.push_str("GRANT USAGE ON SCHEMA \"{schema}\" TO \"{role}\";\n");
    grant(&mut out, "SELECT, INSERT", &written.join(", "));
    for table in schema.table.iter().filter(|table| !table.changes.is_empty()) {
        let columns = table.changes.join(", ");
        grant(&mut out, &format!("UPDATE ({columns}, event_seq)"), &place(&table.name));
    }
    grant(&mut out, "DELETE", &purged.join(", "));
    grant(&mut out, "SELECT", &format!("{migrations}, {}", read.join(", ")));
    out
}

fn grant(out: &mut String, what: &str, on: &str) {
    let _ = writeln!(out, "GRANT {what} ON {on} TO \"{{role}}\";");
}

fn place(table: &str) -> String {
    format!("\"{{schema}}\".{table}")
}
