//! The states of an upload and the arrows between them.

/// Where an upload is in its life.
///
/// ```text
/// creating ─▶ open ─▶ completing ─▶ completed          completing ─▶ open   (parts lost or missing)
///      │        │          └──────▶ failed                 (proof of a wrong object; it is deleted)
///      └────────┴─▶ aborting ─▶ aborted | expired
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Written down, not yet opened in storage.
    Creating,
    /// Takes parts.
    Open,
    /// Storage is putting the parts together, or the object is being proven.
    Completing,
    /// The object is in storage, proven.
    Completed,
    /// The object was proven wrong and deleted.
    Failed,
    /// Being taken back from storage.
    Aborting,
    /// Taken back on request.
    Aborted,
    /// Taken back because its lifetime was over.
    Expired,
}

impl State {
    /// Every state, in the order of life.
    pub const ALL: [Self; 8] = [
        Self::Creating,
        Self::Open,
        Self::Completing,
        Self::Completed,
        Self::Failed,
        Self::Aborting,
        Self::Aborted,
        Self::Expired,
    ];

    /// The name in database, log and API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Open => "open",
            Self::Completing => "completing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborting => "aborting",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether an upload may go from this state to that one.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            // To itself: storage is about to be asked once more.
            (Self::Creating, Self::Creating | Self::Open | Self::Aborting)
                // Open to open: storage reaped the multipart upload and a new one takes its place.
                | (Self::Open, Self::Open | Self::Completing | Self::Aborting)
                | (Self::Completing, Self::Open | Self::Completed | Self::Failed)
                | (Self::Aborting, Self::Aborted | Self::Expired)
        )
    }

    /// Whether nothing will happen to the upload any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Aborted | Self::Expired => true,
            Self::Creating | Self::Open | Self::Completing | Self::Aborting => false,
        }
    }
}
