//! Holds the documents to the code: what they list is what there is, and what they name exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pawl::config::VARIABLES;
use pawl::http::problem::Code;
use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Markdown file of the root and of `docs`, by its path from the root.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![(root().to_path_buf(), false), (root().join("docs"), true)];
    while let Some((folder, deep)) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of documents") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && deep {
                folders.push((path, true));
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).expect("a document is text");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 10, "the documents were not found");
    found.sort();
    found
}

/// The cells of every row of the table under `header`.
fn table(text: &str, header: &str) -> Vec<Vec<String>> {
    let from = text.find(header).unwrap_or_else(|| panic!("no table {header}"));
    let rows = text[from..].lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[test]
fn the_problem_catalogue_is_the_problem_table() {
    let told = table(&read("docs/problems.md"), "| code | status | title | what to do |");
    let known: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|problem| {
            let status = problem.status().as_u16().to_string();
            let words = [problem.title(), problem.next()].map(str::to_owned);
            [vec![code(problem.as_str()), status], words.to_vec()].concat()
        })
        .collect();
    assert_eq!(told, known);
}

#[test]
fn each_problem_says_what_to_do_about_it() {
    let told = table(&read("docs/problems.md"), "| code | what happened | in the console |");
    let codes: Vec<&str> = told.iter().map(|row| row[0].trim_matches('`')).collect();
    let known: Vec<&str> = Code::ALL.iter().map(|problem| problem.as_str()).collect();
    assert_eq!(codes, known);
    for row in told {
        let is_whole = row.len() == 4 && row.iter().all(|cell| !cell.is_empty());
        assert!(is_whole, "{row:?}");
    }
}

#[test]
fn the_configuration_table_is_the_one_that_is_read() {
    let told = table(&read("docs/operating.md"), "| variable | default | what it is |");
    let known: Vec<Vec<String>> = VARIABLES
        .iter()
        .map(|variable| {
            vec![code(variable.name), code(variable.default), variable.about.to_owned()]
        })
        .collect();
    assert_eq!(told, known);
}

#[test]
fn the_readme_lists_every_operation_under_its_tag() {
    let document: serde_json::Value =
        serde_json::from_str(&read("openapi/openapi.json")).expect("the document is JSON");
    let mut known = BTreeSet::new();
    for item in document["paths"].as_object().expect("paths").values() {
        for operation in item.as_object().expect("a path").values() {
            let words = [&operation["tags"][0], &operation["operationId"]];
            known.insert(words.map(|word| word.as_str().expect("a word").to_owned()));
        }
    }
    let mut told = BTreeSet::new();
    for row in table(&read("README.md"), "| tag | what | operations |") {
        for operation in row[2].split_whitespace() {
            told.insert([row[0].clone(), operation.trim_matches('`').to_owned()]);
        }
    }
    assert_eq!(told, known);
}

#[test]
fn every_table_has_its_life_told() {
    let names = |text: &str, pattern: &str| -> BTreeSet<String> {
        let pattern = Regex::new(pattern).expect("a pattern");
        pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    let told = names(&read("docs/data-model.md"), r"(?m)^### `(\w+)`$");
    let mut made = BTreeSet::new();
    for entry in fs::read_dir(root().join("migrations/sqlite")).expect("migrations") {
        let up = entry.expect("a migration").path().join("up.sql");
        let text = fs::read_to_string(up).expect("a migration is text");
        made.extend(names(&text, r"(?m)^CREATE TABLE (\w+)"));
    }
    assert_eq!(told, made);
}

/// The anchor that a heading gets where repositories are shown.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let links = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut seen = 0;
    for (path, text) in documents() {
        for link in links.captures_iter(&text) {
            let (file, fragment) = link[1].split_once('#').unwrap_or((&link[1], ""));
            if file.contains("://") {
                continue;
            }
            let target = match file {
                "" => path.clone(),
                file => path.parent().expect("a folder").join(file),
            };
            assert!(target.exists(), "{}: {} leads nowhere", path.display(), &link[1]);
            if !fragment.is_empty() {
                let target = fs::read_to_string(target).expect("a document");
                let headings = target.lines().filter(|line| line.starts_with('#'));
                let found = headings.map(|line| anchor(line.trim_start_matches('#')));
                let found = found.into_iter().any(|heading| heading == fragment);
                assert!(found, "{}: {} has no such heading", path.display(), &link[1]);
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "the links were not found");
}

#[test]
fn every_path_and_name_of_code_exists() {
    let paths = Regex::new(r"`((?:src|tests|migrations|openapi|docs)/[\w./-]*)(?:::(\w+))?`")
        .expect("a pattern");
    let mut seen = 0;
    for (document, text) in documents() {
        for found in paths.captures_iter(&text) {
            let target = root().join(&found[1]);
            assert!(target.exists(), "{}: {} is not there", document.display(), &found[1]);
            if let Some(name) = found.get(2) {
                let name = name.as_str();
                // A variant of an enum stands alone on its line.
                let variant = if name.starts_with(char::is_uppercase) {
                    format!(r"|(?m)^    {name}[,({{ ]")
                } else {
                    String::new()
                };
                let kinds = "fn|struct|enum|type|const|macro_rules!|TRIGGER";
                let defined = Regex::new(&format!(r"(?:{kinds})\s+{name}\b{variant}"));
                let defined = defined.expect("a pattern");
                let code = fs::read_to_string(target).expect("code is text");
                assert!(defined.is_match(&code), "{}: {}", document.display(), &found[0]);
            }
            seen += 1;
        }
    }
    assert!(seen > 60, "the names were not found");
}

#[test]
fn no_document_names_a_path_of_somebodys_machine() {
    let foreign =
        Regex::new(r#"(?im)(?:^|[\s("'`=])/(?:home|root|users|work|mnt|tmp|opt|private)/"#)
            .expect("a pattern");
    for (path, text) in documents() {
        let found = foreign.find(&text).map(|found| found.as_str());
        assert_eq!(found, None, "{}", path.display());
    }
}

#[test]
fn decisions_are_numbered_without_a_gap_and_have_their_four_parts() {
    let mut files: Vec<_> = fs::read_dir(root().join("docs/adr"))
        .expect("decisions")
        .map(|entry| entry.expect("a decision").file_name().into_string().expect("a name"))
        .collect();
    files.sort();
    for (file, number) in files.iter().zip(1..) {
        assert!(file.starts_with(&format!("{number:04}-")), "{file} is not the next one");
        let text = read(&format!("docs/adr/{file}"));
        assert!(text.starts_with(&format!("# {number:04}: ")), "{file}");
        let parts: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let all = ["Context", "Decision", "What it costs", "What would change our mind"];
        assert_eq!(parts, all, "{file}");
    }
}
