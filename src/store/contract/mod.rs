//! The contract of the state store: one function a promise, run on every database that we know.

mod access;
mod databases;
mod listing;
mod opening;
mod outage;
mod parts;
mod plans;
mod progress;
mod quota;
mod races;
mod sweep;
mod uploads;

use std::collections::BTreeMap;

use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::upload::{
    AbortReason, COMPLETION_LEASE, Checksum, ChecksumAlgorithm, ChecksumType, Failure, Fingerprint, Limits,
    Metadata, ObjectChecksum, ObjectKey, Outcome, PartClaim, PartEvidence, PartNumber, PartRecord, Plan,
    PutSupport, S3UploadId, Sha256Digest, State, Upload, UploadId, UploadSpec,
};

// Thursday, 1 January 2026, 12:00 UTC, and some microseconds that must not get lost.
const NOW: OffsetDateTime = datetime!(2026-01-01 12:00:00.123456 UTC);
const LIFETIME: Duration = Duration::days(7);
const MIB: u64 = 1 << 20;

/// Makes each contract a test on each database: a function of [`databases`] opens (`store`) or names (`url`) an empty
/// one of its own for it.
macro_rules! contracts {
    (@on $database:ident $($given:ident $theme:ident { $($contract:ident)* })*) => {
        $(mod $theme {
            $(#[tokio::test]
            async fn $contract() {
                use crate::store::contract::{databases::$database, $theme};
                let Some(($given, _guard)) = $database::$given().await else { return };
                $theme::$contract($given).await;
            })*
        })*
    };
    ($($list:tt)*) => {
        mod on_sqlite { contracts!(@on sqlite $($list)*); }
        mod on_postgres { contracts!(@on postgres $($list)*); }
        mod on_model { contracts!(@on model $($list)*); }
    };
}

contracts! {
    store uploads {
        new_upload_comes_back_as_it_was_written
        every_later_field_comes_back_as_it_was_written
        failure_comes_back_as_it_was_written
        stream_without_size_comes_back_without_size
        unknown_id_is_none
        second_writer_of_a_version_is_told
        concurrent_updates_never_lose_one
        same_id_twice_is_a_duplicate
        idempotency_key_is_unique_per_tenant
        owners_of_a_tenant_do_not_meet
        fingerprint_is_unique_while_open
        fingerprint_of_another_size_is_another_upload
        fingerprint_is_found_only_while_open
        urls_are_only_ever_extended
        upload_that_is_taken_back_gets_no_more_urls
        committed_writes_are_seen_by_every_reader
        long_upload_id_of_storage_is_kept
        restored_upload_comes_back_as_it_was_found
        restoring_leaves_alone_what_is_there
    }
    store listing {
        list_is_newest_first_in_pages
        list_filters_by_state
        list_counts_overdue_uploads_as_expired
        list_shows_one_tenant_only
        list_shows_one_owner_only
        list_shows_all_tenants_to_whoever_may_see_them
        states_are_counted
    }
    store parts {
        recorded_parts_replace_earlier_ones
        replaced_parts_are_the_whole_truth
        replaced_parts_spare_what_was_recorded_since
        reported_part_replaces_a_listed_one_of_the_same_moment
        ten_thousand_parts_come_back_in_order
        received_counts_all_but_mismatched
        parts_of_two_uploads_do_not_mix
        part_that_is_reported_twice_counts_as_last_reported
        reports_and_listings_at_once_lock_nobody_out
    }
    store progress {
        upload_without_parts_has_received_nothing
        report_of_no_upload_is_nowhere
        report_of_no_part_changes_nothing
        report_answers_how_far_the_upload_is
        reported_upload_has_changed
        every_size_and_evidence_is_counted
        listing_is_counted_with_what_it_spares
        size_of_a_stream_changes_no_received_byte
        many_uploads_are_reported_at_once
    }
    store sweep {
        sweep_finds_what_is_due_only
        sweep_takes_the_longest_waiting_first
        concurrent_claims_never_share_an_upload
        claimed_upload_comes_back_when_the_lease_is_over
        postponed_uploads_do_not_keep_others_waiting
        change_forgives_failed_attempts
        look_forgives_attempts_and_rules_twins_out
        sweep_writes_only_what_it_has_read
        lease_is_won_by_one_taker
        lease_is_renewed_by_its_holder_only
        verified_bytes_last_as_long_as_the_lease
        owners_are_found_by_either_id
        forgetting_goes_on_where_it_stopped
        job_is_done_once_for_the_fleet
        forgetting_takes_the_parts_along
        forgetting_spares_unfinished_uploads
    }
    store quota {
        no_more_uploads_are_open_than_allowed
        only_unfinished_uploads_are_open
        no_more_bytes_are_in_flight_than_allowed
        bytes_are_in_flight_until_they_are_gone
        quotas_are_a_tenants_own
        lowered_limit_refuses_only_who_takes_more
        sums_beyond_the_largest_integer_are_no_error
        counter_stops_at_its_limits
        counter_counts_without_a_limit
        refused_upload_is_charged_nowhere
        duplicate_is_charged_nowhere
        duplicate_is_told_where_a_limit_is_reached
        stream_takes_what_it_reserves
        reservation_is_never_lowered
        refused_reservation_changes_nothing
        closed_upload_reserves_nothing
        counters_are_forgotten_when_their_time_is_over
        restored_stream_counts_with_what_it_holds
    }
    store access {
        key_comes_back_as_it_was_written
        keys_are_listed_newest_first
        key_is_revoked_once
        use_of_a_key_is_written_now_and_then
        key_id_is_unique
        tenant_comes_back_as_it_was_last_written
        tenant_is_deleted_once
        tenant_without_uploads_is_told_from_one_with
    }
    url races {
        progress_is_right_whoever_writes_at_once
        no_open_upload_too_many_gets_in
        no_byte_too_many_gets_in
        nobody_gets_past_a_counter
        two_tenants_fill_their_quotas_at_once
        counters_of_two_tenants_lock_nobody_out
        reservations_at_once_are_charged_once
        duplicates_at_once_are_charged_once
        calls_that_are_given_up_take_all_or_nothing
    }
    url opening {
        live_database_answers_a_ping
        everything_survives_a_reopening
        empty_database_is_outdated_unless_it_may_be_migrated
        several_gateways_may_migrate_at_once
        older_parts_are_counted
        older_uploads_have_no_owner_and_count_for_quotas
        owner_without_a_name_is_refused
    }
}

fn spec(size_bytes: Option<u64>) -> (UploadSpec, Plan) {
    let plan = Plan::new(size_bytes, 10 * MIB, &Limits::AWS).unwrap();
    let spec = UploadSpec {
        tenant: "default".to_owned(),
        owner: None,
        bucket: "uploads".to_owned(),
        key: ObjectKey::new("in/ü +%41/käse.bin".to_owned()).unwrap(),
        filename: "käse \"1\".bin".to_owned(),
        content_type: "application/octet-stream".to_owned(),
        checksum_algorithm: ChecksumAlgorithm::Crc64nvme,
        metadata: Metadata::default(),
        overwrite: false,
        fingerprint: None,
        idempotency_key: None,
        transfer: plan.transfer(PutSupport::Conditional),
    };
    (spec, plan)
}

/// An upload of three parts; higher numbers are newer.
fn upload(number: u128) -> Upload {
    upload_with(number, |_| {})
}

fn upload_with(number: u128, change: impl FnOnce(&mut UploadSpec)) -> Upload {
    let (mut spec, plan) = spec(Some(25 * MIB));
    change(&mut spec);
    Upload::new(UploadId(Uuid::from_u128(number)), spec, plan, None, (NOW, LIFETIME))
}

fn name(text: &str) -> Option<Fingerprint> {
    Some(Fingerprint::new(text.to_owned()).unwrap())
}

fn opened(upload: &Upload) -> Upload {
    upload.opened(S3UploadId("s3-id".to_owned()), NOW).unwrap()
}

fn outcome() -> Outcome {
    Outcome {
        etag: "\"0123-3\"".to_owned(),
        version_id: Some("v/1+".to_owned()),
        size_bytes: 25 * MIB,
        checksum: Some(ObjectChecksum {
            algorithm: ChecksumAlgorithm::Sha256,
            checksum_type: ChecksumType::Composite,
            value: "YWJj:-3".to_owned(),
        }),
        sha256: Some(Sha256Digest::new([7; 32])),
        completed_at: NOW + Duration::microseconds(1),
    }
}

fn part(number: u32) -> PartRecord {
    PartRecord::reported(PartClaim {
        number: PartNumber::new(number).unwrap(),
        size_bytes: 10 * MIB,
        etag: None,
        checksum: None,
    })
}

fn listed(number: u32, etag: &str) -> PartRecord {
    PartRecord { etag: Some(etag.to_owned()), evidence: PartEvidence::Listed, ..part(number) }
}

async fn inserted(store: &Store, upload: Upload) -> Upload {
    assert_eq!(store.insert(&upload, &Quota::default()).await.unwrap(), InsertOutcome::Inserted);
    upload
}

async fn written(store: &Store, next: Upload) -> Upload {
    assert_eq!(store.update(&next).await.unwrap(), Written::Done);
    next
}

/// Walks an upload to a state by the arrows that lead there.
async fn in_state(store: &Store, upload: Upload, state: State) -> Upload {
    let new = inserted(store, upload).await;
    let path: &[fn(&Upload) -> Upload] = match state {
        State::Creating => &[],
        State::Open => &[opened],
        State::Completing => &[opened, |upload| upload.completing(NOW).unwrap()],
        State::Completed => &[
            opened,
            |upload| upload.completing(NOW).unwrap(),
            |upload| upload.completed(outcome(), NOW).unwrap(),
        ],
        State::Failed => &[
            opened,
            |upload| upload.completing(NOW).unwrap(),
            |upload| upload.failed(Failure { code: "c".to_owned(), detail: "d".to_owned() }, NOW).unwrap(),
        ],
        State::Aborting => &[|upload| upload.aborting(AbortReason::Requested, NOW).unwrap()],
        State::Aborted => &[
            |upload| upload.aborting(AbortReason::Requested, NOW).unwrap(),
            |upload| upload.taken_back(NOW).unwrap(),
        ],
        State::Expired => &[
            |upload| upload.aborting(AbortReason::Expired, NOW).unwrap(),
            |upload| upload.taken_back(NOW).unwrap(),
        ],
    };
    let mut current = new;
    for step in path {
        current = written(store, step(&current)).await;
    }
    assert_eq!(current.state, state);
    current
}

async fn loaded(store: &Store, id: UploadId) -> Upload {
    store.load(id).await.unwrap().unwrap()
}

async fn known_parts(store: &Store, id: UploadId) -> Vec<PartRecord> {
    store.parts(id, ChecksumAlgorithm::Crc64nvme).await.unwrap()
}

async fn numbers(store: &Store, id: UploadId) -> Vec<u32> {
    known_parts(store, id).await.iter().map(|part| part.number.value()).collect()
}

fn filter(limit: u32) -> ListFilter {
    let tenant = Some("default".to_owned());
    ListFilter { tenant, owner: None, state: None, now: NOW, before: None, limit }
}

async fn ids(store: &Store, filter: &ListFilter) -> Vec<u128> {
    store.list(filter).await.unwrap().iter().map(|upload| upload.id.0.as_u128()).collect()
}
