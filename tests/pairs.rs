//! What the document promises and what the tests provoked are the same set: run after `api`, with the
//! same `CONTRACT_DIR`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

type Triples = BTreeSet<String>;

/// `operationId status code`, with `-` for an answer that says yes.
fn documented() -> Triples {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut triples = Triples::new();
    let paths = document["paths"].as_object().unwrap().values();
    for operation in paths.flat_map(|item| item.as_object().unwrap().values()) {
        let Some(id) = operation["operationId"].as_str() else { continue };
        for (status, response) in operation["responses"].as_object().unwrap() {
            let shared = response["$ref"].as_str().map(|place| place.trim_start_matches('#'));
            let response = shared.map_or(response, |place| document.pointer(place).unwrap());
            match response["x-codes"].as_array() {
                None => {
                    triples.insert(format!("{id} {status} -"));
                }
                Some(codes) => triples.extend(
                    codes.iter().map(|code| format!("{id} {status} {}", code.as_str().unwrap())),
                ),
            }
        }
    }
    triples
}

fn provoked() -> Triples {
    let directory = std::env::var_os("CONTRACT_DIR").expect("CONTRACT_DIR");
    let mut triples = Triples::new();
    for entry in fs::read_dir(&directory).expect("run the test api first") {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("provoked-") {
            triples.extend(fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    assert!(!triples.is_empty(), "nothing was provoked: run the test api first");
    triples
}

#[test]
fn every_documented_pair_was_provoked_and_no_other() {
    let (documented, provoked) = (documented(), provoked());
    println!("documented {}, provoked {}", documented.len(), provoked.len());
    let missing: Vec<&String> = documented.difference(&provoked).collect();
    let surplus: Vec<&String> = provoked.difference(&documented).collect();
    assert!(missing.is_empty(), "documented, and no test provokes it: {missing:#?}");
    assert!(surplus.is_empty(), "provoked, and not documented: {surplus:#?}");
}
