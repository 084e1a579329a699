//! What may happen next.

use std::collections::BTreeSet;

use super::calls::{Name, Target};
use super::client::Move;
use super::explorer::Explorer;
use super::gateway::{Asked, Standing};
use super::properties;
use super::scenario::Scenario;
use super::world::{Running, State};
use crate::model::{Effect, Question};
use crate::storage::model::{Bucket, Write};

/// How a request fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Plainly,
    /// Carried out, and the answer is lost.
    AnswerLost,
    /// Not carried out, nor answered.
    NeverArrives,
    /// Not answered; carried out at any later time, or never.
    Late,
    /// Repeated by the SDK, which tells of the last answer only.
    Twice,
    /// Not carried out, for a reason of its own.
    Refused,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Go { running: usize, how: How },
    Put { client: usize, how: How },
    Land(usize),
    HangUp(usize),
    Crash(u8),
    Reap(usize),
    Stranger,
    Tick(i64),
}

impl Explorer {
    pub(super) fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, running) in state.running.iter().enumerate() {
            if let Standing::Asks(asked) = self.gateways.standing(running.place) {
                steps.extend(
                    ways_of(asked, state.budget.faults)
                        .iter()
                        .map(|how| Step::Go { running: index, how: *how }),
                );
            }
        }
        for (client, program) in self.scenario.programs.iter().enumerate() {
            if self.is_waiting(state, client) {
                continue;
            }
            if let Move::Put(..) = state.clients[client].next(program) {
                let faults: &[How] =
                    if state.budget.faults > 0 { &[How::AnswerLost, How::Late] } else { &[] };
                let ways = [How::Plainly].iter().chain(faults);
                steps.extend(ways.map(|how| Step::Put { client, how: *how }));
            }
        }
        steps.extend((0..state.world.in_flight.len()).map(Step::Land));
        let budget = &state.budget;
        if budget.hang_ups > 0 {
            let waiting = (0..state.clients.len()).filter(|client| self.is_waiting(state, *client));
            steps.extend(waiting.map(Step::HangUp));
        }
        if budget.crashes > 0 {
            let at = |running: &Running| self.gateways.begun(running.place).gateway;
            let busy: BTreeSet<u8> = state.running.iter().map(at).collect();
            steps.extend(busy.into_iter().map(Step::Crash));
        }
        if budget.reaps > 0 {
            steps.extend((0..state.world.bucket.multiparts.len()).map(Step::Reap));
        }
        if budget.strangers > 0 {
            steps.push(Step::Stranger);
        }
        steps.extend(
            self.scenario.ticks.iter().find(|tick| **tick > state.world.now).map(|tick| Step::Tick(*tick)),
        );
        steps
    }

    pub(super) fn is_waiting(&self, state: &State, client: usize) -> bool {
        state.running.iter().any(|running| running.client.map(usize::from) == Some(client))
    }
}

fn ways_of(asked: &Asked, faults: u8) -> &'static [How] {
    let is_create = asked.text().starts_with("CreateMultipartUpload");
    let is_list = asked.text().starts_with("ListMultipartUploads");
    match (asked, asked.effect()) {
        _ if faults == 0 => &[How::Plainly],
        (Asked::Store(_), Effect::Reads) => &[How::Plainly, How::NeverArrives],
        (Asked::Store(_), Effect::Writes) => &[How::Plainly, How::NeverArrives, How::AnswerLost],
        (Asked::Storage(_), Effect::Reads) if is_list => &[How::Plainly, How::NeverArrives, How::Refused],
        (Asked::Storage(_), Effect::Reads) => &[How::Plainly, How::NeverArrives],
        (Asked::Storage(_), Effect::Writes) if is_create => {
            &[How::Plainly, How::AnswerLost, How::Late, How::Refused]
        }
        (Asked::Storage(_), Effect::Writes) => {
            &[How::Plainly, How::AnswerLost, How::Late, How::Refused, How::Twice]
        }
    }
}

/// A client's PUT.
pub(super) fn put_question(
    scenario: &Scenario,
    (number, target): (u32, &Target),
    name: Name,
    how: How,
) -> Question<Bucket> {
    let (content, kind) = (scenario.file.sent(number), scenario.file.checksum);
    let owner = name.id().to_string();
    let key = properties::key_for(scenario, name);
    let (text, target) = (format!("PUT of part {number} {target:?}"), target.clone());
    Question::new(Effect::Writes, text, move |bucket: &mut Bucket| match &target {
        Target::Multipart(id) if how == How::Late => {
            bucket.land_part(&key, id, (number, content));
            Ok(())
        }
        Target::Multipart(id) => bucket.put_part(&key, id, (number, content)).map(|_| ()),
        Target::Object => bucket.put_object(&key, Some(&owner), (content, kind), Write::Create).map(|_| ()),
    })
}
