//! The scenarios.

use super::explorer::Explorer;
use super::scenario::{Budget, File, Scenario};
use crate::storage::model::AWS;

#[test]
fn one_client_alone() {
    Explorer::holds(&Scenario::new("one client", AWS, File::of("abc")));
}

#[test]
fn one_client_one_fault() {
    let scenario = Scenario {
        budget: Budget { faults: 1, ..Budget::default() },
        ..Scenario::new("one client, one fault", AWS, File::of("abc"))
    };
    Explorer::holds(&scenario);
}
