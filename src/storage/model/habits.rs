//! How stores differ (`ARCHITECTURE.md` and `storage/profile.rs` say which abilities our choices depend on).

/// What a store answers when a multipart upload is completed once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RepeatedComplete {
    /// As the first time, while its object is at the key (AWS without a condition, SeaweedFS, Ceph).
    Same,
    /// As the first time, whatever has become of its object (the embedded store).
    Remembered,
    /// 412: its own object takes the key (AWS with `If-None-Match`).
    KeyTaken,
    /// It does not know it any more (MinIO, Garage).
    Forgotten,
}

/// What becomes of a part that was under way when its multipart upload was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LatePart {
    /// It is refused (MinIO, SeaweedFS).
    Refused,
    /// It stays, and with it the multipart upload, until that is aborted again (AWS, s3s-fs).
    Stays,
}

/// Whether ListMultipartUploads works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Listing {
    /// By prefix.
    ByPrefix,
    /// By whole keys only (MinIO).
    ByKey,
    /// Permissions do not allow it.
    Forbidden,
    /// It answers, and leaves multipart uploads out.
    Lies,
}

/// Whether `If-None-Match: *` is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Conditions {
    /// On PutObject and CompleteMultipartUpload.
    Honoured,
    /// On neither (Garage).
    Ignored,
}

/// Whether ListParts shows the parts' checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PartChecksums {
    /// As AWS and MinIO do.
    Shown,
    /// As SeaweedFS does.
    Hidden,
}

/// What CompleteMultipartUpload makes of the parts. All but the first prove that the model can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Completion {
    /// The object.
    Works,
    /// Another one, of the same size.
    Garbles,
    /// Nothing, but it says that it did.
    Pretends,
}

/// How a store behaves where stores differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Habits {
    pub(crate) name: &'static str,
    pub(crate) repeated_complete: RepeatedComplete,
    pub(crate) late_part: LatePart,
    pub(crate) listing: Listing,
    pub(crate) conditions: Conditions,
    pub(crate) part_checksums: PartChecksums,
    pub(crate) completion: Completion,
}

/// AWS S3, and stores that are like it.
pub(crate) const AWS: Habits = Habits {
    name: "aws",
    repeated_complete: RepeatedComplete::KeyTaken,
    late_part: LatePart::Stays,
    listing: Listing::ByPrefix,
    conditions: Conditions::Honoured,
    part_checksums: PartChecksums::Shown,
    completion: Completion::Works,
};
/// MinIO.
pub(crate) const MINIO: Habits = Habits {
    name: "minio",
    repeated_complete: RepeatedComplete::Forgotten,
    late_part: LatePart::Refused,
    listing: Listing::ByKey,
    ..AWS
};
/// SeaweedFS.
pub(crate) const SEAWEED: Habits = Habits {
    name: "seaweedfs",
    repeated_complete: RepeatedComplete::Same,
    late_part: LatePart::Refused,
    part_checksums: PartChecksums::Hidden,
    ..AWS
};
/// Garage.
pub(crate) const GARAGE: Habits = Habits {
    name: "garage",
    repeated_complete: RepeatedComplete::Forgotten,
    late_part: LatePart::Refused,
    conditions: Conditions::Ignored,
    ..AWS
};
/// The embedded store.
pub(crate) const DEVSTORE: Habits = Habits {
    name: "devstore",
    repeated_complete: RepeatedComplete::Remembered,
    late_part: LatePart::Refused,
    ..AWS
};
/// An identity that may not list multipart uploads.
pub(crate) const NO_LISTING: Habits = Habits { name: "no listing", listing: Listing::Forbidden, ..AWS };
