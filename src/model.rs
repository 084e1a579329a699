//! How tests stand in for the world outside: every call to the database or to storage is a question, and whoever
//! holds the other end answers it, when and how they like.
//!
//! Compiled in tests only. `store::model` and `storage::model` ask; `service::model_tests` answers.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether a call may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It only looks.
    Reads,
    /// It may change something.
    Writes,
}

/// What a call may answer.
pub(crate) trait Value: Any + fmt::Debug + Send + Sync {
    fn is_same(&self, other: &dyn Value) -> bool;
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any + fmt::Debug + PartialEq + Send + Sync> Value for T {
    fn is_same(&self, other: &dyn Value) -> bool {
        other.as_any().downcast_ref::<T>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a caller hears.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// The answer.
    Said(Arc<dyn Value>),
    /// Nothing, until the caller's patience is over.
    Silence,
    /// A no that is none of the call's own: permissions, settings.
    Refusal,
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Said(one), Self::Said(other)) => (**one).is_same(&**other),
            (Self::Silence, Self::Silence) | (Self::Refusal, Self::Refusal) => true,
            _ => false,
        }
    }
}

/// Why a caller has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// [`Reply::Silence`].
    Silence,
    /// [`Reply::Refusal`].
    Refusal,
}

/// A call to a part `W` of the world. Invariant: the text tells all that the call would do.
pub(crate) struct Question<W> {
    pub(crate) text: String,
    pub(crate) effect: Effect,
    act: Arc<dyn Fn(&mut W) -> Reply + Send + Sync>,
}

impl<W> Question<W> {
    pub(crate) fn new<T: Value>(
        effect: Effect,
        text: String,
        act: impl Fn(&mut W) -> T + Send + Sync + 'static,
    ) -> Self {
        Self { text, effect, act: Arc::new(move |world| Reply::Said(Arc::new(act(world)))) }
    }

    /// Carries the call out.
    pub(crate) fn act(&self, world: &mut W) -> Reply {
        (self.act)(world)
    }
}

impl<W> Clone for Question<W> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), effect: self.effect, act: Arc::clone(&self.act) }
    }
}

type Asked = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Where questions go.
pub(crate) struct Port<W>(Arc<dyn Fn(Question<W>) -> Asked + Send + Sync>);

impl<W: Send + 'static> Port<W> {
    /// A port behind which somebody takes their time.
    pub(crate) fn new(ask: impl Fn(Question<W>) -> Asked + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// A port that carries out every call at once.
    pub(crate) fn direct(world: Arc<Mutex<W>>) -> Self {
        Self::new(move |question| {
            let reply = question.act(&mut world.lock().unwrap_or_else(PoisonError::into_inner));
            Box::pin(std::future::ready(reply))
        })
    }

    pub(crate) async fn ask<T: Value + Clone>(
        &self,
        effect: Effect,
        text: String,
        act: impl Fn(&mut W) -> T + Send + Sync + 'static,
    ) -> Result<T, NoAnswer> {
        match (self.0)(Question::new(effect, text, act)).await {
            Reply::Said(value) => Ok((*value)
                .as_any()
                .downcast_ref::<T>()
                .expect("a call's answer is of the call's type")
                .clone()),
            Reply::Silence => Err(NoAnswer::Silence),
            Reply::Refusal => Err(NoAnswer::Refusal),
        }
    }
}

impl<W> Clone for Port<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> fmt::Debug for Port<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Port")
    }
}
