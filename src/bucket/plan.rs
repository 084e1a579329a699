//! What has to change in a bucket.

use super::wanted::Wanted;
use super::{by_hand, cors, lifecycle};
use crate::storage::{
    BucketConfiguration, Cors, CorsRule, Lifecycle, PublicAccessBlock, Reading, Versioning,
};

/// A respect in which a bucket is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Which pages may send and read.
    Cors,
    /// When storage takes back what was never finished.
    Lifecycle,
    /// That nothing is public.
    PublicAccessBlock,
}

impl What {
    /// All of them, in the order of a plan.
    pub const ALL: [Self; 3] = [Self::Cors, Self::Lifecycle, Self::PublicAccessBlock];

    /// Its name in plans and arguments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cors => "cors",
            Self::Lifecycle => "lifecycle",
            Self::PublicAccessBlock => "public_access_block",
        }
    }
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// There is none of ours.
    Create,
    /// There is one, and it differs.
    Update,
    /// It is as wanted.
    None,
    /// Something that only a person can do.
    ByHand(Reason),
}

/// Why a person has to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The store has no such call; whether it is as wanted cannot be asked either.
    NoSuchCall,
    /// Our identity may not.
    Denied,
    /// A rule of somebody else is against it.
    Conflict,
    /// The bucket has rules that we could not write back as they are.
    Unknown,
}

impl Action {
    /// Its name in plans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::None => "none",
            Self::ByHand(_) => "by_hand",
        }
    }

    /// Whether nothing is known to be wrong. What a store cannot be asked is a person's to see to, and not wrong.
    #[must_use]
    pub fn is_settled(self) -> bool {
        match self {
            Self::None | Self::ByHand(Reason::NoSuchCall) => true,
            Self::Create
            | Self::Update
            | Self::ByHand(Reason::Denied | Reason::Conflict | Reason::Unknown) => false,
        }
    }
}

impl Reason {
    /// Its name in plans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSuchCall => "no_such_call",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Unknown => "unknown",
        }
    }
}

/// What a change sends to storage.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// All CORS rules.
    Cors(Vec<CorsRule>),
    /// All lifecycle rules.
    Lifecycle(Lifecycle),
    /// The four switches.
    PublicAccessBlock(PublicAccessBlock),
}

/// A line of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it is about.
    pub what: What,
    /// What is to be done.
    pub action: Action,
    /// What exactly, in words: what differs, or what a person has to do.
    pub detail: Vec<String>,
    /// What to send, where there is something.
    pub write: Option<Write>,
}

/// What has to change in a bucket, and what it will be set to then.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the settings ask for.
    pub wanted: Wanted,
    /// One for each [`What`], in its order.
    pub changes: Vec<Change>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// All CORS rules of the bucket then, those of others too.
    pub cors: Vec<CorsRule>,
    /// All lifecycle rules of the bucket then, those of others too.
    pub lifecycle: Lifecycle,
}

impl Plan {
    /// Whether nothing is left to be done, as far as storage can be asked.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.changes.iter().all(|change| change.action.is_settled())
    }

    /// Whether there is something to send.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        self.changes.iter().any(|change| change.write.is_some())
    }

    /// Whether this is part of the plan, and was not [excepted](Self::without).
    #[must_use]
    pub fn is_about(&self, what: What) -> bool {
        self.changes.iter().any(|change| change.what == what)
    }

    /// The plan for a bucket that has nothing yet, without a look at it.
    #[must_use]
    pub fn offline(wanted: Wanted) -> Self {
        let empty = BucketConfiguration {
            product: crate::storage::Product::Other,
            cors: Reading::Absent,
            lifecycle: Reading::Absent,
            public_access_block: Reading::Absent,
            versioning: Reading::Absent,
        };
        let mut plan = plan(wanted, &empty);
        plan.notes
            .insert(0, "storage was not asked: this is for a bucket without rules of its own.".to_owned());
        plan
    }

    /// The same plan without what is somebody else's business.
    #[must_use]
    pub fn without(mut self, except: &[What]) -> Self {
        self.changes.retain(|change| !except.contains(&change.what));
        for what in except {
            self.notes.push(format!("{} is left as it is, as you asked.", what.name()));
        }
        self
    }
}

/// Merges what is wanted with what there is.
#[must_use]
pub fn plan(wanted: Wanted, found: &BucketConfiguration) -> Plan {
    let (cors_change, cors) = cors::change(&wanted, found);
    let (lifecycle_change, lifecycle) = lifecycle::change(&wanted, found);
    let block_change = public_access_block(&wanted, found);
    let mut notes = wanted.notes.clone();
    notes.extend(versioning_note(&found.versioning, &lifecycle));
    Plan { wanted, changes: vec![cors_change, lifecycle_change, block_change], notes, cors, lifecycle }
}

impl Change {
    pub(super) fn none(what: What, detail: impl Into<String>) -> Self {
        Self { what, action: Action::None, detail: vec![detail.into()], write: None }
    }

    pub(super) fn by_hand(what: What, reason: Reason, detail: Vec<String>) -> Self {
        Self { what, action: Action::ByHand(reason), detail, write: None }
    }
}

fn public_access_block(wanted: &Wanted, found: &BucketConfiguration) -> Change {
    const WHAT: What = What::PublicAccessBlock;
    let block = wanted.public_access_block;
    let write = Some(Write::PublicAccessBlock(block));
    match &found.public_access_block {
        Reading::Is(now) if *now == block => Change::none(WHAT, "nothing can be made public"),
        Reading::Is(now) => {
            Change { what: WHAT, action: Action::Update, detail: switches(*now, block), write }
        }
        Reading::Absent => {
            let detail = vec!["nothing can be made public any more, by ACLs or by a policy".to_owned()];
            Change { what: WHAT, action: Action::Create, detail, write }
        }
        Reading::NoSuchCall => {
            Change::by_hand(WHAT, Reason::NoSuchCall, by_hand::public_access_block(wanted, found.product))
        }
        Reading::Denied => Change::by_hand(WHAT, Reason::Denied, by_hand::denied(WHAT)),
    }
}

fn switches(now: PublicAccessBlock, then: PublicAccessBlock) -> Vec<String> {
    let all = [
        ("block_public_acls", now.block_public_acls, then.block_public_acls),
        ("ignore_public_acls", now.ignore_public_acls, then.ignore_public_acls),
        ("block_public_policy", now.block_public_policy, then.block_public_policy),
        ("restrict_public_buckets", now.restrict_public_buckets, then.restrict_public_buckets),
    ];
    let mut lines: Vec<_> = all
        .iter()
        .filter(|(_, now, then)| now != then)
        .map(|(name, now, then)| format!("{name}: {now} -> {then}"))
        .collect();
    lines.push(
        "somebody has switched this off: if files of this bucket are public on purpose, add \
         --except public_access_block"
            .to_owned(),
    );
    lines
}

fn versioning_note(versioning: &Reading<Versioning>, lifecycle: &Lifecycle) -> Option<String> {
    let Reading::Is(versioning) = versioning else { return None };
    if lifecycle.rules.iter().any(crate::storage::LifecycleRule::expires_versions) {
        return None;
    }
    let words = match versioning {
        Versioning::Enabled => "the bucket keeps versions",
        Versioning::Suspended => "the bucket kept versions and may still hold some",
    };
    Some(format!(
        "{words}: files that are replaced or taken back stay as old versions and cost as before. A lifecycle rule with \
         NoncurrentVersionExpiration ends them."
    ))
}

/// What the bucket has, where we may write it back.
pub(super) fn known(found: &Reading<Cors>) -> &[CorsRule] {
    match found {
        Reading::Is(cors) => &cors.rules,
        Reading::Absent | Reading::NoSuchCall | Reading::Denied => &[],
    }
}
