//! Chaos: gateways are killed at random instants and storage fails at random, while clients upload; then an audit holds
//! database, store and what the clients were told against each other.
//!
//! Each run follows from one seed. A failure prints it; instants depend on the machine as well, so the same seed
//! repeats a run's choices, not every interleaving. `PARTGATE_SOAK` is how many rounds a run has (`make soak N=100`).
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without should end it")]

mod audit;
mod client;
mod record;
mod run;
mod seed;
mod world;

use partgate::upload::State;
use partgate_testkit::Postgres;

use client::Habits;
use record::Fate;
use run::{Plan, run};
use seed::rounds;
use world::Setup;

fn setup(gateways: usize) -> Setup {
    Setup { gateways, database: None, orphans: "leave" }
}

/// Uploads that end in every way.
fn all_sorts() -> Habits {
    let fates = vec![(60, Fate::Complete), (13, Fate::Abort), (12, Fate::Race), (15, Fate::Leave)];
    Habits { parts: 2..=12, fates, short_lived_percent: 15 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gateway_killed_at_random_instants_loses_nothing() {
    for seed in rounds("chaos::one_gateway_killed_at_random_instants_loses_nothing") {
        let plan = Plan {
            setup: setup(1),
            habits: all_sorts(),
            clients: 6,
            uploads: 40,
            kills: 100,
            kill_after_ms: 20..=350,
            weather_percent: 0,
            faults: 0,
            cut: None,
        };
        let tally = run(&seed, plan).await;
        for name in ["init", "sign", "report", "status", "complete", "abort"] {
            assert!(tally.killed_during.contains_key(name), "no gateway was killed during {name}: {tally}");
        }
        assert!(tally.ends.of(State::Completed) > 0 && tally.sweeps_killed > 0, "{tally}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_killed_in_bad_weather_lose_nothing() {
    for seed in rounds("chaos::gateways_killed_in_bad_weather_lose_nothing") {
        let plan = Plan {
            setup: setup(3),
            habits: all_sorts(),
            clients: 10,
            uploads: 60,
            kills: 100,
            kill_after_ms: 50..=400,
            weather_percent: 20,
            faults: 500,
            cut: None,
        };
        let tally = run(&seed, plan).await;
        assert!(tally.ends.of(State::Completed) > 0 && tally.sweeps_killed > 0, "{tally}");
    }
}

/// Three gateways, one killed every second, and fifty clients that all want to finish.
fn fifty_uploads() -> Plan {
    Plan {
        setup: setup(3),
        habits: Habits { parts: 3..=20, fates: vec![(1, Fate::Complete)], short_lived_percent: 0 },
        clients: 50,
        uploads: 50,
        kills: 10,
        kill_after_ms: 900..=900,
        weather_percent: 0,
        faults: 0,
        cut: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_uploads_finish_on_sqlite_while_a_gateway_is_killed_every_second() {
    for seed in rounds("chaos::fifty_uploads_finish_on_sqlite") {
        let tally = run(&seed, fifty_uploads()).await;
        assert!(tally.ends.of(State::Completed) >= 50, "{tally}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_uploads_finish_on_postgresql_while_a_gateway_is_killed_every_second() {
    for seed in rounds("chaos::fifty_uploads_finish_on_postgresql") {
        let Some(server) = tokio::task::block_in_place(Postgres::shared) else { return };
        let database = Some(server.create_database().await);
        let setup = Setup { database, ..setup(3) };
        let tally = run(&seed, Plan { setup, ..fifty_uploads() }).await;
        assert!(tally.ends.of(State::Completed) >= 50, "{tally}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fleet_outlives_a_database_that_is_away() {
    for seed in rounds("chaos::fleet_outlives_a_database_that_is_away") {
        let Some(server) = tokio::task::block_in_place(Postgres::start) else { return };
        let database = Some(server.create_database().await);
        let plan = Plan {
            setup: Setup { database, orphans: "known", ..setup(3) },
            habits: all_sorts(),
            clients: 10,
            kills: 15,
            kill_after_ms: 300..=700,
            weather_percent: 5,
            cut: Some(server),
            ..fifty_uploads()
        };
        let tally = run(&seed, plan).await;
        assert!(tally.ends.of(State::Completed) > 0, "{tally}");
    }
}
