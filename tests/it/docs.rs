//! docs/stores.md, docs/buckets.md and SECURITY.md name tests and settings: they exist.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use partgate::config::Settings;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn stores_page() -> String {
    fs::read_to_string(repository().join("docs/stores.md")).unwrap()
}

/// What the page puts in backticks that looks like a test: `area::file::test`.
fn named_tests(page: &str) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.split("::").count() == 3).map(str::to_owned).collect()
}

fn source(area: &str, file: &str) -> String {
    let path: PathBuf = repository().join("tests/it").join(area).join(file).with_extension("rs");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn tests_that_the_page_of_stores_names_exist() {
    let named = named_tests(&stores_page());
    assert!(named.len() > 20, "{named:?}");
    for test in named {
        let [area, file, name] = test.split("::").collect::<Vec<_>>().try_into().unwrap();
        assert!(source(area, file).contains(&format!("async fn {name}()")), "there is no {test}");
    }
}

/// What a page calls a test of `tests/it/`, or else a unit test by its module.
fn exists(test: &str) -> bool {
    let segments: Vec<_> = test.split("::").collect();
    let Some((name, modules)) = segments.split_last() else { return false };
    let files = match modules {
        [area, file] => vec![repository().join("tests/it").join(area).join(file)],
        _ => Vec::new(),
    };
    let modules: PathBuf = modules.iter().collect();
    let unit = repository().join("src").join(&modules);
    // The tests of a module are in a file of their own, or at its end.
    let enclosing = unit.parent().map(Path::to_path_buf);
    let has_test = |file: PathBuf| {
        let text = fs::read_to_string(file.with_extension("rs")).unwrap_or_default();
        text.contains(&format!("fn {name}("))
    };
    files.into_iter().chain([unit]).chain(enclosing).any(has_test)
}

#[test]
fn tests_that_the_page_of_security_names_exist() {
    let page = fs::read_to_string(repository().join("SECURITY.md")).unwrap();
    let threats: Vec<_> = page.lines().skip_while(|line| !line.starts_with("| threat |")).skip(2).collect();
    let threats: Vec<_> = threats.into_iter().take_while(|line| line.starts_with('|')).collect();
    assert!(threats.len() >= 15, "{}", threats.len());
    for threat in threats {
        let cells: Vec<_> = threat.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{threat}");
        let named: Vec<_> = cells[3].split('`').skip(1).step_by(2).collect();
        // A threat without a test says why.
        let is_read = cells[3].starts_with("by reading");
        assert!(!named.is_empty(), "no test guards: {}", cells[0]);
        let missing: Vec<_> = named.into_iter().filter(|test| !is_read && !exists(test)).collect();
        assert!(missing.is_empty(), "{}: there is no {missing:?}", cells[0]);
    }
}

#[test]
fn every_test_for_the_embedded_store_only_is_on_the_page_of_stores() {
    let named = named_tests(&stores_page());
    for area in ["access", "api", "robust"] {
        for entry in fs::read_dir(repository().join("tests/it").join(area)).unwrap() {
            let path = entry.unwrap().path();
            let Some(file) = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "rs"))
            else {
                continue;
            };
            let file = file.to_str().unwrap();
            let text = source(area, file);
            for (at, _) in text.match_indices("embedded_only!(") {
                let before = &text[..at];
                let name = before.rsplit("async fn ").next().unwrap().split('(').next().unwrap();
                let test = format!("{area}::{file}::{name}");
                assert!(
                    named.contains(&test),
                    "docs/stores.md does not say why {test} is for one store only"
                );
            }
        }
    }
}

/// The settings of each store on a page are taken, once keys are added.
fn check_settings(page: &str, expected: usize) {
    let folder = tempfile::tempdir().unwrap();
    let blocks: Vec<_> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), expected);
    for block in blocks {
        let file = folder.path().join("partgate.toml");
        fs::write(&file, block).unwrap();
        let keys =
            [("storage.access_key_id", "id".to_owned()), ("storage.secret_access_key", "s".to_owned())];
        Settings::load(Some(&file), &keys).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}

#[test]
fn settings_on_the_page_of_stores_are_valid() {
    check_settings(&stores_page(), 3);
}

#[test]
fn settings_on_the_page_of_buckets_are_valid() {
    let page = fs::read_to_string(repository().join("docs/buckets.md")).unwrap();
    check_settings(&page, 8);
}
