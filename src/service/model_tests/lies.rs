//! The model can fail: in worlds that break what our code relies on, it finds a counterexample.

use super::calls::{Call, Name};
use super::explorer::Explorer;
use super::scenario::{Budget, File, Program, Scenario};
use crate::storage::model::{AWS, Completion, Habits, Listing};
use crate::store::model::Versions;

fn counterexample(scenario: &Scenario) -> String {
    Explorer::new(scenario).explore().expect_err("nothing was found in a world that is broken")
}

fn abort_by_another() -> Vec<Program> {
    let abort = (1, Call::Abort(Name(1)));
    vec![Program::Uploads { home: 0, reports: false }, Program::Calls(vec![abort])]
}

#[test]
fn database_that_ignores_versions_is_found_out() {
    let scenario = Scenario {
        programs: abort_by_another(),
        versions: Versions::Ignored,
        ..Scenario::new("versions ignored", AWS, File::of("ab"))
    };
    let found = counterexample(&scenario);
    assert!(found.contains("m1 was aborted, and with it the parts"), "{found}");
}

#[test]
fn store_that_hides_multipart_uploads_is_found_out() {
    let scenario = Scenario {
        budget: Budget { faults: 1, ..Budget::default() },
        ..Scenario::new("hidden", Habits { listing: Listing::Lies, ..AWS }, File::of("ab"))
    };
    let found = counterexample(&scenario);
    assert!(found.contains("guarantee 3"), "{found}");
}

#[test]
fn store_that_changes_bytes_is_found_out() {
    let habits = Habits { completion: Completion::Garbles, ..AWS };
    let found = counterexample(&Scenario::new("garbled", habits, File::of("ab")));
    assert!(found.contains("guarantee 1"), "{found}");
}

#[test]
fn hash_protects_from_a_store_that_changes_bytes() {
    let habits = Habits { completion: Completion::Garbles, ..AWS };
    let file = File { is_hashed: true, ..File::of("ab") };
    // The last property to hold out: the client learns that its bytes are wrong, though it sent the right ones.
    let found = counterexample(&Scenario::new("garbled, hashed", habits, file));
    assert!(found.contains("liveness") && found.contains("WrongBytes"), "{found}");
}

#[test]
fn store_that_only_says_that_it_completed_is_not_believed() {
    let habits = Habits { completion: Completion::Pretends, ..AWS };
    // Nothing wrong is said; only that nothing ever comes of it.
    let found = counterexample(&Scenario::new("pretended", habits, File::of("ab")));
    assert!(found.contains("liveness"), "{found}");
}
