//! `docs/complaints.md` names tests: each of them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests in the last column of the table: functions in code type, scripts in quotation marks.
fn named(page: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut functions, mut scripts) = (BTreeSet::new(), BTreeSet::new());
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [number, .., tests] = cells[..] else {
            continue;
        };
        if number.trim().parse::<u32>().is_ok() {
            functions.extend(tests.split('`').skip(1).step_by(2));
            scripts.extend(tests.split('"').skip(1).step_by(2));
        }
    }
    (functions, scripts)
}

/// Every test function and every script below a folder, by name.
fn existing(folder: &Path, functions: &mut BTreeSet<String>, scripts: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                existing(&path, functions, scripts);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let mut test = false;
            for line in text.lines().map(str::trim_start) {
                test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let line = line.strip_prefix("async ").unwrap_or(line);
                if let Some(rest) = line.strip_prefix("fn ") {
                    let name = rest.split(['(', '<']).next().unwrap_or_default();
                    if std::mem::take(&mut test) {
                        functions.insert(name.to_owned());
                    }
                }
            }
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let titles = text.lines().filter_map(|line| line.strip_prefix("## "));
            scripts.extend(titles.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_documentation_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/complaints.md")).expect("the page");
    let (named_functions, named_scripts) = named(&page);
    assert!(named_functions.len() >= 40 && named_scripts.len() >= 10);
    let (mut functions, mut scripts) = (BTreeSet::new(), BTreeSet::new());
    existing(&root, &mut functions, &mut scripts);
    let missing = |named: BTreeSet<&str>, known: &BTreeSet<String>| {
        let missing = named.into_iter().filter(|name| !known.contains(*name));
        missing.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(missing(named_functions, &functions), [""; 0], "functions");
    assert_eq!(missing(named_scripts, &scripts), [""; 0], "scripts");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let numbers = rows.filter_map(|row| row.split_whitespace().nth(1)?.parse::<u32>().ok());
    assert!(numbers.eq(1..=30), "thirty rows, in order");
}
