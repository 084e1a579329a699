//! Writers of parts share commits: all that wait while one is made go into the next, and to disk at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Mutex, oneshot};

use super::super::StoreError;
use super::direct::connect_writer;
use super::parts::{Outcome, Write};

/// Writes in one commit; those who wait for the database's lock, in this process and others, must get their turn.
const MOST_AT_ONCE: usize = 64;

/// The thread that writes parts. It ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Group(Sender<Message>);

#[derive(Debug)]
enum Message {
    Write(Waiting),
    Close(oneshot::Sender<()>),
}

/// A write, and who waits for it.
#[derive(Debug)]
struct Waiting {
    write: Write,
    answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

impl Group {
    /// A thread that writes while it holds `turn`: SQLite lets those who wait for its own lock sleep and look again.
    pub(super) fn start(path: PathBuf, turn: Arc<Mutex<()>>) -> std::io::Result<Self> {
        let (queue, messages) = channel();
        let run = move || run(&path, &messages, &turn);
        std::thread::Builder::new().name("sqlite-parts".to_owned()).spawn(run)?;
        Ok(Self(queue))
    }

    /// Writes it, together with what others write; it is on disk when this answers.
    pub(super) async fn write(&self, write: Write) -> Result<Outcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let sent = self.0.send(Message::Write(Waiting { write, answer }));
        sent.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// Ends the thread after what it was given before.
    pub(super) async fn close(&self) {
        let (closed, done) = oneshot::channel();
        if self.0.send(Message::Close(closed)).is_ok() {
            // It answers by ending.
            let _ = done.await;
        }
    }
}

fn closed() -> StoreError {
    StoreError::Database(sqlx::Error::PoolClosed)
}

fn run(path: &Path, messages: &Receiver<Message>, turn: &Mutex<()>) {
    let mut connection = None;
    while let Ok(message) = messages.recv() {
        let mut batch = Vec::new();
        // Who closes waits until this is dropped, after the connection.
        let mut closing = None;
        let mut next = Some(message);
        let held = turn.blocking_lock();
        // What has come while we waited for our turn is written with it.
        while let Some(message) = next.take() {
            match message {
                Message::Write(write) => batch.push(write),
                Message::Close(closed) => closing = Some(closed),
            }
            if batch.len() < MOST_AT_ONCE && closing.is_none() {
                next = messages.try_recv().ok();
            }
        }
        write_all(&mut connection, path, batch);
        drop(held);
        if closing.is_some() {
            drop(connection);
            return;
        }
    }
}

/// Writes all in one transaction, or none; and tells all who wait.
fn write_all(connection: &mut Option<Connection>, path: &Path, batch: Vec<Waiting>) {
    let (writes, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.write, waiting.answer)).unzip();
    let outcomes = commit(connection, path, &writes);
    match outcomes {
        Ok(outcomes) => {
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Who has given up does not hear it.
                let _ = answer.send(outcome);
            }
        }
        Err(error) => {
            let error = SharedError(Arc::new(error));
            for answer in answers {
                let _ = answer.send(Err(error.to_store_error()));
            }
        }
    }
}

/// The outcomes, once they are on disk. Something wrong with one upload's rows is the outcome of its own write only.
fn commit(
    connection: &mut Option<Connection>,
    path: &Path,
    writes: &[Write],
) -> Result<Vec<Result<Outcome, StoreError>>, rusqlite::Error> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(connect_writer(path)?),
    };
    // Other processes write the same file: from here on they wait, and what is read stays true.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcomes = writes.iter().map(|write| write.run(&transaction)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(outcomes)
}

/// One failure that many hear of.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
struct SharedError(Arc<rusqlite::Error>);

impl SharedError {
    fn to_store_error(&self) -> StoreError {
        StoreError::Database(sqlx::Error::AnyDriverError(Box::new(self.clone())))
    }
}
