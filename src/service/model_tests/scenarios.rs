//! The scenarios: who takes part, and what may go wrong.
//!
//! `PARTGATE_MODEL=deep` explores larger ones, for minutes.

use super::calls::{Call, Name};
use super::explorer::Explorer;
use super::scenario::{Budget, DAY, File, HOUR, MINUTE, Program, Scenario};
use crate::storage::model::{AWS, DEVSTORE, GARAGE, Habits, MINIO, NO_LISTING, SEAWEED};
use crate::upload::ChecksumAlgorithm;

const EVERY_STORE: [Habits; 6] = [AWS, MINIO, SEAWEED, GARAGE, DEVSTORE, NO_LISTING];
/// The two that differ most.
const TWO_STORES: [Habits; 2] = [MINIO, GARAGE];
const UPLOADER: Program = Program::Uploads { home: 0, reports: false };
const SECOND_UPLOADER: Program = Program::Uploads { home: 1, reports: false };
const REPORTER: Program = Program::Uploads { home: 0, reports: true };
const FIRST: Name = Name(1);

/// What goes wrong in the everyday run, and in the deep one.
fn budget<T>(everyday: T, deep: T) -> T {
    if is_deep() { deep } else { everyday }
}

fn is_deep() -> bool {
    std::env::var("PARTGATE_MODEL").is_ok_and(|value| value == "deep")
}

/// These stores; every one in the deep run.
fn on(stores: &[Habits], scenario: impl Fn(Habits) -> Scenario) {
    let stores = if is_deep() { &EVERY_STORE } else { stores };
    for habits in stores {
        Explorer::holds(&scenario(*habits));
    }
}

fn guest(calls: &[Call]) -> Program {
    Program::Calls(calls.iter().map(|call| (1, call.clone())).collect())
}

const NOTHING: Budget = Budget { faults: 0, crashes: 0, hang_ups: 0, reaps: 0, strangers: 0 };
const FAULT: Budget = Budget { faults: 1, ..NOTHING };
const TWO_FAULTS: Budget = Budget { faults: 2, ..NOTHING };

#[test]
fn three_parts_survive_a_fault_and_a_crash() {
    let everyday = Budget { faults: 1, crashes: 1, ..NOTHING };
    let deep = Budget { faults: 2, crashes: 2, ..NOTHING };
    on(&EVERY_STORE, |habits| Scenario {
        programs: vec![REPORTER],
        budget: budget(everyday, deep),
        ..Scenario::new("three parts, a fault, a crash", habits, File::of("abc"))
    });
}

#[test]
fn two_faults_in_a_row() {
    on(&TWO_STORES, |habits| Scenario {
        budget: budget(TWO_FAULTS, Budget { faults: 3, ..NOTHING }),
        ..Scenario::new("two faults", habits, File::of("ab"))
    });
}

#[test]
fn clients_hang_up_and_call_again() {
    on(&TWO_STORES, |habits| Scenario {
        budget: budget(Budget { hang_ups: 1, ..NOTHING }, Budget { hang_ups: 1, faults: 1, ..NOTHING }),
        ..Scenario::new("hang-up", habits, File::of("ab"))
    });
}

#[test]
fn small_file() {
    let everyday = Budget { faults: 1, strangers: 1, ..NOTHING };
    on(&[AWS], |habits| Scenario {
        programs: vec![UPLOADER, guest(&[Call::Abort(FIRST)])],
        budget: budget(everyday, Budget { crashes: 1, ..everyday }),
        ticks: vec![2 * HOUR],
        ..Scenario::new("small file", habits, File::of("a"))
    });
}

#[test]
fn empty_file() {
    let everyday = Budget { faults: 1, strangers: 1, ..NOTHING };
    on(&TWO_STORES, |habits| Scenario {
        programs: vec![UPLOADER, guest(&[Call::Abort(FIRST)])],
        budget: budget(everyday, Budget { crashes: 1, ..everyday }),
        ..Scenario::new("empty file", habits, File::of(""))
    });
}

#[test]
fn two_gateways_complete() {
    on(&TWO_STORES, |habits| Scenario {
        programs: vec![UPLOADER, guest(&[Call::Complete(FIRST)])],
        budget: budget(NOTHING, FAULT),
        skew: 10,
        ..Scenario::new("two complete", habits, File::of("ab"))
    });
}

#[test]
fn somebody_aborts() {
    on(&TWO_STORES, |habits| Scenario {
        programs: vec![UPLOADER, guest(&[Call::Abort(FIRST)])],
        budget: budget(FAULT, TWO_FAULTS),
        ..Scenario::new("abort", habits, File::of("ab"))
    });
}

#[test]
fn storage_cleans_up() {
    let everyday = Budget { reaps: 1, faults: 1, ..NOTHING };
    on(&TWO_STORES, |habits| Scenario {
        programs: vec![REPORTER],
        budget: budget(everyday, Budget { crashes: 1, reaps: 2, ..everyday }),
        ..Scenario::new("clean-up by storage", habits, File::of("ab"))
    });
}

#[test]
fn two_devices_look_while_storage_cleans_up() {
    // A file of one part is a multipart upload there: the smallest that can be reaped.
    on(&[GARAGE], |habits| Scenario {
        programs: vec![UPLOADER, guest(&[Call::Refresh(FIRST)])],
        budget: budget(NOTHING, Budget { reaps: 1, ..NOTHING }),
        ..Scenario::new("refresh", habits, File::of("a"))
    });
}

#[test]
fn two_gateways_open_it_again() {
    on(&TWO_STORES, |habits| Scenario {
        programs: vec![guest(&[Call::Init(FIRST), Call::Refresh(FIRST)]), guest(&[Call::Refresh(FIRST)])],
        budget: budget(Budget { reaps: 1, ..NOTHING }, Budget { reaps: 1, ..FAULT }),
        ..Scenario::new("opened again", habits, File::of("ab"))
    });
}

#[test]
fn sweep_looks_while_it_is_opened_again() {
    on(&[MINIO], |habits| Scenario {
        programs: vec![
            guest(&[Call::Init(FIRST), Call::Refresh(FIRST), Call::Refresh(FIRST)]),
            guest(&[Call::Sweep]),
        ],
        budget: budget(Budget { reaps: 1, ..NOTHING }, Budget { reaps: 2, ..NOTHING }),
        ticks: vec![HOUR, HOUR + MINUTE],
        ..Scenario::new("opened again, swept", habits, File::of("ab"))
    });
}

#[test]
fn opening_fares_badly() {
    on(&TWO_STORES, |habits| Scenario {
        programs: vec![guest(&[Call::Init(FIRST), Call::Refresh(FIRST)]), guest(&[Call::Refresh(FIRST)])],
        budget: budget(FAULT, TWO_FAULTS),
        ..Scenario::new("opened, a fault", habits, File::of("ab"))
    });
}

#[test]
fn sweep_comes_by() {
    on(&[AWS], |habits| Scenario {
        programs: vec![UPLOADER, guest(&[Call::Sweep])],
        ticks: vec![2 * MINUTE, 7 * DAY + MINUTE],
        budget: budget(NOTHING, FAULT),
        ..Scenario::new("sweep", habits, File::of("ab"))
    });
}

#[test]
fn wrong_bytes() {
    on(&TWO_STORES, |habits| Scenario {
        programs: vec![UPLOADER],
        budget: budget(FAULT, TWO_FAULTS),
        skew: 10,
        ..Scenario::new(
            "wrong bytes",
            habits,
            File { is_hashed: true, wrong_part: Some(1), ..File::of("ab") },
        )
    });
}

#[test]
fn checksums() {
    on(&[SEAWEED, MINIO], |habits| Scenario {
        programs: vec![REPORTER],
        budget: budget(FAULT, Budget { reaps: 1, ..TWO_FAULTS }),
        ..Scenario::new(
            "checksums",
            habits,
            File { checksum: ChecksumAlgorithm::Crc64nvme, ..File::of("ab") },
        )
    });
}

#[test]
fn two_uploads_of_one_key() {
    on(&EVERY_STORE, |habits| Scenario {
        programs: vec![UPLOADER, SECOND_UPLOADER],
        budget: budget(NOTHING, FAULT),
        patience: 0,
        ..Scenario::new("one key", habits, File { key: Some("k"), idempotency_key: None, ..File::of("ab") })
    });
}

#[test]
fn stream() {
    on(&TWO_STORES, |habits| Scenario {
        budget: budget(FAULT, Budget { crashes: 1, ..FAULT }),
        ..Scenario::new("stream", habits, File { stream: true, ..File::of("ab") })
    });
}

#[test]
fn two_devices_with_one_fingerprint() {
    let file = File { fingerprint: Some("same"), idempotency_key: None, ..File::of("a") };
    on(&[GARAGE], |habits| Scenario {
        programs: vec![UPLOADER, SECOND_UPLOADER],
        budget: budget(NOTHING, FAULT),
        ..Scenario::new("fingerprint", habits, file.clone())
    });
}
