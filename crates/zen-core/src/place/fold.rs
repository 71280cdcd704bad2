//! Names that a file system takes for one: by case, or by the way in which letters with accents are written. Which ones
//! those are is asked of the file system itself: every one folds in its own way. Knows no artifacts but by their entries.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::artifact::Entry;
use crate::path::{RelPath, bytes_path};

/// Says which two of some names in one folder are one.
type AreOne<'a> = dyn FnMut(&[&[u8]]) -> io::Result<Option<(usize, usize)>> + 'a;

/// The first two entries that would be one where `are_one` says which of some names in one folder are. It is asked only
/// about names that may be: those that differ by case alone, and all that are not plain ASCII.
pub(super) fn collision<'e>(
    entries: &'e [Entry],
    are_one: &mut AreOne<'_>,
) -> io::Result<Option<(&'e RelPath, &'e RelPath)>> {
    let mut folders: BTreeMap<&[u8], Vec<(&'e [u8], &'e RelPath)>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.path.is_root()) {
        // A glob's artifact has no entries for its folders, and these may be one as well.
        let path = entry.path.as_bytes();
        let mut start = 0;
        for end in path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]) {
            let folder = &path[..start.max(1) - 1];
            let names = folders.entry(folder).or_default();
            if names.last().is_none_or(|(last, _)| *last != &path[start..end]) {
                names.push((&path[start..end], &entry.path));
            }
            start = end + 1;
        }
    }
    for names in folders.values_mut() {
        names.sort_unstable();
        names.dedup_by_key(|(name, _)| *name);
        let mut folded: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (name, _) in names.iter().filter(|(name, _)| name.is_ascii()) {
            *folded.entry(name.to_ascii_lowercase()).or_default() += 1;
        }
        let may_be = |name: &[u8]| !name.is_ascii() || folded[&name.to_ascii_lowercase()] > 1;
        let doubtful: Vec<_> = names.iter().filter(|(name, _)| may_be(name)).collect();
        if doubtful.len() < 2 {
            continue;
        }
        let asked: Vec<&[u8]> = doubtful.iter().map(|(name, _)| *name).collect();
        if let Some((one, other)) = are_one(&asked)? {
            return Ok(Some((doubtful[one].1, doubtful[other].1)));
        }
    }
    Ok(None)
}

/// Asks the file system that `beside` lies on, by files of these names in a folder of their own.
pub(super) fn ask(beside: &Path, prefix: &str, names: &[&[u8]]) -> io::Result<Option<(usize, usize)>> {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(beside)?;
    for (at, name) in names.iter().enumerate() {
        let path = folder.path().join(bytes_path(name));
        match fs::File::create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Which one it is: the one without which there is none.
                for (earlier, name) in names[..at].iter().enumerate() {
                    let _ = fs::remove_file(folder.path().join(bytes_path(name)));
                    if path.symlink_metadata().is_err() {
                        return Ok(Some((earlier, at)));
                    }
                }
                return Err(error);
            }
            // A name that cannot be is found when it is written.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Node;

    fn entries(paths: &[&str]) -> Vec<Entry> {
        let mut entries: Vec<_> = paths
            .iter()
            .map(|path| Entry { path: RelPath::root().child(path.as_bytes()), node: Node::Folder })
            .collect();
        entries.sort();
        entries
    }

    /// A file system that folds case and takes a combining diaeresis for part of the letter before it.
    fn folding(names: &[&[u8]]) -> io::Result<Option<(usize, usize)>> {
        let fold = |name: &[u8]| {
            let text = String::from_utf8_lossy(name).to_lowercase();
            text.replace("a\u{308}", "ä").replace("u\u{308}", "ü")
        };
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            if let Some(one) = known.insert(fold(name), at) {
                return Ok(Some((one, at)));
            }
        }
        Ok(None)
    }

    fn found(paths: &[&str]) -> Option<(String, String)> {
        let entries = entries(paths);
        collision(&entries, &mut folding).unwrap().map(|(one, other)| (one.to_string(), other.to_string()))
    }

    #[test]
    fn f26_two_names_that_the_file_system_takes_for_one_are_found() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(found(&["README", "readme"]), pair("README", "readme"));
        assert_eq!(found(&["a", "d/x", "d/X", "z"]), pair("d/X", "d/x"));
        assert_eq!(
            found(&["\u{e4}.txt", "a\u{308}.txt"]),
            pair("a\u{308}.txt", "\u{e4}.txt"),
            "one letter, written in two ways"
        );
        assert_eq!(found(&["Ä.txt", "ä.txt"]), pair("Ä.txt", "ä.txt"));
        assert_eq!(
            found(&["Gen/a", "gen/b"]),
            pair("Gen/a", "gen/b"),
            "a glob's files lie in folders that are no entries"
        );
        assert_eq!(found(&["x/Gen/a/b", "x/gen"]), pair("x/Gen/a/b", "x/gen"));
        for apart in [&["a/x", "b/X"][..], &["a", "b"], &["ä", "ö"], &["a", "A/x"][..1], &[""], &["", "a"]] {
            assert_eq!(found(apart), None, "{apart:?}");
        }
    }

    #[test]
    fn f26_the_file_system_is_asked_about_doubtful_names_alone() {
        let mut asked: Vec<Vec<String>> = Vec::new();
        let mut ask = |names: &[&[u8]]| {
            asked.push(names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect());
            Ok(None)
        };
        let entries = entries(&["a", "B", "b", "c/d", "c/e", "é", "x/é", "x/y"]);
        assert_eq!(collision(&entries, &mut ask).unwrap(), None);
        assert_eq!(asked, [["B", "b", "é"]]);
        let refused = collision(&entries, &mut |_| Err(ErrorKind::PermissionDenied.into()));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn f26_the_file_system_of_the_tests_is_asked_for_real() {
        let folder = tempfile::tempdir().unwrap();
        let names: [&[u8]; 4] = [b"plain", b"case", "\u{e4}".as_bytes(), b"Case"];
        let asked = ask(folder.path(), ".zen-tmp-", &names).unwrap();
        fs::write(folder.path().join("case"), "").unwrap();
        let folds = folder.path().join("Case").exists();
        assert_eq!(asked, folds.then_some((1, 3)));
        assert_eq!(ask(folder.path(), ".zen-tmp-", &[b"x", b"y", b"x"]).unwrap(), Some((0, 2)), "what is one is one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing of it is left");
    }
}
