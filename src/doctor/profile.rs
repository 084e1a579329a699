//! What the store can do, as it was seen, and the file by which the gateway is told.

use std::fmt::Write as _;

use serde::Serialize;
use serde::ser::Serializer;

use crate::storage::StoreProfile;
use crate::upload::ChecksumAlgorithm;

/// What the store can do, as far as it was seen. The names are those of the settings below `storage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FoundProfile {
    /// Whether `If-None-Match: *` is honoured on PutObject and CompleteMultipartUpload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<bool>,
    /// Whether ListParts tells the checksums of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lists_checksums: Option<bool>,
    /// The checksum kinds that are enforced on parts, in the order of preference.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "names_of")]
    pub checksum_algorithms: Option<Vec<ChecksumAlgorithm>>,
    /// The smallest part but the last that was taken, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_part_size: Option<u64>,
}

fn names_of<S: Serializer>(kinds: &Option<Vec<ChecksumAlgorithm>>, serializer: S) -> Result<S::Ok, S::Error> {
    kinds.as_ref().map(|kinds| names(kinds)).serialize(serializer)
}

/// As the setting has them. An empty list would count as not set.
pub(super) fn names(kinds: &[ChecksumAlgorithm]) -> Vec<&'static str> {
    match kinds {
        [] => vec![ChecksumAlgorithm::None.name()],
        kinds => kinds.iter().map(|kind| kind.name()).collect(),
    }
}

impl FoundProfile {
    /// The settings, as lines of TOML for the section `[storage]`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.lines().into_iter().map(|(_, line)| line + "\n").collect()
    }

    /// The lines that differ from what the gateway goes by.
    #[must_use]
    pub fn lines_against(&self, used: &StoreProfile) -> Vec<String> {
        let used = Self {
            conditional_writes: Some(used.conditional_writes),
            lists_checksums: Some(used.lists_checksums),
            checksum_algorithms: Some(kinds_of(used)),
            min_part_size: Some(used.limits.min_part_bytes),
        };
        let used = used.lines();
        self.lines().into_iter().filter(|line| !used.contains(line)).map(|(_, line)| line).collect()
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let mut line = |name: &'static str, value: Option<String>| {
            lines.extend(value.map(|value| (name, format!("{name} = {value}"))));
        };
        line("conditional_writes", self.conditional_writes.map(|is_so| is_so.to_string()));
        line("lists_checksums", self.lists_checksums.map(|is_so| is_so.to_string()));
        let kinds = self.checksum_algorithms.as_ref();
        line("checksum_algorithms", kinds.map(|kinds| format!("{:?}", names(kinds))));
        line("min_part_size", self.min_part_size.map(|bytes| bytes.to_string()));
        lines
    }

    /// A file for the setting `storage.profile`, with who wrote it and when.
    #[must_use]
    pub fn to_file(&self, store: &str, now: time::OffsetDateTime) -> String {
        let mut text = String::new();
        let (date, version) = (now.date(), env!("CARGO_PKG_VERSION"));
        // Writing to a String does not fail.
        let _ = writeln!(text, "# What {store} can do, as partgate doctor {version} saw it on {date}.");
        let _ =
            writeln!(text, "# Read by the setting storage.profile; storage.* in the settings goes over it.");
        text + &self.to_toml()
    }
}

/// The kinds of a profile without `none`, which every store takes.
pub(super) fn kinds_of(profile: &StoreProfile) -> Vec<ChecksumAlgorithm> {
    let is_kind = |kind: &ChecksumAlgorithm| *kind != ChecksumAlgorithm::None;
    profile.checksum_algorithms.iter().copied().filter(is_kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn garage() -> FoundProfile {
        FoundProfile {
            conditional_writes: Some(false),
            lists_checksums: Some(true),
            checksum_algorithms: Some(vec![ChecksumAlgorithm::Crc64nvme, ChecksumAlgorithm::Md5]),
            min_part_size: Some(1),
        }
    }

    #[test]
    fn toml_has_the_names_of_settings() {
        let expected = "conditional_writes = false\nlists_checksums = true\n\
                        checksum_algorithms = [\"crc64nvme\", \"md5\"]\nmin_part_size = 1\n";
        assert_eq!(garage().to_toml(), expected);
        assert_eq!(FoundProfile::default().to_toml(), "");
    }

    #[test]
    fn only_what_differs_is_worth_a_line() {
        let mut used = StoreProfile { conditional_writes: false, ..StoreProfile::default() };
        used.limits.min_part_bytes = 1;
        assert_eq!(garage().lines_against(&used), ["checksum_algorithms = [\"crc64nvme\", \"md5\"]"]);
        assert_eq!(FoundProfile::default().lines_against(&used), Vec::<String>::new());
    }
}
