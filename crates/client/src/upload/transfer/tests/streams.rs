//! Streams, driven by hand.

use std::time::Instant;

use super::super::{Command, Failure, Transfer};
use super::{Bench, PART, setup};

#[test]
fn a_stream_is_read_as_far_as_memory_allows_and_ends() {
    let now = Instant::now();
    let mut transfer = Transfer::new(setup(None), now);
    for number in 1..=3 {
        assert_eq!(transfer.poll(now), Command::Hash(number));
        let size = if number == 3 { 4 } else { PART };
        transfer.read(number, size, Some(format!("crc{number}")), now);
    }
    let Command::Sign { parts, .. } = transfer.poll(now) else { panic!() };
    assert_eq!(parts.iter().map(|part| part.size).collect::<Vec<_>>(), [None, None, Some(4)]);
    let mut bench = Bench { transfer, now, sending: Vec::new(), calls: Vec::new() };
    bench.sign(&parts);
    bench.transfer.stream_ended(4, 2 * PART + 4).unwrap();
    bench.settle();
    [1, 2, 3].into_iter().for_each(|number| bench.store(number));
    let Command::Finished(stored) = bench.settle() else { panic!() };
    assert_eq!(stored.iter().map(|part| part.size).collect::<Vec<_>>(), [None, None, Some(4)]);
}

#[test]
fn a_part_of_a_stream_cannot_be_sent_again_once_it_is_stored() {
    let now = Instant::now();
    let mut transfer = Transfer::new(setup(None), now);
    transfer.poll(now);
    transfer.read(1, PART, Some("crc".into()), now);
    let mut bench = Bench { transfer, now, sending: Vec::new(), calls: Vec::new() };
    let Command::Hash(2) = bench.transfer.poll(now) else { panic!() };
    bench.transfer.stream_ended(2, PART).unwrap();
    bench.settle();
    bench.store(1);
    bench.transfer.send_again(&[1], now);
    assert_eq!(bench.settle(), Command::Stop(Failure::NotRepeatable(1)));
}
