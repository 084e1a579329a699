//! Which bodies have blocks that wait to be hashed.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::lanes::LANES;

/// MD5's state before the first block.
/// <https://www.rfc-editor.org/rfc/rfc1321#section-3.3>
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// A body that is so many bytes behind does not wait for company any longer.
const URGENT_BYTES: usize = 1 << 20;

/// Names a body in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BodyId(u64);

/// A body's next blocks, with the state that they change.
#[derive(Debug)]
pub(super) struct Job {
    id: BodyId,
    pub(super) state: [u32; 4],
    /// Invariant: whole blocks. Those that are hashed are cut off in front.
    pub(super) blocks: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    bodies: HashMap<BodyId, Body>,
    /// The bodies that have blocks and that no thread works on; whoever has waited longest comes first.
    ready: VecDeque<BodyId>,
    next: u64,
    closed: bool,
}

#[derive(Debug)]
struct Body {
    state: [u32; 4],
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    is_taken: bool,
    /// Somebody waits for its MD5.
    is_ended: bool,
}

impl Body {
    fn is_urgent(&self) -> bool {
        self.is_ended || self.waiting_bytes >= URGENT_BYTES
    }
}

impl Queue {
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn add(&mut self) -> BodyId {
        let id = BodyId(self.next);
        self.next += 1;
        let body = Body {
            state: START,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            is_taken: false,
            is_ended: false,
        };
        self.bodies.insert(id, body);
        id
    }

    /// Forgets a body. What a thread is hashing of it comes to nothing.
    pub(super) fn remove(&mut self, id: BodyId) {
        self.bodies.remove(&id);
        self.ready.retain(|ready| *ready != id);
    }

    /// Appends whole blocks.
    pub(super) fn push(&mut self, id: BodyId, blocks: Bytes) {
        let Some(body) = self.bodies.get_mut(&id).filter(|_| !blocks.is_empty()) else { return };
        if body.waiting.is_empty() && !body.is_taken {
            self.ready.push_back(id);
        }
        body.waiting_bytes += blocks.len();
        body.waiting.push_back(blocks);
    }

    /// Appends the last blocks.
    pub(super) fn end(&mut self, id: BodyId, blocks: Bytes) {
        if let Some(body) = self.bodies.get_mut(&id) {
            body.is_ended = true;
        }
        self.push(id, blocks);
    }

    /// How far hashing is behind, in bytes.
    pub(super) fn waiting_bytes(&self, id: BodyId) -> usize {
        self.bodies.get(&id).map_or(0, |body| body.waiting_bytes)
    }

    /// The state after all the blocks that were pushed; `None` while some of them are not hashed.
    pub(super) fn state(&self, id: BodyId) -> Option<[u32; 4]> {
        self.bodies.get(&id).filter(|body| body.waiting_bytes == 0).map(|body| body.state)
    }

    /// Whether it is time to hash. Four bodies take hardly longer than one, so one waits for the others for a while.
    pub(super) fn is_due(&self) -> bool {
        let company = self.bodies.len().min(LANES);
        let is_urgent = |id: &BodyId| self.bodies.get(id).is_some_and(Body::is_urgent);
        !self.ready.is_empty() && (self.ready.len() >= company || self.ready.iter().any(is_urgent))
    }

    /// Work for one thread, if it is time: blocks of as many bodies as there are lanes, or of all that have any.
    pub(super) fn take(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        if !self.is_due() {
            return jobs;
        }
        while jobs.len() < LANES {
            let Some(id) = self.ready.pop_front() else { break };
            let Some(body) = self.bodies.get_mut(&id) else { continue };
            let Some(blocks) = body.waiting.pop_front() else { continue };
            body.is_taken = true;
            jobs.push(Job { id, state: body.state, blocks });
        }
        jobs
    }

    /// Takes the new state, and what is not hashed yet.
    pub(super) fn give_back(&mut self, job: Job) {
        let Job { id, state, blocks } = job;
        let Some(body) = self.bodies.get_mut(&id) else { return };
        body.state = state;
        body.is_taken = false;
        if !blocks.is_empty() {
            body.waiting.push_front(blocks);
        }
        body.waiting_bytes = body.waiting.iter().map(Bytes::len).sum();
        if !body.waiting.is_empty() {
            self.ready.push_back(id);
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.bodies.is_empty() && self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(len_bytes: usize) -> Bytes {
        vec![7; len_bytes].into()
    }

    #[test]
    fn a_body_waits_for_the_others_until_it_is_urgent() {
        let mut queue = Queue::default();
        let (one, other) = (queue.add(), queue.add());
        queue.push(one, blocks(64));
        assert!(queue.take().is_empty());
        queue.push(other, blocks(64));
        assert_eq!(queue.take().len(), 2);
        let third = queue.add();
        queue.push(third, blocks(URGENT_BYTES));
        assert_eq!(queue.take().len(), 1);
    }

    #[test]
    fn an_ended_body_waits_for_nobody() {
        let mut queue = Queue::default();
        let (_, ending) = (queue.add(), queue.add());
        queue.end(ending, blocks(64));
        assert_eq!(queue.take().len(), 1);
    }

    #[test]
    fn the_state_is_known_when_nothing_is_waiting_or_taken() {
        let mut queue = Queue::default();
        let id = queue.add();
        assert_eq!(queue.state(id), Some(START));
        queue.push(id, blocks(128));
        let mut job = queue.take().remove(0);
        assert_eq!(queue.state(id), None);
        job.blocks = job.blocks.slice(64..);
        queue.give_back(job);
        assert_eq!(queue.waiting_bytes(id), 64);
        let mut job = queue.take().remove(0);
        job.blocks.clear();
        queue.give_back(job);
        assert!(queue.state(id).is_some());
    }
}
