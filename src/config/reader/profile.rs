//! What a store can do, from the file that `partgate doctor --profile` writes.

use std::collections::BTreeMap;

use config::{Config, File, FileFormat, Source as _};

use super::{Entry, Origin, Reader};

const PATH: &str = "storage.profile";

/// The settings below `storage` that a profile may give: what the doctor can see.
const NAMES: [&str; 4] = ["checksum_algorithms", "conditional_writes", "lists_checksums", "min_part_size"];

impl Reader {
    /// Puts the profile's values under the settings: what is set stays, what is not comes from here.
    pub(in crate::config) fn underlay_profile(&mut self) {
        let Some(file) = self.optional_text(PATH) else { return };
        match read(&file) {
            Ok(values) => {
                for (name, entry) in values {
                    self.underlay(&name, entry);
                }
            }
            Err(detail) => self.problem(PATH, format!("{file}: {detail}")),
        }
    }

    fn underlay(&mut self, name: &str, entry: Entry) {
        if !NAMES.contains(&name) {
            self.problem(PATH, format!("{name:?} is not of a profile, which has {}", NAMES.join(", ")));
            return;
        }
        let path = format!("storage.{name}");
        // Set but empty is how environments spell "not set".
        let is_set = |entry: &Entry| entry.values.iter().any(|value| !value.is_empty());
        if !self.entries.get(&path).is_some_and(is_set) {
            self.entries.insert(path, entry);
        }
    }
}

fn read(file: &str) -> Result<BTreeMap<String, Entry>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let source = Config::builder().add_source(File::from_str(&text, FileFormat::Toml));
    let tree = source.build().and_then(|config| config.collect()).map_err(|error| error.to_string())?;
    let mut reader = Reader::empty();
    for (name, value) in tree {
        reader.flatten(name, value, &Origin::Profile(file.to_owned()));
    }
    Ok(reader.entries)
}
