//! The state machine, driven by hand: time and answers are arguments.

mod streams;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use partgate_api::{
    ChecksumAlgorithm, PartToSign, Progress, ReceivedPart, SignedPart, UploadState, UploadStatus,
};
use time::OffsetDateTime;

use super::{Command, Failure, Outcome, Setup, Transfer};
use crate::decide::{Seen, StorageAnswer};
use crate::grid::Grid;

const PART: u64 = 10;
const LIFETIME: Duration = Duration::from_secs(900);

/// A transfer with its clock, and what it asked for that is still to be answered.
struct Bench {
    transfer: Transfer,
    now: Instant,
    /// Parts handed out to be sent, in order.
    sending: Vec<u32>,
    calls: Vec<String>,
}

fn setup(grid: Option<Grid>) -> Setup {
    Setup {
        grid,
        part_size_bytes: PART,
        algorithm: ChecksumAlgorithm::Crc64nvme,
        max_concurrency: 4,
        max_buffered: 3,
        give_up_after: Duration::from_secs(600),
    }
}

impl Bench {
    fn of_parts(count: u64) -> Self {
        let now = Instant::now();
        let transfer = Transfer::new(setup(Grid::new(count * PART, PART)), now);
        Self { transfer, now, sending: Vec::new(), calls: Vec::new() }
    }

    /// Hashes and signs whatever is asked for until the transfer waits, finishes or stops.
    fn settle(&mut self) -> Command {
        loop {
            match self.transfer.poll(self.now) {
                Command::Hash(number) => self.transfer.hashed(number, format!("crc{number}"), self.now),
                Command::Sign { parts, stored } => {
                    self.calls.push(format!("sign {} report {}", parts.len(), stored.len()));
                    self.sign(&parts);
                }
                Command::Report(stored) => {
                    self.calls.push(format!("report {}", stored.len()));
                    self.transfer.reported();
                }
                Command::Send(ticket) => self.sending.push(ticket.number),
                end => return end,
            }
        }
    }

    fn sign(&mut self, parts: &[PartToSign]) {
        self.sign_for(parts, LIFETIME);
    }

    fn sign_for(&mut self, parts: &[PartToSign], lifetime: Duration) {
        let signed = parts.iter().map(|part| {
            let size = part.size.unwrap_or_else(|| self.transfer.size_bytes(part.number));
            let (method, url) =
                ("PUT".into(), format!("http://store/{}?X-Amz-Signature=secret", part.number));
            SignedPart { number: part.number, method, url, headers: BTreeMap::new(), offset: 0, size }
        });
        let signed = signed.collect();
        self.transfer.signed(signed, lifetime, self.now);
    }

    fn store(&mut self, number: u32) {
        self.sending.retain(|sending| *sending != number);
        let outcome = Outcome::Stored { etag: Some("\"e\"".into()), took: Duration::from_secs(1) };
        self.transfer.sent(number, outcome, self.now, 1.0);
    }

    fn fail(&mut self, number: u32, seen: Seen) {
        self.sending.retain(|sending| *sending != number);
        self.transfer.sent(number, Outcome::Failed(seen), self.now, 1.0);
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn refreshed(&mut self, numbers: &[u32]) {
        let status = status(numbers.iter().map(|number| received(*number)).collect());
        self.transfer.refreshed(&status, self.now, 1.0);
    }

    /// Invariant: each part is in one place (of a file; a stream's parts come one by one).
    fn check_places(&self, count: u32) {
        let transfer = &self.transfer;
        for number in 1..=count {
            let places = [
                transfer.to_hash.contains(&number),
                transfer.hashing.contains(&number),
                transfer.to_sign.contains_key(&number),
                transfer.signed.contains_key(&number),
                transfer.in_flight.contains(&number),
                transfer.suspect.contains(&number),
                transfer.kept.contains_key(&number),
            ];
            let count = places.iter().filter(|there| **there).count();
            assert_eq!(count, 1, "part {number} is in {places:?}");
        }
    }
}

fn received(number: u32) -> ReceivedPart {
    ReceivedPart { number, size: PART, etag: None, checksum: None }
}

fn status(parts: Vec<ReceivedPart>) -> UploadStatus {
    let at = OffsetDateTime::UNIX_EPOCH;
    UploadStatus {
        upload_id: uuid::Uuid::nil(),
        state: UploadState::Open,
        bucket: String::new(),
        key: String::new(),
        filename: String::new(),
        size: None,
        part_size: PART,
        progress: Progress { total_parts: None, received_parts: 0, bytes_received: 0, percent: None },
        missing: Vec::new(),
        checksum_algorithm: ChecksumAlgorithm::Crc64nvme,
        created_at: at,
        updated_at: at,
        expires_at: at,
        verified_bytes: None,
        error: None,
        parts: Some(parts),
    }
}

fn storage(status: u16, code: &str) -> Seen {
    Seen::Storage(StorageAnswer { status, code: code.into(), ..StorageAnswer::default() })
}

#[test]
fn four_parts_are_in_flight_lowest_number_first() {
    let mut bench = Bench::of_parts(40);
    assert_eq!(bench.settle(), Command::Wait);
    assert_eq!(bench.sending, [1, 2, 3, 4]);
    bench.check_places(40);
}

#[test]
fn a_short_last_part_says_its_size() {
    let mut bench = Bench::of_parts(0);
    bench.transfer = Transfer::new(setup(Grid::new(PART + 4, PART)), bench.now);
    bench.settle();
    [1, 2].into_iter().for_each(|number| bench.store(number));
    let Command::Finished(stored) = bench.settle() else { panic!() };
    assert_eq!(stored.iter().map(|part| part.size).collect::<Vec<_>>(), [None, Some(4)]);
}

#[test]
fn all_stored_is_finished_with_what_was_not_reported() {
    let mut bench = Bench::of_parts(6);
    let finished = loop {
        match bench.settle() {
            Command::Wait => bench.sending.clone().into_iter().for_each(|number| bench.store(number)),
            end => break end,
        }
    };
    let Command::Finished(stored) = finished else { panic!("{finished:?}") };
    let reported: usize =
        bench.calls.iter().filter_map(|call| call.split(' ').nth(3)?.parse::<usize>().ok()).sum();
    assert_eq!(stored.len() + reported, 6);
    assert_eq!(stored.last().and_then(|part| part.checksum.as_deref()), Some("crc6"));
}

#[test]
fn an_empty_file_is_finished_at_once() {
    assert_eq!(Bench::of_parts(0).settle(), Command::Finished(Vec::new()));
}

#[test]
fn a_signed_part_is_always_waiting_while_parts_are_missing() {
    let mut bench = Bench::of_parts(100);
    for _ in 0..80 {
        bench.settle();
        assert_eq!(bench.sending.len(), 4);
        assert!(!bench.transfer.signed.is_empty());
        let first = bench.sending[0];
        bench.store(first);
    }
    assert!(bench.calls.len() < 20, "{:?}", bench.calls);
}

#[test]
fn stored_parts_are_not_sent_again() {
    let mut bench = Bench::of_parts(4);
    let proven = HashMap::from([(2, "proven".to_owned())]);
    bench.transfer.adopt(&[received(1), received(2), received(4)], &proven);
    assert_eq!(bench.settle(), Command::Wait);
    assert_eq!(bench.sending, [3]);
    assert_eq!(bench.transfer.kept_bytes(), 3 * PART);
    bench.check_places(4);
}

#[test]
fn what_storage_had_before_is_hashed_before_it_is_finished() {
    for (before, changed) in [("crc1", false), ("another", true)] {
        let mut bench = Bench::of_parts(2);
        let had = ReceivedPart { checksum: Some(before.into()), ..received(1) };
        bench.transfer.adopt(&[had], &HashMap::new());
        assert_eq!(bench.transfer.poll(bench.now), Command::Hash(2));
        assert_eq!(bench.transfer.poll(bench.now), Command::Hash(1));
        bench.transfer.hashed(2, "crc2".into(), bench.now);
        assert_eq!(bench.settle(), Command::Wait);
        bench.store(2);
        assert_eq!(bench.settle(), Command::Wait, "not before it is verified");
        bench.transfer.hashed(1, "crc1".into(), bench.now);
        match bench.settle() {
            Command::Stop(Failure::Changed(1)) => assert!(changed),
            Command::Finished(_) => assert!(!changed),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stored_part_of_another_size_is_sent_again() {
    let mut bench = Bench::of_parts(1);
    bench.transfer.adopt(&[ReceivedPart { size: 3, ..received(1) }], &HashMap::new());
    bench.settle();
    assert_eq!(bench.sending, [1]);
}

#[test]
fn a_network_error_asks_status_and_then_sends_what_is_missing() {
    let mut bench = Bench::of_parts(4);
    bench.settle();
    bench.fail(1, Seen::Network);
    bench.fail(2, Seen::Stall);
    assert_eq!(bench.settle(), Command::Refresh);
    bench.refreshed(&[1]);
    bench.settle();
    assert!(bench.transfer.is_kept(1));
    assert_eq!(bench.sending, [3, 4], "part 2 waits for its backoff");
    bench.check_places(4);
    bench.later(1);
    bench.store(3);
    bench.settle();
    assert_eq!(bench.sending, [4, 2]);
}

#[test]
fn status_is_asked_at_most_every_five_seconds() {
    let mut bench = Bench::of_parts(4);
    bench.settle();
    bench.fail(1, Seen::Network);
    assert_eq!(bench.settle(), Command::Refresh);
    bench.refreshed(&[]);
    bench.fail(2, Seen::Network);
    assert_ne!(bench.settle(), Command::Refresh);
    bench.later(5);
    assert_eq!(bench.settle(), Command::Refresh);
}

#[test]
fn a_part_stored_while_status_was_being_asked_is_not_lost() {
    let mut bench = Bench::of_parts(3);
    bench.settle();
    bench.fail(1, Seen::Network);
    assert_eq!(bench.settle(), Command::Refresh);
    bench.store(2);
    bench.refreshed(&[]);
    assert!(bench.transfer.is_kept(2));
}

#[test]
fn a_part_that_storage_lost_is_sent_again() {
    let mut bench = Bench::of_parts(3);
    bench.settle();
    bench.store(1);
    bench.fail(2, storage(404, "NoSuchUpload"));
    assert_eq!(bench.settle(), Command::Refresh);
    bench.refreshed(&[]);
    assert!(!bench.transfer.is_kept(1));
    assert_eq!(bench.transfer.kept_bytes(), 0);
    bench.check_places(3);
}

#[test]
fn an_expired_url_is_signed_again_before_it_is_used() {
    let mut bench = Bench::of_parts(6);
    bench.settle();
    bench.later(LIFETIME.as_secs());
    bench.store(1);
    bench.calls.clear();
    bench.settle();
    assert_eq!(bench.calls.len(), 1);
    assert_eq!(bench.sending, [2, 3, 4, 5]);
}

#[test]
fn a_url_that_lives_shortly_is_used_all_the_same() {
    let mut bench = Bench::of_parts(1);
    bench.transfer.know_checksum(1, "crc".into(), bench.now);
    let Command::Sign { parts, .. } = bench.transfer.poll(bench.now) else { panic!() };
    bench.sign_for(&parts, Duration::from_secs(9));
    bench.settle();
    assert_eq!(bench.sending, [1]);
    assert!(bench.calls.is_empty(), "{:?}", bench.calls);
}

#[test]
fn without_first_tickets_nothing_is_known_of_their_lifetime() {
    let mut bench = Bench::of_parts(40);
    bench.transfer.signed(Vec::new(), Duration::ZERO, bench.now);
    assert_eq!(bench.transfer.url_lifetime, None);
}

#[test]
fn three_refused_signatures_stop() {
    let mut bench = Bench::of_parts(1);
    for _ in 0..3 {
        assert_eq!(bench.settle(), Command::Wait);
        bench.fail(1, storage(403, "ExpiredToken"));
    }
    assert!(matches!(bench.settle(), Command::Stop(Failure::SignatureRefused(_))));
}

#[test]
fn doubted_bytes_are_hashed_again_and_sent_again_when_they_are_the_same() {
    let mut bench = Bench::of_parts(1);
    bench.settle();
    bench.fail(1, storage(400, "BadDigest"));
    bench.later(1);
    bench.settle();
    bench.later(1);
    bench.settle();
    assert_eq!(bench.sending, [1]);
}

#[test]
fn doubted_bytes_that_read_differently_are_a_changed_file() {
    let mut bench = Bench::of_parts(1);
    bench.settle();
    bench.fail(1, storage(400, "BadDigest"));
    assert_eq!(bench.transfer.poll(bench.now), Command::Hash(1));
    bench.transfer.hashed(1, "another".into(), bench.now);
    assert_eq!(bench.settle(), Command::Stop(Failure::Changed(1)));
}

#[test]
fn slow_down_waits_as_told_and_halves_the_connections() {
    let mut bench = Bench::of_parts(10);
    bench.settle();
    let told = StorageAnswer { status: 503, retry_after: Some(Duration::from_secs(7)), ..Default::default() };
    bench.fail(1, Seen::Storage(told));
    for number in [2, 3, 4] {
        bench.store(number);
    }
    bench.settle();
    assert_eq!(bench.sending, [5, 6]);
    bench.later(7);
    bench.store(5);
    bench.settle();
    assert!(bench.sending.contains(&1) || bench.transfer.signed.contains_key(&1));
}

#[test]
fn a_412_of_a_one_put_file_asks_status() {
    let mut bench = Bench::of_parts(1);
    bench.settle();
    bench.fail(1, storage(412, "PreconditionFailed"));
    assert_eq!(bench.settle(), Command::Refresh);
    bench.refreshed(&[1]);
    assert!(matches!(bench.settle(), Command::Finished(_)));
}

#[test]
fn ten_minutes_without_progress_is_stalled() {
    let mut bench = Bench::of_parts(1);
    bench.settle();
    bench.later(601);
    let Command::Stop(Failure::Stalled(after, _)) = bench.settle() else { panic!() };
    assert_eq!(after, Duration::from_secs(601));
}

#[test]
fn bytes_that_go_nowhere_again_and_again_are_no_progress() {
    let mut bench = Bench::of_parts(1);
    bench.settle();
    bench.transfer.moved(1, 5, bench.now);
    for _ in 0..11 {
        bench.later(60);
        bench.transfer.moved(1, 5, bench.now);
    }
    assert!(matches!(bench.settle(), Command::Stop(Failure::Stalled(..))));
}

#[test]
fn tickets_do_not_show_their_url() {
    let mut bench = Bench::of_parts(1);
    let number = 1;
    bench.transfer.know_checksum(number, "crc".into(), bench.now);
    let Command::Sign { parts, .. } = bench.transfer.poll(bench.now) else { panic!() };
    bench.sign(&parts);
    let send = bench.transfer.poll(bench.now);
    assert!(matches!(send, Command::Send(_)));
    assert!(!format!("{send:?}{:?}", bench.transfer).contains("secret"));
}
