//! One seed decides what a run leaves to chance; a failure prints it.

use uuid::Uuid;

use crate::harness::{Dice, say};

/// The seed of a run, from `PARTGATE_SEED` or new. Printed when the test that holds it panics.
pub(super) struct Seed {
    pub(super) value: u64,
    test: &'static str,
}

impl Seed {
    fn of_test(test: &'static str) -> Self {
        let given = std::env::var("PARTGATE_SEED").ok();
        let value = given.map_or_else(
            || Uuid::new_v4().as_u64_pair().0,
            |text| text.parse().unwrap_or_else(|_| panic!("PARTGATE_SEED={text} is not a number")),
        );
        Self { value, test }
    }

    pub(super) fn dice(&self) -> Dice {
        Dice::new(self.value)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { value, test } = self;
            say(&format!("reproduce: PARTGATE_SEED={value} cargo test -p partgate --test it {test}"));
        }
    }
}

/// The seeds of a test's rounds: one, or as many as `PARTGATE_SOAK` says.
pub(super) fn rounds(test: &'static str) -> impl Iterator<Item = Seed> {
    let count = std::env::var("PARTGATE_SOAK").map_or(1, |text| {
        text.parse().unwrap_or_else(|_| panic!("PARTGATE_SOAK={text} is not a number of rounds"))
    });
    (0..count).map(move |_| Seed::of_test(test))
}
