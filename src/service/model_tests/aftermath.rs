//! What must be possible from every state, once nothing goes wrong any more: sweeps leave nothing behind, and a
//! patient client finishes its upload or hears why not.
//!
//! Both are deterministic, so each is looked at once for every world, whoever was at what in it.

use super::calls::{Call, Name};
use super::client::{Client, Move, Sent};
use super::explorer::{Broken, Explorer};
use super::properties;
use super::scenario::{DAY, HOUR, MINUTE, Program};
use super::steps::{How, put_question};
use super::world::{World, stamp};
use crate::model::Reply;
use crate::storage::StorageErrorKind;

/// When sweeps come by, in seconds after everything has stopped: past leases, landing time and lifetime.
const SWEEPS: [i64; 8] = [
    2 * MINUTE,
    12 * MINUTE,
    75 * MINUTE,
    3 * HOUR,
    7 * DAY + 10 * MINUTE,
    7 * DAY + 2 * HOUR,
    7 * DAY + 4 * HOUR,
    7 * DAY + 8 * HOUR,
];
/// What is in flight lands before the sweep of this number, or before the first.
const LANDS_BEFORE: [u8; 2] = [0, 2];
/// The gateway that sweeps.
const SWEEPER: u8 = 2;
/// A returning client's pause between two calls, seconds: a lease is over by then.
const PAUSE: i64 = 10;
const PATIENCE: u8 = 12;

impl Explorer {
    /// Checks what must be possible from this world on.
    pub(super) fn check_aftermath(&mut self, world: &World) -> Result<(), Broken> {
        if !self.settled.insert((u8::MAX, stamp(world))) {
            return Ok(());
        }
        for lands_before in LANDS_BEFORE {
            self.note(|| format!("afterwards: sweeps; what is in flight lands before number {lands_before}"));
            self.check_sweeps(world.clone(), lands_before)?;
            if world.in_flight.is_empty() {
                break;
            }
        }
        self.check_return(world)
    }

    fn check_sweeps(&mut self, mut world: World, lands_before: u8) -> Result<(), Broken> {
        let stopped_at = world.now;
        for (number, after) in (0..).zip(SWEEPS) {
            if number == lands_before {
                while !world.in_flight.is_empty() {
                    world.land(0);
                }
            }
            world.wait_until(stopped_at + after);
            if !self.settled.insert((number, stamp(&world))) {
                return Ok(());
            }
            self.carry_out(&mut world, (SWEEPER, Call::Sweep))?;
        }
        properties::check_clean(&self.scenario, &world)
    }

    /// Every upload's client returns, at another gateway, when what is in flight has landed or never will.
    fn check_return(&mut self, world: &World) -> Result<(), Broken> {
        let names: Vec<_> = world.tables.uploads().map(|upload| Name::of(upload.id)).collect();
        for name in names {
            let mut landed = world.clone();
            while !landed.in_flight.is_empty() {
                landed.land(0);
            }
            let mut lost = world.clone();
            lost.in_flight.clear();
            for mut world in [landed, lost] {
                world.wait_until(world.now + PAUSE);
                if self.settled.insert((100 + name.0, stamp(&world))) {
                    self.note(|| format!("afterwards: the client of {name:?} returns"));
                    self.come_back(&mut world, name)?;
                }
            }
        }
        Ok(())
    }

    fn come_back(&mut self, world: &mut World, name: Name) -> Result<(), Broken> {
        let program = Program::Uploads { home: 1, reports: false };
        let mut client = Client::returning(0, name);
        loop {
            match client.next(&program) {
                Move::Rest => break,
                Move::Call(gateway, call) => {
                    let told = self.carry_out(world, (gateway, call))?;
                    world.wait_until(world.now + PAUSE);
                    client.hear(&told.unwrap_or(super::calls::Told::Nothing), PATIENCE);
                }
                Move::Put(number, target) => {
                    let put = put_question(&self.scenario, (number, &target), name, How::Plainly);
                    let accepted = Reply::Said(std::sync::Arc::new(Ok::<(), StorageErrorKind>(())));
                    let is_accepted = put.act(&mut world.bucket) == accepted;
                    self.note(|| format!("  afterwards: {} → {is_accepted}", put.text));
                    client.sent(&program, if is_accepted { Sent::Accepted } else { Sent::Refused });
                }
            }
        }
        properties::check_verdict(&self.scenario, world, name, client.verdict())
    }
}
