//! The same hostile changes in other words: as MERGE, as the update of an INSERT that meets a row, and beside the
//! insertion of another event in one statement.

use regex::{Captures, Regex};

use crate::database::every_statement;
use crate::database::hostile::{Hostile, hostile};
use crate::database::place::Place;
use crate::database::population::populated;
use crate::schema::source::{Schema, Table};

/// The values that are set, with the table's name before its columns: the row that is there, not the one that was to be
/// inserted.
fn of_the_row(table: &Table, set: &str) -> String {
    let word = Regex::new(r"(= |[-+(] ?)([a-z_]+)\b").unwrap();
    let said = |found: &Captures<'_>| {
        let (before, word) = (&found[1], &found[2]);
        let is_column = table.column_names().contains(&word);
        if is_column { format!("{before}{}.{word}", table.name) } else { found[0].to_owned() }
    };
    word.replace_all(set, said).into_owned()
}

/// What comes before a statement's last UPDATE, its table, what it sets, and where.
fn update(sql: &str) -> Option<(&str, &str, &str, &str)> {
    let at = sql.rfind("UPDATE ")?;
    let (table, rest) = sql[at + "UPDATE ".len()..].split_once(" SET ")?;
    let (set, condition) = rest.rsplit_once(" WHERE ")?;
    // A condition within what is set, or a way of resolving conflicts, which only SQLite has.
    let is_plain = !condition.contains([')', ';']) && !table.contains(' ') && table != "copied";
    is_plain.then_some((&sql[..at], table, set, condition))
}

/// The other ways to say one change; MERGE is PostgreSQL's alone.
fn rewritten(one: &Hostile, schema: &Schema, merges: bool) -> Vec<Hostile> {
    let Some((before, table, set, condition)) = update(&one.sql) else { return Vec::new() };
    let rules = schema.table.iter().find(|rules| rules.name == table).unwrap();
    let key = rules.key();
    let list = key.join(", ");
    let mut all = vec![format!(
        "{before}INSERT INTO {table} SELECT * FROM {table} WHERE {condition} \
         ON CONFLICT ({list}) DO UPDATE SET {}",
        of_the_row(rules, set)
    )];
    if merges {
        let named: Vec<_> = key.iter().map(|column| format!("{column} AS key_{column}")).collect();
        let same: Vec<_> =
            key.iter().map(|column| format!("t.{column} = s.key_{column}")).collect();
        all.push(format!(
            "{before}MERGE INTO {table} AS t USING (SELECT {} FROM {table} WHERE {condition}) AS s \
             ON {} WHEN MATCHED THEN UPDATE SET {set}",
            named.join(", "),
            same.join(" AND ")
        ));
        all.push(format!(
            "{before}WITH more AS (INSERT INTO events (seq, id, tenant_id, at, kind, actor_kind, actor_id, request_id, \
             data) SELECT 1 + max(seq), 'new_more', 'ten_a', NOW, 'user.changed', 'server', 'server', 'req', '{{}}' \
             FROM events WHERE tenant_id = 'ten_a' RETURNING seq) UPDATE {table} SET {set} WHERE {condition}"
        ));
    }
    all.into_iter().map(|sql| hostile(one.rule, one.why.clone(), sql, &one.says)).collect()
}

#[test]
fn no_hostile_change_passes_in_other_words() {
    let mut story = populated("rewritten");
    let schema = Schema::read(crate::schema::RULES);
    let merges = matches!(story.place, Place::Postgres(_));
    let (mut tried, mut faults) = (0, Vec::new());
    for way in story.place.ways() {
        story.place.run_as_owner(&way.begin);
        for one in every_statement().iter().flat_map(|one| rewritten(one, &schema, merges)) {
            tried += 1;
            match story.try_it(&one) {
                None => faults.push(format!("passes: {}: {}", one.why, one.sql)),
                Some(said)
                    if said.contains("which is no guard's refusal") || said.contains("syntax") =>
                {
                    faults.push(format!("{said}: {}", one.sql));
                }
                Some(_) => {}
            }
        }
    }
    assert!(tried > 200, "{tried} statements");
    assert!(faults.is_empty(), "{} faults of {tried}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_legal_change_passes_in_other_words() {
    let mut story = populated("rewritten-legal");
    let (schema, merges) =
        (Schema::read(crate::schema::RULES), matches!(story.place, Place::Postgres(_)));
    let legal = "UPDATE throttles SET consecutive = consecutive + 1, event_seq = seq(new_server) WHERE user_id = 'bob'";
    let all = rewritten(&hostile(5, "legal", legal, "throttles: exists"), &schema, merges);
    assert_eq!(all.len(), if merges { 3 } else { 1 });
    for one in all {
        // SQLite's guard of an INSERT speaks before the row that is there is looked at.
        let expected = if merges { None } else { Some("throttles: exists, or names no event") };
        assert_eq!(story.try_it(&one).as_deref(), expected, "{}", one.sql);
    }
}
