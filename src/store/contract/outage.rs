//! What becomes of calls when PostgreSQL is restarted, hangs, or takes no writes.

use std::time::Instant;

use partgate_testkit::Postgres;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::databases::{CONNECTIONS, open, postgres};
use super::*;

/// The longest that a call may take: 5 seconds for a connection and 12 for an answer.
const BOUND: std::time::Duration = std::time::Duration::from_secs(17);

#[tokio::test]
async fn restarted_server_is_used_again_by_itself() {
    let Some(server) = Postgres::start() else { return };
    let store = open(&server.create_database().await, Migrations::Run).await.unwrap();
    let open = in_state(&store, upload(1), State::Open).await;
    server.restart();
    assert_eq!(loaded(&store, open.id).await, open, "its connections are tested before they are used");
    server.kill();
    let refused = store.load(open.id).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    server.restart();
    assert_eq!(loaded(&store, open.id).await, open);
}

#[tokio::test]
async fn server_that_hangs_is_not_waited_for() {
    let Some(server) = Postgres::start() else { return };
    let url = server.create_database().await;
    let store = open(&url, Migrations::Run).await.unwrap();
    let open = in_state(&store, upload(1), State::Open).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    // A call that is at the server, waiting for another's lock, when the server stops answering.
    other.execute("BEGIN; SELECT * FROM uploads FOR UPDATE").await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.extend_urls(open.id, NOW).await }
    });
    while waiting_calls(&mut other).await == 0 {}
    server.pause();
    let begun = Instant::now();
    let calls = (0..2 * CONNECTIONS).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.load(open.id).await.map(|_| Written::Done) })
    });
    for call in calls.chain([waiting]).collect::<Vec<_>>() {
        let refused = call.await.unwrap();
        assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    }
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    server.resume();
    assert_eq!(loaded(&store, open.id).await.id, open.id);
}

async fn waiting_calls(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    connection.fetch_one(sql).await.unwrap().get(0)
}

#[tokio::test]
async fn connection_that_was_cut_without_a_word_is_no_place_lost() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.create_database().await;
    let cut = CancellationToken::new();
    let port = relay(server.port(), cut.clone()).await;
    let relayed = url.replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let store = Store::open(&relayed, 1, Migrations::Run).await.unwrap();
    let open = in_state(&store, upload(1), State::Open).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    other.execute("BEGIN; SELECT * FROM uploads FOR UPDATE").await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.extend_urls(open.id, NOW).await }
    });
    while waiting_calls(&mut other).await == 0 {}
    cut.cancel();
    // The caller hangs up, so the only connection there may be goes back to the pool with its answer outstanding.
    waiting.abort();
    let begun = Instant::now();
    while store.load(open.id).await.is_err() {
        assert!(begun.elapsed() < BOUND, "its place is still taken");
    }
}

#[tokio::test]
async fn call_that_was_given_up_takes_nothing_and_holds_nobody_up() {
    let Some((url, ())) = postgres::url().await else { return };
    let store = Store::open(&url, 1, Migrations::Run).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    other.execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('default', 0))").await.unwrap();
    let quota = Quota { max_open_uploads: Some(1), ..Quota::default() };
    let waiting = tokio::spawn({
        let (store, quota) = (store.clone(), quota.clone());
        async move { store.insert(&upload(1), &quota).await }
    });
    while waiting_calls(&mut other).await == 0 {}
    waiting.abort();
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(store.insert(&upload(2), &quota).await.unwrap(), InsertOutcome::Inserted);
    assert_eq!(store.load(upload(1).id).await.unwrap(), None);
}

#[tokio::test]
async fn connections_that_were_cut_a_moment_ago_cost_no_read() {
    let Some((url, ())) = postgres::url().await else { return };
    let store = open(&url, Migrations::Run).await.unwrap();
    let open = in_state(&store, upload(1), State::Open).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    for _ in 0..5 {
        // Now that they have worked, nobody tests them for a second.
        assert_eq!(loaded(&store, open.id).await, open);
        assert_ne!(other.fetch_all(cut).await.unwrap().len(), 0);
        assert_eq!(loaded(&store, open.id).await, open);
    }
}

/// Passes connections on to `port`. Those that are there at the cut stay open, and nothing comes through any more.
async fn relay(port: u16, cut: CancellationToken) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own_port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let cut = if cut.is_cancelled() { CancellationToken::new() } else { cut.clone() };
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    () = cut.cancelled() => std::future::pending().await,
                }
            });
        }
    });
    own_port
}

#[tokio::test]
async fn ping_notices_a_server_that_takes_no_writes() {
    let Some((url, ())) = postgres::url().await else { return };
    open(&url, Migrations::Run).await.unwrap().ping().await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let read_only = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
                     current_database()); END $$";
    connection.execute(read_only).await.unwrap();
    let refused = open(&url, Migrations::Refuse).await.unwrap().ping().await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
}

#[tokio::test]
async fn connections_are_never_more_than_allowed() {
    let Some((url, ())) = postgres::url().await else { return };
    let store = Store::open(&url, 2, Migrations::Run).await.unwrap();
    let mut observer = PgConnection::connect(&url).await.unwrap();
    let calls = (0..20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { inserted(&store, upload(number)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let connections: i64 = observer.fetch_one(sql).await.unwrap().get(0);
    assert!(connections <= 2, "{connections}");
}

#[tokio::test]
async fn password_shows_in_no_error() {
    let Some((url, ())) = postgres::url().await else { return };
    let nowhere = format!("{url}_that_is_not_there");
    let refused = open(&nowhere, Migrations::Run).await.unwrap_err();
    let store = open(&url, Migrations::Run).await.unwrap();
    let shown = format!("{refused} {refused:?} {store:?}");
    assert!(url.contains(Postgres::PASSWORD) && !shown.contains(Postgres::PASSWORD), "{shown}");
}
