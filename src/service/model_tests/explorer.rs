//! Every order in which things may happen, each state once.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use super::calls::{Call, Told};
use super::client::{Move, Sent};
use super::gateway::{Asked, Begun, Gateways, Place, Standing};
use super::properties;
use super::scenario::{Program, Scenario};
use super::steps::{How, Step, put_question};
use super::world::{Running, State, World, stamp};
use crate::model::Reply;
use crate::storage::model::Write;
use crate::upload::ChecksumAlgorithm;

/// A property that does not hold.
pub(super) type Broken = String;

/// How large an exploration was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// Places in calls that were reached.
    pub(super) places: usize,
}

/// Explores one scenario.
pub(super) struct Explorer {
    pub(super) scenario: Scenario,
    pub(super) gateways: Gateways,
    /// Worlds from which clean-up, or a patient client, was seen to succeed: stage and stamp.
    pub(super) settled: HashSet<(u8, u64)>,
    /// What happens, in words, while a counterexample is told.
    log: Option<Vec<String>>,
}

impl Explorer {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let gateways = Gateways::new(scenario);
        Self { scenario: scenario.clone(), gateways, settled: HashSet::new(), log: None }
    }

    /// Explores everything, the shortest ways first.
    ///
    /// # Errors
    /// The shortest counterexample, in words.
    pub(super) fn explore(&mut self) -> Result<Size, String> {
        let mut first = State::new(&self.scenario);
        self.go_on_alone(&mut first).unwrap();
        let mut seen = HashSet::from([stamp(&first)]);
        let mut ways: Vec<(usize, Step)> = vec![(0, Step::Stranger)];
        let mut waiting = VecDeque::from([(first, 0)]);
        let mut transitions = 0;
        while let Some((state, way)) = waiting.pop_front() {
            for step in self.steps(&state) {
                transitions += 1;
                let next = self.take(&state, step).and_then(|next| {
                    if seen.insert(stamp(&next)) {
                        self.check_aftermath(&next.world)?;
                        return Ok(Some(next));
                    }
                    Ok(None)
                });
                match next {
                    Ok(Some(next)) => {
                        ways.push((way, step));
                        waiting.push_back((next, ways.len() - 1));
                    }
                    Ok(None) => {}
                    Err(broken) => {
                        ways.push((way, step));
                        return Err(self.tell(&ways, broken));
                    }
                }
            }
        }
        Ok(Size { states: seen.len(), transitions, places: self.gateways.len() })
    }

    /// Explores, prints how large it was, and fails with the counterexample if there is one.
    pub(super) fn holds(scenario: &Scenario) -> Size {
        let begun = Instant::now();
        match Self::new(scenario).explore() {
            Ok(size) => {
                let seconds = begun.elapsed().as_secs_f64();
                let Size { states, transitions, places } = size;
                let (name, habits) = (scenario.name, scenario.habits.name);
                println!("| {name} | {habits} | {states} | {transitions} | {places} | {seconds:.1} |");
                size
            }
            Err(counterexample) => panic!("{}, {}: {counterexample}", scenario.name, scenario.habits.name),
        }
    }

    /// The way to the last step, in words.
    fn tell(&mut self, ways: &[(usize, Step)], broken: Broken) -> String {
        let mut steps = Vec::new();
        let mut way = ways.len() - 1;
        while way > 0 {
            steps.push(ways[way].1);
            way = ways[way].0;
        }
        self.log = Some(Vec::new());
        let mut state = State::new(&self.scenario);
        self.go_on_alone(&mut state).unwrap();
        for step in steps.into_iter().rev() {
            match self.take(&state, step) {
                Ok(next) => state = next,
                Err(_) => break,
            }
        }
        self.settled.clear();
        let _ = self.check_aftermath(&state.world);
        let told = self.log.take().unwrap_or_default();
        format!("{broken}\n{}", told.join("\n"))
    }

    pub(super) fn note(&mut self, words: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(words());
        }
    }

    fn take(&mut self, state: &State, step: Step) -> Result<State, Broken> {
        let mut next = state.clone();
        match step {
            Step::Go { running, how } => self.go(&mut next, running, how),
            Step::Put { client, how } => self.put(&mut next, client, how),
            Step::Land(index) => {
                self.note(|| format!("lands late: {}", state.world.in_flight[index].0.text));
                next.world.land(index);
            }
            Step::HangUp(client) => {
                self.note(|| format!("client {client} hangs up"));
                next.budget.hang_ups -= 1;
                self.hang_up(&mut next, client);
            }
            Step::Crash(gateway) => {
                self.note(|| format!("gateway {gateway} dies"));
                next.budget.crashes -= 1;
                self.crash(&mut next, gateway);
            }
            Step::Reap(index) => {
                let id = state.world.bucket.multiparts.keys().nth(index).unwrap().clone();
                self.note(|| format!("storage cleans {id} up"));
                next.budget.reaps -= 1;
                next.world.bucket.reap(&id);
                for heard in next.heard.values_mut() {
                    heard.received.clear();
                }
            }
            Step::Stranger => {
                self.note(|| "a stranger's object comes to be at the key".to_owned());
                next.budget.strangers -= 1;
                let key = properties::key_of(&self.scenario);
                let bytes = ("stranger", ChecksumAlgorithm::None);
                if !next.world.bucket.objects.contains_key(&key) {
                    let _ = next.world.bucket.put_object(&key, None, bytes, Write::Create);
                }
            }
            Step::Tick(to) => {
                self.note(|| format!("it is {to} s later"));
                next.world.wait_until(to);
                // By then they have landed, or never will.
                next.world.in_flight.clear();
            }
        }
        self.go_on_alone(&mut next)?;
        properties::check_change(&state.world, &next.world)?;
        properties::check_world(&self.scenario, &next.world)?;
        Ok(next)
    }

    fn go(&mut self, state: &mut State, running: usize, how: How) {
        let place = state.running[running].place;
        let Standing::Asks(asked) = self.gateways.standing(place).clone() else { return };
        if how != How::Plainly {
            state.budget.faults -= 1;
        }
        let reply = self.ask(&mut state.world, &asked, how);
        let begun = self.gateways.begun(place).clone();
        self.note(|| {
            let Begun { gateway, call, .. } = &*begun;
            let fares = if how == How::Plainly { String::new() } else { format!(" [{how:?}]") };
            format!("gateway {gateway}, {call:?}: {}{fares} → {reply:?}", asked.text())
        });
        let next = self.gateways.hear(place, reply, state.world.now);
        state.running[running].place = next;
        if matches!(self.gateways.standing(next), Standing::Sleeps) {
            state.running[running].slept_on = state.world.looks();
        }
    }

    pub(super) fn ask(&mut self, world: &mut World, asked: &Asked, how: How) -> Reply {
        let act = |world: &mut World| match asked {
            Asked::Store(question) => {
                let reply = question.act(&mut world.tables);
                world.remember_written();
                reply
            }
            Asked::Storage(question) => question.act(&mut world.bucket),
        };
        match how {
            How::Plainly => act(world),
            How::AnswerLost => {
                let _ = act(world);
                Reply::Silence
            }
            How::Twice => {
                let _ = act(world);
                act(world)
            }
            How::NeverArrives => Reply::Silence,
            How::Refused => Reply::Refusal,
            How::Late => {
                if let Asked::Storage(question) = asked {
                    world.send_off(question.clone());
                }
                Reply::Silence
            }
        }
    }

    fn put(&mut self, state: &mut State, client: usize, how: How) {
        let program = &self.scenario.programs[client];
        let Move::Put(number, target) = state.clients[client].next(program) else { return };
        let Some(name) = state.clients[client].name() else { return };
        if how != How::Plainly {
            state.budget.faults -= 1;
        }
        let question = put_question(&self.scenario, (number, &target), name, how);
        let is_expired = !state.clients[client].has_live_urls(state.world.now);
        let sent = match how {
            _ if is_expired => Sent::Refused,
            How::Late => {
                state.world.send_off(question.clone());
                Sent::Unanswered
            }
            _ => {
                let reply = question.act(&mut state.world.bucket);
                let refused =
                    reply != Reply::Said(std::sync::Arc::new(Ok::<(), crate::storage::StorageErrorKind>(())));
                match (how, refused) {
                    (How::Plainly, false) => Sent::Accepted,
                    (How::Plainly, true) => Sent::Refused,
                    _ => Sent::Unanswered,
                }
            }
        };
        self.note(|| format!("client {client}: {} → {sent:?}", question.text));
        state.tell_sent(&self.scenario, client, sent);
    }

    fn hang_up(&mut self, state: &mut State, client: usize) {
        for running in &mut state.running {
            if running.client.map(usize::from) == Some(client) {
                running.client = None;
            }
        }
        state.clients[client].hear(&Told::Nothing, self.scenario.patience);
    }

    fn crash(&mut self, state: &mut State, gateway: u8) {
        let gateways = &self.gateways;
        let (dead, alive): (Vec<_>, Vec<_>) = std::mem::take(&mut state.running)
            .into_iter()
            .partition(|running| gateways.begun(running.place).gateway == gateway);
        state.running = alive;
        for client in dead.into_iter().filter_map(|running| running.client) {
            state.tell(&self.scenario, client, &Told::Nothing);
        }
    }

    /// What needs nothing of the world: calls answer, sleepers wake up, clients make their next call.
    fn go_on_alone(&mut self, state: &mut State) -> Result<(), Broken> {
        loop {
            let answered = state
                .running
                .iter()
                .position(|running| matches!(self.gateways.standing(running.place), Standing::Answered(_)));
            if let Some(index) = answered {
                let running = state.running.remove(index);
                self.answer(state, running)?;
                continue;
            }
            self.wake_sleepers(state);
            if !self.begin_next_call(state) {
                // Who came first does not matter.
                state
                    .running
                    .sort_by_key(|running| (running.client.is_none(), running.client, running.place));
                return Ok(());
            }
        }
    }

    fn answer(&mut self, state: &mut State, running: Running) -> Result<(), Broken> {
        let Standing::Answered(told) = self.gateways.standing(running.place).clone() else { return Ok(()) };
        let call = self.gateways.begun(running.place).call.clone();
        self.note(|| format!("client {:?} hears of {call:?}: {told:?}", running.client));
        if let Some(client) = running.client {
            properties::check_told(&self.scenario, state, &call, &told, &running.received_before)?;
            state.tell(&self.scenario, client, &told);
        }
        Ok(())
    }

    /// A sleeper looks whether the upload has moved on, and then decides anew: as if it had just called.
    fn wake_sleepers(&mut self, state: &mut State) {
        let looks = state.world.looks();
        for index in 0..state.running.len() {
            let Running { place, slept_on, .. } = state.running[index];
            if matches!(self.gateways.standing(place), Standing::Sleeps) && slept_on != looks {
                let begun = Begun { at: state.world.now, ..(**self.gateways.begun(place)).clone() };
                state.running[index].place = self.gateways.begin(begun);
                state.running[index].slept_on = 0;
            }
        }
    }

    fn begin_next_call(&mut self, state: &mut State) -> bool {
        for (client, program) in self.scenario.programs.iter().enumerate() {
            if self.is_waiting(state, client) {
                continue;
            }
            let Move::Call(gateway, call) = state.clients[client].next(program) else { continue };
            let is_guest = matches!(program, Program::Calls(_)) && !matches!(call, Call::Init(_));
            if is_guest && state.world.tables.uploads().next().is_none() {
                continue;
            }
            let received_before =
                state.heard.values().flat_map(|heard| heard.received.iter().copied()).collect();
            let place = self.gateways.begin(Begun { gateway, call, at: state.world.now });
            let client = Some(u8::try_from(client).unwrap());
            state.running.push(Running { client, place, slept_on: 0, received_before });
            return true;
        }
        false
    }

    /// Carries a call out alone, in a world in which nothing goes wrong; nothing when it sleeps.
    pub(super) fn carry_out(
        &mut self,
        world: &mut World,
        (gateway, call): (u8, Call),
    ) -> Result<Option<Told>, Broken> {
        let mut place = self.gateways.begin(Begun { gateway, call: call.clone(), at: world.now });
        loop {
            match self.gateways.standing(place).clone() {
                Standing::Answered(told) => {
                    self.note(|| format!("  afterwards at {} s, {call:?}: {told:?}", world.now));
                    return Ok(Some(told));
                }
                Standing::Sleeps => return Ok(None),
                Standing::Asks(asked) => {
                    let before = world.clone();
                    let reply = self.ask(world, &asked, How::Plainly);
                    self.note(|| {
                        format!("  afterwards at {} s, {call:?}: {} → {reply:?}", world.now, asked.text())
                    });
                    properties::check_change(&before, world)?;
                    properties::check_world(&self.scenario, world)?;
                    place = self.next_place(place, reply, world.now);
                }
            }
        }
    }

    fn next_place(&mut self, place: Place, reply: Reply, now: i64) -> Place {
        self.gateways.hear(place, reply, now)
    }
}
