//! Secrets: from their setting, or from a file of their own.

use super::{Effective, Origin, Reader, Secrecy, Secret};

impl Reader {
    /// A secret: from its setting, or from the file that `<path>_file` names, which is how Docker and Kubernetes hand
    /// secrets over.
    pub(in crate::config) fn secret(&mut self, path: &str, default: Option<&str>) -> Option<Secret> {
        match self.take_file(path) {
            SecretFile::NotNamed => self.take(path, default, Secrecy::Hidden).map(Secret::new),
            SecretFile::Unusable => None,
            SecretFile::Text(text) => Some(Secret::new(text)),
        }
    }

    pub(in crate::config) fn optional_secret(&mut self, path: &str) -> Option<Secret> {
        self.secret(path, None)
    }

    /// A list of secrets: in TOML an array, in the environment separated by commas, in a file one a line.
    pub(in crate::config) fn secret_list(&mut self, path: &str) -> Vec<Secret> {
        // The secrets of an array may have commas.
        let array = self.entries.get(path).filter(|entry| entry.is_array).map(|entry| entry.values.clone());
        let items = match self.take_file(path) {
            SecretFile::NotNamed => {
                let text = self.take(path, None, Secrecy::Hidden).unwrap_or_default();
                array.unwrap_or_else(|| text.split(',').map(str::to_owned).collect())
            }
            SecretFile::Unusable => Vec::new(),
            SecretFile::Text(text) => text.lines().map(str::to_owned).collect(),
        };
        let items = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
        items.map(|item| Secret::new(item.to_owned())).collect()
    }

    /// Says that a secret is missing, unless its file has been complained about.
    pub(in crate::config) fn missing_secret(&mut self, path: &str, detail: String) {
        let file_path = file_path(path);
        if !self.problems.iter().any(|problem| problem.path == file_path) {
            self.problem(path, detail);
        }
    }

    fn take_file(&mut self, path: &str) -> SecretFile {
        let file_path = file_path(path);
        let is_set = |entry: &super::Entry| entry.values.iter().any(|value| !value.is_empty());
        let Some(entry) = self.entries.remove(&file_path).filter(is_set) else { return SecretFile::NotNamed };
        if self.entries.remove(path).is_some_and(|direct| is_set(&direct)) {
            self.problem(&file_path, format!("set, and so is {path}: only one of them can be"));
            return SecretFile::Unusable;
        }
        let file = entry.values.join(",");
        match read(&file) {
            Ok(text) => {
                let (path, value) = (path.to_owned(), Some("[hidden]".to_owned()));
                self.effective.push(Effective { path, value, origin: Origin::SecretFile(file) });
                SecretFile::Text(text)
            }
            Err(detail) => {
                self.problem(&file_path, format!("{file}: {detail}"));
                SecretFile::Unusable
            }
        }
    }
}

/// What the file of a secret has to say.
enum SecretFile {
    /// No file is named.
    NotNamed,
    /// It was complained about.
    Unusable,
    /// What is in it, without the end of its last line.
    Text(String),
}

fn file_path(path: &str) -> String {
    format!("{path}_file")
}

/// Editors and `echo` end the last line of a file; no secret ends with one.
fn read(file: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("it is empty".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}
