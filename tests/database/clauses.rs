//! A guard of several conditions needs each of them: taken away alone, it lets something pass. On
//! SQLite, which knows its triggers as they were written; PostgreSQL's refuse the same statements.

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::every_statement;
use crate::hostile::Hostile;
use crate::place::Place;
use crate::population::populated;
use crate::story::Story;

/// Guards that are written a condition to a line.
const GUARDS: &[&str] = &["client_secrets_made", "client_keys_made"];

#[derive(QueryableByName)]
struct Guard {
    #[diesel(sql_type = Text)]
    sql: String,
}

/// A guard's text without one of its conditions, and that condition.
fn without_each(sql: &str) -> Vec<(String, String)> {
    let (mut all, mut at, mut opened) = (Vec::new(), 0, false);
    for line in sql.split_inclusive('\n') {
        let words = line.trim();
        let has = |word: &str| words.starts_with(word);
        // The first of several is not dropped but false.
        let (skipped, instead) = if has("WHEN ") { ("WHEN ".len(), "FALSE") } else { (0, "") };
        let instead = if opened { "FALSE" } else { instead };
        let is_condition = opened || ["WHEN ", "OR ", "AND "].into_iter().any(has);
        opened = words.ends_with('(');
        if is_condition && !opened {
            let start = at + line.len() - line.trim_start().len() + skipped;
            let end = start + end_of(&sql[start..]);
            let condition = sql[start..end].trim().to_owned();
            all.push((condition, format!("{}{instead}{}", &sql[..start], &sql[end..])));
        }
        at += line.len();
    }
    all
}

/// Where the condition at the beginning of a text ends: with its line, or before the parenthesis that
/// closes what it stands in.
fn end_of(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' | '\n' if depth == 0 => return at,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Puts another text in a guard's place.
fn replace(story: &mut Story, guard: &str, sql: &str) {
    story.place.run(&format!("DROP TRIGGER {guard}; {sql}")).unwrap();
}

#[test]
fn every_condition_is_there_because_something_passes_without_it() {
    let mut story = populated("clauses");
    let all = every_statement();
    let mut idle = Vec::new();
    for guard in GUARDS {
        let Place::Sqlite(connection) = &mut story.place else { return };
        let query = format!("SELECT sql FROM sqlite_master WHERE name = '{guard}'");
        let found: Guard = diesel::sql_query(query).get_result(connection).unwrap();
        let about = |hostile: &&Hostile| guard.starts_with(hostile.says_of());
        let near: Vec<&Hostile> = all.iter().filter(about).collect();
        let conditions = without_each(&found.sql);
        assert!(conditions.len() > 2, "{guard}: {conditions:?}");
        for (condition, sql) in conditions {
            story.place.run("SAVEPOINT without").unwrap();
            replace(&mut story, guard, &sql);
            if !near.iter().any(|hostile| story.try_it(hostile).is_none()) {
                idle.push(format!("{guard}: {condition}"));
            }
            story.place.run("ROLLBACK TO without; RELEASE without").unwrap();
        }
    }
    assert!(idle.is_empty(), "nothing passes without:\n{}", idle.join("\n"));
}
