//! Pages of a listing, without the database: prefix, delimiter, limit and where the next page begins.

use crate::db::{Start, after_prefix};

/// Something that is listed by its key.
pub(super) trait Keyed {
    fn key(&self) -> &str;
    /// Where a listing goes on after this.
    fn after(&self) -> Start;
}

/// Collects one page from fetches of rows. Ask [`wanted`](Self::wanted), fetch that, [`feed`](Self::feed) it.
pub(super) struct Pager<T> {
    prefix: String,
    delimiter: Option<String>,
    limit: usize,
    next: Option<Start>,
    pub(super) items: Vec<T>,
    pub(super) common_prefixes: Vec<String>,
    /// The last key or common prefix of the page, if there is more after it.
    pub(super) last: Option<Last>,
    latest: Option<Last>,
}

/// What a page ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Item(Start),
    Prefix(String),
}

impl<T: Keyed> Pager<T> {
    pub(super) fn new(prefix: &str, delimiter: Option<&str>, limit: u32, start: Start) -> Self {
        let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
        let mut pager = Self {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            limit: limit as usize,
            next: None,
            items: Vec::new(),
            common_prefixes: Vec::new(),
            last: None,
            latest: None,
        };
        if limit > 0 {
            pager.next = pager.skip_listed_prefix(start);
        }
        pager
    }

    /// What to fetch next; `None` when the page is complete.
    pub(super) fn wanted(&self) -> Option<(Start, u32)> {
        let room = self.limit - self.count() + 1;
        Some((self.next.clone()?, u32::try_from(room).unwrap_or(u32::MAX)))
    }

    /// Takes the rows that [`wanted`](Self::wanted) asked for.
    pub(super) fn feed(&mut self, rows: Vec<T>) {
        let room = self.limit - self.count() + 1;
        let exhausted = rows.len() < room;
        self.next = None;
        for row in rows {
            if self.count() == self.limit {
                self.last = self.latest.take();
                self.next = None;
                return;
            }
            if let Some(common) = self.group(row.key()) {
                // Whatever else is below the common prefix is skipped, not read.
                self.next = after_prefix(&common).map(Start::AtKey);
                self.latest = Some(Last::Prefix(common.clone()));
                self.common_prefixes.push(common);
                return;
            }
            let after = row.after();
            self.latest = Some(Last::Item(after.clone()));
            self.next = (!exhausted).then_some(after);
            self.items.push(row);
        }
    }

    fn count(&self) -> usize {
        self.items.len() + self.common_prefixes.len()
    }

    fn group(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter.as_deref()?;
        let rest = key.strip_prefix(&self.prefix)?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(key[..self.prefix.len() + end].to_owned())
    }

    /// A page that ended with a common prefix goes on after all that is below it.
    fn skip_listed_prefix(&self, start: Start) -> Option<Start> {
        match start {
            Start::AfterKey(key) if self.group(&key).is_some_and(|common| common == key) => {
                after_prefix(&key).map(Start::AtKey)
            }
            other => Some(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for &'static str {
        fn key(&self) -> &str {
            self
        }
        fn after(&self) -> Start {
            Start::AfterKey((*self).to_owned())
        }
    }

    const KEYS: [&str; 7] = ["a", "b/1", "b/2", "b/3", "c", "d/1", "e"];

    /// One page as (keys, common prefixes, whether truncated).
    fn page(limit: u32, start: Start) -> (Vec<&'static str>, Vec<String>, Option<Last>) {
        let mut pager = Pager::new("", Some("/"), limit, start);
        while let Some((start, limit)) = pager.wanted() {
            let from = |key: &&&str| match &start {
                Start::AtKey(at) => **key >= at.as_str(),
                Start::AfterKey(after) | Start::AfterUpload(after, _) => **key > after.as_str(),
            };
            pager.feed(KEYS.iter().filter(from).take(limit as usize).copied().collect());
        }
        (pager.items, pager.common_prefixes, pager.last)
    }

    #[test]
    fn one_page_holds_keys_and_common_prefixes() {
        let (items, prefixes, last) = page(1000, Start::AtKey(String::new()));
        assert_eq!(items, ["a", "c", "e"]);
        assert_eq!(prefixes, ["b/", "d/"]);
        assert_eq!(last, None);
    }

    #[test]
    fn pages_of_any_size_make_the_same_listing() {
        for limit in 1..6 {
            let mut start = Start::AtKey(String::new());
            let mut seen = Vec::new();
            loop {
                let (items, prefixes, last) = page(limit, start);
                seen.extend(items.into_iter().map(str::to_owned).chain(prefixes));
                start = match last {
                    None => break,
                    Some(Last::Item(after)) => after,
                    Some(Last::Prefix(prefix)) => Start::AfterKey(prefix),
                };
            }
            seen.sort();
            assert_eq!(seen, ["a", "b/", "c", "d/", "e"], "limit {limit}");
        }
    }

    #[test]
    fn a_limit_of_zero_lists_nothing() {
        assert_eq!(page(0, Start::AtKey(String::new())), (vec![], vec![], None));
    }
}
