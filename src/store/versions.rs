//! Which programs may serve over which schema. Each migration says it in the database, in a row that
//! only the tables' owner writes (ADR 0018).

use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::conn::on;
use super::schema::schema_versions;
use super::{StoreError, Tx};

/// The schema that this program was written for: the number of its newest migration.
pub const SCHEMA_VERSION: i64 = 1;

/// Every version that the database has, oldest first.
pub(super) const VERSIONS: &str =
    "SELECT version, serves_from, added, dropped FROM schema_versions ORDER BY version";

/// What one migration says about itself.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct Migration {
    #[diesel(sql_type = BigInt)]
    version: i64,
    /// The oldest version whose programs may serve.
    #[diesel(sql_type = BigInt)]
    serves_from: i64,
    /// The objects that it added, by the names of the self-check, one to a line. On SQLite a column is
    /// `table.`, then its whole definition.
    #[diesel(sql_type = Text)]
    added: String,
    /// Those that it dropped.
    #[diesel(sql_type = Text)]
    dropped: String,
}

/// What migrations that this program does not know say that they did.
#[derive(Debug, Default)]
pub(super) struct Newer {
    added: Vec<String>,
    dropped: Vec<String>,
}

impl Newer {
    /// Reads what this program need not know, if it may serve at all.
    pub(super) fn than_program(program: i64, versions: &[Migration]) -> Result<Self, StoreError> {
        let found = versions.last().map_or(program, |newest| newest.version);
        if found < program {
            return Err(StoreError::Schema(format!(
                "the database's schema is of version {found}, and this program is for version \
                 {program}: run `pawl migrate` of this program first"
            )));
        }
        let newer = || versions.iter().filter(|version| version.version > program);
        if let Some(from) = newer().map(|newer| newer.serves_from).max().filter(|f| *f > program) {
            return Err(StoreError::Schema(format!(
                "the database's schema is of version {found}, for programs of version {from} and \
                 later, and this program is of version {program}: start the newer program; to go \
                 back, restore the backup from before it"
            )));
        }
        let names =
            |text: &str| text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect();
        let added: Vec<Vec<String>> = newer().map(|newer| names(&newer.added)).collect();
        let dropped: Vec<Vec<String>> = newer().map(|newer| names(&newer.dropped)).collect();
        Ok(Self { added: added.concat(), dropped: dropped.concat() })
    }

    /// Whether an unknown object is one that a newer migration added.
    pub(super) fn added(&self, name: &str) -> bool {
        names(&self.added, name)
    }

    /// Whether a missing object is one that a newer migration dropped.
    pub(super) fn dropped(&self, name: &str) -> bool {
        names(&self.dropped, name)
    }

    /// Whether the text of a SQLite table differs by nothing but the columns that newer migrations
    /// added: SQLite writes them into it, all in one place.
    pub(super) fn extended(&self, table: &str, own: &str, found: &str) -> bool {
        let column = |line: &String| line.strip_prefix(table)?.strip_prefix('.').map(str::to_owned);
        let columns: Vec<String> = self.added.iter().filter_map(column).collect();
        let inserted = format!(", {}", columns.join(", "));
        !columns.is_empty()
            && found.match_indices(&inserted).any(|(at, _)| {
                let (before, rest) = found.split_at(at);
                own.strip_prefix(before) == rest.strip_prefix(&*inserted)
            })
    }
}

/// A right of the serving role counts only for a table that came or went with it: no migration hands
/// out rights to the tables that are known.
fn names(lines: &[String], name: &str) -> bool {
    let has = |name: &str| lines.iter().any(|line| line == name);
    let is_of_its_table =
        || name.rsplit_once(" on ").is_some_and(|(_, table)| has(&format!("relation {table}")));
    has(name) && (!super::migrate::is_given(name) || is_of_its_table())
}

impl Tx<'_> {
    /// Whether the database lets programs of this version serve.
    pub(crate) fn may_serve(&mut self) -> Result<bool, StoreError> {
        let from: Option<i64> = on!(self, conn => {
            schema_versions::table.select(max(schema_versions::serves_from)).first(conn)?
        });
        Ok(from.is_some_and(|from| from <= SCHEMA_VERSION))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: i64, serves_from: i64, added: &str, dropped: &str) -> Migration {
        let [added, dropped] = [added, dropped].map(str::to_owned);
        Migration { version, serves_from, added, dropped }
    }

    fn refused(program: i64, versions: &[Migration]) -> String {
        Newer::than_program(program, versions).expect_err("refused").to_string()
    }

    #[test]
    fn a_program_serves_over_what_it_knows_and_over_what_says_so() {
        let versions = [
            version(1, 1, "relation own", ""),
            version(2, 1, "\nrelation notes\n", ""),
            version(3, 2, "index more", "trigger users.old\n"),
        ];
        assert!(refused(1, &versions).contains("for programs of version 2 and later"));
        assert!(refused(4, &versions).contains("run `pawl migrate` of this program first"));
        let newer = Newer::than_program(2, &versions).expect("version 2 may");
        assert!(newer.added("index more") && newer.dropped("trigger users.old"));
        assert!(!newer.added("relation notes"), "it knows version 2 itself");
        let newer = Newer::than_program(1, &versions[..2]).expect("version 1 may, still");
        assert!(newer.added("relation notes") && !newer.dropped("relation notes"));
        assert!(!newer.added("relation own") && !newer.added(""));
        let newer = Newer::than_program(3, &versions).expect("its own");
        assert!(!newer.added("index more"));
    }

    /// A later migration may not make an earlier one's refusal undone.
    #[test]
    fn the_strictest_of_the_newer_versions_counts() {
        let versions = [version(1, 1, "", ""), version(2, 2, "", ""), version(3, 1, "", "")];
        assert!(refused(1, &versions).contains("for programs of version 2 and later"));
    }

    #[test]
    fn rights_come_and_go_with_their_table_only() {
        let added = "relation notes\nright INSERT on notes\nright DELETE on users\n\
                     right SET on session_replication_role\nmembership in pg_write_all_data\n\
                     event trigger odd\nright CREATE on the schema\nCREATEROLE of pawl";
        let newer = Newer::than_program(1, &[version(2, 1, added, "")]).expect("it may");
        assert!(newer.added("right INSERT on notes"));
        for name in added.lines().skip(2) {
            assert!(!newer.added(name), "{name}");
        }
    }

    #[test]
    fn a_table_is_extended_by_the_declared_columns_and_nothing_else() {
        let own = "CREATE TABLE t (\n  id TEXT,\n  PRIMARY KEY (id)\n) STRICT";
        let newer = "t.more TEXT CHECK (more <> '')\nt.less TEXT\nu.other TEXT";
        let newer = Newer::than_program(1, &[version(2, 1, newer, "")]).expect("it may");
        let with = |columns: &str| own.replace("id TEXT", &format!("id TEXT{columns}"));
        let both = ", more TEXT CHECK (more <> ''), less TEXT";
        assert!(newer.extended("t", own, &with(both)));
        assert!(!newer.extended("t", own, own));
        assert!(!newer.extended("t", own, &with(", more TEXT CHECK (more <> '')")));
        assert!(!newer.extended("t", own, &with(&format!("{both}, disabled TEXT"))));
        assert!(!newer.extended("t", own, &with(both).replace(") STRICT", ")")));
        assert!(!newer.extended("v", own, &with(both)));
    }
}
