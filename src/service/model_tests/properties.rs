//! The guarantees of the design's section 5, as sentences about states and answers.

use std::collections::BTreeSet;

use super::calls::{Call, Name, Told};
use super::explorer::Broken;
use super::scenario::{File, Scenario};
use super::world::{State as Situation, World};
use crate::storage::model::{Conditions, Listing, Object};
use crate::upload::{State, Upload, default_object_key};

/// The key of the first upload.
pub(super) fn key_of(scenario: &Scenario) -> String {
    key_for(scenario, Name(1))
}

/// The key of an upload.
pub(super) fn key_for(scenario: &Scenario, name: Name) -> String {
    scenario.file.key.map_or_else(|| default_object_key("", name.id(), "f"), str::to_owned)
}

fn is_the_file(file: &File, upload: &Upload, object: Option<&Object>) -> bool {
    // Without a hash, storage's word for the size is all that can be proven of bytes that the client got wrong.
    let is_content = |content: &str| {
        content == file.content
            || !file.is_hashed && file.wrong_part.is_some() && content.len() == file.content.len()
    };
    object.is_some_and(|object| {
        object.owner.as_deref() == Some(upload.id.to_string().as_str()) && is_content(&object.content)
    })
}

/// What holds in every state.
pub(super) fn check_world(scenario: &Scenario, world: &World) -> Result<(), Broken> {
    for upload in world.tables.uploads().filter(|upload| upload.state == State::Completed) {
        let object = world.bucket.objects.get(upload.spec.key.as_str());
        // Two uploads of one key, and a store without conditions: the last one wins, which no check of ours prevents.
        let may_be_replaced =
            scenario.file.key.is_some() && scenario.habits.conditions == Conditions::Ignored;
        if !is_the_file(&scenario.file, upload, object) && !may_be_replaced {
            return Err(format!("guarantee 1: {} is completed and its object is {object:?}", upload.id));
        }
    }
    Ok(())
}

/// What no step may do.
pub(super) fn check_change(before: &World, after: &World) -> Result<(), Broken> {
    for old in before.tables.uploads().filter(|upload| upload.state.is_final()) {
        let Some(new) = after.tables.upload(old.id) else { continue };
        if (new.state, &new.outcome) != (old.state, &old.outcome) {
            return Err(format!("{} went from {} to {}", old.id, old.state.name(), new.state.name()));
        }
    }
    for upload in after.tables.uploads().filter(|upload| is_under_way(upload)) {
        let Some(id) = upload.s3_upload_id.as_ref().map(|id| &*id.0) else { continue };
        if before.bucket.multiparts.contains_key(id) && after.bucket.is_aborted(id) {
            return Err(format!(
                "guarantee 2: {id} was aborted, and with it the parts that clients sent to it"
            ));
        }
    }
    for (key, object) in before.bucket.objects.iter().filter(|(_, object)| object.owner.is_none()) {
        let may_be_replaced = before.bucket.habits.conditions == Conditions::Ignored;
        let now = after.bucket.objects.get(key);
        if now != Some(object) && !(may_be_replaced && now.is_some()) {
            return Err(format!("a stranger's object at {key} became {now:?}"));
        }
    }
    Ok(())
}

fn is_under_way(upload: &Upload) -> bool {
    matches!(upload.state, State::Open | State::Completing)
}

/// What an answer has to be; remembers it.
pub(super) fn check_told(
    scenario: &Scenario,
    state: &mut Situation,
    call: &Call,
    told: &Told,
    received_before: &BTreeSet<u32>,
) -> Result<(), Broken> {
    let (Call::Report(name, _) | Call::Refresh(name) | Call::Complete(name)) = call else {
        return Ok(());
    };
    let Some(upload) = state.world.tables.upload(name.id()) else { return Ok(()) };
    let heard = state.heard.entry(*name).or_default();
    match told {
        Told::Completed { etag, size_bytes } => {
            if upload.state != State::Completed {
                return Err(format!(
                    "told of an upload that is {} that it is completed",
                    upload.state.name()
                ));
            }
            let answer = (etag.clone(), *size_bytes);
            if heard.failed || heard.completed.as_ref().is_some_and(|before| *before != answer) {
                return Err(format!("guarantee 6: complete answers {answer:?} after {heard:?}"));
            }
            heard.completed = Some(answer);
        }
        Told::WrongBytes if upload.state == State::Failed => {
            if heard.completed.is_some() {
                return Err(format!("guarantee 6: complete says failed after {heard:?}"));
            }
            heard.failed = true;
        }
        Told::Gone(_) | Told::Missing(_) | Told::Mismatch(_) | Told::ObjectExists
            if heard.completed.is_some() && matches!(call, Call::Complete(_)) =>
        {
            return Err(format!("guarantee 6: complete says {told:?} after {heard:?}"));
        }
        _ => {}
    }
    let current = upload.s3_upload_id.as_ref().and_then(|id| state.world.bucket.multiparts.get(&id.0));
    let holds = |number: &u32| {
        current.is_some_and(|multipart| {
            multipart.parts.get(number).map(String::as_str) == Some(scenario.file.part(*number))
        })
    };
    let (received, missing) = match told {
        Told::Progress { received, missing, .. } => (received.as_slice(), missing.as_slice()),
        Told::Missing(missing) => (&[][..], missing.as_slice()),
        _ => (&[][..], &[][..]),
    };
    let is_known = |number: &&u32| received_before.contains(number) && heard.received.contains(number);
    if let Some(number) = missing.iter().filter(is_known).find(|number| holds(number)) {
        return Err(format!("guarantee 2: part {number} is asked for again although storage holds it"));
    }
    // A client may report what is not there yet; what counts is there when it is said to be.
    heard.received.extend(received.iter().filter(|number| holds(number)));
    Ok(())
}

/// What holds when everything was swept: storage keeps nothing of ours but completed objects.
pub(super) fn check_clean(scenario: &Scenario, world: &World) -> Result<(), Broken> {
    // Which multipart uploads of an unanswered creation are ours, only a list of those at a key of our own can tell.
    let can_find_strays = scenario.file.key.is_none() && scenario.habits.listing != Listing::Forbidden;
    for (id, multipart) in &world.bucket.multiparts {
        if can_find_strays || world.written.contains(id) {
            return Err(format!("guarantee 3: multipart upload {id} leaks: {multipart:?}"));
        }
    }
    for (key, object) in &world.bucket.objects {
        let Some(owner) = &object.owner else { continue };
        let is_completed =
            |upload: &Upload| upload.id.to_string() == *owner && upload.state == State::Completed;
        if !world.tables.uploads().any(is_completed) {
            return Err(format!("guarantee 3: the object at {key} leaks: {object:?}"));
        }
    }
    // Without a list nobody can say that storage holds nothing of an upload whose creation was not answered: it stays
    // `aborting`, and the log says why.
    let is_unprovable = |upload: &Upload| {
        upload.state == State::Aborting
            && upload.s3_upload_id.is_none()
            && scenario.habits.listing == Listing::Forbidden
    };
    match world.tables.uploads().find(|upload| !upload.state.is_final() && !is_unprovable(upload)) {
        Some(upload) => Err(format!("{} is {} for ever", upload.id, upload.state.name())),
        None => Ok(()),
    }
}

/// What a patient client may hear in the end.
pub(super) fn check_verdict(
    scenario: &Scenario,
    world: &World,
    name: Name,
    told: Option<&Told>,
) -> Result<(), Broken> {
    let Some(upload) = world.tables.upload(name.id()) else { return Ok(()) };
    let object = world.bucket.objects.get(upload.spec.key.as_str());
    let is_true = match told {
        Some(Told::Completed { .. }) => upload.state == State::Completed,
        Some(Told::Gone(_)) => {
            matches!(upload.state, State::Aborting | State::Aborted | State::Expired)
                || upload.is_overdue(super::gateway::START + time::Duration::seconds(world.now))
        }
        Some(Told::WrongBytes) => scenario.file.wrong_part.is_some(),
        Some(Told::ObjectExists) => {
            object.is_some_and(|object| object.owner.as_deref() != Some(upload.id.to_string().as_str()))
        }
        _ => false,
    };
    if is_true {
        Ok(())
    } else {
        Err(format!("liveness: a patient client hears {told:?} of {}", upload.state.name()))
    }
}
