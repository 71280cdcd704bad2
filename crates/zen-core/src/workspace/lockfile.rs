//! Cargo.lock as data, and what one entry reaches. Knows not where the file lies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use crate::closure::Fact;
use crate::digest::FieldHasher;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
    #[serde(skip)]
    by_name: HashMap<String, Vec<usize>>,
}

/// One `[[package]]`.
#[derive(Debug, Deserialize)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) version: String,
    /// `None`: a path package.
    pub(super) source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Lock {
    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut lock: Self = toml::from_str(text)?;
        for (at, locked) in lock.package.iter().enumerate() {
            lock.by_name.entry(locked.name.clone()).or_default().push(at);
        }
        Ok(lock)
    }

    pub(super) fn entry(&self, at: usize) -> &Locked {
        &self.package[at]
    }

    /// The entry of a path package. A version that was just raised in the manifest is still the old one here.
    pub(super) fn path_package(&self, name: &str, version: &str) -> Option<usize> {
        let mut all = self.named(name).filter(|at| self.package[*at].source.is_none());
        let first = all.next()?;
        let exact = std::iter::once(first).chain(all).find(|at| self.package[*at].version == version);
        exact.or(Some(first))
    }

    /// What the entry depends on, each in full.
    pub(super) fn dependencies(&self, at: usize) -> impl Iterator<Item = usize> {
        self.package[at].dependencies.iter().filter_map(|text| self.resolve(text))
    }

    /// `name`, `name version` or `name version (source)`: as much as it takes to be unambiguous.
    fn resolve(&self, text: &str) -> Option<usize> {
        let mut words = text.splitn(3, ' ');
        let (name, version, source) = (words.next()?, words.next(), words.next());
        let source = source.map(|source| source.trim_matches(['(', ')']));
        self.named(name).find(|at| {
            let locked = &self.package[*at];
            version.is_none_or(|version| version == locked.version)
                && source.is_none_or(|source| locked.source.as_deref() == Some(source))
        })
    }

    fn named(&self, name: &str) -> impl Iterator<Item = usize> {
        self.by_name.get(name).into_iter().flatten().copied()
    }

    /// One fact for each name among `entries`: versions, where they come from, checksums.
    pub(super) fn facts(&self, entries: &BTreeSet<usize>) -> Vec<Fact> {
        let mut by_name: BTreeMap<&str, Vec<&Locked>> = BTreeMap::new();
        for at in entries {
            by_name.entry(&self.package[*at].name).or_default().push(&self.package[*at]);
        }
        let fact = |(name, mut all): (&str, Vec<&Locked>)| {
            all.sort_by(|a, b| (&a.version, &a.source).cmp(&(&b.version, &b.source)));
            let mut hasher = FieldHasher::new("zen lock 1");
            for locked in &all {
                hasher.field(locked.version.as_bytes());
                for field in [&locked.source, &locked.checksum] {
                    hasher.number(u64::from(field.is_some())).field(field.as_deref().unwrap_or_default().as_bytes());
                }
            }
            let versions: Vec<_> = all.iter().map(|locked| locked.version.as_str()).collect();
            Fact { item: format!("lock {name}"), digest: hasher.finish(), shown: Some(versions.join(", ")) }
        };
        by_name.into_iter().map(fact).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4
[[package]]
name = "api"
version = "0.1.0"
dependencies = ["rand 0.8.5", "serde"]
[[package]]
name = "rand"
version = "0.8.5"
source = "registry+https://x"
checksum = "aa"
dependencies = ["serde"]
[[package]]
name = "rand"
version = "0.9.0"
source = "registry+https://x"
checksum = "bb"
[[package]]
name = "serde"
version = "1.0.1"
source = "registry+https://x"
checksum = "cc"
"#;

    #[test]
    fn dependencies_are_told_apart_by_version() {
        let lock = Lock::parse(LOCK).unwrap();
        let api = lock.path_package("api", "0.2.0").unwrap();
        let shown = |at: usize| format!("{} {}", lock.entry(at).name, lock.entry(at).version);
        assert_eq!(lock.dependencies(api).map(shown).collect::<Vec<_>>(), ["rand 0.8.5", "serde 1.0.1"]);
        assert_eq!(lock.path_package("serde", "1.0.1"), None, "it comes from a registry");
    }

    #[test]
    fn a_fact_tells_versions_and_holds_checksums() {
        let facts = |text: &str| Lock::parse(text).unwrap().facts(&BTreeSet::from([1, 2, 3]));
        let all = facts(LOCK);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].item.as_str(), all[0].shown.as_deref()), ("lock rand", Some("0.8.5, 0.9.0")));
        let other = facts(&LOCK.replace("\"cc\"", "\"dd\""));
        assert_eq!(other[0], all[0]);
        assert_ne!(other[1].digest, all[1].digest);
        assert_eq!(other[1].shown, all[1].shown);
    }
}
