//! docs/operations.md names commands and settings: they exist.

use std::collections::BTreeSet;
use std::path::Path;

use partgate::config::Settings;

use crate::harness::PARTGATE;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap()
}

/// The blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let starts = page.match_indices(&fence).map(|(at, _)| &page[at + fence.len()..]);
    starts.map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[tokio::test]
async fn commands_on_the_page_exist() {
    let page = page();
    let lines = blocks(&page, "console").into_iter().flat_map(str::lines);
    let commands: BTreeSet<_> = lines.filter_map(|line| line.strip_prefix("$ partgate ")).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let (flags, words): (Vec<_>, Vec<_>) = command.split(' ').partition(|word| word.starts_with('-'));
        let mut help = tokio::process::Command::new(PARTGATE);
        let help = help.args(&words).arg("--help").env_clear().output().await.unwrap();
        assert!(help.status.success(), "there is no `partgate {}`", words.join(" "));
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in flags {
            assert!(help.contains(flag), "`partgate {command}`: there is no {flag}");
        }
    }
}

#[test]
fn settings_on_the_page_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let page = page();
    let blocks = blocks(&page, "toml");
    assert!(!blocks.is_empty());
    for block in blocks {
        let file = folder.path().join("partgate.toml");
        std::fs::write(&file, block).unwrap();
        Settings::load(Some(&file), &[]).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}

#[test]
fn links_within_the_page_lead_somewhere() {
    let page = page();
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    let anchors: BTreeSet<_> = headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            words.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect::<String>().replace(' ', "-")
        })
        .collect();
    for link in page.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "no heading is #{anchor}");
    }
}
