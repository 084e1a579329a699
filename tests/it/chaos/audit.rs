//! The audit: when all is quiet, database and store must agree with each other and with what clients were told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use partgate::app::service;
use partgate::clock::{Clock, ManualClock};
use partgate::config::Settings;
use partgate::service::{ListQuery, Service, SweepMode, SweepReport};
use partgate::store::Migrations;
use partgate::upload::{State, Upload};
use reqwest::Method;
use serde_json::Value;
use time::OffsetDateTime;

use super::record::Record;
use super::run::listed;
use super::world::{Call, LIFETIME, World};
use crate::harness::{ACCESS_KEY_ID, Dice, EMBEDDED_BUCKET, SECRET_ACCESS_KEY, digest};

/// The last sweeps: so often, and so long apart. The longest wait of the sweep is six hours.
const SWEEPS: u32 = 40;
const BETWEEN_SWEEPS: time::Duration = time::Duration::hours(7);
/// Lines of the gateways' logs that are shown of one upload.
const MAX_LINES: usize = 60;

/// How uploads ended.
#[derive(Debug, Default)]
pub(super) struct Ends(BTreeMap<&'static str, u32>);

impl Ends {
    pub(super) fn of(&self, state: State) -> u32 {
        self.0.get(state.name()).copied().unwrap_or(0)
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uploads={}", self.0.values().sum::<u32>())?;
        self.0.iter().try_for_each(|(state, count)| write!(f, " {state}={count}"))
    }
}

pub(super) struct Audit<'a> {
    world: &'a World,
    records: &'a [Record],
    s3: aws_sdk_s3::Client,
    violations: Vec<String>,
    /// Whose logs are shown.
    suspects: BTreeSet<String>,
}

impl<'a> Audit<'a> {
    /// The weather is over and everything that was under way has landed.
    pub(super) async fn new(world: &'a mut World, records: &'a [Record]) -> Self {
        world.proxy.clear();
        while !world.proxy.is_quiet() {
            world.check_patience();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "audit");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&world.past.store_url)
            .force_path_style(true)
            .credentials_provider(credentials);
        let s3 = aws_sdk_s3::Client::from_conf(config.build());
        Self { world, records, s3, violations: Vec::new(), suspects: BTreeSet::new() }
    }

    /// Looks at everything; answers how uploads ended.
    ///
    /// # Panics
    /// With every violation, and what the gateways logged of the uploads concerned.
    pub(super) async fn pass(mut self) -> Ends {
        for record in self.records {
            self.check_parts(record).await;
        }
        for number in 0..self.world.fleet.size() {
            self.world.fleet.kill(number);
        }
        let rows = self.sweep_and_list().await;
        self.check_bucket(&rows).await;
        for record in self.records {
            match rows.get(&record.upload_id) {
                Some(row) => self.check_end(record, row).await,
                None => self.violation(&record.upload_id, "is not in the database"),
            }
        }
        self.check_strangers(&rows);
        let mut ends = Ends::default();
        for row in rows.values() {
            *ends.0.entry(row.state.name()).or_default() += 1;
        }
        self.conclude();
        ends
    }

    fn violation(&mut self, upload_id: &str, what: impl fmt::Display) {
        self.violations.push(format!("upload {upload_id}: {what}"));
        self.suspects.insert(upload_id.to_owned());
    }

    /// What the client was told of an upload that is still open is so: what storage accepted is received, what is
    /// received is in storage, and what a lie made received is declared missing.
    async fn check_parts(&mut self, record: &Record) {
        if record.is_aborted || record.is_gone || !record.completed.is_empty() {
            return;
        }
        let path = format!("/upload/{}/status?refresh=true&parts=true", record.upload_id);
        let call =
            Call { name: "audit", method: &Method::GET, path: &path, body: None, idempotency_key: None };
        let status = self.world.call(&mut Dice::new(0), call).await;
        if status.body["state"] != "open" {
            // A short life is over; the end is looked at later.
            if !(record.is_short_lived || status.body["state"] == "completed") {
                self.violation(&record.upload_id, format!("was left open and now is {status:#?}"));
            }
            return;
        }
        let received = received_parts(&status.body);
        for number in record.stored.keys().filter(|number| !received.contains_key(number)) {
            self.violation(
                &record.upload_id,
                format!("part {number}, which storage accepted, is not received"),
            );
        }
        for (number, etag) in &received {
            let bytes = record.part(*number);
            if *etag != format!("\"{}\"", hex::encode(digest("md5", bytes))) {
                self.violation(
                    &record.upload_id,
                    format!("part {number} is received with other bytes: {etag}"),
                );
            }
        }
        let in_storage = self.parts_in_storage(record).await;
        if received.keys().copied().collect::<BTreeSet<_>>() != in_storage {
            let what = format!("received are {:?}, in storage are {in_storage:?}", received.keys());
            self.violation(&record.upload_id, what);
        }
    }

    /// The parts of all multipart uploads at the key, or the whole object of a small file.
    async fn parts_in_storage(&self, record: &Record) -> BTreeSet<u32> {
        let mut parts = BTreeSet::new();
        let listed = self
            .s3
            .list_multipart_uploads()
            .bucket(EMBEDDED_BUCKET)
            .prefix(&record.key)
            .send()
            .await
            .unwrap();
        for multipart in listed.uploads() {
            let id = multipart.upload_id().unwrap();
            let listed = self
                .s3
                .list_parts()
                .bucket(EMBEDDED_BUCKET)
                .key(&record.key)
                .upload_id(id)
                .send()
                .await
                .unwrap();
            parts.extend(
                listed.parts().iter().map(|part| u32::try_from(part.part_number().unwrap()).unwrap()),
            );
        }
        let head = self.s3.head_object().bucket(EMBEDDED_BUCKET).key(&record.key).send().await;
        parts.extend(head.is_ok().then_some(1));
        parts
    }

    /// Time passes, and a patient sweep does all that is left to do; then the whole list of uploads.
    async fn sweep_and_list(&mut self) -> BTreeMap<String, Upload> {
        let clock = ManualClock::starting_at(OffsetDateTime::now_utc());
        clock.advance(LIFETIME + time::Duration::hours(2));
        let settings = settings(self.world);
        let (service, store) =
            service(&settings, Clock::Manual(clock.clone()), Migrations::Refuse).await.unwrap();
        let mut left = SweepReport::default();
        for _ in 0..SWEEPS {
            service.sweep(SweepMode::Act).await.unwrap();
            clock.advance(BETWEEN_SWEEPS);
            left = service.sweep(SweepMode::DryRun).await.unwrap();
            if left.actions.is_empty() {
                break;
            }
        }
        for action in &left.actions {
            self.violation(&action.upload_id.to_string(), format!("the sweep comes to no end: {action:?}"));
        }
        let rows = rows(&service).await;
        store.close().await;
        rows
    }

    /// No multipart upload is left, and objects are there of completed uploads only.
    async fn check_bucket(&mut self, rows: &BTreeMap<String, Upload>) {
        let left = self.s3.list_multipart_uploads().bucket(EMBEDDED_BUCKET).send().await.unwrap();
        for multipart in left.uploads() {
            let key = multipart.key().unwrap();
            self.violation(key.split('/').next().unwrap(), format!("a multipart upload leaked at {key}"));
        }
        let mut keys = BTreeSet::new();
        let mut pages = self.s3.list_objects_v2().bucket(EMBEDDED_BUCKET).into_paginator().send();
        while let Some(page) = pages.next().await {
            keys.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        let completed = rows.values().filter(|row| row.state == State::Completed);
        let completed: BTreeSet<_> = completed.map(|row| row.spec.key.as_str().to_owned()).collect();
        for key in keys.symmetric_difference(&completed) {
            let what =
                if keys.contains(key) { "nobody completed the object" } else { "the object is not there:" };
            self.violation(key.split('/').next().unwrap(), format!("{what} {key}"));
        }
    }

    /// The end of an upload is what its client was told, and the object is the file.
    async fn check_end(&mut self, record: &Record, row: &Upload) {
        let id = &record.upload_id;
        if !row.state.is_final() {
            self.violation(id, format!("is {} for ever", row.state.name()));
        }
        if row.state == State::Failed {
            self.violation(id, format!("failed: {:?}", row.failure));
        }
        if let Some(first) = record.completed.first() {
            if let Some(other) = record.completed.iter().find(|answer| *answer != first) {
                self.violation(id, format!("complete answered {first:#} and then {other:#}"));
            }
            let told = (State::Completed, first["etag"].as_str());
            let etag = row.outcome.as_ref().map(|outcome| outcome.etag.as_str());
            if (row.state, etag) != told {
                self.violation(id, format!("is {} with ETag {etag:?}; told was {first:#}", row.state.name()));
            }
            if record.is_aborted {
                self.violation(id, "both complete and abort were answered with success");
            }
        }
        if row.state == State::Completed {
            if record.is_aborted {
                self.violation(id, "is completed although abort was answered with 204");
            }
            let object = self.s3.get_object().bucket(EMBEDDED_BUCKET).key(&record.key).send().await;
            let object = match object {
                Ok(object) => object.body.collect().await.unwrap().to_vec(),
                Err(error) => return self.violation(id, format!("its object cannot be read: {error:?}")),
            };
            if object != record.file {
                self.violation(id, format!("the object ({} bytes) is not the file", object.len()));
            }
        }
    }

    /// An upload that no client knows of is one whose init was never answered, because its time was over.
    fn check_strangers(&mut self, rows: &BTreeMap<String, Upload>) {
        let known: BTreeSet<_> = self.records.iter().map(|record| &record.upload_id).collect();
        for (id, row) in rows.iter().filter(|(id, _)| !known.contains(id)) {
            if row.state != State::Expired {
                self.violation(id, format!("is {} and no client knows of it", row.state.name()));
            }
        }
    }

    fn conclude(&self) {
        if self.violations.is_empty() {
            return;
        }
        let mut text = listed(&self.violations);
        for id in &self.suspects {
            let record = self.records.iter().find(|record| record.upload_id == *id);
            let log = self.world.fleet.log_of(id);
            let log = log[log.len().saturating_sub(MAX_LINES)..].join("\n");
            text.push_str(&format!("\n{id}: {}\n{log}\n", record.map_or_else(String::new, Record::summary)));
        }
        panic!("{} violations:\n{text}", self.violations.len());
    }
}

fn received_parts(status: &Value) -> BTreeMap<u32, String> {
    let parts = status["parts"].as_array().unwrap().iter();
    parts
        .map(|part| {
            let number = u32::try_from(part["number"].as_u64().unwrap()).unwrap();
            (number, part["etag"].as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

/// The store is reached without the proxy: its weather is over anyway.
fn settings(world: &World) -> Settings {
    let overrides = [
        ("database", world.database.clone()),
        ("storage.endpoint", world.past.store_url.clone()),
        ("storage.bucket", EMBEDDED_BUCKET.to_owned()),
        ("storage.access_key_id", ACCESS_KEY_ID.to_owned()),
        ("storage.secret_access_key", SECRET_ACCESS_KEY.to_owned()),
        ("sweep.keep_finished", "3650d".to_owned()),
        // What cannot be found without listing the whole bucket counts as leaked.
        ("sweep.orphans", "leave".to_owned()),
    ];
    Settings::of(&overrides).unwrap()
}

async fn rows(service: &Service) -> BTreeMap<String, Upload> {
    let mut rows = BTreeMap::new();
    let mut before = None;
    loop {
        let query = ListQuery { tenant: None, state: None, before, limit: 500 };
        let page = service.list(&service.anybody(), query).await.unwrap();
        rows.extend(page.uploads.into_iter().map(|(upload, _)| (upload.id.to_string(), upload)));
        match page.next {
            Some(next) => before = Some(next),
            None => return rows,
        }
    }
}
