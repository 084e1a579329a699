//! A client: one upload of random shape, sent by random calls at random gateways, until what it means to do is done.

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use super::record::{Fate, Record, parts_in};
use super::world::{Call, World};
use crate::harness::{Answer, Dice, bytes, checksum, digest, sha256_hex};

/// What clients upload.
#[derive(Debug, Clone)]
pub(super) struct Habits {
    /// How many parts a file of several has at least and at most.
    pub(super) parts: std::ops::RangeInclusive<u64>,
    /// Fates by weight.
    pub(super) fates: Vec<(u64, Fate)>,
    /// How many of a hundred uploads are over soon after init.
    pub(super) short_lived_percent: u64,
}

/// Storage refuses bytes that do not have these.
const KINDS: [&str; 7] = ["none", "none", "crc64nvme", "crc64nvme", "crc32c", "sha256", "md5"];
/// Calls after which an upload must have come to its end.
const MAX_STEPS: u64 = 1_000;

pub(super) struct Client<'a> {
    world: &'a World,
    dice: Dice,
    record: Record,
    kind: &'static str,
    is_stream: bool,
    /// Whether complete was called.
    has_asked: bool,
    /// Stored parts that were not yet reported.
    to_report: Vec<u32>,
}

/// Whether a client goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl<'a> Client<'a> {
    /// Opens an upload; `name` is its idempotency key, so that a lost answer is no second upload. None when its time
    /// was over before the answer came.
    pub(super) async fn init(world: &'a World, mut dice: Dice, habits: &Habits, name: &str) -> Option<Self> {
        let part_size = usize::try_from(dice.within(200..=2_000)).unwrap();
        let parts = usize::try_from(dice.within(habits.parts.clone())).unwrap();
        let size = match dice.within(0..=9) {
            0 => 0,
            1 | 2 => usize::try_from(dice.within(1..=part_size as u64)).unwrap(),
            _ => (parts - 1) * part_size + usize::try_from(dice.within(1..=part_size as u64)).unwrap(),
        };
        let file = bytes(dice.roll(), size);
        let kind = *dice.pick(&KINDS);
        let is_stream = dice.chance(10);
        let mut body = json!({"filename": format!("{name}.bin"), "part_size": part_size});
        if !is_stream {
            body["size"] = size.into();
        }
        if kind != "none" {
            body["checksum_algorithm"] = kind.into();
        }
        if dice.chance(30) {
            body["sha256"] = sha256_hex(&file).into();
        }
        let fate = *dice.pick_weighted(&habits.fates);
        let is_short_lived = dice.chance(habits.short_lived_percent);
        let (path, method) = ("/upload/init", &Method::POST);
        let call = Call { name: "init", method, path, body: Some(&body), idempotency_key: Some(name) };
        let answer = if is_short_lived {
            let seconds = i64::try_from(dice.within(1..=6)).unwrap();
            world.call_past(time::Duration::seconds(seconds), &call).await
        } else {
            world.call(&mut dice, call).await
        };
        if is_short_lived && answer.status == 410 {
            return None;
        }
        assert!(matches!(answer.status.as_u16(), 200 | 201), "init of {name} answered {answer:#?}");
        let text = |field: &str| answer.body[field].as_str().unwrap().to_owned();
        let record = Record {
            fate,
            is_short_lived,
            upload_id: text("upload_id"),
            key: text("key"),
            file,
            part_size,
            stored: Default::default(),
            told: Default::default(),
            completed: Vec::new(),
            is_aborted: false,
            is_gone: false,
        };
        Some(Self { world, dice, record, kind, is_stream, has_asked: false, to_report: Vec::new() })
    }

    /// Does what the client means to do; answers its record.
    pub(super) async fn live(mut self) -> Record {
        let steps = match self.record.fate {
            Fate::Complete => MAX_STEPS,
            Fate::Abort | Fate::Race | Fate::Leave => self.dice.within(0..=6),
        };
        let mut next = Next::GoOn;
        for _ in 0..steps {
            next = self.step().await;
            if next == Next::Stop {
                break;
            }
        }
        if next == Next::GoOn {
            match self.record.fate {
                Fate::Complete => self.give_up("does not come to an end"),
                Fate::Abort => self.abort().await,
                Fate::Race => self.race().await,
                Fate::Leave => {}
            }
        }
        self.record
    }

    /// Some calls that bring the upload further.
    async fn step(&mut self) -> Next {
        let query = if self.dice.chance(30) { "?refresh=true" } else { "" };
        let answer = self.call("status", &Method::GET, &format!("/status{query}"), None).await;
        // Storage may have the whole file, as a small one or as the object of a completion that we did not hear of.
        match (answer.status.as_u16(), answer.body["state"].as_str()) {
            (200, Some("creating" | "open" | "completing")) => {}
            (200, Some("completed")) if self.has_asked => return self.complete().await,
            (200, Some("expired" | "aborting" | "aborted")) => return self.gone(&answer),
            _ => self.unexpected("status", &answer),
        }
        self.record.hear(&answer.body["missing"], &answer.body["received_parts"]);
        let mut to_send = self.record.to_send();
        if to_send.is_empty() {
            let completes = self.record.fate == Fate::Complete || self.has_asked;
            return if completes { self.complete().await } else { Next::GoOn };
        }
        to_send.truncate(usize::try_from(self.dice.within(1..=8)).unwrap());
        if self.send(&to_send).await == Next::Stop {
            return Next::Stop;
        }
        if self.dice.chance(50) { self.report().await } else { Next::GoOn }
    }

    /// Signs parts, reporting earlier ones in the same call, and sends them to storage.
    async fn send(&mut self, numbers: &[u32]) -> Next {
        let parts: Vec<_> = numbers.iter().map(|number| self.to_sign(*number)).collect();
        let stored = self.reports();
        let body = json!({"parts": parts, "stored": stored});
        let answer = self.call("sign", &Method::POST, "/sign", Some(body)).await;
        match answer.status.as_u16() {
            200 => {}
            409 | 410 => return self.gone(&answer),
            _ => self.unexpected("sign", &answer),
        }
        let signed = answer.body["parts"].as_array().unwrap();
        let puts = signed.iter().map(|part| self.put(part));
        for (number, etag) in join_all(puts).await.into_iter().flatten() {
            self.record.stored.insert(number, etag);
            self.to_report.push(number);
        }
        Next::GoOn
    }

    fn to_sign(&self, number: u32) -> Value {
        let bytes = self.record.part(number);
        let mut part = json!({ "number": number });
        if self.kind != "none" {
            part["checksum"] = checksum(self.kind, bytes).into();
        }
        if self.is_stream {
            part["size"] = bytes.len().into();
        }
        part
    }

    /// Sends a signed part, once; what storage did not answer is sent again some time.
    async fn put(&self, signed: &Value) -> Option<(u32, String)> {
        let number = u32::try_from(signed["number"].as_u64().unwrap()).unwrap();
        let bytes = self.record.part(number).to_vec();
        let etag = format!("\"{}\"", hex::encode(digest("md5", &bytes)));
        let mut request = self.world.http.put(signed["url"].as_str().unwrap()).body(bytes);
        for (name, value) in signed["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let answer = request.send().await.ok()?;
        match answer.status().as_u16() {
            200 => assert_eq!(answer.headers()["etag"].to_str().unwrap(), etag, "{}", self.record.upload_id),
            // The one PUT of a small file was answered before, and we did not hear it.
            412 => {}
            _ => return None,
        }
        Some((number, etag))
    }

    /// Reports of stored parts; not all have an ETag, and now and then one is of a part that was never sent.
    fn reports(&mut self) -> Vec<Value> {
        let mut numbers = std::mem::take(&mut self.to_report);
        if self.dice.chance(5) && !self.record.file.is_empty() {
            let lie = self.dice.within(1..=u64::from(self.record.total_parts()));
            numbers.push(u32::try_from(lie).unwrap());
        }
        numbers.sort_unstable();
        numbers.dedup();
        let mut report = |number: u32| {
            let mut part = json!({ "number": number });
            if let Some(etag) = self.record.stored.get(&number).filter(|_| self.dice.chance(70)) {
                part["etag"] = etag.clone().into();
            }
            if self.is_stream {
                part["size"] = self.record.part(number).len().into();
            }
            part
        };
        numbers.into_iter().map(&mut report).collect()
    }

    async fn report(&mut self) -> Next {
        let stored = self.reports();
        let answer = self.call("report", &Method::POST, "/parts", Some(json!({ "stored": stored }))).await;
        match answer.status.as_u16() {
            200 => self.record.hear(&answer.body["missing"], &answer.body["received_parts"]),
            409 | 410 => return self.gone(&answer),
            _ => self.unexpected("report", &answer),
        }
        Next::GoOn
    }

    async fn complete(&mut self) -> Next {
        self.has_asked = true;
        let answer = self.call_complete().await;
        self.completed(answer)
    }

    async fn call_complete(&self) -> Answer {
        let body = if self.is_stream { json!({"size": self.record.file.len()}) } else { json!({}) };
        let mut dice = self.dice.of(2);
        let path = format!("/upload/{}/complete", self.record.upload_id);
        let (method, body) = (&Method::POST, Some(&body));
        let call = Call { name: "complete", method, path: &path, body, idempotency_key: None };
        self.world.call(&mut dice, call).await
    }

    fn completed(&mut self, answer: Answer) -> Next {
        match (answer.status.as_u16(), answer.body["code"].as_str()) {
            (200, _) => {
                self.record.completed.push(answer.body);
                // Sometimes the answer is asked for again: it must be the same.
                if self.dice.chance(40) { Next::GoOn } else { Next::Stop }
            }
            (202, _) => Next::GoOn,
            (409, Some("parts_missing")) => {
                for number in parts_in(&answer.body["missing"]) {
                    self.record.told.remove(&number);
                }
                Next::GoOn
            }
            (410, _) => self.gone(&answer),
            _ => self.unexpected("complete", &answer),
        }
    }

    async fn abort(&mut self) {
        let answer = self.call_abort().await;
        self.aborted(&answer);
    }

    async fn call_abort(&self) -> Answer {
        let mut dice = self.dice.of(3);
        let path = format!("/upload/{}", self.record.upload_id);
        let call =
            Call { name: "abort", method: &Method::DELETE, path: &path, body: None, idempotency_key: None };
        self.world.call(&mut dice, call).await
    }

    fn aborted(&mut self, answer: &Answer) {
        match (answer.status.as_u16(), self.record.fate) {
            (204, _) => self.record.is_aborted = true,
            // Complete was faster.
            (409, Fate::Race) => {}
            _ => self.unexpected("abort", answer),
        }
    }

    /// Completes and aborts at once: one of the two wins.
    async fn race(&mut self) {
        self.has_asked = true;
        let (completed, aborted) = join(self.call_complete(), self.call_abort()).await;
        self.aborted(&aborted);
        let mut next = self.completed(completed);
        for _ in 0..MAX_STEPS {
            if next == Next::Stop || self.record.is_aborted {
                return;
            }
            // It goes on: parts may be missing, and nobody has aborted it.
            next = self.step().await;
        }
        self.give_up("does not come to an end");
    }

    /// An upload that is taken back must be one whose time was over, or that we aborted.
    fn gone(&mut self, answer: &Answer) -> Next {
        let is_aborted = self.record.is_aborted || self.record.fate == Fate::Race;
        if !(is_aborted || self.record.is_short_lived) {
            self.unexpected("some call", answer);
        }
        self.record.is_gone = true;
        Next::Stop
    }

    fn unexpected(&self, name: &str, answer: &Answer) -> ! {
        self.give_up(&format!("{name} answered {answer:#?}"));
    }

    fn give_up(&self, what: &str) -> ! {
        let Record { upload_id, .. } = &self.record;
        let log = self.world.fleet.log_of(upload_id).join("\n");
        panic!("upload {upload_id} {what}\n{}\n{log}", self.record.summary());
    }

    async fn call(&mut self, name: &'static str, method: &Method, tail: &str, body: Option<Value>) -> Answer {
        let path = format!("/upload/{}{tail}", self.record.upload_id);
        let call = Call { name, method, path: &path, body: body.as_ref(), idempotency_key: None };
        self.world.call(&mut self.dice, call).await
    }
}
