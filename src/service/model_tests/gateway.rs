//! The real service, one call at a time, up to its next question to the world.
//!
//! A future can be neither compared nor copied, but the code is deterministic: the same call that heard the same
//! answers at the same times stands at the same place. So a call under way is named by what it heard, and is brought
//! to life again, when somebody needs its next step, by telling it all that once more.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::{Rules, Service};
use super::calls::{Call, Told, carry_out};
use super::scenario::Scenario;
use crate::clock::{Clock, ManualClock};
use crate::model::{Effect, Port, Question, Reply};
use crate::sigv4::AddressingStyle;
use crate::storage::model::{Bucket, Conditions, PartChecksums};
use crate::storage::{
    Connection, ServerSide, StaticKeys, Storage, StorageSettings, StoreProfile, TimeLimits,
};
use crate::store::Store;
use crate::store::model::{ModelStore, Tables};
use crate::upload::{Limits, UploadId};

/// Thursday, 1 January 2026, 12:00 UTC: when every scenario begins.
pub(super) const START: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

/// How often a call is polled before it counts as asleep: a completion is a task of its own, and answers travel.
const POLLS: usize = 8;

thread_local! {
    static NEXT_ID: Cell<Option<u128>> = const { Cell::new(None) };
}

/// The id of the upload that is about to be made, where a model decides.
pub(in crate::service) fn next_id() -> Option<UploadId> {
    NEXT_ID.get().map(|id| UploadId(Uuid::from_u128(id)))
}

/// A question to either side of the world.
#[derive(Clone)]
pub(super) enum Asked {
    Store(Question<Tables>),
    Storage(Question<Bucket>),
}

impl Asked {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Store(question) => &question.text,
            Self::Storage(question) => &question.text,
        }
    }

    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Store(question) => question.effect,
            Self::Storage(question) => question.effect,
        }
    }
}

/// Where a call stands.
#[derive(Clone)]
pub(super) enum Standing {
    /// It asks, and waits for the answer.
    Asks(Asked),
    /// It waits for time to pass.
    Sleeps,
    /// It has answered its caller.
    Answered(Told),
}

/// A call that somebody made of a gateway, at a time in seconds since [`START`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Begun {
    pub(super) gateway: u8,
    pub(super) call: Call,
    pub(super) at: i64,
}

/// A place in a call: its number among all that were ever reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place(u32);

struct Reached {
    begun: Arc<Begun>,
    /// The place before, and what was heard there and when.
    heard: Option<(Place, Reply, i64)>,
    standing: Standing,
    next: Vec<(Reply, i64, Place)>,
}

/// All gateways of a scenario, and every place that their calls were ever at.
pub(super) struct Gateways {
    scenario: Scenario,
    storage: Storage,
    places: Vec<Reached>,
    first: HashMap<Begun, Place>,
}

impl Gateways {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let storage = block_on(Storage::connect(settings(scenario))).unwrap();
        Self { scenario: scenario.clone(), storage, places: Vec::new(), first: HashMap::new() }
    }

    /// How many places were reached.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn standing(&self, place: Place) -> &Standing {
        &self.places[place.0 as usize].standing
    }

    pub(super) fn begun(&self, place: Place) -> &Arc<Begun> {
        &self.places[place.0 as usize].begun
    }

    /// The first place of a call.
    pub(super) fn begin(&mut self, begun: Begun) -> Place {
        if let Some(place) = self.first.get(&begun) {
            return *place;
        }
        let place = self.reach(Arc::new(begun.clone()), None);
        self.first.insert(begun, place);
        place
    }

    /// The place where a call stands after it has heard this at that time.
    pub(super) fn hear(&mut self, place: Place, reply: Reply, at: i64) -> Place {
        let here = &self.places[place.0 as usize];
        let known = here.next.iter().find(|(known, known_at, _)| *known_at == at && *known == reply);
        if let Some((_, _, next)) = known {
            return *next;
        }
        let begun = Arc::clone(&here.begun);
        let next = self.reach(begun, Some((place, reply.clone(), at)));
        self.places[place.0 as usize].next.push((reply, at, next));
        next
    }

    fn reach(&mut self, begun: Arc<Begun>, heard: Option<(Place, Reply, i64)>) -> Place {
        let mut history = Vec::new();
        let mut last = heard.as_ref();
        while let Some((place, reply, at)) = last {
            history.push((reply.clone(), *at));
            last = self.places[place.0 as usize].heard.as_ref();
        }
        history.reverse();
        let standing = self.live_through(&begun, history);
        self.places.push(Reached { begun, heard, standing, next: Vec::new() });
        Place(u32::try_from(self.places.len() - 1).unwrap())
    }

    /// Makes the call anew and tells it what it heard.
    fn live_through(&self, begun: &Begun, history: Vec<(Reply, i64)>) -> Standing {
        let desk = Desk::default();
        let skew = self.scenario.skew_of(begun.gateway);
        let clock = ManualClock::starting_at(START + Duration::seconds(begun.at + skew));
        let store = Store::Model(ModelStore::new(desk.port(Asked::Store)));
        let storage = self.storage.with_model(desk.port(Asked::Storage));
        let service = Service::new(store, storage, Clock::Manual(clock.clone()), rules());
        NEXT_ID.set(Some(begun.call.new_id()));
        let standing = block_on(async {
            let mut work = pin!(carry_out(&service, &begun.call, &self.scenario.file));
            let mut now = begun.at;
            for (reply, at) in history {
                let (_, answer) = desk.wait_for_question(work.as_mut()).await.unwrap();
                clock.advance(Duration::seconds(at - now));
                now = at;
                assert!(answer.send(reply).is_ok(), "{begun:?} asks and does not wait");
            }
            match desk.wait_for_question(work.as_mut()).await {
                Ok((asked, _)) => Standing::Asks(asked),
                Err(Some(told)) => Standing::Answered(told),
                Err(None) => Standing::Sleeps,
            }
        });
        NEXT_ID.set(None);
        standing
    }
}

/// Runs on a runtime of its own; what is still under way afterwards is dropped with it. Its timers never fire: no
/// test waits that long.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Where the questions of one call are laid down.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<VecDeque<LaidDown>>>);

/// A question, and where its answer goes.
type LaidDown = (Asked, oneshot::Sender<Reply>);

impl Desk {
    fn port<W: Send + 'static>(&self, wrap: fn(Question<W>) -> Asked) -> Port<W> {
        let desk = self.clone();
        Port::new(move |question| {
            let (sender, receiver) = oneshot::channel();
            desk.0.lock().unwrap().push_back((wrap(question), sender));
            Box::pin(async move {
                match receiver.await {
                    Ok(reply) => reply,
                    Err(_) => std::future::pending().await,
                }
            })
        })
    }

    /// The question that the work comes to; else its result, or nothing when it sleeps.
    async fn wait_for_question<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<LaidDown, Option<T>> {
        for _ in 0..POLLS {
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Err(Some(done));
            }
            // A sweep asks about several uploads at once: it is answered in the order in which it asks.
            if let Some(question) = self.0.lock().unwrap().pop_front() {
                return Ok(question);
            }
            tokio::task::yield_now().await;
        }
        Err(None)
    }
}

/// Parts of one byte, so that contents are short texts.
fn rules() -> Rules {
    Rules { part_size_bytes: 1, stream_part_size_bytes: 1, ..Rules::default() }
}

pub(super) fn settings(scenario: &Scenario) -> StorageSettings {
    let keys = StaticKeys {
        access_key_id: "id".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
    };
    StorageSettings {
        connection: Connection {
            endpoint: Some("http://model".to_owned()),
            public_endpoint: None,
            region: "us-east-1".to_owned(),
            bucket: "b".to_owned(),
            style: AddressingStyle::Path,
            keys: Some(keys),
            signer: None,
        },
        server_side: ServerSide::default(),
        profile: StoreProfile {
            limits: Limits { min_part_bytes: 1, ..Limits::AWS },
            conditional_writes: scenario.habits.conditions == Conditions::Honoured,
            lists_checksums: scenario.habits.part_checksums == PartChecksums::Shown,
            ..StoreProfile::default()
        },
        time_limits: TimeLimits::default(),
    }
}
