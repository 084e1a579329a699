//! The model: the real code of the service, in every order in which the world can treat it.
//!
//! It is not a second description of the service. `Service` runs as it is; what is modelled is the world around it: the
//! database (`store::model`), a bucket with a store's habits (`storage::model`), clients, clocks, crashes. Both stand
//! behind the product's own types, so nothing of the service knows.
//!
//! How it works:
//! - Every call to the database or to storage is a question, and its future waits. The explorer ([`explorer`]) holds
//!   all questions that are open, of any number of gateways, and carries one out: plainly, or (while the scenario's
//!   budget lasts) with its answer lost, never arriving, arriving late, twice, or refused ([`steps`]). It may also let
//!   a gateway die, a client hang up, time pass, storage clean up, or a stranger take the key.
//! - It does all of that, in every order, breadth first, each state once. So every order of two calls is tried, and a
//!   crash between any two of their steps.
//! - A future can be neither compared nor copied. But the code is deterministic, so a call under way is what it was told
//!   so far; it is brought to life again by telling it that once more, and each place in a call is reached only once
//!   ([`gateway`]). A state is therefore a plain value: the world, the clients, the calls' places ([`world`]).
//! - Clients decide by what they heard ([`client`]). A call that has answered leaves nothing but its answer, which is
//!   what keeps the number of states small.
//! - Guarantees of the design's section 5 are checked in every state, at every step and for every answer
//!   ([`properties`]). From every state two questions more are asked ([`aftermath`]): if everything died here, would
//!   sweeps alone leave nothing behind? And would a patient client, at the other gateway, still get its upload done or
//!   a true reason why not?
//! - A property that fails is told with the shortest way to it, call by call.
//!
//! What keeps the model honest: the model store passes the contract of every store (`store::contract`); the bucket
//! answers random calls as the embedded store does ([`conformance`]); and in worlds that break a promise (a database
//! without versions, a store that lies) it finds the damage ([`lies`]).
//!
//! What it does not explore: a call that waits for another gateway's completion begins anew when the upload has moved
//! on, which is what it does after its sleep anyhow; leases are not renewed while a question is open (time stands
//! still unless a scenario moves it); callers of one process do not share a completion; a client sends its parts one
//! after the other; buckets keep no versions. What abort of an unknown upload answers is levelled below this seam.
//!
//! `cargo test -p partgate --lib model_tests -- --nocapture` prints a row a scenario: states, transitions, places in
//! calls, seconds. `PARTGATE_MODEL=deep` explores more faults on every store, for many minutes. What came of it is in
//! ARCHITECTURE.md.

mod aftermath;
mod calls;
mod client;
mod conformance;
mod explorer;
mod gateway;
mod lies;
mod properties;
mod scenario;
mod scenarios;
mod steps;
mod world;

pub(in crate::service) use gateway::next_id;
