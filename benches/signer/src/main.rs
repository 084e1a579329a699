//! CPU of a presigned part URL: partgate's signer beside those that a gateway would use instead.
//!
//! Usage: `partgate-bench-signer [ROUNDS]` (default 40). All sign in turns, a round each, on one thread; printed is, as
//! JSON, the median CPU time of a URL in nanoseconds. Before that, all must agree on the signatures.

mod floor;
mod partgate_signer;
mod peers;
mod upload;

use std::hint::black_box;

use cpu_time::ThreadTime;
use serde_json::{Value, json};

use crate::floor::Floor;
use crate::partgate_signer::PartgateSigner;
use crate::peers::{AwsSdk, AwsSigV4, RustyS3};
use crate::upload::Shape;

/// As many URLs as a sign call may ask for.
const BATCH: u32 = 1_000;

/// So many URLs one by one a round: what a single one costs.
const SINGLES: u32 = 100;

/// Somebody who presigns parts of the one upload in `upload.rs`.
trait Signer {
    fn name(&self) -> &'static str;

    /// Signs the parts 1 to `count` for one call, as their documentation would have it; how long the URLs are together.
    fn sign_batch(&self, count: u32) -> usize;

    /// The URL of one part, with nothing kept from the one before but what a program keeps as long as it runs.
    fn sign_one(&self, part_number: u32) -> String;

    /// [`Self::sign_one`] by partgate for the same request.
    fn same_by_partgate(&self, partgate: &PartgateSigner, part_number: u32) -> String {
        partgate.sign_one(part_number)
    }
}

fn main() {
    let rounds =
        std::env::args().nth(1).map_or(40, |text| text.parse().expect("the argument is a number of rounds"));
    let shapes: serde_json::Map<String, Value> =
        Shape::ALL.into_iter().map(|shape| (shape.name().to_owned(), measure(shape, rounds))).collect();
    println!("{:#}", json!({ "rounds": rounds, "batch": BATCH, "shapes": shapes }));
}

fn measure(shape: Shape, rounds: usize) -> Value {
    let partgate = PartgateSigner::new(shape);
    let peers: [Box<dyn Signer>; 3] =
        [Box::new(AwsSdk::new(shape)), Box::new(AwsSigV4::new(shape)), Box::new(RustyS3::new(shape))];
    for peer in &peers {
        check_agreement(peer.as_ref(), &partgate);
    }
    let floor = Floor::of(&partgate.sign_one(BATCH / 2), shape);

    let signers = || peers.iter().map(Box::as_ref).chain([&partgate as &dyn Signer]);
    let mut batches = vec![Vec::new(); signers().count()];
    let (mut singles, mut floors, mut kept) = (batches.clone(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (index, signer) in signers().enumerate() {
            batches[index].push(cpu_ns_each(BATCH, || signer.sign_batch(BATCH)));
            singles[index].push(cpu_ns_each(SINGLES, || {
                (1..=SINGLES).map(|number| signer.sign_one(number).len()).sum()
            }));
        }
        kept.push(cpu_ns_each(SINGLES, || {
            (1..=SINGLES).map(|number| partgate.sign_one_with_kept_key(number).len()).sum()
        }));
        floors.push(cpu_ns_each(BATCH, || floor.compress(BATCH)));
    }
    let table: serde_json::Map<String, Value> = signers()
        .zip(batches.into_iter().zip(singles))
        .map(|(signer, (batch, single))| {
            (signer.name().to_owned(), json!({ "batch_ns": median(batch), "single_ns": median(single) }))
        })
        .collect();
    json!({
        "signers": table,
        "partgate_single_kept_key_ns": median(kept),
        "floor": { "compressions": floor.compressions(), "ns": median(floors) },
    })
}

/// Faster is worth nothing if it is something else.
fn check_agreement(peer: &dyn Signer, partgate: &PartgateSigner) {
    for part_number in [1, 10, 999, 10_000] {
        let (theirs, ours) = (peer.sign_one(part_number), peer.same_by_partgate(partgate, part_number));
        assert_eq!(
            signature(&theirs),
            signature(&ours),
            "{} and partgate differ on\n{theirs}\n{ours}",
            peer.name()
        );
    }
}

fn signature(url: &str) -> &str {
    let (_, rest) = url.split_once("X-Amz-Signature=").expect("a presigned url has a signature");
    &rest[..64]
}

/// CPU time of this thread, so that who else is busy on the machine counts little.
fn cpu_ns_each(count: u32, work: impl FnOnce() -> usize) -> f64 {
    let started = ThreadTime::now();
    black_box(work());
    started.elapsed().as_nanos() as f64 / f64::from(count)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2].round()
}
