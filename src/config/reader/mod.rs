//! Takes settings one by one, and remembers what was wrong, what was used, and what nobody asked for.

mod profile;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use config::{Config, Environment, File, FileFormat, Source as _, Value, ValueKind};

use super::{ConfigError, Secret};
use crate::units::{parse_duration, parse_size};

/// Variables that share our prefix but belong to the client commands or to the start itself.
const NOT_SETTINGS: [&str; 3] = ["url", "token", "config"];

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The setting, `storage.bucket`.
    pub path: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.detail)
    }
}

/// Where a setting's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File,
    /// The environment.
    Environment,
    /// A flag.
    Flag,
    /// A file of its own, which the setting `…_file` names: only for secrets.
    SecretFile(String),
    /// The file that `storage.profile` names: what the store can do.
    Profile(String),
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The setting, `storage.bucket`.
    pub path: String,
    /// Its value as text, secrets hidden; none where it is not set and has no default.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

struct Entry {
    /// One, or those of an array.
    values: Vec<String>,
    is_array: bool,
    origin: Origin,
}

pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    /// Every table of the file, also those with nothing in them: `[tenants.acme]` alone names a tenant.
    tables: BTreeSet<String>,
    problems: Vec<SettingProblem>,
    effective: Vec<Effective>,
}

impl Reader {
    pub(super) fn load(file: Option<&Path>, overrides: &[(&str, String)]) -> Result<Self, ConfigError> {
        let mut reader = Self::empty();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Unreadable(format!("{}: {error}", path.display())))?;
            let source = File::from_str(&text, FileFormat::Toml);
            reader.add(Config::builder().add_source(source), &Origin::File)?;
        }
        let environment = Environment::with_prefix("PARTGATE").prefix_separator("_").separator("__");
        reader.add(Config::builder().add_source(environment), &Origin::Environment)?;
        reader.override_with(overrides);
        Ok(reader)
    }

    pub(super) fn of(values: &[(&str, String)]) -> Self {
        let mut reader = Self::empty();
        reader.override_with(values);
        reader
    }

    fn empty() -> Self {
        Self {
            entries: BTreeMap::new(),
            tables: BTreeSet::new(),
            problems: Vec::new(),
            effective: Vec::new(),
        }
    }

    fn override_with(&mut self, overrides: &[(&str, String)]) {
        for (path, value) in overrides {
            let entry = Entry { values: vec![value.clone()], is_array: false, origin: Origin::Flag };
            self.entries.insert((*path).to_owned(), entry);
        }
    }

    fn add(
        &mut self,
        builder: config::ConfigBuilder<config::builder::DefaultState>,
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        let unreadable = |error: config::ConfigError| ConfigError::Unreadable(error.to_string());
        let tree = builder.build().and_then(|config| config.collect()).map_err(unreadable)?;
        for (name, value) in tree {
            let is_section = matches!(value.kind, ValueKind::Table(_));
            if *origin == Origin::Environment && NOT_SETTINGS.contains(&name.as_str()) && !is_section {
                continue;
            }
            self.flatten(name, value, origin);
        }
        Ok(())
    }

    fn flatten(&mut self, path: String, value: Value, origin: &Origin) {
        let text = |value: Value| value.into_string().unwrap_or_default();
        let is_array = matches!(value.kind, ValueKind::Array(_));
        let values = match value.kind {
            ValueKind::Table(table) => {
                for (name, value) in table {
                    self.flatten(format!("{path}.{name}"), value, origin);
                }
                self.tables.insert(path);
                return;
            }
            ValueKind::Array(values) => values.into_iter().map(text).collect(),
            _ => vec![text(value)],
        };
        self.entries.insert(path, Entry { values, is_array, origin: origin.clone() });
    }

    /// The value of a setting, or its default, noted as in force. A set but empty value counts as not set, because
    /// that is how environments spell "absent".
    fn take(&mut self, path: &str, default: Option<&str>, secrecy: Secrecy) -> Option<String> {
        let entry = self.entries.remove(path);
        let set = entry.as_ref().map(|entry| entry.values.join(",")).filter(|value| !value.is_empty());
        let origin = entry.filter(|_| set.is_some()).map_or(Origin::Default, |entry| entry.origin);
        let value = set.or_else(|| default.map(str::to_owned));
        let shown = match secrecy {
            Secrecy::Shown => value.clone(),
            Secrecy::Hidden => value.as_ref().map(|_| "[hidden]".to_owned()),
        };
        self.effective.push(Effective { path: path.to_owned(), value: shown, origin });
        value
    }

    /// The names right below a section that something is set for: of `tenants`, `["acme", "zoo"]`.
    pub(super) fn names_under(&self, section: &str) -> Vec<String> {
        let paths = self.entries.keys().chain(&self.tables);
        let below = paths.filter_map(|path| path.strip_prefix(section)?.strip_prefix('.'));
        let names: BTreeSet<_> = below.filter_map(|rest| rest.split('.').next()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    pub(super) fn problem(&mut self, path: &str, detail: impl Into<String>) {
        self.problems.push(SettingProblem { path: path.to_owned(), detail: detail.into() });
    }

    pub(super) fn parse<T>(
        &mut self,
        path: &str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(path, Some(default), Secrecy::Shown)?;
        parse(&value).map_err(|detail| self.problem(path, detail)).ok()
    }

    pub(super) fn text(&mut self, path: &str, default: Option<&str>) -> Option<String> {
        let value = self.take(path, default, Secrecy::Shown);
        if value.is_none() {
            self.problem(path, format!("missing: set it here or as {}", variable(path)));
        }
        value
    }

    pub(super) fn optional_text(&mut self, path: &str) -> Option<String> {
        self.take(path, None, Secrecy::Shown)
    }

    /// A list: in TOML an array, in the environment separated by commas.
    pub(super) fn list(&mut self, path: &str) -> Vec<String> {
        let joined = self.take(path, None, Secrecy::Shown).unwrap_or_default();
        joined.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn duration(
        &mut self,
        path: &str,
        default: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let duration = self.parse(path, default, parse_duration)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let (least, most) =
            (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        self.problem(path, format!("not between {least} and {most}"));
        None
    }

    pub(super) fn size(&mut self, path: &str, default: Option<&str>) -> Option<u64> {
        let value = self.take(path, default, Secrecy::Shown)?;
        match parse_size(&value) {
            Ok(0) => {
                self.problem(path, "at least 1 byte");
                None
            }
            Ok(bytes) => Some(bytes),
            Err(detail) => {
                self.problem(path, detail);
                None
            }
        }
    }

    pub(super) fn optional_size(&mut self, path: &str) -> Option<u64> {
        self.size(path, None)
    }

    /// Everything that was taken, unless something was wrong or is unknown.
    pub(super) fn finish(mut self) -> Result<Vec<Effective>, ConfigError> {
        for path in self.entries.into_keys() {
            let nearest = self.effective.iter().map(|known| known.path.as_str());
            let nearest = nearest.min_by_key(|known| distance(known, &path));
            let hint = nearest.filter(|known| distance(known, &path) <= 3);
            let hint = hint.map_or_else(String::new, |known| format!("; did you mean {known}?"));
            let detail = format!("there is no such setting{hint}");
            self.problems.push(SettingProblem { path, detail });
        }
        self.problems.sort_by(|a, b| a.path.cmp(&b.path));
        if self.problems.is_empty() { Ok(self.effective) } else { Err(ConfigError::Invalid(self.problems)) }
    }
}

#[derive(Clone, Copy)]
enum Secrecy {
    Shown,
    Hidden,
}

/// The environment variable of a setting.
fn variable(path: &str) -> String {
    format!("PARTGATE_{}", path.replace('.', "__").to_ascii_uppercase())
}

/// Levenshtein's distance, for "did you mean".
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
