//! What a command line names: files, folders with all that is in them, standard input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One thing to upload.
pub(super) struct Item {
    /// `None` is standard input.
    pub(super) path: Option<PathBuf>,
    pub(super) name: String,
    /// Of a file in a folder: its path from the folder on.
    pub(super) relative_path: Option<String>,
}

impl Item {
    /// The size of a file; `None` for standard input and what cannot be looked at.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        fs::metadata(self.path.as_ref()?).ok().map(|metadata| metadata.len())
    }
}

/// Which items to find.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    /// The name of standard input.
    pub(super) name: Option<&'a str>,
    pub(super) recursive: bool,
}

pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Adds a file, or with `-r` all files of a folder in order of their names.
pub(super) fn collect(file: &Path, search: Search<'_>, items: &mut Vec<Item>) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", file.display());
    if is_stdin(file) {
        let name = search.name.unwrap_or_default().to_owned();
        items.push(Item { path: None, name, relative_path: None });
        return Ok(());
    }
    if !fs::metadata(file).map_err(failed)?.is_dir() {
        let name = file.display().to_string();
        items.push(Item { path: Some(file.to_owned()), name, relative_path: None });
        return Ok(());
    }
    if !search.recursive {
        return Err(format!("{} is a folder; give -r to upload all that is in it", file.display()));
    }
    let root = file.canonicalize().map_err(failed)?;
    let above = root.parent().unwrap_or(&root).to_owned();
    walk(file, &mut |path| {
        let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let relative = absolute.strip_prefix(&above).unwrap_or(path).to_owned();
        items.push(Item {
            name: path.display().to_string(),
            path: Some(path.to_owned()),
            relative_path: Some(ascii_path(&relative)),
        });
    })
    .map_err(failed)
}

/// Every file below a folder. Links to folders are not followed: they can go round in circles.
fn walk(folder: &Path, found: &mut impl FnMut(&Path)) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, found)?;
        } else if path.is_file() {
            found(&path);
        }
    }
    Ok(())
}

/// A path as metadata can carry it: `/` between names, and what is not plain ASCII percent-encoded.
fn ascii_path(path: &Path) -> String {
    let names = path.components().map(|component| component.as_os_str().to_string_lossy());
    let names: Vec<String> = names.map(|name| percent_encoded(&name)).collect();
    names.join("/")
}

fn percent_encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        b'%' | 0..=0x1f | 0x7f.. => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    };
    name.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_plain_ascii() {
        assert_eq!(ascii_path(Path::new("a b/100%/ü.txt")), "a b/100%25/%C3%BC.txt");
    }

    #[test]
    fn a_folder_is_walked_in_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a/z", "a/y"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let mut found = Vec::new();
        walk(folder.path(), &mut |path| {
            found.push(path.strip_prefix(folder.path()).unwrap().to_owned());
        })
        .unwrap();
        assert_eq!(found, [Path::new("a/y"), Path::new("a/z"), Path::new("b")]);
    }
}
