//! A client: what it does next follows from what it heard.

use std::collections::BTreeMap;

use super::calls::{Call, Name, Target, Told};
use super::scenario::Program;

/// What a client knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Client {
    /// Which of the scenario's.
    pub(super) number: u8,
    phase: Phase,
    name: Option<Name>,
    targets: BTreeMap<u32, Target>,
    /// Until when its URLs work, in seconds since the start.
    urls_work_until: i64,
    to_send: Vec<u32>,
    /// How often it was not answered, or told to try again.
    tries: u8,
    /// How often it was told to send parts again.
    rounds: u8,
    /// What it heard last, once it is over.
    verdict: Option<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Init,
    Send,
    Report,
    Refresh,
    Sign,
    Complete,
    /// The next of its calls.
    Calls(usize),
    Over,
}

/// What a client does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Move {
    /// It calls a gateway.
    Call(u8, Call),
    /// It sends a part.
    Put(u32, Target),
    /// Nothing more.
    Rest,
}

/// What came of a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Accepted,
    Refused,
    Unanswered,
}

/// How often a client sends again what it is told is missing.
const ROUNDS: u8 = 4;

impl Client {
    pub(super) fn new(number: u8, program: &Program) -> Self {
        let phase = match program {
            Program::Uploads { .. } => Phase::Init,
            Program::Calls(_) => Phase::Calls(0),
        };
        Self {
            number,
            phase,
            name: None,
            targets: BTreeMap::new(),
            urls_work_until: 0,
            to_send: Vec::new(),
            tries: 0,
            rounds: 0,
            verdict: None,
        }
    }

    /// A client that comes back to an upload, asks how far it is, and goes on.
    pub(super) fn returning(number: u8, name: Name) -> Self {
        let program = Program::Uploads { home: 1, reports: false };
        Self { phase: Phase::Refresh, name: Some(name), ..Self::new(number, &program) }
    }

    /// Whether the URLs that it has still work.
    pub(super) fn has_live_urls(&self, now: i64) -> bool {
        now < self.urls_work_until
    }

    /// The upload that it is at.
    pub(super) fn name(&self) -> Option<Name> {
        self.name
    }

    /// What it heard in the end.
    pub(super) fn verdict(&self) -> Option<&Told> {
        self.verdict.as_ref()
    }

    pub(super) fn next(&self, program: &Program) -> Move {
        let (home, calls): (u8, &[(u8, Call)]) = match program {
            Program::Uploads { home, .. } => (*home, &[]),
            Program::Calls(calls) => (0, calls),
        };
        let gateway = (home + self.tries) % 2;
        let first_name = Name(self.number * 10 + 1 + self.tries);
        let call = match (self.phase, self.name) {
            (Phase::Init, _) => Call::Init(first_name),
            (Phase::Calls(index), _) => {
                let next = calls.get(index).cloned();
                return next.map_or(Move::Rest, |(gateway, call)| Move::Call(gateway, call));
            }
            (Phase::Over, _) | (_, None) => return Move::Rest,
            (Phase::Send, _) => {
                let part = self.to_send.first().and_then(|number| Some((*number, self.targets.get(number)?)));
                return part.map_or(Move::Rest, |(number, target)| Move::Put(number, target.clone()));
            }
            (Phase::Report, Some(name)) => Call::Report(name, self.targets.keys().copied().collect()),
            (Phase::Refresh, Some(name)) => Call::Refresh(name),
            (Phase::Sign, Some(name)) => Call::Sign(name, self.to_send.clone()),
            (Phase::Complete, Some(name)) => Call::Complete(name),
        };
        Move::Call(gateway, call)
    }

    /// It has sent the part that was next.
    pub(super) fn sent(&mut self, program: &Program, sent: Sent) {
        match sent {
            // An unanswered one may have arrived: complete tells.
            Sent::Accepted | Sent::Unanswered => {
                self.to_send.remove(0);
                let reports = matches!(program, Program::Uploads { reports: true, .. });
                if self.to_send.is_empty() {
                    self.phase = if reports { Phase::Report } else { Phase::Complete };
                }
            }
            // Something is at the key: complete tells whose it is.
            Sent::Refused if self.targets.values().any(|target| *target == Target::Object) => {
                self.to_send.clear();
                self.phase = Phase::Complete;
            }
            Sent::Refused => self.phase = Phase::Refresh,
        }
    }

    /// It has heard an answer.
    pub(super) fn hear(&mut self, told: &Told, patience: u8) {
        let again =
            matches!(told, Told::Nothing | Told::TryAgain(_) | Told::Pending | Told::Closed("completing"));
        if let Phase::Calls(index) = self.phase {
            self.phase = Phase::Calls(index + 1);
            return;
        }
        if again && self.phase != Phase::Report {
            self.tries += 1;
            if self.tries > patience {
                self.rest(told);
            }
            return;
        }
        match (self.phase, told) {
            (Phase::Init | Phase::Sign, Told::Open { name, targets, until }) => {
                self.urls_work_until = *until;
                self.name = Some(*name);
                self.to_send = targets.iter().map(|(number, _)| *number).collect();
                self.targets = targets.iter().cloned().collect();
                self.phase = if targets.is_empty() { Phase::Complete } else { Phase::Send };
            }
            (Phase::Report, _) | (Phase::Sign, Told::Closed(_)) => self.phase = Phase::Complete,
            (Phase::Refresh, Told::Progress { state: "open" | "creating", missing, .. }) => {
                self.send_again(missing, told);
            }
            (Phase::Refresh, Told::Progress { .. }) => self.phase = Phase::Complete,
            (Phase::Complete, Told::Missing(parts) | Told::Mismatch(parts)) => self.send_again(parts, told),
            _ => self.rest(told),
        }
    }

    fn send_again(&mut self, parts: &[u32], told: &Told) {
        self.rounds += 1;
        if self.rounds > ROUNDS {
            self.rest(told);
            return;
        }
        self.to_send = parts.to_vec();
        self.phase = if parts.is_empty() { Phase::Complete } else { Phase::Sign };
    }

    fn rest(&mut self, told: &Told) {
        // What it knows does not matter any more, so that all that have come to this are alike.
        let (number, name) = (self.number, self.name);
        let program = Program::Uploads { home: 0, reports: false };
        *self = Self { phase: Phase::Over, name, verdict: Some(told.clone()), ..Self::new(number, &program) };
    }
}
