//! A run: clients at work while gateways are killed and storage has its weather; then the audit.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use partgate_testkit::Postgres;
use reqwest::header::RETRY_AFTER;

use super::audit::{Audit, Ends};
use super::client::{Client, Habits};
use super::record::Record;
use super::seed::Seed;
use super::world::{Setup, World};
use crate::harness::{Dice, Fault, FaultCounts, Weather, say};

/// How a run goes.
pub(super) struct Plan {
    pub(super) setup: Setup,
    pub(super) habits: Habits,
    /// Clients at once.
    pub(super) clients: u64,
    /// Uploads at least; clients go on until kills and faults are enough too.
    pub(super) uploads: u64,
    /// Gateways that are killed.
    pub(super) kills: u32,
    /// How long the killer waits after each start, ms.
    pub(super) kill_after_ms: RangeInclusive<u64>,
    /// How many of a hundred requests to storage meet a fault.
    pub(super) weather_percent: u64,
    /// Faults at least.
    pub(super) faults: u32,
    /// The server of the database, to be away for a while.
    pub(super) cut: Option<Postgres>,
}

/// What happened in a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) kills: u32,
    pub(super) sweeps_killed: u32,
    /// What gateways were at when they were killed.
    pub(super) killed_during: BTreeMap<&'static str, u32>,
    pub(super) faults: FaultCounts,
    pub(super) ends: Ends,
    seconds: f64,
    seed: u64,
}

impl Tally {
    pub(super) fn fault_count(&self) -> u32 {
        self.faults.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_kind = BTreeMap::<_, u32>::new();
        for ((kind, _), count) in &self.faults {
            *by_kind.entry(*kind).or_default() += count;
        }
        let Self { kills, sweeps_killed, killed_during, ends, seconds, seed, .. } = self;
        let faults = self.fault_count();
        write!(f, "chaos: kills={kills} during={killed_during:?} sweeps_killed={sweeps_killed} ")?;
        write!(f, "faults={faults} {by_kind:?} {ends} seconds={seconds:.0} seed={seed}")
    }
}

/// Runs a plan and audits what it leaves; says what happened.
pub(super) async fn run(seed: &Seed, plan: Plan) -> Tally {
    let started = Instant::now();
    let dice = seed.dice();
    let mut world = World::new(plan.setup).await;
    world.proxy.set_weather(weather(dice.of(1), plan.weather_percent));
    let stop = AtomicBool::new(false);
    let next = AtomicU64::new(0);
    let clients = (0..plan.clients).map(|_| {
        let (world, dice, habits, stop, next) = (&world, &dice, &plan.habits, &stop, &next);
        async move {
            let mut records = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= plan.uploads && stop.load(Ordering::Relaxed) {
                    return records;
                }
                let client =
                    Client::init(world, dice.of(1_000 + number), habits, &format!("upload {number}")).await;
                match client {
                    Some(client) => records.push(client.live().await),
                    None => continue,
                }
            }
        }
    });
    let kill = async {
        let killed = kill(&world, dice.of(2), (plan.kills, plan.faults), plan.kill_after_ms.clone()).await;
        stop.store(true, Ordering::Relaxed);
        killed
    };
    let (records, (kills, killed_during), sweeps_killed, (), ()) = tokio::join!(
        join_all(clients),
        kill,
        kill_sweeps(&world, dice.of(3), &stop),
        break_off(&world, dice.of(4), (&stop, plan.weather_percent)),
        cut_database(&world, plan.cut.as_ref()),
    );
    let records: Vec<Record> = records.into_iter().flatten().collect();
    let faults = world.proxy.counts();
    let ends = Audit::new(&mut world, &records).await.pass().await;
    let seconds = started.elapsed().as_secs_f64();
    let tally = Tally { kills, sweeps_killed, killed_during, faults, ends, seconds, seed: seed.value };
    say(&tally.to_string());
    tally
}

/// Faults of all kinds; delays are shorter than the gateways' patience, or longer.
fn weather(dice: Dice, percent: u64) -> Weather {
    let kinds = vec![
        (3, Fault::SlowDown),
        (2, Fault::Refuse(500, "InternalError")),
        (2, Fault::ErrorIn200),
        (3, Fault::Reset),
        (2, Fault::CutRequest),
        (4, Fault::DropAnswer),
        (3, Fault::CutAnswer),
        (3, Fault::FailAfterActing),
        (3, Fault::Delay(Duration::from_millis(200))),
        (1, Fault::Delay(Duration::from_millis(1_500))),
        (1, Fault::Delay(Duration::from_millis(2_500))),
    ];
    Weather { dice, percent, kinds }
}

/// Kills gateways at random instants, half of them near a request to storage, and starts each again at once, until
/// there were enough kills and faults. Answers how many, and what gateways were at.
async fn kill(
    world: &World,
    mut dice: Dice,
    (kills, faults): (u32, u32),
    after_ms: RangeInclusive<u64>,
) -> (u32, BTreeMap<&'static str, u32>) {
    let mut during = BTreeMap::new();
    let mut killed = 0;
    while killed < kills || world.proxy.hits() < faults {
        world.check_patience();
        tokio::time::sleep(Duration::from_millis(dice.within(after_ms.clone()))).await;
        if dice.chance(50) {
            // Without traffic any instant is as good.
            let _ = tokio::time::timeout(Duration::from_millis(200), world.proxy.traffic()).await;
            tokio::time::sleep(Duration::from_micros(dice.within(0..=3_000))).await;
        }
        let _steady = world.steady.lock().await;
        let number = usize::try_from(dice.within(0..=world.fleet.size() as u64 - 1)).unwrap();
        for name in world.under_way(Some(number)) {
            *during.entry(name).or_default() += 1;
        }
        world.fleet.kill(number);
        killed += 1;
        world.fleet.run(number).await;
    }
    (killed, during)
}

/// Starts sweeps and kills them; answers how many had not ended by themselves.
async fn kill_sweeps(world: &World, mut dice: Dice, stop: &AtomicBool) -> u32 {
    let mut killed = 0;
    while !stop.load(Ordering::Relaxed) {
        world.check_patience();
        tokio::time::sleep(Duration::from_millis(dice.within(100..=900))).await;
        let mut sweep = world.fleet.sweep();
        tokio::time::sleep(Duration::from_millis(dice.within(20..=250))).await;
        killed += u32::from(sweep.try_wait().unwrap().is_none());
        // Fails only when it has ended.
        let _ = sweep.kill();
        sweep.wait().unwrap();
    }
    killed
}

/// Now and then storage is not there at all.
async fn break_off(world: &World, mut dice: Dice, (stop, weather_percent): (&AtomicBool, u64)) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(dice.within(1_500..=4_000))).await;
        if weather_percent > 0 && !stop.load(Ordering::Relaxed) {
            world.proxy.go_away().await;
            tokio::time::sleep(Duration::from_millis(dice.within(30..=400))).await;
            world.proxy.come_back().await;
        }
    }
}

/// The database is away for some seconds: every gateway says so, to callers and to whoever asks whether it is ready,
/// and goes on by itself.
async fn cut_database(world: &World, server: Option<&Postgres>) {
    let Some(server) = server else { return };
    tokio::time::sleep(Duration::from_secs(3)).await;
    // A gateway cannot start without its database.
    let _steady = world.steady.lock().await;
    tokio::task::block_in_place(|| server.kill());
    let away = tokio::time::sleep(Duration::from_secs(3));
    let urls: Vec<_> = (0..world.fleet.size()).map(|number| world.fleet.url(number).unwrap()).collect();
    for url in &urls {
        let readiness = world.http.get(format!("{url}/readyz")).send().await.unwrap();
        assert_eq!(readiness.status(), 503, "ready without its database");
        let list = world.http.get(format!("{url}/upload")).send().await.unwrap();
        assert_eq!(list.status(), 503);
        assert!(list.headers().contains_key(RETRY_AFTER));
    }
    away.await;
    tokio::task::block_in_place(|| server.restart());
    for url in &urls {
        while world.http.get(format!("{url}/readyz")).send().await.unwrap().status() != 200 {
            world.check_patience();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Lines for people, one a violation.
pub(super) fn listed(violations: &[String]) -> String {
    violations.iter().fold(String::new(), |mut text, violation| {
        writeln!(text, "- {violation}").unwrap();
        text
    })
}
