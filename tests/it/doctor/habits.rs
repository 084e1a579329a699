//! Stores with one habit that is not as the settings say, or that nobody may have.

use futures_util::future::join_all;

use super::liar::{Habit, Liar};
use super::*;
use crate::harness::{Gateway, embedded_only};

/// The set-up of a gateway whose clients, like itself, reach a store with this habit.
async fn examine(gateway: &Gateway, habit: Habit, change: impl Fn(Setup) -> Setup) -> Report {
    let liar = Liar::start(&gateway.store_url, habit).await;
    let setup = healthy::bucket_of(gateway).await.with("storage.endpoint", &liar.url);
    change(setup).examine().await
}

#[tokio::test]
async fn habit_that_the_settings_do_not_tell_is_named_with_the_setting() {
    embedded_only!("a habit is put before a store that has none");
    let gateway = Gateway::start().await;
    const NO_CONDITIONS: &[&str] = &["storage.conditional_writes = false"];
    let both =
        [Blame::bad("complete.conditional", NO_CONDITIONS), Blame::bad("put.conditional", NO_CONDITIONS)];
    let md5_only = ["storage.checksum_algorithms = [\"md5\"]"];
    let cases: [(Habit, &[Blame]); 6] = [
        (Habit::IgnoresConditions, &both),
        (Habit::IgnoresConditionsOfPut, &[Blame::bad("put.conditional", NO_CONDITIONS)]),
        (
            Habit::IgnoresChecksums,
            &[Blame::bad("url.checksum", &["storage.checksum_algorithms = [\"none\"]"])],
        ),
        (Habit::KnowsMd5Only, &[Blame::bad("url.checksum", &md5_only)]),
        (Habit::ListsNoChecksums, &[Blame::bad("list.checksums", &["storage.lists_checksums = false"])]),
        (Habit::WantsLargeParts, &[Blame::bad("parts.minimum", &["storage.min_part_size"])]),
    ];
    let reports =
        cases.iter().map(async |(habit, blames)| (habit, blames, examine(&gateway, *habit, |it| it).await));
    for (habit, blames, report) in join_all(reports).await {
        report.assert_blames(&format!("{habit:?}"), blames);
    }
    healthy::assert_empty(&gateway).await;
}

#[tokio::test]
async fn habit_that_the_settings_tell_is_nobodys_fault() {
    embedded_only!("a habit is put before a store that has none");
    let gateway = Gateway::start().await;
    let cases = [
        (Habit::IgnoresConditions, "storage.conditional_writes", "false"),
        (Habit::KnowsMd5Only, "storage.checksum_algorithms", "md5"),
        (Habit::ListsNoChecksums, "storage.lists_checksums", "false"),
        (Habit::WantsLargeParts, "storage.min_part_size", "5MiB"),
    ];
    let reports = cases.map(async |(habit, setting, value)| {
        (habit, examine(&gateway, habit, |setup| setup.with(setting, value)).await)
    });
    for (habit, report) in join_all(reports).await {
        report.assert_blames(&format!("{habit:?}"), &[]);
    }
}

#[tokio::test]
async fn ability_that_the_settings_renounce_is_noted() {
    let gateway = Gateway::start().await;
    let setup = healthy::bucket_of(&gateway).await.with("storage.conditional_writes", "false");
    let report = setup.examine().await;
    report.assert_blames("without conditions", &[]);
    for check in ["complete.conditional", "put.conditional"] {
        let finding = report.finding(check);
        assert_eq!(finding.verdict, "note", "{finding:?}");
        assert!(finding.mend.contains("storage.conditional_writes"), "{finding:?}");
    }
}

#[tokio::test]
async fn store_that_does_not_hold_clients_to_their_urls_is_named() {
    embedded_only!("a habit is put before a store that has none");
    let gateway = Gateway::start().await;
    let cases: [(Habit, Blame); 3] = [
        (Habit::TakesAnyLength, Blame::bad("url.length", &[])),
        (Habit::TakesUnsignedHeaders, Blame::warning("url.headers", &["storage.signer"])),
        (Habit::NeverExpires, Blame::bad("url.expiry", &[])),
    ];
    let reports = cases.map(async |(habit, blame)| (habit, blame, examine(&gateway, habit, |it| it).await));
    for (habit, blame, report) in join_all(reports).await {
        report.assert_blames(&format!("{habit:?}"), &[blame]);
    }
    healthy::assert_empty(&gateway).await;
}

#[tokio::test]
async fn habits_that_the_gateway_levels_are_no_fault() {
    embedded_only!("a habit is put before a store that has none");
    let gateway = Gateway::start().await;
    let cases = [
        (Habit::ForgetsCompletions, "complete.repeat", "goes by the object"),
        (Habit::ListsByKeyOnly, "list.prefix", "exact key only"),
    ];
    let reports =
        cases.map(async |(habit, check, word)| (habit, check, word, examine(&gateway, habit, |it| it).await));
    for (habit, check, word, report) in join_all(reports).await {
        report.assert_blames(&format!("{habit:?}"), &[]);
        let found = &report.finding(check).found;
        assert!(found.contains(word), "{habit:?}: {found}");
    }
}

#[tokio::test]
async fn store_that_does_not_abort_is_named() {
    embedded_only!("a habit is put before a store that has none");
    let gateway = Gateway::start().await;
    let report = examine(&gateway, Habit::KeepsAborted, |setup| setup).await;
    let left = Blame::warning("leftovers", &[".partgate-doctor/"]);
    report.assert_blames("an abort that does nothing", &[Blame::bad("abort", &[]), left]);
}

/// No answer says nothing of what the store can do, so nobody is told to change a setting.
#[tokio::test]
async fn store_that_hangs_up_is_asked_again() {
    embedded_only!("a habit is put before a store that has none");
    let gateway = Gateway::start().await;
    let report = examine(&gateway, Habit::HangsUpOnConditionsOfPut, |setup| setup).await;
    report.assert_blames("no answer to a condition", &[Blame::warning("put.conditional", &["ask again"])]);
    assert_eq!(report.profile.get("conditional_writes"), None);
    healthy::assert_empty(&gateway).await;
}
